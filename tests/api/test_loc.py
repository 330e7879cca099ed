"""The LOC interface of 京东入鼎: every call of its guide, as a merchant that speaks it would make it."""

import json
import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.utils.translation import gettext

from inventory.models import Region, Stock
from logistics.models import VirtualDelivery
from logistics.virtual import delivering
from oms.common.errors import OmsError
from oms.doors.loc.models import LocOrder
from orders.changing import readdressing
from orders.fulfilling import allocating
from orders.models import BuyerNotification, Hold, Order, OrderEvent
from orders.reviewing import holds, words
from tests import factories, steps
from tests.api.calls import change
from tests.api.samples import virtual_sku

pytestmark = pytest.mark.django_db

TIME = "2025-02-15 12:00:00"
NO_PHONE = "The address has no phone number, and the carrier needs one."


@pytest.fixture(autouse=True)
def chaoyang(shop):
    """A second district of Beijing, and one of the same name in another province."""
    factories.RegionFactory(code="110105", district="朝阳区")
    factories.RegionFactory(code="220104", province="吉林省", city="长春市", district="朝阳区")
    return Region.objects.get(pk="110105")


def post(api, path, body):
    return api.post(f"/api/{path}", json.dumps(body), content_type="application/json")


def create(api, shop, **changes):
    body = {
        "order_id": "T1",
        "user_id": "H900",
        "items": [{"item_id": shop.sku.code, "quantity": 2}],
        "delivery_address": "北京市朝阳区建国路88号",
        "delivery_time": TIME,
        "receiver_phone": "13800001111",
    }
    return post(api, "order/create", {**body, **changes})


def create_virtual(api, sku, **changes):
    body = {
        "order_id": "V1",
        "user_id": "H900",
        "product_id": sku.code,
        "product_name": "会员月卡",
        "product_price": 15.00,
        "quantity": 1,
        "order_status": "待支付",
        "payment_status": "已支付",
        "order_time": TIME,
    }
    return post(api, "order/create", {**body, **changes})


def status(api, order_id="T1"):
    response = api.get("/api/order/status", {"order_id": order_id})
    assert response.status_code == 200, response.content
    return response.json()["data"]


def refusal(response):
    answer = response.json()
    assert set(answer) == {"code", "message", "data"}
    assert set(answer["data"]) == {"reason", "errors"}
    assert response.status_code == answer["code"] // 100
    # One language: what is left without what the caller wrote, codes and addresses has no word of another one.
    for error in answer["data"]["errors"]:
        assert not re.search(r"[A-Za-z]{2,} [A-Za-z]{2,}", error["message"].replace("REST API", "")), error["message"]
    return answer["code"], [error["field"] for error in answer["data"]["errors"]]


def nothing_is_broken():
    assert steps.broken_invariants() == []


def test_an_order_at_list_price_to_a_parsed_address(api, shop):
    answer = create(api, shop)
    order = Order.objects.get()
    assert answer.json() == {
        "code": 0,
        "message": "订单已接收",
        "data": {"order_id": "T1", "order_number": order.number, "amount": "20.00", "waits_for_person": None},
    }
    assert (order.region_id, order.recipient_address, order.open_holds) == ("110105", "建国路88号", 0)
    assert order.wanted_at == datetime(2025, 2, 15, 12, tzinfo=ZoneInfo("Asia/Shanghai"))
    assert status(api) == {
        "order_id": "T1",
        "order_number": order.number,
        "order_status": "待支付",
        "payment_status": "待支付",
        "waits_for_person": None,
        "tracking": [],
    }
    in_body = api.generic("GET", "/api/order/status", '{"order_id": "T1"}', content_type="application/json")
    assert in_body.json()["data"] == status(api)


def test_the_same_again_answers_the_same_and_other_content_is_refused(api, shop):
    first = create(api, shop)
    assert create(api, shop).json() == first.json()
    assert refusal(create(api, shop, delivery_address="北京市东城区中山路1号")) == (40901, ["order_id"])
    assert Order.objects.count() == LocOrder.objects.count() == 1


def test_an_uncertain_address_asks_a_person(api, shop, chaoyang):
    assert create(api, shop, delivery_address="朝阳区建国路88号", payment_status="已支付").json()["code"] == 0
    order = Order.objects.get()
    hold = Hold.objects.get()
    assert (order.region_id, order.state, order.open_holds) == (None, "in_review", 1)
    assert "110105 北京市朝阳区" in words.why(hold)
    assert "220104 吉林省长春市朝阳区" in words.why(hold)
    assert status(api)["order_status"] == "地址待确认"
    assert api.get(f"/api/v1/orders/{order.number}").json()["recipient"]["region_code"] is None
    with pytest.raises(OmsError):
        holds.release_hold(hold.pk, note="", actor=steps.STAFF)
    steps.approve_and_split()
    assert Order.objects.get().state == "in_review"

    readdressing.change_recipient(order.pk, readdressing.Recipient(region_code="110105"), actor=steps.STAFF)
    steps.approve_and_split()
    assert (Order.objects.get().state, Order.objects.get().open_holds) == ("split", 0)
    nothing_is_broken()


@pytest.mark.parametrize("by", ["staff", "merchant"])
def test_goods_without_a_phone_wait_for_one(api, shop, by):
    first = create(api, shop, receiver_phone="", payment_status="已支付").json()
    order, hold = Order.objects.get(), Hold.objects.get()
    assert (hold.kind, order.recipient_phone, order.region_id) == ("address", "", "110105")
    assert words.why(hold) == gettext(NO_PHONE)
    assert first["message"] == "订单已接收，待人工确认收货信息"
    assert first["data"]["waits_for_person"] == status(api)["waits_for_person"] == words.why(hold)
    assert create(api, shop, receiver_phone="", payment_status="已支付").json() == first
    assert status(api)["order_status"] == "地址待确认"
    with pytest.raises(holds.CannotRelease):
        holds.release_hold(hold.pk, note="", actor=steps.STAFF)
    # Something else that is changed does not let it go.
    readdressing.change_recipient(order.pk, readdressing.Recipient(name="张三"), actor=steps.STAFF)
    steps.approve_and_split()
    assert (Order.objects.get().state, Order.objects.get().open_holds) == ("in_review", 1)

    if by == "staff":
        readdressing.change_recipient(order.pk, readdressing.Recipient(phone="13800002222"), actor=steps.STAFF)
    else:
        path = f"/api/v1/orders/{order.number}/recipient"
        answer = change(api, "patch", path, {"phone": "13800002222"}, version=Order.objects.get().version)
        assert (answer.status_code, answer.json()["held"]) == (200, False)
    assert status(api)["waits_for_person"] is None
    assert steps.released(Order.objects.get()).state == "released"
    nothing_is_broken()


def test_what_both_lack_is_asked_at_once_and_both_must_be_said(api, shop):
    create(api, shop, receiver_phone="", delivery_address="建国路88号", payment_status="已支付")
    order, hold = Order.objects.get(), Hold.objects.get()
    assert words.why(hold) == f"{gettext(NO_PHONE)} {gettext('The region of the address is not known.')}"
    readdressing.change_recipient(order.pk, readdressing.Recipient(region_code="110105"), actor=steps.STAFF)
    assert Order.objects.get().open_holds == 1
    readdressing.change_recipient(order.pk, readdressing.Recipient(phone="13800002222"), actor=steps.STAFF)
    assert Order.objects.get().open_holds == 0
    nothing_is_broken()


def test_virtual_goods_sent_as_items_need_no_phone(api, shop):
    sku = virtual_sku(shop)
    items = [{"item_id": sku.code, "quantity": 1}]
    answer = create(api, shop, items=items, receiver_phone="", delivery_address="无", payment_status="已支付")
    assert answer.json()["data"]["waits_for_person"] is None
    steps.approve_and_split()
    factories.run(allocating.run, delivering.run)
    assert VirtualDelivery.objects.count() == 1
    nothing_is_broken()


def test_a_wrong_phone_is_named_by_the_field_of_this_interface(api, shop):
    assert refusal(create(api, shop, receiver_phone="123")) == (40001, ["receiver_phone"])


def test_goods_that_left_without_a_phone_are_noticed(api, shop):
    create(api, shop, payment_status="已支付")
    steps.released(Order.objects.get())
    nothing_is_broken()
    Order.objects.update(recipient_phone="")
    assert [text.partition(":")[0] for text in steps.broken_invariants()] == ["released_goods_have_somewhere_to_go"]


def test_an_order_that_the_merchant_was_paid_for(api, shop):
    create(api, shop, payment_status="已支付")
    order = Order.objects.get()
    assert (order.state, order.payment_state, order.paid_amount) == ("in_review", "paid", order.payable_amount)
    assert status(api)["order_status"] == "审核中"
    nothing_is_broken()


def test_the_way_of_an_order_in_words(api, shop):
    create(api, shop, payment_status="已支付")
    order = Order.objects.get()
    shipment = steps.shipped(order)
    said = status(api)
    assert said["order_status"] == "已发货"
    assert said["tracking"][0]["waybill_number"] == shipment.waybill_number
    early = {"order_id": "T1", "user_id": "H900", "confirmation_status": "已确认", "confirmation_time": TIME}
    assert refusal(post(api, "order/confirm_receipt", early)) == (40902, ["order_id"])
    done = {"order_id": "T1", "order_status": "已完成", "update_time": TIME}
    assert refusal(post(api, "order/update_status", done)) == (40902, ["order_id"])
    cancelled = {"order_id": "T1", "order_status": "已取消", "update_time": TIME}
    assert refusal(post(api, "order/update_status", cancelled))[0] == 40902
    shipped = {"order_id": "T1", "order_status": "已发货", "update_time": TIME}
    assert refusal(post(api, "order/update_status", shipped)) == (40902, ["order_status"])
    steps.scan(shipment, "collected", "signed")
    said = status(api)
    assert said["order_status"] == "已送达"
    assert [scan["time"] for scan in said["tracking"][0]["scans"]] == ["2026-01-02 20:00:00", "2026-01-02 20:01:00"]

    assert refusal(post(api, "order/confirm_receipt", {**early, "user_id": "other"})) == (40401, ["order_id"])
    assert post(api, "order/confirm_receipt", early).json()["data"]["state"] == "completed"
    assert post(api, "order/confirm_receipt", early).json()["data"]["state"] == "completed"
    assert post(api, "order/update_status", done).json()["data"]["state"] == "completed"
    assert status(api)["order_status"] == "已完成"
    nothing_is_broken()


def test_cancelling_by_a_reported_state(api, shop):
    create(api, shop)
    body = {"order_id": "T1", "order_status": "已取消", "update_time": TIME}
    assert post(api, "order/update_status", body).json()["data"]["state"] == "cancelled"
    assert post(api, "order/update_status", body).json()["data"]["state"] == "cancelled"
    assert status(api)["order_status"] == "已取消"


def in_the_database(*texts):
    """Tables that hold one of the texts, as it is or as bytes."""
    holding_it = []
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in cursor.fetchall():
            # Backslashes and quotes are doubled in the text of a row.
            cursor.execute(f"SELECT coalesce(string_agg(replace(t::text, '\"', ''), ' '), '') FROM \"{table}\" t")
            (rows,) = cursor.fetchone()
            wanted = [form for text in texts for form in (text.replace('"', ""), text.encode().hex())]
            if any(form in rows for form in wanted):
                holding_it.append(table)
    return holding_it


def test_the_database_holds_no_code_password_or_message_in_the_clear(api, shop):
    """Whoever reads a copy of the database cannot use what buyers got; what is looked for would be found."""
    create_virtual(api, virtual_sku(shop))
    steps.approve_and_split()
    factories.run(allocating.run)
    account = {"username": "buyer-account-77", "password": "geheim-passwort-77"}
    body = {"order_id": "V1", "virtual_product_type": "账号", "delivery_info": {"account_info": account}}
    assert post(api, "order/virtual_delivery", {**body, "delivery_time": TIME}).json()["code"] == 0
    content = {
        "message": "您的激活码是 KEY-1234-5678，密码geheim-zwei",
        "delivery_info": {"activation_code": "KEY-1234-5678"},
        "confirm_url": "https://shop.example/confirm/token-99",
    }
    message = {"user_id": "H900", "notification_type": "发货", "notification_content": content}
    assert post(api, "notification/send", message).json()["code"] == 0

    secrets = ("geheim", "buyer-account-77", "KEY-1234", "token-99")
    assert in_the_database(*secrets) == []
    assert in_the_database("H900") != []
    assert BuyerNotification.objects.get().hint == "您的激活码是 …，密码…"
    assert VirtualDelivery.objects.get().hint == ""
    nothing_is_broken()

    VirtualDelivery.objects.update(content=b"KEY-1234")
    BuyerNotification.objects.update(content=b"KEY-1234")
    assert sorted(in_the_database(*secrets)) == ["logistics_virtualdelivery", "orders_buyernotification"]
    assert {text.partition(":")[0] for text in steps.broken_invariants()} == {
        "delivered_codes_are_sealed",
        "messages_to_buyers_are_sealed",
    }


@pytest.mark.parametrize(
    ("kind", "content", "hint"),
    [
        ("activation_code", "ABCDE-FGHIJ-KLMNO-PQRST", "…QRST"),
        ("activation_code", "AB12-CD34-EF567", ""),
        ("download_link", "https://user:pass@files.example/secret/1?key=2", "files.example"),
        ("account", '{"username": "u", "password": "geheim geheim geheim"}', ""),
    ],
)
def test_a_hint_gives_no_secret_away(kind, content, hint):
    assert delivering.hint_of(VirtualDelivery.Kind(kind), content) == hint


@pytest.mark.parametrize(
    ("kind", "info", "kept"),
    [
        ("激活码", {"activation_code": "AB-12"}, "AB-12"),
        ("下载链接", {"download_link": "https://x.example/1"}, "https://x.example/1"),
        ("账号", {"account_info": {"username": "u", "password": "geheim"}}, '{"username": "u", "password": "geheim"}'),
    ],
)
def test_virtual_goods_are_delivered_by_the_merchant(api, shop, kind, info, kept, caplog):
    sku = virtual_sku(shop)
    assert create_virtual(api, sku).json()["data"]["amount"] == "15.00"
    order = Order.objects.get()
    assert (order.payment_state, order.region_id) == ("paid", None)
    body = {"order_id": "V1", "virtual_product_type": kind, "delivery_info": info, "delivery_time": TIME}
    assert refusal(post(api, "order/virtual_delivery", body)) == (40902, ["order_id"])
    steps.approve_and_split()
    factories.run(allocating.run, delivering.run)
    assert not VirtualDelivery.objects.exists(), "no made-up code"

    answer = post(api, "order/virtual_delivery", body)
    assert answer.json()["data"]["order_status"] == "已送达"
    assert post(api, "order/virtual_delivery", body).json() == answer.json()
    other = {**body, "virtual_product_type": "激活码", "delivery_info": {"activation_code": "other"}}
    assert refusal(post(api, "order/virtual_delivery", other)) == (40901, ["delivery_info"])
    assert VirtualDelivery.objects.get().opened() == kept
    assert not in_the_database(kept, "geheim")
    for shown in (answer.content.decode(), caplog.text, str(list(OrderEvent.objects.values_list("data", flat=True)))):
        assert kept not in shown
        assert "geheim" not in shown
    assert kept not in api.get(f"/api/v1/orders/{order.number}").content.decode()
    nothing_is_broken()


def test_virtual_goods_that_are_not_paid_wait_for_it(api, shop):
    create_virtual(api, virtual_sku(shop), payment_status="待支付")
    assert (Order.objects.get().state, status(api, "V1")["payment_status"]) == ("awaiting_payment", "待支付")


def test_stock_is_set_and_takes_promises_away(api, shop):
    factories.allocated_order((shop.sku, 5, "10.00"), merchant=shop.merchant)
    body = {"item_id": shop.sku.code, "quantity": 7}
    assert post(api, "inventory/update", body).json()["data"] == {
        "item_id": shop.sku.code,
        "warehouse_code": shop.warehouse.code,
        "quantity": 7,
        "reserved": 5,
        "available": 2,
    }
    assert post(api, "inventory/update", {**body, "quantity": 3}).json()["data"]["reserved"] == 0
    assert Stock.objects.get(sku=shop.sku).on_hand == 3
    nothing_is_broken()
    code = {"item_id": virtual_sku(shop).code, "quantity": 5}
    assert refusal(post(api, "inventory/update", code)) == (40900, ["warehouse_code"])
    factories.WarehouseFactory(merchant=shop.merchant)
    new = factories.SkuFactory(merchant=shop.merchant)
    assert refusal(post(api, "inventory/update", {"item_id": new.code, "quantity": 1})) == (40001, ["warehouse_code"])
    assert post(api, "inventory/update", body).json()["code"] == 0, "it lies in one warehouse"


def test_a_message_waits_for_a_sender(api, shop):
    create(api, shop)
    content = {"message": "您的订单已发货", "delivery_info": {"carrier": "顺丰"}, "confirm_url": "https://x.example"}
    body = {"user_id": "H900", "notification_type": "发货通知", "notification_content": content}
    answer = post(api, "notification/send", body).json()["data"]
    message = BuyerNotification.objects.get()
    assert answer == {"notification_id": message.pk, "status": "queued"}
    assert (message.opened().message, message.opened().delivery_info) == ("您的订单已发货", {"carrier": "顺丰"})
    assert message.hint == "您的订单已发货"
    assert refusal(post(api, "notification/send", {**body, "user_id": "nobody"})) == (40403, ["user_id"])
    script = {**body, "notification_content": {**content, "confirm_url": "javascript:alert(1)"}}
    assert refusal(post(api, "notification/send", script)) == (40001, ["notification_content.confirm_url"])


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"order_id": "x" * 65}, 40001, "order_id"),
        ({"items": "A001"}, 40001, "items"),
        ({"items": [{"item_id": 7, "quantity": 1}]}, 40001, "items.0.item_id"),
        ({"items": [{"item_id": "none", "quantity": 1}]}, 40402, "items.0.item_id"),
        ({"items": []}, 40001, "items"),
        ({"items": [{"item_id": "x", "quantity": 0}]}, 40001, "items.0.quantity"),
        ({"delivery_time": "2025-02-30 12:00:00"}, 40001, "delivery_time"),
        ({"delivery_time": "2025-2-3 12:00:00"}, 40001, "delivery_time"),
        ({"order_id": ""}, 40001, "order_id"),
        ({"order_id": "中文"}, 40001, "order_id"),
        ({"payment_status": "maybe"}, 40001, "payment_status"),
        ({"user_id": "\u0000"}, 40001, ""),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_stored(api, shop, changes, code, field):
    found, fields = refusal(create(api, shop, **changes))
    assert found == code
    assert (field or None) in fields
    assert not Order.objects.exists()


def test_an_item_without_price_is_refused(api, shop):
    sku = factories.SkuFactory(merchant=shop.merchant, list_price=0)
    refused = create(api, shop, items=[{"item_id": sku.code, "quantity": 1}])
    assert refusal(refused) == (40903, ["items.0.item_id"])


def test_the_frame_of_a_call(api, shop, client):
    assert refusal(api.get("/api/order/status", {"order_id": "T1"})) == (40401, ["order_id"])
    assert refusal(api.get("/api/order/status")) == (40001, ["order_id"])
    assert refusal(api.post("/api/order/create", "{", content_type="application/json"))[0] == 40002
    assert refusal(api.post("/api/order/create", "x=1", content_type="text/plain"))[0] == 41500
    assert refusal(api.get("/api/order/create"))[0] == 40500
    assert refusal(client.get("/api/order/status"))[0] == 40100
