"""A row that fails stops nobody else: it is put off, then left for a person, who can retry it."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from logistics.carriers import tracking
from logistics.models import TrackingEvent, WarehouseOrder
from logistics.warehouses import events, releasing, sending, stopping
from oms import figures
from oms.common.models import FactState, InboundFact
from oms.common.work import claiming, clock, facts_by_hand
from oms.pipeline import STAGES
from orders import retrying
from orders.changing.cancelling import cancel_order
from orders.fulfilling import allocating, completing, splitting
from orders.models import Order, OrderEvent, SubOrder
from orders.reviewing import deciding
from payments.owing import balancing
from payments.taking import noticing
from tests import factories, fakes, steps

pytestmark = pytest.mark.django_db


@pytest.fixture
def poison(shop):
    """Makes every change of one order's rows fail, as a bug or a bad row would."""

    def poison(table: str, column: str, value: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                CREATE OR REPLACE FUNCTION poison_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN RAISE EXCEPTION 'poisoned' USING ERRCODE = 'check_violation'; END $$;
                CREATE TRIGGER zz_poison BEFORE UPDATE OF state ON {table} FOR EACH ROW
                    WHEN (OLD.{column} = '{value}') EXECUTE FUNCTION poison_{table}();
                """
            )

    def cure(table: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TRIGGER zz_poison ON {table}")

    poison.cure = cure
    return poison


def test_a_failing_order_does_not_stop_its_batch(shop, poison, settings):
    settings.MAX_ATTEMPTS = 3
    orders = [shop.place_order(payment_method="cod") for _ in range(5)]
    bad, good = orders[2], [order for order in orders if order != orders[2]]
    poison("orders_order", "id", bad.pk)

    steps.once(deciding.run)

    assert {steps.state_of(order) for order in good} == {"ready_to_split"}
    bad = steps.fresh(bad)
    assert (bad.state, bad.attempts, bad.needs_person_since) == ("in_review", 1, None)
    assert bad.last_error.startswith("IntegrityError: poisoned")
    assert timedelta(seconds=1) < bad.ready_at - timezone.now() < timedelta(seconds=9)

    factories.run(deciding.run)
    bad = steps.fresh(bad)
    assert (bad.attempts, bad.needs_person_since is not None) == (3, True)
    assert steps.once(deciding.run) == 0

    poison.cure("orders_order")
    assert steps.once(deciding.run) == 0
    retrying.retry("order", bad.pk, actor=steps.STAFF)
    steps.once(deciding.run)
    bad = steps.fresh(bad)
    assert (bad.state, bad.attempts, bad.last_error) == ("ready_to_split", 0, "")
    assert OrderEvent.objects.filter(order=bad, kind="retried").count() == 1


def test_the_first_tries_come_soon_and_then_each_waits_longer_than_the_one_before(shop, settings):
    settings.MAX_ATTEMPTS = 100
    order = shop.place_order(payment_method="cod")
    waits = []
    for attempts in (0, 2, 3, 6, 20):
        Order.objects.update(attempts=attempts)
        claiming.put_off(deciding.QUEUE, {order.pk: "x"})
        waits.append((Order.objects.get().ready_at - timezone.now()).total_seconds())

    for wait, seconds in zip(waits, (5, 5, 10, 80, 3600), strict=True):
        assert 0.4 * seconds < wait < 1.6 * seconds


@pytest.mark.parametrize("stage", [splitting, allocating])
def test_split_and_allocate_isolate_what_fails(shop, poison, stage):
    orders = [shop.place_order(payment_method="cod") for _ in range(3)]
    factories.run(deciding.run)
    if stage is allocating:
        factories.run(splitting.run)
        poison("orders_suborder", "order_id", orders[0].pk)
    else:
        poison("orders_order", "id", orders[0].pk)

    steps.once(stage.run)

    model = SubOrder if stage is allocating else Order
    key = "order_id" if stage is allocating else "id"
    moved = "allocated" if stage is allocating else "split"
    assert set(model.objects.filter(state=moved).values_list(key, flat=True)) == {orders[1].pk, orders[2].pk}
    assert shop.sku.stock.get().reserved == (4 if stage is allocating else 0)


def test_a_notice_that_cannot_be_applied_does_not_stop_the_others(shop, poison):
    orders = [shop.place_order() for _ in range(3)]
    steps.ask_for_payment()
    poison("payments_payment", "order_id", orders[0].pk)
    for order in orders:
        steps.notify(f"{order.number}-P1", "26.00")

    steps.once(noticing.run)

    assert [steps.state_of(order) for order in orders] == ["awaiting_payment", "in_review", "in_review"]
    bad = InboundFact.objects.get(state="pending")
    assert (bad.subject, bad.attempts, "poisoned" in bad.last_error) == (f"{orders[0].number}-P1", 1, True)
    poison.cure("payments_payment")
    steps.once(noticing.run)
    assert (steps.state_of(orders[0]), steps.fresh(bad).state) == ("in_review", "applied")


def test_a_warehouses_notice_that_cannot_be_applied_does_not_stop_the_others(shop, poison):
    sub_orders = []
    for _ in range(3):
        order = shop.place_order(payment_method="cod")
        sub_orders.append(steps.released(order))
    poison("orders_suborder", "id", sub_orders[0].pk)

    for sub_order in sub_orders:
        steps.warehouse_says(sub_order, "packed")

    assert [steps.state_of(sub_order) for sub_order in sub_orders] == ["released", "packed", "packed"]
    fact = InboundFact.objects.get(state=FactState.PENDING)
    assert "poisoned" in fact.last_error
    poison.cure("orders_suborder")
    facts_by_hand.replay(fact.pk)
    steps.once(events.run)
    assert steps.state_of(sub_orders[0]) == "packed"
    assert steps.tickets() == []


def test_a_scan_that_cannot_be_applied_does_not_stop_the_others(shop, poison):
    shipments = [steps.shipped(shop.place_order(payment_method="cod")) for _ in range(3)]
    poison("logistics_shipment", "id", shipments[0].pk)
    steps.carrier_says(shipments[0], [steps.scan_of(shipment, "signed") for shipment in shipments])

    steps.once(tracking.run)

    assert [steps.state_of(shipment) for shipment in shipments] == ["waybill_issued", "signed", "signed"]
    assert TrackingEvent.objects.count() == 2
    assert InboundFact.objects.filter(state=FactState.PENDING).count() == 1


@pytest.mark.parametrize("stage", [completing, balancing])
def test_the_end_of_an_order_that_fails_does_not_stop_the_others(shop, poison, stage):
    shipments = [steps.shipped(shop.place_order(payment_method="cod")) for _ in range(3)]
    steps.carrier_says(shipments[0], [steps.scan_of(shipment, "signed") for shipment in shipments])
    factories.run(tracking.run)
    orders = [shipment.sub_order.order for shipment in shipments]
    if stage is completing:
        poison("orders_suborder", "order_id", orders[0].pk)
    else:
        with connection.cursor() as cursor:
            cursor.execute(
                f"ALTER TABLE payments_payment ADD CONSTRAINT poison CHECK (order_id <> {orders[0].pk}) NOT VALID"
            )

    steps.once(stage.run)

    if stage is completing:
        assert [steps.state_of(order) for order in orders] == ["split", "completed", "completed"]
    else:
        assert [steps.fresh(order).payment_state for order in orders] == ["on_delivery", "paid", "paid"]
        assert [bool(steps.fresh(order).owed_changed_since) for order in orders] == [True, False, False]


def test_the_answer_to_a_worker_that_lost_its_row_to_another_counts_all_the_same(shop):
    """The zombie's call returns after its lease ended and another worker had no luck."""
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)
    finished = []

    def answer_late(reference):
        if finished:
            return fakes.FakeWarehouse().answer(reference)
        finished.append(reference)
        # Meanwhile: the lease ends, another worker takes the row over and hears nothing.
        WarehouseOrder.objects.update(lease_until=timezone.now() - timedelta(days=1))
        with fakes.warehouse(fakes.FakeWarehouse(fakes.lose)):
            assert steps.once(sending.run) == 1
        work = WarehouseOrder.objects.get()
        assert (work.state, work.last_error) == ("intended", "Lost: connection reset")
        return fakes.FakeWarehouse().answer(reference)

    with fakes.warehouse(fakes.FakeWarehouse(answer_late)):
        factories.run(releasing.run)
        steps.once(sending.run)

    work = WarehouseOrder.objects.get()
    assert (work.state, work.lease_token, work.attempts, work.last_error) == ("sent", 2, 0, "")
    assert steps.state_of(SubOrder.objects.get(order=order)) == "released"


def test_a_worker_that_dies_between_the_call_and_its_note_loses_no_event(shop):
    """One kill lost 174 sub-orders' timeline lines and webhooks, when the event was written with the answer."""
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)

    class Killed(BaseException):
        """No worker survives it."""

    def die(reference):
        raise Killed

    with fakes.warehouse(fakes.FakeWarehouse(die)) as warehouse:
        factories.run(releasing.run)
        with pytest.raises(Killed):
            steps.once(sending.run)
    assert warehouse.released == [f"{SubOrder.objects.get().number}-W1"]
    steps.warehouse_says(SubOrder.objects.get(), "accepted")

    assert [event.kind for event in order.events.filter(kind__in=["released", "warehouse_accepted"])] == [
        "released",
        "warehouse_accepted",
    ]
    assert steps.state_of(WarehouseOrder.objects.get()) == "accepted"


def test_what_a_warehouse_got_too_late_for_a_cancelled_sub_order_is_undone_there(shop):
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)

    def answer_late(reference):
        # Meanwhile the lease ended, another worker asked to cancel, and the warehouse had never heard of it.
        WarehouseOrder.objects.update(lease_until=timezone.now() - timedelta(days=1))
        cancel_order(order.pk, reason="changed mind", actor=steps.STAFF)
        with fakes.warehouse(fakes.FakeWarehouse()):
            factories.run(stopping.pass_on, stopping.run, events.run)
        assert steps.state_of(order) == "cancelled"
        return fakes.FakeWarehouse().answer(reference)

    with fakes.warehouse(fakes.FakeWarehouse(answer_late)) as warehouse:
        factories.run(releasing.run)
        steps.once(sending.run)
        factories.run(stopping.run, events.run)

    sub_order = SubOrder.objects.get(order=order)
    assert (sub_order.state, warehouse.cancelled) == ("cancelled", [f"{sub_order.number}-W1"])
    assert order.events.filter(kind="release_undone").count() == 1
    assert steps.broken_invariants() == []


def test_a_call_that_cannot_be_finished_counts_as_an_attempt_and_stops_no_other(shop, poison):
    good, bad = (factories.allocated_order((shop.sku, 1, "10.00"), merchant=shop.merchant) for _ in range(2))
    factories.run(releasing.run)
    good, bad = (steps.work_of(order.sub_orders.get()) for order in (good, bad))
    poison("logistics_warehouseorder", "id", bad.pk)

    with fakes.warehouse(fakes.FakeWarehouse()):
        steps.once(sending.run)

    assert steps.state_of(good) == "sent"
    bad = steps.fresh(bad)
    assert (bad.state, bad.attempts) == ("intended", 1)
    assert bad.last_error.startswith("IntegrityError: poisoned")


@pytest.mark.django_db(transaction=True)
def test_two_slots_share_a_queue_and_leave_nothing_twice(shop, settings):
    settings.STAGE_SLOTS = 2
    orders = [shop.place_order(payment_method="cod") for _ in range(23)]

    with clock.skipping_waits():
        claimed = claiming.run_until_empty(STAGES["review"], 8)

    assert claimed == len(orders)
    assert {steps.state_of(order) for order in orders} == {"ready_to_split"}
    assert OrderEvent.objects.filter(to_state="ready_to_split").count() == len(orders)


def test_a_leased_row_is_nobody_elses_until_the_lease_ends(shop):
    factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)
    factories.run(releasing.run)
    with fakes.warehouse(fakes.FakeWarehouse()) as warehouse:
        with clock.skipping_waits():
            tokens = claiming.lease(sending.QUEUE, 10)
        assert list(tokens.values()) == [1]
        assert (steps.once(sending.run), sending.STAGE.leased()) == (0, 1)

        WarehouseOrder.objects.update(lease_until=timezone.now() - timedelta(seconds=60))
        assert (steps.once(sending.run), sending.STAGE.leased()) == (1, 0)

    assert len(warehouse.released) == 1
    with transaction.atomic():
        assert claiming.lock_leased(sending.QUEUE, tokens) == []


def test_the_backlog_tells_how_much_waits_and_how_long(shop):
    for _ in range(3):
        shop.place_order(payment_method="cod")
    Order.objects.update(ready_at=timezone.now() - timedelta(minutes=5))

    (backlog,) = figures.stage_figures([deciding.STAGE])

    assert backlog.waiting == 3
    assert 290 < backlog.oldest_seconds < 310


def test_a_batch_that_cannot_even_be_claimed_fails_loudly(shop):
    shop.place_order(payment_method="cod")
    queue = claiming.Queue(Order, "q.no_such_column")

    with pytest.raises(Exception, match="no_such_column"), transaction.atomic():
        claiming.in_one_transaction(queue, 10, lambda ids: None)


def test_poison_really_poisons(shop, poison):
    order = shop.place_order(payment_method="cod")
    poison("orders_order", "id", order.pk)

    with pytest.raises(IntegrityError, match="poisoned"), transaction.atomic():
        Order.objects.filter(pk=order.pk).update(state="ready_to_split")
