"""A merchant's warehouse in random order: orders come, are cancelled, ship in parts, twice, with waybills of others,
are given back, answered, and left all the same. After each step what must always hold does, every unit is
accounted for, a waybill is on one parcel that left, and what was refused did nothing.

Each example runs in a transaction that is rolled back.
"""

from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from inventory.invariants import INVARIANTS as OF_STOCK
from inventory.models import Stock
from logistics.by_merchant import answering, shipping
from logistics.by_merchant.reported import Leaving
from logistics.invariants import INVARIANTS as OF_LOGISTICS
from logistics.models import Shipment, WarehouseOrder
from logistics.warehouses import events, releasing, sending, stopping
from oms.common.errors import OmsError
from oms.common.work import clock
from orders.actors import Actor
from orders.changing import cancelling
from orders.fulfilling import allocating
from orders.models import ActorKind, Order, SubOrderLine
from tests import factories, steps
from tests.invariants import check
from tests.machines import run_apart
from tests.portal import world

_ANY = st.integers(0, 20)
LI = Actor(ActorKind.MERCHANT, "li")


class OwnWarehouse(RuleBasedStateMachine):
    """A merchant that ships two SKUs by itself."""

    @initialize()
    def open(self) -> None:
        """The merchant."""
        self.seller = world.make_seller()
        self.units = 0

    @rule(first=st.integers(2, 4), second=st.integers(0, 2))
    def order(self, first: int, second: int) -> None:
        """Somebody orders."""
        lines = [(self.seller.sku, first, "10.00")] + [(self.seller.other_sku, second, "10.00")] * (second > 0)
        self.seller.orders(1, *lines)
        self.units += first + second

    @rule()
    def work(self) -> None:
        """The workers do what there is."""
        factories.run(stopping.PASS_ON_STAGE.run, events.run, allocating.run, releasing.run, sending.run)
        with clock.skipping_waits():
            stopping.run(500)

    @rule(which=_ANY)
    def cancel(self, which: int) -> None:
        """The buyer does not want it any more."""
        if order := self._one(Order, which):
            with suppress(OmsError):
                cancelling.cancel_order(order.pk, reason="x", actor=steps.STAFF)

    @rule(which=_ANY, is_stopped=st.booleans())
    def answer(self, which: int, is_stopped: bool) -> None:
        """The merchant says whether it can be stopped."""
        if work := self._one(WarehouseOrder, which):
            with suppress(OmsError):
                answering.answer_stop(self.seller.merchant, work.number, is_stopped=is_stopped, actor=LI)

    @rule(which=_ANY)
    def give_back(self, which: int) -> None:
        """The merchant cannot send it."""
        if work := self._one(WarehouseOrder, which):
            with suppress(OmsError):
                answering.give_back(self.seller.merchant, work.number, text="broken", actor=LI)

    @rule(
        rows=st.lists(
            st.tuples(_ANY, st.integers(0, 12), st.integers(0, 1), st.integers(0, 1), st.booleans()),
            min_size=1,
            max_size=3,
        ),
        left=st.booleans(),
    )
    def report(self, rows: list[tuple[int, int, int, int, bool]], left: bool) -> None:
        """The merchant reports parcels, some of them wrongly."""
        self.ship(rows, left)

    def ship(self, rows: list[tuple[int, int, int, int, bool]], left: bool) -> None:
        """Report parcels; what is told to have left did, and nothing else."""
        leaving = []
        for which, waybill, first, second, is_last in rows:
            if work := self._one(WarehouseOrder, which):
                named = {self.seller.sku.code: first, self.seller.other_sku.code: second}
                units = {sku: count for sku, count in named.items() if count}
                leaving.append(Leaving(work.number, "SF", f"SF00000{waybill:04}", units, is_last=is_last))
        before = self._gone()
        outcomes = shipping.ship(self.seller.merchant, leaving, actor=LI, all_the_same=left)
        new = self._gone() - before
        told = {one.leaving.waybill for one in outcomes if one.is_done and not one.is_known}
        assert {waybill for _number, waybill in new} == told

    @rule(which=_ANY, waybill=st.integers(0, 12))
    def ship_unit_by_unit(self, which: int, waybill: int) -> None:
        """Two parcels of one order, one after the other."""
        self.ship([(which, waybill, 1, 0, False)], left=False)
        self.ship([(which, waybill + 1, 1, 0, False)], left=False)

    @rule(which=_ANY, waybill=st.integers(0, 12))
    def use_a_waybill_twice(self, which: int, waybill: int) -> None:
        """One waybill for two orders."""
        self.ship([(which, waybill, 1, 0, False)], left=False)
        self.ship([(which + 1, waybill, 1, 0, False)], left=False)

    def _gone(self) -> set[tuple[str, str | None]]:
        """Parcels that left: number and waybill."""
        return set(Shipment.objects.filter(left_at__isnull=False).values_list("number", "waybill_number"))

    def _one(self, model: Any, which: int) -> Any:
        rows = list(model.objects.order_by("pk"))
        return rows[which % len(rows)] if rows else None

    @invariant()
    def every_unit_is_accounted_for(self) -> None:
        """What must always hold does, no unit is lost, and no waybill is on two parcels that left."""
        if not hasattr(self, "seller"):
            return
        assert [(found.invariant.name, found.examples) for found in check((*OF_LOGISTICS, *OF_STOCK))] == []
        assert sum(SubOrderLine.objects.values_list("quantity", flat=True)) == self.units
        times = Counter(waybill for _number, waybill in self._gone())
        assert max(times.values(), default=1) == 1
        here = sum(Stock.objects.values_list("on_hand", flat=True))
        left = sum(
            line.left_quantity - line.unbooked_quantity
            for work in WarehouseOrder.objects.prefetch_related("lines")
            for line in work.lines.all()
        )
        assert here + left == 2000


@pytest.mark.django_db
def test_whatever_a_merchant_reports_nothing_is_lost_or_done_twice() -> None:
    run_apart(OwnWarehouse, examples=12, steps=14)
