"""The desk of a warehouse that is run here: scan to check, weigh, hand over. By keyboard or scanner alone, and without
scripts: each scan is a form that ends with Enter."""

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from logistics.floor import checking, handing_over
from logistics.floor.trouble import UnitsMissing, WeightDiffers
from logistics.models import PickTask
from oms.common.desk.acting import INPUT
from oms.common.desk.lists import staff_actor_name
from oms.common.errors import OmsError

CHECK = "logistics.check_picktask"
SCAN = {**INPUT, "autofocus": True, "autocomplete": "off", "autocapitalize": "off", "enterkeyhint": "done"}


class NumberForm(forms.Form):
    """Which parcel."""

    number = forms.CharField(
        label=gettext_lazy("Waybill, warehouse order or sub-order number"),
        max_length=40,
        widget=forms.TextInput(attrs=SCAN),
    )


class ScanForm(forms.Form):
    """A unit."""

    code = forms.CharField(
        label=gettext_lazy("Barcode or SKU (5*CODE for five)"), max_length=80, widget=forms.TextInput(attrs=SCAN)
    )


class FinishForm(forms.Form):
    """The parcel is closed."""

    weight_g = forms.IntegerField(
        label=gettext_lazy("Weight (g)"),
        min_value=1,
        max_value=1_000_000,
        required=False,
        widget=forms.NumberInput(attrs=INPUT),
    )
    is_short = forms.BooleanField(required=False, widget=forms.HiddenInput)
    weight_is_right = forms.BooleanField(required=False, widget=forms.HiddenInput)


class HandOverForm(forms.Form):
    """Parcels for the carrier."""

    numbers = forms.CharField(
        label=gettext_lazy("Waybills or warehouse orders, one a line"),
        max_length=handing_over.MOST_AT_ONCE * 50,
        widget=forms.Textarea(attrs={**INPUT, "rows": 8, "autofocus": True}),
    )

    def clean_numbers(self) -> list[str]:
        """The numbers, in their order."""
        numbers = self.cleaned_data["numbers"].replace(",", " ").upper().split()
        if len(numbers) > handing_over.MOST_AT_ONCE:
            raise forms.ValidationError(_("At most %(most)s at once."), params={"most": handing_over.MOST_AT_ONCE})
        return numbers


class FloorDesk:
    """The pages; mix it into the admin of pick tasks."""

    admin_site: Any

    def get_urls(self) -> list[URLPattern]:
        """With the pages of the desk."""
        wrap = self.admin_site.admin_view
        return [
            path("check/", wrap(self.number_view), name="logistics_floor_number"),
            path("check/<int:task_id>/", wrap(self.check_view), name="logistics_floor_check"),
            path("hand-over/", wrap(self.hand_over_view), name="logistics_floor_hand_over"),
            *super().get_urls(),  # type: ignore[misc]
        ]

    def number_view(self, request: HttpRequest) -> HttpResponse:
        """Take a parcel in hand by its number."""
        _require(request)
        form = NumberForm(request.POST or None)
        error = ""
        if form.is_valid():
            try:
                task_id = checking.begin(form.cleaned_data["number"], by=staff_actor_name(request))
                return redirect("admin:logistics_floor_check", task_id)
            except OmsError as refusal:
                error, form = str(refusal), NumberForm()
        return self._page(request, "number", _("Check a parcel"), {"form": form, "error": error})

    def check_view(self, request: HttpRequest, task_id: int) -> HttpResponse:
        """Scan its units one by one, then weigh and close it."""
        _require(request)
        error = done = ""
        asks: type[OmsError] | None = None
        finish = FinishForm()
        step = request.POST.get("step", "") if request.method == "POST" else ""
        try:
            if step == "scan":
                scanned = ScanForm(request.POST)
                if scanned.is_valid():
                    line = checking.scan(task_id, scanned.cleaned_data["code"])
                    done = line.name
            elif step == "empty":
                checking.empty(task_id)
            elif step == "finish":
                finish = FinishForm(request.POST)
                if finish.is_valid():
                    data = finish.cleaned_data
                    task = checking.finish(task_id, **data)
                    return self._finished(request, task)
        except PickTask.DoesNotExist:
            return redirect("admin:logistics_floor_number")
        except (UnitsMissing, WeightDiffers) as question:
            error, asks = str(question), type(question)
        except OmsError as refusal:
            error = str(refusal)
        return self._parcel(request, task_id, error, done, finish, asks)

    def _parcel(
        self,
        request: HttpRequest,
        task_id: int,
        error: str,
        done: str,
        finish: FinishForm,
        asks: type[OmsError] | None,
    ) -> HttpResponse:
        task = PickTask.objects.select_related("warehouse_order", "wave").filter(pk=task_id).first()
        if task is None:
            return redirect("admin:logistics_floor_number")
        lines = checking.wanted(task_id)
        if not lines and not error:  # nobody has it in hand: it is begun by its number
            return redirect("admin:logistics_floor_number")
        context = {
            "task": task,
            "lines": lines,
            "is_complete": bool(lines) and not any(line.missing or line.serials_missing for line in lines),
            "waiting": next((line for line in lines if line.serials_missing), None),
            "scan": ScanForm(),
            "finish": finish,
            "error": error,
            "done": done,
            "asks_whether_short": asks is UnitsMissing,
            "asks_about_weight": asks is WeightDiffers,
            "is_short": finish.data.get("is_short", "") if finish.is_bound else "",
        }
        title = _("Check %(number)s") % {"number": task.warehouse_order.number}
        return self._page(request, "check", title, context)

    def _finished(self, request: HttpRequest, task: PickTask) -> HttpResponse:
        number = task.warehouse_order.number
        text = (
            _("%(number)s is packed.") if task.checked_at else _("%(number)s is given back: nothing of it was found.")
        )
        return self._page(
            request, "number", _("Check a parcel"), {"form": NumberForm(), "done": text % {"number": number}}
        )

    def hand_over_view(self, request: HttpRequest) -> HttpResponse:
        """Give parcels to the carrier; each number has its result, and those that stay are left in the form."""
        _require(request)
        form = HandOverForm(request.POST or None)
        rows: list[handing_over.Row] = []
        if form.is_valid():
            rows = handing_over.hand_over(form.cleaned_data["numbers"])
            form = HandOverForm(initial={"numbers": "\n".join(row.number for row in rows if row.why)})
        done = sum(1 for row in rows if not row.why)
        context = {"form": form, "left": [row for row in rows if row.why], "done": done if rows else None}
        return self._page(request, "hand_over", _("Hand over"), context)

    def _page(self, request: HttpRequest, name: str, title: str, context: dict[str, Any]) -> HttpResponse:
        shown = {**self.admin_site.each_context(request), "title": title, **context}
        shown["list_url"] = reverse("admin:logistics_picktask_changelist")
        status = 409 if context.get("error") else 200
        return TemplateResponse(request, f"admin/logistics/floor_{name}.html", shown, status=status)


def _require(request: HttpRequest) -> None:
    if not request.user.has_perm(CHECK):
        raise PermissionDenied
