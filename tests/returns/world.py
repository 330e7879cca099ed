"""Steps of tests about returns."""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile

from inventory.models import Stock, StockLot
from logistics.warehouses import events
from orders.actors import Actor
from orders.models import ActorKind, Order, ReturnRequest, SubOrderLine
from orders.returning import defaults, inspecting, requesting, travelling
from orders.returning.requesting import Wanted
from payments.granting import limits
from payments.models import RefundGrant
from payments.returning import granting as paying_back
from tests import factories, steps
from tests.payments.grants import actor, delivered
from tests.payments.test_promotions_lost import bought

BUYER = Actor(ActorKind.BUYER, "buyer")
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20


def install() -> None:
    """Reasons, rules and limits of a new installation."""
    limits.install_defaults()
    defaults.install_defaults()


def arrived(shop: factories.Shop, *prices: str, **terms: Any) -> Order:
    """A paid order of a unit at each price, at the buyer's since a moment ago."""
    order = delivered(bought(shop, list(prices), **terms))
    order.sub_orders.update(delivered_at=factories.timezone.now())
    return order


def many(shop: factories.Shop, units: int, price: str = "10.00", **terms: Any) -> Order:
    """A paid order of several units of one SKU, at the buyer's."""
    order = shop.place_order((shop.sku, units, price), **terms)
    steps.pay(order)
    order = delivered(order)
    order.sub_orders.update(delivered_at=factories.timezone.now())
    return order


def sold(shop: factories.Shop, units: int, *serials: str) -> Order:
    """An order of so many units that left with these numbers, at the buyer's."""
    order = shop.place_order((shop.sku, units, "10.00"))
    steps.pay(order)
    parcel = steps.dispatched(order)
    line = {"sku": shop.sku.code, "quantity": units, "serials": list(serials)}
    steps.tell(parcel.warehouse_order, "shipped", lines=[line])
    factories.run(events.run)
    steps.scan(parcel, "collected", "signed")
    order.sub_orders.update(delivered_at=factories.timezone.now())
    return order


def line_of(order: Order, position: int = 1) -> SubOrderLine:
    """The part of the order's line of this position."""
    return SubOrderLine.objects.get(order_line__order=order, order_line__position=position)


def photo(name: str = "broken.png") -> SimpleUploadedFile:
    """A photo as a browser sends it."""
    return SimpleUploadedFile(name, PNG, "image/png")


def ask(order: Order, units: Mapping[int, int], by: Actor = steps.STAFF, **more: Any) -> ReturnRequest:
    """Ask for a return of so many units by the line's position."""
    files = more.pop("files", ())
    told = {"kind": "return_and_refund", "reason": "no_reason", **more}
    wanted = Wanted(units={line_of(order, key).pk: count for key, count in units.items()}, **told)
    return requesting.request(order.pk, wanted, actor=by, files=files)


def came(row: ReturnRequest) -> ReturnRequest:
    """The approved return, received by its warehouse."""
    travelling.hand_over(row.pk, carrier="顺丰", waybill=f"SF{row.pk}", actor=BUYER)
    return travelling.receive(row.pk, actor=steps.STAFF)


def found(row: ReturnRequest, **units: int) -> ReturnRequest:
    """Inspection found this of a return with one line."""
    return inspecting.inspect(row.pk, {row.lines.get().sub_order_line_id: units}, actor=steps.STAFF)


def pay_back(row: ReturnRequest, user: User, **more: Any) -> RefundGrant:
    """Grant the return's money."""
    return paying_back.grant(row.pk, note="came back", actor=actor(user), user=user, **more)


def stock_of(line: SubOrderLine) -> dict[str, int]:
    """Units of the line's SKU by quality, wherever they lie."""
    sku = line.order_line.sku_id
    units = {"good": sum(Stock.objects.filter(sku=sku).values_list("on_hand", flat=True))}
    for quality, count in (
        StockLot.objects.filter(stock__sku=sku).exclude(quality="good").values_list("quality", "on_hand")
    ):
        units[quality] = units.get(quality, 0) + count
    return units
