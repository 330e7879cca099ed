"""What warehouses report: in any order, repeated, lost; refusals; and the release before it."""

import pytest

from inventory.models import Reservation
from logistics.models import WarehouseOrder
from logistics.warehouses import events, releasing, sending
from logistics.warehouses.adapters import Answer
from oms.common.models import FactState, InboundFact
from orders import retrying
from orders.fulfilling import allocating
from orders.models import OrderEvent, SubOrder
from tests import factories, fakes, steps

pytestmark = pytest.mark.django_db


@pytest.fixture
def sub_order(shop):
    return steps.released(shop.place_order(payment_method="cod"))


@pytest.mark.parametrize(
    ("kinds", "reached"),
    [
        (["accepted"], "accepted"),
        (["accepted", "picking", "packed"], "packed"),
        (["picking", "accepted"], "picking"),
        (["packed", "picking", "accepted"], "packed"),
        (["packed"], "packed"),
        (["shipped"], "shipped"),
        (["shipped", "packed"], "shipped"),
        (["accepted", "accepted"], "accepted"),
    ],
)
@pytest.mark.parametrize("together", [True, False])
def test_the_furthest_notice_counts_whatever_the_order(sub_order, kinds, reached, together):
    if together:
        steps.warehouse_says(sub_order, *kinds)
    else:
        for kind in kinds:
            steps.warehouse_says(sub_order, kind)

    assert (steps.state_of(sub_order), steps.state_of(steps.work_of(sub_order))) == (reached, reached)
    assert not InboundFact.objects.filter(state=FactState.PENDING).exists()
    assert steps.broken_invariants() == []


def test_a_repeated_notice_is_kept_once(sub_order):
    work = steps.work_of(sub_order)
    for _ in range(2):
        steps.tell(work, "accepted", key="same")
        factories.run(events.run)

    assert InboundFact.objects.count() == 1
    assert OrderEvent.objects.filter(kind="warehouse_accepted").count() == 1


def test_stock_leaves_when_the_goods_do(shop, sub_order):
    steps.warehouse_says(sub_order, "packed")
    assert (shop.sku.stock.get().on_hand, shop.sku.stock.get().reserved) == (100, 2)

    steps.warehouse_says(sub_order, "shipped")

    assert (shop.sku.stock.get().on_hand, shop.sku.stock.get().reserved) == (98, 0)
    assert steps.fresh(sub_order).order.fulfilment_state == "shipped"


def test_a_warehouse_that_refuses_frees_the_stock_and_calls_a_person(shop, sub_order):
    steps.warehouse_says(sub_order, "refused", text="no room")

    sub_order = steps.fresh(sub_order)
    assert (sub_order.state, sub_order.last_error, sub_order.warehouse) == ("awaiting_allocation", "no room", None)
    assert sub_order.needs_person_since is not None
    assert shop.sku.stock.get().reserved == 0
    assert steps.state_of(steps.work_of(sub_order)) == "refused"
    assert steps.tickets() == [("warehouse_refused", "refused")]
    factories.run(allocating.run)
    assert steps.state_of(sub_order) == "awaiting_allocation"
    assert steps.broken_invariants() == []


def test_after_a_refusal_another_warehouse_is_asked_under_another_number(shop, sub_order):
    other = factories.WarehouseFactory(merchant=shop.merchant, longitude=100.0)
    factories.StockFactory(sku=shop.sku, warehouse=other)
    steps.warehouse_says(sub_order, "refused", text="no room")

    retrying.retry("sub_order", sub_order.pk, actor=steps.STAFF)
    with fakes.warehouse(fakes.FakeWarehouse()) as fake:
        factories.run(allocating.run, releasing.run, sending.run)

    first, second = WarehouseOrder.objects.order_by("id")
    assert (first.warehouse, second.warehouse) == (shop.warehouse, other)
    assert fake.released == [second.number] == [f"{sub_order.number}-W2"]
    assert (first.state, second.state, steps.state_of(sub_order)) == ("refused", "sent", "released")
    assert steps.tickets() == []
    assert steps.broken_invariants() == []


def test_where_every_warehouse_refused_it_waits_for_stock_elsewhere(shop, sub_order):
    steps.warehouse_says(sub_order, "refused")
    retrying.retry("sub_order", sub_order.pk, actor=steps.STAFF)

    factories.run(allocating.run)

    assert steps.state_of(sub_order) == "backordered"


@pytest.mark.parametrize("kinds", [["refused", "accepted"], ["accepted", "refused"], ["picking", "refused"]])
@pytest.mark.parametrize("together", [True, False])
def test_a_refusal_counts_before_and_after_an_acceptance(shop, sub_order, kinds, together):
    if together:
        steps.warehouse_says(sub_order, *kinds)
    else:
        for kind in kinds:
            steps.warehouse_says(sub_order, kind)

    assert steps.state_of(sub_order) == "awaiting_allocation"
    assert shop.sku.stock.get().reserved == 0
    assert steps.broken_invariants() == []


def test_a_warehouse_may_report_before_our_own_note_that_it_has_the_sub_order(shop):
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)

    def answer(reference):
        steps.warehouse_says(SubOrder.objects.get(), "accepted")
        return Answer(taken=True)

    with fakes.warehouse(fakes.FakeWarehouse(answer)):
        factories.run(releasing.run)
        steps.once(sending.run)

    sub_order = SubOrder.objects.get(order=order)
    work = steps.work_of(sub_order)
    assert (sub_order.state, sub_order.released_at is not None) == ("accepted", True)
    assert (work.state, work.sent_at is not None, work.lease_until) == ("accepted", True, None)


def test_a_warehouse_that_breaks_is_sent_the_same_number_again(shop):
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)
    number = f"{SubOrder.objects.get(order=order).number}-W1"

    with fakes.warehouse(fakes.FakeWarehouse(fakes.lose)):
        factories.run(releasing.run)
        steps.once(sending.run)
    work = WarehouseOrder.objects.get()
    assert (work.state, work.last_error, work.attempts) == ("intended", "Lost: connection reset", 1)
    with fakes.warehouse(fakes.FakeWarehouse()) as warehouse:
        steps.once(sending.run)

    assert warehouse.released == [number]
    work = WarehouseOrder.objects.get()
    assert (work.state, work.attempts, work.last_error) == ("sent", 0, "")
    assert steps.state_of(SubOrder.objects.get()) == "released"


def test_a_released_sub_order_keeps_its_reservation(sub_order):
    assert list(Reservation.objects.values_list("quantity", "state")) == [(2, "active")]
