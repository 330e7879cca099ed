"""Parcels that warehouses send by carriers without an account of ours are followed over kuaidi100."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from logistics.carriers import polling, subscribing, tracking, words
from logistics.carriers.adapters import Booked, Candidate
from logistics.carriers.adapters.kuaidi100 import CARRIER, setup
from logistics.models import Carrier, CarrierCode, Polling, Shipment, ShipmentState, TrackingEvent, WaybillErrand
from oms.common.models import Connection, FactState, InboundFact, RefusedMessage
from oms.common.work import protocols
from oms.common.work.singly import Unclear
from oms.simulators import wsgi
from oms.simulators.keys import Kuaidi100Keys
from oms.simulators.kuaidi100 import Kuaidi100Peer
from oms.simulators.mischief import PushTrick, Trick
from oms.simulators.notifying import Posted
from tests import factories, steps

pytestmark = pytest.mark.django_db
KEYS = Kuaidi100Keys("CUST0001", "KEY0001", "SALT0001")
URL = "https://oms.example/callbacks/kuaidi100-1/"
WAYBILL = "YT1234567890"
HOUR = 3600


@dataclass
class Platform:
    """The peer and the connection with it."""

    peer: Kuaidi100Peer
    link: Connection


@pytest.fixture
def platform(db: None, settings: Any) -> Iterator[Platform]:
    """The peer, over which YTO and ZTO are followed."""
    settings.PUBLIC_URL = "https://oms.example"
    peer = Kuaidi100Peer(KEYS)
    with wsgi.running(lambda _address: {"kuaidi100": peer}) as address:
        link = Connection(code="kuaidi100-1", kind="carrier", protocol="kuaidi100", base_url=f"{address}/kuaidi100")
        link.set_secrets({"customer": KEYS.customer, "key": KEYS.key, "salt": KEYS.salt}).save()
        for code, com in (("YTO", "yuantong"), ("ZTO", "zhongtong")):
            carrier = Carrier.objects.create(code=code, name=code, is_active=False, tracking_connection=link)
            CarrierCode.objects.create(carrier=carrier, protocol="kuaidi100", code=com)
        yield Platform(peer, link)
        peer.book.shut()


def sent(shop: factories.Shop, waybill: str = WAYBILL, carrier: str = "YTO") -> Shipment:
    """A parcel whose waybill its warehouse brought."""
    part = steps.released(shop.place_order(payment_method="cod"))
    steps.warehouse_says(part, "shipped", parcels=[{"carrier": carrier, "waybill": waybill}])
    return Shipment.objects.get(waybill_number=waybill)


def post(posted: Posted) -> tuple[int, str]:
    """A push comes to the site's public door."""
    answer = Client().post(urlsplit(posted.url).path, posted.body, content_type=posted.headers["content-type"])
    return answer.status_code, answer.content.decode()


def push(text: str, *, salt: str = KEYS.salt, **how: bool) -> dict[str, Any]:
    """The answer to a push of this text."""
    return json.loads(post(Kuaidi100Peer.wrapped(URL, text, salt, **how))[1])


def told(*nodes: dict[str, Any], status: str = "polling", state: str = "0", nu: str = WAYBILL, **more: Any) -> str:
    """The text of a push about one parcel."""
    result = {"nu": nu, "com": "yuantong", "state": state, "data": list(nodes), **more}
    return json.dumps({"status": status, "message": "", "lastResult": result}, ensure_ascii=False)


def node(code: str | None, at: str = "2026-01-02 08:59:00", **more: Any) -> dict[str, Any]:
    """A scan of a push."""
    return {"time": at, "ftime": at, "context": "…", "location": "杭州市", "statusCode": code, **more}


def test_a_parcel_is_subscribed_once_pushed_and_followed_to_its_end(shop: factories.Shop, platform: Platform) -> None:
    shipment = sent(shop)
    platform.peer.mischief.plan(Trick.ERROR_AFTER)
    steps.once(subscribing.run)
    assert WaybillErrand.objects.get().outcome == ""
    steps.once(subscribing.run)
    assert WaybillErrand.objects.get().outcome == "done"
    assert Polling.objects.get().subscribed_at is not None

    states = []
    for hours in (4, 8, 14, 6, 4):
        platform.peer.turn(hours * HOUR)
        platform.peer.push_mischief.plan(PushTrick.TWICE)
        platform.peer.step(post)
        factories.run(tracking.run)
        states.append((steps.fresh(shipment).state, steps.fresh(shipment).carrier_code))

    assert states == [
        *(("collected", "103"), ("in_transit", "1002"), ("in_transit", "1001"), ("out_for_delivery", "5")),
        ("signed", "301"),
    ]
    assert Polling.objects.get().is_over
    assert steps.broken_invariants() == []


def test_queries_tell_the_same_facts_as_pushes(shop: factories.Shop, platform: Platform) -> None:
    sent(shop)
    factories.run(subscribing.run)
    platform.peer.turn(20 * HOUR)
    platform.peer.step(post)
    facts = InboundFact.objects.filter(topic="carrier").count()
    Polling.objects.update(ask_at=timezone.now() - timedelta(hours=1), ready_at=timezone.now() - timedelta(hours=1))

    assert polling.run(10) == 1
    factories.run(tracking.run)

    assert InboundFact.objects.filter(topic="carrier").count() == facts == TrackingEvent.objects.count() == 2


def test_a_waybill_without_a_record_has_no_scans_and_other_failures_prove_nothing(platform: Platform) -> None:
    link, known = platform.link, Booked("S1", "YTO", WAYBILL)
    assert CARRIER.query(link, [known]) == {"S1": ()}
    platform.peer.carry("zhongtong", "ZTO1234567890")
    platform.peer.turn(4 * HOUR)
    with pytest.raises(Unclear, match="408"):
        CARRIER.query(link, [Booked("S1", "ZTO", "ZTO1234567890")])
    (scan,) = CARRIER.query(link, [Booked("S1", "ZTO", "ZTO1234567890", "1111")])["S1"]
    assert (scan.kind, scan.body["code"], scan.body["carrier"]) == ("collected", "103", "ZTO")
    for trick in (Trick.GARBAGE, Trick.ERROR_AFTER, Trick.SYSTEM_ERROR_AFTER, Trick.DROP_AFTER):
        platform.peer.mischief.plan(trick)
        with pytest.raises(Unclear):
            CARRIER.query(link, [known])
    link.set_secrets({"customer": KEYS.customer, "key": "another", "salt": "x"})
    with pytest.raises(Unclear, match="503"):
        CARRIER.query(link, [known])


def test_more_than_forty_eight_queries_of_a_number_lock_it(platform: Platform) -> None:
    platform.peer.carry("yuantong", WAYBILL)
    platform.peer.turn(4 * HOUR)
    for _query in range(48):
        CARRIER.query(platform.link, [Booked("S1", "YTO", WAYBILL)])
    with pytest.raises(Unclear, match="604"):
        CARRIER.query(platform.link, [Booked("S1", "YTO", WAYBILL)])


def test_it_sells_no_waybills_recognises_and_says_what_is_missing(platform: Platform, settings: Any) -> None:
    link = platform.link
    assert CARRIER.recognise(link, WAYBILL) == [Candidate("YTO", "")]
    assert CARRIER.recognise(link, "XX1") == []
    protocols.speaker(link).test(link)
    settings.PUBLIC_URL = ""
    with pytest.raises(setup.NotSetUp, match="OMS_PUBLIC_URL"):
        CARRIER.subscribe(link, [Booked("S1", "YTO", WAYBILL)])
    assert CARRIER.subscribe(replaced(link, callback_url=URL), [Booked("S1", "YTO", WAYBILL)])["S1"].taken
    refused = CARRIER.subscribe(replaced(link, callback_url=URL), [Booked("S1", "YTO", "short")])["S1"]
    assert (refused.taken, refused.reason) == (False, "700 订阅方的订阅数据存在错误")
    assert not CARRIER.tells_of_its_own(link)
    link.set_secrets({"customer": "x"})
    with pytest.raises(setup.NotSetUp, match="no key"):
        setup.of(link)


def replaced(link: Connection, **options: Any) -> Connection:
    """The connection with these options."""
    link.options = options
    return link


@pytest.mark.parametrize("how", [{}, {"by_hand": True}, {"in_small": True}])
def test_a_push_is_answered_in_kuaidi100s_words(shop: factories.Shop, platform: Platform, how: dict[str, bool]) -> None:
    shipment = sent(shop)

    assert push(told(node("301"), status="shutdown", state="3"), **how) == {
        "result": True,
        "returnCode": "200",
        "message": "成功",
    }
    factories.run(tracking.run)
    assert (steps.fresh(shipment).state, steps.fresh(shipment).carrier_code) == ("signed", "301")


def test_a_wrong_signature_counts_for_nothing(shop: factories.Shop, platform: Platform) -> None:
    sent(shop)
    answer = push(told(node("301")), salt="SALT0002")

    assert (answer["result"], answer["returnCode"]) == (False, "500")
    assert RefusedMessage.objects.count() == 1
    assert not InboundFact.objects.filter(topic="carrier").exists()


def test_a_push_that_is_abandoned_or_tells_of_nothing_is_taken(shop: factories.Shop, platform: Platform) -> None:
    sent(shop)
    assert push(json.dumps({"status": "abort", "message": "3天查询无记录", "lastResult": None}))["result"] is True
    assert push(told(status="abort"))["result"] is True
    assert not InboundFact.objects.filter(topic="carrier").exists()


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"status": 1}',
        '{"status": "polling", "lastResult": {"nu": ""}}',
        told(node("1", at="yesterday")),
        told(node("1", at="1999-01-02 08:59:00")),
        told(node("1", context="a\u0000b")),
        f'{{"status": {"[" * 5000}',
    ],
)
def test_a_genuine_push_that_is_not_understood_is_kept_with_a_ticket(platform: Platform, text: str) -> None:
    assert push(text)["result"] is True
    assert [kind for kind, _reason in steps.tickets()] == ["message_unreadable"]


def test_scans_of_an_unknown_waybill_wait_and_unknown_words_are_kept_and_told_once(
    shop: factories.Shop, platform: Platform
) -> None:
    shipment = sent(shop)
    push(told(node("1"), nu="YT0000000000"))
    push(told(node("X1"), node("399", at="2026-01-02 09:59:00")))
    push(told(node("X1", at="2026-01-02 08:00:00")))
    steps.once(tracking.run)

    assert InboundFact.objects.get(subject="YT0000000000").state == FactState.PENDING
    assert steps.fresh(shipment).state == ShipmentState.SIGNED
    assert sorted(TrackingEvent.objects.values_list("carrier_code", "state")) == [
        *(("399", "signed"), ("X1", ""), ("X1", "")),
    ]
    assert [kind for kind, _reason in steps.tickets()] == ["scan_word_unknown"] * 2


def test_words_without_codes_and_states_without_either_are_understood(platform: Platform) -> None:
    table = words.of("kuaidi100")
    states = {"0": "in_transit", "1": "collected", "2": "failed_delivery", "3": "signed", "4": "returned"}
    states |= {"5": "out_for_delivery", "6": "returning", "7": "in_transit", "8": "in_transit", "14": "rejected"}
    assert {code: table.kind_of(code) for code in states} == states
    text = told(
        node(None, at="2026-01-02 09:30:00"),
        node(None, status="揽收"),
        node(None, at="2026-01-02 08:00:00"),
        state="5",
    )
    push(text)
    facts = InboundFact.objects.filter(topic="carrier").order_by("occurred_at")
    assert [fact.kind for fact in facts] == ["collected", "out_for_delivery"]


def test_phone_numbers_are_not_kept(platform: Platform) -> None:
    push(told(node("5", context="派件员李四，电话13812345678")))

    assert "13812345678" not in InboundFact.objects.get().body["text"]
