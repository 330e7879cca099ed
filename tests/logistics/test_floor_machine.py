"""Orders on the floor in random order: gathered, picked, checked, short, handed over, cancelled. After each step every
order is in one wave at most, nothing left without being checked, and units are accounted for.

Each example runs in a transaction that is rolled back.
"""

from contextlib import suppress

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from inventory.invariants import INVARIANTS as OF_STOCK
from logistics.carriers import dispatching
from logistics.carriers.defaults import install_default_carriers
from logistics.floor import checking, gathering, handing_over, waves
from logistics.floor.defaults import install_default_wave_rules
from logistics.invariants import INVARIANTS as OF_LOGISTICS
from logistics.models import PickTask, WarehouseOrder, Wave
from logistics.warehouses import events, releasing, sending, stopping
from oms.common.errors import OmsError
from oms.common.models import Connection, SystemKind
from oms.common.work import clock
from orders.changing import cancelling
from orders.fulfilling import allocating, splitting
from orders.models import Order, SubOrderLine
from orders.reviewing import deciding
from tests import factories, fakes, steps
from tests.invariants import check
from tests.machines import run_apart

_ANY = st.integers(0, 30)
_UNITS = st.integers(1, 3)


class Floor(RuleBasedStateMachine):
    """A shop whose one warehouse is run here, and which has plenty of two SKUs."""

    @initialize()
    def open(self) -> None:
        """The shop and its rules."""
        install_default_carriers()
        install_default_wave_rules()
        self.shop = factories.make_shop()
        link = Connection.objects.create(code="floor", name="floor", kind=SystemKind.WAREHOUSE, protocol="floor")
        self.shop.warehouse.connection = link
        self.shop.warehouse.save(update_fields=["connection"])
        self.units = 0

    @rule(first=_UNITS, second=st.integers(0, 2))
    def order(self, first: int, second: int) -> None:
        """Somebody orders."""
        lines = [(self.shop.sku, first, "10.00")] + [(self.shop.other_sku, second, "25.50")] * (second > 0)
        self.shop.place_order(*lines, payment_method="cod")
        factories.run(deciding.run, splitting.run, allocating.run, releasing.run, sending.run)
        self.units += first + second

    @rule()
    def work(self) -> None:
        """The workers do what there is."""
        with fakes.carrier(fakes.FakeCarrier()):
            factories.run(stopping.PASS_ON_STAGE.run, stopping.run, events.run, dispatching.run)

    @rule()
    def gather(self) -> None:
        """Waves are gathered."""
        with clock.skipping_waits():
            gathering.gather()

    @rule(which=_ANY, starts=st.booleans())
    def start_or_dissolve(self, which: int, starts: bool) -> None:
        """Somebody starts a wave, or takes it apart."""
        if chosen := self._one(Wave, which):
            with suppress(OmsError):
                (waves.start if starts else waves.dissolve)(chosen.pk)

    @rule(which=_ANY, takes=st.integers(0, 6), is_short=st.booleans(), anew=st.booleans())
    def check_goods(self, which: int, takes: int, is_short: bool, anew: bool) -> None:
        """Somebody scans some units of a parcel, and closes it if he may."""
        task = self._one(PickTask, which)
        if task is None:
            return
        with suppress(OmsError):
            checking.begin(task.warehouse_order.number, by="zhao")
            if anew:
                checking.empty(task.pk)
            for _ in range(takes):
                with suppress(checking.ExtraUnit):
                    checking.scan(task.pk, self.shop.sku.code)
                with suppress(checking.ExtraUnit, checking.WrongUnit):
                    checking.scan(task.pk, self.shop.other_sku.code)
            checking.finish(task.pk, weight_g=None, is_short=is_short)

    @rule(which=st.lists(_ANY, min_size=1, max_size=3))
    def hand_over(self, which: list[int]) -> None:
        """The carrier is there."""
        handing_over.hand_over([task.warehouse_order.number for i in which if (task := self._one(PickTask, i))])

    @rule(which=_ANY)
    def cancel(self, which: int) -> None:
        """The buyer does not want it any more."""
        if order := self._one(Order, which):
            with suppress(OmsError):
                cancelling.cancel_order(order.pk, reason="x", actor=steps.STAFF)

    def _one(self, model, which: int):  # type: ignore[no-untyped-def]
        rows = list(model.objects.order_by("pk"))
        return rows[which % len(rows)] if rows else None

    @invariant()
    def every_unit_is_accounted_for(self) -> None:
        """What must always hold does, and no unit is lost."""
        if not hasattr(self, "shop"):
            return
        assert [(found.invariant.name, found.examples) for found in check((*OF_LOGISTICS, *OF_STOCK))] == []
        assert sum(SubOrderLine.objects.values_list("quantity", flat=True)) == self.units
        packed = WarehouseOrder.objects.filter(state__in=["packed", "shipped"], pick_task__checked_at__isnull=True)
        assert not packed.exists()


@pytest.mark.django_db
def test_whatever_happens_on_the_floor_nothing_leaves_unchecked_or_is_lost() -> None:
    run_apart(Floor, examples=12, steps=16)
