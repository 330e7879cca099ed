"""Stock under whatever may happen to it, in any order: after every step the ledgers explain every number."""

from collections import defaultdict
from datetime import date, timedelta

import pytest
from django.db import connection, transaction
from django.db.models import F
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from inventory import adjusting, availability, counting, lots, receiving, reserving
from inventory.adjusting import Action, Adjustment
from inventory.invariants import INVARIANTS
from inventory.models import AdjustmentReason, DemandKind, LotPromise, Quality, Reservation, Stock, StockLot
from inventory.receiving import Arrived
from inventory.reserving import Demand, Withdrawal
from oms.common.errors import OmsError
from orders.stock import expiring, stocktaking
from tests import factories, steps
from tests.invariants import check
from tests.machines import run_apart, undone

UNITS = st.integers(min_value=1, max_value=9)
PLACE = st.sampled_from(["plain", "lots"])


class StockMachine(RuleBasedStateMachine):
    """Two stock rows, one of which keeps batches, beside a model that knows what must be there."""

    @initialize()
    def begin(self) -> None:
        self.stock = {
            "plain": factories.StockFactory(on_hand=0, safety_stock=2),
            "lots": factories.StockFactory(sku=factories.SkuFactory(wants_batches=True), on_hand=0),
        }
        self.figures = {place: {"on_hand": 0, "reserved": 0, "frozen": 0} for place in self.stock}
        self.other = dict.fromkeys(self.stock, 0)
        self.demands: dict[int, tuple[str, int]] = {}
        self.last = 1_000
        # Something to act on, so that few steps tell much: batches that are expired, soon to be, and later.
        for place in self.stock:
            for days in (3, 1, -1):
                self.receive_units(place, 6, days, is_good=True)
        # Of the expired batch some units are frozen: they go with it.
        lot = StockLot.objects.get(stock=self.stock["lots"], lot="L-1")
        row = self.row("lots")
        wanted = Adjustment(2, AdjustmentReason.CORRECTION, lot_id=lot.pk)
        adjusting.adjust(row.pk, Action.FREEZE, wanted, actor="test", version=row.version)
        self.figures["lots"]["frozen"] += 2
        # The first takes from two batches.
        for place in self.stock:
            self.reserve_units(place, [7, 2])
            first = max(self.demands) - 1
            for leaves in (False, True):
                self.end_units(first, 1, leaves=leaves)

    def row(self, place: str) -> Stock:
        return Stock.objects.get(pk=self.stock[place].pk)

    def free(self, place: str) -> int:
        figures = self.figures[place]
        return figures["on_hand"] - figures["reserved"] - figures["frozen"]

    @rule(place=PLACE, units=UNITS, days=st.integers(min_value=-2, max_value=3), is_good=st.booleans())
    def receive(self, place: str, units: int, days: int, is_good: bool) -> None:
        self.receive_units(place, units, days, is_good=is_good)

    def receive_units(self, place: str, units: int, days: int, *, is_good: bool) -> None:
        quality = Quality.GOOD if is_good else Quality.DAMAGED
        row = self.stock[place]
        # What comes in expired is good until the sweep sees it.
        arrived = Arrived(row.sku_id, units, quality, f"L{days}", lots.today() + timedelta(days))
        receiving.receive_all(row.warehouse_id, [arrived], actor="test")
        if is_good:
            self.figures[place]["on_hand"] += units
        else:
            self.other[place] += units

    @rule(place=PLACE, wanted=st.lists(UNITS, min_size=1, max_size=3))
    def reserve(self, place: str, wanted: list[int]) -> None:
        self.reserve_units(place, wanted)

    def reserve_units(self, place: str, wanted: list[int]) -> None:
        row = self.stock[place]
        can = availability.available(**self.figures[place], safety_stock=row.safety_stock)
        if place == "lots":
            good = StockLot.objects.filter(stock=row, quality=Quality.GOOD, on_hand__gt=F("reserved") + F("frozen"))
            sellable = [lot for lot in good if (lot.best_before or date.max) >= lots.today()]
            can = min(can, sum(lot.on_hand - lot.reserved - lot.frozen for lot in sellable))
        demands = []
        for units in wanted:
            self.last += 1
            demands.append(Demand(self.last, self.last, row.pk, units))
        with transaction.atomic():
            served = reserving.reserve(demands, actor="test")
        for demand in demands:
            assert (demand.group in served) == (demand.quantity <= can), "served while it lasts, in order"
            if demand.group in served:
                can -= demand.quantity
                self.figures[place]["reserved"] += demand.quantity
                self.demands[demand.demand_id] = (place, demand.quantity)
        if place == "lots":
            self.nothing_that_expires_earlier_was_left([demand.demand_id for demand in demands])

    def nothing_that_expires_earlier_was_left(self, demand_ids: list[int]) -> None:
        taken = LotPromise.objects.filter(demand_id__in=demand_ids, demand_kind=DemandKind.SUB_ORDER_LINE)
        days = [day or date.max for day in taken.values_list("lot__best_before", flat=True)]
        left = StockLot.objects.filter(
            stock=self.stock["lots"], quality=Quality.GOOD, on_hand__gt=F("reserved") + F("frozen")
        )
        sellable = [lot for lot in left if (lot.best_before or date.max) >= lots.today()]
        assert not [lot for lot in sellable if days and (lot.best_before or date.max) < max(days)]
        assert all(day >= lots.today() for day in days), "nothing expired was promised"

    @rule(data=st.data(), leaves=st.booleans(), is_whole=st.booleans())
    def end(self, data: st.DataObject, leaves: bool, is_whole: bool) -> None:
        if not self.demands:
            return
        demand_id = data.draw(st.sampled_from(sorted(self.demands)))
        _place, had = self.demands[demand_id]
        units = had if is_whole else data.draw(st.integers(min_value=1, max_value=had))
        self.end_units(demand_id, units, leaves=leaves)

    def end_units(self, demand_id: int, units: int, *, leaves: bool) -> None:
        place, had = self.demands[demand_id]
        do = reserving.consume_units if leaves else reserving.release_units
        left = self.left_of(demand_id, units, leaves=leaves)
        with transaction.atomic():
            assert do({demand_id: units}, actor="test") == units
        assert self.promised_of(demand_id) == left
        self.figures[place]["reserved"] -= units
        if leaves:
            self.figures[place]["on_hand"] -= units
        self.demands[demand_id] = (place, had - units)
        if had == units:
            del self.demands[demand_id]

    def promised_of(self, demand_id: int) -> dict[date, int]:
        """Units that the demand has of batches, by the day that they are best before."""
        mine = LotPromise.objects.filter(demand_id=demand_id, demand_kind=DemandKind.SUB_ORDER_LINE)
        units: dict[date, int] = defaultdict(int)
        for day, some in mine.values_list("lot__best_before", "quantity"):
            units[day or date.max] += some
        return dict(units)

    def left_of(self, demand_id: int, units: int, *, leaves: bool) -> dict[date, int]:
        """What it has once so many end: what expires first leaves, what expires last is given back."""
        left = self.promised_of(demand_id)
        for day in sorted(left, reverse=not leaves):
            some = min(units, left[day])
            left[day] -= some
            units -= some
        return {day: some for day, some in left.items() if some}

    @rule(place=PLACE, units=UNITS)
    def withdraw(self, place: str, units: int) -> None:
        free = max(self.free(place), 0)
        with transaction.atomic():
            missing = reserving.withdraw([Withdrawal(self.stock[place].pk, 1, units)], actor="test")
        assert sum(missing.values()) == max(units - free, 0)
        self.figures[place]["on_hand"] -= min(units, free)

    @rule(place=PLACE, units=UNITS, action=st.sampled_from(list(Action)))
    def adjust(self, place: str, units: int, action: Action) -> None:
        figures = self.figures[place]
        most = {
            Action.ADD: units,
            Action.REMOVE: self.free(place),
            Action.FREEZE: self.free(place),
            Action.THAW: figures["frozen"],
            Action.WRITE_OFF: min(figures["frozen"], figures["on_hand"] - figures["reserved"]),
        }[action]
        row = self.row(place)
        wanted = Adjustment(units, AdjustmentReason.CORRECTION)
        if units > most:
            with pytest.raises(OmsError), transaction.atomic():
                adjusting.adjust(row.pk, action, wanted, actor="test", version=row.version)
            return
        try:
            adjusting.adjust(row.pk, action, wanted, actor="test", version=row.version)
        except OmsError:
            # Frozen units may lie in batches that are all promised: then they wait for these.
            assert place == "lots"
            assert action == Action.WRITE_OFF
            return
        on_hand, frozen = adjusting.CHANGES[action]
        figures["on_hand"] += on_hand * units
        figures["frozen"] += frozen * units

    @rule(place=PLACE, units=UNITS, is_better=st.booleans())
    def change_quality(self, place: str, units: int, is_better: bool) -> None:
        source, target = (Quality.DAMAGED, Quality.GOOD) if is_better else (Quality.GOOD, Quality.DAMAGED)
        row = self.row(place)
        damaged = sum(StockLot.objects.filter(stock=row, quality=Quality.DAMAGED).values_list("on_hand", flat=True))
        wanted = Adjustment(units, AdjustmentReason.INSPECTED)
        if units > (damaged if is_better else self.free(place)):
            with pytest.raises(OmsError), transaction.atomic():
                adjusting.change_quality(row.pk, source, target, wanted, actor="test", version=row.version)
            return
        adjusting.change_quality(row.pk, source, target, wanted, actor="test", version=row.version)
        self.figures[place]["on_hand"] += units if is_better else -units
        self.other[place] += -units if is_better else units

    @rule(place=PLACE, difference=st.integers(min_value=-9, max_value=9))
    def count(self, place: str, difference: int) -> None:
        figures = self.figures[place]
        missing = stocktaking.find_difference(self.stock[place].pk, difference, actor=steps.STAFF)
        counted = max(figures["on_hand"] + difference, 0)
        assert missing == max(figures["reserved"] - counted, 0)
        figures["on_hand"] = counted + missing
        figures["frozen"] += missing

    @rule()
    def expire(self) -> None:
        limit = lots.today()
        due = StockLot.objects.filter(quality=Quality.GOOD, best_before__lt=limit, on_hand__gt=0)
        units = sum(lot.on_hand - lot.reserved for lot in due)
        frozen = sum(min(lot.frozen, lot.on_hand - lot.reserved) for lot in due)
        assert expiring.expire() == units
        self.figures["lots"]["on_hand"] -= units
        self.figures["lots"]["frozen"] -= frozen
        self.other["lots"] += units

    @rule(place=PLACE, counted=st.integers(min_value=-5, max_value=-1))
    def refuse_nonsense(self, place: str, counted: int) -> None:
        with pytest.raises(OmsError), transaction.atomic():
            stocktaking.count_stock(self.stock[place].pk, counted, actor=steps.STAFF)
        with pytest.raises(OmsError), transaction.atomic():
            stocktaking.count_stock(self.stock[place].pk, counting.MOST_UNITS + 1, actor=steps.STAFF)

    @invariant()
    def the_ledger_explains_every_number(self) -> None:
        if not hasattr(self, "stock"):
            return
        for place, figures in self.figures.items():
            row = self.row(place)
            assert {name: getattr(row, name) for name in figures} == figures
            assert row.available == max(self.free(place) - row.safety_stock, 0)
            others = StockLot.objects.filter(stock=row).exclude(quality=Quality.GOOD)
            assert sum(others.values_list("on_hand", flat=True)) == self.other[place]
        promised = Reservation.objects.active().values_list("demand_id", "quantity")
        assert dict(promised) == {key: units for key, (_place, units) in self.demands.items()}
        with undone(), connection.cursor() as cursor:
            # Batches add up at the end of a transaction: look now.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        assert [(finding.invariant.name, finding.examples) for finding in check(INVARIANTS)] == []


@pytest.mark.django_db
def test_the_ledger_explains_every_number_after_every_step() -> None:
    run_apart(StockMachine, examples=40, steps=20)
