"""Warehouses that say one thing and do another: what really happened is booked, and a person is told."""

from datetime import timedelta
from itertools import permutations

import pytest

from inventory.models import StockMovement
from logistics.models import Shipment, WarehouseOrder
from logistics.warehouses import events, releasing, sending, stopping
from logistics.warehouses.adapters import Answer
from oms.common.models import FactState, InboundFact
from orders import retrying
from orders.changing.cancelling import cancel_order
from orders.fulfilling import allocating
from orders.models import SubOrder
from payments.models import Refund
from payments.owing import balancing
from tests import factories, fakes, steps

pytestmark = pytest.mark.django_db


@pytest.fixture
def sub_order(shop):
    return steps.released(shop.place_order(payment_method="cod"))


def cancel(sub_order: SubOrder, *, answer: Answer | None = None) -> None:
    """The order is cancelled, and the warehouse asked."""
    cancel_order(sub_order.order_id, reason="changed mind", actor=steps.STAFF)
    said = answer or Answer(taken=True)
    with fakes.warehouse(fakes.FakeWarehouse(cancel_answer=lambda reference: said)):
        factories.run(stopping.pass_on, stopping.run, events.run)


def stock_of(shop: factories.Shop) -> tuple[int, int]:
    stock = shop.sku.stock.get(warehouse=shop.warehouse)
    return stock.on_hand, stock.reserved


def outcomes() -> list[tuple[str, str]]:
    return list(InboundFact.objects.order_by("id").values_list("state", "outcome"))


def test_what_left_after_a_granted_cancellation_is_taken_out_of_the_stock_and_shown_to_a_person(shop, sub_order):
    cancel(sub_order)
    assert stock_of(shop) == (100, 0)

    steps.warehouse_says(sub_order, "shipped")

    assert stock_of(shop) == (98, 0)
    assert (steps.state_of(sub_order), steps.state_of(sub_order.order)) == ("cancelled", "cancelled")
    work = steps.work_of(sub_order)
    assert (work.state, work.is_current, work.lines.get().left_quantity) == ("shipped", False, 2)
    assert outcomes()[-1] == (FactState.CONTRADICTED, "left_after_cancelled")
    assert steps.tickets() == [("warehouse_contradicts", "left_after_cancelled")]
    assert steps.broken_invariants() == []


def test_what_was_packed_after_a_granted_cancellation_is_asked_for_again_and_shown_to_a_person(shop, sub_order):
    cancel(sub_order)

    steps.warehouse_says(sub_order, "packed")

    assert stock_of(shop) == (100, 0)
    assert steps.tickets() == [("warehouse_contradicts", "packed_after_cancelled")]
    with fakes.warehouse(fakes.FakeWarehouse()) as fake:
        factories.run(stopping.run, events.run)
    assert fake.cancelled == [steps.work_of(sub_order).number]
    assert (steps.state_of(sub_order), steps.state_of(steps.work_of(sub_order))) == ("cancelled", "cancelled")
    assert steps.broken_invariants() == []


def test_a_warehouse_that_goes_on_with_what_is_cancelled_is_shown_to_a_person(shop, sub_order):
    cancel(sub_order)
    steps.warehouse_says(sub_order, "picking")

    with fakes.warehouse(fakes.FakeWarehouse(cancel_answer=lambda ref: Answer(taken=False, reason="too late"))):
        factories.run(stopping.run, events.run)

    assert steps.tickets() == [("warehouse_contradicts", "goes_on_after_cancelled")]
    assert steps.broken_invariants() == []


@pytest.mark.parametrize("order", list(permutations(["packed", "stopped"])))
@pytest.mark.parametrize("together", [True, False])
def test_what_was_stopped_after_it_was_packed_is_cancelled_in_whatever_order_the_news_come(
    shop, sub_order, order, together
):
    """It was recorded as refused, and the parcel went out."""
    cancel_order(sub_order.order_id, reason="changed mind", actor=steps.STAFF)
    factories.run(stopping.pass_on)
    work = steps.work_of(sub_order)

    for i, kind in enumerate(order):
        steps.tell(work, kind, minutes=i)
        if not together:
            factories.run(events.run)
    factories.run(events.run)

    assert (steps.state_of(sub_order), steps.state_of(sub_order.order)) == ("cancelled", "cancelled")
    assert stock_of(shop) == (100, 0)
    assert steps.fresh(work).stop_answer == ("granted" if order[0] == "packed" else "")
    assert not Shipment.objects.exclude(state="cancelled").exists()
    assert steps.broken_invariants() == []


def test_the_answer_stopped_to_a_packed_parcel_ends_the_order_and_its_parcel(shop, sub_order):
    cancel_order(sub_order.order_id, reason="changed mind", actor=steps.STAFF)
    steps.warehouse_says(sub_order, "packed")

    with fakes.warehouse(fakes.FakeWarehouse()):
        factories.run(stopping.pass_on, stopping.run, events.run)

    assert (steps.state_of(sub_order), steps.state_of(sub_order.order)) == ("cancelled", "cancelled")
    assert stock_of(shop) == (100, 0)
    assert Shipment.objects.get().state == "cancelled"
    assert steps.broken_invariants() == []


@pytest.mark.parametrize("answer", ["stopped", "not_stopped"])
def test_an_answer_that_comes_later_is_waited_for(shop, sub_order, answer):
    cancel(sub_order, answer=Answer(taken=True, is_later=True))
    work = steps.work_of(sub_order)
    assert (steps.state_of(sub_order), work.stop_answered_at) == ("released", None)

    steps.tell(work, answer)
    factories.run(events.run)

    reached = "cancelled" if answer == "stopped" else "released"
    assert steps.state_of(sub_order) == reached
    assert steps.fresh(sub_order.order).open_holds == 0
    assert steps.broken_invariants() == []


def test_a_warehouse_that_will_answer_later_is_asked_again_only_after_an_hour(shop, sub_order):
    later = fakes.FakeWarehouse(cancel_answer=lambda reference: Answer(taken=True, is_later=True))
    cancel_order(sub_order.order_id, reason="changed mind", actor=steps.STAFF)

    with fakes.warehouse(later):
        factories.run(stopping.pass_on, stopping.run)
        assert len(later.cancelled) == 1
        work = steps.work_of(sub_order)
        assert timedelta(minutes=59) < work.stop_patient_until - work.stop_requested_at < timedelta(minutes=61)
        WarehouseOrder.objects.update(stop_patient_until=work.stop_requested_at)
        steps.once(stopping.run)

    assert len(later.cancelled) == 2


def test_what_left_before_the_answer_answers_the_question_itself(shop, sub_order):
    cancel_order(sub_order.order_id, reason="changed mind", actor=steps.STAFF)
    factories.run(stopping.pass_on)

    steps.warehouse_says(sub_order, "shipped")

    sub_order = steps.fresh(sub_order)
    assert (sub_order.state, sub_order.cancel_requested_at, sub_order.order.open_holds) == ("shipped", None, 0)
    assert steps.work_of(sub_order).stop_answer == "refused"
    with fakes.warehouse(fakes.FakeWarehouse()) as fake:
        factories.run(stopping.run, events.run)
    assert fake.cancelled == []
    steps.warehouse_says(sub_order, "stopped")
    assert steps.tickets() == [("warehouse_contradicts", "stopped_after_left")]
    assert steps.broken_invariants() == []


def test_what_left_cannot_be_stopped_though_both_are_told_at_once(shop, sub_order):
    """The question was left as granted, with the sub-order on its way."""
    cancel_order(sub_order.order_id, reason="changed mind", actor=steps.STAFF)
    factories.run(stopping.pass_on)

    steps.warehouse_says(sub_order, "shipped", "stopped")

    sub_order = steps.fresh(sub_order)
    assert (sub_order.state, sub_order.cancel_requested_at, sub_order.order.open_holds) == ("shipped", None, 0)
    assert steps.work_of(sub_order).stop_answer == "refused"
    assert outcomes()[-2:] == [(FactState.APPLIED, ""), (FactState.CONTRADICTED, "stopped_after_left")]
    assert steps.tickets() == [("warehouse_contradicts", "stopped_after_left")]
    assert steps.broken_invariants() == []


@pytest.mark.parametrize("late", ["accepted", "picking", "packed", "shipped"])
def test_a_late_notice_of_the_first_warehouse_moves_only_its_own_warehouse_order(shop, sub_order, late):
    """It moved the second one's work."""
    other = factories.WarehouseFactory(merchant=shop.merchant, longitude=100.0)
    factories.StockFactory(sku=shop.sku, warehouse=other)
    steps.warehouse_says(sub_order, "refused", text="no room")
    retrying.retry("sub_order", sub_order.pk, actor=steps.STAFF)
    with fakes.warehouse(fakes.FakeWarehouse()):
        factories.run(allocating.run, releasing.run, sending.run)
    first, second = WarehouseOrder.objects.order_by("id")

    steps.tell(first, late)
    factories.run(events.run)

    assert (steps.state_of(sub_order), steps.state_of(second)) == ("released", "sent")
    assert steps.fresh(sub_order).warehouse == other
    if late in ("packed", "shipped"):
        assert steps.state_of(first) == late
        reason = {"packed": "packed_after_refused", "shipped": "left_after_refused"}[late]
        assert steps.tickets() == [("warehouse_contradicts", reason)]
    else:
        assert (steps.state_of(first), steps.tickets()) == ("refused", [])
    assert stock_of(shop) == ((98, 0) if late == "shipped" else (100, 0))
    assert other.stock.get().reserved == 2
    assert steps.broken_invariants() == []


def test_what_the_refusing_warehouse_sends_all_the_same_is_not_sent_a_second_time_by_itself(shop, sub_order):
    other = factories.WarehouseFactory(merchant=shop.merchant, longitude=100.0)
    factories.StockFactory(sku=shop.sku, warehouse=other)
    steps.warehouse_says(sub_order, "refused")
    retrying.retry("sub_order", sub_order.pk, actor=steps.STAFF)
    factories.run(allocating.run)

    steps.warehouse_says(sub_order, "shipped")
    factories.run(releasing.run)

    sub_order = steps.fresh(sub_order)
    assert (sub_order.state, sub_order.needs_person_since is not None) == ("allocated", True)
    assert WarehouseOrder.objects.count() == 1


def test_units_that_are_promised_to_others_by_the_time_they_left_are_told_and_not_taken_from_them(shop, sub_order):
    cancel(sub_order)
    other = factories.allocated_order((shop.sku, 99, "1.00"), merchant=shop.merchant)

    steps.warehouse_says(sub_order, "shipped")

    assert stock_of(shop) == (99, 99)
    line = steps.work_of(sub_order).lines.get()
    assert (line.left_quantity, line.unbooked_quantity) == (2, 1)
    assert ("stock_unbooked", "") in steps.tickets()
    assert other.sub_orders.get().state == "allocated"
    assert steps.broken_invariants() == []


def test_a_refusal_after_the_packing_is_shown_to_a_person_and_changes_nothing(shop, sub_order):
    steps.warehouse_says(sub_order, "packed")

    steps.warehouse_says(sub_order, "refused", text="broken")

    assert steps.state_of(sub_order) == "packed"
    assert steps.tickets() == [("warehouse_contradicts", "refused_after_packed")]


def test_a_warehouse_that_drops_an_order_by_itself_is_not_asked_again(shop, sub_order):
    steps.warehouse_says(sub_order, "packed")

    steps.warehouse_says(sub_order, "stopped", text="flooded")

    fresh = steps.fresh(sub_order)
    assert (fresh.state, fresh.refused_by, stock_of(shop)) == (
        "awaiting_allocation",
        [shop.warehouse.pk],
        (100, 0),
    )
    assert steps.tickets() == [("warehouse_refused", "dropped")]
    assert steps.broken_invariants() == []


def test_notices_of_two_warehouses_that_count_from_one_are_all_kept(shop):
    """They were unique over all warehouses."""
    far = factories.WarehouseFactory(merchant=shop.merchant, longitude=100.0)
    rare = factories.SkuFactory(merchant=shop.merchant)
    factories.StockFactory(sku=rare, warehouse=far)
    first = steps.released(shop.place_order(payment_method="cod"))
    second = steps.released(shop.place_order((rare, 1, "1.00"), payment_method="cod"))

    for sub_order in (first, second):
        steps.tell(steps.work_of(sub_order), "accepted", key="1")
    factories.run(events.run)

    assert [steps.state_of(sub_order) for sub_order in (first, second)] == ["accepted", "accepted"]


def test_a_warehouse_says_nothing_of_another_ones_orders(shop, sub_order, settings):
    settings.MAX_ATTEMPTS = 1
    stranger = factories.WarehouseFactory(merchant=shop.merchant)
    work = steps.work_of(sub_order)
    work.connection = stranger.connection

    steps.tell(work, "shipped")
    factories.run(events.run)

    assert steps.state_of(sub_order) == "released"
    assert steps.tickets() == [("fact_of_unknown", "")]


def test_an_order_that_never_went_out_is_cancelled_without_asking_anybody(shop):
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)
    factories.run(releasing.run)
    cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)

    with fakes.warehouse(fakes.FakeWarehouse()) as fake:
        factories.run(stopping.pass_on, sending.run, stopping.run, events.run)

    assert (fake.released, fake.cancelled) == ([], [])
    assert steps.state_of(order) == "cancelled"
    assert WarehouseOrder.objects.get().state == "cancelled"
    assert steps.broken_invariants() == []


def test_a_refusal_at_once_is_one_like_those_that_come_later(shop):
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)

    with fakes.warehouse(fakes.FakeWarehouse(lambda reference: Answer(taken=False, reason="no room"))) as fake:
        factories.run(releasing.run, sending.run, events.run, sending.run)

    assert len(fake.released) == 1
    sub_order = SubOrder.objects.get(order=order)
    assert (sub_order.state, sub_order.last_error) == ("awaiting_allocation", "no room")
    assert steps.tickets() == [("warehouse_refused", "refused")]
    assert [event.data["text"] for event in order.events.filter(kind="warehouse_refused")] == ["no room"]
    assert steps.broken_invariants() == []


def test_money_of_what_left_after_the_cancellation_has_gone_back_once(shop):
    order = shop.place_order()
    steps.pay(order)
    sub_order = steps.released(order)
    cancel(sub_order)
    factories.run(balancing.run)

    steps.warehouse_says(sub_order, "shipped")
    factories.run(balancing.run)

    assert Refund.objects.count() == 1
    assert StockMovement.objects.filter(kind="ship").count() == 1
    assert steps.tickets() == [("warehouse_contradicts", "left_after_cancelled")]
    assert steps.broken_invariants() == []


def test_a_parcel_whose_units_stay_ends_and_what_left_in_another_one_arrives(shop):
    ours = steps.dispatched(shop.place_order(payment_method="cod"))
    line = ours.sub_order.lines.get()
    other = {"waybill": "SF9", "carrier": "SF", "lines": [{"line": str(line.pk), "quantity": 1}]}

    steps.warehouse_says(ours.sub_order, "shipped", parcels=[other])

    assert steps.state_of(ours) == "cancelled"
    assert steps.state_of(ours.sub_order) == "shipped"
    steps.scan(Shipment.objects.get(waybill_number="SF9"), "collected", "signed")
    assert steps.state_of(ours.sub_order) == "delivered"
    assert steps.broken_invariants() == []
