"""Returns of goods of a merchant that is a guest in a warehouse of another."""

import pytest

from inventory import hosting
from inventory.models import Stock
from oms.common.errors import OmsError
from oms.merchants.models import Merchant
from orders.models import Order, ReturnRequest, ReturnRule
from orders.returning import deciding, inspecting, strays, travelling
from orders.returning.strays import Unit
from tests import factories, steps
from tests.returns import world

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


@pytest.fixture
def shop(shop: factories.Shop) -> factories.Shop:
    world.install()
    return shop


@pytest.fixture
def seller(shop: factories.Shop) -> Merchant:
    """A guest in the shop's warehouse, with ten units of a SKU there."""
    made = factories.MerchantFactory()
    hosting.begin(shop.warehouse, made, actor="lin")
    factories.StockFactory(sku=factories.SkuFactory(merchant=made), warehouse=shop.warehouse, on_hand=10)
    return made


def returned(shop: factories.Shop, seller: Merchant, **more: object) -> ReturnRequest:
    """A return of the guest's goods that staff approved."""
    order = shop.place_order((seller.skus.get(), 1, "10.00"))
    steps.pay(order)
    return deciding.approve(world.ask(at_the_buyers(order), {1: 1}, **more).pk, actor=steps.STAFF)


def at_the_buyers(order: Order) -> Order:
    """The paid order, delivered a moment ago."""
    order = world.delivered(order)
    order.sub_orders.update(delivered_at=factories.timezone.now())
    return order


def end_by_hand(shop: factories.Shop) -> None:
    """The stay is over, as it could be before returns kept it."""
    shop.warehouse.guests.update(ended_at=factories.timezone.now(), ended_by="x")


def on_hand(seller: Merchant) -> list[tuple[str, int]]:
    return list(Stock.objects.filter(sku__merchant=seller).order_by("pk").values_list("warehouse__code", "on_hand"))


def test_what_comes_back_is_the_guests_again_and_keeps_its_stay(shop, seller):
    row = returned(shop, seller)
    assert row.warehouse == shop.warehouse
    stay = shop.warehouse.guests.get()
    with pytest.raises(hosting.StillThere, match="1 return"):
        hosting.end(stay.pk, actor="lin")
    row = world.came(row)
    with pytest.raises(hosting.StillThere, match="1 return"):
        hosting.end(stay.pk, actor="lin")
    world.found(row, good=1)
    assert on_hand(seller) == [(shop.warehouse.code, 10)]
    with pytest.raises(hosting.StillThere) as refused:
        hosting.end(stay.pk, actor="lin")
    assert "return" not in str(refused.value)
    assert steps.broken_invariants() == []


def test_a_warehouse_that_keeps_the_goods_no_longer_refuses_them_in_words(shop, seller):
    row = returned(shop, seller)
    end_by_hand(shop)
    own = factories.WarehouseFactory(merchant=seller)
    with pytest.raises(OmsError, match="keeps no goods of the merchant"):
        world.came(row)
    row = travelling.receive(row.pk, actor=steps.STAFF, warehouse_id=own.pk)
    world.found(row, good=1)
    assert on_hand(seller)[-1] == (own.code, 1)

    # Received before the stay ended: nothing is booked, and said in words.
    hosting.begin(shop.warehouse, seller, actor="lin")
    row = world.came(returned(shop, seller))
    end_by_hand(shop)
    key = row.lines.get().sub_order_line_id
    with pytest.raises(hosting.NotKept):
        inspecting.inspect(row.pk, {key: {"good": 1}}, actor=steps.STAFF)
    assert steps.fresh(row).state == "received"


def test_terms_that_name_a_warehouse_of_others_do_not_send_the_goods_there(shop, seller):
    other = factories.WarehouseFactory(merchant=shop.merchant)
    ReturnRule.objects.update(warehouse=other)
    assert returned(shop, seller).warehouse == shop.warehouse
    own = shop.place_order((shop.sku, 1, "10.00"))
    steps.pay(own)
    assert world.ask(at_the_buyers(own), {1: 1}).warehouse == other


def test_a_parcel_that_nobody_knows_keeps_the_stay_of_whose_goods_are_in_it(shop, seller):
    parcel = strays.note(
        shop.warehouse.pk, [Unit(seller.skus.get().code, "good", 1)], waybill="SF1", remark="", actor=steps.STAFF
    )
    stay = shop.warehouse.guests.get()
    with pytest.raises(hosting.StillThere, match="1 parcel that nobody knows"):
        hosting.end(stay.pk, actor="lin")
    end_by_hand(shop)
    with pytest.raises(hosting.NotKept):
        strays.keep(parcel.pk, reason="nobody came", actor=steps.STAFF)
    assert on_hand(seller) == [(shop.warehouse.code, 10)]
