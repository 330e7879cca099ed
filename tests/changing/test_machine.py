"""Cancellations of units, sub-orders, the rest and the whole, previews, notices, answers, goods that arrive and changes
of the address, in random order: after each step every invariant holds, every unit of every line is accounted for, a
preview changed nothing, and what it said is what was then done."""

from contextlib import ExitStack, suppress

import pytest
from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from inventory import receiving
from logistics.models import WarehouseOrder
from logistics.warehouses import events, releasing, sending, stopping
from logistics.warehouses.adapters import Answer
from oms.common.errors import OmsError
from oms.common.money import to_fen
from orders.changing import charging, previewing, units
from orders.changing.choosing import Selection, cancel
from orders.changing.readdressing import Recipient, change_recipient
from orders.fulfilling import allocating, completing, splitting, waking
from orders.models import Order, OrderLine, SubOrder, SubOrderLine
from orders.reviewing import deciding
from payments.owing import balancing
from tests import factories, fakes, machines, steps
from tests.payments.test_promotions_lost import promotion

_PRICES = ("79.20", "59.90", "33.33")
_QUANTITIES = (3, 2, 4)


class Changes(RuleBasedStateMachine):
    """One order of three lines, of the last of which there are too few units, and a warehouse that may refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.exit = ExitStack()
        self.taken = True
        self.warehouse = fakes.FakeWarehouse(cancel_answer=lambda _ref: Answer(taken=self.taken))
        self.exit.enter_context(fakes.warehouse(self.warehouse))
        self.order = Order()

    def teardown(self) -> None:
        """Nothing of an example stays."""
        self.exit.close()

    @initialize(splits=st.booleans(), is_paid=st.booleans(), has_promotion=st.booleans())
    def begin(self, splits: bool, is_paid: bool, has_promotion: bool) -> None:
        """Place the order; sometimes it is only reviewed."""
        self.shop = factories.make_shop()
        skus = [factories.SkuFactory(merchant=self.shop.merchant) for _price in _PRICES]
        for sku, there in zip(skus, (50, 50, 1), strict=True):
            factories.StockFactory(sku=sku, warehouse=self.shop.warehouse, on_hand=there)
        self.short = skus[-1]
        more = {"promotions": [promotion("30.00", "150.00")]} if has_promotion else {}
        lines = list(zip(skus, _QUANTITIES, _PRICES, strict=True))
        method = "prepaid" if is_paid else "cod"
        self.order = self.shop.place_order(*lines, payment_method=method, freight_amount="8.00", **more)
        if is_paid:
            steps.pay(self.order)
        if splits:
            factories.run(deciding.run, splitting.run, allocating.run)

    def _do(self, selection: Selection, restocks: bool) -> None:
        """Look at it, and then do just that: it is refused both times, or what was said is done."""
        owed = charging.owed(self.order.pk)
        try:
            seen = previewing.preview(self.order.pk, selection)
        except OmsError:
            seen = None
        assert charging.owed(self.order.pk) == owed
        stamp = seen.stamp if seen else None
        done = None
        with suppress(OmsError), transaction.atomic():
            done = cancel(
                self.order.pk,
                selection,
                reason="x",
                actor=steps.STAFF,
                stamp=stamp,
                restocks=restocks,
                tells_buyer=True,
            )
        assert (done is None) == (seen is None)
        if seen:
            assert seen.back.cash == to_fen(owed - charging.owed(self.order.pk))

    @rule(position=st.integers(1, 3), count=st.integers(1, 3), restocks=st.booleans())
    def cancel_units(self, position: int, count: int, restocks: bool) -> None:
        """Some units of a line."""
        self._do(Selection({position: count}), restocks)

    @rule(place=st.integers(0, 3), restocks=st.booleans())
    def cancel_part(self, place: int, restocks: bool) -> None:
        """A sub-order."""
        parts = list(SubOrder.objects.filter(order=self.order).order_by("id").values_list("pk", flat=True))
        if place < len(parts):
            self._do(Selection(parts=[parts[place]]), restocks)

    @rule()
    def cancel_rest(self) -> None:
        """All that has not left."""
        self._do(Selection(is_rest=True), True)

    @precondition(lambda self: self.order.pk and SubOrder.objects.filter(order=self.order).exists())
    @rule()
    def cancel_whole(self) -> None:
        """The whole order."""
        self._do(Selection(), True)

    @rule(taken=st.booleans())
    def answer(self, taken: bool) -> None:
        """The warehouses answer what they were asked."""
        self.taken = taken
        factories.run(stopping.pass_on, stopping.run, events.run)

    @rule(told=st.sampled_from([("accepted",), ("picking",), ("packed",), ("packed", "shipped"), ("shipped",)]))
    def notice(self, told: tuple[str, ...]) -> None:
        """The warehouse says how far it is with something, whatever was asked of it."""
        work = WarehouseOrder.objects.filter(sub_order__order=self.order, state__in=["sent", "accepted", "picking"])
        found = work.order_by("id").first()
        if found:
            steps.tell(found, *told)
            factories.run(events.run)

    @rule()
    def go_on(self) -> None:
        """The stages do what is ready."""
        factories.run(deciding.run, splitting.run, waking.run, allocating.run, releasing.run, sending.run)

    @rule()
    def goods_arrive(self) -> None:
        """Some units of what is short."""
        receiving.receive(self.shop.warehouse.pk, self.short.pk, 2, actor="test")

    @rule()
    def readdress(self) -> None:
        """The buyer moves within the district."""
        with suppress(OmsError), transaction.atomic():
            change_recipient(self.order.pk, Recipient(address="长安街2号"), actor=steps.STAFF)

    @rule()
    def books(self) -> None:
        """Money follows, and what arrived long ago is completed."""
        factories.run(balancing.run, completing.run)

    @invariant()
    def everything_holds(self) -> None:
        """The invariants, and every unit in exactly one place."""
        if not self.order.pk:
            return
        assert steps.broken_invariants() == []
        order = Order.objects.get(pk=self.order.pk)
        lines = list(OrderLine.objects.filter(order=order))
        parts = list(SubOrder.objects.filter(order=order).prefetch_related("lines"))
        gone = units.gone(order, lines, parts)
        if order.split_at is None:
            assert not parts
            assert all(0 <= gone[line.position] <= line.quantity for line in lines)
            return
        for line in lines:
            spread = sum(SubOrderLine.objects.filter(order_line=line).values_list("quantity", flat=True))
            assert spread == line.quantity, line.position


@pytest.mark.django_db
def test_whatever_happens_to_an_order_each_unit_is_somewhere_and_the_money_follows():
    machines.run_apart(Changes, examples=12, steps=12)


@pytest.mark.soak
@pytest.mark.django_db
def test_so_it_is_for_long():
    machines.run_apart(Changes, examples=150, steps=25)
