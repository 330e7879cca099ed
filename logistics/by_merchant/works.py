"""Which warehouse orders a merchant works on: those of its own warehouses that it runs here. Said here alone."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from django.db.models import QuerySet

from logistics.by_merchant.speaker import PROTOCOL
from logistics.models import StopAnswer, WarehouseOrder, WarehouseOrderLine, WarehouseOrderState
from logistics.models.warehouse_order import OVER
from oms.merchants.models import Merchant
from orders.locking import lock_orders_of
from orders.models import Order, SubOrder


def of(merchant: Merchant) -> QuerySet[WarehouseOrder]:
    """All that the merchant was asked to send from its own warehouses."""
    return WarehouseOrder.objects.filter(warehouse__merchant=merchant, connection__protocol=PROTOCOL).exclude(
        state=WarehouseOrderState.INTENDED
    )


def to_ship(merchant: Merchant) -> QuerySet[WarehouseOrder]:
    """Those of which something is still to leave."""
    return of(merchant).filter(is_current=True).exclude(state__in=OVER)


def to_answer(merchant: Merchant) -> QuerySet[WarehouseOrder]:
    """Those that are to be stopped, as far as nobody has answered."""
    return of(merchant).filter(stop_requested_at__isnull=False, stop_answered_at__isnull=True)


def is_asked_to_stop(work: WarehouseOrder) -> bool:
    """Whether an answer to a request to stop is due."""
    return work.stop_requested_at is not None and work.stop_answered_at is None


def is_stopped(work: WarehouseOrder) -> bool:
    """Whether it was stopped as we asked."""
    return work.stop_answer == StopAnswer.GRANTED


def named(merchant: Merchant, numbers: Collection[str]) -> Mapping[str, int]:
    """The merchant's warehouse orders (ids) by these numbers: their own, those of sub-orders in them, or those of an
    order, ours or its shop's, that the merchant's warehouses send in one piece. Of several with goods of one sub-order
    the current one counts, else the newest. Two statements, and two more for numbers of orders."""
    own = of(merchant)
    found = {number: key for key, number in own.filter(number__in=numbers).values_list("pk", "number")}
    lines = WarehouseOrderLine.objects.filter(
        sub_order_line__sub_order__number__in=set(numbers) - found.keys(), warehouse_order__in=own
    )
    rows = lines.order_by("warehouse_order__is_current", "warehouse_order_id").values_list(
        "sub_order_line__sub_order__number", "warehouse_order_id"
    )
    found |= dict(rows)
    rest = set(numbers) - found.keys()
    return found | _by_order(merchant, own, rest) if rest else found


def _by_order(merchant: Merchant, own: QuerySet[WarehouseOrder], numbers: Collection[str]) -> dict[str, int]:
    """The current warehouse orders by the numbers of their orders, as far as just one is meant."""
    named: dict[int, set[str]] = defaultdict(set)
    orders = Order.objects.filter(number__in=numbers).values_list("pk", "number")
    told = Order.objects.filter(channel__merchant=merchant, external_number__in=numbers)
    for order_id, number in orders.union(told.values_list("pk", "external_number")):
        named[order_id].add(number)
    lines = WarehouseOrderLine.objects.filter(
        sub_order_line__sub_order__order__in=named, warehouse_order__in=own, warehouse_order__is_current=True
    )
    meant: dict[str, set[int]] = defaultdict(set)
    for order_id, work_id in lines.values_list("sub_order_line__sub_order__order", "warehouse_order"):
        for number in named[order_id]:
            meant[number].add(work_id)
    return {number: works.pop() for number, works in meant.items() if len(works) == 1}


def lock_orders(work_ids: Sequence[int]) -> None:
    """Lock the orders that the warehouse orders have goods of, waiting for whoever holds them."""
    lock_orders_of(SubOrder.objects.filter(lines__warehouse_order_lines__warehouse_order__in=work_ids))
