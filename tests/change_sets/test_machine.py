"""Change sets, cancellations, merges, returns, warehouses' notices, arriving goods, payments and deadlines in random
order: after each step every invariant holds, every unit of every order is accounted for, a preview changed nothing, and
what it said is what was then done."""

from contextlib import ExitStack, suppress
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from inventory import receiving
from logistics.carriers import dispatching
from logistics.carriers.defaults import install_default_carriers
from logistics.models import Shipment, WarehouseOrder
from logistics.warehouses import events, releasing, sending, stopping
from logistics.warehouses.adapters import Answer
from oms.common.errors import OmsError
from oms.common.money import to_fen
from orders.changing import charging, merging, units
from orders.changing.choosing import Selection, cancel
from orders.changing.sets import drafting, previewing
from orders.fulfilling import allocating, completing, splitting, waking
from orders.models import ChangeSet, Order, OrderLine, SubOrder, SubOrderLine
from orders.models.sub_order import ARRIVED
from orders.returning import deciding as deciding_returns
from orders.returning import requesting as requesting_returns
from orders.returning.requesting import Wanted
from orders.reviewing import deciding
from payments.models import Payment
from payments.owing import balancing
from payments.taking import closing, differences, noticing, requesting
from tests import factories, fakes, machines, steps
from tests.change_sets.helpers import add, adjust
from tests.change_sets.helpers import units as want
from tests.payments.grants import member
from tests.payments.test_promotions_lost import promotion
from tests.returns import world as returned

_PRICES = ("79.20", "59.90", "33.33")
_WISHES = st.lists(
    st.one_of(
        st.builds(lambda which, count: ("add", which, count), st.integers(0, 2), st.integers(1, 2)),
        st.builds(lambda line, count: ("units", line, count), st.integers(1, 4), st.integers(0, 4)),
        st.builds(
            lambda amount, line, bearer: ("adjust", amount, line, bearer),
            st.integers(-1500, 1500).filter(bool),
            st.sampled_from([None, 1, 2]),
            st.sampled_from(["merchant", "merchant", "platform"]),
        ),
        st.builds(lambda amount: ("freight", amount), st.integers(-900, 900).filter(bool)),
        st.builds(lambda name: ("recipient", name), st.sampled_from(["李娜", "王五"])),
    ),
    min_size=1,
    max_size=3,
)


class Changes(RuleBasedStateMachine):
    """Two orders of one buyer, of three SKUs of which the last is short, and a warehouse that may refuse to stop."""

    def __init__(self) -> None:
        super().__init__()
        self.exit = ExitStack()
        self.taken = True
        self.exit.enter_context(
            fakes.warehouse(fakes.FakeWarehouse(cancel_answer=lambda _ref: Answer(taken=self.taken)))
        )
        self.exit.enter_context(fakes.provider(fakes.FakeProvider()))
        self.exit.enter_context(fakes.carrier(fakes.FakeCarrier()))
        self.orders: list[Order] = []

    def teardown(self) -> None:
        """Nothing of an example stays."""
        self.exit.close()

    @initialize(splits=st.booleans(), is_paid=st.booleans(), has_promotion=st.booleans())
    def begin(self, splits: bool, is_paid: bool, has_promotion: bool) -> None:
        """Place the orders; sometimes they are only reviewed."""
        self.shop = factories.make_shop()
        install_default_carriers()
        returned.install()
        self.clerk = member("客服主管")
        self.skus = [factories.SkuFactory(merchant=self.shop.merchant, list_price=Decimal(one)) for one in _PRICES]
        for sku, there in zip(self.skus, (50, 50, 1), strict=True):
            factories.StockFactory(sku=sku, warehouse=self.shop.warehouse, on_hand=there)
        more = {"promotions": [promotion("30.00", "150.00")]} if has_promotion else {}
        method = "prepaid" if is_paid else "cod"
        for quantities in ((3, 2, 2), (1, 2)):
            lines = [(sku, count, price) for sku, count, price in zip(self.skus, quantities, _PRICES, strict=False)]
            order = self.shop.place_order(*lines, payment_method=method, freight_amount="8.00", **more)
            if is_paid:
                steps.pay(order)
            self.orders.append(order)
        if splits:
            factories.run(deciding.run, splitting.run, allocating.run)

    def _order(self, which: bool) -> Order:
        return self.orders[which]

    def _as_actions(self, wishes: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
        actions: list[dict[str, Any]] = []
        for kind, *values in wishes:
            match kind:
                case "add":
                    actions.append(add(self.skus[values[0]], values[1]))
                case "units":
                    actions.append(want(*values))
                case "adjust":
                    amount, line, bearer = values
                    actions.append(adjust(str(Decimal(amount) / 100), line, bearer))
                case "freight":
                    actions.append({"do": "freight", "amount": str(Decimal(values[0]) / 100)})
                case _:
                    actions.append({"do": "recipient", "name": values[0]})
        return actions

    @rule(which=st.booleans(), wishes=_WISHES)
    def change(self, which: bool, wishes: list[tuple[Any, ...]]) -> None:
        """Look at a change, and then confirm just that: it is refused both times, or what was said is done or asked
        for."""
        order, actions = self._order(which), self._as_actions(wishes)
        owed = charging.owed(order.pk)
        waits = differences.waiting(order)
        try:
            seen = previewing.preview(order.pk, actions, reason="x")
        except OmsError:
            seen = None
        assert charging.owed(order.pk) == owed
        row = None
        with suppress(OmsError), transaction.atomic():
            row = drafting.change(order.pk, actions, reason="x", actor=steps.STAFF, stamp=seen.stamp if seen else None)
        assert (row is None) == (seen is None or waits is not None)
        if row and seen:
            assert seen.owed_before == to_fen(owed)
            if row.state == "confirmed":
                assert (seen.to_pay, seen.owed_after) == (0, to_fen(charging.owed(order.pk)))
            else:
                assert (seen.to_pay, charging.owed(order.pk)) == (to_fen(row.balance_amount), owed)

    @rule(which=st.booleans())
    def ask(self, which: bool) -> None:
        """The buyers are asked for balances."""
        factories.run(differences.request, requesting.request)

    @rule(which=st.booleans(), short=st.booleans())
    def pay_balance(self, which: bool, short: bool) -> None:
        """A balance is paid, whatever became of its change; or too little of it."""
        found = Payment.objects.filter(order=self._order(which), change_set__isnull=False).exclude(state="captured")
        payment = found.order_by("id").last()
        if payment:
            steps.notify(payment.number, str(payment.amount - (1 if short and payment.amount > 1 else 0)))
            factories.run(noticing.run)

    @rule(which=st.booleans())
    def too_late(self, which: bool) -> None:
        """The time to pay a balance is over."""
        ChangeSet.objects.filter(order=self._order(which), state="awaiting_balance").update(pay_by=steps.NOON)
        factories.run(differences.end, closing.STAGE.run)

    @rule(which=st.booleans())
    def discard(self, which: bool) -> None:
        """Nobody wants the change any more."""
        with suppress(OmsError), transaction.atomic():
            drafting.discard(self._order(which).pk, actor=steps.STAFF)

    @rule(which=st.booleans(), position=st.integers(1, 4), count=st.integers(1, 3))
    def cancel_units(self, which: bool, position: int, count: int) -> None:
        """Some units of a line."""
        with suppress(OmsError), transaction.atomic():
            cancel(self._order(which).pk, Selection({position: count}), reason="x", actor=steps.STAFF)

    @precondition(lambda self: self.orders and SubOrder.objects.exists())
    @rule(which=st.booleans(), rest=st.booleans())
    def cancel_whole(self, which: bool, rest: bool) -> None:
        """The whole order, or all that has not left."""
        with suppress(OmsError), transaction.atomic():
            cancel(self._order(which).pk, Selection(is_rest=rest), reason="x", actor=steps.STAFF)

    @rule()
    def merge(self) -> None:
        """What belongs together goes together."""
        with suppress(OmsError), transaction.atomic():
            merging.merge(SubOrder.objects.filter(state="allocated").values_list("pk", flat=True), actor=steps.STAFF)

    @rule(taken=st.booleans())
    def answer(self, taken: bool) -> None:
        """The warehouses answer what they were asked."""
        self.taken = taken
        factories.run(stopping.pass_on, stopping.run, events.run)

    @rule(told=st.sampled_from([("accepted",), ("packed",), ("packed", "shipped"), ("shipped",)]))
    def notice(self, told: tuple[str, ...]) -> None:
        """The warehouse says how far it is with something, whatever was asked of it."""
        found = WarehouseOrder.objects.filter(state__in=["sent", "accepted", "picking"]).order_by("id").first()
        if found:
            steps.tell(found, *told)
            factories.run(events.run)

    @rule()
    def arrive(self) -> None:
        """What has left is with the buyer."""
        for parcel in Shipment.objects.filter(sub_order__state="shipped", waybill_number__isnull=False):
            steps.scan(parcel, "collected", "signed")

    @rule(which=st.booleans())
    def send_back(self, which: bool) -> None:
        """The buyer sends a unit back, and gets its money."""
        lines = SubOrderLine.objects.filter(sub_order__order=self._order(which), sub_order__state__in=ARRIVED)
        line = lines.order_by("id").first()
        if line:
            with suppress(OmsError), transaction.atomic():
                wanted = Wanted("return_and_refund", {line.pk: 1}, "no_reason")
                row = requesting_returns.request(self._order(which).pk, wanted, actor=steps.STAFF)
                returned.came(deciding_returns.approve(row.pk, actor=steps.STAFF) if row.state == "requested" else row)
                returned.found(row, good=1)
                returned.pay_back(row, self.clerk)

    @rule()
    def go_on(self) -> None:
        """The stages do what is ready."""
        factories.run(deciding.run, splitting.run, waking.run, allocating.run, releasing.run, sending.run)
        factories.run(dispatching.run)

    @rule()
    def goods_arrive(self) -> None:
        """Some units of what is short."""
        receiving.receive(self.shop.warehouse.pk, self.skus[2].pk, 2, actor="test")

    @rule()
    def books(self) -> None:
        """Money follows, and what arrived long ago is completed."""
        factories.run(balancing.run, completing.run)

    @invariant()
    def everything_holds(self) -> None:
        """The invariants, and every unit in exactly one place."""
        if not self.orders:
            return
        assert steps.broken_invariants() == []
        for one in self.orders:
            order = Order.objects.get(pk=one.pk)
            lines = list(OrderLine.objects.filter(order=order))
            parts = list(SubOrder.objects.filter(order=order).prefetch_related("lines"))
            gone = units.gone(order, lines, parts)
            assert all(0 <= gone[line.position] <= line.quantity for line in lines)
            if order.split_at is not None:
                spread = {line.pk: 0 for line in lines}
                for part in parts:
                    for line in part.lines.all():
                        spread[line.order_line_id] += line.quantity
                assert spread == {line.pk: line.quantity for line in lines}


@pytest.mark.django_db
def test_whatever_is_changed_each_unit_is_somewhere_and_the_money_follows():
    machines.run_apart(Changes, examples=12, steps=12)


@pytest.mark.soak
@pytest.mark.django_db
def test_so_it_is_for_long():
    machines.run_apart(Changes, examples=120, steps=25)
