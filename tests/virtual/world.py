"""A shop that sells codes, and steps on the way of a code to its buyer."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from inventory.models import Sku, Stock, StorageClass, Warehouse
from logistics.models import CodeImport, VirtualCode, VirtualDelivery
from logistics.virtual import delivering, revealing, settling, stocking
from logistics.virtual.stocking import Imported, NewCode
from oms.common import secrecy
from oms.common.messages import writing
from orders.fulfilling import allocating
from orders.models import Order, SubOrder
from tests import factories, steps


def place(shop: factories.Shop) -> Warehouse:
    """The virtual warehouse, which keeps virtual goods of everybody."""
    known = Warehouse.objects.filter(kind=Warehouse.Kind.VIRTUAL).first()
    return known or factories.WarehouseFactory(
        merchant=shop.merchant,
        kind=Warehouse.Kind.VIRTUAL,
        storage_classes=[StorageClass.VIRTUAL],
        region=shop.region,
    )


def code_sku(shop: factories.Shop, **values: Any) -> Sku:
    """A virtual article of the shop, of which nothing is there."""
    given = {"merchant": shop.merchant, "storage_class": StorageClass.VIRTUAL, "list_price": Decimal("15.00")}
    return factories.SkuFactory(**{**given, **values})


def bring(shop: factories.Shop, sku: Sku, codes: Sequence[str], *, valid_until: date | None = None) -> Imported:
    """Import these codes."""
    new = [NewCode(code, valid_until=valid_until) for code in codes]
    return stocking.import_codes(sku, place(shop), new, door=CodeImport.Door.PAGE, actor=steps.STAFF)


def bought(shop: factories.Shop, *lines: Any, **changes: Any) -> Order:
    """An order of the shop that is paid and whose units are reserved."""
    order = shop.place_order(*lines, **changes)
    if order.payment_method != "cod":
        steps.pay(order)
    steps.approve_and_split()
    factories.run(allocating.run)
    return steps.fresh(order)


def deliver() -> None:
    """Deliver what is ready, and see to the codes of what was cancelled."""
    factories.run(delivering.run, settling.run)


def delivered(shop: factories.Shop, sku: Sku, units: int = 1, **changes: Any) -> SubOrder:
    """The one sub-order of an order of codes, delivered."""
    order = bought(shop, (sku, units, "15.00"), **changes)
    deliver()
    return SubOrder.objects.get(order=order)


def units(sku: Sku) -> tuple[int, int]:
    """On hand and reserved."""
    row = Stock.objects.get(sku=sku)
    return row.on_hand, row.reserved


def states(sku: Sku) -> dict[str, int]:
    """How many codes of the SKU are in which state."""
    found: dict[str, int] = {}
    for state in VirtualCode.objects.filter(stock__sku=sku).values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


def delivery_of(part: SubOrder) -> VirtualDelivery:
    """What the sub-order's buyer got."""
    return VirtualDelivery.objects.get(sub_order=part)


def populate(shop: factories.Shop, part: SubOrder) -> None:
    """Rows of everything: a code for sale, one that is sold and was looked at, and what some sub-order's buyer got."""
    sealed = secrecy.seal("SECRET-CODE-01234")
    VirtualDelivery.objects.create(sub_order=part, kind="activation_code", content=sealed, hint="…1234")
    writing.install_defaults()
    sku = code_sku(shop)
    bring(shop, sku, ["SECRET-CODE-01235", "SECRET-CODE-01236"])
    revealing.reveal(delivered(shop, sku).pk, actor=steps.STAFF, reason="买家来电")
