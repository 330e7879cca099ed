"""Orders of one buyer, at random: they come, are merged, un-merged, split, held, cancelled, readdressed, released, and
their warehouse says whatever it likes. After every step every unit is in one place, and all that must hold holds."""

import contextlib

import pytest
from django.db import connection
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from logistics.invariants import INVARIANTS as OF_LOGISTICS
from logistics.models import WarehouseOrder
from logistics.models.warehouse_order import OVER
from logistics.warehouses import events, releasing, sending, stopping
from logistics.warehouses.invariants import INVARIANTS as OF_WAREHOUSES
from oms.common.errors import OmsError
from oms.merchants.models import Channel
from orders.changing import cancelling, merging, readdressing
from orders.changing import units as cancelling_units
from orders.changing.invariants import INVARIANTS as OF_CHANGES
from orders.fulfilling import allocating, dividing, splitting
from orders.invariants import INVARIANTS as OF_ORDERS
from orders.models import Hold, Order, SubOrder, SubOrderLine
from orders.reviewing import deciding, holds
from tests import factories, fakes, machines, steps
from tests.invariants import check

pytestmark = pytest.mark.django_db

HERE = (*OF_ORDERS, *OF_CHANGES, *OF_WAREHOUSES, *OF_LOGISTICS)
WORDS = ("accepted", "picking", "packed", "shipped", "refused", "stopped", "not_stopped")

# Every unit of a split order is in one sub-order, and of those in hand in one warehouse order that counts.
SCATTERED = """
    SELECT ol.id, ol.quantity, sum(l.quantity) FROM orders_orderline ol
    JOIN orders_order o ON o.id = ol.order_id AND o.split_at IS NOT NULL
    LEFT JOIN orders_suborderline l ON l.order_line_id = ol.id
    GROUP BY ol.id HAVING coalesce(sum(l.quantity), 0) <> ol.quantity
    UNION ALL
    SELECT l.id, l.quantity, sum(wl.quantity) FROM orders_suborderline l
    JOIN orders_suborder s ON s.id = l.sub_order_id AND s.state IN ('released', 'accepted', 'picking', 'packed')
    LEFT JOIN (logistics_warehouseorderline wl JOIN logistics_warehouseorder w
        ON w.id = wl.warehouse_order_id AND w.is_current) ON wl.sub_order_line_id = l.id
    GROUP BY l.id HAVING coalesce(sum(wl.quantity), 0) <> l.quantity
"""


class Merges(RuleBasedStateMachine):
    """One shop, two warehouses, one buyer."""

    @initialize(by_itself=st.booleans())
    def begin(self, by_itself: bool) -> None:
        """The shop, and the first two orders."""
        self.shop = factories.make_shop()
        far = factories.WarehouseFactory(merchant=self.shop.merchant, longitude=104.0)
        for sku in (self.shop.sku, self.shop.other_sku):
            factories.StockFactory(sku=sku, warehouse=far, on_hand=100)
        Channel.objects.filter(merchant=self.shop.merchant).update(merges_automatically=by_itself)
        self.come(1, 2)
        self.come(2, 1)

    @rule(units=st.integers(1, 3), others=st.integers(0, 2))
    def come(self, units: int, others: int) -> None:
        """An order comes in."""
        if Order.objects.count() >= 6:
            return
        lines = [(self.shop.sku, units, "10.00"), *([(self.shop.other_sku, others, "5.00")] if others else [])]
        steps.pay(self.shop.place_order(*lines))
        factories.run(deciding.run, splitting.run, allocating.run)

    @rule(which=st.sets(st.integers(0, 9), min_size=2, max_size=3))
    def merge(self, which: set[int]) -> None:
        """Somebody merges sub-orders, which may be refused."""
        parts = list(SubOrder.objects.order_by("pk").values_list("pk", flat=True))
        self._try(lambda: merging.merge({parts[one % len(parts)] for one in which}, actor=steps.STAFF))

    @rule(which=st.integers(0, 9))
    def unmerge(self, which: int) -> None:
        """Somebody takes one out again."""
        self._try(lambda: merging.unmerge(self._part(which).pk, actor=steps.STAFF))

    @rule(which=st.integers(0, 9), units=st.integers(1, 2))
    def divide(self, which: int, units: int) -> None:
        """Somebody splits one."""
        line = self._part(which).lines.order_by("pk").first()
        self._try(lambda: dividing.divide(line.sub_order_id, {line.pk: units}, actor=steps.STAFF))

    @rule(which=st.integers(0, 5))
    def cancel(self, which: int) -> None:
        """An order is cancelled, or its warehouse asked."""
        self._try(lambda: cancelling.cancel_order(self._order(which).pk, reason="x", actor=steps.STAFF))

    @rule(which=st.integers(0, 5))
    def cancel_unit(self, which: int) -> None:
        """One unit is cancelled."""
        units = {1: 1}
        self._try(lambda: cancelling_units.cancel_units(self._order(which).pk, units, reason="x", actor=steps.STAFF))

    @rule(which=st.integers(0, 5))
    def hold(self, which: int) -> None:
        """An order is held, or its hold released."""
        order = self._order(which)
        open_one = Hold.objects.filter(order=order, released_at=None, kind="staff").first()
        if open_one:
            self._try(lambda: holds.release_hold(open_one.pk, note="", actor=steps.STAFF))
        else:
            self._try(lambda: holds.hold_order(order.pk, reason="x", actor=steps.STAFF))

    @rule(which=st.integers(0, 5), house=st.integers(1, 2))
    def readdress(self, which: int, house: int) -> None:
        """It goes to another house."""
        new = readdressing.Recipient(address=f"中山路861号13栋83{house}室")
        self._try(lambda: readdressing.change_recipient(self._order(which).pk, new, actor=steps.STAFF))

    @rule(sends=st.booleans())
    def release(self, sends: bool) -> None:
        """What waits goes to its warehouse, and the warehouse hears of it, or not yet."""
        with fakes.warehouse(fakes.FakeWarehouse()):
            factories.run(allocating.run, releasing.run, *([sending.run] if sends else []))

    @rule()
    def pass_on(self) -> None:
        """Wishes to cancel reach the warehouses."""
        factories.run(stopping.pass_on, allocating.run)

    @rule(which=st.integers(0, 5), words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=2))
    def hear(self, which: int, words: list[str]) -> None:
        """The warehouse of a warehouse order says something, to the point or not."""
        works = list(WarehouseOrder.objects.exclude(sent_at=None).exclude(state__in=OVER).order_by("pk"))
        if works:
            steps.tell(works[which % len(works)], *words)
            factories.run(events.run, allocating.run)

    @rule(which=st.integers(0, 5))
    def leave_in_part(self, which: int) -> None:
        """One unit leaves in a parcel of its own, and nothing more will."""
        works = list(WarehouseOrder.objects.exclude(sent_at=None).exclude(state__in=OVER).order_by("pk"))
        if works:
            work = works[which % len(works)]
            line = work.lines.order_by("sub_order_line_id").last()
            told = {
                "waybill": f"SF{work.pk}",
                "carrier": "SF",
                "lines": [{"line": str(line.sub_order_line_id), "quantity": 1}],
            }
            steps.tell(work, "shipped", parcels=[told])
            factories.run(events.run, allocating.run)

    @invariant()
    def everything_is_somewhere(self) -> None:
        """Every unit in exactly one place, and all that must hold."""
        if not hasattr(self, "shop"):
            return
        with connection.cursor() as cursor:
            cursor.execute(SCATTERED)
            assert cursor.fetchall() == []
        assert [f"{one.invariant.name}: {one.examples}" for one in check(HERE)] == []
        merged = SubOrderLine.objects.filter(sub_order__merge_group__isnull=False, sub_order__state="cancelled")
        assert not merged.exists()

    def _part(self, which: int) -> SubOrder:
        parts = list(SubOrder.objects.order_by("pk"))
        return parts[which % len(parts)]

    def _order(self, which: int) -> Order:
        orders = list(Order.objects.order_by("pk"))
        return orders[which % len(orders)]

    @staticmethod
    def _try(what) -> None:  # type: ignore[no-untyped-def]
        with contextlib.suppress(OmsError):
            what()


def test_whatever_happens_every_unit_is_in_one_place(db):
    machines.run_apart(Merges, examples=12, steps=14)


@pytest.mark.soak
def test_whatever_happens_for_long(db):
    machines.run_apart(Merges, examples=150, steps=30)
