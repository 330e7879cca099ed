"""The forms by which staff work on returns."""

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inventory import hosting, serials
from inventory.models import Warehouse
from oms.common.desk.acting import INPUT, RowForm, VersionForm
from orders.models import Found, PaysWayBack, ReturnReason, ReturnRequest
from orders.models.return_request import BY_REQUEST, ReturnKind
from orders.models.return_rule import REFUSED_AT_DOOR
from orders.returning.repairing import INSTEAD
from payments.exchanging.beginning import Agreed

MOST_UNITS = 100_000


class ReasonForm(VersionForm):
    """Asks why."""

    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=200, widget=forms.TextInput(attrs=INPUT))


class WarehouseForm(VersionForm, RowForm):
    """Asks for another warehouse that keeps goods of the merchant, or none."""

    warehouse = forms.ModelChoiceField(
        label=gettext_lazy("Another warehouse"),
        queryset=Warehouse.objects.exclude(kind=Warehouse.Kind.VIRTUAL).order_by("code"),
        required=False,
        widget=forms.Select(attrs=INPUT),
    )

    def fit(self, row: ReturnRequest) -> None:
        """Offer the warehouses that keep goods of the merchant whose goods come back."""
        field = self.fields["warehouse"]
        field.queryset = field.queryset.filter(pk__in=hosting.hosts(row.sub_order.merchant))  # type: ignore[attr-defined]


class OtherWarehouseForm(WarehouseForm):
    """Asks for another warehouse."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["warehouse"].required = True


class WaybillForm(VersionForm):
    """Asks for a waybill."""

    waybill = forms.CharField(label=gettext_lazy("Waybill"), max_length=40, widget=forms.TextInput(attrs=INPUT))


class WayBackForm(WaybillForm):
    """Asks for carrier and waybill of the way back."""

    carrier = forms.CharField(
        label=gettext_lazy("Carrier"), max_length=40, required=False, widget=forms.TextInput(attrs=INPUT)
    )
    field_order: Sequence[str] = ("carrier", "waybill")


class WayBackCostForm(VersionForm):
    """Asks who bears the way back, and what our carrier takes for it."""

    bearer = forms.ChoiceField(
        label=gettext_lazy("Borne by"), choices=PaysWayBack.choices, widget=forms.Select(attrs=INPUT)
    )
    cost = forms.DecimalField(
        label=gettext_lazy("Cost in yuan"),
        min_value=0,
        max_digits=7,
        decimal_places=2,
        widget=forms.NumberInput(attrs={**INPUT, "step": "0.01", "min": "0"}),
    )


class _WithPhotos(VersionForm):
    def clean(self) -> dict[str, Any]:
        """With the photos that were sent."""
        data = super().clean() or self.cleaned_data
        data["photos"] = photos_of(self.files)
        return data


def photos_of(files: Any) -> list[UploadedFile]:
    """The photos that were sent with a form."""
    return [file for file in files.getlist("photos") if file] if hasattr(files, "getlist") else []


def _count(text: object) -> int:
    """A number of units as it was typed; nothing is none. Raises ValidationError."""
    typed = str(text).strip()
    if not typed:
        return 0
    if not (typed.isascii() and typed.isdigit() and int(typed) <= MOST_UNITS):
        raise forms.ValidationError(_("Give numbers of units from 0 on."))
    return int(typed)


class RequestForm(_WithPhotos):
    """Asks for a return of units of an order; fields `units_…` name the units by sub-order line."""

    kind = forms.ChoiceField(
        label=gettext_lazy("What the buyer gets"),
        choices=[(kind.value, kind.label) for kind in BY_REQUEST if kind != ReturnKind.EXCHANGE],
        widget=forms.Select(attrs=INPUT),
    )
    reason = forms.ModelChoiceField(
        label=gettext_lazy("Reason"),
        queryset=ReturnReason.objects.filter(is_active=True).exclude(code=REFUSED_AT_DOOR),
        to_field_name="code",
        empty_label=None,
        widget=forms.Select(attrs=INPUT),
    )
    remark = forms.CharField(
        label=gettext_lazy("Remark"), max_length=300, required=False, widget=forms.TextInput(attrs=INPUT)
    )
    agreed_amount = forms.DecimalField(
        label=gettext_lazy("Agreed amount in yuan (refund without return)"),
        required=False,
        max_digits=12,
        decimal_places=2,
        widget=forms.NumberInput(attrs={**INPUT, "step": "0.01", "min": "0.01"}),
    )

    def clean(self) -> dict[str, Any]:
        """With the units."""
        data = super().clean()
        keys = [key for key in self.data if re.fullmatch(r"units_\d{1,18}", key)]
        named = {int(key[6:]): _count(self.data[key]) for key in keys}
        data["units"] = {key: count for key, count in named.items() if count}
        if not data["units"]:
            raise forms.ValidationError(_("Name at least one unit."))
        return data


class InspectForm(_WithPhotos):
    """Asks what each unit was found to be; fields `found_LINE_CODE`, and `serials_LINE` for serial numbers."""

    note = forms.CharField(label=gettext_lazy("Note"), max_length=200, required=False)

    def clean(self) -> dict[str, Any]:
        """With the findings."""
        data = super().clean()
        findings: dict[int, dict[str, int]] = defaultdict(dict)
        for key, value in self.data.items():
            match = re.fullmatch(r"found_(\d{1,18})_([a-z_]+)", key)
            if match and match[2] in Found.values:
                findings[int(match[1])][match[2]] = _count(value)
        data["findings"] = dict(findings)
        data["serials"] = _serials(self.data)
        return data


class InsteadForm(ReasonForm):
    """What the buyer gets in place of a repair that cannot be done, why, and what the person saw of an exchange (fen);
    fields `serials_LINE` for serial numbers."""

    instead = forms.ChoiceField(label=gettext_lazy("Instead"), choices=[(k.value, k.label) for k in INSTEAD])
    to_pay = forms.IntegerField(required=False)
    back = forms.IntegerField(required=False)

    def clean(self) -> dict[str, Any]:
        """With what was seen, and the serial numbers."""
        data = super().clean() or self.cleaned_data
        to_pay, back = data.get("to_pay"), data.get("back")
        data["agreed"] = None if to_pay is None or back is None else Agreed(to_pay, back)
        data["serials"] = _serials(self.data)
        return data


class GrantForm(VersionForm):
    """What the person saw of the money, and the units that are paid for (`pay_LINE`)."""

    cash = forms.DecimalField(max_digits=12, decimal_places=2)
    gift_card = forms.DecimalField(max_digits=12, decimal_places=2)
    points = forms.DecimalField(max_digits=12, decimal_places=2)
    note = forms.CharField(label=gettext_lazy("Note"), max_length=200, required=False)

    def clean(self) -> dict[str, Any]:
        """With the units."""
        data = super().clean() or self.cleaned_data
        data["units"] = units_to_pay(self.data)
        data["followed_kept"] = followed_kept(self.data)
        return data


def _serials(data: Any) -> dict[int, list[str]]:
    """Serial numbers (`serials_LINE`) by sub-order line."""
    keys = [key for key in data if re.fullmatch(r"serials_\d{1,18}", key)]
    return {int(key[8:]): serials.split(str(data[key])) for key in keys}


def units_to_pay(data: Any) -> dict[int, int] | None:
    """Units to pay for by sub-order line, as a form or an address names them; None where it names none. Raises
    ValidationError."""
    named = {int(key[4:]): _count(value) for key, value in data.items() if re.fullmatch(r"pay_\d{1,18}", key)}
    return named or None


def followed_kept(data: Any) -> dict[int, int] | None:
    """Units of gifts that followed and did not come back (`kept_PART`), by sub-order line; None where nothing is said.
    Raises ValidationError."""
    named = {int(key[5:]): _count(value) for key, value in data.items() if re.fullmatch(r"kept_\d{1,18}", key)}
    return {part: count for part, count in named.items() if count} if named else None
