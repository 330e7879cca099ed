"""What kdniao is asked and what comes of its answers, against a peer that speaks as it does."""

from dataclasses import replace
from datetime import datetime, time

import httpx
import pytest

from logistics.carriers import adapters, contents, dispatching
from logistics.carriers.adapters import Booked, Candidate
from logistics.carriers.adapters.kdniao import CARRIER, bodies, setup
from logistics.models import Carrier, CarrierCode, Shipment, ShipmentLabel
from oms.common.models import Connection
from oms.common.secrecy import unseal
from oms.common.work.singly import Unclear
from oms.common.zones import CHINA
from oms.simulators.mischief import Trick
from orders.models import OrderEvent
from tests import factories, steps
from tests.carriers.world import in_two_boxes
from tests.kdniao import world
from tests.kdniao.world import HOUR, Platform

pytestmark = pytest.mark.django_db


@pytest.fixture
def shipment(shop: factories.Shop, link: Connection) -> Shipment:
    """A packed parcel of two units that has no waybill yet."""
    shop.sku.length_mm, shop.sku.width_mm, shop.sku.height_mm = 200, 100, 50
    shop.sku.save()
    world.packed(shop.place_order(payment_method="cod"))
    return Shipment.objects.get()


@pytest.fixture
def booked(shipment: Shipment) -> Booked:
    """The parcel with its waybill."""
    factories.run(dispatching.run)
    return world.booked(steps.fresh(shipment))


def test_sender_recipient_goods_weight_and_volume_go_out(shipment: Shipment, platform: Platform) -> None:
    factories.run(dispatching.run)

    (entry,) = platform.peer.book.entries()
    told = dict(entry.content)
    assert (told["OrderCode"], told["ShipperCode"], told["PayType"], told["IsSubscribe"]) == (
        *(shipment.number, "YTO", 3),
        "1",
    )
    assert told["Receiver"] == {
        "Name": "张华",
        "Mobile": "13800001111",
        "ProvinceName": "北京",
        "CityName": "北京市",
        "ExpAreaName": "东城区",
        "Address": "中山路861号13栋837室",
    }
    assert (told["Sender"]["Name"], told["Sender"]["Mobile"], told["Sender"]["Address"]) == (
        *("王五", "13900002222"),
        "物流园3号库",
    )
    assert told["Commodity"] == [
        {
            "GoodsName": f"商品 {told['Commodity'][0]['GoodsCode']}",
            "GoodsCode": told["Commodity"][0]["GoodsCode"],
            "Goodsquantity": 2,
            "GoodsWeight": 0.5,
            "GoodsVol": 0.001,
        }
    ]
    assert (told["Weight"], told["Volume"], told["Quantity"]) == (1.0, 0.002, 1)


def test_what_is_paid_on_delivery_is_collected_with_the_parcel(
    shipment: Shipment, link: Connection, platform: Platform
) -> None:
    link.options = {"cod_accounts": {"YTO": "K0001"}}
    link.save()
    factories.run(dispatching.run)

    (entry,) = platform.peer.book.entries()
    to_collect = str(shipment.sub_order.payable_amount)
    assert entry.content["AddService"] == [{"Name": "COD", "Value": to_collect, "CustomerID": "K0001"}]


def test_nothing_is_collected_for_what_was_paid_before(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    order = shop.place_order()
    steps.pay(order)
    world.packed(order)
    factories.run(dispatching.run)

    (entry,) = platform.peer.book.entries()
    assert "AddService" not in entry.content


def test_cash_of_several_parcels_is_refused_and_the_next_carrier_asked(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    in_two_boxes(shop)

    steps.once(dispatching.run)

    assert platform.peer.book.entries() == []
    (text,) = set(OrderEvent.objects.filter(kind="waybill_refused").values_list("data__text", flat=True))
    assert text == "cod_in_parcels"


def test_waybill_and_label_come_back_and_are_kept(shipment: Shipment, platform: Platform) -> None:
    factories.run(dispatching.run)

    (entry,) = platform.peer.book.entries()
    row = steps.fresh(shipment)
    assert (row.state, row.waybill_number, row.carrier.code) == ("waybill_issued", entry.waybill, "YTO")
    label = ShipmentLabel.objects.get()
    assert (label.shipment, label.destination_mark, label.sorting_code) == (row, "北京 010-03", "A-07")
    assert (label.package_name, label.destination_name) == ("北京集包", "北京目的网点")
    assert b"div" not in bytes(label.template)
    assert unseal(label.template) == f"<div>{entry.waybill} 张华</div>"


@pytest.mark.parametrize(
    "trick", [Trick.ERROR_AFTER, Trick.DROP_AFTER, Trick.GARBAGE, Trick.SYSTEM_ERROR_AFTER, Trick.SLOW]
)
def test_a_waybill_whose_answer_was_lost_is_asked_for_again_and_is_the_same(
    shipment: Shipment, link: Connection, platform: Platform, trick: Trick
) -> None:
    Connection.objects.filter(pk=link.pk).update(timeout_seconds=1)
    platform.peer.mischief.slow_seconds = 1.5
    platform.peer.mischief.plan(trick)

    steps.once(dispatching.run)
    assert steps.fresh(shipment).waybill_number is None
    steps.once(dispatching.run)

    (entry,) = platform.peer.book.entries()
    assert (entry.asked, steps.fresh(shipment).waybill_number) == (2, entry.waybill)
    assert platform.peer.left("YTO") == 99_999


def test_after_a_definite_refusal_the_next_carrier_is_asked(shipment: Shipment, platform: Platform) -> None:
    platform.peer.closed.add("YTO")

    factories.run(dispatching.run)

    assert steps.fresh(shipment).carrier.code == "ZTO"
    assert OrderEvent.objects.get(kind="waybill_refused").data["text"] == "105 网点暂停收件"


def test_a_wrong_key_is_no_refusal_of_the_parcel(shipment: Shipment, link: Connection, platform: Platform) -> None:
    link.set_secrets({"ebusiness_id": world.KEYS.business_id, "app_key": "another"}).save()

    steps.once(dispatching.run)

    row = steps.fresh(shipment)
    assert (row.carrier.code, row.state, row.attempts) == ("YTO", "created", 1)
    assert "kdniao said 102" in row.last_error
    assert platform.peer.book.entries() == []


def test_a_connection_without_its_account_says_what_is_missing(shipment: Shipment, link: Connection) -> None:
    link.set_secrets({"ebusiness_id": "1"}).save()

    steps.once(dispatching.run)

    assert "no app_key" in steps.fresh(shipment).last_error


def test_kdniaos_own_code_of_a_carrier_is_told_both_ways(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    Carrier.objects.all().delete()
    yunda = Carrier.objects.create(code="YUNDA", name="韵达", connection=link)
    CarrierCode.objects.create(carrier=yunda, protocol="kdniao", code="YD")
    world.packed(shop.place_order(payment_method="cod"))

    factories.run(dispatching.run)

    (entry,) = platform.peer.book.entries()
    assert (entry.shipper, Shipment.objects.get().carrier) == ("YD", yunda)
    assert CARRIER.recognise(link, entry.waybill) == [Candidate("YUNDA", "韵达速递")]
    platform.peer.turn(4 * HOUR)
    (scan,) = CARRIER.query(link, [world.booked(Shipment.objects.get())])[entry.order_code]
    assert scan.body["carrier"] == "YUNDA"


def test_characters_that_kdniao_refuses_do_not_reach_it(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    recipient = shop.body()["recipient"] | {"address": "A&B大厦#3<东>+20%'\"\\📦座"}
    world.packed(shop.place_order(payment_method="cod", recipient=recipient))

    factories.run(dispatching.run)

    (entry,) = platform.peer.book.entries()
    assert entry.content["Receiver"]["Address"] == "A B大厦 3 东 20 座"


def test_a_courier_is_booked_where_the_connection_says_so(
    shipment: Shipment, link: Connection, platform: Platform
) -> None:
    link.options = {"books_by": "1801"}
    link.save()

    factories.run(dispatching.run)

    row = steps.fresh(shipment)
    (entry,) = platform.peer.book.entries()
    assert row.waybill_number == entry.waybill
    until = row.pick_up_until.astimezone(CHINA)
    assert (until.time(), row.pick_up_from < row.pick_up_until) == (time(18), True)
    assert entry.content["EndDate"] == f"{until:%Y-%m-%d} 18:00:00"


@pytest.mark.parametrize(
    ("now", "since", "until"),
    [
        ("2026-01-02T08:00", "2026-01-02T09:00", "2026-01-02T18:00"),
        ("2026-01-02T12:30", "2026-01-02T12:30", "2026-01-02T18:00"),
        ("2026-01-02T16:01", "2026-01-03T09:00", "2026-01-03T18:00"),
    ],
)
def test_a_courier_comes_in_the_next_window(link: Connection, now: str, since: str, until: str) -> None:
    window = bodies.next_pick_up(setup.of(link), datetime.fromisoformat(now).replace(tzinfo=CHINA))

    assert (f"{window.since:%Y-%m-%dT%H:%M}", f"{window.until:%Y-%m-%dT%H:%M}") == (since, until)


def test_a_waybill_is_cancelled_once_and_not_after_the_pick_up(
    booked: Booked, link: Connection, platform: Platform
) -> None:
    unknown = replace(booked, reference="nobody")
    assert CARRIER.cancel(link, [unknown])["nobody"].reason == "105 订单不存在"

    platform.peer.turn(4 * HOUR)
    late = CARRIER.cancel(link, [booked])[booked.reference]
    assert (late.taken, late.reason) == (False, "105 快件已揽收，不能取消")

    platform.peer.turn(-4 * HOUR)
    for _again in range(2):
        assert CARRIER.cancel(link, [booked])[booked.reference].taken
    assert platform.peer.book.of_order(booked.reference).cancelled_at is not None


def test_a_cancelled_order_code_gives_no_waybill_any_more(
    shipment: Shipment, booked: Booked, link: Connection, platform: Platform
) -> None:
    CARRIER.cancel(link, [booked])
    parcel = adapters.Parcel(
        booked.reference, "", "", "YTO", 1, "张华", "13800001111", "北京市", "北京市", "东城区", "1号"
    )

    with pytest.raises(Unclear, match="106"):
        CARRIER.book(link, [parcel])


def test_the_balance_of_waybills_is_told(booked: Booked, link: Connection) -> None:
    assert (CARRIER.balance(link, "YTO"), CARRIER.balance(link, "ZTO")) == (99_999, 100_000)


@pytest.mark.parametrize("options", [{}, {"queries_by": "1002", "subscribes_by": "1008"}])
def test_where_a_parcel_is_is_asked_with_or_without_its_carrier(
    booked: Booked, link: Connection, platform: Platform, options: dict[str, str]
) -> None:
    link.options = options
    assert CARRIER.query(link, [booked]) == {booked.reference: []}

    platform.peer.turn(12 * HOUR)
    found = CARRIER.query(link, [booked])[booked.reference]

    assert [(one.kind, one.subject, one.body["code"]) for one in found] == [
        ("collected", booked.waybill, "1"),
        ("in_transit", booked.waybill, "204"),
    ]
    assert found[0].body == {"carrier": "YTO", "text": "快件已被揽收", "location": "北京市", "code": "1"}
    assert CARRIER.query(link, [replace(booked, carrier="")])[booked.reference] == found


def test_carriers_that_want_a_phones_end_are_given_it(
    shop: factories.Shop, link: Connection, platform: Platform
) -> None:
    platform.peer.closed.add("YTO")
    world.packed(shop.place_order(payment_method="cod"))
    factories.run(dispatching.run)
    parcel = world.booked(Shipment.objects.get())
    platform.peer.turn(4 * HOUR)

    assert len(CARRIER.query(link, [replace(parcel, phone_tail="2222")])[parcel.reference]) == 1
    with pytest.raises(Unclear, match="手机号后四位"):
        CARRIER.query(link, [replace(parcel, phone_tail="")])


def test_a_waybill_that_was_bought_elsewhere_is_subscribed_to(link: Connection, platform: Platform) -> None:
    parcel = Booked("1-1-S1", "ZTO", "ZTO5550001", "1111")

    assert CARRIER.subscribe(link, [parcel])["1-1-S1"].taken

    assert platform.peer.book.of_waybill("ZTO5550001").is_told


def test_one_that_cannot_be_asked_leaves_the_others(booked: Booked, link: Connection, platform: Platform) -> None:
    platform.peer.mischief.plan(Trick.ERROR_BEFORE)
    other = replace(booked, reference="other")

    assert CARRIER.query(link, [booked, other]).keys() == {"other"}


def test_each_request_goes_to_its_path_where_the_address_has_none(
    booked: Booked, link: Connection, platform: Platform
) -> None:
    link.base_url = platform.address

    assert CARRIER.balance(link, "YTO") == 99_999
    link.base_url = "http://127.0.0.1:9"
    with pytest.raises(httpx.HTTPError):
        CARRIER.balance(link, "YTO")


def test_what_a_protocol_cannot_do_is_told_before(link: Connection) -> None:
    silent = factories.ConnectionFactory(kind="carrier")

    for ask in (
        *(adapters.cancelling, adapters.querying, adapters.subscribing, adapters.recognising),
        adapters.counting,
    ):
        assert ask(silent) is None
        assert ask(link) is not None


def test_the_goods_of_a_parcel_that_nobody_told_are_called_goods(shipment: Shipment, platform: Platform) -> None:
    shipment.lines.all().delete()
    assert contents.of([shipment.number])[shipment.number].articles == []

    factories.run(dispatching.run)

    assert platform.peer.book.entries()[0].content["Commodity"] == [{"GoodsName": "商品", "Goodsquantity": 1}]
