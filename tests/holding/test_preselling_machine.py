"""Selling ahead in random order: after every step what is left to be sold ahead is what is on order, less what orders
wait for and what carts and quotes have of it; a cart gets units exactly where there are enough."""

from collections import Counter
from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from inventory import holding, preselling, purchase_arrivals, purchasing, sharing, transfer_arrivals, transferring
from inventory.hold_plans import Item, NewHold
from inventory.holding import GivenBack
from inventory.invariants import INVARIANTS
from inventory.models import ComingGoods, HoldPurpose, PurchaseOrder, StockHold, StockHoldLine, Transfer, Warehouse
from inventory.purchasing import Bought, Unloaded
from inventory.sharing import NewShare, Share
from inventory.transferring import Moved
from oms.common.errors import OmsError
from orders.changing.cancelling import cancel_order
from orders.fulfilling import allocating, freeing, splitting, waking
from orders.models import Order, StockWait
from orders.reviewing import deciding
from orders.stock import coming
from orders.stock import held as held_now
from tests import factories, steps
from tests.holding import carts
from tests.invariants import check
from tests.machines import run_apart

_WHICH = st.integers(0, 9)
_UNITS = st.integers(1, 9)


class Ahead(RuleBasedStateMachine):
    """A SKU of which nothing lies anywhere at first; half of what is on order is sold ahead."""

    @initialize(is_ordered=st.booleans())
    def begin(self, is_ordered: bool) -> None:
        self.shop = factories.make_shop()
        self.sku = factories.SkuFactory(merchant=self.shop.merchant)
        share = NewShare(self.shop.channel.pk, self.sku.pk, Share(presale_percent=50))
        sharing.set_shares([share], actor="li")
        self.number = 0
        self.orders: list[Order] = []
        self.target = factories.WarehouseFactory(merchant=self.shop.merchant)
        self.buy(9, 2, False)
        self.buy(9, 4, True)
        # Of what is on its way to the other warehouse, too; units that lie somewhere are sold before.
        self.goods_come(0, 3)
        self.move(2, 3)
        # What should have come yesterday is not counted on.
        self.buy(5, -1, False)
        self.tell()
        self.set_aside(4)
        self.set_aside(5)
        if is_ordered:
            # Its order waits for the goods by itself from now on.
            self.order(1, 5)
            self.allocate(True)

    def ahead(self) -> int:
        """What the carts have of it."""
        return sum(StockHoldLine.objects.filter(sku=self.sku, ahead__gt=0).values_list("ahead", flat=True))

    def free(self) -> int:
        """What is left of what is on order, by the rows."""
        today = timezone.localdate()
        bought = 0
        for order in PurchaseOrder.objects.filter(state="open", warehouse__is_active=True):
            for line in order.lines.all():
                day = line.expected_on or order.expected_on
                if day is not None and day >= today:
                    bought += max(0, line.quantity - line.received)
        for transfer in Transfer.objects.filter(state__in=["shipped", "partly_received"], target__is_active=True):
            if transfer.expected_on is not None and transfer.expected_on >= today:
                bought += sum(max(0, line.shipped - line.received) for line in transfer.lines.all())
        noted = ComingGoods.objects.filter(sku=self.sku).first()
        return max(0, bought - (noted.awaited if noted else 0) - self.ahead())

    def held(self) -> list[StockHold]:
        return list(StockHold.objects.filter(state="held").order_by("pk"))

    @rule(is_active=st.booleans())
    def open_or_close(self, is_active: bool) -> None:
        """Of the other warehouse nothing is sold while it is closed."""
        Warehouse.objects.filter(pk=self.target.pk).update(is_active=is_active)
        self.target.refresh_from_db()

    @rule(units=_UNITS, days=st.integers(-1, 5), is_there=st.booleans())
    def buy(self, units: int, days: int, is_there: bool) -> None:
        place = self.target if is_there and self.target.is_active else self.shop.warehouse
        self.number += 1
        day = timezone.localdate() + timedelta(days=days)
        bought = [Bought(self.sku.code, units)]
        steps.buy(self.shop.merchant, f"PO-{self.number}", place, bought, expected_on=day)

    @rule(which=_WHICH, is_cancelled=st.booleans())
    def end(self, which: int, is_cancelled: bool) -> None:
        found = list(PurchaseOrder.objects.filter(state="open").order_by("pk"))
        if found:
            purchasing.end(found[which % len(found)].pk, is_cancelled=is_cancelled, actor="lin")

    @rule(which=_WHICH, units=_UNITS)
    def goods_come(self, which: int, units: int) -> None:
        found = list(PurchaseOrder.objects.filter(state="open").order_by("pk"))
        if found:
            self.number += 1
            one = found[which % len(found)]
            with suppress(OmsError):
                purchase_arrivals.receive_goods(
                    one.warehouse,
                    [Unloaded(self.sku.code, units)],
                    reference=f"GR-{self.number}",
                    merchant=self.shop.merchant,
                    purchase_order=one,
                    actor="lin",
                )

    @rule(units=_UNITS, days=st.integers(0, 5) | st.none())
    def move(self, units: int, days: int | None) -> None:
        """Send units to the other warehouse; without a day of its lane, or one that is said, nobody knows when."""
        day = None if days is None else timezone.localdate() + timedelta(days=days)
        moved = [Moved(self.sku, units)]
        with suppress(OmsError), transaction.atomic():
            made = transferring.draft(self.shop.warehouse, self.target, moved, actor="lin", expected_on=day)
            transferring.approve(made.pk, actor="lin")
            transferring.ship(made.pk, actor="lin")

    @rule(which=_WHICH, units=_UNITS)
    def some_arrive(self, which: int, units: int) -> None:
        found = list(Transfer.objects.filter(state__in=["shipped", "partly_received"]).order_by("pk"))
        if found:
            self.number += 1
            told = [Unloaded(self.sku.code, units)]
            with suppress(OmsError):
                transfer_arrivals.receive(
                    found[which % len(found)].pk, told, reference=f"TR-{self.number}", actor="lin"
                )

    @rule(which=_WHICH, days=st.integers(0, 5) | st.none(), is_lost=st.booleans())
    def another_day(self, which: int, days: int | None, is_lost: bool) -> None:
        found = list(Transfer.objects.filter(state__in=["shipped", "partly_received"]).order_by("pk"))
        if found and is_lost:
            transferring.close(found[which % len(found)].pk, reason="lost", actor="lin")
        elif found:
            day = None if days is None else timezone.localdate() + timedelta(days=days)
            transferring.expect(found[which % len(found)].pk, day, actor="lin")

    @rule(units=_UNITS)
    def set_aside(self, units: int) -> None:
        there = sum(one.available for one in self.sku.stock.filter(warehouse__is_active=True))
        ahead = self.free() * 50 // 100
        most = sharing.sellable(there, Share(presale_percent=50), self.free())
        item = Item(1, self.sku.code, self.sku.pk, self.sku.merchant_id, self.sku.storage_class, units)
        new = NewHold(self.shop.merchant.pk, self.shop.channel.pk, HoldPurpose.CART, [item], seconds=600)
        before = self.ahead()
        outcome = holding.set_aside(new, actor="test")
        granted = units <= most and (units <= there or units <= ahead)
        assert (outcome.hold_id is not None) == granted, (units, there, ahead, most)
        assert self.ahead() - before == (units if granted and units > there else 0)

    @rule(which=_WHICH, units=_UNITS)
    def give_some_back(self, which: int, units: int) -> None:
        if held := self.held():
            hold = held[which % len(held)]
            shown = held_now.read([hold])[hold.pk].held
            ahead = self.ahead()
            of_it = sum(hold.lines.filter(ahead__gt=0).values_list("ahead", flat=True))
            with suppress(OmsError):
                holding.release_some(hold.pk, [GivenBack(1, units)], actor="test")
                assert units <= shown
                assert held_now.read([hold])[hold.pk].held == shown - units
                assert self.ahead() == ahead - min(units, of_it), "those on order go first"
                return
            assert units > shown

    @rule(which=_WHICH)
    def give_back(self, which: int) -> None:
        if held := self.held():
            holding.release(held[which % len(held)].pk, actor="test")

    @rule(which=_WHICH)
    def time_passes(self, which: int) -> None:
        if held := self.held():
            carts.let_time_pass(held[which % len(held)].number)
            steps.once(freeing.run)

    @rule(which=_WHICH, units=_UNITS)
    def order(self, which: int, units: int) -> None:
        if held := self.held():
            hold = held[which % len(held)]
            had = Counter(hold.lines.values_list("pk", flat=True))
            before = sum(StockHoldLine.objects.filter(pk__in=had, ahead__gt=0).values_list("ahead", flat=True))
            lines = [(self.sku, units, "1.00")]
            order = self.shop.place_order(*lines, payment_method="cod", reservation=hold.number)
            self.orders.append(order)
            kept = sum(StockHoldLine.objects.filter(pk__in=had, ahead__gt=0).values_list("ahead", flat=True))
            assert kept == min(before, units), "it keeps what it wants of it, and no more"

    @rule(units=_UNITS)
    def order_without_a_cart(self, units: int) -> None:
        self.orders.append(self.shop.place_order((self.sku, units, "1.00"), payment_method="cod"))

    @rule(which=_WHICH)
    def cancel(self, which: int) -> None:
        if self.orders:
            with suppress(OmsError):
                cancel_order(self.orders[which % len(self.orders)].pk, reason="x", actor=steps.STAFF)
            steps.once(freeing.run)

    @rule(tells=st.booleans())
    def allocate(self, tells: bool) -> None:
        factories.run(deciding.run, splitting.run, waking.run, allocating.run)
        if tells:
            self.tell()

    @rule()
    def tell(self) -> None:
        coming.tell()
        lacking = {}
        for wait in StockWait.objects.filter(sku=self.sku):
            lacking[wait.sub_order_id] = max(wait.units, lacking.get(wait.sub_order_id, 0))
        noted = ComingGoods.objects.get(sku=self.sku)
        assert (noted.awaited, noted.units) == (sum(lacking.values()), self.free())
        waiting = StockHoldLine.objects.filter(ahead__gt=0, hold__state="ordered")
        split = Order.objects.filter(stock_hold__in=waiting.values("hold"), state="split")
        assert not [one for one in split if not one.sub_orders.filter(state="awaiting_allocation").exists()]

    @invariant()
    def what_is_left_is_what_nobody_has(self) -> None:
        if not hasattr(self, "sku"):
            return
        assert preselling.units_ahead([self.sku.pk]) == {self.sku.pk: self.free()}
        assert [(finding.invariant.name, finding.examples) for finding in check(INVARIANTS)] == []


@pytest.mark.django_db
def test_after_every_step_nothing_is_sold_ahead_twice() -> None:
    run_apart(Ahead, examples=25, steps=20)
