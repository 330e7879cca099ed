"""Carts, quotes and orders in random order, with goods and batches that come and go: after each step every unit that is
promised is promised to somebody, nobody lost what was his without a reason, and an order gets what was set aside for
it.

Each example runs in a transaction that is rolled back.
"""

from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from datetime import timedelta
from functools import partial
from unittest import mock

import pytest
from django.db import connection, transaction
from django.db.models import F, Sum
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from inventory import holding, lots, receiving, sharing
from inventory.hold_plans import Item, NewHold
from inventory.holding import GivenBack
from inventory.invariants import INVARIANTS as OF_STOCK
from inventory.models import (
    DemandKind,
    HoldPurpose,
    LotPromise,
    Reservation,
    Sku,
    Stock,
    StockHold,
    StockLot,
    StockMovement,
    StorageClass,
)
from inventory.receiving import Arrived
from inventory.sharing import NewShare, Share
from oms.common.errors import OmsError
from oms.common.work import clock
from orders.changing.cancelling import cancel_order
from orders.changing.units import cancel_units
from orders.fulfilling import allocating, freeing, splitting, waking
from orders.models import Order, SubOrderLine
from orders.models.sub_order import UNALLOCATED_STATES
from orders.reviewing import deciding
from orders.stock import expiring, held
from orders.stock.invariants import INVARIANTS as OF_SET_ASIDES
from orders.stock.stocktaking import count_stock
from tests import factories, steps
from tests.holding import carts
from tests.holding.carts import Cart, Units, held_by
from tests.invariants import check
from tests.machines import undone

_ANY = st.integers(0, 30)
_SELDOM = st.sampled_from([False, False, True])
_UNITS = st.integers(0, 7)
_THREE = st.tuples(_UNITS, _UNITS, _UNITS)
# Of the first SKU, in a line of its own beside the others.
_AGAIN = st.integers(0, 3)


class Counters(RuleBasedStateMachine):
    """A shop with two warehouses and three SKUs: two that travel together, and one that is frozen and has batches."""

    def __init__(self) -> None:
        super().__init__()
        self.exit = ExitStack()
        self.exit.enter_context(transaction.atomic())
        self.today = lots.today()
        self.exit.enter_context(mock.patch("inventory.lots.today", partial(getattr, self, "today")))
        self.shop = factories.make_shop()
        far = factories.WarehouseFactory(merchant=self.shop.merchant, code="FAR", longitude=121.24, latitude=31.4)
        self.places = [self.shop.warehouse, far]
        frozen = factories.SkuFactory(
            merchant=self.shop.merchant, storage_class=StorageClass.FROZEN, wants_batches=True
        )
        self.skus: list[Sku] = [self.shop.sku, self.shop.other_sku, frozen]
        for place, units in zip(self.places, (14, 8), strict=True):
            place.storage_classes = [StorageClass.AMBIENT, StorageClass.FROZEN]
            place.save()
            for sku in self.skus[:2]:
                Stock.objects.get_or_create(sku=sku, warehouse=place)
                count_stock(Stock.objects.get(sku=sku, warehouse=place).pk, units, actor=steps.STAFF)
        for place, units, days in ((0, 5, 0), (0, 5, 1), (1, 4, 2)):
            self.come(2, place, units, days)
        self.carts: list[Cart] = []
        self.plain: list[Order] = []

    def teardown(self) -> None:
        """Nothing of an example stays."""
        transaction.set_rollback(True)
        self.exit.close()

    def pick(self, which: int, *states: str) -> Cart | None:
        fitting = [cart for cart in self.carts if cart.state in states]
        return fitting[which % len(fitting)] if fitting else None

    @initialize(
        begins=st.sampled_from(["counted", "held", "old", "stale", "ordered", "split", "in part"]), units=_THREE
    )
    def begin(self, begins: str, units: tuple[int, int, int]) -> None:
        """Far enough on the way that few steps tell much."""
        for wanted, again in (((3, 3, 3), 2), ((1, 1, 0), 0), ((0, 2, 3), 0), (units, 0)):
            self.aside(wanted, again, is_whole=False, region=None)
        if begins == "old":
            self.time_passes(1, comes_by=False)
        elif begins == "stale":
            # A batch is expired and nobody swept: its order gets nothing of that line, nor gives any of it up.
            self.a_day_passes(sweeps=False)
            self.take_over(0, (3, 3, 2), 1)
            self.come(2, 0, 5, -1)  # none that another cart gets
            for more in (3, 5):
                self.aside((0, 0, more), 0, is_whole=False, region=None)
        elif begins != "held":
            self.take_over(0, (3, 3, 3), 1)
            self.take_over(1, units, 1)
        if begins == "counted":
            # Carts and orders have units of one row, and it lacks some.
            for counted in (5, 3):
                self.count(counted, 0, 0)
        if begins in ("split", "in part"):
            factories.run(deciding.run, splitting.run)
        if begins == "in part":
            self.serve(1)

    @rule(units=_THREE, again=_AGAIN, is_whole=st.booleans(), goes_to_beijing=st.booleans())
    def set_aside(self, units: tuple[int, int, int], again: int, is_whole: bool, goes_to_beijing: bool) -> None:
        self.aside(units, again, is_whole=is_whole, region="110101" if goes_to_beijing else None)

    def aside(self, units: tuple[int, int, int], again: int, *, is_whole: bool, region: str | None) -> None:
        wanted = [*zip(self.skus, units, strict=True), (self.skus[0], again)]
        items = [
            Item(place, sku.code, sku.pk, sku.merchant_id, sku.storage_class, count)
            for place, (sku, count) in enumerate(wanted, 1)
            if count
        ]
        if not items:
            return
        granted = self.grantable(items, is_whole=is_whole)
        place = (self.shop.merchant.pk, self.shop.channel.pk, HoldPurpose.CART, items)
        outcome = holding.set_aside(NewHold(*place, seconds=600, is_whole=is_whole, region_code=region), actor="test")
        assert (outcome.hold_id is not None) == bool(granted), (items, outcome)
        lacking = {lack.position for lack in outcome.lacking}
        assert is_whole or lacking == {item.position for item in items} - granted
        if outcome.hold_id is not None:
            carts.check_batches(outcome.hold_id, self.today)
            hold = StockHold.objects.get(pk=outcome.hold_id)
            has = Units()
            for item in items:
                has[item.sku_id] += item.quantity if item.position in granted else 0
            self.carts.append(Cart(hold.pk, hold.number, +has, hold.expires_at))

    def grantable(self, items: list[Item], *, is_whole: bool) -> set[int]:
        """The positions of the lines that get their units: each in its turn as far as there are any, or all or none."""
        left = {sku.pk: self.sellable(sku) for sku in self.skus}
        granted = set()
        for item in items:
            if item.quantity <= left[item.sku_id]:
                left[item.sku_id] -= item.quantity
                granted.add(item.position)
        return granted if not is_whole or len(granted) == len(items) else set()

    def sellable(self, sku: Sku) -> int:
        """What the channel may set aside, worked out from what lies there."""
        units = 0
        for stock in Stock.objects.filter(sku=sku):
            lots_of_it = StockLot.objects.filter(stock=stock, quality="good").exclude(best_before__lt=self.today)
            fresh = sum(lot.on_hand - lot.reserved - lot.frozen for lot in lots_of_it)
            units += min(stock.available, fresh) if sku.wants_batches else stock.available
        share = sharing.shares(self.shop.channel.pk, [sku.pk]).get(sku.pk)
        return units if share is None else sharing.sellable(units, share)

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

    @rule(which=_ANY, twice=st.booleans())
    def give_back(self, which: int, twice: bool) -> None:
        if cart := self.pick(which, "held", "expired", "released"):
            for _time in range(1 + twice):
                holding.release(cart.hold_id, actor="test")
            if not cart.is_freed:
                cart.state, cart.units, cart.is_freed = "released", Units(), True
        taken_over = self.pick(which, "ordered", "used")
        if taken_over:
            with pytest.raises(holding.HoldIsOver), transaction.atomic():
                holding.release(taken_over.hold_id, actor="test")

    @rule(which=_ANY, kind=st.integers(0, 2), units=st.integers(1, 4))
    def give_some_back(self, which: int, kind: int, units: int) -> None:
        """Of a line that has several SKUs or of one; more than it has is refused, and nothing of it is given back."""
        if cart := self.pick(which, "held"):
            sku = self.skus[kind]
            lines = held.read([StockHold.objects.get(pk=cart.hold_id)])[cart.hold_id].lines
            fitting = [line for line in lines if sku.pk in line.goods_by_sku]
            there = fitting[0].goods_by_sku[sku.pk].held if fitting else 0
            told = [GivenBack(fitting[0].line if fitting else 9, units, sku.code)]
            if units > there:
                with pytest.raises(OmsError), transaction.atomic():
                    holding.release_some(cart.hold_id, told, actor="test")
                return
            holding.release_some(cart.hold_id, told, actor="test")
            cart.units = +(cart.units - Units({sku.pk: units}))
            if not cart.units:
                cart.state, cart.is_freed = "released", True

    @rule(which=_ANY, units=_THREE, again=_AGAIN)
    def take_over(self, which: int, units: tuple[int, int, int], again: int) -> None:
        cart, lines = self.pick(which, "held"), self.lines(units, again)
        if cart and lines:
            sound = self.sound(cart)
            cart.order = self.shop.place_order(*lines, payment_method="cod", reservation=cart.number)
            wanted = Units()
            for sku, count, _price in lines:
                wanted[sku.pk] += count
            # Of lines of which a batch is expired it gets nothing: the next sweep gives them back.
            cart.state, cart.units = "ordered", (sound & wanted) + (cart.units - sound)

    def lines(self, units: tuple[int, int, int], again: int) -> list[tuple[Sku, int, str]]:
        wanted = [*zip(self.skus, units, strict=True), (self.skus[0], again)]
        return [(sku, count, "1.00") for sku, count in wanted if count]

    @rule(which=_ANY)
    def order_what_is_over(self, which: int) -> None:
        if cart := self.pick(which, "expired", "released", "used", "ordered"):
            self.order_in_vain(cart)

    def order_in_vain(self, cart: Cart) -> None:
        with pytest.raises(AssertionError, match="reservation_over"):
            self.shop.place_order((self.skus[0], 1, "1.00"), payment_method="cod", reservation=cart.number)

    @rule(units=_THREE, again=_AGAIN)
    def order_without_a_cart(self, units: tuple[int, int, int], again: int) -> None:
        if lines := self.lines(units, again):
            self.plain.append(self.shop.place_order(*lines, payment_method="cod"))

    @rule(which=_ANY, is_plain=st.booleans(), comes_by=_SELDOM)
    def cancel(self, which: int, is_plain: bool, comes_by: bool) -> None:
        cart = self.pick(which, "ordered", "used")
        order = self.plain[which % len(self.plain)] if is_plain and self.plain else cart and cart.order
        if order is None:
            return
        with suppress(OmsError):
            cancel_order(order.pk, reason="x", actor=steps.STAFF)
        if comes_by:
            self.free()

    @rule(which=_ANY, comes_by=_SELDOM)
    def cancel_a_line(self, which: int, comes_by: bool) -> None:
        cart = self.pick(which, "ordered", "used")
        if cart and cart.order:
            line = cart.order.lines.order_by("-position")[0]
            with suppress(OmsError), transaction.atomic():
                cancel_units(cart.order.pk, {line.position: line.quantity}, reason="x", actor=steps.STAFF)
        if comes_by:
            self.free()

    # --- What people, time and stages do

    @rule(which=_ANY, comes_by=_SELDOM)
    def time_passes(self, which: int, comes_by: bool) -> None:
        """The time of a cart is over; that of one with an order does not count any more."""
        if cart := self.pick(which, "held", "ordered"):
            carts.let_time_pass(cart.number)
            cart.state = "expired" if cart.state == "held" else cart.state
            self.order_in_vain(cart)
        if comes_by:
            self.free()

    def free(self) -> None:
        steps.once(freeing.run)
        for cart in self.carts:
            if cart.state == "expired" and not cart.is_freed:
                cart.units, cart.is_freed = Units(), True
            elif cart.state == "ordered" and cart.order:
                order = steps.fresh(cart.order)
                waits = order.sub_orders.filter(state__in=UNALLOCATED_STATES).exists()
                if order.state == "cancelled":
                    cart.state, cart.units = "released", Units()
                elif order.state not in ("in_review", "ready_to_split") and not waits:
                    cart.state, cart.units = "used", Units()

    @rule(comes_by=_SELDOM)
    def split(self, comes_by: bool) -> None:
        factories.run(deciding.run, splitting.run)
        if comes_by:
            self.free()

    @rule(limit=st.sampled_from([1, 2, 500]), comes_by=_SELDOM)
    def allocate(self, limit: int, comes_by: bool) -> None:
        factories.run(deciding.run, splitting.run)
        self.serve(limit)
        if comes_by:
            self.free()

    def serve(self, limit: int) -> None:
        """Each order gets at least what was set aside for it, and gives that up as it gets it."""
        open_carts = [cart for cart in self.carts if cart.state == "ordered"]
        before = {cart.hold_id: (self.sound(cart), self.sent(cart)) for cart in open_carts}
        with clock.skipping_waits():
            waking.run(500)
            allocating.run(limit)
        for cart in open_carts:
            (had, sent), has = before[cart.hold_id], self.sound(cart)
            assert has == had - (self.sent(cart) - sent), (cart, had, has, sent)
            cart.units = self.held(cart)

    def held(self, cart: Cart) -> Units:
        """What it has now."""
        return held_by([StockHold.objects.get(pk=cart.hold_id)])[cart.hold_id]

    def sound(self, cart: Cart) -> Units:
        """What it has now, but for lines of which a batch is expired."""
        over = LotPromise.objects.filter(demand_kind=DemandKind.HOLD, lot__best_before__lt=self.today)
        lines = StockHold.objects.get(pk=cart.hold_id).lines.filter(pk__in=over.values("demand_id"))
        expired = Reservation.objects.active_for(lines.values("pk"), DemandKind.HOLD)
        found = self.held(cart)
        found.subtract(dict(expired.order_by().values_list("stock__sku").annotate(Sum("quantity"))))
        return +found

    @staticmethod
    def sent(cart: Cart) -> Units:
        """What its order has at warehouses."""
        lines = SubOrderLine.objects.filter(sub_order__order=cart.order, sub_order__state="allocated")
        return Units(dict(lines.order_by().values_list("order_line__sku").annotate(Sum("quantity"))))

    @rule(units=st.integers(1, 6), which=st.integers(0, 2), place=st.integers(0, 1), days=st.integers(-1, 2))
    def goods_come(self, units: int, which: int, place: int, days: int) -> None:
        self.come(which, place, units, days)

    def come(self, which: int, place: int, units: int, days: int) -> None:
        arrived = Arrived(self.skus[which].pk, units, lot=f"L{days}", best_before=self.today + timedelta(days))
        receiving.receive_all(self.places[place].pk, [arrived], actor="test")

    @rule(counted=st.integers(0, 14), which=st.integers(0, 2), place=st.integers(0, 1))
    def count(self, counted: int, which: int, place: int) -> None:
        """What lacks is taken from carts, then from what orders have of carts, and only then from sub-orders."""
        stock = Stock.objects.get(sku=self.skus[which], warehouse=self.places[place])
        holds = StockHold.objects.filter(pk__in=[cart.hold_id for cart in self.carts])
        before, had = self.promised(stock), held_by(holds)
        count_stock(stock.pk, counted, actor=steps.STAFF)
        lacking = max(stock.reserved - counted, 0)
        after = self.promised(stock)
        for state in ("held", "ordered"):
            taken = min(lacking, before[state])
            assert after[state] == before[state] - taken, (state, before, after, lacking)
            lacking -= taken
        assert (after["sub-orders"] < before["sub-orders"]) == (lacking > 0)
        has = held_by(holds)
        for cart in self.carts:
            assert has[cart.hold_id] <= had[cart.hold_id]
            assert (had[cart.hold_id] - has[cart.hold_id]).keys() <= {stock.sku_id}
            cart.units = has[cart.hold_id]

    @staticmethod
    def promised(stock: Stock) -> Mapping[str, int]:
        """The units of the row that carts have, that orders have of carts, and sub-orders."""
        active = Reservation.objects.active().filter(stock=stock)
        of_carts = dict(active.filter(demand_kind=DemandKind.HOLD).values_list("demand_id", "quantity"))
        found = Counter[str]()
        for hold in StockHold.objects.filter(lines__in=list(of_carts)).distinct():
            found[hold.state] += sum(of_carts.get(line.pk, 0) for line in hold.lines.all())
        found["sub-orders"] = sum(
            active.filter(demand_kind=DemandKind.SUB_ORDER_LINE).values_list("quantity", flat=True)
        )
        return found

    @rule(sweeps=st.booleans())
    def a_day_passes(self, sweeps: bool) -> None:
        """What expires is sold no longer, and nobody keeps it once somebody swept."""
        self.today += timedelta(1)
        if sweeps:
            sound = {cart.hold_id: self.sound(cart) for cart in self.carts}
            expiring.expire()
            for cart in self.carts:
                cart.units = sound[cart.hold_id]

    @rule(
        which=st.sampled_from([0, 2, None]),
        percent=st.sampled_from([0, 60, 100]),
        kept_back=st.sampled_from([0, 2]),
        cap=st.sampled_from([None, 3]),
    )
    def share(self, which: int | None, percent: int, kept_back: int, cap: int | None) -> None:
        sku_id = None if which is None else self.skus[which].pk
        sharing.set_shares([NewShare(self.shop.channel.pk, sku_id, Share(percent, kept_back, cap))], actor="test")

    # --- What must be so

    @invariant()
    def carts_have_what_they_should(self) -> None:
        holds = StockHold.objects.in_bulk([cart.hold_id for cart in self.carts])
        has = held_by(holds.values())
        for cart in self.carts:
            assert holds[cart.hold_id].state_now == cart.state, (cart, holds[cart.hold_id].state)
            assert has[cart.hold_id] == cart.units, cart

    @invariant()
    def what_is_promised_is_what_carts_and_sub_orders_have(self) -> None:
        has = Counter[int]()
        lines = SubOrderLine.objects.filter(sub_order__state="allocated")
        by_row = {(stock.warehouse_id, stock.sku_id): stock for stock in Stock.objects.all()}
        for place, sku, units in lines.values_list("sub_order__warehouse", "order_line__sku", "quantity"):
            has[by_row[place, sku].pk] += units
        moved = StockMovement.objects.filter(demand_id__isnull=False).order_by()
        sums = moved.values_list("demand_kind", "demand_id").annotate(Sum("reserved_change"))
        ledger = {(kind, demand): units for kind, demand, units in sums if units}
        active = Reservation.objects.active()
        assert ledger == {(kind, key): n for kind, key, n in active.values_list("demand_kind", "demand_id", "quantity")}
        for stock_id, units in active.filter(demand_kind=DemandKind.HOLD).values_list("stock", "quantity"):
            has[stock_id] += units
        assert {stock.pk: stock.reserved for stock in by_row.values() if stock.reserved} == +has

    @invariant()
    def nothing_of_a_batch_is_promised_twice(self) -> None:
        assert not StockLot.objects.filter(reserved__gt=F("on_hand")).exists()
        with undone(), connection.cursor() as cursor:
            # Batches add up at the end of a transaction: look now.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        assert [(finding.invariant.name, finding.examples) for finding in check((*OF_STOCK, *OF_SET_ASIDES))] == []


@pytest.mark.django_db
@pytest.mark.parametrize(("examples", "is_random"), [(25, False), pytest.param(400, True, marks=pytest.mark.soak)])
def test_whatever_happens_in_whatever_order_every_promised_unit_is_somebodys(examples: int, is_random: bool) -> None:
    run_state_machine_as_test(
        Counters,
        settings=settings(
            max_examples=examples,
            stateful_step_count=20,
            deadline=None,
            derandomize=not is_random,
            # Making a failure smaller would take minutes.
            phases=[Phase.explicit, Phase.generate],
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
