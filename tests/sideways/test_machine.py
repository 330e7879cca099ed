"""Everything that goes sideways or backwards, in any order: changes, cancellations, merges, splits, returns, exchanges,
goods sent again, warehouses' and carriers' notices, payments, stock and deadlines. After each step every invariant
holds, every unit of every order and of the stock is where it should be, and each order owes the price of what it keeps;
a preview changed nothing, and what it said is what was then done. In the end, when all that was begun came to its end,
nobody has money that is not his.

The orders begin anywhere on their way, and rules wait for the moment at which they do something, so that what is deep
is reached as often as what is near."""

import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from logistics.carriers.defaults import install_default_carriers
from oms.common.errors import OmsError
from oms.common.money import to_fen
from oms.merchants.models import Channel
from orders.changing import charging, merging, previewing
from orders.changing.choosing import Selection, cancel
from orders.changing.sets import drafting
from orders.changing.sets import previewing as looking
from orders.fulfilling import dividing
from orders.models import ChangeSet, Exchange, GiftRule, Hold, MergeGroup, Order, ReturnRequest, SubOrder
from orders.models.return_request import ENDED_WITHOUT
from orders.models.sub_order import LEFT_WAREHOUSE
from orders.reviewing import holds
from payments.models import Payment
from payments.taking import closing, differences
from tests import factories, machines, steps
from tests.change_sets.helpers import add, adjust
from tests.change_sets.helpers import units as want
from tests.payments.grants import member
from tests.payments.test_promotions_lost import promotion
from tests.returns import world as returned
from tests.sideways import books
from tests.sideways.buyers import Buyers
from tests.sideways.world import MOSTLY, PICK, there

_PRICES = ("79.20", "59.90", "33.33")
_THERE = (50, 50, 1)
# Where openings begin, and the openings: what must not depend on whether Hypothesis happens upon it.
_OPENS_AT = {
    **dict.fromkeys(("returning", "ending", "exchanging"), "delivered"),
    **dict.fromkeys(("merging", "dearer", "divided"), "reserved"),
    **dict.fromkeys(("cancelling", "given_up", "in_part"), "sent"),
}
_OPENINGS = [
    *(("merging", then) for then in ("unmerge", "cancel", "hold", "recipient", "leave")),
    *(("returning", "return_and_refund", found, "5") for found in ("damaged", "missing", "wrong", "good")),
    ("returning", "refund_only", "good", "3"),
    *(("ending", "return_and_refund", far, how) for far, how in (("1", "0"), ("0", "1"), ("4", "3"))),
    ("ending", "refund_only", "1", "3"),
    *(("exchanging", other, far) for other, far in (("0", "0"), ("1", "5"))),
    *(("dearer", between, less) for between, less in (("", "0"), ("", "1"), ("discard", "0"), ("late", "0"))),
    ("dearer", "leave", "0"),
    ("cancelling", "cancel_units", "stops"),
    ("cancelling", "cancel_part", "stops"),
    ("cancelling", "cancel_part", "goes on"),
    ("given_up",),
    ("in_part",),
    ("divided",),
]
# How far the orders are when it begins.
_PLACES = ("placed", "reserved", "merged", "sent", "shipped", "delivered")
_WISH = st.one_of(
    st.builds(lambda which, count: ("add", which, count), st.integers(0, 2), st.integers(1, 2)),
    st.builds(lambda line, more: ("units", line, more), st.integers(0, 3), st.sampled_from([-2, -1, -1, 1, 2])),
    st.builds(
        lambda amount, line, bearer: ("adjust", amount, line, bearer),
        st.integers(-1500, 1500).filter(bool),
        st.sampled_from([None, 1, 2]),
        st.sampled_from(["merchant", "merchant", "platform"]),
    ),
    st.builds(lambda amount: ("freight", amount), st.integers(-900, 900).filter(bool)),
    st.builds(lambda name: ("recipient", name), st.sampled_from(["李娜", "王五"])),
)
_LIVING = ("order:in_review", "order:ready_to_split", "order:split")


class Sideways(Buyers):
    """Orders of one buyer, of three SKUs of which the last is short."""

    def teardown(self) -> None:
        """What was begun comes to its end; nothing of an example stays."""
        try:
            if self.there and sys.exc_info()[0] is None:
                self.everything_ends()
        finally:
            self.exit.close()

    # What each example begins with: a place, and what happens there; nothing is chosen at random.
    opening: tuple[str, ...] = ()

    @initialize(
        place=st.sampled_from([*_PLACES, *["delivered"] * 3]),
        is_paid=MOSTLY,
        has_promotion=st.booleans(),
        has_gift=MOSTLY.map(lambda one: not one),
        leaves=st.sampled_from(["at_once", "received", "inspected"]),
    )
    def begin(self, place: str, is_paid: bool, has_promotion: bool, has_gift: bool, leaves: str) -> None:
        """Place two orders, go with them to the place, and begin as is said."""
        what, *how = self.opening or ("",)
        place, is_paid = _OPENS_AT.get(what, place), is_paid or bool(what)
        self.shop = factories.make_shop()
        far = factories.WarehouseFactory(merchant=self.shop.merchant, longitude=104.0)
        install_default_carriers()
        returned.install()
        Channel.objects.update(exchange_leaves=leaves)
        self.clerk = member("customer_service_lead")
        self.skus = [factories.SkuFactory(merchant=self.shop.merchant, list_price=Decimal(one)) for one in _PRICES]
        for sku, count in zip(self.skus, _THERE, strict=True):
            factories.StockFactory(sku=sku, warehouse=self.shop.warehouse, on_hand=count)
            factories.StockFactory(sku=sku, warehouse=far, on_hand=2)
            self.outside.came[sku.pk] = count + 2
        if has_gift:
            GiftRule.objects.create(name="gift", gift=self.skus[1], min_order_amount="200.00", is_active=True)
        self.terms: dict[str, Any] = {"payment_method": "prepaid" if is_paid else "cod", "freight_amount": "8.00"}
        more = {"promotions": [promotion("30.00", "150.00")]} if has_promotion else {}
        self.place((3, 2) if what == "merging" else (3, 2, 2), **more)
        self.place((1, 2), **more)
        self.go_to(_PLACES.index(place))
        self.everything_holds()
        self.open_with(what, how)

    def go_to(self, place: int) -> None:
        """Go with what was placed so far."""
        if place >= 1:
            self.reserve()
        if place >= 2:
            self.merge()
        if place >= 3:
            self.go_on()
        if place >= 4:
            self.notice(0, ("packed", "shipped"))
        if place >= 5:
            self.notice(0, ("packed", "shipped"))
            self.arrive(signed=True)

    def open_with(self, what: str, how: Sequence[str]) -> None:
        """What the example begins with; it does something, or the example is worth nothing."""
        match what:
            case "merging":
                self.merge(how[0])
                assert MergeGroup.objects.exists()
            case "returning":
                self.give_back(0, 2, how[0], (how[1], how[1]), int(how[2]))
                assert ReturnRequest.objects.exists()
            case "ending":
                self.give_back(0, 2, how[0], ("good", "good"), int(how[1]))
                self.return_ends(0, int(how[2]))
                assert ReturnRequest.objects.exists()
            case "exchanging":
                self.exchange(0, 1, int(how[0]), ("good", "good"), int(how[1]), pays=True)
                assert Exchange.objects.exists()
                self.everything_holds()
                self.return_ends(0, 0)
                self.books()
            case "dearer":
                self.dearer(0, ("add", 0, 1), how[0], int(how[1]))
                assert Payment.objects.filter(change_set__isnull=False).exists()
                self.books()
            case "cancelling":
                getattr(self, how[0])(0, *(() if how[0] == "cancel_part" else (0, 2)))
                self.answer(how[1] == "stops")
                self.books()
            case "given_up":
                self.cancel_whole(0, is_rest=False, is_answered=True)
                self.leave_all_the_same(0)
                self.books()
            case "in_part":
                self.leave_in_part(0)
                self.go_on()
            case "divided":
                self.divide(0)
                self.cancel_units(0, 0, 2)

    def place(self, quantities: tuple[int, ...], **more: Any) -> None:
        """An order comes in, and is paid where it is to be paid first."""
        lines = [(sku, count, price) for sku, count, price in zip(self.skus, quantities, _PRICES, strict=False)]
        order = self.shop.place_order(*lines, **self.terms, **more)
        if order.payment_method == "prepaid":
            self.ask_for_money()
            self.pays(f"{order.number}-P1", order.payable_amount)

    @precondition(lambda self: self.there and len(self.orders()) < 4)
    @rule(first=st.integers(1, 3), second=st.integers(1, 2))
    def come(self, first: int, second: int) -> None:
        """Another order of the buyer, as far as the first ones may be, so that they can be merged."""
        self.place((first, second))
        self.reserve()

    @staticmethod
    def left(order: Order) -> dict[int, int]:
        """Units by position that are not gone."""
        lost = books.gone()
        return {line.position: line.quantity - lost[line.pk] for line in order.lines.order_by("position")}

    # --- Change sets

    def actions(self, order: Order, wishes: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
        """The wishes, as far as they can be said of the order."""
        left = list(self.left(order).items())
        found: list[dict[str, Any]] = []
        for kind, *values in wishes:
            match kind:
                case "add":
                    found.append(add(self.skus[values[0]], values[1]))
                case "units":
                    position, now = left[values[0] % len(left)]
                    found.append(want(position, max(now + values[1], 0)))
                case "adjust":
                    amount, line, bearer = values
                    found.append(adjust(str(Decimal(amount) / 100), line, bearer))
                case "freight":
                    found.append({"do": "freight", "amount": str(Decimal(values[0]) / 100)})
                case _:
                    found.append({"do": "recipient", "name": values[0]})
        return found

    @there(*_LIVING)
    @rule(which=PICK, wishes=st.lists(_WISH, min_size=1, max_size=3))
    def change(self, which: int, wishes: list[tuple[Any, ...]]) -> None:
        """Look at a change, and then confirm just that: it is refused both times, or what was said is done or asked
        for."""
        order = self.order(which)
        actions = self.actions(order, wishes)
        owes, waits = charging.owed(order.pk), differences.waiting(order)
        try:
            seen = looking.preview(order.pk, actions, reason="x")
        except OmsError:
            seen = None
        assert charging.owed(order.pk) == owes
        stamp = seen.stamp if seen else None
        row = self.tried(lambda: drafting.change(order.pk, actions, reason="x", actor=steps.STAFF, stamp=stamp))
        assert (row is None) == (seen is None or waits is not None)
        if row and seen:
            assert seen.owed_before == to_fen(owes)
            if row.state == "confirmed":
                assert (seen.to_pay, seen.owed_after) == (0, to_fen(charging.owed(order.pk)))
            else:
                assert (seen.to_pay, charging.owed(order.pk)) == (to_fen(row.balance_amount), owes)

    @there(*_LIVING)
    @rule(
        which=PICK,
        wish=st.tuples(st.just("add"), st.integers(0, 2), st.integers(1, 2)),
        between=st.sampled_from(["", "", "", "discard", "late", "cancel", "leave", "units"]),
        less=st.sampled_from([0, 0, 0, 1]),
    )
    def dearer(self, which: int, wish: tuple[Any, ...], between: str, less: int) -> None:
        """Something is added, the balance asked for, and, whatever happens in between, paid."""
        self.change(which, [wish])
        factories.run(differences.request)
        self.ask_for_money()
        match between:
            case "discard":
                self.discard(which)
            case "late":
                self.too_late()
            case "cancel":
                self.cancel_whole(which, is_rest=False)
            case "leave":
                self.it_leaves(which)
            case "units":
                self.cancel_units(which, 0, 1)
        self.everything_holds()
        self.pay_balance(less)

    @there("change:awaiting_balance", "change:discarded", "change:expired")
    @rule(less=st.sampled_from([0, 0, 0, 1]))
    def pay_balance(self, less: int) -> None:
        """A balance is paid, whatever became of its change; or too little of it."""
        factories.run(differences.request)
        self.ask_for_money()
        payment = Payment.objects.filter(change_set__isnull=False).exclude(state="captured").order_by("id").last()
        if payment:
            self.pays(payment.number, max(payment.amount - less, Decimal("0.01")))

    @there("change:awaiting_balance")
    @rule()
    def too_late(self) -> None:
        """The time to pay balances is over."""
        ChangeSet.objects.filter(state="awaiting_balance").update(pay_by=steps.NOON)
        factories.run(differences.end, closing.STAGE.run)

    @there("change:awaiting_balance", "change:awaiting_warehouse")
    @rule(which=PICK)
    def discard(self, which: int) -> None:
        """Nobody wants the change any more."""
        self.tried(lambda: drafting.discard(self.order(which).pk, actor=steps.STAFF))

    # --- Cancelling

    @there(*_LIVING)
    @rule(which=PICK, line=st.integers(0, 3), count=st.integers(1, 3))
    def cancel_units(self, which: int, line: int, count: int) -> None:
        """Some units of a line, also more than there are left: refused, or just so many less, and the money that the
        preview said."""
        order = self.order(which)
        before, owes = self.left(order), charging.owed(order.pk)
        position = sorted(before)[line % len(before)]
        selection = Selection({position: count})
        seen = self.tried(lambda: previewing.preview(order.pk, selection))
        done = self.tried(lambda: cancel(order.pk, selection, reason="x", actor=steps.STAFF))
        assert (seen is None) == (done is None)
        if done is None:
            assert self.left(order) == before
            return
        assert count <= before[position]
        assert seen.back.cash == to_fen(owes - charging.owed(order.pk))
        if not Order.objects.get(pk=order.pk).cancel_requested_at:
            assert self.left(order) == before | {position: before[position] - count}

    @there(*_LIVING)
    @rule(which=PICK, is_rest=MOSTLY, is_answered=st.booleans())
    def cancel_whole(self, which: int, is_rest: bool, is_answered: bool = False) -> None:
        """The whole order, or all that has not left; the warehouse answers at once, or later."""
        self.tried(lambda: cancel(self.order(which).pk, Selection(is_rest=is_rest), reason="x", actor=steps.STAFF))
        if is_answered:
            self.answer(True)

    @there("backordered", "allocated", "released", "accepted", "picking")
    @rule(which=PICK)
    def cancel_part(self, which: int) -> None:
        """A sub-order."""
        parts = SubOrder.objects.filter(state__in=["backordered", "allocated", "released", "picking"]).order_by("id")
        part = self.pick(parts, which)
        if part:
            self.tried(lambda: cancel(part.order_id, Selection(parts=[part.pk]), reason="x", actor=steps.STAFF))

    # --- Merging and splitting

    @there("allocated")
    @rule(then=st.sampled_from(["unmerge", "cancel", "hold", "unit", "recipient", "leave", ""]), which=PICK)
    def merge(self, then: str = "", which: int = 0) -> None:
        """What belongs together goes together; mostly something happens to one of them then."""
        parts = SubOrder.objects.filter(state="allocated")
        for warehouse in sorted(set(parts.values_list("warehouse_id", flat=True))):
            mine = parts.filter(warehouse=warehouse).values_list("pk", flat=True)
            self.tried(lambda mine=mine: merging.merge(mine, actor=steps.STAFF))
        merged = SubOrder.objects.filter(merge_group__isnull=False, state="allocated").order_by("id")
        part = self.pick(merged, which)
        if not then or part is None:
            return
        self.everything_holds()
        told: dict[str, Any] = {"reason": "x", "actor": steps.STAFF}
        match then:
            case "unmerge":
                self.unmerge(which)
            case "cancel":
                self.tried(lambda: cancel(part.order_id, Selection(parts=[part.pk]), **told))
            case "hold":
                self.tried(lambda: holds.hold_order(part.order_id, **told))
            case "unit":
                position = part.lines.order_by("pk")[0].order_line.position
                self.tried(lambda: cancel(part.order_id, Selection({position: 1}), **told))
            case "recipient":
                wish = [{"do": "recipient", "name": "李娜"}]
                self.tried(lambda: drafting.change(part.order_id, wish, **told))
            case _:
                self.it_leaves(which)

    @there(*_LIVING)
    @rule(which=PICK)
    def hold(self, which: int) -> None:
        """An order is held, or let go."""
        order = self.order(which)
        held = Hold.objects.filter(order=order, released_at=None, kind="staff").first()
        if held:
            self.tried(lambda: holds.release_hold(held.pk, note="", actor=steps.STAFF))
        else:
            self.tried(lambda: holds.hold_order(order.pk, reason="x", actor=steps.STAFF))

    @there("merged")
    @rule(which=PICK)
    def unmerge(self, which: int) -> None:
        """One goes by itself after all."""
        part = self.pick(SubOrder.objects.filter(merge_group__isnull=False).order_by("id"), which)
        if part:
            self.tried(lambda: merging.unmerge(part.pk, actor=steps.STAFF))

    @there("allocated", "backordered")
    @rule(which=PICK)
    def divide(self, which: int) -> None:
        """A unit of a sub-order goes by itself."""
        part = self.pick(SubOrder.objects.filter(state__in=["allocated", "backordered"]).order_by("id"), which)
        line = part.lines.order_by("pk").first() if part else None
        if line:
            self.tried(lambda: dividing.divide(part.pk, {line.pk: 1}, actor=steps.STAFF))

    # --- What must hold

    @invariant()
    def everything_holds(self) -> None:
        """The invariants, and what does not need them."""
        if not hasattr(self, "shop"):
            return
        assert steps.broken_invariants() == []
        books.check_units()
        books.check_stock(self.outside)
        books.check_merges()
        books.check_returns()
        books.check_goods()
        self.look()

    def everything_ends(self) -> None:
        """Warehouses give up what they are asked for, nobody pays a balance any more: all money is where it belongs."""
        self.stops = True
        for order in self.orders():
            self.tried(lambda order=order: drafting.discard(order.pk, actor=steps.STAFF))
        for _round in range(3):
            self.answer(True)
            self.go_on()
            factories.run(closing.STAGE.run, differences.end)
            self.books()
        self.everything_holds()
        assert not Order.objects.filter(owed_changed_since__isnull=False).exists()
        books.check_money(self.outside)
        for exchange in Exchange.objects.filter(ended_at__isnull=False, new_order__isnull=False):
            assert exchange.new_order
            assert steps.state_of(exchange.new_order) == "cancelled", "given up, and sent all the same"
        for exchange in Exchange.objects.filter(ended_at=None, return_request__state__in=ENDED_WITHOUT):
            left = SubOrder.objects.filter(order=exchange.new_order_id, state__in=LEFT_WAREHOUSE)
            assert exchange.new_order_id is None or left.exists(), "nothing comes back, and it is sent all the same"


@pytest.mark.django_db
@pytest.mark.parametrize("opening", _OPENINGS, ids="-".join)
def test_whatever_it_begins_with_each_unit_is_somewhere_and_the_money_follows(opening):
    machines.run_apart(type("Opened", (Sideways,), {"opening": opening}), examples=1, steps=4)


@pytest.mark.django_db
def test_whatever_goes_sideways_each_unit_is_somewhere_and_the_money_follows():
    machines.run_apart(Sideways, examples=6, steps=12)


@pytest.mark.soak
@pytest.mark.django_db
def test_so_it_is_for_long():
    machines.run_apart(Sideways, examples=150, steps=30)
