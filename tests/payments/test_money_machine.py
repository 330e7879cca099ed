"""Captures told again, cancellations before and after the split, grants that one side or the other bears, returns,
parcels that come back, second payments, other amounts than were asked for, and notices that come late and repeated, in
random order: after every look at the books the
charges, the ledger, the settlement, the refunds and what the provider holds agree to the fen; and all that is given up,
in whatever steps, ends at nothing in every tender.

Each example runs in a transaction that is rolled back.
"""

from contextlib import ExitStack, suppress
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from logistics.models import Shipment
from oms.common.errors import OmsError
from oms.common.models import Ticket
from orders.changing import charging, correcting
from orders.changing.cancelling import cancel_order
from orders.changing.keeping import Tenders
from orders.changing.units import cancel_units
from orders.fulfilling import completing
from orders.models import ChargeCause, Order, OrderCharge
from orders.models.amounts import Bearer
from orders.models.charge import ChargeComponent
from payments.granting import deciding, limits
from payments.granting.previewing import Wanted
from payments.ledger.balances import balances_of
from payments.models import BalanceAccount, BalanceKind, GrantKind, Means, Payment, Refund, RefundGrant, RefundState
from payments.owing import balancing, owed, sending
from payments.providers.defaults import default_connection
from payments.taking import noticing, requesting
from tests import factories, fakes, steps
from tests.balances import wallets

RULES = [
    {},
    {"kind": "amount_off", "from": "150.00", "off": "30.00"},
    {"kind": "discount", "quantity": 3, "rate": "0.8"},
    {"kind": "nth_unit", "rate": "0.5"},
]
PRICES = ("79.20", "59.90", "33.33")
# Ledger accounts on which nothing of an order stays that came back whole; the merchants' keep what the platform bears.
OF_ORDERS = ("2101", "2201", "4001", "4002", "4003")
OF_MERCHANTS = ("2201", "4002")
REASONS = {GrantKind.GOODWILL: "late", GrantKind.PRICE_PROTECTION: "price_fell", GrantKind.COMPENSATION: "damage"}


class Money(RuleBasedStateMachine):
    """One paid order of five units, a provider, and people who give money back."""

    def __init__(self) -> None:
        super().__init__()
        self.exit = ExitStack()
        self.block = transaction.atomic()
        self.block.__enter__()
        self.shop = factories.make_shop()
        limits.install_defaults()
        self.people = [factories.UserFactory(is_superuser=True) for _person in range(2)]
        self.provider = fakes.FakeProvider()
        self.exit.enter_context(fakes.provider(self.provider))
        self.sent_back = Decimal(0)  # by what the provider told
        self.told: dict[str, Decimal] = {}  # by the refund's number, as the provider told it
        self.kept_by_provider = Decimal(0)  # what it sent back less than it was asked to
        self.order: Order | None = None
        self.accounts: list[BalanceAccount] = []  # what of ours pays besides, and what they had
        self.had: list[int] = []

    def teardown(self) -> None:
        """Nothing of an example stays."""
        try:
            if self.order is not None:
                self.give_up_all()
        finally:
            self.exit.close()
            transaction.set_rollback(True)
            self.block.__exit__(None, None, None)

    @initialize(
        rule=st.sampled_from(RULES),
        off=st.sampled_from(["30.00", "9.95"]),
        gift_card=st.sampled_from(["0.00", "50.00", "195.00"]),
        points=st.sampled_from(["0.00", "7.77"]),
        is_ours=st.booleans(),
        freight=st.sampled_from(["0.00", "6.00"]),
        borne=st.sampled_from(["0.00", "5.00"]),
        is_marketplace=st.booleans(),
        how_far=st.sampled_from(["paid", "split", "delivered", "completed"]),
        less=st.sampled_from([0, 1]),
    )
    def an_order(
        self,
        rule: dict[str, Any],
        off: str,
        gift_card: str,
        points: str,
        is_ours: bool,
        freight: str,
        borne: str,
        is_marketplace: bool,
        how_far: str,
        less: int,
    ) -> None:
        seller = factories.MerchantFactory() if is_marketplace else self.shop.merchant
        skus = [factories.SkuFactory(merchant=seller) for _price in PRICES]
        warehouse = factories.WarehouseFactory(merchant=seller) if is_marketplace else self.shop.warehouse
        for sku in skus:
            factories.StockFactory(sku=sku, warehouse=warehouse)
        lines = [(sku, units, price) for sku, units, price in zip(skus, (1, 2, 2), PRICES, strict=True)]
        used = 777 if points != "0.00" else 0
        tenders: dict[str, Any] = {"gift_card_amount": gift_card, "points": {"used": used, "amount": points}}
        if is_ours:
            # Of accounts of ours, with more on them than the order takes; else others keep them.
            tenders |= wallets.by_points(used)
            self.accounts = [wallets.member(self.shop.merchant, used + 100)]
            if gift_card != "0.00":
                issued = wallets.card(self.shop.merchant, "200.00")
                tenders |= wallets.by_card(issued, gift_card)
                self.accounts.append(issued.card)
        self.had = [wallets.has(account)[0] for account in self.accounts]
        self.before = balances_of(OF_ORDERS)
        self.order = self.shop.place_order(
            *lines,
            promotions=[{"id": "P1", "amount": off, "rule": rule, "platform_amount": borne}],
            freight_amount=freight,
            **tenders,
        )
        self.freight, self.less = Decimal(freight), less
        self.is_delivered = how_far in ("delivered", "completed")
        self.is_split, self.is_back = how_far != "paid", False
        self.paid = self.order.payable_amount
        steps.pay(self.order)
        if self.is_delivered:
            steps.scan(steps.shipped(self.order), "collected", "signed")
        elif self.is_split:
            steps.approve_and_split()
        if how_far == "completed":
            self.complete()
        self.look()

    # --- What people do

    @rule(kind=st.sampled_from(list(REASONS)), fen=st.integers(1, 8_000), line=st.integers(1, 3), alone=st.booleans())
    def give(self, kind: GrantKind, fen: int, line: int, alone: bool) -> None:
        at = line if kind == GrantKind.PRICE_PROTECTION else None
        self.propose(Wanted(kind, Decimal(fen) / 100, at), REASONS[kind], alone)

    @precondition(lambda self: self.is_delivered)
    @rule(
        line=st.integers(1, 3),
        units=st.integers(1, 2),
        reason=st.sampled_from(["no_reason", "sellers_fault"]),
        alone=st.booleans(),
        bearer=st.sampled_from([None, *Bearer]),
    )
    def send_back(self, line: int, units: int, reason: str, alone: bool, bearer: Bearer | None) -> None:
        self.propose(Wanted(GrantKind.RETURN, units={line: units}), reason, alone, bearer)

    def propose(self, wanted: Wanted, reason: str, alone: bool, bearer: Bearer | None = None) -> None:
        assert self.order
        user = self.people[0] if alone else None
        more = {"actor": steps.STAFF, "user": user, "bearer": bearer}
        with suppress(OmsError):
            deciding.propose(self.order.pk, wanted, reason=reason, note="x", **more)  # type: ignore[arg-type]
        self.look()

    @precondition(lambda self: self.is_delivered)
    @rule()
    def complete(self) -> None:
        factories.run(completing.run)
        self.look()

    @precondition(lambda self: self.is_delivered and not self.is_back)
    @rule()
    def the_parcel_comes_back(self) -> None:
        self.is_back = True
        steps.scan(Shipment.objects.get(), "returned")
        self.look()

    @precondition(lambda self: not self.is_split)
    @rule()
    def split(self) -> None:
        self.is_split = True
        steps.approve_and_split()
        self.look()

    @rule(which=st.integers(0, 3), agrees=st.booleans())
    def decide(self, which: int, agrees: bool) -> None:
        waiting = list(RefundGrant.objects.filter(state="proposed").order_by("pk"))
        if waiting:
            grant, user = waiting[which % len(waiting)], self.people[1]
            actor = type(steps.STAFF)(steps.STAFF.kind, user.username)
            with suppress(OmsError):
                if agrees:
                    deciding.approve(grant.pk, user=user, actor=actor)
                else:
                    deciding.decline(grant.pk, reason="no", actor=actor)
            self.look()

    @precondition(lambda self: not self.is_delivered)
    @rule(line=st.integers(1, 3), units=st.integers(1, 2))
    def cancel(self, line: int, units: int) -> None:
        assert self.order
        with suppress(OmsError):
            cancel_units(self.order.pk, {line: units}, reason="x", actor=steps.STAFF)
        self.look()

    # --- What the provider does

    @rule()
    def send(self) -> None:
        for refund in Refund.objects.filter(state=RefundState.GRANTED):
            sending.send(refund.pk, actor=steps.STAFF)
        factories.run(requesting.refund)
        self.look()

    @rule(is_another=st.booleans())
    def tell_of_the_payment_again(self, is_another: bool) -> None:
        """It comes late, or is another one: a person is told, and nothing is booked twice."""
        assert self.order
        steps.notify(f"{self.order.number}-P1", str(self.paid), transaction="T-again" if is_another else "T1")
        factories.run(noticing.run)
        self.look()

    @rule(fen=st.integers(1, 20_000), less=st.sampled_from([0, 0, 1]), is_closed=st.booleans(), times=st.integers(1, 2))
    def a_second_payment_comes(self, fen: int, less: int, is_closed: bool, times: int) -> None:
        """Asked for by mistake, and paid, perhaps after it was given up: all of it is too much."""
        assert self.order
        asked, place = Decimal(fen + less) / 100, Payment.objects.count() + 1
        number = f"{self.order.number}-P{place}"
        over = {"means": Means.ONLINE, "connection": default_connection()}
        Payment.objects.create(number=number, order=self.order, state="pending", amount=asked, ready_at=None, **over)
        if is_closed:
            Order.objects.filter(pk=self.order.pk).update(owed_changed_since=Now())
            factories.run(balancing.run)
        told = Decimal(fen) / 100
        for _time in range(times):
            steps.notify(number, str(told), transaction=f"T{number}")
        self.paid += told
        factories.run(noticing.run)
        payment = Payment.objects.get(number=number)
        assert self.called("payment_amount_differs", payment.pk) == bool(less)
        self.look()

    @rule(which=st.integers(0, 9), fails_first=st.booleans(), times=st.integers(1, 2), less=st.sampled_from([0, 0, 1]))
    def tell(self, which: int, fails_first: bool, times: int, less: int) -> None:
        asked = self.provider.refunds
        if not asked:
            return
        charge = asked[which % len(asked)]
        if charge.reference not in self.told:
            sent = charge.amount - Decimal(less) / 100 or charge.amount
            self.told[charge.reference] = sent
            self.sent_back += sent
            self.kept_by_provider += charge.amount - sent
        sent = self.told[charge.reference]
        if fails_first:
            steps.notify(charge.reference, str(charge.amount), "refund_failed")
        for _time in range(times):
            steps.notify(charge.reference, str(sent), "refunded", transaction=f"T{charge.reference}")
        factories.run(noticing.run)
        refund = Refund.objects.get(number=charge.reference)
        assert self.called("refund_amount_differs", refund.pk) == (sent != charge.amount)
        self.look()

    # --- What must hold

    def look(self) -> None:
        """Look at the books, and compare everybody's."""
        assert self.order
        factories.run(balancing.run)
        charged = charging.owed(self.order.pk)
        taken = sum((max(row.amount, row.refunded_amount) for row in Refund.objects.all()), Decimal(0))
        assert self.paid - taken == charged, (self.paid, taken, charged)
        assert self.value(owed.REFUNDED) == self.sent_back
        assert self.value(owed.CAPTURED) == self.paid
        assert balances_of(["1006"]).get("1006", Decimal(0)) == self.paid - self.sent_back
        found = correcting.read([self.order.pk])[self.order.pk].books.held
        assert min(found.cash, found.gift_card, found.points) >= 0
        for account, had in zip(self.accounts, self.had, strict=True):
            pays = found.points if account.kind == BalanceKind.POINTS else found.gift_card
            assert sum(wallets.has(account)) - self.earned(account) == had - pays
        assert steps.broken_invariants() == []

    def called(self, kind: str, subject_id: int) -> bool:
        """Whether a person was called for it."""
        return Ticket.objects.filter(kind=kind, subject_id=subject_id).exists()

    def earned(self, account: BalanceAccount) -> int:
        """What the order earned and has still, in points."""
        moves = account.movements.filter(kind__in=("earned", "taken_back"))
        return sum(move.available_change for move in moves)

    def value(self, expression: str) -> Decimal:
        assert self.order
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {expression} FROM orders_order o WHERE o.id = %s", [self.order.pk])
            (found,) = cursor.fetchone()
            return found

    def give_up_all(self) -> None:
        """All that is left comes back or is cancelled: the buyer has all that it paid, in every tender, but for freight
        of goods that came back for no reason."""
        assert self.order
        for grant in RefundGrant.objects.filter(state="proposed"):
            deciding.decline(grant.pk, reason="no", actor=steps.STAFF)
        if self.is_delivered:
            left: dict[int, int] = {}
            for part in correcting.parts(self.order.pk):
                left[part.position] = left.get(part.position, 0) + part.units
            units = {position: count for position, count in left.items() if count}
            if units:
                self.propose(Wanted(GrantKind.RETURN, units=units), "sellers_fault", True)
        else:
            with suppress(OmsError):
                cancel_order(self.order.pk, reason="x", actor=steps.STAFF)
        self.look()
        held = correcting.read([self.order.pk])[self.order.pk].books.held
        kept = OrderCharge.objects.filter(cause=ChargeCause.FREIGHT_KEPT).values_list("amount", flat=True)
        # What was given beside the price is held against the freight.
        given = OrderCharge.objects.filter(component=ChargeComponent.EXTRA).values_list("amount", flat=True)
        assert held.total <= self.freight * 100
        assert held.cash == (sum(kept) + sum(given)) * 100
        if not kept:
            assert held == Tenders()
            assert [wallets.has(account) for account in self.accounts] == [(had, 0) for had in self.had]
            is_platforms = RefundGrant.objects.filter(kind="return", state="approved", bearer="platform").exists()
            codes = [code for code in OF_ORDERS if not is_platforms or code not in OF_MERCHANTS]
            now = balances_of(codes)
            assert [now.get(code, 0) for code in codes] == [self.before.get(code, 0) for code in codes]
        self.send()
        for place in range(len(self.provider.refunds)):
            self.tell(place, False, 2, self.less)
        assert self.paid - self.sent_back - self.kept_by_provider == charging.owed(self.order.pk)


@pytest.mark.django_db
def test_charges_refunds_and_the_provider_agree_to_the_fen_whatever_happens():
    run_state_machine_as_test(
        Money,
        settings=settings(
            max_examples=12, stateful_step_count=8, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
