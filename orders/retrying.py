"""Giving a row that needs a person back to its stage."""

from django.db import transaction

from oms.common import stuck, tickets
from oms.common.models import TicketResult
from orders import kinds
from orders.actors import Actor
from orders.fulfilling.trouble import RECEIPT_DENIED
from orders.models import Order, SubOrder
from orders.telling import timeline

_MODELS: dict[str, type[Order] | type[SubOrder]] = {"order": Order, "sub_order": SubOrder}


@transaction.atomic
def retry(row_kind: str, row_id: int, *, actor: Actor) -> None:
    """Let the stage try the order or sub-order ("order", "sub_order") again, with a full number of attempts; its ticket
    is done.

    Raises OmsError if it needs no person.
    """
    model = _MODELS[row_kind]
    row = stuck.lock_marked(model, row_id)
    stuck.give_back(model, row_id, by=actor.name)
    if row_kind == "sub_order":
        tickets.close_tickets([RECEIPT_DENIED], [row_id], result=TicketResult.DONE, closed_by=actor.name)
    order_id = row.pk if row_kind == "order" else row.order_id
    timeline.record(order_id, kinds.RETRIED, actor, number=row.number, error=row.last_error)
