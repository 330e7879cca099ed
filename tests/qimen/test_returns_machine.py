"""Returns, their parcels, a warehouse on the 奇门 form and parcels that nobody knows, in any order, twice and late:
invariants hold after each step, and what lies in stock is what somebody saw, once."""

from contextlib import suppress

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from logistics.carriers import tracking
from logistics.models import ReturnParcel, ShipmentState, StockOrder
from logistics.returning import following
from logistics.warehouses import announcing, stock_facts
from oms.common.errors import OmsError
from oms.simulators.depots import BACK
from oms.simulators.mischief import PushTrick, Trick
from orders.models import ReturnFinding, ReturnRequest, StrayParcel, StrayUnit, SubOrderLine
from orders.models.return_request import RESTOCKED
from orders.returning import deadlines, deciding, inspecting, strays, travelling
from orders.returning.strays import Unit
from tests import factories, steps
from tests.machines import run_apart
from tests.qimen import world
from tests.qimen.world import Place
from tests.returns.world import BUYER, ask, install, many, stock_of

pytestmark = pytest.mark.django_db
PICK = st.integers(0, 4)
WAYBILLS = st.sampled_from(["W1", "W2", "W3"])
SCANS = st.sampled_from(["collected", "in_transit", "signed", "lost", "returned"])
_places: list[Place] = []


class WaysBack(RuleBasedStateMachine):
    """Five units of one SKU at the buyer's, and one of another order; a warehouse whose system is told."""

    @initialize()
    def begin(self) -> None:
        self.place = _places[0]
        self.peer = self.place.peer
        self.peer.__init__(world.KEYS, notify_url=f"https://oms.example/callbacks/{world.CODE}/")  # type: ignore[misc]
        self.shop = factories.make_shop()
        install()
        self.orders = [many(self.shop, 5), many(self.shop, 1)]
        self.link = world.connect(self.place, self.shop.warehouse)
        self.elsewhere = factories.WarehouseFactory(merchant=self.shop.merchant)
        self.line = SubOrderLine.objects.get(sub_order__order=self.orders[0])
        self.before = stock_of(self.line)

    def row(self, pick: int) -> ReturnRequest | None:
        rows = list(ReturnRequest.objects.order_by("pk"))
        return rows[pick % len(rows)] if rows else None

    @rule(which=st.sampled_from([0, 0, 1]), units=st.integers(1, 3), approved=st.booleans())
    def somebody_asks(self, which: int, units: int, approved: bool) -> None:
        with suppress(OmsError):
            row = ask(self.orders[which], {1: units})
            if approved:
                deciding.approve(row.pk, actor=steps.STAFF)

    @rule(pick=PICK, what=st.sampled_from(["approve", "decline", "cancel", "elsewhere"]))
    def it_is_decided(self, pick: int, what: str) -> None:
        if row := self.row(pick):
            with suppress(OmsError):
                if what == "approve":
                    deciding.approve(row.pk, actor=steps.STAFF)
                elif what == "decline":
                    deciding.decline(row.pk, reason="no", actor=steps.STAFF)
                elif what == "cancel":
                    deciding.cancel(row.pk, reason="so", actor=steps.STAFF)
                else:
                    deciding.send_elsewhere(row.pk, self.elsewhere.pk, actor=steps.STAFF)

    @rule(
        pick=PICK,
        waybill=st.sampled_from(["W1", "W2", "W3"]),
        name=st.sampled_from(["", "顺丰"]),
        follows=st.booleans(),
    )
    def a_waybill_is_told(self, pick: int, waybill: str, name: str, follows: bool) -> None:
        if row := self.row(pick):
            with suppress(OmsError):
                travelling.hand_over(row.pk, carrier=name, waybill=waybill, actor=BUYER)
        if follows:
            factories.run(following.run)

    @rule(
        pick=PICK,
        states=st.lists(
            st.sampled_from(["collected", "in_transit", "signed", "lost", "returned"]), min_size=1, max_size=2
        ),
    )
    def the_carrier_scans(self, pick: int, states: list[str]) -> None:
        parcels = list(ReturnParcel.objects.select_related("shipment__carrier").order_by("pk"))
        if not parcels:
            return
        shipment = parcels[pick % len(parcels)].shipment
        if shipment.state == ShipmentState.CANCELLED:
            return
        connection = steps.default_connection()
        type(shipment.carrier).objects.filter(pk=shipment.carrier_id).update(connection=connection)
        shipment.carrier.connection_id = connection.pk
        steps.carrier_says(shipment, [steps.scan_of(shipment, state, minutes=i) for i, state in enumerate(states)])
        factories.run(tracking.run)

    @rule(trick=st.sampled_from([None, None, Trick.SYSTEM_ERROR_AFTER]), again=st.booleans())
    def the_warehouse_is_told(self, trick: Trick | None, again: bool) -> None:
        if trick:
            self.peer.mischief.plan(trick)
        announcing.write()
        for _time in range(1 + again):
            steps.once(announcing.run)
        self.peer.mischief.forget()

    @rule(
        pick=PICK,
        units=st.dictionaries(st.sampled_from(["ZP", "CC", "JS"]), st.integers(0, 2), max_size=2),
        foreign=st.booleans(),
        is_final=st.booleans(),
        trick=st.sampled_from([None, PushTrick.TWICE, PushTrick.OUT_OF_ORDER]),
    )
    def the_warehouse_says_what_came(
        self, pick: int, units: dict[str, int], foreign: bool, is_final: bool, trick: PushTrick | None
    ) -> None:
        documents = [one for one in self.peer.book.documents() if one.kind == BACK]
        if not documents:
            return
        came = {(self.shop.sku.code, quality): some for quality, some in units.items()}
        if foreign:
            came["FOREIGN", "ZP"] = 1
        self.peer.take_back(documents[pick % len(documents)].code, came, is_final=is_final)
        if trick:
            self.peer.push_mischief.plan(trick)
        self.peer.step(world.post, works=False)
        self.peer.push_mischief.forget()
        steps.once(stock_facts.run)

    @rule(pick=PICK, good=st.integers(0, 3), is_final=st.booleans())
    def staff_receive_and_inspect(self, pick: int, good: int, is_final: bool) -> None:
        if row := self.row(pick):
            with suppress(OmsError):
                travelling.receive(row.pk, actor=steps.STAFF)
            line = row.lines.get()
            rest = max(line.quantity - inspecting.said_of(row.pk).get(line.sub_order_line_id, 0) - good, 0)
            with suppress(OmsError):
                found = {line.sub_order_line_id: {"good": good, "missing": rest if is_final else 0}}
                inspecting.inspect(row.pk, found, actor=steps.STAFF, is_final=is_final)

    @rule(units=st.integers(1, 2), found=st.sampled_from(["good", "damaged"]), waybill=st.sampled_from(["", "W1"]))
    def nobody_knows_a_parcel(self, units: int, found: str, waybill: str) -> None:
        with suppress(OmsError):
            strays.note(
                self.shop.warehouse.pk, [Unit(self.shop.sku.code, found, units)], waybill=waybill, actor=steps.STAFF
            )

    @rule(stray=PICK, pick=PICK, what=st.sampled_from(["match", "match", "order", "keep", "dispose"]))
    def it_is_known(self, stray: int, pick: int, what: str) -> None:
        parcels = list(StrayParcel.objects.order_by("pk"))
        if not parcels:
            return
        key = parcels[stray % len(parcels)].pk
        with suppress(OmsError):
            if what == "match" and (row := self.row(pick)):
                strays.match(key, row.pk, actor=steps.STAFF)
            elif what == "order":
                part = self.orders[pick % 2].sub_orders.get()
                strays.match_order(key, part.pk, reason="no_reason", actor=steps.STAFF)
            elif what == "keep":
                strays.keep(key, reason="so", actor=steps.STAFF)
            elif what == "dispose":
                strays.dispose(key, reason="so", actor=steps.STAFF)

    @rule()
    def time_passes(self) -> None:
        steps.once(deadlines.run)

    @invariant()
    def all_holds(self) -> None:
        if not hasattr(self, "before"):
            return
        assert steps.broken_invariants() == []
        found = ReturnFinding.objects.filter(found__in=[*RESTOCKED])
        seen = sum(found.values_list("quantity", flat=True))
        kept = sum(StrayUnit.objects.filter(parcel__state="kept", sku=self.shop.sku).values_list("quantity", flat=True))
        lies = sum(stock_of(self.line).values()) - sum(self.before.values())
        assert lies == seen + kept, "what lies there is what somebody saw"
        for order in self.orders:
            line = SubOrderLine.objects.get(sub_order__order=order)
            of_line = sum(found.filter(line__sub_order_line=line).values_list("quantity", flat=True))
            assert of_line <= line.quantity, "no unit came back twice"
        # Nothing that a system was told waits for ever under two numbers.
        open_ones = StockOrder.objects.filter(
            return_request__isnull=False, state__in=["intended", "sent"], stop_requested_at=None
        )
        told = list(open_ones.values_list("return_request", "warehouse", "waybill"))
        assert len(told) == len(set(told))


def test_ways_back_hold_in_any_order(settings, tmp_path) -> None:  # type: ignore[no-untyped-def]
    settings.MEDIA_ROOT = tmp_path
    with world.serving() as place:
        _places[:] = [place]
        run_apart(WaysBack, examples=12, steps=18)


@pytest.mark.soak
def test_ways_back_hold_in_any_order_for_long(settings, tmp_path) -> None:  # type: ignore[no-untyped-def]
    settings.MEDIA_ROOT = tmp_path
    with world.serving() as place:
        _places[:] = [place]
        run_apart(WaysBack, examples=120, steps=30)
