"""What SF is asked and what comes of its answers and pushes, against a peer that speaks as it does."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from django.utils.translation import override

from logistics import kinds
from logistics.carriers import adapters, contents, dispatching, tracking, words
from logistics.carriers.adapters import Redirection
from logistics.carriers.adapters.sf import CARRIER, routes, wire
from logistics.models import Shipment, ShipmentLabel, TrackingEvent
from oms.common.models import Connection, InboundFact, RefusedMessage
from oms.common.work import protocols
from oms.common.work.singly import Unclear
from oms.simulators import sf
from oms.simulators.keys import SfKeys
from oms.simulators.mischief import PushTrick, Trick
from oms.simulators.notifying import Posted
from oms.simulators.sf import SfPeer
from orders.models import OrderEvent
from tests import factories, steps
from tests.carriers import world
from tests.carriers.world import HOUR, Served

pytestmark = pytest.mark.django_db
KEYS = SfKeys("OMSCUSTOMER", "CHECKWORD", "7551234567", "push-token-1")
SECRETS = {"partner_id": KEYS.partner_id, "check_word": KEYS.check_word, "monthly_card": KEYS.monthly_card}
PLACE = {"province": "广东省", "city": "深圳市", "district": "南山区", "address": "粤海街道16B"}


@pytest.fixture
def served() -> Iterator[Served[SfPeer]]:
    with world.serving("sf", lambda: SfPeer(KEYS, notify_url=world.push_url("sf-1"))) as one:
        yield one


@pytest.fixture
def link(shop: factories.Shop, served: Served[SfPeer]) -> Connection:
    """The connection over which SF is asked."""
    secrets = {**SECRETS, "push_token": KEYS.push_token}
    return world.connect("sf", f"{served.address}/sf/std/service", secrets, "SF")


@pytest.fixture
def shipment(shop: factories.Shop, link: Connection) -> Shipment:
    """A packed parcel of two units, paid on delivery, that has no waybill yet."""
    shop.sku.length_mm, shop.sku.width_mm, shop.sku.height_mm = 200, 100, 50
    shop.sku.save()
    world.packed(shop.place_order(payment_method="cod"))
    return Shipment.objects.get()


def set_options(link: Connection, **options: object) -> None:
    link.options = options
    link.save()


@pytest.mark.parametrize("sign", [wire.digest, sf.sign])
def test_the_digest_is_that_of_the_published_vector(sign) -> None:
    data = '{"trackingType":"1","trackingNumber":["SF1"]}'
    assert sign(data, "1700000000", "CHECKWORD") == "wdtl4jVt4eUFKkAQaNbmcg=="
    # Java's encoder, which SF uses, leaves the asterisk and encodes the tilde.
    assert sign("a*b~c d", "1", "W") == "e4h5/9+FSpbTKEWHZfcERw=="


def test_sender_recipient_goods_weight_volume_and_cash_go_out_and_waybill_and_label_come_back(
    shipment: Shipment, served: Served[SfPeer]
) -> None:
    factories.run(dispatching.run)

    (entry,) = served.peer.book.entries()
    told = dict(entry.content)
    assert (told["orderId"], told["custReferenceNo"]) == (shipment.number, shipment.sub_order.number)
    assert told["contactInfoList"] == [
        {
            "contactType": 1,
            "contact": "王五",
            "mobile": "13900002222",
            "country": "CN",
            "province": "北京市",
            "city": "北京市",
            "county": "东城区",
            "address": "物流园3号库",
        },
        {
            "contactType": 2,
            "contact": "张华",
            "mobile": "13800001111",
            "country": "CN",
            "province": "北京市",
            "city": "北京市",
            "county": "东城区",
            "address": "中山路861号13栋837室",
        },
    ]
    (goods,) = told["cargoDetails"]
    assert (goods["count"], goods["weight"], goods["unit"]) == (2, 0.5, "件")
    assert (told["totalWeight"], told["totalVolume"], told["parcelQty"]) == (1.0, 2000.0, 1)
    assert told["serviceList"] == [{"name": "COD", "value": "26.00", "value1": "7551234567"}]
    row = steps.fresh(shipment)
    assert (row.state, row.waybill_number, row.carrier.code) == ("waybill_issued", entry.waybill, "SF")
    label = ShipmentLabel.objects.get()
    assert (label.destination_mark, label.sorting_code, label.package_name) == ("北京-755WE-571A3", "F33", "顺丰标快")
    assert steps.broken_invariants() == []


@pytest.mark.parametrize(
    "trick", [Trick.ERROR_AFTER, Trick.DROP_AFTER, Trick.GARBAGE, Trick.SYSTEM_ERROR_AFTER, Trick.SLOW]
)
def test_an_order_whose_answer_was_lost_is_searched_for_before_it_is_ordered_again(
    shipment: Shipment, link: Connection, served: Served[SfPeer], trick: Trick
) -> None:
    Connection.objects.filter(pk=link.pk).update(timeout_seconds=1)
    served.peer.mischief.slow_seconds = 1.5
    served.peer.mischief.plan(trick)

    steps.once(dispatching.run)
    assert steps.fresh(shipment).waybill_number is None
    steps.once(dispatching.run)

    (entry,) = served.peer.book.entries()
    assert (entry.asked, steps.fresh(shipment).waybill_number) == (1, entry.waybill)


def test_an_order_that_sf_took_before_gives_the_first_waybill(
    shipment: Shipment, link: Connection, served: Served[SfPeer]
) -> None:
    """Somebody else's worker ordered, and ours knows nothing of it."""
    parcel = dispatching._prepare([shipment.pk])[shipment.pk]
    first = CARRIER.book(link, [parcel])[parcel.reference]
    assert not contents.of([parcel.reference])[parcel.reference].was_asked

    again = CARRIER.book(link, [parcel])[parcel.reference]

    assert (again.taken, again.waybill) == (True, first.waybill)
    assert served.peer.book.of_order(parcel.reference).asked == 2


def test_a_definite_refusal_switches_the_carrier_and_anything_else_does_not(
    shipment: Shipment, link: Connection, served: Served[SfPeer]
) -> None:
    link.set_secrets({**SECRETS, "check_word": "another"}).save()
    steps.once(dispatching.run)
    row = steps.fresh(shipment)
    assert (row.carrier.code, row.attempts, "SF said A1006" in row.last_error) == ("SF", 1, True)

    link.set_secrets(SECRETS).save()
    served.peer.is_closed = True
    steps.once(dispatching.run)

    assert steps.fresh(shipment).carrier.code == "LAST"
    assert OrderEvent.objects.get(kind="waybill_refused").data["text"] == "6200 收件地址暂停服务"
    assert served.peer.book.entries() == []


def test_cash_without_a_card_to_pay_it_to_is_refused_in_words_before_sf_is_called(
    shipment: Shipment, link: Connection, served: Served[SfPeer]
) -> None:
    link.set_secrets({name: SECRETS[name] for name in ("partner_id", "check_word")}).save()

    steps.once(dispatching.run)

    assert steps.fresh(shipment).carrier.code == "LAST"
    event = OrderEvent.objects.get(kind="waybill_refused")
    assert event.data["text"] == "no_cod_card"
    with override("en"):
        assert "names no card to which the carrier pays" in kinds.WAYBILL_REFUSED.tell(event.data)
    assert served.peer.book.entries() == []


def test_the_order_of_a_mother_gives_the_child_numbers_of_the_other_boxes(
    shop: factories.Shop, link: Connection, served: Served[SfPeer]
) -> None:
    world.in_two_boxes(shop)
    served.peer.mischief.plan(Trick.ERROR_AFTER)  # the answer is lost: she is searched for
    for _again in range(2):
        steps.once(dispatching.run)

    mother, child = Shipment.objects.order_by("id")
    entry = served.peer.book.of_order(mother.number)
    assert (child.mother_id, entry.content["parcelQty"], len(served.peer.book.entries())) == (mother.pk, 2, 2)
    assert (mother.waybill_number, [child.waybill_number]) == (
        *(entry.waybill, served.peer.book.children(mother.number)),
    )
    assert entry.content["serviceList"][0]["value"] == "26.00"
    assert entry.content["totalWeight"] == 1.0
    assert steps.broken_invariants() == []


def test_a_box_that_is_told_later_joins_the_order_and_gets_its_child_number_once(
    shop: factories.Shop, link: Connection, served: Served[SfPeer]
) -> None:
    part = steps.released(shop.place_order((shop.sku, 3, "10.00"), payment_method="cod"))
    box = {"lines": [{"line": str(part.lines.get().pk), "quantity": 1}]}
    steps.warehouse_says(part, "packed", parcels=[box, box])
    steps.once(dispatching.run)
    mother, child = Shipment.objects.order_by("id")
    known = [{**box, "carrier": "SF", "waybill": one.waybill_number} for one in (mother, child)]
    steps.warehouse_says(part, "packed", minutes=5, parcels=[*known, box])
    late = Shipment.objects.latest("id")
    assert (Shipment.objects.count(), late.mother_id) == (3, mother.pk)
    # Its number is given and the answer lost: after a search, the numbers are asked for.
    served.peer.mischief.plan(*_harmless(1), Trick.ERROR_AFTER)
    for _again in range(2):
        steps.once(dispatching.run)

    numbers = served.peer.book.children(mother.number)
    assert [steps.fresh(one).waybill_number for one in (child, late)] == numbers
    assert steps.broken_invariants() == []


def _harmless(count: int) -> list[Trick]:
    """Tricks that change nothing of so many calls."""
    return [Trick.BAD_SIGNATURE] * count


def test_without_children_cash_of_several_parcels_is_refused_and_other_parcels_go_by_themselves(
    shop: factories.Shop, link: Connection, served: Served[SfPeer]
) -> None:
    set_options(link, children=False)
    world.in_two_boxes(shop)

    steps.once(dispatching.run)

    assert served.peer.book.entries() == []
    texts = set(OrderEvent.objects.filter(kind="waybill_refused").values_list("data__text", flat=True))
    (text,) = texts
    assert text == "cod_in_parcels"


def test_a_courier_is_called_and_the_order_confirmed_where_the_connection_says_so(
    shipment: Shipment, link: Connection, served: Served[SfPeer]
) -> None:
    set_options(link, calls_courier=True, confirms=True)
    served.peer.mischief.plan(*_harmless(1), Trick.ERROR_AFTER)  # the confirmation's answer is lost
    for _again in range(2):
        steps.once(dispatching.run)

    (entry,) = served.peer.book.entries()
    assert (entry.content["isDocall"], served.peer.book.setting(f"confirmed:{entry.order_code}", "")) == (1, "yes")
    assert entry.content["pickupAppointEndtime"][11:] == "18:00:00"
    assert steps.fresh(shipment).waybill_number == entry.waybill


def test_it_is_cancelled_once_queried_with_the_phones_end_and_pushed(
    shipment: Shipment, link: Connection, served: Served[SfPeer]
) -> None:
    served.peer.turn(-48 * HOUR)
    factories.run(dispatching.run)
    parcel = world.booked(steps.fresh(shipment))
    assert CARRIER.cancel(link, [replace(parcel, reference="nobody")])["nobody"].reason == "8018 未获取到订单信息"
    assert CARRIER.query(link, [parcel]) == {parcel.reference: []}

    served.peer.turn(12 * HOUR)
    assert CARRIER.cancel(link, [parcel])[parcel.reference].reason == "8252 订单已揽收，不能取消"
    assert CARRIER.query(link, [replace(parcel, phone_tail="")]) == {parcel.reference: []}
    found = CARRIER.query(link, [parcel])[parcel.reference]
    assert [(one.kind, one.body["code"]) for one in found] == [("collected", "50"), ("in_transit", "31")]

    served.peer.push_mischief.plan(PushTrick.BAD_SIGNATURE)
    served.peer.step(world.post, pauses=(0, 0))
    served.peer.step(world.post, pauses=(0, 0))
    factories.run(tracking.run)
    row = steps.fresh(shipment)
    assert (row.state, row.carrier_code, row.carrier_text) == ("in_transit", "31", "快件到达集散中心")
    # What is pushed has the key of what is answered.
    assert {one.key for one in found} == set(
        InboundFact.objects.filter(topic="carrier").values_list("fact_key", flat=True)
    )
    assert RefusedMessage.objects.count() == 1

    served.peer.turn(80 * HOUR)
    served.peer.step(world.post)
    factories.run(tracking.run)
    assert steps.fresh(shipment).state in ("signed", "returned")
    assert not TrackingEvent.objects.filter(text__contains="13700003333").exists()
    assert steps.broken_invariants() == []


def test_a_cancelled_order_stays_cancelled(shipment: Shipment, link: Connection, served: Served[SfPeer]) -> None:
    factories.run(dispatching.run)
    parcel = world.booked(steps.fresh(shipment))

    for _again in range(2):
        assert CARRIER.cancel(link, [parcel])[parcel.reference].taken

    assert served.peer.book.of_order(parcel.reference).cancelled_at is not None


def test_a_parcel_is_sent_back_or_elsewhere_only_on_its_way(
    shipment: Shipment, link: Connection, served: Served[SfPeer]
) -> None:
    factories.run(dispatching.run)
    parcel = world.booked(steps.fresh(shipment))
    elsewhere = Redirection(*(parcel.reference, "SF", parcel.waybill, "1111"), "李四", "13611112222", *PLACE.values())
    for answer in (CARRIER.intercept(link, [parcel]), CARRIER.redirect(link, [elsewhere])):
        assert answer[parcel.reference].reason == "8060 当前状态不支持该操作"

    served.peer.turn(12 * HOUR)
    assert CARRIER.redirect(link, [elsewhere])[parcel.reference].taken
    place = served.peer.book.of_waybill(parcel.waybill).content["newDestAddress"]
    assert (place["county"], place["contact"], place["phone"]) == ("南山区", "李四", "13611112222")
    for _again in range(2):
        assert CARRIER.intercept(link, [parcel])[parcel.reference].taken

    served.peer.turn(40 * HOUR)
    served.peer.step(world.post)
    kinds = InboundFact.objects.filter(topic="carrier").order_by("occurred_at").values_list("kind", flat=True)
    assert list(kinds) == ["collected", "in_transit", "returning", "returning", "returned"]


def test_what_a_protocol_cannot_do_is_told_before(link: Connection) -> None:
    for ask in (adapters.cancelling, adapters.querying, adapters.intercepting, adapters.redirecting):
        assert ask(link) is not None
    for ask in (adapters.intercepting, adapters.redirecting):
        assert ask(factories.ConnectionFactory(kind="carrier", protocol="kdniao")) is None
    assert adapters.subscribing(link) is None  # what SF carries is pushed of itself


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        ("80", "退回快件已签收", "returned"),
        ("80", "已签收", "signed"),
        ("70", "客户拒收", "rejected"),
        ("8000", "", None),
        ("9999", "", "noted"),
    ],
)
def test_codes_are_words_that_staff_edit_and_texts_tell_what_came_back(code: str, text: str, kind: str | None) -> None:
    assert words.of("sf").kind_of(routes.code_of(code, text)) == kind


@pytest.mark.parametrize(
    "body",
    ["{", '{"Body": {}}', '{"Body": {"WaybillRoute": [{"acceptTime": "x", "mailno": "SF1", "opCode": "50"}]}}', "[]"],
)
def test_what_is_no_push_of_routes_is_kept_as_unreadable(link: Connection, served: Served[SfPeer], body: str) -> None:
    url = f"{world.push_url('sf-1')}?token={KEYS.push_token}"
    status, answer = world.post(Posted(url, body, {"content-type": "application/json"}))
    # It need not be told again: a person looks at what we did not understand.
    assert (status, json.loads(answer)["return_code"]) == (200, "0000")
    assert list(InboundFact.objects.filter(topic="carrier").values_list("kind", flat=True)) == ["unreadable"]


def test_the_connection_is_tested_without_ordering_anything(link: Connection, served: Served[SfPeer]) -> None:
    protocols.speaker(link).test(link)
    link.set_secrets({**SECRETS, "check_word": "another"}).save()
    with pytest.raises(Unclear, match="A1006"):
        protocols.speaker(link).test(link)
    assert served.peer.book.entries() == []
