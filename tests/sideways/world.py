"""The world around orders that are changed: warehouses that go on, stop, refuse and contradict themselves, carriers,
goods that come and are missed, and the stages."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from django.db import connection, transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from inventory import receiving
from inventory.models import Stock
from logistics.carriers import dispatching
from logistics.models import Shipment, WarehouseOrder
from logistics.models.warehouse_order import GIVEN_UP, OVER
from logistics.warehouses import events, releasing, sending, stopping
from logistics.warehouses.adapters import Answer
from oms.common.errors import OmsError
from orders.fulfilling import allocating, completing, splitting, waking
from orders.models import Order, SubOrder
from orders.returning import deadlines
from orders.reviewing import deciding
from orders.stock import stocktaking
from payments.exchanging import following
from payments.owing import balancing
from payments.taking import noticing, requesting
from tests import factories, fakes, steps
from tests.sideways.books import Outside

PICK = st.integers(0, 5)
UNITS = st.integers(1, 2)
MOSTLY = st.sampled_from([True, True, True, False])
_TOLD = (("accepted",), ("picking",), ("packed",), ("packed", "shipped"), ("shipped",), ("refused",), ("stopped",))
# What there is of something, as one statement: preconditions of rules ask for these names.
_THERE = """
    SELECT state FROM orders_suborder UNION SELECT 'order:' || state FROM orders_order
    UNION SELECT 'change:' || state FROM orders_changeset
    UNION SELECT 'return:' || state FROM orders_returnrequest
    UNION SELECT 'money:' || money_state FROM orders_returnrequest
    UNION SELECT 'work:' || CASE WHEN state IN ('shipped', 'refused', 'cancelled') THEN 'over' ELSE 'open' END
        FROM logistics_warehouseorder WHERE sent_at IS NOT NULL
    UNION SELECT 'work:given_up' FROM logistics_warehouseorder
        WHERE state IN ('refused', 'cancelled') AND sent_at IS NOT NULL
    UNION SELECT 'merged' FROM orders_suborder WHERE merge_group_id IS NOT NULL AND state = 'allocated'
    UNION SELECT 'asked:' || CASE WHEN stop_answered_at IS NULL THEN 'open' ELSE 'answered' END
        FROM logistics_warehouseorder WHERE stop_requested_at IS NOT NULL
    UNION SELECT 'new:' || o.state FROM orders_order o JOIN orders_exchange e ON e.new_order_id = o.id
"""


def there(*names: str) -> Any:
    """A rule is for moments at which one of these is there: states of sub-orders, `work:open` and the like."""
    return precondition(lambda machine: bool(machine.there.intersection(names)))


class World(RuleBasedStateMachine):
    """Two warehouses of one shop, and what they and the stages do."""

    shop: factories.Shop

    def __init__(self) -> None:
        super().__init__()
        self.exit = ExitStack()
        self.stops = True
        fake = fakes.FakeWarehouse(cancel_answer=lambda _reference: Answer(taken=self.stops))
        self.exit.enter_context(fakes.warehouse(fake))
        self.exit.enter_context(fakes.provider(fakes.FakeProvider()))
        self.exit.enter_context(fakes.carrier(fakes.FakeCarrier()))
        self.outside = Outside()
        self.there: set[str] = set()

    def look(self) -> None:
        """Note what there is by now."""
        with connection.cursor() as cursor:
            cursor.execute(_THERE)
            self.there = {name for (name,) in cursor.fetchall()}

    @staticmethod
    def tried(what: Callable[[], Any]) -> Any:
        """Do it, or be refused: then nothing of it stays, and None is returned."""
        with suppress(OmsError), transaction.atomic():
            return what()
        return None

    @staticmethod
    def pick(rows: Sequence[Any], which: int) -> Any:
        """One of the rows; None where there are none."""
        return rows[which % len(rows)] if rows else None

    # --- The stages

    @there("order:in_review", "order:ready_to_split", "awaiting_allocation", "backordered", "allocated")
    @rule()
    def go_on(self) -> None:
        """The stages do what is ready."""
        factories.run(deciding.run, splitting.run, waking.run, allocating.run, releasing.run, sending.run)
        factories.run(dispatching.run)

    @there("order:in_review", "order:ready_to_split", "awaiting_allocation", "backordered")
    @rule()
    def reserve(self) -> None:
        """What is ready gets its goods, and waits for its warehouse."""
        factories.run(deciding.run, splitting.run, waking.run, allocating.run)

    @rule()
    def books(self) -> None:
        """Money follows, exchanges, too, and what arrived long ago is completed."""
        factories.run(following.run, balancing.run, completing.run)

    @there("return:requested", "return:awaiting_goods", "return:received")
    @rule()
    def deadlines_pass(self) -> None:
        """What is not decided, handed over or inspected in time."""
        steps.once(deadlines.run)

    # --- Warehouses

    def _sent(self, which: int) -> WarehouseOrder | None:
        rows = WarehouseOrder.objects.exclude(sent_at=None).exclude(state__in=OVER).order_by("id")
        found: WarehouseOrder | None = self.pick(rows, which)
        return found

    @there("work:open")
    @rule(which=PICK, told=st.sampled_from(_TOLD))
    def notice(self, which: int, told: tuple[str, ...]) -> None:
        """A warehouse says how far it is with something, whatever was asked of it."""
        work = self._sent(which)
        if work:
            parts = SubOrder.objects.filter(lines__warehouse_order_lines__warehouse_order=work).distinct()
            had = {part.pk: part.state for part in parts} if work.is_current else {}
            steps.tell(work, *told)
            factories.run(events.run)
            if told[-1] == "shipped":
                assert {key: steps.state_of(SubOrder(pk=key)) for key in had} == dict.fromkeys(had, "shipped")
                assert Shipment.objects.filter(warehouse_order=work, left_at__isnull=False).exists()

    @there("allocated", "work:open")
    @rule(which=PICK)
    def it_leaves(self, which: int) -> None:
        """What is ready goes to its warehouse, and leaves it."""
        self.go_on()
        self.notice(which, ("packed", "shipped"))
        factories.run(dispatching.run)

    @there("work:open")
    @rule(which=PICK)
    def leave_in_part(self, which: int) -> None:
        """One unit leaves in a parcel, and nothing more will."""
        work = self._sent(which)
        line = work.lines.order_by("sub_order_line_id").last() if work else None
        if work and line:
            units = [{"line": str(line.sub_order_line_id), "quantity": 1}]
            steps.tell(work, "shipped", parcels=[{"waybill": f"SF{work.pk}", "carrier": "SF", "lines": units}])
            factories.run(events.run)

    @there("work:given_up")
    @rule(which=PICK)
    def leave_all_the_same(self, which: int) -> None:
        """What a warehouse said it gave up leaves it: as far as nobody else has the units, the stock lacks them."""
        rows = WarehouseOrder.objects.exclude(sent_at=None).filter(state__in=GIVEN_UP).order_by("id")
        work = self.pick(rows, which)
        if work is None:
            return
        for line in work.lines.select_related("sub_order_line__order_line").order_by("pk"):
            sku = line.sub_order_line.order_line.sku_id
            stock = Stock.objects.get(sku=sku, warehouse=work.warehouse_id)
            self.outside.came[sku] -= min(line.quantity, stock.on_hand - stock.reserved)
        steps.tell(work, "shipped")
        factories.run(events.run)

    @rule(stops=MOSTLY)
    def answer(self, stops: bool) -> None:
        """The warehouses answer what they were asked."""
        self.stops = stops
        factories.run(stopping.pass_on, stopping.run, events.run)

    # --- Carriers

    @there("shipped")
    @rule(signed=MOSTLY)
    def arrive(self, signed: bool) -> None:
        """What has left is with the buyer, or refused at the door."""
        factories.run(dispatching.run)
        for parcel in Shipment.objects.filter(sub_order__state="shipped", waybill_number__isnull=False):
            steps.scan(parcel, "collected", "signed" if signed else "rejected")

    @there("rejected")
    @rule()
    def come_back(self) -> None:
        """What was refused at the door is back."""
        for parcel in Shipment.objects.filter(sub_order__state="rejected", waybill_number__isnull=False):
            steps.scan(parcel, "returned")

    # --- Stock

    @rule(units=st.integers(1, 3))
    def goods_arrive(self, units: int) -> None:
        """Some units of what is short."""
        sku = self.short_sku()
        receiving.receive(self.shop.warehouse.pk, sku, units, actor="test")
        self.outside.came[sku] += units

    @rule(which=st.integers(0, 2), change=st.sampled_from([-4, -1, 1]))
    def count(self, which: int, change: int) -> None:
        """Units are found or missed where most of them lie; refused where the warehouse is at work with them."""
        stock = Stock.objects.filter(warehouse=self.shop.warehouse, sku__in=self.outside.came).order_by("pk")[which]
        if self.tried(lambda: stocktaking.change_stock(stock.pk, change, actor=steps.STAFF)):
            self.outside.came[stock.sku_id] += change

    def short_sku(self) -> int:
        """The SKU (id) of which there is too little."""
        return max(self.outside.came)

    # --- Money

    def pays(self, number: str, amount: Any) -> None:
        """A buyer pays a payment over the provider; what it really is may be another amount."""
        steps.notify(number, str(amount), transaction=f"T{number}")
        factories.run(noticing.run)
        self.outside.paid += amount

    def ask_for_money(self) -> None:
        """Buyers are asked for what they have to pay."""
        factories.run(requesting.intend, requesting.request)

    def orders(self) -> list[Order]:
        """All orders, the oldest first."""
        return list(Order.objects.order_by("pk"))
