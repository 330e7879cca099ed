"""Whatever happens to an order and its invoices, in whatever order: what is invoiced in the end is what was paid and
not given back, here and at the service."""

from contextlib import ExitStack, suppress
from decimal import Decimal

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from oms.common import stuck
from oms.common.errors import OmsError
from oms.simulators.mischief import Trick
from oms.simulators.nuonuo import CONFIRM_WITHIN_SECONDS
from orders.changing import charging
from orders.intake.bodies import InvoiceBody
from orders.models import Order
from payments.granting import deciding, limits
from payments.granting.previewing import Wanted
from payments.invoicing import asking
from payments.models import GrantKind, Invoice, InvoiceState
from payments.owing import balancing
from tests import factories, steps
from tests.invoicing import world

RULE = {"kind": "amount_off", "from": "150.00", "off": "30.00"}
PRICES = ("9.99", "33.33", "120.00")
TITLES = (world.PERSON, world.COMPANY, {**world.COMPANY, "title": "已入账有限公司"})


class Invoices(RuleBasedStateMachine):
    """One order with a promotion and a coupon; its buyer, staff, the service and lost answers."""

    def __init__(self) -> None:
        super().__init__()
        self.exit = ExitStack()
        self.block = transaction.atomic()
        self.block.__enter__()
        self.peer = self.exit.enter_context(world.serving())
        self.order: Order | None = None

    def teardown(self) -> None:
        """Everything ends well; nothing of an example stays."""
        try:
            if self.order is not None:
                self.end()
        finally:
            self.exit.close()
            transaction.set_rollback(True)
            self.block.__exit__(None, None, None)

    @initialize(
        coupon=st.sampled_from(["0.00", "7.77"]),
        gift_card=st.sampled_from(["0.00", "50.00"]),
        freight=st.sampled_from(["0.00", "6.00"]),
        title=st.sampled_from(TITLES),
    )
    def an_order(self, coupon: str, gift_card: str, freight: str, title: dict[str, str]) -> None:
        limits.install_defaults()
        shop = factories.make_shop()
        world.company_of(shop.merchant, world.connect(self.peer))
        skus = [factories.SkuFactory(merchant=shop.merchant) for _price in PRICES]
        for sku in skus:
            factories.StockFactory(sku=sku, warehouse=shop.warehouse)
        lines = [(sku, units, price) for sku, units, price in zip(skus, (3, 2, 1), PRICES, strict=True)]
        self.order = shop.place_order(
            *lines,
            promotions=[{"id": "P1", "amount": "30.00", "rule": RULE}],
            coupon_amount=coupon,
            gift_card_amount=gift_card,
            freight_amount=freight,
            invoice=title,
        )
        self.user = factories.UserFactory(is_superuser=True)
        world.delivered(self.order)

    @rule(line=st.integers(1, 3), units=st.integers(1, 2), reason=st.sampled_from(["no_reason", "sellers_fault"]))
    def send_back(self, line: int, units: int, reason: str) -> None:
        self.grant(Wanted(GrantKind.RETURN, units={line: units}), reason)

    @rule(fen=st.integers(1, 3000))
    def give(self, fen: int) -> None:
        self.grant(Wanted(GrantKind.GOODWILL, Decimal(fen) / 100), "late")

    def grant(self, wanted: Wanted, reason: str) -> None:
        assert self.order
        with suppress(OmsError):
            deciding.propose(self.order.pk, wanted, reason=reason, note="x", actor=steps.STAFF, user=self.user)
        factories.run(balancing.run)

    @rule(title=st.sampled_from(TITLES))
    def retitle(self, title: dict[str, str]) -> None:
        assert self.order
        with suppress(OmsError):
            asking.ask(self.order.pk, InvoiceBody(**{"kind": "ordinary", **title}), actor=steps.STAFF)

    @rule()
    def work(self) -> None:
        world.work()

    @rule(seconds=st.sampled_from([9.0, 9.0, CONFIRM_WITHIN_SECONDS]))
    def let_time_pass(self, seconds: float) -> None:
        world.later(self.peer, seconds)

    @rule(trick=st.sampled_from([Trick.ERROR_BEFORE, Trick.ERROR_AFTER, Trick.DROP_AFTER]))
    def lose_an_answer(self, trick: Trick) -> None:
        self.peer.mischief.plan(trick)
        world.later(self.peer, 1)

    @rule(to=st.booleans())
    def answer_a_red_letter(self, to: bool) -> None:
        for number, one in self.peer.bureau.confirmations.items():
            if one.status == "02":
                self.peer.agree(number, to=to)

    def end(self) -> None:
        """Everybody answers, people look at what was refused; then it must fit."""
        assert self.order
        self.peer.mischief.forget()
        for _turn in range(12):
            self.answer_a_red_letter(to=True)
            for invoice in Invoice.objects.filter(state=InvoiceState.FAILED):
                asking.send_again(invoice.pk, actor=steps.STAFF)
            for invoice in Invoice.objects.filter(needs_person_since__isnull=False):
                stuck.give_back(Invoice, invoice.pk, by="li")
            world.later(self.peer)
        assert not Invoice.objects.filter(ready_at__isnull=False).exists()
        owed = charging.owed(self.order.pk)
        assert world.net_invoiced() == self.peer.bureau.net_issued() == owed, world.states()
        assert steps.broken_invariants() == []


@pytest.mark.django_db
def test_what_is_invoiced_in_the_end_is_what_was_paid_and_not_given_back() -> None:
    run_state_machine_as_test(
        Invoices,
        settings=settings(
            max_examples=8, stateful_step_count=9, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
