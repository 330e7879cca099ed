"""No merchant sees what is another's."""

import pytest

from orders.models import Order, SubOrder
from tests import factories
from tests.api.calls import ORDERS, errors_of, pages, send

pytestmark = pytest.mark.django_db

SUB_ORDERS = "/api/v1/sub-orders"


@pytest.fixture
def seller(shop):
    """A marketplace merchant whose goods the shop sells."""
    return factories.MerchantFactory()


@pytest.fixture
def mixed(shop, seller):
    """An order of the shop: a line of its own goods, and one of the seller's."""
    goods = factories.SkuFactory(merchant=seller)
    stock = factories.StockFactory(sku=goods)
    order = factories.allocated_order(
        (shop.sku, 2, "10.00"), (stock.sku, 1, "77.70"), merchant=shop.merchant, remark="for both"
    )
    own, theirs = SubOrder.objects.order_by("number")
    assert (own.merchant, theirs.merchant) == (shop.merchant, seller)
    return order


def test_orders_of_others_are_404_and_not_listed(shop, mixed, seller):
    stranger = factories.client_of(seller)

    assert stranger.get(ORDERS).json()["results"] == []
    assert stranger.get(ORDERS, {"number": mixed.number}).json()["results"] == []
    for path in ("", "/timeline", "/shipments"):
        response = stranger.get(f"{ORDERS}/{mixed.number}{path}")
        assert (response.status_code, errors_of(response)) == (404, {(None, "not_found")})


def test_the_seller_sees_its_sub_order_and_nothing_of_the_rest(shop, mixed, seller):
    stranger = factories.client_of(seller)

    (listed,) = stranger.get(SUB_ORDERS).json()["results"]

    assert listed == stranger.get(listed["url"]).json()
    assert listed["number"] == f"{mixed.number}-2"
    assert listed["merchant"] == seller.code
    assert listed["recipient"]["address"] == mixed.recipient_address
    assert [line["sku"] for line in listed["lines"]] == [
        SubOrder.objects.get(merchant=seller).lines.get().order_line.sku.code
    ]
    assert listed["payable_amount"] == listed["lines"][0]["payable_amount"]
    shown = str(listed)
    for hidden in (shop.sku.code, shop.sku.name, "20.00", str(mixed.payable_amount), mixed.external_number, "for both"):
        assert hidden not in shown
    assert stranger.get(f"{SUB_ORDERS}/{mixed.number}-2/shipments").json() == []


def test_sub_orders_of_others_are_404(mixed, seller):
    stranger = factories.client_of(seller)
    for path in (f"{mixed.number}-1", f"{mixed.number}-1/shipments"):
        assert stranger.get(f"{SUB_ORDERS}/{path}").status_code == 404


def test_the_shop_sees_the_whole_order_but_fulfils_only_its_own_part(api, mixed):
    assert len(api.get(f"{ORDERS}/{mixed.number}").json()["sub_orders"]) == 2
    assert [row["number"] for row in api.get(SUB_ORDERS).json()["results"]] == [f"{mixed.number}-1"]


def test_a_third_merchant_sees_nothing(mixed):
    third = factories.client_of(factories.MerchantFactory())
    assert third.get(ORDERS).json() == third.get(SUB_ORDERS).json() == {"next": None, "results": []}
    assert third.get(f"{SUB_ORDERS}/{mixed.number}-1").status_code == 404
    assert third.get(f"{SUB_ORDERS}/{mixed.number}-2").status_code == 404


def test_a_cursor_of_another_merchant_shows_only_ones_own(shop, api, seller):
    for _ in range(3):
        shop.place_order()
    cursor = api.get(f"{ORDERS}?limit=1").json()["next"]
    assert factories.client_of(seller).get(cursor).json()["results"] == []


def test_the_same_channel_name_and_external_number_belong_to_each_merchant(shop, api):
    other = factories.make_shop()
    body = shop.body(source="web")
    theirs = {**other.body(source="web"), "external_number": body["external_number"]}

    assert send(api, body).status_code == 201
    assert send(factories.client_of(other.merchant), theirs).status_code == 201
    assert Order.objects.count() == 2


def test_sub_orders_have_filters_and_pages(api, shop):
    for _ in range(3):
        order = factories.allocated_order((shop.sku, 1, "10.00"), merchant=shop.merchant)
    found = pages(api, f"{SUB_ORDERS}?limit=2&state=allocated&warehouse={shop.warehouse.code}&sku={shop.sku.code}")
    assert [len(page) for page in found] == [2, 1]
    assert found[0][0]["number"] == f"{order.number}-1"
    assert api.get(SUB_ORDERS, {"state": "shipped"}).json()["results"] == []
    assert errors_of(api.get(SUB_ORDERS, {"status": "x"})) == {("status", "unknown_parameter")}


@pytest.mark.parametrize("order_count", [1, 5])
def test_a_list_of_sub_orders_takes_three_statements(api, shop, order_count, django_assert_num_queries):
    for _ in range(order_count):
        factories.allocated_order((shop.sku, 1, "10.00"), merchant=shop.merchant)
    api.get(SUB_ORDERS)
    with django_assert_num_queries(3):
        assert len(api.get(SUB_ORDERS).json()["results"]) == order_count
