"""Exchanges in any order: asked for, decided, paid or not, sent, received, inspected, given up, late and twice; every
invariant holds after each step, and in the end nobody paid for what nobody has."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from inventory.models import Sku
from oms.common.errors import OmsError
from oms.merchants.models import Channel
from orders.changing import cancelling
from orders.models import Exchange, Found, Order, OrderState, ReturnRequest
from orders.returning import deadlines, inspecting, paying, travelling
from orders.returning import deciding as returning
from orders.returning import requesting as asking
from orders.returning.exchanging import NewGoods
from payments.exchanging import beginning, following, writing_off
from payments.models import Payment
from payments.owing import balancing
from payments.taking import expiring, noticing, requesting
from tests import factories, fakes, steps
from tests.exchanging.world import wanted
from tests.machines import run_apart
from tests.payments.grants import member, send_back
from tests.payments.test_promotions_lost import promotion
from tests.returns.world import BUYER, install, pay_back

PICK = st.integers(0, 5)


class Exchanges(RuleBasedStateMachine):
    """An order of two lines at the buyer's, who wants other goods."""

    @initialize(
        has_promotion=st.booleans(),
        leaves=st.sampled_from(["at_once", "received", "inspected"]),
        price=st.sampled_from(["5.00", "50.00", "80.00"]),
    )
    def delivered(self, has_promotion: bool, leaves: str, price: str) -> None:
        self.shop = factories.make_shop()
        install()
        self.clerk = member("customer_service")
        self.skus = [factories.SkuFactory(merchant=self.shop.merchant) for _line in range(2)]
        for sku in self.skus:
            factories.StockFactory(sku=sku, warehouse=self.shop.warehouse)
        Sku.objects.update(list_price=price)
        Channel.objects.update(exchange_leaves=leaves)
        terms: dict[str, Any] = {"promotions": [promotion("30.00", "200.00")]} if has_promotion else {}
        lines = ((self.skus[0], 3, "50.00"), (self.skus[1], 2, "40.00"))
        self.order = self.shop.place_order(*lines, freight_amount="0.00", **terms)
        steps.pay(self.order)
        steps.scan(steps.shipped(self.order), "collected", "signed")
        self.order.sub_orders.update(delivered_at=timezone.now())

    def row(self, pick: int) -> ReturnRequest | None:
        rows = list(ReturnRequest.objects.order_by("pk"))
        return rows[pick % len(rows)] if rows else None

    def new(self, pick: int) -> Order | None:
        rows = list(Order.objects.filter(exchange__isnull=False).order_by("pk"))
        return rows[pick % len(rows)] if rows else None

    @rule(position=st.integers(1, 2), units=st.integers(1, 2), other=st.integers(0, 2), at_once=st.booleans())
    def somebody_wants_other_goods(self, position: int, units: int, other: int, at_once: bool) -> None:
        goods = [NewGoods(self.skus[2 - position].code, other)] if other else []
        with suppress(OmsError):
            wish = wanted(self.order, {position: units}, goods)
            if at_once:
                beginning.exchange(self.order.pk, wish, actor=steps.STAFF)
            else:
                asking.request(self.order.pk, wish, actor=BUYER)

    @rule(pick=PICK, how=st.integers(0, 2))
    def it_is_decided(self, pick: int, how: int) -> None:
        if row := self.row(pick):
            with suppress(OmsError):
                if how == 0:
                    beginning.approve(row.pk, actor=steps.STAFF)
                elif how == 1:
                    returning.approve(row.pk, actor=steps.STAFF)
                else:
                    returning.decline(row.pk, reason="no", actor=steps.STAFF)

    @rule(pick=PICK, how=st.integers(0, 2))
    def it_does_not_come(self, pick: int, how: int) -> None:
        if row := self.row(pick):
            with suppress(OmsError):
                if how == 0:
                    returning.cancel(row.pk, reason="keeps it", actor=steps.STAFF)
                elif how == 1:
                    returning.expire(row.pk, actor=steps.STAFF)
                else:
                    paying.close_without_goods(row.pk, reason="lost", actor=steps.STAFF)

    @rule(pick=PICK)
    def it_is_sent(self, pick: int) -> None:
        if row := self.row(pick):
            with suppress(OmsError):
                travelling.hand_over(row.pk, carrier="", waybill=f"W{row.pk}", actor=BUYER)

    @rule(pick=PICK)
    def it_comes(self, pick: int) -> None:
        if row := self.row(pick):
            with suppress(OmsError):
                travelling.receive(row.pk, actor=steps.STAFF)

    @rule(pick=PICK, what=st.lists(st.sampled_from([*Found, Found.GOOD, Found.GOOD]), min_size=2, max_size=2))
    def it_is_inspected(self, pick: int, what: list[Found]) -> None:
        row = self.row(pick)
        if row is None:
            return
        findings: dict[int, dict[str, int]] = {}
        for line in row.lines.all():
            found: dict[str, int] = {}
            for unit in range(line.quantity):
                code = what[unit % 2].value
                found[code] = found.get(code, 0) + 1
            findings[line.sub_order_line_id] = found
        with suppress(OmsError):
            inspecting.inspect(row.pk, findings, actor=steps.STAFF)

    @rule(pick=PICK, fewer=st.booleans())
    def its_money_is_granted(self, pick: int, fewer: bool) -> None:
        if row := self.row(pick):
            line = row.lines.first()
            units = {line.sub_order_line_id: 1} if fewer and line else None
            with suppress(OmsError):
                pay_back(row, self.clerk, units=units)

    @rule(pick=PICK, early=st.booleans())
    def its_money_is_decided_otherwise(self, pick: int, early: bool) -> None:
        if row := self.row(pick):
            with suppress(OmsError):
                if early:
                    paying.pay_before(row.pk, actor=steps.STAFF)
                else:
                    paying.give_nothing(row.pk, reason="no", actor=steps.STAFF)

    @rule(pick=PICK, twice=st.booleans())
    def the_difference_is_paid(self, pick: int, twice: bool) -> None:
        with fakes.provider(fakes.FakeProvider()):
            factories.run(requesting.request)
        payments = list(Payment.objects.filter(order__exchange__isnull=False, means="online").order_by("pk"))
        if payments:
            payment = payments[pick % len(payments)]
            for _time in range(1 + twice):
                steps.notify(payment.number, str(payment.amount), transaction=f"T{payment.pk}")
            factories.run(noticing.run)

    @rule(pick=PICK)
    def the_difference_is_not_paid_in_time(self, pick: int) -> None:
        new = self.new(pick)
        if new is not None and new.state == OrderState.AWAITING_PAYMENT:
            Order.objects.filter(pk=new.pk).update(pay_by=timezone.now() - timedelta(minutes=1))
            factories.run(expiring.run)

    @rule(pick=PICK)
    def the_new_order_is_cancelled(self, pick: int) -> None:
        if new := self.new(pick):
            with suppress(OmsError):
                cancelling.cancel_order(new.pk, reason="no", actor=steps.STAFF)

    @rule(pick=PICK)
    def the_new_goods_leave(self, pick: int) -> None:
        new = self.new(pick)
        if new is not None and new.state == OrderState.IN_REVIEW and not new.open_holds:
            steps.shipped(new)

    @rule(pick=PICK)
    def what_is_missing_is_written_off(self, pick: int) -> None:
        if row := self.row(pick):
            with suppress(OmsError):
                writing_off.write_off(row.pk, reason="so", actor=steps.STAFF)

    @rule(units=st.integers(1, 2))
    def units_are_granted_beside(self, units: int) -> None:
        with suppress(OmsError):
            send_back(self.order, {1: units}, self.clerk)

    @rule()
    def the_stages_run(self) -> None:
        factories.run(following.run, balancing.run, following.run, balancing.run)

    @rule()
    def time_passes(self) -> None:
        steps.once(deadlines.run)

    @invariant()
    def all_holds(self) -> None:
        if hasattr(self, "order"):
            assert steps.broken_invariants() == []

    def teardown(self) -> None:
        """When everything has been looked at, nothing is left to do, and no new goods go out that nobody paid."""
        if not hasattr(self, "order"):
            return
        for _round in range(3):
            self.the_stages_run()
        assert following.run(500) == 0
        assert steps.broken_invariants() == []
        for row in Exchange.objects.filter(ended_at__isnull=False, new_order__isnull=False):
            assert row.new_order is not None
            assert row.new_order.state == OrderState.CANCELLED, "an exchange that was given up sends nothing"


@pytest.mark.django_db
def test_exchanges_hold_in_any_order():
    run_apart(Exchanges, examples=10, steps=14)


@pytest.mark.soak
@pytest.mark.django_db
def test_exchanges_hold_in_any_order_for_long():
    run_apart(Exchanges, examples=150, steps=25)
