"""What answers of the LOC interface say: reasons, fields, words and language; and what may be said twice."""

import pytest
from django.utils import translation

from orders import kinds
from orders.fulfilling import allocating
from orders.models import BuyerNotification, Order, SubOrder
from orders.reviewing import holds, words
from tests import factories, steps
from tests.api.samples import virtual_sku
from tests.api.test_loc import TIME, chaoyang, create, create_virtual, post, refusal, status

__all__ = ["chaoyang"]
pytestmark = pytest.mark.django_db


def reasons(response):
    """Of the whole answer, and of each error."""
    data = response.json()["data"]
    return data["reason"], [error["code"] for error in data["errors"]]


def test_every_refusal_has_a_reason_for_programs(api, shop):
    assert reasons(api.get("/api/order/status", {"order_id": "T1"})) == ("not_found", ["not_found"])
    assert reasons(create(api, shop, delivery_time="soon")) == ("invalid_field", ["invalid_time"])
    assert reasons(create(api, shop, items=[{"item_id": "x", "quantity": "2"}])) == ("invalid_field", ["invalid_field"])
    assert reasons(create(api, shop, items=[{"item_id": "none", "quantity": 2}])) == ("not_found", ["not_found"])
    assert reasons(api.post("/api/order/create", "{", content_type="application/json")) == (
        "invalid_json",
        ["invalid_json"],
    )
    create(api, shop, payment_status="已支付")
    assert reasons(create(api, shop, user_id="H901")) == ("duplicate", ["duplicate"])
    steps.shipped(Order.objects.get())
    cancelled = {"order_id": "T1", "order_status": "已取消", "update_time": TIME}
    assert reasons(post(api, "order/update_status", cancelled)) == ("illegal_state", ["illegal_state"])


def test_answers_are_chinese_whatever_the_caller_reads(api, shop):
    answer = api.get("/api/order/status", {"order_id": "T1"}, HTTP_ACCEPT_LANGUAGE="en")
    assert (answer.json()["message"], answer["Content-Language"]) == ("没有这个订单。", "zh-hans")
    late = api.post("/api/order/create", "{x", content_type="application/json", HTTP_ACCEPT_LANGUAGE="en")
    assert late.json()["message"] == "不是合法的 JSON，请检查第 1 个字节。"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"receiver_phone": "123"}, "receiver_phone"),
        ({"receiver_name": "x" * 60, "receiver_phone": "1"}, "receiver_phone"),
    ],
)
def test_an_error_names_the_field_in_which_it_was_written(api, shop, changes, field):
    assert field in refusal(create(api, shop, **changes))[1]


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"product_price": 10**7, "quantity": 10_000}, "product_price"), ({"order_id": "中文"}, "order_id")],
)
def test_an_error_of_virtual_goods_names_the_field_in_which_it_was_written(api, shop, changes, field):
    assert refusal(create_virtual(api, virtual_sku(shop), **changes))[1] == [field]


def test_a_held_order_and_one_that_is_short_have_words_of_their_own(api, shop):
    create(api, shop, payment_status="已支付", items=[{"item_id": shop.sku.code, "quantity": 101}])
    hold = holds.hold_order(Order.objects.get().pk, reason="fraud", actor=steps.STAFF)
    assert status(api)["order_status"] == "已拦截"
    holds.release_hold(hold.pk, note="", actor=steps.STAFF)
    assert status(api)["order_status"] == "审核中"
    steps.approve_and_split()
    assert status(api)["order_status"] == "待发货"
    factories.run(allocating.run)
    assert SubOrder.objects.filter(state="backordered").exists()
    assert status(api)["order_status"] == "缺货"


def test_the_only_warehouse_that_keeps_such_goods_is_meant(api, shop):
    code = virtual_sku(shop).code
    other = factories.WarehouseFactory(merchant=shop.merchant, kind="virtual", storage_classes=["virtual"])
    new = factories.SkuFactory(merchant=shop.merchant)
    for item, warehouse in ((new.code, shop.warehouse.code), (code, other.code)):
        answer = post(api, "inventory/update", {"item_id": item, "quantity": 4}).json()
        assert (answer["data"]["warehouse_code"], answer["data"]["quantity"]) == (warehouse, 4)
    third = factories.WarehouseFactory(merchant=shop.merchant)
    refused = post(
        api, "inventory/update", {"item_id": factories.SkuFactory(merchant=shop.merchant).code, "quantity": 4}
    )
    assert refusal(refused) == (40001, ["warehouse_code"])
    assert refused.json()["message"] == f"请指明仓库：{'、'.join(sorted([shop.warehouse.code, third.code]))}。"


def test_a_message_about_an_order_is_kept_once(api, shop):
    create(api, shop)
    create(api, shop, order_id="T2")

    def send(message="已发货", kind="发货通知", **about):
        body = {"user_id": "H900", "notification_type": kind, "notification_content": {"message": message}, **about}
        return post(api, "notification/send", body)

    first = send(order_id="T1").json()
    assert send(order_id="T1").json() == first
    other = send("已发货，另一个包裹", order_id="T1")
    assert (refusal(other), reasons(other)[0]) == ((40901, ["notification_content"]), "duplicate")
    assert send(order_id="T2").json() != first
    assert send(order_id="T1", kind="到货通知").json() != first
    # Without the order's id it is about the newest order, and another content another message.
    assert send("支付提醒", "支付").json() == send("支付提醒", "支付").json()
    assert send("支付提醒二", "支付").json()["code"] == 0
    assert refusal(send(order_id="none")) == (40401, ["order_id"])
    assert BuyerNotification.objects.count() == 5


def test_a_cancellation_that_a_warehouse_must_answer_says_so(api, shop):
    create(api, shop, payment_status="已支付")
    steps.released(Order.objects.get())
    body = {"order_id": "T1", "order_status": "已取消", "update_time": TIME}
    asked = post(api, "order/update_status", body).json()
    assert (asked["message"], asked["data"]["order_status"]) == ("已向仓库申请取消，等待答复", "取消中")
    assert post(api, "order/update_status", body).json() == asked
    assert status(api)["order_status"] == "取消中"
    order = Order.objects.get()
    assert (order.cancel_reason, words.why(order.holds.get())) == ("cancelled_by_merchant", "取消：商家取消。")
    with translation.override("en"):
        told = kinds.tell(order.events.get(kind="cancel_requested"))
    assert told.startswith("Cancellation requested (Cancelled by the merchant.); the warehouse is asked about ")
