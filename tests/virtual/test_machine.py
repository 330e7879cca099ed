"""Codes under whatever may happen to them, in any order: each is sold at most once at a time, never after it was looked
at, and the units on hand are the codes for sale."""

from datetime import timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from inventory.models import Stock
from logistics.buyer.asking import BUYER
from logistics.invariants import INVARIANTS
from logistics.models import CodeSale, VirtualCode
from logistics.virtual import confirming, delivering, revealing, settling, stocking, taking_back
from oms.common import secrecy
from oms.common.errors import OmsError
from oms.common.work import clock
from orders.changing import cancelling
from orders.fulfilling import allocating, splitting
from orders.models import Order, SubOrder
from orders.reviewing import deciding
from tests import factories, steps
from tests.invariants import check
from tests.machines import run_apart, undone
from tests.virtual import world

OF_CODES = [one for one in INVARIANTS if "code" in one.name]
WHICH = st.integers(min_value=0, max_value=9)


class CodeMachine(RuleBasedStateMachine):
    """One SKU that sells codes, beside a model that knows who saw which code."""

    @initialize()
    def begin(self) -> None:
        self.shop = factories.make_shop()
        self.sku = world.code_sku(self.shop)
        self.last = 0
        self.given: set[str] = set()
        self.seen: dict[str, int] = {}
        world.bring(self.shop, self.sku, self.new(3))

    def new(self, count: int) -> list[str]:
        codes = [f"CODE-{self.last + i:05}" for i in range(1, count + 1)]
        self.last += count
        self.given |= {*codes}
        return codes

    def part(self, which: int) -> SubOrder | None:
        parts = list(SubOrder.objects.filter(storage_class="virtual").order_by("id"))
        return parts[which % len(parts)] if parts else None

    @rule(count=st.integers(min_value=1, max_value=4), days=st.sampled_from([None, 0, 1, 5]))
    def come(self, count: int, days: int | None) -> None:
        valid_until = None if days is None else stocking.today() + timedelta(days)
        assert world.bring(self.shop, self.sku, self.new(count), valid_until=valid_until).added == count

    @rule(which=WHICH)
    def come_again(self, which: int) -> None:
        code = sorted(self.given)[which % len(self.given)]
        assert world.bring(self.shop, self.sku, [code]).added == 0

    @rule(units=st.integers(min_value=1, max_value=3))
    def buy(self, units: int) -> None:
        self.shop.place_order((self.sku, units, "15.00"), payment_method="cod")
        factories.run(deciding.run, splitting.run, allocating.run)

    @rule()
    def deliver(self) -> None:
        with clock.skipping_waits():
            delivering.run(500)

    @rule()
    def settle(self) -> None:
        settling.run(500)

    @rule(which=WHICH, is_buyer=st.booleans())
    def look(self, which: int, is_buyer: bool) -> None:
        part = self.part(which)
        if part is None:
            return
        actor = BUYER if is_buyer else steps.STAFF
        try:
            contents = revealing.reveal(part.pk, actor=actor, reason="" if is_buyer else "asked")
        except revealing.NotThere:
            assert part.state not in ("delivered", "completed")
            return
        for code in (lines[0] for content in contents for lines in content.things):
            assert self.seen.setdefault(code, part.pk) == part.pk, "two saw the same code"

    @rule(which=WHICH)
    def confirm(self, which: int) -> None:
        part = self.part(which)
        if part is not None:
            try:
                confirming.confirm(part.pk, actor=BUYER)
            except OmsError:
                assert part.state not in ("delivered", "completed") or part.pk not in self.seen.values()

    @rule(which=WHICH)
    def cancel(self, which: int) -> None:
        orders = list(Order.objects.order_by("id"))
        if not orders:
            return
        order = orders[which % len(orders)]
        try:
            cancelling.cancel_order(order.pk, reason="x", actor=steps.STAFF)
        except cancelling.CannotCancel:
            return
        assert not set(order.sub_orders.values_list("pk", flat=True)) & set(self.seen.values())

    @rule(which=WHICH)
    def take_back(self, which: int) -> None:
        part = self.part(which)
        if part is None:
            return
        try:
            taking_back.take_back(part.pk, reason="x", actor=steps.STAFF)
        except taking_back.CannotTakeBack:
            return
        assert part.pk not in self.seen.values()

    @rule(which=WHICH)
    def withdraw(self, which: int) -> None:
        codes = list(VirtualCode.objects.order_by("id").values_list("pk", flat=True))
        try:
            stocking.withdraw([codes[which % len(codes)]], reason="leaked", actor=steps.STAFF)
        except OmsError:
            row = Stock.objects.get(sku=self.sku)
            assert row.on_hand == row.reserved

    @rule(days=st.integers(min_value=1, max_value=3))
    def a_day_passes(self, days: int) -> None:
        VirtualCode.objects.filter(valid_until__isnull=False, state="on_shelf").update(
            valid_until=stocking.today() - timedelta(days)
        )
        stocking.expire()
        assert not VirtualCode.objects.filter(state="on_shelf", valid_until__lt=stocking.today()).exists()

    @invariant()
    def units_are_the_codes_for_sale(self) -> None:
        if not hasattr(self, "sku"):
            return
        row = Stock.objects.get(sku=self.sku)
        assert row.on_hand == VirtualCode.objects.filter(state="on_shelf").count()
        assert row.reserved <= row.on_hand
        assert VirtualCode.objects.count() == len(self.given)

    @invariant()
    def what_was_seen_is_never_for_sale_again(self) -> None:
        if not hasattr(self, "sku"):
            return
        for code in VirtualCode.objects.filter(state__in=["on_shelf", "expired", "withdrawn"]):
            assert secrecy.unseal(code.content) not in self.seen
        held = list(CodeSale.objects.filter(taken_back_at=None).values_list("code_id", flat=True))
        assert len(held) == len(set(held))

    @invariant()
    def codes_and_stock_agree(self) -> None:
        assert [finding.invariant.name for finding in check(OF_CODES)] == []

    @rule()
    def look_at_everything(self) -> None:
        assert steps.broken_invariants() == []


@pytest.mark.django_db
def test_codes_keep_their_rules_whatever_happens() -> None:
    with undone():
        run_apart(CodeMachine, examples=20, steps=20)
