"""The staff's pages of reconciliation: sources, bills with their upload, and days."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter, RelatedDropdownFilter
from unfold.decorators import display

from oms.common.desk import acting
from oms.common.desk.acting import RowAction, RowActions
from oms.common.desk.lists import KeysetAdmin, staff_actor_name
from oms.common.errors import OmsError
from oms.common.money import fen_text
from oms.common.templatetags.staff import badge
from orders.admin.actions import staff_actor
from payments.models import (
    MAPPED_FORMS,
    SETTLED_OUTCOMES,
    Bill,
    BillDay,
    BillForm,
    BillMatch,
    BillRow,
    BillSource,
    Outcome,
)
from payments.reconciling import importing, refreshing, resolving
from payments.reconciling.forms.mapped import mapping_of


def shown_yuan(fen: int | None) -> str:
    """Fen as yuan; a dash for none."""
    return "–" if fen is None else fen_text(fen)


class SourceForm(forms.ModelForm):
    """A source; its mapping is checked as the reader of its files will."""

    class Meta:
        model = BillSource
        fields = (
            *("connection", "form", "account", "mapping", "fee_rate", "fee_minimum_fen", "days_to_remit", "is_active"),
        )

    def clean(self) -> dict[str, Any]:
        """See Form."""
        data = super().clean() or {}
        form = data.get("form")
        if form in MAPPED_FORMS and "mapping" in data:
            try:
                mapping_of(BillForm(form), data["mapping"] or {})
            except OmsError as refusal:
                self.add_error("mapping", str(refusal))
        return data


@admin.register(BillSource)
class BillSourceAdmin(KeysetAdmin):
    """Whose bills are read, how, and which fees were agreed on."""

    form = SourceForm
    may_add = may_change = True
    list_display = ("__str__", "account", "fee_rate", "is_active")
    list_select_related = ("connection",)
    list_filter = (("form", ChoicesDropdownFilter),)


class UploadForm(forms.Form):
    """A file, whose it is, and of which day; empty: as the file says."""

    source = forms.ModelChoiceField(BillSource.objects.filter(is_active=True).select_related("connection"))
    day = forms.DateField(required=False)
    file = forms.FileField()


class NoteForm(forms.Form):
    """Why nothing follows."""

    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=200, widget=forms.TextInput(attrs=acting.INPUT))


def _note_missed(request: HttpRequest, bill_id: int, data: dict[str, Any]) -> str:
    count = resolving.note_missed(bill_id, **data, actor=staff_actor(request))
    return _("Noted of %(count)s parcels.") % {"count": count}


@admin.register(Bill)
class BillAdmin(RowActions):
    """Files that were read, the page on which staff upload them, and of each the parcels that it should have had."""

    list_display = ("file_name", "source", "day", "last_day", "row_count", "new_row_count", "read_by", "read_at")
    list_select_related = ("source__connection",)
    list_filter = (("source", RelatedDropdownFilter), ("day", RangeDateFilter))
    fields = (
        ("file_name", "source"),
        ("day", "last_day"),
        ("row_count", "new_row_count"),
        ("missed_parcels",),
        ("read_by", "read_at"),
    )
    readonly_fields = sum(fields, ())
    row_actions = (
        RowAction(
            "note_missed",
            "payments.note_billmatch",
            gettext_lazy("I looked at all parcels that it missed"),
            _note_missed,
            NoteForm,
        ),
    )
    change_list_template = "admin/payments/bill/change_list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Bill]:
        """Without the sealed files, which no page shows."""
        return super().get_queryset(request).defer("content")

    @display(description=gettext_lazy("parcels that no bill has"))
    def missed_parcels(self, bill: Bill) -> str:
        """How many it should have had, and how many of them are open, with the list."""
        count = Count("id", filter=Q(resolution=""))
        found = BillMatch.objects.filter(missed_by=bill.pk).aggregate(all=Count("id"), open=count)
        if not found["all"]:
            return "–"
        page = reverse("admin:payments_billmatch_changelist") + f"?missed_by__id__exact={bill.pk}"
        words = _("%(all)s, of which %(open)s are open") % found
        return format_html('<a href="{}">{}</a>', page, words)

    def fitting_actions(self, row: Bill) -> list[str]:
        """What was missed and is open may be noted."""
        return ["note_missed"] if BillMatch.objects.filter(missed_by=row.pk, resolution="").exists() else []

    def has_upload_permission(self, request: HttpRequest) -> bool:
        """Its own right."""
        return request.user.has_perm("payments.upload_bill")

    def get_urls(self) -> list[URLPattern]:
        """The upload page stands before the bills' own."""
        upload = path("upload/", self.admin_site.admin_view(self.upload_view), name="payments_bill_upload")
        return [upload, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with the way to the upload for those who may."""
        context = {"may_upload": self.has_upload_permission(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    def upload_view(self, request: HttpRequest) -> HttpResponse:
        """Read a file; a refusal is shown above the form, and nothing was changed then."""
        if not self.has_upload_permission(request):
            raise PermissionDenied
        form = UploadForm(request.POST or None, request.FILES or None)
        error = ""
        if request.method == "POST" and form.is_valid():
            file, data = form.cleaned_data["file"], form.cleaned_data
            try:
                bill = importing.import_bill(
                    data["source"].pk,
                    file.read(),
                    file_name=file.name,
                    by=staff_actor_name(request),
                    day=data["day"],
                )
            except OmsError as refusal:
                error = str(refusal)
            else:
                messages.success(request, _("%(file)s was read.") % {"file": bill.file_name})
                found = BillDay.objects.filter(connection=bill.source.connection_id, day=bill.day).first()
                page = (
                    ("admin:payments_billday_change", [found.pk]) if found else ("admin:payments_bill_changelist", [])
                )
                return redirect(reverse(page[0], args=page[1]))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Upload a bill"),
            "form": form,
            "error": error,
        }
        return TemplateResponse(request, "admin/payments/bill/upload.html", context, status=400 if error else 200)


@admin.register(BillDay)
class BillDayAdmin(KeysetAdmin):
    """Days of connections: what trades, refunds, fees and account come to, and the rows by outcome."""

    keyset = ("-day", "-id")
    list_display = (*("__str__", "trade_yuan", "refund_yuan", "fee_yuan", "fund_yuan", "difference_yuan", "is_closed"),)
    list_select_related = ("connection",)
    list_filter = (("connection", RelatedDropdownFilter), ("day", RangeDateFilter))
    fields = (
        ("connection", "day"),
        ("trade_yuan", "refund_yuan"),
        ("fee_yuan", "fund_yuan"),
        ("difference_yuan", "is_closed"),
        ("closed_at", "downloaded_at"),
    )
    readonly_fields = sum(fields, ())
    change_form_outer_after_template = "admin/payments/billday/outcomes.html"

    @display(description=gettext_lazy("trades"))
    def trade_yuan(self, day: BillDay) -> str:
        """In yuan."""
        return shown_yuan(day.trade_fen)

    @display(description=gettext_lazy("refunds"))
    def refund_yuan(self, day: BillDay) -> str:
        """In yuan."""
        return shown_yuan(day.refund_fen)

    @display(description=gettext_lazy("fees"))
    def fee_yuan(self, day: BillDay) -> str:
        """In yuan."""
        return shown_yuan(day.fee_fen)

    @display(description=gettext_lazy("moved on the account"))
    def fund_yuan(self, day: BillDay) -> str:
        """In yuan."""
        return shown_yuan(day.fund_fen)

    @display(description=gettext_lazy("difference"))
    def difference_yuan(self, day: BillDay) -> SafeString:
        """In yuan, in red unless it is nothing."""
        return badge(shown_yuan(day.difference_fen), "danger" if day.difference_fen else "success")

    @display(description=gettext_lazy("state"))
    def is_closed(self, day: BillDay) -> SafeString:
        """Whether it is closed."""
        return (
            badge(_("Closed"), "success") if day.closed_at else badge(pgettext("reconciliation day", "Open"), "warning")
        )

    def get_urls(self) -> list[URLPattern]:
        """Looking again has its own address."""
        again = path(
            "<int:day_id>/refresh/", self.admin_site.admin_view(self.refresh_view), name="payments_billday_refresh"
        )
        return [again, *super().get_urls()]

    def refresh_view(self, request: HttpRequest, day_id: int) -> HttpResponse:
        """Compare once more what differs."""
        return acting.act(
            request,
            lambda _data: _("%(count)s came out otherwise.") % {"count": refreshing.refresh()},
            may=request.user.has_perms(["payments.view_billday", "payments.upload_bill"]),
            page=reverse("admin:payments_billday_change", args=[day_id]),
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The day, and its rows by outcome with links to them."""
        day = self.get_object(request, object_id)
        context = {"groups": _groups(day) if day else [], "may_refresh": request.user.has_perm("payments.upload_bill")}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})


def _groups(day: BillDay) -> list[dict[str, Any]]:
    """How many rows of each source came out how, with their sums; one statement."""
    matches = BillMatch.objects.filter(source__connection=day.connection_id, day=day.day)
    counted = matches.order_by("source", "outcome").values("source", "source__form", "outcome")
    page = reverse("admin:payments_billmatch_changelist")
    return [
        {
            "form": BillForm(group["source__form"]).label,
            "outcome": Outcome(group["outcome"]).label,
            "tone": "success" if group["outcome"] in SETTLED_OUTCOMES else "danger",
            "count": group["count"],
            "amount": shown_yuan(group["amount"]),
            "unexplained": shown_yuan(group["unexplained"]),
            "link": format_html(
                "{}?{}",
                page,
                urlencode(
                    {
                        "source__id__exact": str(group["source"]),
                        "outcome__exact": str(group["outcome"]),
                        "day_from": day.day.isoformat(),
                        "day_to": day.day.isoformat(),
                    }
                ),
            ),
        }
        for group in counted.annotate(count=Count("id"), amount=Sum("amount_fen"), unexplained=Sum("unexplained_fen"))
    ]


@admin.register(BillRow)
class BillRowAdmin(KeysetAdmin):
    """Rows of bills as they were read."""

    search_fields = ("own_number", "of_number", "transaction_number")
    search_help_text = gettext_lazy("Number of a payment or refund, waybill or serial of the bank")
    list_display = ("shown_number", "kind", "amount_yuan", "fee_yuan", "source", "day", "line")
    list_select_related = ("source__connection",)
    list_filter = (("source", RelatedDropdownFilter), ("kind", ChoicesDropdownFilter), ("day", RangeDateFilter))

    @display(description=gettext_lazy("number"))
    def shown_number(self, row: BillRow) -> str:
        """Under which number people know it."""
        return row.shown_key

    @display(description=gettext_lazy("amount"))
    def amount_yuan(self, row: BillRow) -> str:
        """In yuan."""
        return shown_yuan(row.amount_fen)

    @display(description=gettext_lazy("fee"))
    def fee_yuan(self, row: BillRow) -> str:
        """In yuan."""
        return shown_yuan(row.fee_fen)
