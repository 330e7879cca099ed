"""Several parcels a sub-order, waybills from whoever buys them, rests that stay, and what left before its waybill."""

from itertools import permutations

import pytest

from inventory.models import Stock
from logistics.carriers import dispatching, tracking
from logistics.carriers.adapters import Answer
from logistics.carriers.defaults import install_default_carriers
from logistics.models import Carrier, Shipment, WarehouseOrder
from logistics.warehouses import events, releasing, sending, stopping
from oms.common.models import InboundFact
from oms.common.work import facts_by_hand
from orders.changing.cancelling import cancel_order
from orders.fulfilling import allocating, completing
from orders.models import Order, SubOrder
from payments.models import Payment
from payments.owing import balancing
from tests import factories, fakes, steps

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _carriers(db):
    install_default_carriers()


def brings_its_own(shop: factories.Shop, when: str = "own") -> None:
    """The shop's warehouse wants its waybills at that time."""
    shop.warehouse.waybill_when = when
    shop.warehouse.save()


def two_articles(shop: factories.Shop, **changes: object) -> Order:
    """Three units of one article and two of another."""
    return shop.place_order((shop.sku, 3, "10.00"), (shop.other_sku, 2, "20.00"), payment_method="cod", **changes)


def lines_of(sub_order: SubOrder) -> dict[str, str]:
    """The references of a sub-order's lines, as the warehouse knows them, by SKU."""
    lines = sub_order.lines.select_related("order_line__sku")
    return {line.order_line.sku.code: str(line.pk) for line in lines}


def parcels_of(sub_order: SubOrder) -> list[tuple[str, str, dict[str, int]]]:
    """Waybill, state and units by SKU of each parcel, oldest first."""
    return [
        (
            parcel.waybill_number or "",
            parcel.state,
            {line.sub_order_line.order_line.sku.code: line.quantity for line in parcel.lines.all()},
        )
        for parcel in Shipment.objects.filter(sub_order=sub_order).order_by("id")
    ]


def stock(*skus: object) -> list[tuple[int, int]]:
    return [Stock.objects.values_list("on_hand", "reserved").get(sku=sku) for sku in skus]


# --- What left before its waybill was stored


def test_what_left_before_its_waybill_was_stored_gets_it_is_watched_and_delivered(shop):
    """It stayed `shipped` for ever, without a parcel, a deadline, or its cash on delivery."""
    order = shop.place_order(payment_method="cod")
    sub_order = steps.released(order)
    steps.warehouse_says(sub_order, "packed", "shipped")
    parcel = Shipment.objects.get()
    assert (steps.state_of(sub_order), parcel.state, parcel.left_at is not None) == ("shipped", "created", True)
    assert (parcel.expected_event, parcel.next_event_due is not None) == ("waybill", True)

    with fakes.carrier(fakes.FakeCarrier()):
        factories.run(dispatching.run)

    parcel = steps.fresh(parcel)
    assert (parcel.state, parcel.waybill_number) == ("waybill_issued", f"W{parcel.number}")
    assert (parcel.expected_event, parcel.next_event_due is not None) == ("collected", True)
    steps.scan(parcel, "collected", "signed")
    factories.run(balancing.run, completing.run)
    assert steps.state_of(order) == "completed"
    assert Payment.objects.get(order=order).state == "captured"
    assert steps.broken_invariants() == []


def test_a_waybill_that_comes_while_the_parcel_leaves_is_kept_and_its_earlier_scans_count(shop):
    """The carrier's answer was thrown away, and its scans with it."""
    sub_order = steps.released(shop.place_order(payment_method="cod"))
    steps.warehouse_says(sub_order, "packed")
    link = Carrier.objects.get(code="SF").connection_id

    def answer(parcel):
        steps.warehouse_says(sub_order, "shipped")
        shipment = Shipment.objects.get()
        shipment.waybill_number, shipment.connection_id = "SF1", link
        steps.carrier_says(shipment, [steps.scan_of(shipment, "collected")])
        factories.run(tracking.run)
        return Answer(taken=True, waybill="SF1")

    with fakes.carrier(fakes.FakeCarrier(answer)):
        steps.once(dispatching.run)
    assert Shipment.objects.get().state == "waybill_issued"
    for fact in InboundFact.objects.filter(state="pending", needs_person_since__isnull=False):
        facts_by_hand.replay(fact.pk)
    factories.run(tracking.run)

    assert (Shipment.objects.get().state, steps.state_of(sub_order)) == ("collected", "shipped")
    assert steps.broken_invariants() == []


# --- When waybills are bought, and by whom


def test_a_waybill_before_the_release_goes_along_to_the_warehouse(shop):
    brings_its_own(shop, "at_release")
    factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)
    with fakes.warehouse(fakes.FakeWarehouse()) as warehouse, fakes.carrier(fakes.FakeCarrier()):
        factories.run(releasing.run, sending.run)
        assert warehouse.released == []
        factories.run(dispatching.run, sending.run)

    parcel = Shipment.objects.get()
    (request,) = warehouse.requests
    assert (request.carrier, request.waybill) == ("SF", parcel.waybill_number)
    assert (parcel.expected_event, parcel.next_event_due) == ("", None)
    steps.warehouse_says(SubOrder.objects.get(), "packed")
    assert steps.fresh(parcel).expected_event == "collected"
    assert Shipment.objects.count() == 1
    assert steps.broken_invariants() == []


def test_a_waybill_at_the_acceptance_is_bought_then(shop):
    brings_its_own(shop, "at_acceptance")
    sub_order = steps.released(shop.place_order(payment_method="cod"))
    assert not Shipment.objects.exists()

    steps.warehouse_says(sub_order, "accepted")

    with fakes.carrier(fakes.FakeCarrier()) as carrier:
        factories.run(dispatching.run)
    assert len(carrier.booked) == 1
    steps.warehouse_says(sub_order, "packed", "shipped")
    assert (steps.state_of(sub_order), Shipment.objects.count()) == ("shipped", 1)
    assert steps.broken_invariants() == []


def test_a_warehouse_may_bring_carrier_and_waybill_itself(shop):
    brings_its_own(shop)
    sub_order = steps.released(shop.place_order(payment_method="cod"))

    steps.warehouse_says(sub_order, "packed", carrier="JD", waybill="JD77", weight_g=1234)

    with fakes.carrier(fakes.FakeCarrier()) as carrier:
        factories.run(dispatching.run)
    assert carrier.booked == []
    parcel = Shipment.objects.get()
    assert (parcel.carrier.code, parcel.waybill_number, parcel.weight_g) == ("JD", "JD77", 1234)
    steps.warehouse_says(sub_order, "shipped")
    steps.scan(parcel, "collected", "signed")
    assert steps.state_of(sub_order) == "delivered"
    assert steps.broken_invariants() == []


def test_a_warehouse_that_tells_the_waybill_after_the_parcel_left_is_heard(shop):
    brings_its_own(shop)
    sub_order = steps.released(shop.place_order(payment_method="cod"))
    steps.warehouse_says(sub_order, "shipped")
    assert parcels_of(sub_order) == [("", "created", {shop.sku.code: 2})]

    steps.warehouse_says(sub_order, "packed", carrier="SF", waybill="SF9")

    assert parcels_of(sub_order) == [("SF9", "waybill_issued", {shop.sku.code: 2})]
    assert steps.state_of(sub_order) == "shipped"
    assert steps.broken_invariants() == []


def test_the_waybill_on_the_parcel_counts_and_ours_is_shown_to_a_person(shop):
    sub_order = steps.dispatched(shop.place_order(payment_method="cod")).sub_order
    ours = Shipment.objects.get().waybill_number

    steps.warehouse_says(sub_order, "shipped", carrier="ZTO", waybill="ZTO5")

    assert parcels_of(sub_order) == [
        (ours, "cancelled", {}),
        ("ZTO5", "waybill_issued", {shop.sku.code: 2}),
    ]
    assert steps.tickets() == [("warehouse_contradicts", "other_waybill")]
    steps.scan(Shipment.objects.get(waybill_number="ZTO5"), "signed")
    assert steps.state_of(sub_order) == "delivered"
    assert steps.broken_invariants() == []


def test_a_carrier_that_nobody_knows_is_added_switched_off_and_shown_to_a_person(shop):
    brings_its_own(shop)
    sub_order = steps.released(shop.place_order(payment_method="cod"))

    steps.warehouse_says(sub_order, "packed", carrier="STO", waybill="S1")

    added = Carrier.objects.get(code="STO")
    assert (added.is_active, Shipment.objects.get().carrier) == (False, added)
    assert steps.tickets() == [("carrier_unknown", "")]


def test_a_waybill_that_another_parcel_has_is_shown_to_a_person(shop):
    brings_its_own(shop)
    first, second = (steps.released(shop.place_order(payment_method="cod")) for _ in range(2))
    steps.warehouse_says(first, "packed", carrier="SF", waybill="SAME")

    steps.warehouse_says(second, "packed", carrier="SF", waybill="SAME")

    assert [parcels_of(part)[0][0] for part in (first, second)] == ["SAME", ""]
    assert steps.tickets() == [("warehouse_contradicts", "waybill_taken")]


# --- Several parcels


def test_a_sub_order_in_two_parcels_is_shipped_when_both_left_and_delivered_when_both_are_signed_for(shop):
    brings_its_own(shop)
    sub_order = steps.released(two_articles(shop))
    refs = lines_of(sub_order)
    one = {"carrier": "SF", "waybill": "SF1", "lines": [{"line": refs[shop.sku.code], "quantity": 3}]}
    two = {"carrier": "SF", "waybill": "SF2", "lines": [{"line": refs[shop.other_sku.code], "quantity": 2}]}
    steps.warehouse_says(sub_order, "packed", parcels=[one, two])
    assert parcels_of(sub_order) == [
        ("SF1", "waybill_issued", {shop.sku.code: 3}),
        ("SF2", "waybill_issued", {shop.other_sku.code: 2}),
    ]

    steps.warehouse_says(sub_order, "partly_shipped", parcels=[one])
    assert (steps.state_of(sub_order), steps.state_of(steps.work_of(sub_order))) == ("packed", "partly_shipped")
    assert stock(shop.sku, shop.other_sku) == [(97, 0), (100, 2)]
    assert steps.broken_invariants() == []
    steps.warehouse_says(sub_order, "shipped", parcels=[two])
    assert (steps.state_of(sub_order), steps.state_of(steps.work_of(sub_order))) == ("shipped", "shipped")
    assert stock(shop.sku, shop.other_sku) == [(97, 0), (98, 0)]

    first, second = Shipment.objects.order_by("id")
    steps.scan(first, "signed")
    assert steps.state_of(sub_order) == "shipped"
    steps.scan(second, "signed")
    assert steps.state_of(sub_order) == "delivered"
    assert steps.broken_invariants() == []


def test_units_of_one_line_may_be_in_two_parcels(shop):
    sub_order = steps.released(two_articles(shop))
    refs = lines_of(sub_order)
    parcels = [
        {"lines": [{"line": refs[shop.sku.code], "quantity": 1}]},
        {"lines": [{"line": refs[shop.sku.code], "quantity": 2}, {"line": refs[shop.other_sku.code], "quantity": 2}]},
    ]

    steps.warehouse_says(sub_order, "packed", parcels=parcels)
    with fakes.carrier(fakes.FakeCarrier()) as carrier:
        factories.run(dispatching.run)

    assert [(p.reference, p.weight_g) for p in carrier.booked] == [
        (f"{sub_order.number}-S1", 500),
        (f"{sub_order.number}-S2", 2000),
    ]
    steps.warehouse_says(sub_order, "shipped")
    assert steps.state_of(sub_order) == "shipped"
    assert Shipment.objects.filter(left_at=None).count() == 0
    assert steps.broken_invariants() == []


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_whatever_the_order_of_partial_notices_the_same_left(shop, order):
    brings_its_own(shop)
    sub_order = steps.released(two_articles(shop))
    refs = lines_of(sub_order)
    work = steps.work_of(sub_order)
    told = [
        ("partly_shipped", {"waybill": "SF1", "lines": [{"line": refs[shop.sku.code], "quantity": 1}]}),
        ("partly_shipped", {"waybill": "SF2", "lines": [{"line": refs[shop.sku.code], "quantity": 2}]}),
        ("partly_shipped", {"waybill": "SF3", "lines": [{"line": refs[shop.other_sku.code], "quantity": 2}]}),
    ]

    for i in order:
        kind, body = told[i]
        steps.tell(work, kind, minutes=i, **body)
        factories.run(events.run)

    assert (steps.state_of(sub_order), steps.state_of(work)) == ("shipped", "shipped")
    assert stock(shop.sku, shop.other_sku) == [(97, 0), (98, 0)]
    assert steps.tickets() == [("carrier_unknown", "")] * Carrier.objects.filter(code="OTHER").count()
    assert steps.broken_invariants() == []


def test_a_notice_that_comes_twice_under_different_keys_lets_nothing_leave_twice(shop):
    brings_its_own(shop)
    sub_order = steps.released(two_articles(shop))
    refs = lines_of(sub_order)
    for _ in range(2):
        lines = [{"line": refs[shop.sku.code], "quantity": 3}, {"line": refs[shop.other_sku.code], "quantity": 2}]
        steps.warehouse_says(sub_order, "shipped", carrier="SF", waybill="SF1", lines=lines)

    assert parcels_of(sub_order) == [("SF1", "waybill_issued", {shop.sku.code: 3, shop.other_sku.code: 2})]
    assert stock(shop.sku, shop.other_sku) == [(97, 0), (98, 0)]
    assert steps.tickets() == []
    assert steps.broken_invariants() == []


def test_a_scan_of_one_of_two_parcels_proves_that_one_left(shop):
    brings_its_own(shop)
    sub_order = steps.released(two_articles(shop))
    refs = lines_of(sub_order)
    one = {"carrier": "SF", "waybill": "SF1", "lines": [{"line": refs[shop.sku.code], "quantity": 3}]}
    two = {"carrier": "SF", "waybill": "SF2", "lines": [{"line": refs[shop.other_sku.code], "quantity": 2}]}
    steps.warehouse_says(sub_order, "packed", parcels=[one, two])
    first, second = Shipment.objects.order_by("id")

    steps.scan(first, "collected")
    assert (steps.state_of(sub_order), steps.state_of(steps.work_of(sub_order))) == ("packed", "partly_shipped")
    assert stock(shop.sku, shop.other_sku) == [(97, 0), (100, 2)]
    assert steps.broken_invariants() == []
    steps.scan(second, "collected")

    assert (steps.state_of(sub_order), steps.fresh(sub_order).shipping_proof) == ("shipped", "scan")
    assert steps.broken_invariants() == []


def test_parcels_that_end_differently_are_shown_to_a_person(shop):
    brings_its_own(shop)
    sub_order = steps.released(two_articles(shop))
    refs = lines_of(sub_order)
    one = {"carrier": "SF", "waybill": "SF1", "lines": [{"line": refs[shop.sku.code], "quantity": 3}]}
    two = {"carrier": "SF", "waybill": "SF2", "lines": [{"line": refs[shop.other_sku.code], "quantity": 2}]}
    steps.warehouse_says(sub_order, "shipped", parcels=[one, two])
    first, second = Shipment.objects.order_by("id")

    steps.scan(first, "signed")
    steps.scan(second, "rejected", "returned")

    assert steps.state_of(sub_order) == "shipped"
    assert steps.tickets() == [("parcels_differ", "")]


# --- Rests


def test_the_rest_of_what_left_in_part_becomes_a_sub_order_of_its_own_sourced_elsewhere(shop):
    far = factories.WarehouseFactory(merchant=shop.merchant, longitude=100.0)
    factories.StockFactory(sku=shop.sku, warehouse=far)
    sub_order = steps.released(two_articles(shop))
    refs = lines_of(sub_order)
    lines = [{"line": refs[shop.sku.code], "quantity": 1}, {"line": refs[shop.other_sku.code], "quantity": 2}]

    steps.warehouse_says(sub_order, "shipped", lines=lines)

    rest = SubOrder.objects.exclude(pk=sub_order.pk).get()
    assert (rest.parent_id, rest.state, rest.total_quantity) == (sub_order.pk, "awaiting_allocation", 2)
    assert rest.refused_by == [shop.warehouse.pk]
    sub_order = steps.fresh(sub_order)
    assert (sub_order.state, sub_order.total_quantity, sub_order.shipping_proof) == ("shipped", 3, "warehouse")
    near = Stock.objects.get(sku=shop.sku, warehouse=shop.warehouse)
    assert (near.on_hand, near.reserved) == (99, 0)
    assert steps.tickets() == [("shipped_short", "")]
    assert steps.broken_invariants() == []
    with fakes.warehouse(fakes.FakeWarehouse()):
        factories.run(allocating.run, releasing.run, sending.run)
    rest = steps.fresh(rest)
    assert (rest.state, rest.warehouse) == ("released", far)
    steps.warehouse_says(rest, "shipped")
    with fakes.carrier(fakes.FakeCarrier()):
        factories.run(dispatching.run)
    for parcel in Shipment.objects.all():
        steps.scan(parcel, "signed")
    factories.run(completing.run, balancing.run, completing.run)
    assert steps.state_of(sub_order.order) == "completed"
    assert steps.broken_invariants() == []


def test_a_line_that_stays_whole_takes_its_units_along(shop):
    sub_order = steps.released(two_articles(shop))
    refs = lines_of(sub_order)

    steps.warehouse_says(sub_order, "shipped", lines=[{"line": refs[shop.sku.code], "quantity": 3}])

    rest = SubOrder.objects.exclude(pk=sub_order.pk).get()
    assert [line.order_line.sku for line in rest.lines.all()] == [shop.other_sku]
    assert steps.state_of(sub_order) == "shipped"
    assert stock(shop.sku, shop.other_sku) == [(97, 0), (100, 0)]
    assert steps.broken_invariants() == []


def test_units_that_left_after_the_warehouse_had_said_that_they_stay_are_booked_and_shown_to_a_person(shop):
    brings_its_own(shop)
    sub_order = steps.released(two_articles(shop))
    refs = lines_of(sub_order)
    lines = [{"line": refs[shop.sku.code], "quantity": 3}]
    steps.warehouse_says(sub_order, "shipped", carrier="SF", waybill="SF1", lines=lines)
    assert SubOrder.objects.count() == 2

    more = [{"line": refs[shop.other_sku.code], "quantity": 2}]
    steps.tell(WarehouseOrder.objects.get(), "partly_shipped", carrier="SF", waybill="SF2", lines=more)
    factories.run(events.run)

    assert stock(shop.sku, shop.other_sku) == [(97, 0), (98, 0)]
    assert ("warehouse_contradicts", "left_after_rest") in steps.tickets()
    assert steps.broken_invariants() == []


def test_what_is_stopped_after_some_of_it_left_ends_the_rest(shop):
    order = two_articles(shop)
    sub_order = steps.released(order)
    refs = lines_of(sub_order)
    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
    factories.run(stopping.pass_on)
    steps.warehouse_says(sub_order, "partly_shipped", lines=[{"line": refs[shop.sku.code], "quantity": 3}])

    steps.warehouse_says(sub_order, "stopped")

    rest = SubOrder.objects.exclude(pk=sub_order.pk).get()
    assert (steps.state_of(sub_order), rest.state, rest.total_quantity) == ("shipped", "cancelled", 2)
    order = steps.fresh(order)
    assert (order.state, order.open_holds, order.cancel_requested_at) == ("split", 0, None)
    assert stock(shop.sku, shop.other_sku) == [(97, 0), (100, 0)]
    assert steps.broken_invariants() == []


def test_a_warehouse_that_sent_nothing_of_it_has_refused_it(shop):
    sub_order = steps.released(two_articles(shop))
    refs = lines_of(sub_order)
    nothing = [{"line": ref, "quantity": 0} for ref in refs.values()]

    steps.warehouse_says(sub_order, "shipped", lines=nothing)

    assert steps.state_of(sub_order) == "awaiting_allocation"
    assert steps.tickets() == [("warehouse_refused", "refused")]
    assert stock(shop.sku, shop.other_sku) == [(100, 0), (100, 0)]
    assert steps.broken_invariants() == []


def test_more_than_asked_for_and_lines_that_nobody_asked_for_are_shown_to_a_person(shop):
    sub_order = steps.released(shop.place_order(payment_method="cod"))
    refs = lines_of(sub_order)
    lines = [{"line": refs[shop.sku.code], "quantity": 3}, {"line": "999999", "quantity": 1}]

    steps.warehouse_says(sub_order, "shipped", lines=lines)

    assert steps.state_of(sub_order) == "shipped"
    assert stock(shop.sku) == [(97, 0)]
    ((kind, reason),) = steps.tickets()
    assert (kind, reason in ("more_than_asked", "unknown_line")) == ("warehouse_contradicts", True)
    assert steps.broken_invariants() == []
