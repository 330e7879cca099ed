"""The calls of the LOC guide, as it writes them and in its order, over HTTP by a client that signs."""

from decimal import Decimal

import pytest

from inventory.models import Stock, StorageClass
from logistics.models import VirtualDelivery
from logistics.virtual import delivering
from oms.client import ApiError, Client
from oms.common.models import Ticket
from oms.merchants.calls import credentials
from orders.changing import readdressing
from orders.fulfilling import allocating, completing
from orders.models import BuyerNotification, Order, OrderEvent
from payments.models import Payment
from tests import factories, steps

pytestmark = pytest.mark.django_db(transaction=True)

GOODS = {
    "order_id": "123456",
    "user_id": "987654",
    "items": [{"item_id": "A001", "quantity": 2}],
    "delivery_address": "北京市朝阳区XX街道",
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
DELIVERY = {
    "order_id": "V123456",
    "virtual_product_type": "激活码",
    "delivery_info": {
        "activation_code": "ABC123-XYZ789",
        "download_link": "https://example.com/download",
        "account_info": {"username": "user123", "password": "pass123"},
    },
    "delivery_time": "2025-02-10T11:00:00",
}
MESSAGE = {
    "user_id": "987654",
    "notification_type": "发货通知",
    "notification_content": {
        "message": "您的虚拟商品已发货",
        "delivery_info": {"activation_code": "ABC123-XYZ789"},
        "confirm_url": "https://example.com/confirm",
    },
}
RECEIPT = {
    "order_id": "V123456",
    "user_id": "987654",
    "confirmation_status": "已确认",
    "confirmation_time": "2025-02-10T12:00:00",
}
DONE = {"order_id": "V123456", "order_status": "已完成", "update_time": "2025-02-10T12:30:00"}


@pytest.fixture
def shop():
    """A merchant with the guide's two articles, each in a warehouse of its own."""
    shop = factories.make_shop()
    factories.RegionFactory(code="110105", district="朝阳区")
    factories.SkuFactory(merchant=shop.merchant, code="A001", list_price=Decimal("10.00"))
    virtual = factories.SkuFactory(merchant=shop.merchant, code="V001", storage_class=StorageClass.VIRTUAL)
    warehouse = factories.WarehouseFactory(
        merchant=shop.merchant, kind="virtual", storage_classes=[StorageClass.VIRTUAL], region=shop.region
    )
    factories.StockFactory(sku=virtual, warehouse=warehouse)
    return shop


@pytest.fixture
def client(shop, live_server):
    """A client with the merchant's key."""
    issued = credentials.issue(shop.merchant, "LOC")
    return Client(live_server.url, issued.credential.app_key, issued.secret, attempts=1)


def post(client, path, body):
    return client.request("POST", f"/api/{path}", body=body).data["data"]


def refused(client, path, body):
    with pytest.raises(ApiError) as refusal:
        client.request("POST", f"/api/{path}", body=body)
    answer = refusal.value.data
    return answer["code"], answer["data"]["reason"], [error["field"] for error in answer["data"]["errors"]]


def status_of(client, order_id):
    return client.request("GET", "/api/order/status", query={"order_id": order_id}).data["data"]["order_status"]


def test_goods(client, shop):
    created = post(client, "order/create", GOODS)
    assert (created["order_id"], created["amount"]) == ("123456", "20.00")
    assert created["waits_for_person"]
    stock = post(client, "inventory/update", {"item_id": "A001", "quantity": 100})
    assert stock == {
        "item_id": "A001",
        "warehouse_code": shop.warehouse.code,
        "quantity": 100,
        "reserved": 0,
        "available": 100,
    }
    in_query = client.request("GET", "/api/order/status", query={"order_id": "123456"}).data
    assert in_query["data"]["order_status"] == "待支付"
    assert client.request("GET", "/api/order/status", body={"order_id": "123456"}).data == in_query

    update = {"order_id": "123456", "order_status": "待发货", "update_time": "2025-02-10T10:30:00"}
    assert post(client, "order/update_status", update)["state"] == "in_review"
    assert status_of(client, "123456") == "地址待确认"
    whole = readdressing.Recipient(phone="13800001111", address="建国街道88号")
    readdressing.change_recipient(Order.objects.get().pk, whole, actor=steps.STAFF)
    assert steps.released(Order.objects.get()).state == "released"
    assert Stock.objects.get(sku__code="A001").reserved == 2
    assert status_of(client, "123456") == "待发货"
    assert steps.broken_invariants() == []


@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"])
def test_virtual_goods(client, form):
    def timed(body):
        return {key: value.replace("T", form[8]) if key.endswith("_time") else value for key, value in body.items()}

    assert post(client, "order/create", timed(VIRTUAL))["amount"] == "99.99"
    order = Order.objects.get()
    assert (order.ordered_at.isoformat(), order.state) == ("2025-02-10T02:00:00+00:00", "in_review")
    assert refused(client, "order/virtual_delivery", timed(DELIVERY)) == (40902, "illegal_state", ["order_id"])
    steps.approve_and_split()
    factories.run(allocating.run, delivering.run)

    assert post(client, "order/virtual_delivery", timed(DELIVERY))["order_status"] == "已送达"
    assert VirtualDelivery.objects.get().opened() == "ABC123-XYZ789"
    said = post(client, "notification/send", MESSAGE)
    assert (
        post(client, "notification/send", MESSAGE)
        == said
        == {"notification_id": said["notification_id"], "status": "queued"}
    )
    denied = {**timed(RECEIPT), "confirmation_status": "未确认"}
    assert post(client, "order/confirm_receipt", denied)["state"] == "split"
    assert post(client, "order/confirm_receipt", denied)["state"] == "split"
    assert OrderEvent.objects.filter(kind="receipt_not_confirmed").count() == 1
    # However long it takes, it is not completed before somebody says that it came.
    factories.run(completing.run)
    assert status_of(client, "V123456") == "已送达"
    assert [ticket.kind for ticket in Ticket.objects.open()] == ["receipt_denied"]
    assert steps.broken_invariants() == []
    assert post(client, "order/confirm_receipt", timed(RECEIPT))["state"] == "completed"
    assert refused(client, "order/confirm_receipt", denied) == (40902, "illegal_state", ["confirmation_status"])
    assert post(client, "order/update_status", timed(DONE))["state"] == "completed"
    assert status_of(client, "V123456") == "已完成"
    assert BuyerNotification.objects.count() == 1
    assert not Ticket.objects.open().exists()
    assert steps.broken_invariants() == []


@pytest.mark.parametrize(
    "reported",
    [
        {"order_status": "待发货"},
        {"order_status": "已支付"},
        {"order_status": "待支付", "payment_status": "已支付"},
    ],
)
def test_an_order_that_waits_for_its_payment_is_paid_by_a_reported_state(client, reported):
    post(client, "order/create", {**VIRTUAL, "payment_status": "待支付"})
    order = Order.objects.get()
    steps.ask_for_payment()  # the provider asks the buyer meanwhile, and stops doing so
    update = {"order_id": "V123456", "update_time": "2025-02-10T10:30:00"}
    still = {**update, "order_status": "待支付"}
    assert post(client, "order/update_status", still)["state"] == "awaiting_payment"
    contrary = {**update, "order_status": "待发货", "payment_status": "未支付"}
    assert refused(client, "order/update_status", contrary) == (40001, "invalid_field", ["payment_status"])
    update |= reported
    for _again in range(2):
        assert post(client, "order/update_status", update)["state"] == "in_review"
    payments = list(Payment.objects.order_by("number").values_list("number", "state", "means", "captured_amount"))
    assert payments == [
        (f"{order.number}-P1", "expired", "online", Decimal("0.00")),
        (f"{order.number}-P2", "captured", "external", Decimal("99.99")),
    ]
    assert (steps.fresh(order).payment_state, status_of(client, "V123456")) == ("paid", "审核中")
    assert refused(client, "order/update_status", still) == (40902, "illegal_state", ["order_status"])
    assert Payment.objects.get(means="external").captured_at.isoformat() == "2025-02-10T02:30:00+00:00"
    assert steps.broken_invariants() == []


def test_what_is_past_being_paid_or_sent_cannot_be_reported_so(client):
    post(client, "order/create", VIRTUAL)
    steps.approve_and_split()
    factories.run(allocating.run)
    update = {"order_id": "V123456", "order_status": "待发货", "update_time": "2025-02-10T10:30:00"}
    assert post(client, "order/update_status", update)["state"] == "split"
    post(client, "order/virtual_delivery", DELIVERY)
    assert refused(client, "order/update_status", update) == (40902, "illegal_state", ["order_status"])
    assert post(client, "order/update_status", {**update, "order_status": "已支付"})["state"] == "split"
    post(client, "order/confirm_receipt", RECEIPT)
    assert refused(client, "order/update_status", {**update, "order_status": "已支付"})[1] == "illegal_state"
    assert Payment.objects.count() == 1


def test_the_same_order_sent_again_as_paid_is_paid(client):
    unpaid = {**VIRTUAL, "payment_status": "待支付"}
    first = post(client, "order/create", unpaid)
    paid = {**VIRTUAL, "order_status": "已支付"}
    for _again in range(2):
        assert post(client, "order/create", paid) == first
        assert post(client, "order/create", unpaid) == first
        assert status_of(client, "V123456") == "审核中"
    assert refused(client, "order/create", {**paid, "quantity": 2}) == (40901, "duplicate", ["order_id"])
    assert Payment.objects.get(means="external").captured_amount == Decimal("99.99")
    assert steps.broken_invariants() == []
