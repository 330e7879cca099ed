"""Giving warehouse orders and parcels that need a person back to their stages."""

from django.db import transaction

from logistics.carriers.trouble import NO_CARRIER
from logistics.models import Recall, Shipment, WarehouseOrder
from oms.common import stuck, tickets
from oms.common.models import TicketResult
from oms.common.work import nudging
from orders import kinds, timeline
from orders.actors import Actor


@transaction.atomic
def retry(model: type[WarehouseOrder] | type[Shipment], row_id: int, *, actor: Actor) -> None:
    """Let the stage try the warehouse order or parcel again, with a full number of attempts; its tickets are done.

    Raises OmsError if it needs no person.
    """
    row = stuck.lock_marked(model, row_id)
    tickets.close_tickets([NO_CARRIER], [row_id], result=TicketResult.DONE, closed_by=actor.name)
    stuck.give_back(model, row_id, by=actor.name)
    timeline.record(row.sub_order.order_id, kinds.RETRIED, actor, number=row.number, error=row.last_error)
    nudging.nudge("send_release", "send_stop", "choose_carrier", "dispatch")


@transaction.atomic
def retry_recall(recall_id: int, by: str) -> None:
    """Let the carrier be asked again about a parcel, with a full number of attempts. Raises OmsError if that needs no
    person."""
    stuck.lock_marked(Recall, recall_id)
    stuck.give_back(Recall, recall_id, by=by)
    nudging.nudge("send_recall")
