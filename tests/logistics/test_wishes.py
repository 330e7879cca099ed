"""Wishes and terms on their way: presale waits, carriers are those wished for, the platform's deadlines count, and
hidden receivers are told when the waybill is bought."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from inventory.models import Warehouse
from logistics.carriers import adapters, choosing, dispatching, tracking
from logistics.carriers.adapters import sandbox
from logistics.carriers.defaults import install_default_carriers
from logistics.models import Carrier, LogisticsAlert, Shipment, WarehouseOrder
from logistics.virtual import delivering
from logistics.warehouses import releasing, sending
from logistics.warehouses.adapters import signed_json
from logistics.watching import alerts
from oms.common.models import Connection
from orders.changing import readdressing
from orders.fulfilling import allocating, splitting
from orders.models import Hold, OrderEvent, OrderTerms, SubOrder
from orders.reviewing import deciding
from tests import factories, fakes, steps
from tests.api import samples

pytestmark = pytest.mark.django_db

SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
PAST = datetime(2026, 1, 3, tzinfo=UTC)
MASKED = {"name": "张**", "phone": "138****1111", "region_code": "110101", "address": "中山路**号"}


def place(shop, *lines, **changes):
    """An order on delivery with these terms."""
    return shop.place_order(*lines, payment_method="cod", **changes)


def allocated(order):
    """Its sub-orders, allocated; release had its turn."""
    factories.run(deciding.run, splitting.run, allocating.run, releasing.run, delivering.run)
    return list(SubOrder.objects.filter(order=order).order_by("id"))


def told(kind):
    """The data of the events of this kind, oldest first."""
    return list(OrderEvent.objects.filter(kind=kind).order_by("id").values_list("data", flat=True))


# --- Presale


def test_presale_waits_at_release_until_its_date_also_in_parts(api, shop):
    elsewhere = factories.WarehouseFactory(merchant=shop.merchant, region=shop.region)
    factories.StockFactory(sku=shop.sku, warehouse=elsewhere, on_hand=100)
    order = place(shop, (shop.sku, 150, "10.00"), ship_not_before=SOON.isoformat())
    plain = place(shop, (shop.other_sku, 1, "25.50"))

    parts = allocated(order)

    assert [(part.state, part.ready_at, part.ship_not_before) for part in parts] == [("allocated", SOON, SOON)] * 2
    (released,) = allocated(plain)
    assert (released.state, released.ship_not_before) == ("released", None)
    shown = api.get(f"/api/v1/orders/{order.number}").json()
    assert {datetime.fromisoformat(part["ship_not_before"]) for part in shown["sub_orders"]} == {SOON}
    assert steps.broken_invariants() == []

    # Long ago: to the database it is when the test began.
    SubOrder.objects.filter(order=order).update(ship_not_before=PAST, ready_at=PAST)
    factories.run(releasing.run)
    assert set(SubOrder.objects.filter(order=order).values_list("state", flat=True)) == {"released"}


def test_presale_that_somebody_makes_ready_is_held_back_all_the_same(shop):
    (part,) = allocated(place(shop, ship_not_before=SOON.isoformat()))
    SubOrder.objects.update(ready_at=datetime.now(UTC))
    factories.run(releasing.run)
    assert steps.state_of(part) == "allocated"
    with pytest.raises(IntegrityError), transaction.atomic():
        SubOrder.objects.update(released_at=datetime.now(UTC))


def test_virtual_presale_is_not_delivered_early(shop):
    sku = samples.virtual_sku(shop)
    order = shop.place_order((sku, 1, "15.00"), ship_not_before=SOON.isoformat())
    steps.pay(order)
    (part,) = allocated(order)
    assert part.state == "allocated"


def test_the_queue_does_not_walk_over_what_waits(shop):
    for _ in range(3):
        place(shop, ship_not_before=SOON.isoformat())
    factories.run(deciding.run, splitting.run, allocating.run)
    queue = releasing.QUEUE
    with connection.cursor() as cursor:
        # What other tests have left in the indexes and the statistics must not decide the plan.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"REINDEX TABLE {queue.table}")
        cursor.execute(f"ANALYZE {queue.table}")
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute(f"EXPLAIN ANALYZE SELECT id FROM {queue.table} q WHERE {queue.condition()} LIMIT 10")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "sub_order_queue_release" in plan
    assert "Rows Removed by Filter" not in plan


# --- Carriers


def written(shop, **changes):
    """The parcel of an order with these terms, written at release, not asked for yet."""
    Warehouse.objects.update(waybill_when=Warehouse.WaybillWhen.AT_RELEASE)
    order = place(shop, **changes)
    allocated(order)
    return Shipment.objects.get(sub_order__order=order)


@pytest.mark.parametrize(
    ("wish", "first"),
    [
        ({}, "SF"),
        ({"carrier": "ZTO"}, "ZTO"),
        ({"carrier_class": "own"}, "JD"),
        ({"carrier_class": "third_party"}, "SF"),
    ],
)
def test_the_carrier_wished_for_is_tried_first(shop, wish, first):
    install_default_carriers()
    shipment = written(shop, **wish)
    assert shipment.carrier.code == first
    assert shipment.connection_id == shipment.carrier.connection_id
    assert told("carrier_wish_unmet") == []
    assert steps.broken_invariants() == []


def asked_in_turn(refusing=()):
    """Book until nobody is left to ask; the codes of the carriers in the order in which they were asked."""
    asked = []

    def answer(parcel):
        asked.append(parcel.carrier)
        if parcel.carrier in refusing:
            return adapters.Answer(taken=False, reason="full")
        return adapters.Answer(taken=True, waybill=f"W{parcel.reference}")

    with fakes.carrier(fakes.FakeCarrier(answer)):
        factories.run(dispatching.run)
    return asked


def test_after_a_refusal_all_others_are_asked_by_their_priority_and_the_reason_is_told(api, shop):
    install_default_carriers()
    shipment = written(shop, carrier="ZTO")

    assert asked_in_turn(["ZTO", "SF"]) == ["ZTO", "SF", "JD"]

    assert steps.fresh(shipment).carrier.code == "JD"
    number = shipment.sub_order.number
    assert told("carrier_wish_unmet") == [{"number": number, "wished": "ZTO", "carrier": "SF", "why": "refused"}]
    shown = api.get(f"/api/v1/orders/{number[:16]}").json()
    assert (shown["carrier"], shown["carrier_unmet"]) == ("ZTO", "refused")
    assert "carrier_wish_unmet" in {event["kind"] for event in shown["timeline"]}


def test_a_kind_of_carrier_is_unmet_only_once_none_of_it_is_left(shop):
    install_default_carriers()
    written(shop, carrier_class="third_party")

    assert asked_in_turn(["SF", "ZTO"]) == ["SF", "ZTO", "JD"]
    assert [data["carrier"] for data in told("carrier_wish_unmet")] == ["JD"]


def test_where_everybody_refuses_each_is_asked_once(shop):
    install_default_carriers()
    written(shop, carrier="JD")
    assert asked_in_turn(["SF", "JD", "ZTO"])[:3] == ["JD", "SF", "ZTO"]
    assert ("no_carrier_left", "") in steps.tickets()


def test_without_a_wish_the_next_by_priority_is_asked(shop):
    install_default_carriers()
    written(shop)
    assert asked_in_turn(["SF", "JD"]) == ["SF", "JD", "ZTO"]
    assert told("carrier_wish_unmet") == []


def test_a_carrier_that_is_gone_by_then_is_told(api, shop):
    install_default_carriers()
    Warehouse.objects.update(waybill_when=Warehouse.WaybillWhen.AT_RELEASE)
    order = place(shop, carrier="ZTO")
    Carrier.objects.filter(code="ZTO").update(is_active=False)
    allocated(order)
    assert Shipment.objects.get().carrier.code == "SF"
    assert OrderTerms.objects.get().carrier_unmet == "unavailable"
    assert [data["why"] for data in told("carrier_wish_unmet")] == ["unavailable"]


def test_a_parcel_that_found_nobody_is_given_to_the_carrier_wished_for_later(shop):
    install_default_carriers()
    Carrier.objects.update(is_active=False)
    Warehouse.objects.update(waybill_when=Warehouse.WaybillWhen.AT_RELEASE)
    order = factories.place_order((shop.sku, 1, "10.00"), payment_method="cod", merchant=shop.merchant)
    OrderTerms.objects.create(order=order, carrier="ZTO")
    allocated(order)
    assert Shipment.objects.get().carrier is None

    Carrier.objects.update(is_active=True)
    factories.run(choosing.run)

    assert Shipment.objects.get().carrier.code == "ZTO"


def test_a_warehouse_that_chose_another_carrier_is_told(shop):
    install_default_carriers()
    part = steps.released(place(shop, carrier="ZTO"))
    steps.warehouse_says(part, "packed", parcels=[{"carrier": "SF", "waybill": "SF1", "weight_g": 10, "lines": []}])
    assert Shipment.objects.get().carrier.code == "SF"
    assert [data["why"] for data in told("carrier_wish_unmet")] == ["warehouse"]


def test_the_carrier_is_told_when_the_buyer_wants_it(shop):
    install_default_carriers()
    until = SOON + timedelta(hours=2)
    written(shop, delivery_from=SOON.isoformat(), delivery_until=until.isoformat())
    with fakes.carrier(fakes.FakeCarrier()) as carrier:
        factories.run(dispatching.run)
    assert [(parcel.deliver_from, parcel.deliver_until) for parcel in carrier.booked] == [(SOON, until)]


# --- Deadlines of the platform


def due(row):
    """What is expected of the row now, and by when."""
    row = steps.fresh(row)
    return row.expected_event, row.next_event_due


@pytest.mark.parametrize(("platform", "counts"), [(PAST, True), (SOON + timedelta(days=30), False)])
def test_the_earlier_deadline_counts_at_every_step(shop, platform, counts):
    install_default_carriers()
    terms = dict.fromkeys(["ship_by", "collect_by", "sign_by"], platform.isoformat())

    def is_platforms(row, event):
        expected, by = due(row)
        assert expected == event
        return by == platform

    part = steps.released(place(shop, **terms))
    work = steps.work_of(part)
    assert is_platforms(work, "accepted") is counts
    steps.warehouse_says(part, "packed")
    assert is_platforms(work, "shipped") is counts
    with fakes.carrier(fakes.FakeCarrier()):
        factories.run(dispatching.run)
    shipment = Shipment.objects.get()
    assert is_platforms(shipment, "collected") is counts
    steps.warehouse_says(part, "shipped")
    steps.scan(shipment, "collected", "in_transit")
    assert is_platforms(shipment, "signed" if counts else "scan") is counts
    steps.carrier_says(shipment, [steps.scan_of(shipment, "out_for_delivery", minutes=5)])
    factories.run(tracking.run)
    assert is_platforms(shipment, "signed") is counts
    steps.scan(shipment, "signed")
    assert due(shipment) == ("", None)
    assert steps.broken_invariants() == []


def test_what_is_late_for_the_platform_opens_an_alert(api, shop):
    order = place(shop, ship_by=PAST.isoformat())
    steps.released(order)
    assert api.get(f"/api/v1/orders/{order.number}").json()["late"] == ["ship_by"]

    # The warehouse order, and the order's deadline itself.
    assert alerts.run(10) == 2

    found = LogisticsAlert.objects.values_list("kind", "due_at").order_by("kind")
    assert list(found) == [("not_accepted", PAST), ("ship_late", PAST)]
    # What is escalated waits for its time again, not for the platform's deadline once more.
    assert WarehouseOrder.objects.get().next_event_due > datetime.now(UTC)


# --- Receiver tokens


def test_a_hidden_receiver_with_a_token_goes_on_and_is_told_to_the_carrier_only(api, shop):
    install_default_carriers()
    order = place(shop, recipient=MASKED, receiver_token="oaid-1")
    assert (order.open_holds, order.recipient_phone) == (0, "138****1111")
    fake = fakes.FakeCarrier()
    fake.receivers["oaid-1"] = adapters.Receiver("张华", "13800001111", "中山路861号")

    part = steps.released(order)
    steps.warehouse_says(part, "packed")
    with fakes.carrier(fake):
        factories.run(dispatching.run)

    (parcel,) = fake.booked
    assert (parcel.recipient_name, parcel.recipient_phone, parcel.address) == ("张华", "13800001111", "中山路861号")
    shipment = Shipment.objects.get()
    assert shipment.state == "waybill_issued"
    (event,) = OrderEvent.objects.filter(kind="receiver_decoded")
    assert (event.actor_kind, event.actor, event.sub_order_id) == ("job", "dispatch", part.pk)
    assert event.data == {"number": part.number, "parcel": shipment.number, "carrier": "顺丰速运"}
    order = steps.fresh(order)
    assert (order.recipient_name, order.recipient_phone) == ("张**", "138****1111")
    assert api.get(f"/api/v1/orders/{order.number}").json()["recipient"]["phone"] == "138****1111"
    assert steps.broken_invariants() == []


def test_without_a_token_it_is_held_and_with_one_its_region_must_be_clear(shop):
    assert place(shop, recipient=MASKED).open_holds == 1
    unclear = place(shop, recipient={**MASKED, "region_code": "", "address": "中山路**号"}, receiver_token="oaid-1")
    assert unclear.open_holds == 1
    assert Hold.objects.get(order=unclear).details["gaps"] == ["no_region"]


def test_a_token_that_tells_nobody_keeps_its_parcel_back_alone(shop, caplog):
    install_default_carriers()
    silent = written(shop, recipient=MASKED, receiver_token="oaid-secret")
    other = written(shop)
    with fakes.carrier(fakes.FakeCarrier()) as carrier:
        steps.once(dispatching.run)
    assert steps.state_of(other) == "waybill_issued"
    assert [parcel.reference for parcel in carrier.booked] == [other.number]
    silent = steps.fresh(silent)
    assert (silent.state, silent.attempts) == ("created", 1)
    assert "oaid-secret" not in caplog.text + silent.last_error


def test_what_is_not_hidden_is_not_asked_for(shop):
    install_default_carriers()
    written(shop, receiver_token="oaid-1")
    with fakes.carrier(fakes.FakeCarrier()) as carrier:
        factories.run(dispatching.run)
    assert (len(carrier.booked), carrier.decoded) == (1, [])


def test_the_sandbox_tells_the_same_person_for_the_same_token():
    link = Connection(code="x")
    first, again, other = (sandbox.CARRIER.decode_receiver(link, token) for token in ("a", "a", "b"))
    assert first == again != other
    assert len(first.phone) == 11


def test_a_new_recipient_is_not_whom_the_token_means(shop):
    order = place(shop, recipient=MASKED, receiver_token="oaid-1")
    readdressing.change_recipient(order.pk, readdressing.Recipient(phone="13900002222"), actor=steps.STAFF)
    assert OrderTerms.objects.get().receiver_token == ""
    # Name and address are hidden still, and nobody tells them any more.
    assert Hold.objects.get(released_at=None).details["gaps"] == ["masked_name", "masked_address"]


def test_a_warehouse_that_buys_the_waybill_gets_the_token_of_a_hidden_receiver(api, shop, monkeypatch):
    Warehouse.objects.update(waybill_when=Warehouse.WaybillWhen.OWN)
    hidden = place(shop, recipient=MASKED, receiver_token="oaid-secret")
    place(shop, receiver_token="oaid-plain")
    place(shop)
    factories.run(deciding.run, splitting.run, allocating.run, releasing.run)
    posted = []

    def answering(link, path, body):
        posted.extend(body["warehouse_orders"])
        return {"answers": [{"number": one["number"], "taken": True} for one in body["warehouse_orders"]]}

    monkeypatch.setattr(signed_json, "post", answering)
    with fakes.warehouse(signed_json.WAREHOUSE):
        factories.run(sending.run)

    tokens = [(one["recipient"].get("token"), one["recipient"].get("channel_order")) for one in posted]
    # The parts of one batch go in no order.
    assert Counter(tokens) == Counter([("oaid-secret", hidden.external_number), (None, None), (None, None)])
    part = SubOrder.objects.get(order=hidden)
    assert told("receiver_token_given") == [{"number": part.number, "warehouse": shop.warehouse.name}]
    assert "oaid-secret" not in str(api.get(f"/api/v1/orders/{hidden.number}").json())


def test_a_warehouse_whose_waybills_we_buy_gets_no_token(shop):
    place(shop, recipient=MASKED, receiver_token="oaid-secret")
    factories.run(deciding.run, splitting.run, allocating.run, releasing.run)
    with fakes.warehouse(fakes.FakeWarehouse()) as warehouse:
        factories.run(sending.run)
    assert [request.receiver_token for request in warehouse.requests] == [""]
    assert told("receiver_token_given") == []
