"""A merchant that ships from a warehouse of its own, with orders that wait there."""

from dataclasses import dataclass
from decimal import Decimal
from itertools import count

from django.test import Client

from inventory.models import Sku, Warehouse
from logistics.by_merchant import opening
from logistics.by_merchant.opening import NewWarehouse
from logistics.carriers.defaults import install_default_carriers
from logistics.models import WarehouseOrder
from logistics.warehouses import releasing, sending
from oms.common.models import OneTimePassword
from oms.merchants.joining import people
from oms.merchants.models import Channel, Merchant
from orders.fulfilling import allocating, splitting
from orders.models import Order
from orders.reviewing import deciding
from payments.taking import recording
from tests import factories, steps

_names = count(1)


@dataclass(frozen=True)
class Seller:
    """A merchant of the marketplace with a channel, two SKUs, and 1,000 units of each in its own warehouse."""

    merchant: Merchant
    channel: Channel
    warehouse: Warehouse
    sku: Sku
    other_sku: Sku

    def orders(self, number: int = 1, *lines: "tuple[Sku, int, str]", **changes: object) -> list[WarehouseOrder]:
        """So many orders, paid on delivery unless told otherwise, that the warehouse was sent."""
        placed = [
            factories.place(
                factories.order_body(
                    *(lines or [(self.sku, 2, "10.00")]),
                    **{"payment_method": "cod", "source": self.channel.code, **changes},
                ),
                self.merchant,
            )
            for _ in range(number)
        ]
        stages = (recording.book_collected, deciding.run, splitting.run, allocating.run, releasing.run, sending.run)
        factories.run(*stages)
        return [self.work(order) for order in placed]

    def work(self, order: Order) -> WarehouseOrder:
        """The newest warehouse order of an order of one part."""
        return steps.work_of(order.sub_orders.get())


def make_seller() -> Seller:
    """Such a merchant."""
    install_default_carriers()
    factories.RegionFactory()
    merchant = factories.MerchantFactory()
    warehouse = opening.open_warehouse(
        merchant, NewWarehouse("自营仓", "北京市东城区中山路1号", contact_name="李", contact_phone="13800002222")
    )
    skus = [factories.SkuFactory(merchant=merchant, list_price=Decimal("10.00")) for _ in range(2)]
    for sku in skus:
        factories.StockFactory(sku=sku, warehouse=warehouse, on_hand=1000)
    return Seller(merchant, factories.ChannelFactory(merchant=merchant), warehouse, *skus)


def person_of(merchant: Merchant, role: str = "administrator", language: str = "en") -> Client:
    """A client in which somebody of the merchant, of that role, is logged in by the login page."""
    name = f"p{next(_names)}"
    password = people.add(merchant, name, role=role)
    OneTimePassword.objects.filter(user__username=name).delete()
    client = Client(headers={"accept-language": language})
    answer = client.post("/merchant/login/", {"username": name, "password": password})
    assert answer["Location"] == "/merchant/", answer.content
    client.session_name = name  # type: ignore[attr-defined]
    return client
