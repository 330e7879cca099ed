"""What buyers do with goods that are there, and what becomes of it: returns, exchanges, goods sent again."""

from collections import Counter
from typing import Any

from django.contrib.auth.models import User
from hypothesis import strategies as st
from hypothesis.stateful import rule

from inventory.models import Sku
from oms.common.money import to_fen
from orders.changing import charging, reissuing
from orders.models import Order, ReturnRequest, SubOrderLine
from orders.models.sub_order import ARRIVED
from orders.returning import deciding, inspecting, paying, requesting, travelling
from orders.returning.exchanging import NewGoods
from orders.returning.requesting import Wanted
from payments.exchanging import beginning, writing_off
from payments.models import Payment
from payments.taking import expiring
from tests import factories, steps
from tests.returns import world as returned
from tests.sideways.world import MOSTLY, PICK, UNITS, World, there

# What the first, third … unit is found to be, and what the others are.
_FOUND = st.tuples(st.sampled_from(["damaged", "missing", "good"]), st.sampled_from(["good", "damaged", "wrong"]))
# How far a return goes at once: mostly until its goods are there and inspected, or its money is decided.
_FAR = st.sampled_from([4, 5, 4, 5, 3, 1, 0])
_OPEN_RETURNS = tuple(f"return:{state}" for state in ("requested", "awaiting_goods", "in_transit", "received"))


class Buyers(World):
    """Buyers of the shop's SKUs, and a clerk who grants what they are due."""

    skus: list[Sku]
    clerk: User

    def everything_holds(self) -> None:
        """What must hold after each step."""
        raise NotImplementedError

    def order(self, which: int) -> Order:
        """One of the orders."""
        found: Order = self.pick(self.orders(), which)
        return found

    def arrived(self, which: int) -> SubOrderLine | None:
        """A line that is at the buyer's."""
        lines = SubOrderLine.objects.filter(sub_order__state__in=ARRIVED).select_related("sub_order").order_by("id")
        found: SubOrderLine | None = self.pick(lines, which)
        return found

    @there("delivered", "completed")
    @rule(
        which=PICK,
        units=UNITS,
        kind=st.sampled_from(["return_and_refund", "return_and_refund", "refund_only"]),
        found=_FOUND,
        far=_FAR,
    )
    def give_back(self, which: int, units: int, kind: str, found: tuple[str, str], far: int) -> None:
        """The buyer gives units back, or wants their money, and it goes so far at once."""
        line = self.arrived(which)
        if line:
            wanted = Wanted(kind, {line.pk: units}, "no_reason")
            row = self.tried(lambda: requesting.request(line.sub_order.order_id, wanted, actor=steps.STAFF))
            for _step in range(far if row else 0):
                self._go_on_with(row, found)

    @there("delivered", "completed")
    @rule(which=PICK, units=st.integers(1, 2), other=st.integers(0, 3), found=_FOUND, far=_FAR, pays=MOSTLY)
    def exchange(self, which: int, units: int, other: int, found: tuple[str, str], far: int, pays: bool) -> None:
        """The buyer wants other goods, or the same again; a difference is paid or not, and it goes so far at once."""
        line = self.arrived(which)
        if line is None:
            return
        goods = [NewGoods(self.skus[other].code, units)] if other < 3 else []
        wanted = Wanted("exchange", {line.pk: units}, "no_reason", goods=goods)
        order_id = line.sub_order.order_id
        owes = charging.owed(order_id)
        seen = self.tried(lambda: beginning.preview(order_id, wanted))
        assert charging.owed(order_id) == owes
        begun = self.tried(lambda: beginning.exchange(order_id, wanted, actor=steps.STAFF))
        assert (seen is None) == (begun is None)
        if not begun:
            return
        assert (to_fen(begun.new_amount), to_fen(begun.credit)) == (seen.costs, seen.credit)
        self.everything_holds()
        if pays:
            self.pay_difference()
        for _step in range(far):
            self._go_on_with(begun.return_request, found)
        self.books()

    @there("new:awaiting_payment")
    @rule(is_late=MOSTLY.map(lambda one: not one))
    def pay_difference(self, is_late: bool = False) -> None:
        """New goods that cost more are paid, or not in time."""
        if is_late:
            Order.objects.filter(exchange__isnull=False, state="awaiting_payment").update(pay_by=steps.NOON)
            factories.run(expiring.run)
            return
        self.ask_for_money()
        rows = Payment.objects.filter(order__exchange__isnull=False, order__state="awaiting_payment", means="online")
        payment = rows.exclude(state="captured").order_by("id").last()
        if payment:
            self.pays(payment.number, payment.amount)

    @there(*_OPEN_RETURNS, "money:to_grant")
    @rule(which=PICK, found=_FOUND, far=st.integers(1, 4))
    def return_goes_on(self, which: int, found: tuple[str, str], far: int) -> None:
        """A return goes on by so many steps."""
        row = self.pick(ReturnRequest.objects.exclude(state="closed").order_by("id"), which)
        for _step in range(far if row else 0):
            self._go_on_with(row, found)

    def _go_on_with(self, row: ReturnRequest, found: tuple[str, str]) -> None:
        """The next step of a return; its units are found to be so."""
        row = ReturnRequest.objects.get(pk=row.pk)
        match row.state:
            case "requested" if row.kind == "exchange":
                self.tried(lambda: beginning.approve(row.pk, actor=steps.STAFF))
            case "requested":
                self.tried(lambda: deciding.approve(row.pk, actor=steps.STAFF))
            case "awaiting_goods":
                told = {"carrier": "顺丰", "waybill": f"B{row.pk}", "actor": returned.BUYER}
                self.tried(lambda: travelling.hand_over(row.pk, **told))
            case "in_transit":
                self.tried(lambda: travelling.receive(row.pk, actor=steps.STAFF))
            case "received":
                self._inspect(row, found)
            case _ if row.money_state == "to_grant":
                self.tried(lambda: returned.pay_back(row, self.clerk))

    def _inspect(self, row: ReturnRequest, found: tuple[str, str]) -> None:
        lines = list(row.lines.select_related("sub_order_line__order_line"))
        findings = {line.sub_order_line_id: Counter(found[unit % 2] for unit in range(line.quantity)) for line in lines}
        if self.tried(lambda: inspecting.inspect(row.pk, findings, actor=steps.STAFF)):
            for line in lines:
                sku = line.sub_order_line.order_line.sku_id
                self.outside.came[sku] += findings[line.sub_order_line_id]["good"]
                self.outside.damaged[sku] += findings[line.sub_order_line_id]["damaged"]

    @there(*_OPEN_RETURNS, "money:to_grant", "return:declined")
    @rule(which=PICK, how=st.integers(0, 4))
    def return_ends(self, which: int, how: int) -> None:
        """Nothing comes of a return, or something else."""
        row = self.pick(ReturnRequest.objects.exclude(state="closed").order_by("id"), which)
        if row:
            why: dict[str, Any] = {"reason": "so", "actor": steps.STAFF}
            ways = (deciding.cancel, deciding.decline, paying.close_without_goods, paying.give_nothing)
            self.tried(lambda: ways[how](row.pk, **why) if how < 4 else writing_off.write_off(row.pk, **why))

    @there("shipped", "delivered", "completed")
    @rule(which=PICK, position=st.integers(1, 2))
    def send_again(self, which: int, position: int) -> None:
        """A unit is sent again for nothing."""
        order = self.order(which)
        told = {"reason": "missing", "bearer": "merchant", "actor": steps.STAFF}
        if Order.objects.count() < 6:
            self.tried(lambda: reissuing.reissue(order.pk, {position: 1}, **told))
