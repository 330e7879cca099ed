"""What must be true of units and money, worked out from what the tests did and from single rows, by none of the code
that is tested."""

from collections import Counter, defaultdict
from decimal import Decimal

from django.db.models import Sum

from inventory.models import Stock, StockLot
from logistics.models import WarehouseOrderLine
from orders.models import (
    Exchange,
    Order,
    OrderCharge,
    OrderLine,
    ReturnFinding,
    ReturnLine,
    SubOrder,
    SubOrderLine,
)
from orders.models.charge import OF_CHANGES, OF_GONE_UNITS, ChargeCause, ChargeComponent
from orders.models.return_request import ENDED_WITHOUT, RESTOCKED
from orders.models.sub_order import AT_WAREHOUSE, HOLDING_STOCK, LEFT_WAREHOUSE, UNDONE
from payments.models import Payment, Refund

_OF_GOODS = (ChargeCause.PLACED, *OF_CHANGES, *OF_GONE_UNITS)


class Outside:
    """What the world outside knows for itself: good units that came into the warehouses by SKU (id), beside those that
    left by sub-orders; damaged ones; and what buyers paid over a provider (yuan)."""

    def __init__(self) -> None:
        self.came: Counter[int] = Counter()
        self.damaged: Counter[int] = Counter()
        self.paid = Decimal(0)


def gone() -> dict[int, int]:
    """By order line (id), the units that were cancelled, or are to be once their order is split, or came back."""
    found: dict[int, int] = defaultdict(int)
    rows = SubOrderLine.objects.values_list("order_line_id", "quantity", "returned_quantity", "sub_order__state")
    for line, units, returned, state in rows:
        found[line] += units if state in UNDONE else returned
    unsplit = OrderLine.objects.filter(order__split_at__isnull=True)
    for line, position, units, wished, state in unsplit.values_list(
        "pk", "position", "quantity", "order__units_to_cancel", "order__state"
    ):
        found[line] = units if state == "cancelled" else int((wished or {}).get(str(position), 0))
    return found


def check_units() -> None:
    """Each unit of each split order is in one sub-order, what warehouses work on in one warehouse order that counts,
    and no more units are gone than there are."""
    wanted = dict(OrderLine.objects.filter(order__split_at__isnull=False).values_list("pk", "quantity"))
    spread: Counter[int] = Counter(dict.fromkeys(wanted, 0))
    for line, units in SubOrderLine.objects.values_list("order_line_id", "quantity"):
        spread[line] += units
    assert spread == wanted
    assert not [line for line, units in gone().items() if not 0 <= units <= wanted.get(line, units)]
    at_work = dict(SubOrderLine.objects.filter(sub_order__state__in=AT_WAREHOUSE).values_list("pk", "quantity"))
    asked: Counter[int] = Counter()
    current = WarehouseOrderLine.objects.filter(warehouse_order__is_current=True, sub_order_line__in=at_work)
    # What one that is shipped left behind is with another one by now.
    current = current.exclude(warehouse_order__state="shipped")
    for line, units in current.values_list("sub_order_line_id", "quantity"):
        asked[line] += units
    assert asked == at_work


def check_stock(outside: Outside) -> None:
    """What came less what left is there, and promised is what sub-orders hold."""
    for sku, came in outside.came.items():
        lines = SubOrderLine.objects.filter(order_line__sku=sku)
        left = sum(lines.filter(sub_order__state__in=LEFT_WAREHOUSE).values_list("quantity", flat=True))
        bound = sum(lines.filter(sub_order__state__in=HOLDING_STOCK).values_list("quantity", flat=True))
        rows = Stock.objects.filter(sku=sku).aggregate(on_hand=Sum("on_hand"), reserved=Sum("reserved"))
        assert (rows["on_hand"], rows["reserved"]) == (came - left, bound), sku
    lots = StockLot.objects.exclude(quality="good").values_list("stock__sku", "quality").annotate(Sum("on_hand"))
    bad = {(sku, quality): units for sku, quality, units in lots.order_by() if units}
    assert bad == {(sku, "damaged"): units for sku, units in outside.damaged.items() if units}


def check_returns() -> None:
    """A unit that a return holds may still come, or is there; one that was given back was there, or nobody wanted to
    have it back."""
    there: Counter[int] = Counter()
    stays: Counter[int] = Counter()
    for key, found, units in ReturnFinding.objects.values_list("line", "found", "quantity"):
        (there if found in RESTOCKED else stays)[key] += units
    given: Counter[int] = Counter()
    rows = ReturnLine.objects.select_related("return_request")
    for line in rows:
        row = line.return_request
        if row.state in ENDED_WITHOUT:
            assert line.open_quantity == 0, (row.number, row.state)
        assert line.open_quantity <= line.quantity - stays[line.pk], (row.number, "missing, and held")
        if row.state == "received":
            assert line.open_quantity == line.quantity - stays[line.pk], (row.number, row.kind)
        without = row.kind in ("refund_only", "refused_at_door") or row.inspected_at is None
        given[line.sub_order_line_id] += line.quantity if without else there[line.pk]
    for part in SubOrderLine.objects.filter(returned_quantity__gt=0):
        assert part.returned_quantity <= given[part.pk], part.pk


def check_merges() -> None:
    """Who is merged shares warehouse and, once it was released, warehouse order; nobody goes with itself alone."""
    groups: dict[int, list[SubOrder]] = defaultdict(list)
    for part in SubOrder.objects.filter(merge_group__isnull=False).order_by("pk"):
        groups[part.merge_group_id or 0].append(part)
    for members in groups.values():
        waiting = [one for one in members if one.state == "allocated"]
        assert len({one.order_id for one in waiting}) != 1, "merged with nobody"
        works = {
            tuple(
                WarehouseOrderLine.objects.filter(sub_order_line__sub_order=one, warehouse_order__is_current=True)
                .order_by("warehouse_order")
                .values_list("warehouse_order", flat=True)
                .distinct()
            )
            for one in members
            if one.state in AT_WAREHOUSE
        }
        assert len(works) <= 1, "one parcel, two warehouse orders"


def check_goods() -> None:
    """Of goods each order owes the price of the units that are not gone: no more and no less, whatever it went
    through."""
    lost = gone()
    due: dict[int, Decimal] = defaultdict(Decimal)
    for line in OrderLine.objects.all():
        due[line.order_id] += line.unit_price * (line.quantity - lost[line.pk])
    discounted = set(OrderLine.objects.exclude(line_discount=0).values_list("order_id", flat=True))
    charged: dict[int, Decimal] = defaultdict(Decimal)
    rows = OrderCharge.objects.filter(component=ChargeComponent.GOODS, cause__in=_OF_GOODS)
    for order_id, amount in rows.values_list("order_id", "amount"):
        charged[order_id] += amount
    for order_id, amount in due.items():
        if order_id not in discounted:
            assert charged[order_id] == amount, (order_id, charged[order_id], amount)


def check_money(outside: Outside) -> None:
    """When all is settled, what was paid and did not go back is what is owed, order by order and in all; an order of
    which nothing is left owes nothing but freight that it kept."""
    for order in Order.objects.filter(payment_method="prepaid").exclude(state="awaiting_payment"):
        owes = sum(order.charges.values_list("amount", flat=True), Decimal(0))
        has = sum(Payment.objects.filter(order=order).values_list("captured_amount", flat=True), Decimal(0))
        has -= sum(Refund.objects.filter(order=order).values_list("amount", flat=True), Decimal(0))
        assert owes >= 0
        # An order of new goods of which less came back than was counted on: a ticket calls a person.
        if not (owes > has and Exchange.objects.filter(new_order=order, begun_at__isnull=False).exists()):
            assert has == owes, (order.number, has, owes)
        if order.state == "cancelled":
            assert owes == 0
    captured = Payment.objects.filter(means="online").values_list("captured_amount", flat=True)
    assert sum(captured, Decimal(0)) == outside.paid
