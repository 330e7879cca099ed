"""What JD Logistics is asked and what comes of its answers and pushes; and its published client."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from jd.api import JDL
from jd.comm import comm

from logistics.carriers import adapters, dispatching, tracking, words
from logistics.carriers.adapters import Redirection
from logistics.carriers.adapters.jdl import CARRIER, traces, wire
from logistics.models import Shipment, ShipmentLabel
from oms.common.models import Connection, InboundFact, RefusedMessage
from oms.common.work import protocols
from oms.common.work.protocols import Unreadable
from oms.simulators import jdl
from oms.simulators.jdl import JdlPeer
from oms.simulators.keys import JdlKeys
from oms.simulators.mischief import PushTrick, Trick
from orders.models import OrderEvent
from tests import factories, steps
from tests.carriers import world
from tests.carriers.world import HOUR, Served

pytestmark = pytest.mark.django_db
KEYS = JdlKeys("ak", "as", "tok", "010K1", "push-token-1")
SECRETS = {"app_key": "ak", "app_secret": "as", "access_token": "tok", "customer_code": "010K1"}
OPTIONS = {"refusals": ["1"], "repeated": ["3001"], "cod_product": "ed-a-0009"}


@pytest.fixture
def served() -> Iterator[Served[JdlPeer]]:
    with world.serving("jdl", lambda: JdlPeer(KEYS, notify_url=world.push_url("jdl-1"))) as one:
        yield one


@pytest.fixture
def link(shop: factories.Shop, served: Served[JdlPeer]) -> Connection:
    """The connection over which JD is asked."""
    secrets = {**SECRETS, "push_token": KEYS.push_token}
    return world.connect("jdl", f"{served.address}/jdl", secrets, "JD", **OPTIONS)


@pytest.fixture
def shipment(shop: factories.Shop, link: Connection) -> Shipment:
    """A packed parcel of two units, paid on delivery, that has no waybill yet."""
    shop.sku.length_mm, shop.sku.width_mm, shop.sku.height_mm = 200, 100, 50
    shop.sku.save()
    world.packed(shop.place_order(payment_method="cod"))
    return Shipment.objects.get()


def test_the_signature_is_that_of_the_published_vector() -> None:
    path, body, at = "/ecap/v1/orders/precheck", '[{"a": 1}]', "2026-01-01 08:00:00"
    assert wire.sign(path, body, at, key="ak", secret="as", token="tok") == "06c58e1a48ee44095f36841250bb15a6"
    query = {"access_token": "tok", "app_key": "ak", "timestamp": at}
    assert jdl.sign(path, body, query, "as") == "06c58e1a48ee44095f36841250bb15a6"
    for algorithm in ("HMacMD5", "HMacSHA1", "HMacSHA256", "HMacSHA512"):
        ours = wire.sign(path, body, at, key="ak", secret="as", token="tok", algorithm=algorithm)
        assert ours == jdl.sign(path, body, {**query, "algorithm": algorithm}, "as")


def test_both_sides_goods_weight_volume_and_cash_go_out_and_waybill_and_marks_come_back(
    shipment: Shipment, served: Served[JdlPeer]
) -> None:
    factories.run(dispatching.run)

    (entry,) = served.peer.book.entries()
    told = dict(entry.content)
    assert (told["orderId"], told["customerCode"], told["settleType"]) == (shipment.number, "010K1", 3)
    assert told["senderContact"] == {
        "name": "王五",
        "mobile": "13900002222",
        "fullAddress": "北京市东城区物流园3号库",
    }
    assert told["receiverContact"]["fullAddress"] == "北京市东城区中山路861号13栋837室"
    (cargo,) = told["cargoes"]
    assert (cargo["quantity"], cargo["weight"], cargo["volume"], cargo["goods"][0]["quantity"]) == (1, 1.0, 2000.0, 2)
    assert told["addedProducts"] == [{"productCode": "ed-a-0009", "productAttrs": {"shouldPayMoney": "26.00"}}]
    row = steps.fresh(shipment)
    assert (row.waybill_number, row.carrier.code) == (entry.waybill, "JD")
    label = ShipmentLabel.objects.get()
    assert (label.destination_mark, label.sorting_code, label.destination_name) == ("B1", "12", "目的营业部")


@pytest.mark.parametrize("trick", [Trick.ERROR_AFTER, Trick.DROP_AFTER, Trick.GARBAGE, Trick.SYSTEM_ERROR_AFTER])
def test_an_order_whose_answer_was_lost_gets_its_first_waybill(
    shipment: Shipment, served: Served[JdlPeer], trick: Trick
) -> None:
    served.peer.mischief.plan(trick)
    steps.once(dispatching.run)
    row = steps.fresh(shipment)
    assert (row.waybill_number, "tok" in row.last_error) == (None, False)
    steps.once(dispatching.run)

    (entry,) = served.peer.book.entries()
    assert (entry.asked, steps.fresh(shipment).waybill_number) == (2, entry.waybill)


def test_refusals_are_the_codes_that_the_connection_names_and_all_others_are_unclear(
    shipment: Shipment, link: Connection, served: Served[JdlPeer]
) -> None:
    link.set_secrets({**SECRETS, "app_secret": "another"}).save()
    steps.once(dispatching.run)
    row = steps.fresh(shipment)
    assert (row.carrier.code, "2002" in row.last_error) == ("JD", True)

    link.set_secrets(SECRETS).save()
    served.peer.is_closed = True
    steps.once(dispatching.run)
    assert steps.fresh(shipment).carrier.code == "LAST"
    assert OrderEvent.objects.get(kind="waybill_refused").data["text"] == "1100 收件地址超区"


def test_cash_for_which_the_connection_names_no_service_is_refused_in_words(
    shipment: Shipment, link: Connection, served: Served[JdlPeer]
) -> None:
    link.options = {}
    link.save()
    steps.once(dispatching.run)

    assert OrderEvent.objects.get(kind="waybill_refused").data["text"] == "no_cod_service"
    assert served.peer.book.entries() == []


def test_where_a_parcel_is_is_pushed_and_answered_under_the_same_keys(
    shipment: Shipment, link: Connection, served: Served[JdlPeer]
) -> None:
    link.options = {**OPTIONS, "calls_courier": True}
    link.save()
    served.peer.turn(-48 * HOUR)
    factories.run(dispatching.run)
    row = steps.fresh(shipment)
    parcel = world.booked(row)
    assert row.pick_up_from < row.pick_up_until

    served.peer.turn(12 * HOUR)
    served.peer.push_mischief.plan(PushTrick.BAD_SIGNATURE, PushTrick.TWICE)
    for _again in range(2):
        served.peer.step(world.post, pauses=(0, 0))
    found = CARRIER.query(link, [parcel])[parcel.reference]
    assert [(one.kind, one.body["code"]) for one in found] == [("collected", "揽收"), ("in_transit", "运输")]
    assert {one.key for one in found} == set(
        InboundFact.objects.filter(topic="carrier").values_list("fact_key", flat=True)
    )
    assert RefusedMessage.objects.count() == 1
    factories.run(tracking.run)
    row = steps.fresh(shipment)
    assert (row.state, row.carrier_code, row.carrier_text) == ("in_transit", "运输", "您的快件已到达分拣中心")


def test_a_parcel_is_cancelled_before_it_is_collected_and_intercepted_or_redirected_after(
    shipment: Shipment, link: Connection, served: Served[JdlPeer]
) -> None:
    factories.run(dispatching.run)
    parcel = world.booked(steps.fresh(shipment))
    place = ("李四", "13611112222", "广东省", "深圳市", "南山区", "粤海街道16B")
    elsewhere = Redirection(parcel.reference, "JD", parcel.waybill, "1111", *place)

    served.peer.turn(12 * HOUR)
    assert CARRIER.redirect(link, [elsewhere])[parcel.reference].taken
    contact = served.peer.book.of_waybill(parcel.waybill).content["receiverContact"]
    assert contact == {"name": "李四", "mobile": "13611112222", "fullAddress": "广东省深圳市南山区粤海街道16B"}
    for _again in range(2):
        assert CARRIER.intercept(link, [parcel])[parcel.reference].taken
    assert CARRIER.redirect(link, [elsewhere])[parcel.reference].reason == "1202 当前状态不能修改"
    nobody = replace(parcel, reference="nobody", waybill="0")
    assert CARRIER.cancel(link, [nobody])["nobody"].reason == "1200 订单不存在"

    served.peer.turn(40 * HOUR)
    kinds = [one.kind for one in CARRIER.query(link, [parcel])[parcel.reference]]
    assert kinds == ["collected", "in_transit", "intercepting", "returning", "returned"]
    assert adapters.intercepting(link) is not None
    protocols.speaker(link).test(link)


def test_times_are_texts_or_milliseconds_and_new_steps_are_kept() -> None:
    at, known = datetime(2026, 1, 2, 1, 0, tzinfo=UTC), words.of("jdl")
    for told in ("2026-01-02 09:00:00", 1767315600000, "1767315600000"):
        news = traces.news_of(traces.Trace(told, "JDV1", "揽收", "已揽收"), known)
        assert (news.occurred_at, news.kind) == (at, "collected")
    assert traces.news_of(traces.Trace("x", "JDV1", "下单"), known) is None
    assert known.kind_of("新") == "noted"
    for told in ("yesterday", 10**30):
        with pytest.raises(Unreadable):
            traces.news_of(traces.Trace(told, "JDV1", "揽收"), known)


def test_the_published_client_checks_orders_cancels_and_asks_the_fee(
    served: Served[JdlPeer], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("URL", "SANDBOXURL"):
        monkeypatch.setattr(comm, name, f"{served.address}/jdl")
    client = JDL("ak", "as", "010K1", "tok")
    person = {"receiver_name": "李四", "receiver_full_address": "上海市浦东新区世纪大道200号"}
    assert client.order.precheck("张三", "13800000000", "北京市朝阳区1号", receiver_mobile="13900000000", **person)[
        "success"
    ]

    def create(number: str) -> dict:
        return client.order.create(
            number, "张三", "北京市朝阳区1号", sender_mobile="13800000000", receiver_mobile="13900000000",
            cargo={"name": "茶", "quantity": 1, "weight": 2.5}, products_req={"productCode": "ed-m-0001"}, **person,
        )  # fmt: skip

    made, again = create("O-1"), create("O-1")
    waybill = made["data"]["waybillCode"]
    assert (made["success"], again["success"], again["code"]) == (True, False, "3001")
    assert again["data"]["waybillCode"] == waybill
    assert client.order.rate(waybill, None, 1, None, None)["data"]["waybillCode"] == waybill
    cancelled = client.order.cancel(customer_order_id="O-1", cancel_reason="用户发起取消", subscribe_intercept="1")
    assert (cancelled["success"], cancelled["data"]["resultType"]) == (True, 0)
    assert JDL("ak", "another", "010K1", "tok").order.cancel(waybill, cancel_reason="x")["code"] == "2002"
