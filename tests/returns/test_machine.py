"""Returns in any order: asked for, decided, sent, received, inspected, paid, refused, late, twice; every invariant
holds after each step, and stock and money are what was found and granted."""

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from oms.common.errors import OmsError
from orders.models import Found, ReturnFinding, ReturnRequest, SubOrderLine
from orders.models.return_request import RESTOCKED
from orders.returning import deadlines, deciding, inspecting, paying, repairing, travelling
from payments.granting import deciding as granting
from payments.models import RefundGrant
from tests import factories, steps
from tests.machines import run_apart
from tests.payments.grants import actor, member, send_back
from tests.payments.test_promotions_lost import promotion
from tests.returns.world import BUYER, ask, install, pay_back

PICK = st.integers(0, 5)
UNITS = st.integers(1, 3)


class Returns(RuleBasedStateMachine):
    """An order of two lines at the buyer's, and everybody who wants something of it."""

    @initialize(has_promotion=st.booleans())
    def delivered(self, has_promotion: bool) -> None:
        self.shop = factories.make_shop()
        install()
        self.clerk, self.lead = member("customer_service"), member("customer_service_lead")
        skus = [factories.SkuFactory(merchant=self.shop.merchant) for _line in range(2)]
        for sku in skus:
            factories.StockFactory(sku=sku, warehouse=self.shop.warehouse)
        terms: dict[str, Any] = {"promotions": [promotion("30.00", "200.00")]} if has_promotion else {}
        self.order = self.shop.place_order((skus[0], 3, "50.00"), (skus[1], 2, "40.00"), freight_amount="0.00", **terms)
        steps.pay(self.order)
        self.parcel = steps.shipped(self.order)
        steps.scan(self.parcel, "collected", "signed")
        self.order.sub_orders.update(delivered_at=factories.timezone.now())

    def row(self, pick: int) -> ReturnRequest | None:
        rows = list(ReturnRequest.objects.order_by("pk"))
        return rows[pick % len(rows)] if rows else None

    @rule(position=st.integers(1, 2), units=UNITS, kind=st.sampled_from(["return_and_refund", "refund_only", "repair"]))
    def somebody_asks(self, position: int, units: int, kind: str) -> None:
        with suppress(OmsError):
            ask(self.order, {position: units}, kind=kind)

    @rule(amount=st.sampled_from(["1.00", "55.55"]))
    def an_amount_is_agreed(self, amount: str) -> None:
        with suppress(OmsError):
            ask(self.order, {1: 1}, kind="refund_only", agreed_amount=Decimal(amount))

    @rule(pick=PICK, yes=st.booleans())
    def it_is_decided(self, pick: int, yes: bool) -> None:
        if row := self.row(pick):
            with suppress(OmsError):
                if yes:
                    deciding.approve(row.pk, actor=steps.STAFF)
                else:
                    deciding.decline(row.pk, reason="no", actor=steps.STAFF)

    @rule(pick=PICK)
    def it_is_cancelled(self, pick: int) -> None:
        if row := self.row(pick):
            with suppress(OmsError):
                deciding.cancel(row.pk, reason="keeps it", actor=steps.STAFF)

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

    @rule(pick=PICK, what=st.lists(st.sampled_from(list(Found)), min_size=3, max_size=3), more=st.integers(0, 1))
    def it_is_inspected(self, pick: int, what: list[Found], more: int) -> None:
        row = self.row(pick)
        if row is None:
            return
        findings: dict[int, dict[str, int]] = {}
        for line in row.lines.all():
            found: dict[str, int] = {}
            for unit in range(line.quantity + more):
                code = what[unit % 3].value
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

    @rule(pick=PICK, yes=st.booleans())
    def a_second_person_decides(self, pick: int, yes: bool) -> None:
        grants = list(RefundGrant.objects.filter(state="proposed").order_by("pk"))
        if grants:
            grant = grants[pick % len(grants)]
            with suppress(OmsError):
                if yes:
                    granting.approve(grant.pk, user=self.lead, actor=actor(self.lead))
                else:
                    granting.decline(grant.pk, reason="no", actor=actor(self.lead))

    @rule(pick=PICK)
    def it_is_paid_before(self, pick: int) -> None:
        if row := self.row(pick):
            with suppress(OmsError):
                paying.pay_before(row.pk, actor=steps.STAFF)

    @rule(pick=PICK, how=st.sampled_from([paying.give_nothing, paying.close_without_goods]))
    def it_ends_otherwise(self, pick: int, how: Any) -> None:
        if row := self.row(pick):
            with suppress(OmsError):
                how(row.pk, reason="so", actor=steps.STAFF)

    @rule(pick=PICK)
    def it_is_repaired(self, pick: int) -> None:
        if row := self.row(pick):
            with suppress(OmsError):
                paying.send_repaired(row.pk, waybill="R1", actor=steps.STAFF)

    @rule(pick=PICK)
    def it_cannot_be_repaired(self, pick: int) -> None:
        if row := self.row(pick):
            with suppress(OmsError):
                repairing.give_up(row.pk, instead="return_and_refund", reason="no parts", actor=steps.STAFF)

    @rule(units=UNITS)
    def units_are_granted_beside(self, units: int) -> None:
        with suppress(OmsError):
            send_back(self.order, {1: units}, self.clerk)

    @rule()
    def time_passes(self) -> None:
        steps.once(deadlines.run)

    @precondition(lambda self: hasattr(self, "parcel"))
    @rule(seldom=st.integers(0, 6))
    def the_carrier_brings_all_of_it_back(self, seldom: int) -> None:
        if seldom == 0:
            steps.scan(self.parcel, "returned")

    @invariant()
    def all_holds(self) -> None:
        if not hasattr(self, "parcel"):
            return
        assert steps.broken_invariants() == []
        for line in SubOrderLine.objects.filter(sub_order__order=self.order):
            here = sum(
                ReturnFinding.objects.filter(line__sub_order_line=line, found__in=[*RESTOCKED])
                .exclude(line__return_request__kind="repair")
                .values_list("quantity", flat=True)
            )
            assert 0 <= here <= line.quantity, "no unit is restocked twice"


@pytest.mark.django_db
def test_returns_hold_in_any_order(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    run_apart(Returns, examples=12, steps=14)


@pytest.mark.soak
@pytest.mark.django_db
def test_returns_hold_in_any_order_for_long(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    run_apart(Returns, examples=150, steps=25)
