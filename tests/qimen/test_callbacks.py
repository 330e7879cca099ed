"""What warehouses on the 奇门 form tell: stored, answered in their words, and worked on."""

import pytest
from django.test import Client

from logistics.models import Carrier, Shipment
from logistics.warehouses import events
from oms.common.models import Connection, FactState, InboundFact, RefusedMessage
from oms.common.work import xml
from oms.doors.callbacks import MOST_BYTES
from oms.simulators.mischief import PushTrick
from orders.changing import cancelling
from orders.models import SubOrder
from tests import factories, steps
from tests.qimen import world
from tests.qimen.world import Place

pytestmark = pytest.mark.django_db


@pytest.fixture
def part(shop: factories.Shop, link: Connection) -> SubOrder:
    """Two units of one SKU and one of another, asked of the warehouse."""
    (found,) = world.released(
        shop.place_order((shop.sku, 2, "10.00"), (shop.other_sku, 1, "25.50"), payment_method="cod")
    )
    return found


def flag(answer: tuple[int, str]) -> tuple[int, str, str]:
    """Status, flag and code of an answer."""
    root = xml.parse(answer[1])
    return answer[0], xml.text_of(root, "flag"), xml.text_of(root, "code")


def parcels(part: SubOrder) -> list[tuple[str, int, dict[str, int]]]:
    """Waybill, grams and units by SKU of each parcel that left."""
    rows = Shipment.objects.filter(sub_order=part, left_at__isnull=False).order_by("pk")
    return [
        (
            row.waybill_number or "",
            row.weight_g,
            dict(row.lines.values_list("sub_order_line__order_line__sku__code", "quantity")),
        )
        for row in rows
    ]


def test_a_delivery_order_goes_its_way_by_the_warehouses_clock_with_a_waybill_of_its_own(
    shop: factories.Shop, part: SubOrder, place: Place
) -> None:
    seen = []
    for _quarter in range(14):
        place.peer.turn(0.25 * world.HOUR)
        place.peer.step(world.post)
        factories.run(events.run)
        seen.append(steps.state_of(part))

    document = place.peer.book.find(world.number(part))
    assert document
    assert list(dict.fromkeys(seen)) == ["accepted", "picking", "packed", "shipped"]
    assert parcels(part) == [(document.waybills[0], 520, {shop.sku.code: 2, shop.other_sku.code: 1})]
    assert (shop.sku.stock.get().on_hand, shop.other_sku.stock.get().on_hand) == (98, 99)
    assert steps.tickets() == []
    assert steps.broken_invariants() == []


def test_parts_are_increments_and_the_last_one_ends_it(shop: factories.Shop, part: SubOrder, place: Place) -> None:
    number, sku, other = world.number(part), shop.sku.code, shop.other_sku.code
    place.peer.ship(number, {sku: 1}, is_final=False)
    world.told(place)
    assert (steps.state_of(steps.work_of(part)), shop.sku.stock.get().on_hand) == ("partly_shipped", 99)

    place.peer.ship(number, {sku: 1}, is_final=False)
    place.peer.ship(number, {other: 1}, is_final=True)
    world.told(place)

    assert [units for _waybill, _grams, units in parcels(part)] == [{sku: 1}, {sku: 1}, {other: 1}]
    assert len({waybill for waybill, _grams, _units in parcels(part)}) == 3
    assert (steps.state_of(part), shop.sku.stock.get().on_hand) == ("shipped", 98)
    assert steps.broken_invariants() == []


@pytest.mark.parametrize("trick", [PushTrick.TWICE, PushTrick.NOT_HEARD, PushTrick.OUT_OF_ORDER])
def test_what_is_told_again_counts_once(shop: factories.Shop, part: SubOrder, place: Place, trick: PushTrick) -> None:
    number = world.number(part)
    place.peer.report(number, "ACCEPT")
    place.peer.ship(number, {shop.sku.code: 1}, is_final=False)
    place.peer.ship(number)
    place.peer.push_mischief.plan(*[trick] * 3)
    for _time in range(2):
        place.peer.step(world.post, pauses=(0, 0), works=False)
        factories.run(events.run)

    assert InboundFact.objects.filter(subject=number).count() == 3
    assert (steps.state_of(part), shop.sku.stock.get().on_hand) == ("shipped", 98)
    assert steps.tickets() == []
    assert steps.broken_invariants() == []


def test_the_same_confirmation_under_another_key_ships_nothing_twice_and_other_words_under_the_same_are_told(
    shop: factories.Shop, part: SubOrder, place: Place
) -> None:
    number = world.number(part)
    place.peer.ship(number)
    (push,) = place.peer.book.pushes(world.FAR * 10)
    world.told(place)
    again = {**push.content, "deliveryOrder": {**push.content["deliveryOrder"], "outBizCode": "another"}}
    (package,) = push.content["packages"]["package"]
    other = {**push.content, "packages": {"package": [{**package, "expressCode": "SF0"}]}}

    for content in (again, other):
        assert flag(world.post(place.peer.write(push.method, content))) == (200, "success", "0")
    factories.run(events.run)

    assert (steps.state_of(part), shop.sku.stock.get().on_hand, len(parcels(part))) == ("shipped", 98, 1)
    assert steps.tickets() == [("fact_differs", "")]
    assert steps.broken_invariants() == []


def test_a_parcel_that_left_with_what_nobody_asked_for_gets_the_goods_that_are_told_of_it_later(
    shop: factories.Shop, part: SubOrder, place: Place
) -> None:
    number, sku, other = world.number(part), shop.sku.code, shop.other_sku.code
    place.peer.ship(number)
    (push,) = place.peer.book.pushes(world.FAR * 10)
    (package,) = push.content["packages"]["package"]
    foreign = {**package, "items": {"item": [{"itemCode": "FOREIGN", "quantity": 3}]}}
    first = {
        **push.content,
        "deliveryOrder": {**push.content["deliveryOrder"], "outBizCode": "first"},
        "packages": {"package": [foreign]},
        "orderLines": {"orderLine": [{"itemCode": "FOREIGN", "actualQty": 3}]},
    }
    assert flag(world.post(place.peer.write(push.method, first))) == (200, "success", "0")
    factories.run(events.run)
    ((waybill, _grams, units),) = parcels(part)
    assert (units, steps.state_of(part), shop.sku.stock.get().on_hand) == ({}, "released", 100)
    parcel = Shipment.objects.get()
    left_at = parcel.left_at
    told_by = Connection.objects.create(code="scans", name="x", kind="carrier", protocol="json", base_url="http://x")
    Carrier.objects.update(connection=told_by)
    steps.scan(Shipment.objects.get(), "in_transit", "signed")

    for _again in range(2):
        assert flag(world.post(place.peer.write(push.method, push.content))) == (200, "success", "0")
        factories.run(events.run)

    ((same, _grams, units),) = parcels(part)
    assert (same, units) == (waybill, {sku: 2, other: 1})
    assert steps.fresh(parcel).left_at == left_at
    assert (shop.sku.stock.get().on_hand, shop.other_sku.stock.get().on_hand) == (98, 99)
    assert (steps.state_of(steps.work_of(part)), steps.state_of(part)) == ("shipped", "delivered")
    assert [kind for kind, _reason in steps.tickets()] == ["warehouse_contradicts"]
    assert steps.broken_invariants() == []


def test_parcels_without_contents_share_what_the_lines_say(shop: factories.Shop, part: SubOrder, place: Place) -> None:
    number = world.number(part)
    content = {
        "deliveryOrder": {"deliveryOrderCode": number, "warehouseCode": shop.warehouse.code, "orderType": "JYCK"},
        "packages": {
            "package": [{"logisticsCode": "SF", "expressCode": code, "weight": "1.5"} for code in ("SF1", "SF2")]
        },
        "orderLines": {
            "orderLine": [
                {"itemCode": shop.sku.code, "actualQty": "2.0"},
                {"orderLineNo": "77", "itemCode": shop.other_sku.code, "actualQty": 1},
            ]
        },
    }

    assert flag(world.post(place.peer.write("deliveryorder.confirm", content))) == (200, "success", "0")
    factories.run(events.run)

    assert parcels(part) == [
        ("SF1", 1500, {shop.sku.code: 1, shop.other_sku.code: 1}),
        ("SF2", 1500, {shop.sku.code: 1}),
    ]
    assert steps.state_of(part) == "shipped"


def test_lines_and_parcels_that_do_not_agree_ship_what_the_lines_say_and_a_person_is_told(
    shop: factories.Shop, part: SubOrder, place: Place
) -> None:
    number, sku, other = world.number(part), shop.sku.code, shop.other_sku.code
    place.peer.ship(number)
    (push,) = place.peer.book.pushes(world.FAR * 10)
    package = push.content["packages"]["package"][0]
    less = {**package, "items": {"item": [{"itemCode": sku, "quantity": 1}]}}

    world.post(place.peer.write(push.method, {**push.content, "packages": {"package": [less]}}))
    factories.run(events.run)

    assert parcels(part) == [(package["expressCode"], 520, {sku: 2, other: 1})]
    assert (steps.state_of(part), steps.tickets()) == ("shipped", [("warehouse_contradicts", "told")])


def test_goods_that_are_really_missing_are_frozen_once_and_a_person_decides(
    shop: factories.Shop, part: SubOrder, place: Place
) -> None:
    number = world.number(part)
    for _time in range(2):
        place.peer.lack(number, shop.sku.code, 1)
    place.peer.lack(number, shop.other_sku.code, 1, is_physical=False)
    world.told(place)

    stock, other = shop.sku.stock.get(), shop.other_sku.stock.get()
    assert (stock.on_hand, stock.reserved, stock.frozen, other.frozen) == (100, 2, 1, 0)
    assert steps.tickets() == [("warehouse_lacks", "physical")]
    assert steps.state_of(part) == "released"

    place.peer.ship(number, {shop.other_sku.code: 1})
    world.told(place)
    assert shop.other_sku.stock.get().on_hand == 99
    assert steps.broken_invariants() == []


@pytest.mark.parametrize(("word", "reason"), [("REJECT", "refused"), ("CANCELED", "dropped"), ("CLOSED", "dropped")])
def test_a_warehouse_that_gives_it_up_frees_the_goods(
    shop: factories.Shop, part: SubOrder, place: Place, word: str, reason: str
) -> None:
    place.peer.drop(world.number(part), word)
    world.told(place)

    assert (steps.state_of(part), shop.sku.stock.get().reserved) == ("awaiting_allocation", 0)
    assert steps.tickets() == [("warehouse_refused", reason)]


def test_what_leaves_after_it_was_cancelled_is_taken_out_of_the_stock_and_a_person_is_told(
    shop: factories.Shop, part: SubOrder, place: Place
) -> None:
    number = world.number(part)
    cancelling.cancel_order(part.order_id, actor=steps.STAFF, reason="buyer")
    world.asked_to_stop()
    assert steps.state_of(part) == "cancelled"

    place.peer.ship(number)
    place.peer.report(number, "PACKAGE")
    world.told(place)

    assert (steps.state_of(part), steps.state_of(steps.work_of(part))) == ("cancelled", "shipped")
    assert shop.sku.stock.get().on_hand == 98
    assert steps.tickets() == [("warehouse_contradicts", "left_after_cancelled")]
    assert steps.broken_invariants() == []


def test_each_part_of_what_the_warehouse_split_says_for_itself_that_it_is_all(
    shop: factories.Shop, link: Connection, place: Place
) -> None:
    place.peer.parts = 2
    (part,) = world.released(
        shop.place_order((shop.sku, 2, "10.00"), (shop.other_sku, 1, "25.50"), payment_method="cod")
    )
    assert steps.work_of(part).their_number.count(",") == 1
    number = world.number(part)

    place.peer.ship(number, {shop.sku.code: 2})
    world.told(place)
    assert steps.state_of(steps.work_of(part)) == "partly_shipped"
    place.peer.ship(number, {shop.other_sku.code: 1})
    world.told(place)

    assert (steps.state_of(part), steps.state_of(steps.work_of(part))) == ("shipped", "shipped")
    assert SubOrder.objects.count() == 1


def test_a_word_that_nobody_knows_and_one_that_is_for_people(part: SubOrder, place: Place, in_english: None) -> None:
    for word in ("DELIVERED", "新状态", "EXCEPTION"):
        place.peer.report(world.number(part), word)
    world.told(place)

    kinds = InboundFact.objects.filter(subject=world.number(part)).order_by("pk").values_list("kind", "state")
    assert list(kinds) == [
        ("noted", FactState.NO_EFFECT),
        ("noted", FactState.NO_EFFECT),
        ("trouble", FactState.APPLIED),
    ]
    assert (steps.state_of(part), steps.tickets()) == ("released", [("warehouse_contradicts", "told")])


def test_many_confirmations_come_in_one_message_and_a_late_answer_to_a_batch_accepts(
    shop: factories.Shop, link: Connection, place: Place
) -> None:
    parts = world.released(*(shop.place_order(payment_method="cod") for _ in range(3)))
    numbers = [world.number(part) for part in parts]
    accepted = {"orders": {"order": [{"orderInfo": {"deliveryOrderCode": number}} for number in numbers]}}
    sent = {
        "orders": {
            "order": [
                {
                    "deliveryOrder": {"deliveryOrderCode": number, "outBizCode": "same"},
                    "packages": {"package": [{"logisticsCode": "SF", "expressCode": f"SF{place}"}]},
                }
                for place, number in enumerate(numbers[:2])
            ]
        }
    }

    world.post(place.peer.write("deliveryorder.batchcreate.answer", accepted))
    factories.run(events.run)
    assert [steps.state_of(part) for part in parts] == ["accepted"] * 3
    world.post(place.peer.write("deliveryorder.batchconfirm", sent))
    factories.run(events.run)

    assert [steps.state_of(part) for part in parts] == ["shipped", "shipped", "accepted"]


@pytest.mark.parametrize("variant", range(6))
def test_both_spellings_of_methods_and_addresses_and_all_ways_to_sign_are_taken(
    part: SubOrder, place: Place, variant: int
) -> None:
    posted = place.peer.write("orderprocess.report", _accept(part), variant=variant)

    assert (" " not in posted.url, "%20" in posted.url) == (True, variant % 2 == 1)
    assert flag(world.post(posted)) == (200, "success", "0")
    factories.run(events.run)
    assert steps.state_of(part) == "accepted"


def _accept(part: SubOrder) -> dict[str, object]:
    return {"order": {"orderCode": world.number(part), "orderType": "JYCK"}, "process": {"processStatus": "ACCEPT"}}


def test_what_is_not_genuine_or_no_xml_is_refused_in_the_forms_words_and_stored_nowhere(
    part: SubOrder, place: Place, link: Connection
) -> None:
    good = xml.write("request", _accept(part))
    wrapped = place.peer.wrapped
    entities = '<!DOCTYPE request [<!ENTITY x SYSTEM "file:///etc/passwd">]><request>&x;</request>'
    refused = {
        "sign-check-failure": [
            wrapped("orderprocess.report", good, secret="another"),
            wrapped("orderprocess.report", good, timestamp="2026-01-01 08:00:00"),
            wrapped("orderprocess.report", good, sign_method="rsa"),
        ],
        "unknown-customer": [wrapped("orderprocess.report", good, customerId="C002")],
        "malformed": [wrapped("orderprocess.report", text) for text in ("<request>", "{}", entities, f"{good}x")],
    }

    for code, messages in refused.items():
        for posted in messages:
            assert flag(world.post(posted)) == (200, "failure", code)
    before = InboundFact.objects.count()
    too_large = world.post(wrapped("orderprocess.report", f"<request>{'x' * MOST_BYTES}</request>"))
    address = f"/callbacks/{link.code}/?method=orderprocess.report"
    gbk = Client().post(address, "<a>京</a>".encode("gb18030"), content_type="text/xml")

    assert flag(too_large)[:2] == flag((gbk.status_code, gbk.content.decode()))[:2] == (200, "failure")
    assert (InboundFact.objects.count(), before, RefusedMessage.objects.count()) == (0, 0, 8)
    assert steps.state_of(part) == "released"


def test_an_unknown_method_is_kept_for_a_person_and_an_unknown_order_waits(part: SubOrder, place: Place) -> None:
    wave = {"waveNum": "1", "orders": {"order": {"deliveryOrderCode": world.number(part)}}}
    unknown = {"order": {"orderCode": "FH0001", "orderType": "JYCK"}, "process": {"processStatus": "ACCEPT"}}

    assert flag(world.post(place.peer.write("wavenum.report", wave))) == (200, "success", "0")
    assert flag(world.post(place.peer.write("orderprocess.report", unknown))) == (200, "success", "0")
    factories.run(events.run)

    assert steps.tickets()[0] == ("message_unreadable", "")
    kept = InboundFact.objects.get(kind="unreadable")
    assert "wavenum.report is not known" in kept.last_error
    waiting = InboundFact.objects.get(subject="FH0001")
    assert (waiting.state, waiting.last_error) == ("pending", "unknown subject")


def test_another_connection_may_not_speak_of_an_order(shop: factories.Shop, part: SubOrder, place: Place) -> None:
    other = factories.WarehouseFactory(merchant=shop.merchant, region=shop.region)
    world.connect(place, other, code="wms-2")
    posted = place.peer.write("orderprocess.report", _accept(part))
    where = posted.url.replace("/wms-1/", "/wms-2/").removeprefix("https://oms.example")

    answer = Client().post(where, posted.body.encode(), content_type="text/xml")
    factories.run(events.run)

    assert flag((answer.status_code, answer.content.decode())) == (200, "success", "0")
    assert steps.state_of(part) == "released"


def test_an_old_private_link_is_unsigned_only_where_it_says_so_and_only_from_its_networks(
    part: SubOrder, place: Place, link: Connection
) -> None:
    posted = place.peer.write("orderprocess.report", _accept(part), secret="x", sign="none")
    Connection.objects.update(options={**link.options, "unsigned": True})
    assert flag(world.post(posted))[1] == "failure"
    Connection.objects.update(allowed_addresses=["10.0.0.0/8"])
    assert flag(world.post(posted))[1] == "failure"
    Connection.objects.update(allowed_addresses=["127.0.0.0/8"])
    assert flag(world.post(posted)) == (200, "success", "0")


def test_carriers_are_named_by_the_table_of_the_protocol_and_by_that_of_the_connection(
    shop: factories.Shop, part: SubOrder, place: Place, link: Connection
) -> None:
    from logistics.models import Carrier

    sf = Carrier.objects.get(code="SF")
    sf.codes.create(protocol="qimen", code="SHUNFENG")
    Carrier.objects.create(code="ZTO", name="中通", is_active=False)
    Connection.objects.update(options={**link.options, "carriers": {"ZTO": "仓内中通"}})
    packages = [
        {"logisticsCode": name, "expressCode": waybill, "items": {"item": [{"itemCode": sku, "quantity": units}]}}
        for name, waybill, sku, units in (
            ("SHUNFENG", "SF1", shop.sku.code, 2),
            ("仓内中通", "Z1", shop.other_sku.code, 1),
        )
    ]
    head = {"deliveryOrderCode": world.number(part), "status": "DELIVERED"}

    world.post(place.peer.write("deliveryorder.confirm", {"deliveryOrder": head, "packages": {"package": packages}}))
    factories.run(events.run)

    assert sorted(Shipment.objects.values_list("carrier__code", "waybill_number")) == [("SF", "SF1"), ("ZTO", "Z1")]
    assert steps.tickets() == []
