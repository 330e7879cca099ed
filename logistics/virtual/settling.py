"""The stage that sees to the codes of units which are not their buyer's any more: cancelled, or given back.

The database marks the delivery (`logistics.virtual.guards`). A code that nobody looked at is for sale again, once; for
one that somebody did see, a person is called.
"""

from collections.abc import Sequence

from django.db import connection
from django.db.models.functions import Now

from inventory import receiving, reserving
from inventory.models import MovementNote, StockMovement
from logistics.models import CodeSale, CodeState, VirtualCode, VirtualDelivery
from logistics.virtual import stocking
from logistics.virtual.trouble import SEEN_CODE_RETURNED
from oms.common import tickets
from oms.common.work import nudging
from oms.common.work.claiming import Stage
from orders import isolating
from orders.models import SubOrder, SubOrderLine
from orders.models.sub_order import UNDONE

_ACTOR = "settle_codes"
_DUE = (
    "FROM logistics_virtualdelivery d JOIN orders_suborder s ON s.id = d.sub_order_id WHERE d.to_settle_since <= now()"
)


def run(limit: int) -> int:
    """See to the codes of up to `limit` deliveries; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT d.id, s.order_id {_DUE} ORDER BY d.to_settle_since LIMIT %s", [limit])
        due = cursor.fetchall()
    return isolating.work_on("settle_codes", due, lambda keys, _orders: _settle(keys))


def backlog() -> str:
    """Deliveries of which units are not the buyer's any more."""
    return f"SELECT d.to_settle_since AS due, {isolating.needs_person('s.order_id')} AS needs_person {_DUE}"


def _settle(delivery_ids: Sequence[int]) -> int:
    """The orders are locked."""
    due = VirtualDelivery.objects.filter(pk__in=delivery_ids, to_settle_since__isnull=False)
    deliveries = list(due.defer("content").select_related("sub_order__order").order_by("pk"))
    gone = _sales_of_gone_units(deliveries)
    unseen = [one for one in deliveries if one.revealed_at is None]
    codes = VirtualDelivery.Kind.CODES
    ours = [one for one in unseen if one.kind == codes or not one.sub_order.order.merchant_delivers]
    ended = [one for one in ours if one.sub_order.state in UNDONE and one.taken_back_at is None]
    _put_back([sale for one in unseen for sale in gone[one.pk]], [one.sub_order for one in ended])
    _call_a_person([one for one in deliveries if one not in ours])
    VirtualDelivery.objects.filter(pk__in=[one.pk for one in ended]).update(taken_back_at=Now())
    VirtualDelivery.objects.filter(pk__in=[one.pk for one in deliveries]).update(to_settle_since=None)
    return len(deliveries)


def _sales_of_gone_units(deliveries: Sequence[VirtualDelivery]) -> dict[int, list[CodeSale]]:
    """By delivery, the sales of codes beyond the units that the buyer keeps, the last ones first."""
    found: dict[int, list[CodeSale]] = {one.pk: [] for one in deliveries}
    kept = {
        line.pk: 0 if line.sub_order.state in UNDONE else line.quantity - line.returned_quantity
        for line in SubOrderLine.objects.filter(sub_order__in=[one.sub_order_id for one in deliveries]).select_related(
            "sub_order"
        )
    }
    held = CodeSale.objects.filter(delivery__in=found, taken_back_at=None).select_related("code")
    for sale in held.defer("code__content").order_by("id"):
        if kept[sale.line_id]:
            kept[sale.line_id] -= 1
        else:
            found[sale.delivery_id].append(sale)
    return found


def _put_back(sales: Sequence[CodeSale], ended: Sequence[SubOrder]) -> None:
    """The codes of these sales are for sale again, and so are the units of the sub-orders for which codes were made
    up."""
    units: dict[int, int] = {}
    for sale in sales:
        units[sale.code.stock_id] = units.get(sale.code.stock_id, 0) + 1
    made_up = SubOrderLine.objects.filter(sub_order__in=ended, order_line__sku__sells_codes=False)
    others = [
        (line.sub_order.warehouse_id, receiving.Arrived(line.order_line.sku_id, line.quantity))
        for line in made_up.select_related("sub_order", "order_line").order_by("id")
        if line.sub_order.warehouse_id is not None
    ]
    rows = receiving.rows_of({(warehouse_id, one.sku_id) for warehouse_id, one in others})
    # All of them at once, in the one order.
    reserving.lock_stock({*units, *rows.values()})
    VirtualCode.objects.filter(pk__in=[sale.code_id for sale in sales]).update(state=CodeState.ON_SHELF)
    CodeSale.objects.filter(pk__in=[sale.pk for sale in sales]).update(taken_back_at=Now())
    for stock_id, count in units.items():
        stocking.move(stock_id, count, StockMovement.Kind.RETURN, actor=_ACTOR, note=MovementNote.GIVEN_BACK)
    for warehouse_id, one in others:
        kind, note = StockMovement.Kind.RETURN, MovementNote.GIVEN_BACK
        receiving.receive_all(warehouse_id, [one], actor=_ACTOR, note=note, kind=kind)
    stocking.watch(units)
    nudging.nudge("wake")


def _call_a_person(deliveries: Sequence[VirtualDelivery]) -> None:
    """For what the buyer saw, or may have seen."""
    troubles = []
    for one in deliveries:
        seen = one.revealed_at
        values = {"number": one.sub_order.number, "at": seen.isoformat() if seen else ""}
        reason = "" if seen else "merchants"
        troubles.append(tickets.Trouble(one.sub_order_id, reason, values, about_id=one.sub_order.order_id))
    tickets.open_tickets(SEEN_CODE_RETURNED, troubles, opened_by=_ACTOR)


STAGE = Stage("settle_codes", run, wakes=("wake",), backlog=backlog)
