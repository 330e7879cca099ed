"""What staff do to a parcel on its page."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from logistics.admin.carrier_rules import decisions_table
from logistics.admin.claims import WORK, ParcelForm, open_claim
from logistics.carriers import consigning, switching, voiding
from logistics.models import Carrier, ParcelFreight, Shipment, ShipmentState
from oms.common.desk.acting import INPUT, RowAction, RowActions
from oms.common.desk.lists import staff_actor_name
from oms.common.money import fen_text
from orders.actors import Actor
from orders.models import ActorKind

SWITCH = "logistics.switch_carrier"
VOID = "logistics.void_waybill"
_MORE = ("consignment", "serial_words", "freight_words", "why_carrier")


def _carriers() -> list[tuple[str, str]]:
    return list(Carrier.objects.filter(is_active=True).order_by("priority", "code").values_list("code", "name"))


class SwitchForm(forms.Form):
    """Another carrier, and whether the person knows that the former one may have issued a waybill."""

    carrier = forms.ChoiceField(label=gettext_lazy("carrier"), choices=_carriers, widget=forms.Select(attrs=INPUT))
    although_unknown = forms.BooleanField(
        label=gettext_lazy("Also where the former one may have issued a waybill, which I cancel there"), required=False
    )


def _switch(request: HttpRequest, key: int, data: dict[str, Any]) -> str:
    actor = Actor(ActorKind.STAFF, staff_actor_name(request))
    switching.switch(key, data["carrier"], actor=actor, although_unknown=data["although_unknown"])
    return _("%(carrier)s is asked for the waybill.") % {"carrier": dict(_carriers())[data["carrier"]]}


class VoidForm(forms.Form):
    """Why the waybill is to be cancelled."""

    reason = forms.CharField(label=gettext_lazy("reason"), max_length=300, widget=forms.TextInput(attrs=INPUT))


def _void(request: HttpRequest, key: int, data: dict[str, Any]) -> str:
    actor = Actor(ActorKind.STAFF, staff_actor_name(request))
    row = voiding.void(key, data["reason"], actor=actor)
    return _("The carrier is asked to cancel %(waybill)s; once it did, another waybill is bought.") % {
        "waybill": row.waybill_number
    }


class ParcelActions(RowActions):
    """What may be done to a parcel, and why it goes by its carrier; mix it into the page of parcels."""

    row_actions: Sequence[RowAction] = (
        RowAction(
            "switch", SWITCH, gettext_lazy("Give it to another carrier"), _switch, SwitchForm, "primary", "swap_horiz"
        ),
        RowAction("void", VOID, gettext_lazy("Cancel the waybill"), _void, VoidForm, "danger-line", "barcode"),
        RowAction("claim", WORK, gettext_lazy("Open a claim"), open_claim, ParcelForm, icon="gavel"),
    )

    def fitting_actions(self, row: Any) -> Any:
        """A carrier is switched only before there is a waybill, and claimed from after; what left keeps its waybill."""
        names = super().fitting_actions(row)
        waits = row.state == ShipmentState.CREATED and row.ready_at is not None
        fits = {"switch": waits, "claim": row.waybill_number is not None, "void": voiding.obstacle(row) is None}
        return [name for name in names if fits.get(name, True)]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The columns, what it costs, and why it goes by its carrier."""
        return [*super().get_fields(request, obj), *_MORE]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """All of it."""
        return [*super().get_readonly_fields(request, obj), *_MORE]

    @display(description=gettext_lazy("consignment"))
    def consignment(self, parcel: Shipment) -> SafeString | str:
        """What goes with the same order of the carrier, the mother first."""
        rows = consigning.members(parcel)
        if len(rows) < 2 and parcel.mother_id is None:
            return "–"
        items = format_html_join(
            "",
            '<li><a class="oms-no" href="{}">{}</a> · {} · {}{}</li>',
            (
                (
                    reverse("admin:logistics_shipment_change", args=[row.pk]),
                    row.waybill_number or row.number,
                    _("mother") if row.mother_id is None else _("child"),
                    row.get_state_display(),
                    _(" (this parcel)") if row.pk == parcel.pk else "",
                )
                for row in rows
            ),
        )
        return format_html('<ol class="list-decimal pl-4">{}</ol>', items)

    @display(description=gettext_lazy("serial numbers"))
    def serial_words(self, parcel: Shipment) -> str:
        """Those of the units in it, by SKU."""
        told: dict[str, list[str]] = {}
        for sku, serial in parcel.serials.order_by("pk").values_list("sku__code", "serial"):
            told.setdefault(sku, []).append(serial)
        return "; ".join(f"{sku}: {', '.join(serials)}" for sku, serials in sorted(told.items())) or "–"

    @display(description=gettext_lazy("freight"))
    def freight_words(self, parcel: Shipment) -> str:
        """Estimated, by weight and billed, as far as it is known."""
        found = ParcelFreight.objects.filter(pk=parcel.pk).first()
        if found is None:
            return "–"
        parts = [
            (_("estimated %(amount)s yuan"), found.estimated_fen),
            (_("weighed %(amount)s yuan"), found.weighed_fen),
            (_("billed %(amount)s yuan"), found.billed_fen if found.billed_rows else None),
        ]
        return ", ".join(text % {"amount": fen_text(fen)} for text, fen in parts if fen is not None) or "–"

    @display(description=gettext_lazy("why this carrier"))
    def why_carrier(self, parcel: Shipment) -> SafeString | str:
        """The decisions, the newest first."""
        rows = parcel.carrier_decisions.select_related("carrier", "former").order_by("-id")
        return decisions_table(rows) or "–"
