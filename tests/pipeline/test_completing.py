"""The end of an order: completed, closed, cancelled; and the derived state of fulfilment on the way."""

from datetime import timedelta

import pytest
from django.contrib.postgres.functions import TransactionNow
from django.utils import timezone

from logistics.models import Shipment, VirtualDelivery
from logistics.virtual import delivering
from oms.common import ticketing
from oms.common.models import Ticket
from orders.fulfilling import completing
from orders.fulfilling import derived as fulfilment
from orders.models import Order, OrderEvent, SubOrder
from payments.owing import balancing
from tests import factories, steps

pytestmark = pytest.mark.django_db


@pytest.fixture
def delivered(shop):
    """A sub-order that the buyer has."""
    shipment = steps.shipped(shop.place_order(payment_method="cod"))
    steps.scan(shipment, "collected", "signed")
    return steps.fresh(shipment.sub_order)


def test_what_was_delivered_is_completed_after_the_wait(delivered, settings):
    settings.COMPLETE_AFTER_SECONDS = 3600
    SubOrder.objects.update(delivered_at=TransactionNow() - timedelta(seconds=3590))
    assert completing.run(10) == 0
    assert steps.state_of(delivered) == "delivered"

    SubOrder.objects.update(delivered_at=TransactionNow() - timedelta(seconds=3601))
    assert completing.run(10) == 1

    order = steps.fresh(delivered.order)
    assert (steps.state_of(delivered), order.state, order.fulfilment_state) == ("completed", "completed", "delivered")
    assert order.completed_at is not None
    assert completing.run(10) == 0


def test_a_confirmed_receipt_completes_at_once(delivered):
    buyer = steps.STAFF

    completing.confirm_receipt(delivered.pk, actor=buyer)
    completing.confirm_receipt(delivered.pk, actor=buyer)

    assert steps.state_of(delivered) == "completed"
    assert steps.state_of(delivered.order) == "completed"


def denials():
    """The open tickets of buyers who say that it did not come: (subject, how often it was said)."""
    return [(row.subject_id, row.times) for row in Ticket.objects.open().filter(kind="receipt_denied")]


def test_a_denied_receipt_stops_the_clock_until_a_person_lets_it_be_completed(delivered, settings):
    settings.COMPLETE_AFTER_SECONDS = 3600
    SubOrder.objects.update(delivered_at=timezone.now() - timedelta(days=30))
    person = factories.UserFactory()

    completing.deny_receipt(delivered.order_id, actor=steps.STAFF)
    completing.deny_receipt(delivered.order_id, actor=steps.STAFF)

    assert completing.run(10) == 0
    assert (steps.state_of(delivered), denials()) == ("delivered", [(delivered.pk, 2)])
    told = OrderEvent.objects.filter(order_id=delivered.order_id, kind="receipt_not_confirmed")
    assert told.count() == 1
    assert steps.broken_invariants() == []
    # The ticket cannot be lost: closed, nothing would remind anybody of the order.
    ticket = Ticket.objects.open().get()
    with pytest.raises(ticketing.StillNeedsPerson):
        ticketing.close(ticket.pk, result="done", user=person)

    ticketing.retry(ticket.pk, user=person)

    assert denials() == []
    # Said again, it stops again, and is told again.
    completing.deny_receipt(delivered.order_id, actor=steps.STAFF)
    assert (completing.run(10), told.count(), denials()) == (0, 2, [(delivered.pk, 1)])
    ticketing.retry(Ticket.objects.open().get().pk, user=person)
    assert completing.run(10) == 1
    assert (steps.state_of(delivered), steps.state_of(delivered.order)) == ("completed", "completed")
    assert steps.broken_invariants() == []


def test_a_receipt_that_is_confirmed_after_all_completes_what_was_denied(delivered):
    completing.deny_receipt(delivered.order_id, actor=steps.STAFF)

    completing.confirm_receipt(delivered.pk, actor=steps.STAFF)

    assert (steps.state_of(delivered), denials()) == ("completed", [])
    assert steps.broken_invariants() == []


def test_a_denied_parcel_that_comes_back_needs_nobody_any_more(delivered):
    completing.deny_receipt(delivered.order_id, actor=steps.STAFF)

    steps.scan(Shipment.objects.get(), "returned")

    assert (steps.state_of(delivered), denials()) == ("returned", [])
    assert steps.broken_invariants() == []


def test_only_what_counts_as_delivered_is_stopped_by_a_denied_receipt(shop):
    shipment = steps.shipped(shop.place_order(payment_method="cod"))

    completing.deny_receipt(shipment.sub_order.order_id, actor=steps.STAFF)

    assert denials() == []
    steps.scan(shipment, "collected", "signed")
    factories.run(completing.run)
    assert steps.state_of(shipment.sub_order) == "completed"


def test_a_denied_receipt_that_comes_while_the_stage_looks_still_stops_it(delivered, monkeypatch):
    found = completing.isolating.work_on

    def denied_meanwhile(stage, rows, work):
        completing.deny_receipt(delivered.order_id, actor=steps.STAFF)
        return found(stage, rows, work)

    monkeypatch.setattr(completing.isolating, "work_on", denied_meanwhile)

    assert steps.once(completing.run) == 0
    assert steps.state_of(delivered) == "delivered"


def test_receipt_of_what_is_on_its_way_cannot_be_confirmed(shop):
    shipment = steps.shipped(shop.place_order(payment_method="cod"))

    with pytest.raises(completing.NotDelivered):
        completing.confirm_receipt(shipment.sub_order.pk, actor=steps.STAFF)

    assert steps.state_of(shipment.sub_order) == "shipped"


def test_an_order_that_came_back_whole_is_closed(shop):
    shipment = steps.shipped(shop.place_order(payment_method="cod"))

    steps.scan(shipment, "collected", "rejected", "returning", "returned")
    factories.run(completing.run)

    order = steps.fresh(shipment.sub_order.order)
    assert (order.state, order.fulfilment_state) == ("closed", "returned")


def test_virtual_goods_are_delivered_by_a_code_and_completed(shop):
    code = factories.SkuFactory(merchant=shop.merchant, storage_class="virtual")
    warehouse = factories.WarehouseFactory(kind="virtual", storage_classes=["virtual"])
    stock = factories.StockFactory(sku=code, warehouse=warehouse, on_hand=5)
    order = factories.allocated_order((code, 2, "9.00"), merchant=shop.merchant, freight_amount="0.00")

    factories.run(delivering.run, delivering.run)

    sub_order = SubOrder.objects.get(order=order)
    assert (sub_order.state, steps.fresh(order).fulfilment_state) == ("delivered", "delivered")
    assert len(VirtualDelivery.objects.get().opened()) == 23
    assert (steps.fresh(stock).on_hand, steps.fresh(stock).reserved) == (3, 0)
    factories.run(completing.run, balancing.run)
    assert steps.state_of(order) == "completed"
    assert steps.broken_invariants() == []


WAITING, CANCELLED, RETURNED = "awaiting_allocation", "cancelled", "returned"


@pytest.mark.parametrize(
    ("parts", "fulfilment_state", "order_state"),
    [
        ([WAITING], "unfulfilled", "split"),
        (["packed"], "unfulfilled", "split"),
        (["shipped", "picking"], "partly_shipped", "split"),
        (["rejected", "picking"], "partly_shipped", "split"),
        (["shipped", "shipped"], "shipped", "split"),
        (["delivered", "shipped"], "partly_delivered", "split"),
        (["delivered", WAITING], "partly_delivered", "split"),
        (["delivered", "completed"], "delivered", "split"),
        (["delivered", CANCELLED], "delivered", "split"),
        (["shipped", RETURNED], "shipped", "split"),
        (["completed", "completed"], "delivered", "completed"),
        (["completed", CANCELLED], "delivered", "completed"),
        (["completed", RETURNED], "delivered", "completed"),
        ([RETURNED, RETURNED], "returned", "closed"),
        ([RETURNED, CANCELLED], "returned", "closed"),
        ([CANCELLED, CANCELLED], "cancelled", "cancelled"),
    ],
)
def test_the_state_of_fulfilment_follows_from_the_sub_orders(shop, parts, fulfilment_state, order_state):
    classes = ["ambient", "frozen"][: len(parts)]
    skus = [factories.SkuFactory(merchant=shop.merchant, storage_class=name) for name in classes]
    order = factories.split_order(*skus, merchant=shop.merchant)
    with steps.without_guards():
        for part, state in zip(SubOrder.objects.filter(order=order).order_by("id"), parts, strict=True):
            SubOrder.objects.filter(pk=part.pk).update(state=state, warehouse=shop.warehouse, **steps.times_of(state))

    fulfilment.refresh([order.pk])

    order = steps.fresh(order)
    assert (order.fulfilment_state, order.state) == (fulfilment_state, order_state)
    assert bool(order.owed_changed_since) == (order_state != "split")


def test_a_completed_order_stays_completed(delivered):
    completing.confirm_receipt(delivered.pk, actor=steps.STAFF)
    version = Order.objects.get().version

    fulfilment.refresh([delivered.order_id])

    assert Order.objects.get().version == version
