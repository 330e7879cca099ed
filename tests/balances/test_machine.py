"""Orders placed, paid, cancelled in parts and whole, completed and refunded, cards topped up, adjusted, blocked and
expired, in random order: after every step each balance is what its orders, by the charges, leave of it.

Each example runs in a transaction that is rolled back.
"""

from contextlib import ExitStack, suppress
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from oms.common.errors import OmsError
from orders.changing.cancelling import cancel_order
from orders.changing.units import cancel_units
from orders.models import ChargeComponent, Order, OrderCharge
from payments.balances import adjusting, expiring, issuing
from payments.models import BalanceAccount, MovementKind
from payments.owing import balancing
from payments.taking import noticing
from tests import factories, fakes, steps
from tests.balances import wallets
from tests.payments import grants

_IN = (MovementKind.SOLD, MovementKind.GIVEN, MovementKind.EARNED)


class Wallet(RuleBasedStateMachine):
    """One card and one member's points, and the orders that they pay."""

    def __init__(self) -> None:
        super().__init__()
        self.exit = ExitStack()
        self.block = transaction.atomic()
        self.block.__enter__()
        self.clock = self.exit.enter_context(time_machine.travel(timezone.now(), tick=True))
        self.exit.enter_context(fakes.provider(fakes.FakeProvider()))
        self.shop = factories.make_shop()
        self.orders: list[Order] = []
        self.keys = 0

    def teardown(self) -> None:
        """Nothing of an example stays."""
        try:
            if self.orders:
                self.give_up_all()
        finally:
            self.exit.close()
            transaction.set_rollback(True)
            self.block.__exit__(None, None, None)

    @initialize(amount=st.sampled_from(["30.00", "77.77"]), points=st.sampled_from([0, 700]))
    def a_wallet(self, amount: str, points: int) -> None:
        self.boss = wallets.boss()
        until = timezone.now() + timedelta(days=30)
        self.issued = wallets.card(self.shop.merchant, amount, expires_at=until)
        self.card, self.points = self.issued.card, wallets.member(self.shop.merchant, points)
        self.look()

    # --- What buyers do

    @rule(card=st.integers(0, 2600), points=st.integers(0, 1000), parts=st.booleans())
    def place(self, card: int, points: int, parts: bool) -> None:
        card, points = min(card, wallets.has(self.card)[0]), min(points, wallets.has(self.points)[0], 2000)
        points = min(points, 2600 - card)
        terms = wallets.by_points(points)
        if card:
            terms |= wallets.by_card(self.issued, f"{Decimal(card) / 100:.2f}")
        payable = Decimal(2600 - card - points) / 100
        if parts and payable >= 2:
            due = [timezone.now() + timedelta(days=days) for days in (1, 2)]
            terms["instalments"] = [
                {"amount": "1.00", "due_at": due[0].isoformat()},
                {"amount": f"{payable - 1:.2f}", "due_at": due[1].isoformat()},
            ]
        with suppress(AssertionError):  # the card is blocked or has expired
            self.orders.append(self.shop.place_order(**terms))
        self.look()

    @rule(which=st.integers(0, 9), all_of_it=st.booleans())
    def pay(self, which: int, all_of_it: bool) -> None:
        if not self.orders:
            return
        order = self.orders[which % len(self.orders)]
        steps.ask_for_payment()
        for payment in order.payments.filter(state__in=("intended", "pending")).order_by("pk"):
            amount = payment.amount if all_of_it else max(payment.amount / 2, Decimal("0.01"))
            steps.notify(payment.number, f"{amount:.2f}")
        self.run()

    @rule(which=st.integers(0, 9), units=st.integers(1, 2))
    def cancel(self, which: int, units: int) -> None:
        if self.orders:
            order = self.orders[which % len(self.orders)]
            steps.approve_and_split()
            with suppress(OmsError):
                if units == 2:
                    cancel_order(order.pk, reason="x", actor=steps.STAFF)
                else:
                    cancel_units(order.pk, {1: 1}, reason="x", actor=steps.STAFF)
            self.run()

    @rule(which=st.integers(0, 9), fen=st.integers(1, 3000))
    def complete_and_refund(self, which: int, fen: int) -> None:
        if self.orders:
            order = steps.fresh(self.orders[which % len(self.orders)])
            if order.state == "in_review" and not order.sub_orders.exists():
                wallets.completed(order)
            with suppress(OmsError):
                grants.goodwill(order, f"{Decimal(fen) / 100:.2f}", self.boss)
            self.run()

    # --- What people and time do

    @rule(fen=st.integers(-3000, 3000), of_card=st.booleans())
    def adjust(self, fen: int, of_card: bool) -> None:
        account = self.card if of_card else self.points
        with suppress(OmsError):
            adjusting.propose(account.pk, fen, reason="x", user=self.boss, actor=steps.STAFF)
        self.look()

    @rule(fen=st.integers(1, 2000), blocks=st.booleans())
    def top_up(self, fen: int, blocks: bool) -> None:
        self.keys += 1
        issuing.block(self.card.pk, is_blocked=blocks)
        with suppress(OmsError):
            issuing.top_up(self.card.pk, Decimal(fen) / 100, is_sold=True, key=str(self.keys), actor=steps.STAFF)
        self.look()

    @rule(days=st.sampled_from([1, 20, 100]))
    def let_time_pass(self, days: int) -> None:
        self.clock.shift(timedelta(days=days))
        expiring.run(10)
        self.run()

    # --- What must hold

    def run(self) -> None:
        """Let the stages work, and look."""
        factories.run(noticing.run, balancing.run)
        self.look()

    def look(self) -> None:
        """Each balance is what came in, less what is charged to it and what expired."""
        factories.run(balancing.run)
        for account, component in ((self.card, ChargeComponent.GIFT_CARD), (self.points, ChargeComponent.POINTS)):
            found = BalanceAccount.objects.get(pk=account.pk)
            rows = list(account.movements.all())
            came = sum(row.available_change for row in rows if row.kind in _IN)
            came += sum(row.available_change for row in rows if row.kind in ("expired", "adjusted", "taken_back"))
            of_orders = OrderCharge.objects.filter(order__tenders__account=account, component=component)
            charged = -sum((charge.amount for charge in of_orders), Decimal(0)) * 100
            assert found.available == came - charged, (account.kind, came, charged)
            assert min(found.available, found.held, found.short) >= 0
        assert steps.broken_invariants() == []

    def give_up_all(self) -> None:
        """All that is cancelled gives all back."""
        for order in self.orders:
            with suppress(OmsError):
                cancel_order(order.pk, reason="x", actor=steps.STAFF)
        self.run()
        for order in self.orders:
            if steps.state_of(order) == "cancelled":
                moved = order.movements.exclude(kind__in=("earned", "taken_back"))
                assert sum(row.available_change + row.held_change for row in moved) == 0


@pytest.mark.django_db
def test_no_fen_of_a_balance_is_lost_or_spent_twice_whatever_happens():
    run_state_machine_as_test(
        Wallet,
        settings=settings(
            max_examples=12, stateful_step_count=10, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
