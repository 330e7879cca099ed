"""The forms by which staff work on parcels that nobody knows."""

import re
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inventory import serials
from inventory.models import Warehouse
from oms.common.desk.acting import INPUT, VersionForm
from orders.models import Found, ReturnReason
from orders.models.return_request import RESTOCKED
from orders.models.return_rule import REFUSED_AT_DOOR
from orders.returning.strays import Unit
from payments.returning.forms import photos_of

LINES = 8


class NoteForm(forms.Form):
    """Asks what came, and where; fields `sku_…`, `found_…`, `count_…`, `serials_…` name the units line by line."""

    warehouse = forms.ModelChoiceField(
        label=gettext_lazy("Warehouse"),
        queryset=Warehouse.objects.exclude(kind=Warehouse.Kind.VIRTUAL).order_by("code"),
        widget=forms.Select(attrs=INPUT),
    )
    waybill = forms.CharField(
        label=gettext_lazy("Waybill"), max_length=40, required=False, widget=forms.TextInput(attrs=INPUT)
    )
    phone_tail = forms.CharField(
        label=gettext_lazy("Last four digits of the sender's phone"),
        max_length=4,
        required=False,
        widget=forms.TextInput(attrs={**INPUT, "inputmode": "numeric"}),
    )
    remark = forms.CharField(
        label=gettext_lazy("Note"), max_length=300, required=False, widget=forms.TextInput(attrs=INPUT)
    )

    def clean(self) -> dict[str, Any]:
        """With the units and the photos."""
        data = super().clean() or self.cleaned_data
        data["units"] = [unit for place in range(LINES) if (unit := self._unit(place)) is not None]
        data["photos"] = photos_of(self.files)
        if not data["units"]:
            raise forms.ValidationError(_("Name at least one unit."))
        return data

    def lines(self) -> list[dict[str, Any]]:
        """The lines as they were typed, for the page."""
        return [
            {
                "place": place,
                "sku": self.data.get(f"sku_{place}", ""),
                "found": self.data.get(f"found_{place}", Found.GOOD.value),
                "count": self.data.get(f"count_{place}", ""),
                "serials": self.data.get(f"serials_{place}", ""),
            }
            for place in range(LINES)
        ]

    def _unit(self, place: int) -> Unit | None:
        named = " ".join(self.data.get(f"sku_{place}", "").split())
        typed = self.data.get(f"count_{place}", "").strip()
        numbers = serials.split(self.data.get(f"serials_{place}", ""))
        if not named and not typed and not numbers:
            return None
        if not re.fullmatch(r"[0-9]{1,5}", typed) or int(typed) < 1 or not named:
            text = _("Line %(line)d: name a SKU, or say what it seems to be, and give its units.")
            raise forms.ValidationError(text % {"line": place + 1})
        return Unit(named[:120], self.data.get(f"found_{place}", Found.GOOD.value), int(typed), serials=numbers)


FOUND_CHOICES = [(code.value, code.label) for code in RESTOCKED]


class MatchForm(VersionForm):
    """Asks for the return of which the parcel is."""

    number = forms.CharField(
        label=gettext_lazy("Number of the return"), max_length=32, widget=forms.TextInput(attrs=INPUT)
    )


class MatchOrderForm(VersionForm):
    """Asks for the sub-order of which the parcel is, and why it came back."""

    number = forms.CharField(
        label=gettext_lazy("Number of the sub-order"), max_length=32, widget=forms.TextInput(attrs=INPUT)
    )
    reason = forms.ModelChoiceField(
        label=gettext_lazy("Reason"),
        queryset=ReturnReason.objects.filter(is_active=True).exclude(code=REFUSED_AT_DOOR),
        to_field_name="code",
        empty_label=None,
        widget=forms.Select(attrs=INPUT),
    )
