"""Codes that nobody knows in orders that come by the LOC interface, which says no prices."""

import json
from decimal import Decimal
from typing import Any

import pytest

from inventory.models import Sku, Stock
from oms.doors.loc.base import CHANNEL
from orders.changing.cancelling import cancel_order
from orders.matching import matches
from orders.models import Hold, MatchWait, Order, OrderCharge, SkuMatch
from orders.reviewing import words
from payments.models import Payment
from payments.taking import expiring, recording, requesting
from tests import factories, steps
from tests.api.samples import virtual_sku
from tests.matching import shops

pytestmark = pytest.mark.django_db

GOODS = {
    "order_id": "123456",
    "user_id": "987654",
    "items": [{"item_id": "A001", "quantity": 2}],
    "delivery_address": "北京市东城区建国路88号 张三 13800001111",
    "delivery_time": "2025-02-15 12:00:00",
}
VIRTUAL = {
    "order_id": "V123456",
    "user_id": "987654",
    "product_id": "V001",
    "product_name": "会员月卡",
    "product_price": 99.99,
    "quantity": 1,
    "order_status": "待支付",
    "payment_status": "已支付",
    "order_time": "2025-02-10T10:00:00",
}


@pytest.fixture
def shop() -> factories.Shop:
    shop = factories.make_shop()
    factories.ChannelFactory(merchant=shop.merchant, code=CHANNEL, matches_skus=True)
    return shop


@pytest.fixture
def client(shop: factories.Shop) -> Any:
    return factories.client_of(shop.merchant)


def post(client: Any, path: str, body: dict[str, Any]) -> dict[str, Any]:
    response = client.post(f"/api/{path}", json.dumps(body), content_type="application/json")
    assert response.status_code == 200, response.json()
    return response.json()  # type: ignore[no-any-return]


def state(client: Any, order_id: str = "123456") -> tuple[str, str, str | None]:
    data = client.get("/api/order/status", {"order_id": order_id}).json()["data"]
    return data["order_status"], data["payment_status"], data["waits_for_person"]


def match(shop: factories.Shop, code: str, *parts: tuple[Sku, int]) -> None:
    components = tuple(matches.NewComponent(sku.code, sku.merchant.code, units) for sku, units in parts)
    made = matches.put(shop.merchant, matches.NewMatch(CHANNEL, code, components), actor=steps.STAFF)
    assert isinstance(made, SkuMatch), made
    shops.release()


def test_goods_that_nobody_knows_come_in_and_cost_their_list_price_once_they_are_matched(
    shop: factories.Shop, client: Any
) -> None:
    made = post(client, "order/create", GOODS)

    assert made["message"] == "订单已接收，待人工确认商品"
    assert made["data"]["amount"] is None
    assert made["data"]["waits_for_person"] == "商品编码 A001 还没有人匹配到 SKU。"
    assert state(client) == ("商品待匹配", "待支付", "商品编码 A001 还没有人匹配到 SKU。")
    factories.run(requesting.intend)
    assert not Payment.objects.exists()
    assert steps.broken_invariants() == []

    match(shop, "A001", (shop.sku, 3))

    order = Order.objects.get()
    assert shops.lines_of(order) == [(shop.sku.code, "A001", 6, "60.00", "60.00")]
    assert (order.goods_amount, order.order_amount, order.payable_amount) == (Decimal("60.00"),) * 3
    assert list(OrderCharge.objects.values_list("cause", "component", "amount")) == [
        ("placed", "goods", Decimal("60.00"))
    ]
    assert order.pay_by is not None
    assert state(client) == ("待支付", "待支付", None)
    factories.run(requesting.intend)
    assert Payment.objects.get().amount == Decimal("60.00")
    assert steps.broken_invariants() == []


def test_what_is_known_of_an_order_is_priced_at_once_and_nobody_pays_for_that_alone(
    shop: factories.Shop, client: Any
) -> None:
    post(client, "order/create", {**GOODS, "items": [*GOODS["items"], {"item_id": shop.sku.code, "quantity": 1}]})

    factories.run(requesting.intend)
    assert (Order.objects.get().payable_amount, Payment.objects.count()) == (Decimal("10.00"), 0)
    Order.objects.update(pay_by="2026-01-01T00:00:00Z")
    factories.run(expiring.run)
    assert steps.state_of(Order.objects.get()) == "awaiting_payment"
    assert steps.broken_invariants() == []
    match(shop, "A001", (shop.other_sku, 1))

    factories.run(requesting.intend)
    assert Payment.objects.get().amount == Order.objects.get().payable_amount == Decimal("61.00")
    assert list(OrderCharge.objects.order_by("id").values_list("amount", flat=True)) == [
        Decimal("10.00"),
        Decimal("51.00"),
    ]
    assert steps.broken_invariants() == []


@pytest.mark.parametrize("said", ["at once", "sent again", "reported"])
def test_that_the_merchant_was_paid_is_booked_once_the_price_is_known(
    shop: factories.Shop, client: Any, said: str
) -> None:
    post(client, "order/create", {**GOODS, "payment_status": "已支付" if said == "at once" else "待支付"})
    if said == "sent again":
        post(client, "order/create", {**GOODS, "payment_status": "已支付"})
    if said == "reported":
        paid = {"order_id": "123456", "order_status": "待发货", "update_time": "2025-02-10T10:30:00"}
        assert post(client, "order/update_status", paid)["data"]["order_status"] == "商品待匹配"
    assert state(client)[:2] == ("商品待匹配", "已支付")
    assert steps.broken_invariants() == []

    match(shop, "A001", (shop.sku, 1))
    factories.run(recording.book_collected)

    payment = Payment.objects.get()
    assert (payment.means, payment.amount, payment.captured_amount) == ("external", Decimal("20.00"), Decimal("20.00"))
    assert state(client)[:2] == ("审核中", "已支付")
    assert steps.released(Order.objects.get()).state == "released"
    assert steps.broken_invariants() == []


def test_virtual_goods_that_nobody_knows_have_their_price_and_need_no_address(
    shop: factories.Shop, client: Any
) -> None:
    made = post(client, "order/create", VIRTUAL)["data"]

    assert made["amount"] == "99.99"
    assert made["waits_for_person"] == "商品编码 V001 还没有人匹配到 SKU。"
    assert state(client, "V123456")[:2] == ("商品待匹配", "已支付")
    match(shop, "V001", (shop.sku, 1))
    assert words.why(Hold.objects.get()) == (f"V001 对应 {shop.sku.code}，该商品需要寄送，而虚拟商品订单没有地址。")
    match(shop, "V001", (virtual_sku(shop), 1))
    order = Order.objects.get()
    assert (order.number[0], order.open_holds, order.payable_amount) == ("3", 0, Decimal("99.99"))
    assert state(client, "V123456")[0] == "审核中"
    steps.approve_and_split()
    assert steps.state_of(order) == "split"
    assert steps.broken_invariants() == []


def test_stock_is_set_by_the_channels_code_of_one_sku(shop: factories.Shop, client: Any) -> None:
    match(shop, "A001", (shop.sku, 1))
    match(shop, "SET", (shop.sku, 2))

    data = post(client, "inventory/update", {"item_id": "A001", "quantity": 7})["data"]
    assert (data["item_id"], data["quantity"]) == ("A001", 7)
    assert Stock.objects.get(sku=shop.sku).on_hand == 7
    for code in ("SET", "B002"):
        response = client.post(
            "/api/inventory/update", json.dumps({"item_id": code, "quantity": 7}), content_type="application/json"
        )
        assert response.json()["code"] == 40402


def test_goods_without_a_list_price_keep_waiting_and_say_so(shop: factories.Shop, client: Any) -> None:
    Sku.objects.filter(pk=shop.other_sku.pk).update(list_price=0)
    post(client, "order/create", GOODS)

    match(shop, "A001", (shop.sku, 1), (shop.other_sku, 1))

    why = words.why(Hold.objects.get())
    assert why == f"A001 对应 {shop.other_sku.code}，该商品没有标价，订单也未给出价格。"
    assert shops.is_waiting(Order.objects.get())
    assert steps.broken_invariants() == []


def test_a_cancelled_order_without_a_price_is_over(shop: factories.Shop, client: Any) -> None:
    post(client, "order/create", {**GOODS, "payment_status": "已支付"})

    cancel_order(Order.objects.get().pk, reason="changed mind", actor=steps.STAFF)

    assert not MatchWait.objects.exists()
    assert state(client)[0] == "已取消"
    assert steps.broken_invariants() == []


def test_where_the_channel_matches_no_codes_the_item_is_refused(shop: factories.Shop, client: Any) -> None:
    shop.merchant.channels.update(matches_skus=False)

    response = client.post("/api/order/create", json.dumps(GOODS), content_type="application/json")

    assert response.json()["code"] == 40402
    assert not Order.objects.exists()
