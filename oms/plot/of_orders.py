"""Troubles of orders before they leave: held, asked about, short, to be merged."""

from dataclasses import replace
from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from inventory.availability import has_units
from inventory.models import Sku, Stock, Warehouse
from logistics.buyer import asking
from oms.common.models import Connection, Ticket, TicketState
from oms.plot.registry import (
    CONNECTION,
    CONNECTION_IS_OFF,
    HOLD_IS_OPEN,
    NOT_MERGED,
    ORDER,
    SHORT,
    TICKET,
    TICKET_IS_OPEN,
    Staged,
    Trouble,
    register,
)
from oms.plot.world import GOODS, QUIET_HOUSE, SCARCE, NotStaged, Person, World
from orders.models import Hold, Order, ReviewList, ReviewListEntry, SubOrder, SubOrderState
from orders.reviewing.shipped import DENY

_DENIED = Person("plot-denied", "钱多多", "13800138101", "天河路385号2栋1801室")
_RICH = Person("plot-rich", "沈万", "13800138102", "体育西路103号维多利广场A座2201")
_VAGUE = Person("plot-vague", "周全", "13800138103", "中山大道西89号")
_TWICE = Person("plot-merge", "何必", "13800138104", "五山路381号15栋603室")
_WAITS = Person("plot-short", "许愿", "13800138105", "黄埔大道西601号24栋1204室")
_REGRETS = Person("plot-regret", "孔悔", "13800138106", "林和西路9号耀中广场B座1506")
_SILENT = Person("plot-memo", "施小慢", "13800138107", "龙口东路34号龙口科技大厦702")


def _named(order: Order) -> dict[str, str]:
    return {"number": order.number}


def _held(order: Order, kind: Hold.Kind) -> Staged:
    if not Hold.objects.filter(order=order, kind=kind, released_at=None).exists():
        raise NotStaged(f"{order.number} is not held")
    return Staged(order.pk, values=_named(order))


def _deny_list(world: World) -> Staged:
    people = ReviewList.objects.get(code=DENY)
    ReviewListEntry.objects.get_or_create(
        review_list=people,
        kind=ReviewListEntry.Kind.PHONE,
        phone=_DENIED.phone,
        defaults={"reason": "多次拒收到付订单", "source": "客服"},
    )
    order = world.place("deny-list", _DENIED)
    world.run("book_collected", "review")
    return _held(order, Hold.Kind.RULE)


def _high_value(world: World) -> Staged:
    order = world.place("high-value", _RICH, goods=[(GOODS[4], 60, "98.00")])
    world.run("book_collected", "review")
    return _held(order, Hold.Kind.RULE)


def _memo(world: World) -> Staged:
    order = world.place("memo", _SILENT, seller_memo="先不发，等通知")
    world.run("book_collected", "review")
    return _held(order, Hold.Kind.RULE)


def _address(world: World) -> Staged:
    order = world.place("address", replace(_VAGUE, region_code=""))
    world.run("book_collected", "review")
    return _held(order, Hold.Kind.ADDRESS)


def _merge(world: World) -> Staged:
    """Their warehouse is not called, so that there is time."""
    house = Warehouse.objects.select_related("connection").get(code=QUIET_HOUSE)
    if house.connection is None:
        raise NotStaged(f"{house.code} is not connected")
    goods = Stock.objects.filter(has_units(), warehouse=house, sku__is_active=True).order_by("-on_hand", "pk")
    skus = list(goods.values_list("sku__code", "sku__merchant__code")[:3])
    if len(skus) < 3:
        raise NotStaged(f"{house.code} has too few goods")
    Connection.objects.filter(pk=house.connection.pk).update(is_active=False)
    orders = []
    for place, (sku, merchant) in enumerate(skus):
        lines = [{"sku": sku, "merchant": merchant, "quantity": 1, "unit_price": "9.90"}]
        orders.append(world.place(f"merge-{place}", _TWICE, goods=[(sku, 1, "9.90")], lines=lines))
    world.run("book_collected", "review", "split", "allocate", "promise")
    waiting = SubOrder.objects.filter(order__in=orders, state=SubOrderState.ALLOCATED, merge_group=None)
    if waiting.count() < len(orders):
        raise NotStaged("the orders do not wait together")
    return Staged(orders[0].pk, values={"count": len(orders)})


def _silent(world: World) -> Staged:
    """That of the orders to be merged."""
    house = Warehouse.objects.select_related("connection").get(code=QUIET_HOUSE)
    if house.connection is None or house.connection.is_active:
        raise NotStaged(f"{house.code} is called")
    return Staged(house.connection.pk, values={"warehouse": house.name})


def _short(world: World) -> Staged:
    """More units than all warehouses have."""
    sku = Sku.objects.get(code=SCARCE, merchant=world.seller)
    order = world.place("short", _WAITS, goods=[(sku.code, 99, "38.80")])
    world.run("book_collected", "review", "split", "allocate")
    if not SubOrder.objects.filter(order=order, state=SubOrderState.BACKORDERED).exists():
        raise NotStaged(f"{order.number} lacks nothing")
    return Staged(order.pk, values={**_named(order), "sku": sku.code})


def _cancellation(world: World) -> Staged:
    later = (world.now + timedelta(days=5)).isoformat()
    order = world.place("cancellation", _REGRETS, ship_not_before=later)
    world.run("book_collected", "review", "split", "allocate")
    asking.cancellation(order.pk, "买错了，想换一个颜色")
    ticket = Ticket.objects.get(about_id=order.pk, state=TicketState.OPEN, kind=asking.CANCELLATION_WANTED.code)
    return Staged(ticket.pk, values=_named(order))


for _trouble in (
    Trouble(
        "deny_list",
        _("The phone of order %(number)s is on the deny list; the review holds it."),
        _("Release the hold, or cancel the order."),
        ORDER,
        ("orders.hold_order",),
        HOLD_IS_OPEN,
        _deny_list,
    ),
    Trouble(
        "high_value",
        _("Order %(number)s is worth more than 5,000 yuan; the review holds it."),
        _("Look at the buyer's card, then release the hold."),
        ORDER,
        ("orders.hold_order",),
        HOLD_IS_OPEN,
        _high_value,
    ),
    Trouble(
        "memo",
        _("The seller wrote on order %(number)s that it must wait."),
        _("Release the hold once it may go."),
        ORDER,
        ("orders.hold_order",),
        HOLD_IS_OPEN,
        _memo,
    ),
    Trouble(
        "address",
        _("The address of order %(number)s names no district, and several would fit."),
        _("Choose the right one on the order's page."),
        ORDER,
        ("orders.readdress_order",),
        HOLD_IS_OPEN,
        _address,
    ),
    Trouble(
        "merge",
        _("One buyer placed %(count)s orders to one address; none of them is sent to the warehouse yet."),
        _("Merge them into one parcel on the page of one of them."),
        ORDER,
        ("orders.merge_suborder",),
        NOT_MERGED,
        _merge,
    ),
    Trouble(
        "silent",
        _("The connection of %(warehouse)s is switched off: nothing is sent there."),
        _("Merge the three orders first; then switch the connection on."),
        CONNECTION,
        ("common.switch_connection",),
        CONNECTION_IS_OFF,
        _silent,
    ),
    Trouble(
        "short",
        _("Order %(number)s wants more of %(sku)s than any warehouse has."),
        _("Receive goods, or cancel what nobody has."),
        ORDER,
        ("orders.cancel_order", "inventory.add_receipt"),
        SHORT,
        _short,
    ),
    Trouble(
        "cancellation",
        _("The buyer of order %(number)s asks to cancel it."),
        _("Cancel it, or agree otherwise and close the ticket."),
        TICKET,
        ("orders.cancel_order",),
        TICKET_IS_OPEN,
        _cancellation,
    ),
):
    register(_trouble)
