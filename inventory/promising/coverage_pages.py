"""The page of where goods get to, from which warehouse and how soon."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from inventory.models import StorageClass, Warehouse
from inventory.promising import coverage, tables
from inventory.promising.coverage import Covered
from inventory.sourcing import rulebook
from oms.merchants.models import Merchant


class CoverageForm(forms.Form):
    """Whose goods, of which class, from which warehouse (empty: from all that may send them)."""

    merchant = forms.ModelChoiceField(Merchant.objects.order_by("code"), label=_("Merchant"), required=False)
    storage_class = forms.ChoiceField(label=_("storage class"), required=False)
    warehouse = forms.ModelChoiceField(
        Warehouse.objects.filter(is_active=True).order_by("code"),
        label=_("Warehouse"),
        required=False,
        to_field_name="code",
        empty_label=_("All"),
    )

    def __init__(self, data: Any = None) -> None:
        """`data` is None where nothing was asked yet."""
        super().__init__(data)
        self.fields["storage_class"].choices = [  # type: ignore[attr-defined]
            choice for choice in StorageClass.choices if choice[0] != StorageClass.VIRTUAL
        ]
        for field in self.fields.values():
            field.widget.attrs["class"] = "oms-input oms-input-inline"

    def asked(self) -> tuple[int, str, str] | None:
        """The merchant's id (the self-operated one where none is named), the class and a warehouse's code; None where
        what was asked is wrong."""
        if self.is_bound and not self.is_valid():
            return None
        data = self.cleaned_data if self.is_bound else {}
        merchant = data.get("merchant") or Merchant.objects.filter(kind=Merchant.Kind.SELF_OPERATED).first()
        if merchant is None:
            return None
        self.initial = {"merchant": merchant.pk}
        code = data["warehouse"].code if data.get("warehouse") else ""
        return merchant.pk, data.get("storage_class") or StorageClass.GENERAL, code


def context(query: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows of what is asked in the address."""
    form = CoverageForm(query or None)
    asked = form.asked()
    known = tables.current()
    rows: list[Covered] = []
    if asked is not None and known.levels:
        merchant_id, storage_class, warehouse = asked
        routes = rulebook.current(known.version).routes
        rows = coverage.provinces(known, routes, merchant_id, storage_class, timezone.now(), only=warehouse)
    return {
        "title": _("Coverage"),
        "form": form,
        "has_levels": bool(known.levels),
        "rows": rows,
        "tiles": [(row, *coverage.PLACES[row.code]) for row in rows if row.code in coverage.PLACES],
        "columns": coverage.COLUMNS,
    }
