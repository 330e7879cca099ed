"""What staff do waits for some seconds, and can be taken back until then."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import override

from oms.common.errors import OmsError
from orders.changing import undoing
from orders.changing.cancelling import CannotCancel, cancel_order
from orders.changing.undoing import Click
from orders.models import Hold, Order, OrderEvent, SubOrder, UndoableAction
from orders.reviewing import deciding
from orders.reviewing.holds import CannotRelease, hold_order, release_hold
from tests import factories, steps
from tests.admin.conftest import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _some_seconds(settings) -> None:  # type: ignore[no-untyped-def]
    settings.UNDO_SECONDS = {"release": 10, "cancel": 20, "bulk": 30}


def pass_time() -> None:
    """The time to take back is over."""
    UndoableAction.objects.filter(state="waiting").update(not_before=timezone.now() - timedelta(seconds=1))


def state_of_holds(order: Order) -> list[tuple[object, ...]]:
    fields = ("id", "kind", "reason", "released_at", "released_by")
    return list(Hold.objects.filter(order=order).exclude(kind="undo").order_by("id").values_list(*fields))


def test_a_cancellation_waits_holds_the_order_and_is_done(shop):
    order = shop.place_order(payment_method="cod")

    undoing.cancel_later(order.pk, Click.of("cancel"), reason="changed mind", actor=steps.STAFF)

    assert (undoing.run(10), deciding.run(10)) == (0, 0)
    assert (steps.state_of(order), steps.fresh(order).open_holds) == ("in_review", 1)
    assert steps.broken_invariants() == []
    pass_time()
    assert undoing.run(10) == 1
    order = steps.fresh(order)
    assert (order.state, order.open_holds, order.cancel_reason) == ("cancelled", 0, "changed mind")
    assert UndoableAction.objects.get().state == "done"
    assert steps.broken_invariants() == []


def test_what_is_taken_back_is_as_it_was(shop):
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)
    older = hold_order(order.pk, reason="look", actor=steps.STAFF)
    before = (state_of_holds(order), steps.fresh(order).open_holds, SubOrder.objects.get().state)
    click = Click.of("cancel")

    undoing.cancel_later(order.pk, click, reason="x", actor=steps.STAFF)
    assert steps.fresh(order).open_holds == 2
    assert undoing.take_back(click.batch, actor=steps.STAFF) == ([order.number], [])

    assert (state_of_holds(order), steps.fresh(order).open_holds, SubOrder.objects.get().state) == before
    pass_time()
    assert undoing.run(10) == 0
    release_hold(older.pk, note="", actor=steps.STAFF)
    assert not SubOrder.objects.get().is_held
    assert "taken_back" in OrderEvent.objects.filter(order_id=order.pk).values_list("kind", flat=True)
    assert steps.broken_invariants() == []


def test_taking_back_twice_or_too_late_changes_nothing(shop):
    order, click = shop.place_order(payment_method="cod"), Click.of("cancel")
    undoing.cancel_later(order.pk, click, reason="x", actor=steps.STAFF)
    pass_time()
    undoing.run(10)

    assert undoing.take_back(click.batch, actor=steps.STAFF) == ([], [order.number])
    assert steps.state_of(order) == "cancelled"


def test_a_release_waits_with_its_holds_open(shop):
    order = shop.place_order(payment_method="cod")
    hold, other = (hold_order(order.pk, reason=reason, actor=steps.STAFF) for reason in ("a", "b"))
    click = Click.of("release")
    undoing.release_later(order.pk, [hold.pk], click, note="fine", actor=steps.STAFF)
    assert steps.fresh(order).open_holds == 2

    undoing.take_back(click.batch, actor=steps.STAFF)
    pass_time()
    factories.run(undoing.run)
    assert steps.fresh(order).open_holds == 2

    undoing.release_later(order.pk, [hold.pk, other.pk], Click.of("release"), note="fine", actor=steps.STAFF)
    pass_time()
    factories.run(undoing.run, deciding.run)
    assert (steps.fresh(order).open_holds, steps.state_of(order)) == (0, "ready_to_split")
    assert set(Hold.objects.values_list("release_note", flat=True)) == {"fine"}
    assert steps.broken_invariants() == []


def test_what_could_not_be_cancelled_in_the_end_is_told_and_a_person_is_called(shop):
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)
    undoing.cancel_later(order.pk, Click.of("cancel"), reason="x", actor=steps.STAFF)
    for state in ("released", "packed", "shipped"):
        steps.put(SubOrder.objects.get(), state)
    pass_time()

    undoing.run(10)

    assert UndoableAction.objects.get().state == "refused"
    assert steps.fresh(order).open_holds == 0
    assert ("not_done_later", "cancel") in steps.tickets()


def test_an_order_that_its_merchant_cancels_meanwhile_is_cancelled_once(shop):
    order = shop.place_order(payment_method="cod")
    undoing.cancel_later(order.pk, Click.of("cancel"), reason="x", actor=steps.STAFF)
    cancel_order(order.pk, reason="merchant", actor=steps.STAFF)
    assert steps.broken_invariants() == []
    pass_time()

    undoing.run(10)

    assert (steps.fresh(order).cancel_reason, UndoableAction.objects.get().state) == ("merchant", "done")
    assert steps.tickets() == []


def test_the_same_cannot_wait_twice_and_what_cannot_be_cancelled_does_not_wait(shop):
    order = shop.place_order(payment_method="cod")
    undoing.cancel_later(order.pk, Click.of("cancel"), reason="x", actor=steps.STAFF)
    with pytest.raises(OmsError):
        undoing.cancel_later(order.pk, Click.of("cancel"), reason="y", actor=steps.STAFF)
    with pytest.raises(CannotRelease):
        release_hold(Hold.objects.get().pk, note="", actor=steps.STAFF)
    over = shop.place_order()
    cancel_order(over.pk, reason="x", actor=steps.STAFF)
    with pytest.raises(CannotCancel):
        undoing.cancel_later(over.pk, Click.of("cancel"), reason="y", actor=steps.STAFF)
    assert UndoableAction.objects.count() == 1


def test_an_approval_is_released_by_who_may_approve_its_level(shop):
    factories.review_rule("big", "amount_over", values={"amount": "1.00"}, outcome="approval", level=2)
    order = shop.place_order(payment_method="cod")
    factories.run(deciding.run)
    hold = Hold.objects.get()
    address = reverse("admin:orders_order_release", args=[order.pk, hold.pk])
    form = {"note": "", "version": steps.fresh(order).version}

    for rights in (("hold_order",), ("hold_order", "approve_level_1")):
        client_of("view_order", *rights).post(address, form)
        assert not UndoableAction.objects.exists()
    client_of("view_order", "approve_level_3").post(address, form)
    assert UndoableAction.objects.get().kind == "release"


def test_a_bulk_cancellation_is_taken_back_by_the_button_of_its_message(shop, boss):
    orders = [shop.place_order(payment_method="cod") for _ in range(3)]
    form = {"action": "cancel_selected", "index": "0", "confirmed": "1", "reason": "wrong price"}
    path = reverse("admin:orders_order_changelist")
    form |= {"_selected_action": [order.pk for order in orders]}

    page = boss.post(path, form, follow=True).content.decode()

    batch = UndoableAction.objects.values_list("batch", flat=True).distinct().get()
    undo = reverse("admin:orders_order_undo", args=[batch])
    assert undo in page
    assert client_of("view_order", "hold_order").post(undo).status_code == 403
    boss.post(undo)
    assert set(UndoableAction.objects.values_list("state", flat=True)) == {"taken_back"}
    pass_time()
    factories.run(undoing.run, deciding.run)
    assert set(Order.objects.values_list("state", flat=True)) == {"ready_to_split"}
    with override("en"):
        assert steps.broken_invariants() == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("attempt", range(10))
def test_the_stage_and_who_takes_back_never_both_win(attempt):
    shop = factories.make_shop()
    order, click = shop.place_order(payment_method="cod"), Click.of("cancel")
    undoing.cancel_later(order.pk, click, reason="x", actor=steps.STAFF)
    pass_time()
    start, results = threading.Barrier(2), {}

    def race(name, work):  # type: ignore[no-untyped-def]
        try:
            start.wait()
            results[name] = work()
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=race, args=("stage", lambda: undoing.run(10))),
        threading.Thread(target=race, args=("back", lambda: undoing.take_back(click.batch, actor=steps.STAFF)[0])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    connection.close()

    taken_back = bool(results["back"])
    state = UndoableAction.objects.get().state
    assert state == ("taken_back" if taken_back else "done")
    assert steps.state_of(order) == ("in_review" if taken_back else "cancelled")
    assert steps.fresh(order).open_holds == 0
    assert steps.broken_invariants() == []
