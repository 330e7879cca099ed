"""Random facts from payment, warehouse and carrier in random order, repeated, late, contradictory and from two systems,
with holds, cancellations and counts between: after every step all invariants hold, and in the end every order is over,
or waits for something that can be named.

Each example runs in a transaction that is rolled back. Waits are taken as over where a stage is run.
"""

from contextlib import ExitStack, suppress
from typing import Any

import pytest
from django.db import transaction
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

from inventory.models import Stock
from logistics.carriers import choosing, dispatching, tracking
from logistics.carriers.defaults import install_default_carriers
from logistics.models import Shipment, ShipmentState, WarehouseOrder
from logistics.warehouses import events, releasing, sending, stopping
from logistics.warehouses.adapters import Answer
from logistics.warehouses.notices import Notice
from oms.common.errors import OmsError
from oms.common.models import Connection, SystemKind, Ticket, TicketState, Topic
from oms.common.work import clock, facts
from orders.changing.cancelling import cancel_order
from orders.changing.units import cancel_units
from orders.fulfilling import allocating, completing, splitting, waking
from orders.models import Hold, Order, OrderState, SubOrder, SubOrderState
from orders.reviewing import deciding, holds
from orders.stock import stocktaking
from payments.models import Payment, Refund
from payments.owing import balancing
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
SCANS = [state.value for state in ShipmentState if state not in ("created", "waybill_issued", "cancelled")]
OVER = (OrderState.COMPLETED, OrderState.CANCELLED, OrderState.CLOSED)


class EveryOrder(RuleBasedStateMachine):
    """One shop with little stock, two warehouses' systems, and a world that says whatever it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.exit = ExitStack()
        self.block = transaction.atomic()
        self.block.__enter__()
        self.shop = factories.make_shop()
        install_default_carriers()
        other = {"code": "stranger", "name": "another system", "kind": SystemKind.WAREHOUSE}
        self.stranger = Connection.objects.create(**other)
        self.orders: list[Order] = []
        self.said = 0
        self.answers = {"taken": True}
        provider = fakes.FakeProvider()
        warehouse = fakes.FakeWarehouse(
            answer=lambda _reference: Answer(taken=self.answers["taken"], reason="no"),
            cancel_answer=lambda _reference: Answer(taken=self.answers["taken"], reason="too late"),
        )
        for fake in (fakes.provider(provider), fakes.warehouse(warehouse), fakes.carrier(fakes.FakeCarrier())):
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

    @initialize(method=st.sampled_from(["prepaid", "cod"]))
    def first_order(self, method: str) -> None:
        self.orders.append(self.shop.place_order(payment_method=method))
        # It comes to its warehouse, so that the facts that follow have something to be about.
        self.run_all_stages()
        for payment in Payment.objects.order_by("id"):
            self.said += 1
            steps.notify(payment.number, str(payment.amount), "captured", key=f"k{self.said}")
        self.run_all_stages()

    @precondition(lambda self: len(self.orders) < 3)
    @rule(method=st.sampled_from(["prepaid", "cod"]), units=st.integers(1, 6))
    def order(self, method: str, units: int) -> None:
        body = ((self.shop.sku, units, "10.00"), (self.shop.other_sku, 1, "5.00"))
        self.orders.append(self.shop.place_order(*body, payment_method=method))

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

    @rule(units=st.integers(0, 30))
    def count_stock(self, units: int) -> None:
        stock = Stock.objects.get(sku=self.shop.sku, warehouse=self.shop.warehouse)
        with suppress(OmsError):
            stocktaking.count_stock(stock.pk, units, actor=steps.STAFF)

    @rule(taken=st.booleans())
    def the_warehouse_answers(self, taken: bool) -> None:
        self.answers["taken"] = taken

    # --- What the outside world says

    @precondition(lambda self: Payment.objects.exists())
    @rule(data=st.data(), kind=st.sampled_from(["captured", "failed", "captured"]), share=st.sampled_from([1, 1, 2]))
    def the_provider_tells(self, data: st.DataObject, kind: str, share: int) -> None:
        payment = data.draw(st.sampled_from(list(Payment.objects.order_by("id"))))
        steps.notify(payment.number, str(payment.amount * share), kind, key=self.key(data))

    @precondition(lambda self: Refund.objects.exists())
    @rule(data=st.data(), kind=st.sampled_from(["refunded", "refund_failed"]))
    def the_provider_tells_of_a_refund(self, data: st.DataObject, kind: str) -> None:
        refund = data.draw(st.sampled_from(list(Refund.objects.order_by("id"))))
        steps.notify(refund.number, str(refund.amount), kind, key=self.key(data))

    @precondition(lambda self: WarehouseOrder.objects.exists())
    @rule(data=st.data(), kind=st.sampled_from(Notice.values), strange=st.sampled_from([False, False, False, True]))
    def the_warehouse_tells(self, data: st.DataObject, kind: str, strange: bool) -> None:
        work = data.draw(st.sampled_from(list(WarehouseOrder.objects.order_by("id"))))
        link = self.stranger.pk if strange else work.connection_id
        news = facts.News(self.key(data), kind, work.number, steps.NOON)
        facts.receive(link, Topic.WAREHOUSE, [news])

    @precondition(lambda self: Shipment.objects.exclude(waybill_number=None).exists())
    @rule(data=st.data(), state=st.sampled_from(SCANS))
    def the_carrier_tells(self, data: st.DataObject, state: str) -> None:
        parcels = list(Shipment.objects.exclude(waybill_number=None).exclude(connection=None).order_by("id"))
        if parcels:
            steps.carrier_says(data.draw(st.sampled_from(parcels)), [self.scan(data, parcels[0], state)])

    @rule(topic=st.sampled_from([Topic.WAREHOUSE, Topic.CARRIER, Topic.PAYMENT]))
    def somebody_tells_of_something_unknown(self, topic: Topic) -> None:
        facts.receive(self.stranger.pk, topic, [facts.News(f"u{self.said}", "packed", "no such number", steps.NOON)])

    # --- What the workers do

    @rule(name=st.sampled_from(sorted(STAGES)))
    def run_one_stage(self, name: str) -> None:
        steps.once(STAGES[name])

    @rule()
    def run_all_stages(self) -> None:
        with clock.skipping_waits():
            for stage in STAGES.values():
                stage(500)

    # --- What must hold

    @invariant()
    def nothing_is_broken(self) -> None:
        assert steps.broken_invariants() == []

    def settle(self) -> None:
        """Let the workers go on until nothing moves; then every order is over or waits for something with a name."""
        with clock.skipping_waits():
            for _round in range(30):
                if not sum(stage(500) for stage in STAGES.values()):
                    break
        self.nothing_is_broken()
        for order in Order.objects.exclude(state__in=OVER):
            assert self.reasons(order), f"order {order.number} ({order.state}) waits for nothing that has a name"

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
        works = WarehouseOrder.objects.filter(sub_order__order=order, next_event_due__isnull=False)
        found += ["the warehouse by its deadline"] * works.exists()
        return found

    # --- Helpers

    def key(self, data: st.DataObject) -> str:
        """A new key most of the time, else one that was used before."""
        if self.said and data.draw(st.integers(0, 4)) == 0:
            return f"k{data.draw(st.integers(1, self.said))}"
        self.said += 1
        return f"k{self.said}"

    def scan(self, data: st.DataObject, parcel: Shipment, state: str) -> facts.News:
        minutes = data.draw(st.integers(0, 600))
        return steps.scan_of(parcel, state, minutes=minutes, key=self.key(data))

    def try_to(self, do: Any, which: int) -> None:
        """Do it to one of the orders; a refusal is an answer."""
        if self.orders:
            with suppress(OmsError):
                do(self.orders[which % len(self.orders)])


@pytest.mark.django_db
def test_every_order_is_over_or_waits_for_something_with_a_name() -> None:
    run_state_machine_as_test(
        EveryOrder,
        settings=settings(
            max_examples=20,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
