"""Cancelling at every point of an order's way."""

from decimal import Decimal

import pytest

from inventory.models import Reservation
from logistics.models import WarehouseOrder
from logistics.warehouses import events, releasing, sending, stopping
from logistics.warehouses.adapters import Answer
from oms.common.errors import ChangedMeanwhile, OmsError
from oms.pipeline import SANDBOX_STAGE
from orders import retrying
from orders.changing.cancelling import CannotCancel, cancel_order
from orders.fulfilling import allocating
from orders.models import Hold, Order, SubOrder
from payments.models import Payment, Refund
from payments.owing import balancing
from payments.taking import noticing, requesting
from tests import factories, fakes, steps

pytestmark = pytest.mark.django_db


def ask_warehouses() -> None:
    """Pass the wishes on, ask, and take what is answered into account."""
    factories.run(stopping.pass_on, stopping.run, events.run)


def cancel(order: Order, **options: object) -> Order:
    """Cancel it as staff would."""
    return cancel_order(order.pk, reason="changed mind", actor=steps.STAFF, **options)


def test_before_payment_the_buyer_is_asked_for_nothing_more(shop):
    order = shop.place_order()
    steps.ask_for_payment()

    order = cancel(order)
    factories.run(balancing.run)

    assert (order.state, order.fulfilment_state, order.cancel_reason) == ("cancelled", "cancelled", "changed mind")
    assert Payment.objects.get().state == "expired"
    assert not Refund.objects.exists()


def test_after_payment_the_money_goes_back(shop):
    order = shop.place_order()
    steps.pay(order)

    cancel(order)
    factories.run(balancing.run, requesting.refund, SANDBOX_STAGE.run, noticing.run, balancing.run)

    order = steps.fresh(order)
    assert (order.state, order.payment_state, order.refunded_amount) == ("cancelled", "refunded", Decimal("26.00"))
    assert Refund.objects.count() == 1
    assert steps.broken_invariants() == []


def test_allocated_goods_go_back_to_the_stock(shop):
    order = factories.allocated_order((shop.sku, 2, "10.00"), shop.other_sku, merchant=shop.merchant)
    assert shop.sku.stock.get().reserved == 2

    order = cancel(order)

    assert order.state == "cancelled"
    assert SubOrder.objects.get().state == "cancelled"
    assert [stock.reserved for stock in (shop.sku.stock.get(), shop.other_sku.stock.get())] == [0, 0]
    assert set(Reservation.objects.values_list("state", flat=True)) == {"released"}
    assert steps.broken_invariants() == []


def test_what_a_warehouse_has_is_asked_for_and_held_until_it_answers(shop):
    order = shop.place_order(payment_method="cod")
    sub_order = steps.released(order)

    order = cancel(order)
    assert (order.state, order.open_holds, order.cancel_requested_at is not None) == ("split", 1, True)
    assert Hold.objects.get().kind == "cancellation"
    with pytest.raises(CannotCancel):
        cancel(order)

    with fakes.warehouse(fakes.FakeWarehouse()) as warehouse:
        ask_warehouses()

    assert warehouse.cancelled == [f"{sub_order.number}-W1"]
    work = steps.work_of(sub_order)
    assert (work.state, work.is_current, work.stop_answer) == ("cancelled", False, "granted")
    order = steps.fresh(order)
    assert (order.state, order.open_holds, order.cancel_requested_at) == ("cancelled", 0, None)
    assert steps.state_of(sub_order) == "cancelled"
    assert shop.sku.stock.get().reserved == 0
    assert steps.broken_invariants() == []


def test_a_warehouse_that_packed_already_refuses_and_the_order_goes_on(shop):
    order = shop.place_order(payment_method="cod")
    sub_order = steps.released(order)
    cancel(order)
    steps.warehouse_says(sub_order, "packed")

    with fakes.warehouse(fakes.FakeWarehouse(cancel_answer=lambda ref: Answer(taken=False, reason="packed"))):
        ask_warehouses()

    order = steps.fresh(order)
    assert (order.state, order.open_holds, order.cancel_requested_at) == ("split", 0, None)
    sub_order = steps.fresh(sub_order)
    assert (sub_order.state, sub_order.cancel_requested_at) == ("packed", None)
    assert steps.work_of(sub_order).stop_answer == "refused"
    with pytest.raises(CannotCancel):
        cancel(order)
    assert steps.broken_invariants() == []


def test_a_refused_cancellation_of_picked_goods_leaves_them_where_they_are(shop):
    order = shop.place_order(payment_method="cod")
    sub_order = steps.released(order)
    steps.warehouse_says(sub_order, "picking")
    cancel(order)

    with fakes.warehouse(fakes.FakeWarehouse(cancel_answer=lambda ref: Answer(taken=False, reason="too late"))):
        ask_warehouses()

    assert steps.state_of(sub_order) == "picking"
    assert shop.sku.stock.get().reserved == 2
    steps.warehouse_says(sub_order, "shipped")
    assert steps.state_of(sub_order) == "shipped"


def test_a_warehouse_that_breaks_is_asked_again(shop):
    order = shop.place_order(payment_method="cod")
    steps.released(order)
    cancel(order)
    with fakes.warehouse(fakes.FakeWarehouse(cancel_answer=fakes.lose)):
        factories.run(stopping.pass_on)
        steps.once(stopping.run)
    assert steps.state_of(order) == "split"

    with fakes.warehouse(fakes.FakeWarehouse()):
        steps.once(stopping.run)
    factories.run(events.run)

    assert steps.state_of(order) == "cancelled"


def test_of_two_parts_the_one_that_can_be_stopped_is_and_its_money_goes_back(shop):
    cold = factories.SkuFactory(merchant=shop.merchant, storage_class="frozen")
    order = shop.place_order((shop.sku, 2, "10.00"), (cold, 1, "30.00"), freight_amount="5.00")
    steps.pay(order)
    with fakes.warehouse(fakes.FakeWarehouse()):
        steps.approve_and_split()
        factories.run(allocating.run, releasing.run, sending.run)
    assert dict(SubOrder.objects.values_list("storage_class", "state")) == {
        "ambient": "released",
        "frozen": "backordered",
    }

    cancel(order)
    with fakes.warehouse(fakes.FakeWarehouse(cancel_answer=lambda ref: Answer(taken=False, reason="packed"))):
        ask_warehouses()
    factories.run(balancing.run)

    order = steps.fresh(order)
    assert (order.state, order.open_holds) == ("split", 0)
    assert dict(SubOrder.objects.values_list("storage_class", "state")) == {
        "ambient": "released",
        "frozen": "cancelled",
    }
    assert Refund.objects.get().amount == Decimal("33.00")
    assert steps.broken_invariants() == []


def test_a_release_whose_outcome_is_unknown_counts_as_sent(shop):
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)
    with fakes.warehouse(fakes.FakeWarehouse(fakes.lose)):
        factories.run(releasing.run)
        steps.once(sending.run)

    order = cancel(order)
    assert order.state == "split"
    with fakes.warehouse(fakes.FakeWarehouse()) as warehouse:
        factories.run(stopping.pass_on, sending.run, stopping.run, events.run)

    assert (len(warehouse.released), len(warehouse.cancelled)) == (0, 1)
    assert steps.state_of(order) == "cancelled"


def test_an_unknown_release_that_needs_a_person_can_be_cancelled(shop, settings):
    settings.MAX_ATTEMPTS = 1
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)
    with fakes.warehouse(fakes.FakeWarehouse(fakes.lose)):
        factories.run(releasing.run, sending.run)
    assert WarehouseOrder.objects.get().needs_person_since is not None

    cancel(order)
    with fakes.warehouse(fakes.FakeWarehouse()):
        ask_warehouses()

    assert steps.state_of(order) == "cancelled"


def test_a_cancellation_that_meets_a_release_under_way_waits_and_is_carried_out(shop):
    """The order is cancelled, and the warehouse accepts, before the release's own answer is noted."""
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)

    def answer(reference):
        cancel(order)
        steps.warehouse_says(SubOrder.objects.get(), "accepted")
        return Answer(taken=True)

    with fakes.warehouse(fakes.FakeWarehouse(answer)) as warehouse:
        factories.run(releasing.run)
        steps.once(sending.run)
        assert SubOrder.objects.get().state == "accepted"
        ask_warehouses()

    assert len(warehouse.cancelled) == 1
    assert steps.state_of(order) == "cancelled"
    assert steps.broken_invariants() == []


def test_a_warehouse_that_refuses_the_work_while_it_is_being_cancelled_ends_it(shop):
    order = shop.place_order(payment_method="cod")
    sub_order = steps.released(order)
    cancel(order)
    steps.warehouse_says(sub_order, "refused", text="no room")

    with fakes.warehouse(fakes.FakeWarehouse(cancel_answer=lambda ref: Answer(taken=False, reason="do not have it"))):
        ask_warehouses()

    assert steps.state_of(order) == "cancelled"
    assert shop.sku.stock.get().reserved == 0
    assert steps.broken_invariants() == []


def test_a_stale_page_changes_nothing(shop):
    order = shop.place_order()
    steps.pay(order)

    with pytest.raises(ChangedMeanwhile):
        cancel(order, version=order.version)

    assert steps.state_of(order) == "in_review"
    assert cancel(order, version=steps.fresh(order).version).state == "cancelled"


def test_an_order_is_cancelled_once(shop):
    order = shop.place_order()
    cancel(order)
    before = steps.fresh(order)

    with pytest.raises(CannotCancel):
        cancel(order)

    assert steps.fresh(order).version == before.version


def test_packed_goods_cannot_be_stopped(shop):
    order = shop.place_order(payment_method="cod")
    sub_order = steps.released(order)
    steps.warehouse_says(sub_order, "packed")

    with pytest.raises(CannotCancel):
        cancel(order)

    assert steps.state_of(sub_order) == "packed"
    assert steps.fresh(order).open_holds == 0


def test_a_cancellation_needs_a_reason(shop):
    order = shop.place_order()

    with pytest.raises(OmsError):
        cancel_order(order.pk, reason="  ", actor=steps.STAFF)

    assert steps.state_of(order) == "awaiting_payment"


def test_cancelling_releases_the_holds(shop):
    from orders.reviewing.holds import hold_order

    order = shop.place_order()
    hold_order(order.pk, reason="look at it", actor=steps.STAFF)

    order = cancel(order)

    assert (order.open_holds, Hold.objects.get().released_at is not None) == (0, True)


def test_retrying_what_needs_no_person_is_refused(shop):
    order = shop.place_order()

    with pytest.raises(OmsError):
        retrying.retry("order", order.pk, actor=steps.STAFF)
