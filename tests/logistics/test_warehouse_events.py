"""What warehouses report: in any order, repeated, lost; refusals; and the release before it."""

import pytest

from inventory.models import Reservation
from logistics.adapters import Answer
from logistics.models import WarehouseEvent
from logistics.warehouses import events, releasing
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

    assert steps.state_of(sub_order) == reached
    assert WarehouseEvent.objects.filter(applied_at=None).count() == 0


def test_a_repeated_notice_is_kept_once(sub_order):
    notice = events.Notice("same", sub_order.number, "accepted", steps.NOON)

    events.receive([notice, notice])
    factories.run(events.run)
    events.receive([notice])
    factories.run(events.run)

    assert WarehouseEvent.objects.count() == 1
    assert OrderEvent.objects.filter(kind="warehouse_accepted").count() == 1


def test_a_notice_of_an_unknown_number_is_ignored(sub_order):
    events.receive([events.Notice("x", "nobody-knows", "accepted", steps.NOON)])

    assert not WarehouseEvent.objects.exists()


def test_stock_leaves_when_the_goods_do(shop, sub_order):
    steps.warehouse_says(sub_order, "packed")
    assert (shop.sku.stock.get().on_hand, shop.sku.stock.get().reserved) == (100, 2)

    steps.warehouse_says(sub_order, "shipped")

    assert (shop.sku.stock.get().on_hand, shop.sku.stock.get().reserved) == (98, 0)
    assert steps.fresh(sub_order).order.fulfilment_state == "shipped"


def test_a_warehouse_that_refuses_frees_the_stock_and_calls_a_person(shop, sub_order):
    steps.warehouse_says(sub_order, "refused", text="no room")

    sub_order = steps.fresh(sub_order)
    assert (sub_order.state, sub_order.last_error) == ("awaiting_allocation", "no room")
    assert sub_order.needs_person_since is not None
    assert shop.sku.stock.get().reserved == 0
    factories.run(allocating.run)
    assert steps.state_of(sub_order) == "awaiting_allocation"
    retrying.retry("sub_order", sub_order.pk, actor=steps.STAFF)
    factories.run(allocating.run)
    assert steps.state_of(sub_order) == "allocated"


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
        steps.warehouse_says(SubOrder.objects.get(number=reference), "accepted")
        return Answer(taken=True)

    with fakes.warehouse(fakes.FakeWarehouse(answer)):
        steps.once(releasing.run)

    sub_order = SubOrder.objects.get(order=order)
    assert (sub_order.state, sub_order.released_at is not None) == ("accepted", True)


def test_a_warehouse_that_breaks_is_sent_the_same_number_again(shop):
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)
    number = SubOrder.objects.get(order=order).number

    with fakes.warehouse(fakes.FakeWarehouse(fakes.lose)):
        steps.once(releasing.run)
    assert SubOrder.objects.get().last_error == "Lost: connection reset"
    with fakes.warehouse(fakes.FakeWarehouse()) as warehouse:
        steps.once(releasing.run)

    assert warehouse.released == [number]
    sub_order = SubOrder.objects.get()
    assert (sub_order.state, sub_order.attempts, sub_order.last_error) == ("released", 0, "")


def test_a_released_sub_order_keeps_its_reservation(sub_order):
    assert list(Reservation.objects.values_list("quantity", "state")) == [(2, "active")]
