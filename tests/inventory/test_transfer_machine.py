"""Goods between warehouses under whatever may happen to them: every unit is somewhere after every step."""

import pytest
from django.db import connection, transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from inventory import adjusting, availability, lots, receiving, reserving, transfer_arrivals, transferring
from inventory.adjusting import Action, Adjustment
from inventory.invariants import INVARIANTS
from inventory.models import (
    AdjustmentReason,
    Quality,
    Receipt,
    Stock,
    StockLot,
    Transfer,
    TransferState,
)
from inventory.purchasing import Unloaded
from inventory.receiving import Arrived
from inventory.reserving import Demand
from inventory.transfer_invariants import INVARIANTS as OF_TRANSFERS
from inventory.transferring import Moved
from oms.common.errors import OmsError
from orders.stock import expiring, stocktaking
from tests import factories, steps
from tests.invariants import check
from tests.machines import run_apart, undone

UNITS = st.integers(min_value=1, max_value=6)
GOODS = st.sampled_from(["plain", "lots"])
PLACE = st.integers(min_value=0, max_value=1)


class TransferMachine(RuleBasedStateMachine):
    """Two warehouses and two SKUs, one of which keeps batches, beside a model that knows where each unit is."""

    @initialize()
    def begin(self) -> None:
        merchant = factories.MerchantFactory()
        self.places = [factories.WarehouseFactory(merchant=merchant) for _ in range(2)]
        self.skus = {
            "plain": factories.SkuFactory(merchant=merchant),
            "lots": factories.SkuFactory(merchant=merchant, wants_batches=True),
        }
        self.keys = [(goods, place) for goods in self.skus for place in range(2)]
        self.good = dict.fromkeys(self.keys, 0)
        self.other = dict.fromkeys(self.keys, 0)
        # Units by demand, and by transfer: what is set aside, then what is on its way (negative: more came than left).
        self.orders: dict[int, tuple[tuple[str, int], int]] = {}
        self.transfers: dict[int, tuple[str, int, int]] = {}
        self.last = 1_000_000
        for goods, place in self.keys:
            self.receive(goods, place, 6, 1)
            self.receive(goods, place, 6, -1)
        # Something on its way to act on, so that few steps tell much.
        for goods, place in self.keys:
            self.draft(goods, place, 3 + place, True)

    def stock(self, goods: str, place: int) -> Stock:
        return Stock.objects.get(sku=self.skus[goods], warehouse=self.places[place])

    def set_aside(self, key: tuple[str, int]) -> int:
        of_orders = sum(units for where, units in self.orders.values() if where == key)
        return of_orders + sum(
            units
            for pk, (goods, source, units) in self.transfers.items()
            if (goods, source) == key and self.state(pk) == TransferState.APPROVED
        )

    def state(self, transfer_id: int) -> str:
        return Transfer.objects.get(pk=transfer_id).state

    @rule(goods=GOODS, place=PLACE, units=UNITS, days=st.integers(min_value=-1, max_value=2))
    def receive(self, goods: str, place: int, units: int, days: int) -> None:
        arrived = Arrived(self.skus[goods].pk, units, lot=f"L{days}", best_before=lots.in_days(days))
        receiving.receive_all(self.places[place].pk, [arrived], actor="test")
        self.good[goods, place] += units

    @rule(goods=GOODS, place=PLACE, units=UNITS)
    def reserve(self, goods: str, place: int, units: int) -> None:
        self.last += 1
        with transaction.atomic():
            demand = Demand(1, self.last, self.stock(goods, place).pk, units)
            served = reserving.reserve([demand], actor="test")
        assert bool(served) <= (units <= self.good[goods, place] - self.set_aside((goods, place)))
        if served:
            self.orders[self.last] = ((goods, place), units)

    @rule(data=st.data(), leaves=st.booleans())
    def end_order(self, data: st.DataObject, leaves: bool) -> None:
        if self.orders:
            demand = data.draw(st.sampled_from(sorted(self.orders)))
            key, units = self.orders.pop(demand)
            with transaction.atomic():
                assert (reserving.consume if leaves else reserving.release)([demand], actor="test") == units
            self.good[key] -= units if leaves else 0

    @rule(goods=GOODS, place=PLACE, units=UNITS, is_approved=st.booleans())
    def draft(self, goods: str, place: int, units: int, is_approved: bool) -> None:
        row = self.stock(goods, place)
        can = availability.available(
            on_hand=row.on_hand, reserved=row.reserved, frozen=row.frozen, safety_stock=row.safety_stock
        )
        if goods == "lots":
            can = min(can, lots.sellable([row.pk])[row.pk])
        lines = [Moved(self.skus[goods], units)]
        transfer = transferring.draft(self.places[place], self.places[1 - place], lines, actor="test")
        self.transfers[transfer.pk] = (goods, place, units)
        if is_approved and units <= can:
            transferring.approve(transfer.pk, actor="test")
        elif is_approved:
            with pytest.raises(OmsError), transaction.atomic():
                transferring.approve(transfer.pk, actor="test")

    def drawn(self, data: st.DataObject, *states: TransferState) -> int | None:
        fitting = sorted(pk for pk in self.transfers if self.state(pk) in states)
        return data.draw(st.sampled_from(fitting)) if fitting else None

    @rule(data=st.data())
    def ship(self, data: st.DataObject) -> None:
        if (pk := self.drawn(data, TransferState.APPROVED)) is None:
            return
        goods, place, units = self.transfers[pk]
        try:
            transferring.ship(pk, actor="test")
        except OmsError:
            assert not units or goods == "lots", "a count took all, or its batch expired"
            return
        self.good[goods, place] -= units

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        pk = self.drawn(data, TransferState.DRAFT, TransferState.APPROVED)
        if pk is not None:
            transferring.cancel(pk, actor="test")
            del self.transfers[pk]

    @rule(data=st.data(), units=UNITS, is_damaged=st.booleans(), is_repeated=st.booleans())
    def arrive(self, data: st.DataObject, units: int, is_damaged: bool, is_repeated: bool) -> None:
        pk = self.drawn(data, TransferState.SHIPPED, TransferState.PARTLY_RECEIVED)
        if pk is None:
            return
        goods, place, coming = self.transfers[pk]
        told = [Unloaded(self.skus[goods].code, units, Quality.DAMAGED if is_damaged else Quality.GOOD)]
        reference = f"IN-{Receipt.objects.count()}"
        for _ in range(1 + is_repeated):
            transfer_arrivals.receive(pk, told, reference=reference, actor="test")
        (self.other if is_damaged else self.good)[goods, 1 - place] += units
        self.transfers[pk] = (goods, place, coming - units)
        assert (self.state(pk) == TransferState.CLOSED) == (coming == units)

    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        pk = self.drawn(data, TransferState.SHIPPED, TransferState.PARTLY_RECEIVED)
        if pk is not None:
            transferring.close(pk, reason="x", actor="test")
            del self.transfers[pk]

    @rule(goods=GOODS, place=PLACE, units=UNITS, is_more=st.booleans())
    def adjust(self, goods: str, place: int, units: int, is_more: bool) -> None:
        row = self.stock(goods, place)
        wanted = Adjustment(units, AdjustmentReason.CORRECTION)
        action = Action.ADD if is_more else Action.REMOVE
        if not is_more and units > row.on_hand - row.reserved - row.frozen:
            with pytest.raises(OmsError), transaction.atomic():
                adjusting.adjust(row.pk, action, wanted, actor="test", version=row.version)
            return
        adjusting.adjust(row.pk, action, wanted, actor="test", version=row.version)
        self.good[goods, place] += units if is_more else -units

    @rule(goods=GOODS, place=PLACE, fewer=st.integers(min_value=0, max_value=4), is_below=st.booleans())
    def count(self, goods: str, place: int, fewer: int, is_below: bool) -> None:
        key = (goods, place)
        if is_below:
            # So few that what is set aside must give way.
            fewer += max(self.good[key] - self.set_aside(key), 0)
        excess = self.set_aside(key) - max(self.good[key] - fewer, 0)
        missing = stocktaking.find_difference(self.stock(goods, place).pk, -fewer, actor=steps.STAFF)
        # Transfers give way, the youngest first; orders that warehouses have keep theirs.
        for pk in sorted(self.transfers, reverse=True):
            kind, source, units = self.transfers[pk]
            if (kind, source) == key and self.state(pk) == TransferState.APPROVED and excess > 0:
                taken = min(units, excess)
                excess -= taken
                self.transfers[pk] = (kind, source, units - taken)
        assert missing == max(excess, 0)
        self.good[key] = max(self.good[key] - fewer, 0) + missing

    @rule()
    def expire(self) -> None:
        due = StockLot.objects.filter(quality=Quality.GOOD, best_before__lt=lots.today(), on_hand__gt=0)
        for lot in due.select_related("stock"):
            place = [one.pk for one in self.places].index(lot.stock.warehouse_id)
            self.good["lots", place] -= lot.on_hand - lot.reserved
            self.other["lots", place] += lot.on_hand - lot.reserved
        expiring.expire()

    @invariant()
    def every_unit_is_somewhere(self) -> None:
        if not hasattr(self, "places"):
            return
        on_their_way = dict.fromkeys([(self.places[p].pk, self.skus[g].pk) for g, p in self.keys], 0)
        for pk, (goods, source, units) in self.transfers.items():
            if self.state(pk) in (TransferState.SHIPPED, TransferState.PARTLY_RECEIVED):
                on_their_way[self.places[1 - source].pk, self.skus[goods].pk] += max(units, 0)
        assert transferring.in_transit(on_their_way) == on_their_way
        for goods, place in self.keys:
            row = self.stock(goods, place)
            assert (row.on_hand, row.reserved) == (self.good[goods, place], self.set_aside((goods, place)))
            others = StockLot.objects.filter(stock=row).exclude(quality=Quality.GOOD)
            assert sum(others.values_list("on_hand", flat=True)) == self.other[goods, place]
        with undone(), connection.cursor() as cursor:
            # Batches add up at the end of a transaction: look now.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        assert [(finding.invariant.name, finding.examples) for finding in check((*INVARIANTS, *OF_TRANSFERS))] == []


@pytest.mark.django_db
def test_every_unit_is_somewhere_after_every_step() -> None:
    run_apart(TransferMachine, examples=30, steps=25)
