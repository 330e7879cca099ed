"""Giving warehouse orders and parcels that need a person back to their stages."""

from django.db import transaction
from django.utils import timezone

from logistics.carriers.trouble import NO_CARRIER
from logistics.models import DoorPickUp, Recall, Shipment, StockOrder, StockOrderState, WarehouseOrder
from logistics.warehouses.announcing import STOCK_ORDER_TROUBLE
from oms.common import stuck, tickets
from oms.common.models import TicketResult
from oms.common.work import nudging
from orders import kinds
from orders.actors import Actor
from orders.telling import timeline


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


@transaction.atomic
def retry_pick_up(row_id: int, by: str) -> None:
    """Let the carrier be asked again about a courier, with a full number of attempts. Raises OmsError if that needs no
    person."""
    stuck.lock_marked(DoorPickUp, row_id)
    stuck.give_back(DoorPickUp, row_id, by=by)
    nudging.nudge("send_pick_ups")


@transaction.atomic
def retry_stock_order(row_id: int, by: str) -> None:
    """Send a stock order that needs a person, or that its warehouse refused, once more, for a person of this name; its
    tickets are done. Raises OmsError for one that waits for its turn or was taken."""
    row = StockOrder.objects.select_for_update(no_key=True, of=("self",)).get(pk=row_id)
    if row.state == StockOrderState.REFUSED:
        row.try_again()
        row.reason, row.ready_at, row.attempts = "", timezone.now(), 0
        row.save(update_fields=["state", "reason", "ready_at", "attempts"])
    else:
        stuck.lock_marked(StockOrder, row_id)
        stuck.give_back(StockOrder, row_id, by=by)
    tickets.close_tickets([STOCK_ORDER_TROUBLE], [row_id], result=TicketResult.DONE, closed_by=by)
    nudging.nudge("send_announcements")
