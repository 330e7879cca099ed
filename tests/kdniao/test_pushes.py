"""kdniao's pushes at the public door: told genuine, kept, answered in its words, and only then worked on."""

import json
from typing import Any
from urllib.parse import parse_qsl

import pytest
from django.test import Client
from django.utils import timezone

from logistics.carriers import dispatching, tracking, words
from logistics.models import ScanWord, Shipment, ShipmentState, TrackingEvent
from oms.common.models import Connection, FactState, InboundFact, RefusedMessage
from oms.common.work import callbacks
from oms.common.zones import CHINA
from oms.doors.callbacks import MOST_BYTES
from oms.simulators.notifying import Posted
from tests import factories, steps
from tests.kdniao import world
from tests.kdniao.test_envelope import PUSH
from tests.kdniao.world import HOUR, Platform

pytestmark = pytest.mark.django_db


@pytest.fixture
def shipment(shop: factories.Shop, link: Connection, platform: Platform) -> Shipment:
    """A parcel with a waybill of kdniao's, booked two days ago by the peer's clock."""
    platform.peer.turn(-48 * HOUR)
    world.packed(shop.place_order(payment_method="cod"))
    factories.run(dispatching.run)
    return Shipment.objects.get()


def data(shipment: Shipment, *traces: dict[str, Any], **more: Any) -> str:
    """The JSON text of a push about one parcel."""
    told = {"ShipperCode": "YTO", "LogisticCode": shipment.waybill_number, "Traces": list(traces), **more}
    return json.dumps({"EBusinessID": "1000001", "PushTime": "2026-01-02 09:00:00", "Count": "1", "Data": [told]})


def trace(code: str, *, text: str = "快件", at: str = "2026-01-02 08:59:00") -> dict[str, str]:
    """A trace with a state of its own."""
    return {"AcceptTime": at, "AcceptStation": text, "Location": "杭州市", "Action": code}


def push(platform: Platform, text: str, **how: Any) -> dict[str, Any]:
    """Push a JSON text; what the site answers, which has status 200."""
    status, answer = world.post(platform.peer.wrapped(text, **how))
    assert status == 200
    said: dict[str, Any] = json.loads(answer)
    return said


def test_the_published_push_is_stored_and_answered_in_kdniaos_words(link: Connection, platform: Platform) -> None:
    for by_hand in (False, True):
        answer = push(platform, PUSH, by_hand=by_hand)
        assert (answer["EBusinessID"], answer["Success"], answer["Reason"]) == ("1000001", True, "")
        assert answer["UpdateTime"][:10] == f"{timezone.now().astimezone(CHINA):%Y-%m-%d}"

    fact = InboundFact.objects.get()
    assert (fact.connection, fact.topic, fact.kind, fact.subject) == (link, "carrier", "signed", "YT1234567890")
    assert fact.body == {"carrier": "YTO", "text": "已签收", "location": "杭州市", "code": "301"}
    assert fact.occurred_at.isoformat() == "2026-01-02T00:59:00+00:00"


def test_a_parcel_goes_its_way_by_pushes_and_keeps_kdniaos_code_and_text(
    shipment: Shipment, platform: Platform
) -> None:
    for hours, state, code, text in [
        (4, "collected", "1", "快件已被揽收"),
        (8, "in_transit", "204", "快件到达转运中心"),
        (14, "in_transit", "205", "快件到达派件网点"),
        (6, "out_for_delivery", "202", "快递员派件中"),
    ]:
        platform.peer.turn(hours * HOUR)
        platform.peer.step(world.post)
        factories.run(tracking.run)
        row = steps.fresh(shipment)
        assert (row.state, row.carrier_code, row.carrier_text) == (state, code, text)

    assert [scan.carrier_code for scan in TrackingEvent.objects.order_by("occurred_at")] == ["1", "204", "205", "202"]
    assert steps.broken_invariants() == []


@pytest.mark.parametrize("how", [{"key": "another"}, {"key": "TEST-APP-KEY-000"}])
def test_what_is_not_signed_with_our_key_is_refused_in_kdniaos_words_and_counts_for_nothing(
    shipment: Shipment, platform: Platform, how: dict[str, str]
) -> None:
    answer = push(platform, data(shipment, trace("301")), **how)

    assert (answer["Success"], answer["Reason"] != "") == (False, True)
    assert not InboundFact.objects.filter(topic="carrier").exists()
    assert RefusedMessage.objects.count() == 1


def test_a_push_for_another_account_is_refused(shipment: Shipment, link: Connection, platform: Platform) -> None:
    posted = platform.peer.wrapped(data(shipment, trace("301")))

    status, answer = world.post(Posted(posted.url, f"{posted.body}&EBusinessID=2000002", posted.headers))

    assert (status, json.loads(answer)["Success"]) == (200, False)


def test_a_push_as_json_is_read_too(shipment: Shipment, platform: Platform) -> None:
    form = dict(parse_qsl(platform.peer.wrapped(data(shipment, trace("301"))).body))

    answer = Client().post(f"/callbacks/{world.CODE}/", json.dumps(form), content_type="application/json")

    assert answer.json()["Success"] is True
    assert InboundFact.objects.get(topic="carrier").kind == "signed"


def test_a_scan_of_an_unknown_waybill_is_kept_and_tried_again(
    shipment: Shipment, platform: Platform, settings: Any
) -> None:
    settings.MAX_ATTEMPTS = 2
    waybill = shipment.waybill_number
    shipment.waybill_number = "YTO-LATE"
    push(platform, data(shipment, trace("1")))
    steps.once(tracking.run)
    fact = InboundFact.objects.get(topic="carrier")
    assert (fact.state, fact.attempts, fact.last_error) == (FactState.PENDING, 1, "unknown subject")
    steps.once(tracking.run)
    assert steps.tickets() == [("fact_of_unknown", "")]

    Shipment.objects.filter(waybill_number=waybill).update(waybill_number="YTO-LATE")
    callbacks.replay(fact.pk)
    factories.run(tracking.run)

    assert (steps.fresh(shipment).state, steps.tickets()) == ("collected", [])


def test_a_body_that_is_too_large_is_refused_in_the_platforms_words(shipment: Shipment, platform: Platform) -> None:
    text = data(shipment, trace("301", text="快" * MOST_BYTES))

    status, answer = world.post(platform.peer.wrapped(text))

    said = json.loads(answer)
    assert (status, said["EBusinessID"], said["Success"]) == (200, platform.peer.keys.business_id, False)
    assert str(MOST_BYTES) in said["Reason"]
    assert not InboundFact.objects.filter(topic="carrier").exists()


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"Data": 1}',
        '{"Data": [{"LogisticCode": ""}]}',
        '{"Data": [{"LogisticCode": "Y1", "Traces": [{"AcceptTime": "yesterday", "Action": "1"}]}]}',
        '{"Data": [{"LogisticCode": "Y1", "Traces": [{"AcceptTime": "1999-01-02 08:59:00", "Action": "1"}]}]}',
        '{"Data": [{"LogisticCode": "Y\\u00001", "Traces": []}]}',
        f'{{"Data": {"[" * 5000}',
    ],
)
def test_a_genuine_push_that_is_not_understood_is_kept_with_a_ticket(
    link: Connection, platform: Platform, text: str
) -> None:
    for by_hand in (False, True):
        assert push(platform, text, by_hand=by_hand)["Success"] is True

    assert {fact.kind for fact in InboundFact.objects.all()} == {callbacks.UNREADABLE}
    assert set(steps.tickets()) == {("message_unreadable", "")}


def test_a_push_of_another_kind_is_kept_for_a_person(link: Connection, platform: Platform) -> None:
    assert push(platform, PUSH, request_type="107")["Success"] is True

    assert steps.tickets() == [("message_unreadable", "")]


@pytest.mark.parametrize("body", ["", "x", "RequestData=%ff", "RequestData=[]&DataSign=x", "{}", '{"RequestData": 1}'])
def test_what_is_no_envelope_is_refused(link: Connection, body: str) -> None:
    answer = Client().post(f"/callbacks/{world.CODE}/", body, content_type="application/x-www-form-urlencoded")

    assert (answer.status_code, answer.json()["Success"]) == (200, False)
    assert not InboundFact.objects.exists()


def test_a_word_that_is_unknown_is_kept_told_once_and_counts_once_a_person_says_what_it_means(
    shipment: Shipment, platform: Platform
) -> None:
    text = data(shipment, trace("1", at="2026-01-02 07:00:00"), trace("X9"), trace("X9", at="2026-01-02 08:59:01"))
    push(platform, text)
    factories.run(tracking.run)
    push(platform, data(shipment, trace("X9", at="2026-01-02 09:00:01")))
    factories.run(tracking.run)
    assert (steps.fresh(shipment).state, steps.tickets()) == ("collected", [("scan_word_unknown", "")])
    assert [scan.state for scan in TrackingEvent.objects.order_by("occurred_at")] == ["collected", "", "", ""]
    word = ScanWord.objects.get()
    assert (word.code, word.state, word.is_new) == ("X9", "", True)

    form = {"told": "新词", "state": "out_for_delivery", "shown_zh": "在门口", "shown_en": "At the door"}
    form |= {"is_kept": "on", "for_buyer": "on"}
    boss = Client()
    boss.force_login(factories.UserFactory(is_superuser=True, is_staff=True))
    assert boss.post(f"/admin/logistics/scanword/{word.pk}/change/", form).status_code == 302

    row = steps.fresh(shipment)
    assert (row.state, row.carrier_code, steps.tickets()) == ("out_for_delivery", "X9", [])
    push(platform, text)
    factories.run(tracking.run)
    assert TrackingEvent.objects.count() == 4
    assert steps.broken_invariants() == []


def test_what_staff_change_in_the_table_counts_with_the_next_push(shipment: Shipment, platform: Platform) -> None:
    words.install_shipped_words()
    words.install_shipped_words()
    assert ScanWord.objects.filter(protocol="kdniao").count() == len(words.of("kdniao").known)
    assert words.of("kdniao").kind_of("202") == "out_for_delivery"

    row = ScanWord.objects.get(protocol="kdniao", code="202")
    row.state = "failed_delivery"
    row.save()
    push(platform, data(shipment, trace("202")))
    factories.run(tracking.run)

    assert steps.fresh(shipment).state == "failed_delivery"
    row.is_kept = False
    row.save()
    push(platform, data(shipment, trace("202", at="2026-01-02 10:00:00")))
    assert InboundFact.objects.filter(topic="carrier").count() == 1
    ScanWord.objects.all().delete()
    assert words.of("kdniao").kind_of("202") == "out_for_delivery"


def test_every_state_of_the_table_is_one_of_ours_and_new_ones_mean_what_their_first_digit_means(db: None) -> None:
    table = words.of("kdniao")

    assert {word.state for word in table.known.values()} - {""} <= set(ShipmentState.values)
    assert [table.kind_of(code, code[0]) for code in ("299", "399", "499", "699", "999", "0")] == [
        *("in_transit", "signed", "failed_delivery", "in_transit"),
        *("noted", None),
    ]


def test_alarms_of_kdniaos_own_are_no_scans(shipment: Shipment, platform: Platform) -> None:
    push(platform, data(shipment, trace("403"), trace("10"), trace("402")))

    assert not InboundFact.objects.filter(topic="carrier").exists()


def test_a_parcel_whose_traces_have_no_states_is_where_its_own_state_says(
    shipment: Shipment, platform: Platform
) -> None:
    first, second = trace("", text="已揽收", at="2026-01-02 07:00:00"), trace("", text="派件中")
    del first["Action"], second["Action"]
    push(platform, data(shipment, first, State="1"))
    push(platform, data(shipment, second, first, State=2, StateEx="202"), request_type="101")
    factories.run(tracking.run)

    assert [(scan.state, scan.text) for scan in TrackingEvent.objects.order_by("occurred_at")] == [
        ("collected", "已揽收"),
        ("out_for_delivery", "派件中"),
    ]
    assert steps.tickets() == []


def test_both_forms_of_times_are_read_and_phone_numbers_are_not_kept(shipment: Shipment, platform: Platform) -> None:
    told = trace("202", text="派件员李四，电话13812345678", at="Thu Mar 30 05:37:57 CST 2023")
    push(platform, data(shipment, told))

    fact = InboundFact.objects.get(topic="carrier")
    assert (fact.occurred_at.isoformat(), fact.kind) == ("2023-03-29T21:37:57+00:00", "out_for_delivery")
    assert "13812345678" not in fact.body["text"]


def test_what_becomes_of_a_parcels_cash_stands_with_its_scans_and_moves_nothing(
    shipment: Shipment, platform: Platform
) -> None:
    before = (shipment.state, shipment.last_scan_at)
    for said in ("1", 2, "2", "9"):
        answer = push(platform, data(shipment, OrderState=said, AccountNum="1234"), request_type="107")
        assert answer["Success"] is True
    factories.run(tracking.run)

    # 9 is a word that nobody knows: kept, and told of.
    scans = TrackingEvent.objects.order_by("id")
    assert [(scan.carrier_code, scan.state) for scan in scans] == [("107-1", ""), ("107-2", ""), ("107-9", "")]
    assert (steps.fresh(shipment).state, steps.fresh(shipment).last_scan_at) == before
    assert [kind for kind, _reason in steps.tickets()] == ["scan_word_unknown"]
    assert "1234" not in str(InboundFact.objects.filter(topic="carrier").values_list("body", flat=True))

    push(platform, data(shipment), request_type="107")
    unread = InboundFact.objects.get(kind="unreadable")
    assert "OrderState" in unread.last_error
    assert steps.broken_invariants() == []
