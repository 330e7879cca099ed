"""Carts, quotes and orders in random order, with goods that come and go: after each step every unit that is promised is
promised to somebody, nobody lost what was his without a reason, and an order gets what was set aside for it.

Each example runs in a transaction that is rolled back.
"""

from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from inventory import holding, receiving, sharing
from inventory.holding import Item, NewHold
from inventory.invariants import INVARIANTS as OF_STOCK
from inventory.models import HoldPurpose, Sku, Stock, StockHold
from inventory.sharing import NewShare, Share
from oms.common.errors import OmsError
from oms.common.invariants import check
from orders.changing.cancelling import cancel_order
from orders.fulfilling import allocating, freeing, splitting
from orders.models import Order, SubOrder
from orders.reviewing import deciding
from orders.stock import held
from orders.stock.invariants import INVARIANTS as OF_SET_ASIDES
from orders.stock.stocktaking import count_stock
from tests import factories, steps
from tests.holding import carts

_ANY = st.integers(0, 30)
_UNITS = st.integers(1, 9)


@dataclass
class Cart:
    """What was granted, what it should still have, and its order."""

    hold_id: int
    number: str
    units: dict[int, int]
    state: str = "held"
    expires_at: object = None
    order: Order | None = None
    wanted: dict[int, int] = field(default_factory=dict)


class Counter(RuleBasedStateMachine):
    """A shop with two SKUs in two warehouses."""

    def __init__(self) -> None:
        super().__init__()
        self.block = transaction.atomic()
        self.block.__enter__()
        self.shop = factories.make_shop()
        far = factories.WarehouseFactory(merchant=self.shop.merchant, code="FAR", longitude=121.24, latitude=31.4)
        self.skus: list[Sku] = [self.shop.sku, self.shop.other_sku]
        for sku in self.skus:
            count_stock(sku.stock.get().pk, 20, actor=steps.STAFF)
            factories.StockFactory(sku=sku, warehouse=far, on_hand=6)
        self.carts: list[Cart] = []
        self.plain: list[Order] = []
        # Counts may take what was set aside: from then on no cart is sure of its units.
        self.is_sure = True

    def teardown(self) -> None:
        """Nothing of an example stays."""
        transaction.set_rollback(True)
        self.block.__exit__(None, None, None)

    def pick(self, which: int, *states: str) -> Cart | None:
        fitting = [cart for cart in self.carts if cart.state in states]
        return fitting[which % len(fitting)] if fitting else None

    # --- What buyers do

    @rule(first=_UNITS, second=st.integers(0, 9), is_whole=st.booleans(), goes_to_beijing=st.booleans())
    def set_aside(self, first: int, second: int, is_whole: bool, goes_to_beijing: bool) -> None:
        items = [
            Item(place, sku.code, sku.pk, sku.merchant_id, sku.storage_class, units)
            for place, (sku, units) in enumerate(zip(self.skus, (first, second), strict=True), 1)
            if units
        ]
        new = NewHold(
            *(self.shop.merchant.pk, self.shop.channel.pk, HoldPurpose.CART, items),
            seconds=600,
            is_whole=is_whole,
            region_code="110101" if goes_to_beijing else None,
        )
        could = sharing.sellable_units({self.shop.channel.pk: [sku.pk for sku in self.skus]})
        outcome = holding.set_aside(new, actor="test")
        lacking = {lack.position for lack in outcome.lacking}
        if not is_whole or not lacking:
            granted = {item.sku_id: item.quantity for item in items if item.position not in lacking}
        else:
            granted = {}
        assert bool(granted) == (outcome.hold_id is not None)
        assert all(units <= could[self.shop.channel.pk, sku] for sku, units in granted.items())
        if outcome.hold_id is not None:
            hold = StockHold.objects.get(pk=outcome.hold_id)
            self.carts.append(Cart(hold.pk, hold.number, granted, expires_at=hold.expires_at))
        self.look()

    @rule(which=_ANY, seconds=st.integers(10, 7200))
    def extend(self, which: int, seconds: int) -> None:
        cart = self.pick(which, "held")
        if cart:
            hold = holding.extend(cart.hold_id, seconds)
            assert hold.expires_at >= cart.expires_at
            assert (hold.expires_at - hold.created_at).total_seconds() <= 7200
            cart.expires_at = hold.expires_at
        over = self.pick(which, "expired", "released", "used", "ordered")
        if over:
            with pytest.raises(holding.HoldIsOver), transaction.atomic():
                holding.extend(over.hold_id, seconds)
        self.look()

    @rule(which=_ANY)
    def give_back(self, which: int) -> None:
        cart = self.pick(which, "held", "ordered")
        if cart and cart.state == "held":
            holding.release(cart.hold_id, actor="test")
            cart.state, cart.units = "released", {}
        elif cart:
            with pytest.raises(holding.HoldIsOver), transaction.atomic():
                holding.release(cart.hold_id, actor="test")
        self.look()

    @rule(which=_ANY, first=_UNITS, second=st.integers(0, 9))
    def order(self, which: int, first: int, second: int) -> None:
        cart = self.pick(which, "held")
        lines = [(sku, units, "1.00") for sku, units in zip(self.skus, (first, second), strict=True) if units]
        if cart is None:
            return
        cart.order = self.shop.place_order(*lines, payment_method="cod", reservation=cart.number)
        cart.state = "ordered"
        cart.wanted = {sku.pk: units for sku, units, _price in lines}
        cart.units = {sku: min(units, cart.wanted.get(sku, 0)) for sku, units in cart.units.items()}
        self.look()

    @rule(which=_ANY, units=_UNITS)
    def order_what_is_over(self, which: int, units: int) -> None:
        cart = self.pick(which, "expired", "released", "used", "ordered")
        if cart:
            with pytest.raises(AssertionError):
                self.shop.place_order((self.skus[0], units, "1.00"), payment_method="cod", reservation=cart.number)
        self.look()

    @rule(units=_UNITS, which=st.integers(0, 1))
    def order_without_a_cart(self, units: int, which: int) -> None:
        self.plain.append(self.shop.place_order((self.skus[which], units, "1.00"), payment_method="cod"))
        self.look()

    @rule(which=_ANY, is_plain=st.booleans())
    def cancel(self, which: int, is_plain: bool) -> None:
        cart = self.pick(which, "ordered", "used")
        order = self.plain[which % len(self.plain)] if is_plain and self.plain else cart and cart.order
        if order is None:
            return
        with suppress(OmsError):
            cancel_order(order.pk, reason="x", actor=steps.STAFF)
        steps.once(freeing.run)
        for one in self.carts:
            if one.order and one.order.pk == order.pk and one.state == "ordered":
                one.state, one.units = "released", {}
        self.look()

    # --- What people, time and stages do

    @rule(which=_ANY, comes_by=st.booleans())
    def time_passes(self, which: int, comes_by: bool) -> None:
        cart = self.pick(which, "held")
        if cart is None:
            return
        carts.let_time_pass(cart.number)
        cart.state = "expired"
        if comes_by:
            steps.once(freeing.run)
            self.after_freeing()
        self.look()

    @rule()
    def split(self) -> None:
        factories.run(deciding.run, splitting.run)
        steps.once(freeing.run)
        self.after_freeing()
        self.look()

    @rule()
    def allocate(self) -> None:
        factories.run(deciding.run, splitting.run, allocating.run)
        for cart in self.carts:
            if cart.state == "ordered":
                self.got(cart)
        steps.once(freeing.run)
        self.after_freeing()
        self.look()

    def got(self, cart: Cart) -> None:
        """The order has at least what was set aside for it, and waits for nothing but what is beyond that."""
        parts = SubOrder.objects.filter(order=cart.order)
        for sku_id, units in cart.units.items():
            mine = parts.filter(state="allocated", lines__order_line__sku=sku_id)
            assert not self.is_sure or sum(mine.values_list("lines__quantity", flat=True)) >= units, cart
        cart.state, cart.units = "ordered" if parts.filter(state="backordered").exists() else "used", {}

    def after_freeing(self) -> None:
        for cart in self.carts:
            if cart.state == "expired":
                cart.units = {}

    @rule(units=st.integers(1, 10), which=st.integers(0, 1))
    def goods_come(self, units: int, which: int) -> None:
        receiving.receive(self.shop.warehouse.pk, self.skus[which].pk, units, actor="test")
        self.look()

    @rule(counted=st.integers(0, 25), which=st.integers(0, 1))
    def count(self, counted: int, which: int) -> None:
        stock = Stock.objects.get(sku=self.skus[which], warehouse=self.shop.warehouse)
        if counted < stock.reserved:
            self.is_sure = False
        with suppress(OmsError), transaction.atomic():
            count_stock(stock.pk, counted, actor=steps.STAFF)
        self.look()

    @rule(percent=st.sampled_from([0, 30, 100]), cap=st.sampled_from([None, 3]))
    def share(self, percent: int, cap: int | None) -> None:
        new = NewShare(self.shop.channel.pk, self.skus[0].pk, Share(percent, 0, cap))
        sharing.set_shares([new], actor="test")
        self.look()

    # --- What must be so

    def look(self) -> None:
        assert check((*OF_STOCK, *OF_SET_ASIDES)) == []
        holds = list(StockHold.objects.filter(pk__in=[cart.hold_id for cart in self.carts]))
        shown = held.read(holds)
        for cart, hold in zip(self.carts, sorted(holds, key=lambda one: one.pk), strict=True):
            has = _by_sku(shown[hold.pk])
            assert hold.state_now == cart.state, (cart, hold.state)
            if cart.state in ("released", "used"):
                assert sum(has.values()) == 0, cart
            elif cart.state in ("held", "ordered") and self.is_sure:
                assert has == {key: units for key, units in cart.units.items() if units}, (cart, has)


def _by_sku(shown: held.Shown) -> dict[int, int]:
    units: dict[int, int] = {}
    for line in shown.lines:
        for sku_id, goods in line.goods_by_sku.items():
            if goods.held:
                units[sku_id] = units.get(sku_id, 0) + goods.held
    return units


@pytest.mark.django_db
def test_whatever_happens_in_whatever_order_every_promised_unit_is_somebodys() -> None:
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        Counter,
        settings=settings(max_examples=10, stateful_step_count=15, deadline=None, suppress_health_check=checks),
    )
