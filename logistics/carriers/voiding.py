"""A person has the waybill of a parcel cancelled that its carrier did not collect yet, so that another one is bought.

The carrier is asked by the stage that gives waybills back; the parcel keeps its waybill until the answer is there
(`replacing`). A carrier that refuses has the parcel, or says why: a ticket. The waybills of a consignment are one order
of the carrier: they are cancelled together.
"""

from django.db import transaction
from django.utils.translation import gettext as _

from inventory.models import Warehouse
from logistics import kinds
from logistics.carriers import adapters, cancelling, consigning
from logistics.models import ErrandKind, ErrandOutcome, Shipment, ShipmentState, WaybillErrand
from oms.common.errors import OmsError
from orders.actors import Actor
from orders.locking import lock_order
from orders.telling import timeline


def obstacle(parcel: Shipment) -> str | None:
    """Why the waybill of a parcel cannot be cancelled here, or None. It says nothing of what its carrier will say."""
    if parcel.waybill_number is None or parcel.state == ShipmentState.CANCELLED:
        return _("The parcel has no waybill to be cancelled.")
    if parcel.left_at is not None or parcel.state != ShipmentState.WAYBILL_ISSUED:
        return _("The parcel left already, or its carrier has it: ask the carrier for it back instead.")
    work, link = parcel.warehouse_order, parcel.connection
    if link is None or work is None:
        return _("We did not buy this waybill, so we cannot cancel it.")
    if link.protocol not in adapters.protocols_of(adapters.Cancels):
        return _("%(connection)s takes no waybills back; ask the carrier.") % {"connection": link.code}
    if work.warehouse.waybill_when == Warehouse.WaybillWhen.AT_RELEASE or not work.is_current:
        return _("Its warehouse was told this waybill with the order: move or cancel the sub-order instead.")
    return None


@transaction.atomic
def void(shipment_id: int, reason: str, *, actor: Actor) -> Shipment:
    """Have the parcel's waybill cancelled by its carrier, of a consignment all of them; returns the parcel, or its
    mother. Once the carrier did it, what is in the parcel becomes a new one, for which a waybill is bought.

    Raises OmsError where that is too late or cannot be done, or was asked for before.
    """
    lock_order(Shipment.objects.values_list("sub_order__order", flat=True).get(pk=shipment_id))
    parcels = Shipment.objects.select_for_update(no_key=True, of=("self",)).select_related(
        "warehouse_order__warehouse", "connection", "carrier", "sub_order"
    )
    together = consigning.members(Shipment.objects.get(pk=shipment_id))
    rows = list(parcels.filter(pk__in=[one.pk for one in together]).order_by("pk"))
    row = rows[0]
    for one in rows:
        if (blocked := obstacle(one)) is not None:
            raise OmsError(blocked if one.pk == shipment_id else f"{one.waybill_number or one.number}: {blocked}")
    order = Shipment.objects.get(pk=row.mother_id or row.pk)
    errands = WaybillErrand.objects.filter(
        shipment=order, kind=ErrandKind.CANCEL, waybill=order.waybill_number or "", carrier=order.carrier
    )
    asked = errands.first()
    if asked is not None and asked.outcome == ErrandOutcome.REFUSED:
        raise OmsError(_("The carrier does not cancel it: %(text)s") % {"text": asked.answer or "–"})
    if asked is not None:
        raise OmsError(_("The carrier is asked to cancel it already."))
    cancelling.give_back({one.pk: "" for one in rows})
    errands.update(asked_by=actor.name[:80], reason=reason)
    timeline.record(
        row.sub_order.order_id,
        kinds.WAYBILL_VOIDED,
        actor,
        number=row.sub_order.number,
        carrier=row.carrier.name if row.carrier else "–",
        waybill=row.waybill_number,
        text=reason,
    )
    return row
