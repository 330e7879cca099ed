"""The log of what was printed, and the page on which labels, pick lists and packing slips are printed."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action, display

from logistics.models import Paper, Printout
from logistics.printing import choosing, printing
from logistics.printing.contents import Arrangement
from logistics.printing.drawing import SIZES
from oms.common.desk.acting import INPUT
from oms.common.desk.lists import KeysetAdmin, staff_actor_name
from oms.common.errors import OmsError

RIGHTS = {
    Paper.LABEL: "logistics.print_labels",
    Paper.PICK_LIST: "logistics.print_lists",
    Paper.PACKING_SLIP: "logistics.print_lists",
}
_AGAIN = "logistics.print_again"


class PrintForm(forms.Form):
    """What to print, and on what. `ids` are the rows that the person was shown for the numbers."""

    paper = forms.ChoiceField(label=gettext_lazy("Paper"), choices=Paper.choices, widget=forms.Select(attrs=INPUT))
    size = forms.ChoiceField(
        label=gettext_lazy("Size of labels"),
        choices=[(size, f"{width} × {height} mm") for size, (width, height) in SIZES.items()],
        widget=forms.Select(attrs=INPUT),
    )
    arrangement = forms.ChoiceField(
        label=gettext_lazy("Packing slips"), choices=Arrangement.choices, widget=forms.Select(attrs=INPUT)
    )
    numbers = forms.CharField(
        label=gettext_lazy("Numbers of warehouse orders, sub-orders, shipments or waybills"),
        max_length=choosing.MOST_AT_ONCE * 50,
        widget=forms.Textarea(attrs={**INPUT, "rows": 6}),
    )
    reason = forms.CharField(
        label=gettext_lazy("Why it is printed again"),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs=INPUT),
    )
    ids = forms.CharField(required=False, widget=forms.HiddenInput)

    def clean_numbers(self) -> list[str]:
        """The numbers, each once, in their order."""
        numbers = list(dict.fromkeys(self.cleaned_data["numbers"].replace(",", " ").upper().split()))
        if len(numbers) > choosing.MOST_AT_ONCE:
            raise forms.ValidationError(_("At most %(most)s at once."), params={"most": choosing.MOST_AT_ONCE})
        return numbers

    def clean_ids(self) -> list[int]:
        """The rows as numbers."""
        return [int(word) for word in self.cleaned_data["ids"].split() if word.isascii() and word.isdigit()]

    def wanted(self, ids: Sequence[int]) -> printing.Wanted:
        """What a sound form asks for."""
        data = self.cleaned_data
        arrangement = Arrangement(data["arrangement"])
        return printing.Wanted(
            Paper(data["paper"]), data["numbers"], ids, data["size"], arrangement, data["reason"].strip()
        )


class Printable:
    """Rows of which papers are printed; mix it into a KeysetAdmin, and name the action."""

    def has_print_permission(self, request: HttpRequest) -> bool:
        """For those who may print any paper."""
        return _may_print(request)

    @action(description=gettext_lazy("Print labels, pick lists or packing slips"), permissions=["print"])
    def print_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        """The page on which they are looked over and printed."""
        numbers = queryset.order_by("pk").values_list("number", flat=True)
        return redirect(f"{reverse('admin:logistics_printout_print')}?{urlencode({'numbers': ' '.join(numbers)})}")


@admin.register(Printout)
class PrintoutAdmin(KeysetAdmin):
    """Who printed what when, which of them are copies, and why."""

    search_fields = (
        "shipment__waybill_number",
        "shipment__number",
        "warehouse_order__number",
        "shipment__sub_order__number",
        "warehouse_order__sub_order__number",
    )
    search_help_text = gettext_lazy("Waybill, shipment, warehouse order or sub-order number")
    list_display = ("subject", "paper", "copy", "reason", "printed_by", "printed_at")
    list_select_related = ("shipment", "warehouse_order")
    list_filter = (("paper", ChoicesDropdownFilter),)
    list_before_template = "admin/logistics/print_link.html"

    @display(description=gettext_lazy("number"))
    def subject(self, printout: Printout) -> str:
        """The parcel's or warehouse order's."""
        return str(printout.shipment or printout.warehouse_order)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The log, with the way to the page that prints."""
        return super().changelist_view(request, {"may_print": _may_print(request), **(extra_context or {})})

    def get_urls(self) -> list[URLPattern]:
        """With the page that prints."""
        view = self.admin_site.admin_view(self.print_view)
        return [path("print/", view, name="logistics_printout_print"), *super().get_urls()]

    def print_view(self, request: HttpRequest) -> HttpResponse:
        """What would be printed and what is left out, and why; then the PDF."""
        papers = [paper for paper, right in RIGHTS.items() if request.user.has_perm(right)]
        if not papers or (request.method == "POST" and request.POST.get("paper") in set(RIGHTS) - set(papers)):
            raise PermissionDenied
        typed = request.POST if request.method == "POST" else None
        form = PrintForm(typed, initial={"numbers": request.GET.get("numbers", ""), "paper": papers[0]})
        choice, error = None, ""
        if typed is not None and form.is_valid():
            wanted = form.wanted(form.cleaned_data["ids"])
            try:
                if typed.get("step") == "print":
                    return _pdf(request, wanted)
            except OmsError as refusal:
                error = str(refusal)
            choice = choosing.choose(wanted.paper, wanted.numbers)
            form = PrintForm({**typed.dict(), "ids": " ".join(map(str, choice.ids))})
        form.fields["paper"].choices = [(paper.value, paper.label) for paper in papers]  # type: ignore[attr-defined]
        context = {
            **self.admin_site.each_context(request),
            "title": _("Print"),
            "form": form,
            "choice": choice,
            "error": error,
            "may_print_again": request.user.has_perm(_AGAIN),
        }
        return TemplateResponse(request, "admin/logistics/print.html", context, status=409 if error else 200)


def _may_print(request: HttpRequest) -> bool:
    return any(request.user.has_perm(right) for right in RIGHTS.values())


def _pdf(request: HttpRequest, wanted: printing.Wanted) -> HttpResponse:
    document = printing.print_out(
        wanted, by=staff_actor_name(request)[:80], may_print_again=request.user.has_perm(_AGAIN)
    )
    headers = {"Content-Disposition": f'inline; filename="{wanted.paper.value}.pdf"', "Cache-Control": "no-store"}
    return HttpResponse(document, content_type="application/pdf", headers=headers)
