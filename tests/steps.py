"""Steps of an order's way through the pipeline, by the stages and services that really do them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any

from django.db import connection
from django.utils import timezone

from inventory import purchasing
from inventory.models import PurchaseOrder
from logistics.carriers import dispatching, tracking
from logistics.carriers.defaults import install_default_carriers
from logistics.models import Recall, Shipment, WarehouseOrder
from logistics.warehouses import events, releasing, sending
from oms.common.models import Connection, Ticket, TicketState, Topic
from oms.common.secrecy import seal
from oms.common.work import clock, facts
from oms.management.commands.check_invariants import ALL
from orders.actors import Actor
from orders.changing import charging
from orders.fulfilling import allocating, splitting
from orders.models import ActorKind, ChargeCause, Order, SubOrder, SubOrderState
from orders.models.sub_order import UNDONE
from orders.reviewing import deciding
from payments.providers.defaults import default_connection
from payments.taking import noticing, requesting
from tests import factories, fakes
from tests.invariants import check

STAFF = Actor(ActorKind.STAFF, "li")
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
# Whatever a sub-order needs to be in a state, for tests that put it there.
ALL_TIMES: dict[str, Any] = dict.fromkeys(
    ("allocated_at", "released_at", "packed_at", "shipped_at", "delivered_at", "completed_at", "cancelled_at"), NOON
) | {"shipping_proof": "warehouse"}
_keys = count(1)


def times_of(state: str) -> dict[str, Any]:
    """Whatever a sub-order needs to be in the state: what was cancelled never arrived."""
    return ALL_TIMES | ({"delivered_at": None} if state == SubOrderState.CANCELLED else {})


def once(stage: Callable[[int], int]) -> int:
    """Run a stage once; what waits is taken as due, also what was put off a moment ago."""
    with clock.skipping_waits():
        return stage(500)


def ask_for_payment() -> None:
    """Write the payment intents and send them to a provider that takes them."""
    with fakes.provider(fakes.FakeProvider()):
        factories.run(requesting.intend, requesting.request)


def notify(
    reference: str,
    amount: str,
    kind: str = "captured",
    key: str | None = None,
    *,
    transaction: str = "",
    link: Connection | None = None,
) -> None:
    """The provider (over `link`, the default one unless given) says something; it is stored, not applied yet."""
    body = {"amount": amount, "transaction": transaction}
    news = facts.News(key or f"N-{next(_keys)}", kind, reference, NOON, body)
    facts.receive((link or default_connection()).pk, Topic.PAYMENT, [news])


def pay(order: Order) -> None:
    """The buyer pays the whole order."""
    ask_for_payment()
    notify(f"{order.number}-P1", str(order.payable_amount))
    factories.run(noticing.run)


def approve_and_split() -> None:
    """Take what is in review to its sub-orders."""
    factories.run(deciding.run, splitting.run)


def released(order: Order) -> SubOrder:
    """The order's one sub-order, sent to a warehouse that took it."""
    with fakes.warehouse(fakes.FakeWarehouse()):
        factories.run(deciding.run, splitting.run, allocating.run, releasing.run, sending.run)
    return SubOrder.objects.get(order=order)


def work_of(sub_order: SubOrder) -> WarehouseOrder:
    """The sub-order's newest warehouse order."""
    return WarehouseOrder.objects.filter(sub_order=sub_order).latest("id")


def tell(work: WarehouseOrder, *kinds: str, minutes: int = 0, key: str | None = None, **body: Any) -> None:
    """The warehouse of a warehouse order says these things, one minute after the other; they are stored."""
    facts.receive(
        work.connection_id,
        Topic.WAREHOUSE,
        [
            facts.News(key or f"E-{next(_keys)}", kind, work.number, NOON + timedelta(minutes=minutes + i), body)
            for i, kind in enumerate(kinds)
        ],
    )


def warehouse_says(sub_order: SubOrder, *kinds: str, **body: Any) -> None:
    """The warehouse reports on the newest warehouse order; the notices are applied together."""
    tell(work_of(sub_order), *kinds, **body)
    factories.run(events.run)


def dispatched(order: Order) -> Shipment:
    """The order's one sub-order, packed, with a waybill."""
    install_default_carriers()
    sub_order = released(order)
    warehouse_says(sub_order, "packed")
    with fakes.carrier(fakes.FakeCarrier()):
        factories.run(dispatching.run)
    return Shipment.objects.get(sub_order=sub_order)


def shipped(order: Order) -> Shipment:
    """The order's one sub-order, gone from the warehouse."""
    shipment = dispatched(order)
    warehouse_says(shipment.sub_order, "shipped")
    return Shipment.objects.get(pk=shipment.pk)


def recalled(shipment: Shipment, **values: Any) -> Recall:
    """A recall of the parcel that its carrier answered, and of which no news came."""
    told = {"kind": "redirect", "recipient": seal("{}"), "state": "asked", "ready_at": None, **values}
    return Recall.objects.create(
        shipment=shipment,
        connection=default_connection(),
        reason="x",
        parcel_was="in_transit",
        asked_by="li",
        due_at=timezone.now(),
        **told,
    )


def scan_of(shipment: Shipment, state: str, *, minutes: int = 0, key: str | None = None) -> facts.News:
    """A scan of the parcel so many minutes after noon."""
    body = {"carrier": shipment.carrier.code if shipment.carrier else "", "text": state, "location": "北京"}
    at = NOON + timedelta(minutes=minutes)
    return facts.News(key or f"K-{next(_keys)}", state, shipment.waybill_number or "", at, body)


def carrier_says(shipment: Shipment, scans: Sequence[facts.News]) -> None:
    """The carrier of a parcel says something; it is stored, not applied yet."""
    link = shipment.connection_id or (shipment.carrier and shipment.carrier.connection_id)
    assert link
    facts.receive(link, Topic.CARRIER, scans)


def scan(shipment: Shipment, *states: str) -> None:
    """The carrier reports these states, one minute after the other; they are applied together."""
    carrier_says(shipment, [scan_of(shipment, state, minutes=i) for i, state in enumerate(states)])
    factories.run(tracking.run)


def buy(*what: Any, expected_on: date | None, **more: Any) -> PurchaseOrder:
    """A purchase order (see `purchasing.order`); one whose day is over by now was bought in time."""
    today = timezone.localdate()
    order = purchasing.order(*what, expected_on=expected_on and max(expected_on, today), actor="test", **more)
    PurchaseOrder.objects.filter(pk=order.pk).update(expected_on=expected_on)
    return order


def tickets() -> list[tuple[str, str]]:
    """Kind and reason of the open tickets, oldest first."""
    return list(Ticket.objects.filter(state=TicketState.OPEN).order_by("id").values_list("kind", "reason"))


def put(part: SubOrder, state: str, **values: Any) -> None:
    """Bring a sub-order into a state, with its charges, without the way that leads there."""
    SubOrder.objects.filter(pk=part.pk).update(state=state, **times_of(state) | values)
    if state in UNDONE:
        cause = ChargeCause.CANCELLED if state == SubOrderState.CANCELLED else ChargeCause.RETURNED
        charging.take_back([part.pk], cause, actor=STAFF)


def state_of(row: Order | SubOrder | Shipment | WarehouseOrder) -> str:
    """The state that the row has in the database now."""
    return type(row).objects.values_list("state", flat=True).get(pk=row.pk)


def fresh(row):  # type: ignore[no-untyped-def]
    """The row as it is in the database now."""
    return type(row).objects.get(pk=row.pk)


def broken_invariants() -> list[str]:
    """Names of the invariants that do not hold, with examples."""
    return [f"{finding.invariant.name}: {finding.examples}" for finding in check(ALL)]


@contextmanager
def without_guards() -> Iterator[None]:
    """Within it no trigger fires, so that a test can put rows into any state."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        try:
            yield
        finally:
            cursor.execute("SET session_replication_role = origin")
