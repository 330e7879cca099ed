"""What staff do and take back, in random order: alone and by bulk, within the seconds and after them, twice, while the
stage runs, and while others cancel, ship and hold the same orders. Beside the database a small model says what each
click must have become; all that must always hold, holds."""

import uuid
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from logistics.warehouses import events, releasing, sending, stopping
from oms.common.errors import OmsError
from orders.changing import cancelling, undoing
from orders.changing.undoing import Click
from orders.fulfilling import allocating, splitting
from orders.models import Hold, Order, OrderEvent, SubOrder, UndoableAction
from orders.reviewing import deciding, holds
from payments.owing import balancing
from tests import factories, fakes, machines, steps

ORDERS = 4
SECONDS = 30
PICKED = st.sets(st.integers(0, ORDERS - 1), min_size=1, max_size=3)


class Undoing(RuleBasedStateMachine):
    """Some orders at different places of their way, one of them paid."""

    clicks: Bundle[Click] = Bundle("clicks")

    def __init__(self) -> None:
        super().__init__()
        self.exit = ExitStack()
        self.exit.enter_context(fakes.warehouse(fakes.FakeWarehouse()))
        self.orders: list[Order] = []
        # What must have become of each action, by click and order.
        self.told: dict[tuple[uuid.UUID, int], str] = {}
        self.due: set[uuid.UUID] = set()
        # Orders that somebody cancelled who cannot take it back.
        self.others_cancelled: set[int] = set()

    def teardown(self) -> None:
        """Whatever waits comes to its end, and holds nothing any more."""
        try:
            if self.orders:
                self.time_passes_for_all()
                self.stage()
                self.everything_holds()
                assert not UndoableAction.objects.filter(state="waiting").exists()
                assert not Hold.objects.filter(kind="undo", released_at=None).exists()
        finally:
            self.exit.close()

    @initialize()
    def begin(self) -> None:
        """Two are reviewed, two are with warehouses or nearly so."""
        shop = factories.make_shop()
        for place in range(ORDERS):
            method = "prepaid" if place == 1 else "cod"
            order = shop.place_order((shop.sku, 2, "10.00"), payment_method=method)
            if method == "prepaid":
                steps.pay(order)
            self.orders.append(order)
            if place == ORDERS - 3:
                factories.run(deciding.run, splitting.run, allocating.run)

    def _each(self, picked: set[int], click: Click, do: Callable[[Order], object]) -> Click:
        """Do it to each of the orders; what is refused is not of the click."""
        for place in sorted(picked):
            order = self.orders[place]
            try:
                do(order)
            except OmsError:
                assert not UndoableAction.objects.filter(batch=click.batch, order=order).exists()
            else:
                self.told[click.batch, order.pk] = "waiting"
        return click

    @rule(target=clicks, picked=PICKED)
    def cancel(self, picked: set[int]) -> Click:
        """One or several are cancelled, and can be taken back."""
        click = Click(uuid.uuid4(), SECONDS)
        before = {order.pk: _standing(order) for order in self.orders}
        self._each(picked, click, lambda one: undoing.cancel_later(one.pk, click, reason="x", actor=steps.STAFF))
        # Nothing but the hold is there before the time is over.
        assert {order.pk: _standing(order) for order in self.orders} == before
        return click

    @rule(target=clicks, picked=PICKED)
    def hold(self, picked: set[int]) -> Click:
        """One or several are held at once."""
        click = Click(uuid.uuid4(), SECONDS)
        for place in picked:
            # The hold of an earlier click can be taken back no longer.
            earlier = UndoableAction.objects.filter(order=self.orders[place], kind="hold", state="waiting").first()
            with suppress(OmsError):
                undoing.hold_now(self.orders[place].pk, click, reason="x", actor=steps.STAFF)
                self.told[click.batch, self.orders[place].pk] = "waiting"
                if earlier:
                    self.told[earlier.batch, earlier.order_id] = "done"
        return click

    @rule(target=clicks, picked=PICKED)
    def release(self, picked: set[int]) -> Any:
        """The holds of one or several are released."""
        click = Click(uuid.uuid4(), SECONDS)
        mine = {place for place in picked if self._open_of(self.orders[place])}
        self._each(
            mine,
            click,
            lambda one: undoing.release_later(one.pk, self._open_of(one), click, note="ok", actor=steps.STAFF),
        )
        return click if mine else multiple()

    @staticmethod
    def _open_of(order: Order) -> list[int]:
        return list(Hold.objects.filter(order=order, kind="staff", released_at=None).values_list("pk", flat=True))

    @rule(click=clicks)
    def take_back(self, click: Click) -> None:
        """Somebody takes a click back, in time or not, for the first time or again."""
        waiting = [key for (batch, key), state in self.told.items() if batch == click.batch and state == "waiting"]
        others = [key for (batch, key), state in self.told.items() if batch == click.batch and state != "waiting"]
        numbers = {order.pk: order.number for order in self.orders}
        standing = {key: _standing(Order(pk=key)) for key in waiting}

        back, late = undoing.take_back(click.batch, actor=steps.STAFF)

        assert sorted(back) == sorted(numbers[key] for key in waiting)
        assert sorted(late) == sorted(numbers[key] for key in others)
        for key in waiting:
            self.told[click.batch, key] = "taken_back"
            assert _standing(Order(pk=key)) == standing[key]

    @rule(click=clicks)
    def time_passes(self, click: Click) -> None:
        """The seconds of one click are over."""
        UndoableAction.objects.filter(batch=click.batch, state="waiting").update(
            not_before=timezone.now() - timedelta(days=1)
        )
        self.due.add(click.batch)

    @rule()
    def time_passes_for_all(self) -> None:
        """All seconds are over."""
        UndoableAction.objects.filter(state="waiting").update(not_before=timezone.now() - timedelta(days=1))
        self.due.update(batch for batch, _key in self.told)

    @rule(limit=st.sampled_from([1, 2, 10]))
    def stage(self, limit: int = 100) -> None:
        """The stage does some of what is due, or all."""
        while undoing.run(limit) and limit != 1:
            pass
        for (batch, key), state in list(self.told.items()):
            if state != "waiting":
                continue
            now = UndoableAction.objects.get(batch=batch, order=key).state
            assert now == "waiting" or batch in self.due, "done before its time"
            assert now != "waiting" or batch not in self.due or limit == 1, "forgotten"
            assert now != "taken_back", "nobody took it back"
            self.told[batch, key] = now

    @rule(which=st.integers(0, ORDERS - 1))
    def merchant_cancels(self, which: int) -> None:
        """Its merchant cancels it, which cannot be taken back."""
        with suppress(OmsError):
            cancelling.cancel_order(self.orders[which].pk, reason="merchant", actor=steps.STAFF)
            self.others_cancelled.add(self.orders[which].pk)

    @rule(which=st.integers(0, ORDERS - 1))
    def somebody_releases(self, which: int) -> None:
        """A colleague releases the holds at once."""
        for key in self._open_of(self.orders[which]):
            with suppress(OmsError):
                holds.release_hold(key, note="", actor=steps.STAFF)

    @rule()
    def go_on(self) -> None:
        """The stages do what is ready; what can still be taken back does not move."""
        held = {order.pk: _standing(order) for order in self.orders if self._waits_for_cancel(order)}
        for stage in (deciding.run, splitting.run, allocating.run, releasing.run, sending.run):
            Order.objects.filter(ready_at__gt=timezone.now()).update(ready_at=timezone.now() - timedelta(days=1))
            steps.once(stage)
        assert {key: _standing(Order(pk=key)) for key in held} == held

    @staticmethod
    def _waits_for_cancel(order: Order) -> bool:
        return UndoableAction.objects.filter(order=order, kind="cancel", state="waiting").exists()

    @rule(which=st.integers(0, ORDERS - 1), told=st.sampled_from(["accepted", "packed", "shipped"]))
    def warehouse(self, which: int, told: str) -> None:
        """A warehouse goes on with what it has, whatever can be taken back."""
        part = SubOrder.objects.filter(order=self.orders[which], state__in=["released", "accepted", "packed"]).first()
        if part:
            steps.warehouse_says(part, told)
            factories.run(events.run)

    @rule()
    def warehouses_answer(self) -> None:
        """They stop what they were asked to stop; money follows."""
        factories.run(stopping.pass_on, stopping.run, events.run, balancing.run)

    @invariant()
    def everything_holds(self) -> None:
        """Each click is what it must have become, and told; nothing is cancelled that nobody cancelled."""
        if not self.orders:
            return
        assert steps.broken_invariants() == []
        rows = UndoableAction.objects.all()
        assert {(row.batch, row.order_id): str(row.state) for row in rows} == self.told
        for row in rows:
            self._fits(row)
        done = set(rows.filter(kind="cancel", state="done").values_list("order_id", flat=True))
        cancelled = set(Order.objects.filter(state="cancelled").values_list("pk", flat=True))
        assert cancelled <= done | self.others_cancelled
        told = OrderEvent.objects.filter(kind__in=["taken_back", "not_done"]).values_list("kind", flat=True)
        assert sorted(told) == sorted(
            {"taken_back": "taken_back", "refused": "not_done"}[state]
            for state in self.told.values()
            if state in ("taken_back", "refused")
        )

    def _fits(self, row: UndoableAction) -> None:
        """The holds are what the action's kind and state say."""
        its = Hold.objects.filter(pk__in=row.hold_ids)
        if row.state == "done" and row.kind == "cancel":
            order = Order.objects.get(pk=row.order_id)
            assert order.state == "cancelled" or order.cancel_requested_at or self._was_answered(row)
        if row.state in ("taken_back", "done", "refused") and row.kind == "cancel":
            assert not its.filter(released_at=None).exists()
        if row.state == "taken_back" and row.kind == "hold":
            assert not its.filter(released_at=None).exists()
        if row.state == "done" and row.kind == "release":
            assert not its.filter(released_at=None).exists()
        if row.state == "waiting" and row.kind == "cancel" and row.order_id not in self.others_cancelled:
            assert its.filter(released_at=None).count() == 1

    @staticmethod
    def _was_answered(row: UndoableAction) -> bool:
        return OrderEvent.objects.filter(order_id=row.order_id, kind="cancel_not_granted").exists()


def _standing(order: Order) -> tuple[Any, ...]:
    """Where the order and its parts are, and what was cancelled of them."""
    now = Order.objects.get(pk=order.pk)
    parts = SubOrder.objects.filter(order=now).order_by("pk").values_list("pk", "state")
    return now.state, now.cancel_requested_at, now.cancel_reason, list(parts)


@pytest.mark.django_db
def test_what_is_taken_back_is_as_if_it_had_never_been():
    machines.run_apart(Undoing, examples=14, steps=16)


@pytest.mark.soak
@pytest.mark.django_db
def test_so_it_is_for_long():
    machines.run_apart(Undoing, examples=200, steps=30)
