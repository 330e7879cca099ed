"""Random facts from payment, warehouse and carrier in random order, repeated, late, contradictory and from two systems,
with holds, cancellations and counts between: after every step all invariants hold, and in the end every order is over,
or waits for something that can be named.

Whoever looks for a defect here may put it back and see what finds it: an invariant after a step, a stage that touches
what is held, or `settle`. Each example runs in a transaction that is rolled back. Waits are taken as over where a stage
is run.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F, Q, QuerySet, Sum
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from inventory.models import Stock, Warehouse
from logistics.carriers import choosing, dispatching, tracking
from logistics.carriers.defaults import install_default_carriers
from logistics.models import Shipment, ShipmentState, WarehouseOrder, WarehouseOrderState
from logistics.warehouses import events, releasing, sending, stopping
from logistics.warehouses.adapters import Answer
from logistics.warehouses.notices import Notice
from oms.common import stuck
from oms.common.errors import OmsError
from oms.common.models import Connection, FactState, InboundFact, SystemKind, Ticket, TicketState, Topic
from oms.common.work import clock, facts
from orders.changing.cancelling import cancel_order
from orders.changing.units import cancel_units
from orders.fulfilling import allocating, completing, splitting, waking
from orders.models import Hold, Order, OrderState, SubOrder, SubOrderState
from orders.models.sub_order import BEFORE_RELEASE
from orders.reviewing import deciding, holds
from orders.stock import stocktaking
from payments.models import Payment, Refund, RowKind
from payments.owing import balancing
from payments.providers.defaults import default_connection
from payments.taking import noticing, requesting
from tests import factories, fakes, steps

STAGES = {
    "intend": requesting.intend,
    "request": requesting.request,
    "payment_facts": noticing.run,
    "review": deciding.run,
    "split": splitting.run,
    "wake": waking.run,
    "allocate": allocating.run,
    "release": releasing.run,
    "send_release": sending.run,
    "cancel": stopping.pass_on,
    "send_stop": stopping.run,
    "warehouse_facts": events.run,
    "choose_carrier": choosing.run,
    "dispatch": dispatching.run,
    "carrier_facts": tracking.run,
    "complete": completing.run,
    "owing": balancing.run,
    "refund": requesting.refund,
}
UNKNOWN = "no such number"
SCANS = [state.value for state in ShipmentState if state not in ("created", "waybill_issued", "cancelled")]
OVER = (OrderState.COMPLETED, OrderState.CANCELLED, OrderState.CLOSED)


# What a provider says of a row: that it failed, or not.
KINDS_OF_MONEY = {Payment: ("failed", "captured"), Refund: ("refund_failed", "refunded")}
# How far the first order of an example has come, and how it is paid; some begin with news that contradicts.
UNPAID, SHORT, HELD, IN_HAND, CANCELLED_IN_PART = "unpaid", "short", "held", "in hand", "cancelled in part"
REFUSED, STOPPED = "refused", "stopped"
ON_ITS_WAY, AT_THE_DOOR, COME_BACK = "on its way", "at the door", "come back"
BEGINNINGS = (
    ("prepaid", UNPAID),
    ("prepaid", CANCELLED_IN_PART),
    ("cod", SHORT),
    ("cod", HELD),
    ("prepaid", IN_HAND),
    ("cod", IN_HAND),
    ("cod", REFUSED),
    ("prepaid", STOPPED),
    ("prepaid", ON_ITS_WAY),
    ("cod", AT_THE_DOOR),
    ("prepaid", COME_BACK),
)
# What another system does with what it is asked: as it answers, or nobody knows because the connection broke.
TAKES, REFUSES, BREAKS = "takes", "refuses", "breaks"
STAYS_HERE = (*BEFORE_RELEASE, SubOrderState.CANCELLED)


class EveryOrder(RuleBasedStateMachine):
    """A shop with two warehouses and little stock, which sells a marketplace merchant's goods too; two payment
    providers, and a world that says whatever it likes."""

    def __init__(self, beginning: tuple[str, str]) -> None:
        super().__init__()
        self.beginning = beginning
        self.exit = ExitStack()
        self.block = transaction.atomic()
        self.block.__enter__()
        self.shop = factories.make_shop()
        factories.StockFactory(
            sku=self.shop.sku, warehouse=factories.WarehouseFactory(merchant=self.shop.merchant), on_hand=5
        )
        self.others = factories.StockFactory(warehouse__region=self.shop.region).sku
        install_default_carriers()
        self.provider = default_connection()
        self.other_provider = Connection.objects.create(
            code="other-pay", name="another provider", kind=SystemKind.PAYMENT
        )
        self.stranger = factories.ConnectionFactory(code="stranger")
        self.orders: list[Order] = []
        self.said: Counter[int] = Counter()
        self.told: dict[tuple[int, str], tuple[str, str]] = {}
        self.does = TAKES
        warehouse = fakes.FakeWarehouse(answer=self.warehouse_answer, cancel_answer=self.warehouse_answer)
        fake_provider, carrier = fakes.FakeProvider(), fakes.FakeCarrier()
        for fake in (fakes.provider(fake_provider), fakes.warehouse(warehouse), fakes.carrier(carrier)):
            self.exit.enter_context(fake)

    def teardown(self) -> None:
        """Nothing of an example stays."""
        try:
            self.settle()
        finally:
            self.exit.close()
            transaction.set_rollback(True)
            self.block.__exit__(None, None, None)

    # --- What people do

    @initialize(when=st.sampled_from(Warehouse.WaybillWhen.values))
    def first_order(self, when: str) -> None:
        """One that has come some way, so that the facts that follow have something to be about."""
        Warehouse.objects.update(waybill_when=when)
        method, begins = self.beginning
        self.does = REFUSES if begins == REFUSED else TAKES
        if begins == SHORT:
            self.count(0)
        self.place(2, method)
        if begins == HELD:
            self.run(deciding.run, splitting.run, allocating.run)
            self.hold(0)
        self.run_all_stages()
        payer = self.other_provider if begins == UNPAID else self.provider
        for payment in Payment.objects.order_by("id"):
            self.tell_of_money(payer, payment.number, str(payment.amount), "captured")
        if begins == CANCELLED_IN_PART:
            self.run(noticing.run)
            cancel_units(self.orders[0].pk, {1: 1}, reason="x", actor=steps.STAFF)
        self.run_all_stages()
        self.go_on_from(begins)

    def go_on_from(self, begins: str) -> None:
        """What else happens to a first order that went as far as it could."""
        for refund in Refund.objects.order_by("id"):
            self.tell_of_money(self.provider, refund.number, "1.00", "refunded")
        if begins == SHORT:
            self.count(30)
        if begins == REFUSED:
            self.does = TAKES
            self.people_let_it_be_tried_again()
            self.run_all_stages()
            self.the_warehouses_tell("accepted", is_current=False)
        if begins == STOPPED:
            cancel_order(self.orders[0].pk, reason="x", actor=steps.STAFF)
            self.run(stopping.pass_on)
            self.the_warehouses_tell("packed")
            self.run(events.run, stopping.run, events.run)
            self.the_warehouses_tell("shipped")
        if begins in (ON_ITS_WAY, AT_THE_DOOR, COME_BACK):
            self.the_warehouses_tell("shipped")
            self.run_all_stages()
        if begins == AT_THE_DOOR:
            # The marketplace merchant's part is done with while the other one is on its way.
            self.the_carriers_tell("signed", sub_order__merchant=self.others.merchant)
            self.run_all_stages()
        if begins == COME_BACK:
            self.the_carriers_tell("returned")

    @precondition(lambda self: len(self.orders) < 3)
    @rule(method=st.sampled_from(["prepaid", "cod"]), units=st.integers(1, 6))
    def order(self, method: str, units: int) -> None:
        self.place(units, method)

    @rule(which=st.integers(0, 2))
    def cancel(self, which: int) -> None:
        self.try_to(lambda order: cancel_order(order.pk, reason="x", actor=steps.STAFF), which)

    @rule(which=st.integers(0, 2))
    def cancel_one_unit(self, which: int) -> None:
        self.try_to(lambda order: cancel_units(order.pk, {1: 1}, reason="x", actor=steps.STAFF), which)

    @rule(which=st.integers(0, 2))
    def hold(self, which: int) -> None:
        self.try_to(lambda order: holds.hold_order(order.pk, reason="x", actor=steps.STAFF), which)

    @rule()
    def release_holds(self) -> None:
        for hold in Hold.objects.filter(released_at=None, kind=Hold.Kind.STAFF):
            holds.release_hold(hold.pk, note="", actor=steps.STAFF)

    @rule(data=st.data(), units=st.sampled_from([0, 0, 3, 30]))
    def count_stock(self, data: st.DataObject, units: int) -> None:
        stock = data.draw(st.sampled_from(list(Stock.objects.filter(sku=self.shop.sku).order_by("id"))))
        with suppress(OmsError):
            stocktaking.count_stock(stock.pk, units, actor=steps.STAFF)

    @rule()
    def people_let_it_be_tried_again(self) -> None:
        for model, subject in stuck.marked_models():
            retry = stuck.retry_of(subject.kind)
            for key in model._default_manager.filter(needs_person_since__isnull=False).values_list("pk", flat=True):
                # What somebody else's retry brought on meanwhile needs none.
                with suppress(OmsError), transaction.atomic():
                    assert retry
                    retry.run(key, "li")

    @rule(does=st.sampled_from([TAKES, REFUSES, BREAKS]))
    def the_warehouse_answers(self, does: str) -> None:
        self.does = does

    # --- What the outside world says

    @precondition(lambda self: Payment.objects.exists())
    @rule(
        data=st.data(),
        succeeds=st.sampled_from([True, True, False]),
        amount=st.sampled_from(["all", "all", "twice", "1.00"]),
        strange=st.sampled_from([False, False, True]),
    )
    def a_provider_tells(self, data: st.DataObject, succeeds: bool, amount: str, strange: bool) -> None:
        rows = [*Refund.objects.order_by("-id"), *Payment.objects.exclude(connection=None).order_by("-id")]
        if rows:
            row = data.draw(st.sampled_from(rows))
            kind = KINDS_OF_MONEY[type(row)][succeeds]
            told = {"all": str(row.amount), "twice": str(row.amount * 2)}.get(amount, amount)
            link = self.other_provider if strange else self.provider
            self.tell_of_money(link, row.number, told, kind, data)

    @precondition(lambda self: WarehouseOrder.objects.exists())
    @rule(data=st.data(), kind=st.sampled_from(Notice.values), strange=st.sampled_from([False, False, False, True]))
    def the_warehouse_tells(self, data: st.DataObject, kind: str, strange: bool) -> None:
        work = data.draw(st.sampled_from(list(WarehouseOrder.objects.order_by("id"))))
        link = self.stranger.pk if strange else work.connection_id
        self.warehouse_tells(link, kind, work, data)

    @precondition(lambda self: self.parcels_with_waybill().exists())
    @rule(data=st.data(), state=st.sampled_from(SCANS))
    def the_carrier_tells(self, data: st.DataObject, state: str) -> None:
        parcel = data.draw(st.sampled_from(list(self.parcels_with_waybill())))
        key = self.key(parcel.connection_id, data)
        scan = steps.scan_of(parcel, state, minutes=data.draw(st.integers(0, 600)), key=key)
        self.tell(parcel.connection_id, Topic.CARRIER, scan)

    @rule(topic=st.sampled_from([Topic.WAREHOUSE, Topic.CARRIER, Topic.PAYMENT]))
    def somebody_tells_of_something_unknown(self, topic: Topic) -> None:
        kind = {Topic.WAREHOUSE: "packed", Topic.CARRIER: "signed", Topic.PAYMENT: "captured"}[topic]
        news = facts.News(self.key(self.stranger.pk), kind, UNKNOWN, steps.NOON, {"amount": "7.00"})
        self.tell(self.stranger.pk, topic, news)

    # --- What the workers do

    @rule(name=st.sampled_from(sorted(STAGES)))
    def run_one_stage(self, name: str) -> None:
        self.run(STAGES[name])

    @rule()
    def run_all_stages(self) -> None:
        self.run(*STAGES.values())

    # --- What must hold

    @invariant()
    def nothing_is_broken(self) -> None:
        assert steps.broken_invariants() == []

    def settle(self) -> None:
        """Everybody answers, and the workers go on until nothing moves; then every order is over or waits for something
        with a name, and nothing that was told is forgotten."""
        self.does = TAKES
        Connection.objects.update(failures=0, failing_since=None, paused_until=None)
        for _round in range(30):
            if not self.run(*STAGES.values()):
                break
        self.nothing_is_broken()
        self.everything_told_is_kept()
        self.what_can_be_done_is_done()
        for order in Order.objects.exclude(state__in=OVER):
            assert self.reasons(order), f"order {order.number} ({order.state}) waits for nothing that has a name"

    def everything_told_is_kept(self) -> None:
        """Every fact is stored as it was told first, and settled, or somebody looks at it."""
        kept = {
            (link, key): (kind, subject)
            for link, key, kind, subject in InboundFact.objects.values_list(
                "connection_id", "fact_key", "kind", "subject"
            )
        }
        assert {place: kept.get(place) for place in self.told} == self.told
        tickets = Ticket.objects.filter(subject_kind="fact", state=TicketState.OPEN)
        waiting = InboundFact.objects.filter(Q(state=FactState.PENDING) | Q(subject=UNKNOWN))
        forgotten = waiting.exclude(state=FactState.PENDING, pk__in=tickets.values("subject_id"))
        assert list(forgotten.values_list("topic", "kind", "subject", "state")) == []

    def what_can_be_done_is_done(self) -> None:
        """Nothing failed, and nobody waits for what is there: a waybill, units in a warehouse, a settlement."""
        assert list(SubOrder.objects.filter(attempts__gt=0).values_list("number", "last_error")) == []
        unlabelled = Shipment.objects.filter(
            ~Q(warehouse_order__is_current=False),
            state=ShipmentState.CREATED,
            connection__isnull=False,
            needs_person_since=None,
        ).exclude(left_at=None, sub_order__is_held=True)
        assert list(unlabelled.values_list("number", "left_at")) == []
        done = SubOrder.objects.filter(state=SubOrderState.COMPLETED, merchant=self.others.merchant)
        assert list(done.exclude(settlement_rows__kind=RowKind.SALE)) == []
        waiting = SubOrder.objects.filter(state=SubOrderState.BACKORDERED, is_held=False, needs_person_since=None)
        for part in waiting:
            assert not self.could_be_served(part), f"sub-order {part.number} waits for units that are there"

    def could_be_served(self, part: SubOrder) -> bool:
        """Whether a warehouse that did not refuse it has all of the sub-order."""
        wants = dict(part.lines.values_list("order_line__sku").annotate(units=Sum("quantity")))
        warehouses = Warehouse.objects.filter(merchant=part.merchant_id).exclude(pk__in=part.refused_by or ())
        free = {
            (place, sku): units
            for place, sku, units in Stock.objects.values_list("warehouse", "sku", F("on_hand") - F("reserved"))
        }
        return any(all(free.get((place.pk, sku), 0) >= units for sku, units in wants.items()) for place in warehouses)

    def reasons(self, order: Order) -> list[str]:
        """What an order that is not over waits for."""
        found = [
            f"ticket {kind}"
            for kind in Ticket.objects.filter(about_id=order.pk, state=TicketState.OPEN).values_list("kind", flat=True)
        ]
        found += ["hold"] * bool(order.open_holds)
        found += ["payment until pay_by"] * bool(order.state == OrderState.AWAITING_PAYMENT and order.pay_by)
        for part in SubOrder.objects.filter(order=order):
            if part.state == SubOrderState.BACKORDERED and part.shortage:
                found.append(f"units of {sorted(part.shortage)}")
        parcels = Shipment.objects.filter(sub_order__order=order, next_event_due__isnull=False)
        found += ["a scan by its deadline"] * parcels.exists()
        # What was never sent is nothing that a warehouse could be late with.
        works = WarehouseOrder.objects.exclude(state=WarehouseOrderState.INTENDED)
        works = works.filter(sub_order__order=order, next_event_due__isnull=False)
        found += ["the warehouse by its deadline"] * works.exists()
        return found

    # --- Helpers

    def count(self, units: int) -> None:
        """Somebody counts so many units of the shop in each of its warehouses."""
        for stock in Stock.objects.filter(sku=self.shop.sku).order_by("id"):
            stocktaking.count_stock(stock.pk, units, actor=steps.STAFF)

    def the_warehouses_tell(self, kind: str, **which: Any) -> None:
        """Every warehouse says so of its warehouse orders."""
        for work in WarehouseOrder.objects.filter(**which).order_by("id"):
            self.warehouse_tells(work.connection_id, kind, work)

    def the_carriers_tell(self, state: str, **which: Any) -> None:
        """Every carrier says so of its parcels."""
        for parcel in self.parcels_with_waybill().filter(**which):
            key = self.key(parcel.connection_id)
            self.tell(parcel.connection_id, Topic.CARRIER, steps.scan_of(parcel, state, key=key))

    def place(self, units: int, method: str) -> None:
        """An order for units of the shop, and one of the marketplace merchant: two sub-orders."""
        body = ((self.shop.sku, units, "10.00"), (self.others, 1, "5.00"))
        self.orders.append(self.shop.place_order(*body, payment_method=method))

    def parcels_with_waybill(self) -> QuerySet[Shipment]:
        """Parcels of which a carrier can say something."""
        return Shipment.objects.exclude(waybill_number=None).exclude(connection=None).order_by("id")

    def run(self, *stages: Callable[[int], int]) -> int:
        """Run stages, each once; returns how many rows they worked on. What is held stays where it is."""
        held = {part.pk for part in SubOrder.objects.filter(is_held=True, state__in=BEFORE_RELEASE)}
        with clock.skipping_waits():
            done = sum(stage(500) for stage in stages)
        gone = SubOrder.objects.filter(pk__in=held, is_held=True).exclude(state__in=STAYS_HERE)
        assert list(gone.values_list("number", "state")) == []
        return done

    def warehouse_answer(self, _reference: str) -> Answer:
        """What a warehouse says now, to whatever it is asked."""
        if self.does == BREAKS:
            fakes.lose()
        return Answer(taken=self.does == TAKES, reason="no")

    def tell(self, link: int, topic: Topic, news: facts.News) -> None:
        """A system says something; what it says first under a key counts."""
        self.told.setdefault((link, news.key), (news.kind, news.subject))
        facts.receive(link, topic, [news])

    def tell_of_money(
        self, link: Connection, number: str, amount: str, kind: str, data: st.DataObject | None = None
    ) -> None:
        """A provider says something of money, in yuan."""
        news = facts.News(self.key(link.pk, data), kind, number, steps.NOON, {"amount": amount})
        self.tell(link.pk, Topic.PAYMENT, news)

    def warehouse_tells(self, link: int, kind: str, work: WarehouseOrder, data: st.DataObject | None = None) -> None:
        """A system says something of a warehouse order."""
        self.tell(link, Topic.WAREHOUSE, facts.News(self.key(link, data), kind, work.number, steps.NOON))

    def key(self, link: int, data: st.DataObject | None = None) -> str:
        """A key of the system, which counts for itself from 1: a new one; with `data` now and then one that it used
        before."""
        if data and self.said[link] and data.draw(st.integers(0, 4)) == 0:
            return f"k{data.draw(st.integers(1, self.said[link]))}"
        self.said[link] += 1
        return f"k{self.said[link]}"

    def try_to(self, do: Any, which: int) -> None:
        """Do it to one of the orders; a refusal is an answer."""
        if self.orders:
            with suppress(OmsError):
                do(self.orders[which % len(self.orders)])


@pytest.mark.django_db
@pytest.mark.parametrize("beginning", BEGINNINGS, ids=" ".join)
def test_every_order_is_over_or_waits_for_something_with_a_name(
    request: pytest.FixtureRequest, beginning: tuple[str, str]
) -> None:
    run_state_machine_as_test(
        lambda: EveryOrder(beginning),
        settings=settings(
            max_examples=5,
            stateful_step_count=30,
            deadline=None,
            # The same examples every time, unless a seed is asked for.
            derandomize=request.config.getoption("hypothesis_seed", None) is None,
            suppress_health_check=list(HealthCheck),
        ),
    )
