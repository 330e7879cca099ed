"""Orders of one buyer that are paid on delivery, at random: merged and parted, split, cancelled and held, sent in one
parcel or two, signed for or refused at the door, and the carrier's rows of it, early, late, twice, of too little or too
much.

The test keeps books of its own: what each courier was told to collect, what he has, and what he remitted. After every
step our books, and the carrier's account in the ledger, are that."""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from logistics.carriers import contents, dispatching
from logistics.carriers.defaults import install_default_carriers
from logistics.models import Shipment, WarehouseOrder
from logistics.models.warehouse_order import OVER
from logistics.warehouses import events, releasing, sending, stopping
from logistics.warehouses.adapters import Answer
from oms.common.errors import OmsError
from oms.common.money import to_fen
from orders.changing import cancelling, charging, merging
from orders.changing import units as cancelling_units
from orders.fulfilling import allocating, dividing, splitting
from orders.models import Hold, Order, SubOrder, SubOrderLine
from orders.models.sub_order import ARRIVED
from orders.reviewing import deciding, holds
from payments.models import BillForm, BillMatch, BillShare, BillSource, LedgerLine, Payment
from payments.owing import balancing
from payments.reconciling import importing, refreshing, resolving
from tests import factories, fakes, machines, steps
from tests.reconciling.papers import Cash
from tests.sideways import books

pytestmark = pytest.mark.django_db

PICK = st.integers(0, 5)
MOSTLY = st.sampled_from([True, True, True, False])
_DAY = "2026-01-20"
# What a row has more, in fen, than the courier collected.
_WRONG = st.sampled_from([0, 0, 0, -100, 250])


@dataclass(slots=True)
class Door:
    """Cash that a courier has of a parcel, or, where several were brought together, of the first one with goods of an
    order: in fen; `settled_fen` of it was remitted, or written off."""

    waybill: str
    collected_fen: int
    orders: tuple[int, ...]
    is_remitted: bool = False
    settled_fen: int = 0


class OnDelivery(RuleBasedStateMachine):
    """One shop, one carrier, one buyer who pays at the door."""

    def __init__(self) -> None:
        super().__init__()
        self.exit = ExitStack()
        self.stops = True
        fake = fakes.FakeWarehouse(cancel_answer=lambda _reference: Answer(taken=self.stops))
        self.exit.enter_context(fakes.warehouse(fake))
        self.exit.enter_context(fakes.carrier(fakes.FakeCarrier()))
        self.doors: list[Door] = []
        self.files = 0

    # How each example begins; nothing of it is chosen at random.
    opening: dict[str, Any] | None = None

    @initialize(merges=MOSTLY, leaves=st.booleans())
    def begin(self, merges: bool, leaves: bool) -> None:
        """Two orders, mostly merged, perhaps at their warehouse; or as is said."""
        self.shop = factories.make_shop()
        install_default_carriers()
        self.come(1, 1)
        self.come(2, 0)
        if merges or self.opening:
            self.merge({0, 1})
        if leaves and not self.opening:
            self.release()
        if self.opening:
            self.deliver(0, **self.opening)
            assert self.doors

    def teardown(self) -> None:
        """Nothing of an example stays."""
        self.exit.close()

    @staticmethod
    def tried(what: Callable[[], Any]) -> Any:
        """Do it, or be refused, and nothing of it stays."""
        with suppress(OmsError), transaction.atomic():
            return what()
        return None

    # --- Orders

    @rule(units=st.integers(1, 3), others=st.integers(0, 2))
    def come(self, units: int, others: int) -> None:
        """An order comes in."""
        if Order.objects.count() < 5:
            lines = [(self.shop.sku, units, "10.00"), *([(self.shop.other_sku, others, "25.50")] if others else [])]
            self.shop.place_order(*lines, payment_method="cod", freight_amount="0.00")
            factories.run(deciding.run, splitting.run, allocating.run)

    @rule(which=st.sets(st.integers(0, 9), min_size=2, max_size=4))
    def merge(self, which: set[int]) -> None:
        """Somebody merges sub-orders."""
        parts = list(SubOrder.objects.filter(state="allocated").order_by("pk").values_list("pk", flat=True))
        if parts:
            self.tried(lambda: merging.merge({parts[one % len(parts)] for one in which}, actor=steps.STAFF))

    @rule(which=PICK)
    def unmerge(self, which: int) -> None:
        """One goes by itself after all."""
        if part := self.pick(SubOrder.objects.filter(merge_group__isnull=False), which):
            self.tried(lambda: merging.unmerge(part.pk, actor=steps.STAFF))

    @rule(which=PICK)
    def divide(self, which: int) -> None:
        """A unit goes by itself."""
        part = self.pick(SubOrder.objects.filter(state="allocated"), which)
        line = part.lines.order_by("pk").first() if part else None
        if line:
            self.tried(lambda: dividing.divide(part.pk, {line.pk: 1}, actor=steps.STAFF))

    @rule(which=PICK, position=st.sampled_from([None, 1, 2]))
    def cancel(self, which: int, position: int | None) -> None:
        """An order is cancelled, or a unit of it; or its warehouse asked."""
        order = self.order(which)
        told: dict[str, Any] = {"reason": "x", "actor": steps.STAFF}
        if position is None:
            self.tried(lambda: cancelling.cancel_order(order.pk, **told))
        else:
            self.tried(lambda: cancelling_units.cancel_units(order.pk, {position: 1}, **told))

    @rule(which=PICK)
    def hold(self, which: int) -> None:
        """An order is held, or let go."""
        order = self.order(which)
        held = Hold.objects.filter(order=order, released_at=None, kind="staff").first()
        if held:
            self.tried(lambda: holds.release_hold(held.pk, note="", actor=steps.STAFF))
        else:
            self.tried(lambda: holds.hold_order(order.pk, reason="x", actor=steps.STAFF))

    # --- From the warehouse to the bank

    @rule(
        which=PICK,
        boxes=st.sampled_from([1, 1, 1, 2, 0]),
        is_signed=MOSTLY,
        booked=st.sampled_from([0, 1, 500]),
        wrong=_WRONG,
        is_by_order=st.sampled_from([False, False, True]),
    )
    def deliver(self, which: int, boxes: int, is_signed: bool, booked: int, wrong: int, is_by_order: bool) -> None:
        """What belongs together leaves together, is at the door, and the carrier remits its cash when our books know
        that of so many orders; the last box first."""
        self.merge(set(range(9)))
        before = len(self.doors)
        self.leave(which, boxes, is_signed)
        if booked:
            self.books(booked)
        for number in reversed(range(before, len(self.doors))):
            self.everything_holds()
            self.remit(number, wrong, is_by_order)

    @precondition(lambda self: self.there("allocated", "released", "accepted"))
    @rule()
    def release(self) -> None:
        """What waits goes to the warehouse."""
        factories.run(allocating.run, releasing.run, sending.run)

    @rule(stops=st.booleans())
    def answer(self, stops: bool) -> None:
        """The warehouse answers what it was asked."""
        self.stops = stops
        factories.run(stopping.pass_on, stopping.run, events.run, allocating.run)

    @rule(which=PICK, boxes=st.sampled_from([1, 1, 1, 2, 0]), is_signed=MOSTLY)
    def leave(self, which: int, boxes: int, is_signed: bool) -> None:
        """A warehouse order leaves in one box or two, or one unit of it and no more will (0); the courier is at the
        door with all of it, and it is signed for and paid, or refused."""
        self.release()
        works = WarehouseOrder.objects.filter(is_current=True).exclude(sent_at=None).exclude(state__in=OVER)
        work = self.pick(works, which)
        if work is None:
            return
        steps.tell(work, "packed")
        factories.run(events.run, dispatching.run)
        steps.tell(work, "shipped", minutes=5, **self._boxes(work, boxes))
        factories.run(events.run, dispatching.run)
        parcels = list(Shipment.objects.filter(warehouse_order=work, left_at__isnull=False).order_by("pk"))
        to_collect = self._to_collect(parcels, is_ours=boxes == 1)
        for parcel in parcels:
            steps.scan(parcel, "collected", *(("signed",) if is_signed else ("rejected", "returned")))
        inside = Order.objects.filter(sub_orders__lines__warehouse_order_lines__warehouse_order=work)
        orders = tuple(inside.distinct().order_by("pk").values_list("pk", flat=True)) if len(parcels) == 1 else ()
        for parcel in parcels:
            collected_fen = to_collect[parcel.pk] if is_signed else 0
            self.doors.append(Door(parcel.waybill_number or "", collected_fen, orders))

    @staticmethod
    def _to_collect(parcels: list[Shipment], *, is_ours: bool) -> dict[int, int]:
        """What couriers are to collect, in fen, by parcel (id): what we told them of a parcel of ours; with boxes that
        a warehouse sends by itself, the price of the goods of each sub-order, with the first of its boxes."""
        if is_ours:
            told = contents.of([parcel.number for parcel in parcels])
            return {parcel.pk: to_fen(told[parcel.number].cod_yuan) for parcel in parcels}
        found = dict.fromkeys([parcel.pk for parcel in parcels], 0)
        had: set[int] = set()
        for parcel in parcels:
            parts = set(parcel.lines.values_list("sub_order_line__sub_order", flat=True))
            for line in SubOrderLine.objects.filter(sub_order__in=parts - had).select_related("order_line"):
                found[parcel.pk] += to_fen(line.quantity * line.order_line.unit_price)
            had |= parts
        return found

    @staticmethod
    def _boxes(work: WarehouseOrder, count: int) -> dict[str, Any]:
        """What the warehouse tells of its boxes."""
        units = [
            (str(line.sub_order_line_id), 1)
            for line in work.lines.order_by("sub_order_line_id")
            for _unit in range(line.quantity)
        ]
        if count == 1 or (count == 2 and len(units) < 2):
            return {}
        parts = [units[-1:]] if count == 0 else [units[:1], units[1:]]
        return {
            "parcels": [
                {
                    "waybill": f"SF{work.pk}-{box}",
                    "carrier": "SF",
                    "lines": [{"line": line, "quantity": quantity} for line, quantity in part],
                }
                for box, part in enumerate(parts)
            ]
        }

    # --- Money

    @precondition(lambda self: self.doors)
    @rule(limit=st.sampled_from([1, 1, 500]))
    def books(self, limit: int) -> None:
        """Our books learn of the cash, order by order."""
        balancing.run(limit)

    @precondition(lambda self: self.files)
    @rule()
    def refresh(self) -> None:
        """Bills are compared with the books once more."""
        refreshing.refresh()

    @precondition(lambda self: self.doors)
    @rule(which=PICK, wrong=_WRONG, is_by_order=st.sampled_from([False, False, True]))
    def remit(self, which: int, wrong: int, is_by_order: bool) -> None:
        """The carrier remits the cash of a parcel, perhaps once more, perhaps too little or too much, perhaps under
        the number of one of the orders."""
        door = self.doors[which % len(self.doors)] if self.doors else None
        if door is None or not door.waybill or door.collected_fen + wrong <= 0:
            return
        number, of = door.waybill, f"again {self.files}"
        if is_by_order and not wrong and not door.is_remitted and self._is_named_by(door):
            number, of = f"NOT-OURS {self.files}", Order.objects.get(pk=door.orders[0]).external_number
        told = door.collected_fen + wrong
        self._import(number, of, told)
        if door.collected_fen and not door.is_remitted:
            door.is_remitted, door.settled_fen = True, min(told, door.collected_fen)

    @staticmethod
    def _is_named_by(door: Door) -> bool:
        """Whether the number of the first order says which cash is meant: all its goods were in this parcel."""
        return bool(door.orders) and all(
            SubOrder.objects.filter(order=order).exclude(state="cancelled").count() == 1 for order in door.orders
        )

    def _import(self, number: str, of: str, fen: int) -> None:
        self.files += 1
        amount = f"{Decimal(fen) / 100:.2f}"
        parcel = Shipment.objects.exclude(carrier=None).order_by("pk")[0]
        assert parcel.carrier
        source, _made = BillSource.objects.get_or_create(connection=parcel.carrier.connection, form=BillForm.COD)
        row = f"FK{self.files},{_DAY},{number},{of},{_DAY} 10:00:00,{amount},0.00,{amount},已返款,"
        file = "\r\n".join([Cash.HEADER, row, f"合计,,,,,{amount},0.00,{amount},1笔,"])
        importing.import_bill(source.pk, file.encode(), file_name=f"{self.files}.csv", by="li")

    @precondition(lambda self: self.files)
    @rule()
    def write_off(self) -> None:
        """What a row lacks is lost, once all of its cash is in the books."""
        self.come_to_rest()
        match = BillMatch.objects.filter(outcome="amount_differs", resolution="", row__isnull=False).first()
        if match is None:
            return
        resolving.write_off(match.pk, reason="lost by the courier", actor=steps.STAFF)
        assert match.row
        for door in self.doors:
            if door.waybill == match.row.own_number:
                door.settled_fen = door.collected_fen

    def come_to_rest(self) -> None:
        """All that was taken at doors is in the books, and all rows are compared with it."""
        factories.run(balancing.run)
        refreshing.refresh()

    # --- What must hold

    @invariant()
    def everything_holds(self) -> None:
        """The invariants; units and stock; who owes what; and, once the books know it, the cash."""
        if not hasattr(self, "shop"):
            return
        assert steps.broken_invariants() == []
        books.check_units()
        books.check_merges()
        books.check_goods()
        with machines.undone():
            self.come_to_rest()
            assert steps.broken_invariants() == []
            self._cash_is_where_it_is()

    def _cash_is_where_it_is(self) -> None:
        at_doors = sum(door.collected_fen for door in self.doors)
        assert at_doors == sum(to_fen(payment.captured_amount) for payment in Payment.objects.all())
        for order in Order.objects.order_by("pk"):
            lines = SubOrderLine.objects.filter(sub_order__order=order, sub_order__state__in=ARRIVED)
            worth = sum(line.quantity * line.order_line.unit_price for line in lines.select_related("order_line"))
            paid = sum(Payment.objects.filter(order=order).values_list("captured_amount", flat=True))
            assert paid == worth, order.number
            if not SubOrder.objects.filter(order=order).exclude(state__in=[*ARRIVED, "cancelled", "returned"]).exists():
                assert charging.owed(order.pk) == paid, order.number
        with_carrier = sum(line.fen for line in LedgerLine.objects.filter(account="1004"))
        assert with_carrier == at_doors - sum(door.settled_fen for door in self.doors)
        tied = BillMatch.objects.filter(row__isnull=False, outcome__in=["matched", "amount_differs"])
        stands_for = [*tied.values_list("payment", flat=True), *BillShare.objects.values_list("payment", flat=True)]
        named = [key for key in stands_for if key]
        assert len(named) == len(set(named)), "two rows stand for one payment"

    @staticmethod
    def there(*states: str) -> bool:
        """Whether there is a sub-order in one of these states."""
        return SubOrder.objects.filter(state__in=states).exists()

    @staticmethod
    def pick(rows: Any, which: int) -> Any:
        """One of the rows; None where there are none."""
        found = list(rows.order_by("pk"))
        return found[which % len(found)] if found else None

    @staticmethod
    def order(which: int) -> Order:
        """One of the orders."""
        found = list(Order.objects.order_by("pk"))
        return found[which % len(found)]


_OPENINGS = {
    "one_box": {"boxes": 1},
    "two_boxes": {"boxes": 2},
    "in_part": {"boxes": 0},
    "refused": {"boxes": 1, "is_signed": False},
    "before_our_books": {"boxes": 1, "booked": 0},
    "between_our_books": {"boxes": 1, "booked": 1},
    "too_little": {"boxes": 1, "wrong": -100},
    "too_much": {"boxes": 1, "wrong": 250},
    "by_an_order": {"boxes": 1, "is_by_order": True},
    "by_an_order_before": {"boxes": 1, "is_by_order": True, "booked": 0},
}


@pytest.mark.parametrize("opening", _OPENINGS.values(), ids=_OPENINGS)
def test_whatever_it_begins_with_the_cash_is_where_it_is(opening, db):
    terms = {"is_signed": True, "booked": 500, "wrong": 0, "is_by_order": False} | opening
    machines.run_apart(type("Opened", (OnDelivery,), {"opening": terms}), examples=1, steps=4)


def test_whatever_happens_the_cash_is_where_it_is(db):
    machines.run_apart(OnDelivery, examples=10, steps=12)


@pytest.mark.soak
def test_so_it_is_for_long(db):
    machines.run_apart(OnDelivery, examples=150, steps=30)
