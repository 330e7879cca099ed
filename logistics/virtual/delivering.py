"""Virtual goods skip warehouse and carrier: a code is delivered to the buyer, who confirms the receipt.

SKUs that sell codes deliver those of their stock, each once; for others a code is made up. Orders whose merchant
delivers by itself (the LOC interface) are left to it.
"""

import secrets
from collections import defaultdict
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet, Value
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from inventory import reserving
from inventory.models import Reservation, StorageClass
from logistics import kinds
from logistics.models import CodeSale, CodeState, VirtualCode, VirtualDelivery
from logistics.virtual import messages, stocking
from logistics.virtual.hints import hint_of
from oms.common import secrecy
from oms.common.errors import OmsError
from oms.common.work import nudging
from oms.common.work.claiming import Queue, Stage, claim
from orders import actors, isolating
from orders.actors import Actor
from orders.fulfilling import derived as fulfilment
from orders.fulfilling.presale import NOT_YET
from orders.locking import lock_order, lock_sub_orders
from orders.models import SubOrder, SubOrderLine, SubOrderState
from orders.reviewing.holds import ORDER_IS_HELD
from orders.telling import timeline

_SELLS_CODES = """EXISTS (SELECT FROM orders_suborderline l JOIN orders_orderline g ON g.id = l.order_line_id
    JOIN inventory_sku k ON k.id = g.sku_id WHERE l.sub_order_id = q.id AND k.sells_codes)"""
# What sells codes of the stock is delivered by us, whoever would deliver the rest.
_MERCHANT_DELIVERS = f"""(EXISTS (SELECT FROM orders_order o WHERE o.id = q.order_id AND o.merchant_delivers)
    AND NOT {_SELLS_CODES})"""
QUEUE = Queue(
    SubOrder,
    f"q.state = '{SubOrderState.ALLOCATED}' AND q.storage_class = '{StorageClass.VIRTUAL}'",
    unless=f"q.cancel_requested_at IS NOT NULL OR {ORDER_IS_HELD} OR {_MERCHANT_DELIVERS} OR {NOT_YET}",
)


# The sweep (`oms.expire_stock`) comes every minute.
AFTER_THE_SWEEP = timedelta(minutes=2)


class CannotDeliver(OmsError):
    """There is nothing to deliver now."""

    code = "cannot_deliver"


class DeliveredOtherwise(OmsError):
    """Something else was delivered before."""

    code = "delivered_otherwise"


def run(limit: int) -> int:
    """Deliver up to `limit` virtual sub-orders; returns how many."""
    with connection.cursor() as cursor:
        # The order is locked before its sub-orders, so the first look takes no locks.
        cursor.execute(
            f"SELECT q.id, q.order_id FROM orders_suborder q WHERE {QUEUE.condition()} ORDER BY q.ready_at LIMIT %s",
            [limit],
        )
        ready = cursor.fetchall()
    return isolating.work_on("deliver_virtual", ready, _deliver)


def _deliver(sub_order_ids: list[int], order_ids: list[int]) -> int:
    mine = claim(QUEUE, len(sub_order_ids), only=sub_order_ids)
    if not mine:
        return 0
    codes, without = _take_codes(mine)
    if without:
        # More were promised than are valid still: before the next try the sweep of what expired takes the promise away.
        later = Now() + Value(AFTER_THE_SWEEP)
        SubOrder.objects.filter(pk__in=without).update(ready_at=later, last_error="fewer codes are valid than promised")
    mine = [key for key in mine if key not in without]
    if not mine:
        return 0
    others = _lines_of(mine).filter(order_line__sku__sells_codes=False).values_list("sub_order_id", flat=True)
    made_up = {key: _sealed(VirtualDelivery.Kind.ACTIVATION_CODE, _new_code()) for key in set(others)}
    made = VirtualDelivery.objects.bulk_create(
        [VirtualDelivery(sub_order_id=key, **{**made_up.get(key, {}), **_of_stock(codes.get(key))}) for key in mine]
    )
    _sell(codes, {delivery.sub_order_id: delivery.pk for delivery in made})
    _book(mine, order_ids, actors.job("deliver_virtual"))
    sold = {code.stock_id for lines in codes.values() for several in lines.values() for code in several}
    stocking.watch(sold)
    return len(mine)


# By sub-order and by line of it (ids), the codes of its units.
_Codes = dict[int, dict[int, list[VirtualCode]]]


def _take_codes(sub_order_ids: Collection[int]) -> tuple[_Codes, set[int]]:
    """Lock the codes for the units of these sub-orders whose SKUs sell codes, and those sub-orders for which there are
    too few. A statement for each stock row."""
    wanted: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    lines = _lines_of(sub_order_ids).filter(order_line__sku__sells_codes=True)
    places = dict(lines.values_list("id", "sub_order_id"))
    promised = Reservation.objects.active_for(places).order_by("demand_id")
    for line_id, stock_id, units in promised.values_list("demand_id", "stock_id", "quantity"):
        wanted[stock_id].append((places[line_id], line_id, units))
    taken: dict[int, dict[int, list[int]]] = defaultdict(dict)
    without: set[int] = set()
    for stock_id, demands in sorted(wanted.items()):
        ids = stocking.take(stock_id, sum(units for _sub_order, _line, units in demands))
        for sub_order_id, line_id, units in demands:
            if len(ids) < units:
                without.add(sub_order_id)
                continue
            taken[sub_order_id][line_id], ids = ids[:units], ids[units:]
    served = {key: of_lines for key, of_lines in taken.items() if key not in without}
    rows = VirtualCode.objects.defer("content").in_bulk(
        [code for of_lines in served.values() for several in of_lines.values() for code in several]
    )
    codes = {
        key: {line: [rows[code] for code in several] for line, several in of_lines.items()}
        for key, of_lines in served.items()
    }
    return codes, without


def _sell(codes: _Codes, deliveries: dict[int, int]) -> None:
    """The codes are those of their lines now, by the deliveries (ids) of the sub-orders."""
    sales = [
        CodeSale(code=code, line_id=line_id, delivery_id=deliveries[sub_order_id])
        for sub_order_id, of_lines in codes.items()
        for line_id, several in of_lines.items()
        for code in several
    ]
    CodeSale.objects.bulk_create(sales)
    VirtualCode.objects.filter(pk__in=[sale.code_id for sale in sales]).update(state=CodeState.SOLD)


def _of_stock(of_lines: dict[int, list[VirtualCode]] | None) -> dict[str, Any]:
    """What a delivery says of a sub-order's codes."""
    if of_lines is None:
        return {}
    hints = (code.hint for several in of_lines.values() for code in several)
    return {"kind": VirtualDelivery.Kind.CODES, "hint": " ".join(filter(None, hints))[:80]}


def _lines_of(sub_order_ids: Collection[int]) -> QuerySet[SubOrderLine]:
    return SubOrderLine.objects.filter(sub_order_id__in=sub_order_ids)


@transaction.atomic
def deliver(order_id: int, kind: VirtualDelivery.Kind, content: str, *, actor: Actor) -> None:
    """Deliver the merchant's own code, link or account for the order's virtual parts; said again, nothing happens.

    Raises CannotDeliver where nothing virtual is ready, and DeliveredOtherwise.
    """
    order = lock_order(order_id)
    parts = [part for part in lock_sub_orders(order_id) if part.is_virtual and part.state != SubOrderState.CANCELLED]
    earlier = VirtualDelivery.objects.filter(sub_order__in=parts)
    if parts and len(earlier) == len(parts):
        if any((delivery.kind, delivery.opened()) != (kind, content) for delivery in earlier):
            raise DeliveredOtherwise(_("Something else was delivered for this order before."))
        return
    if not parts:
        raise CannotDeliver(
            _("Nothing virtual of the order is ready: %(state)s.") % {"state": order.get_state_display()}
        )
    if _lines_of([part.pk for part in parts]).filter(order_line__sku__sells_codes=True).exists():
        raise CannotDeliver(_("It sells codes of its stock, which are delivered by themselves."))
    for part in parts:
        if part.state != SubOrderState.ALLOCATED or part.cancel_requested_at or order.open_holds:
            state = _("held") if order.open_holds else part.get_state_display()
            raise CannotDeliver(_("Nothing virtual of the order is ready: %(state)s.") % {"state": state})
    VirtualDelivery.objects.bulk_create([VirtualDelivery(sub_order=part, **_sealed(kind, content)) for part in parts])
    _book([part.pk for part in parts], [order_id], actor)
    nudging.nudge("complete", "owing")


def _book(mine: list[int], order_ids: list[int], actor: Actor) -> None:
    """Take the sub-orders to delivered, their units out of the stock, and tell the timeline."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE orders_suborder SET state = '{SubOrderState.DELIVERED}', shipped_at = now(), delivered_at = now(),
                ready_at = NULL
            WHERE id = ANY(%s)
            """,
            [mine],
        )
        cursor.execute(
            """
            UPDATE orders_order SET owed_changed_since = coalesce(owed_changed_since, now()) WHERE id IN (
                SELECT order_id FROM orders_suborder WHERE id = ANY(%s) AND payment_method = 'cod')
            """,
            [mine],
        )
    reserving.consume(list(_lines_of(mine).values_list("id", flat=True)), actor="deliver_virtual")
    timeline.record_of_sub_orders(mine, kinds.VIRTUAL_DELIVERED, actor)
    messages.goods_ready(mine)
    fulfilment.refresh(order_ids)


def _sealed(kind: VirtualDelivery.Kind, content: str) -> dict[str, Any]:
    return {"kind": kind, "content": secrecy.seal(content), "hint": hint_of(kind, content)}


def _new_code() -> str:
    """An activation code of 80 random bits, in groups that can be read out."""
    text = secrets.token_hex(10).upper()
    return "-".join(text[i : i + 5] for i in range(0, 20, 5))


STAGE = Stage("deliver_virtual", run, wakes=("complete", "owing"), queue=QUEUE)
