"""A stage makes as many statements for a hundred rows as for ten."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
import pytest
from django.db import connection, transaction

from inventory.models import Stock, StockMovement
from logistics.carriers import dispatching, tracking
from logistics.carriers.defaults import install_default_carriers
from logistics.models import Shipment, WarehouseOrder
from logistics.warehouses import events, releasing, sending
from oms.common.models import Connection, Topic
from oms.common.work import clock, facts
from orders.actors import Actor
from orders.changing import units
from orders.fulfilling import allocating, completing, splitting, waking
from orders.intake.bodies import decode
from orders.intake.placing import Placed, place_orders
from orders.models import ActorKind, Order, SubOrder
from orders.reviewing import deciding
from orders.reviewing.shipped import install_default_rules
from payments.models import Payment
from payments.owing import balancing
from payments.providers.defaults import install_default_connections
from payments.taking import noticing, requesting
from tests import factories, fakes, steps

pytestmark = pytest.mark.django_db


@contextmanager
def counting() -> Iterator[list[str]]:
    """The statements that are executed within it, COPY apart."""
    statements: list[str] = []

    def note(execute: Callable, sql: str, params: object, many: bool, context: dict) -> object:  # type: ignore[type-arg]
        statements.append(" ".join(sql.split())[:60])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield statements


def counts_of_the_whole_way(orders: int) -> dict[str, int]:
    """Place so many orders in one batch and take them to their end; statements by stage, each run once."""
    shop = factories.make_shop()
    seller = factories.MerchantFactory()
    theirs = factories.SkuFactory(merchant=seller)
    factories.StockFactory(sku=theirs, on_hand=1000)
    with steps.without_guards():
        StockMovement.objects.filter(stock__sku=shop.sku).delete()
    Stock.objects.filter(sku=shop.sku).delete()
    elsewhere = factories.WarehouseFactory(merchant=shop.merchant)
    factories.StockFactory(sku=shop.sku, warehouse=elsewhere, on_hand=1000)
    counts: dict[str, int] = {}

    def run(name: str, stage: Callable[[int], int], expected: int) -> None:
        with clock.skipping_waits(), counting() as statements:
            assert stage(1000) == expected, name
        counts[name] = len(statements)

    bodies = [
        decode(
            msgspec.json.encode(
                shop.body((shop.sku, 2, "10.00"), (shop.other_sku, 1, "25.50"), (theirs, 1, "3.00"), buyer=buyer)
            )
        )
        for buyer in ({"id": f"B{i}", "name": "张华", "phone": "13800001111"} for i in range(orders))
    ]
    with counting() as statements:
        outcomes = place_orders(bodies, shop.merchant, actor=Actor(ActorKind.MERCHANT, "test"))
    assert all(isinstance(outcome, Placed) for outcome in outcomes)
    counts["intake"] = len(statements)
    # Systems that are known to be quick get a whole batch in one call.
    install_default_connections()
    Connection.objects.update(row_seconds=0.0001)

    with (
        fakes.provider(fakes.FakeProvider()),
        fakes.warehouse(fakes.FakeWarehouse()),
        fakes.carrier(fakes.FakeCarrier()),
    ):
        run("request_payment", requesting.intend, orders)
        run("send_payment", requesting.request, orders)
        for payment in Payment.objects.all():
            steps.notify(payment.number, str(payment.amount))
        run("payment_facts", noticing.run, orders)
        run("review", deciding.run, orders)
        run("split", splitting.run, orders)
        # Both kinds of goods of the shop lie in different warehouses: half of the sub-orders is split once more.
        run("allocate", allocating.run, 2 * orders)
        parts = 3 * orders
        assert SubOrder.objects.filter(state="allocated").count() == parts
        run("wake", waking.run, 0)
        run("release", releasing.run, parts)
        # A slot, a batch, an answer and a note for each of the three warehouses.
        run("send_release", sending.run, parts)
        for kind in ("accepted", "picking", "packed"):
            warehouse_notices(kind)
            run(f"warehouse {kind}", events.run, parts)
        run("dispatch", dispatching.run, parts)
        warehouse_notices("shipped")
        run("warehouse shipped", events.run, parts)
        for state in ("collected", "signed"):
            shipments = list(Shipment.objects.select_related("carrier"))
            steps.carrier_says(shipments[0], [steps.scan_of(shipment, state) for shipment in shipments])
            run(f"track {state}", tracking.run, parts)
        run("complete", completing.run, parts)
        run("owing", balancing.run, orders)
    assert set(Order.objects.values_list("state", flat=True)) == {"completed"}
    assert steps.broken_invariants() == []
    return counts


def warehouse_notices(kind: str) -> None:
    """Every warehouse says this of every sub-order."""
    by_link: dict[int, list[facts.News]] = {}
    for work in WarehouseOrder.objects.all():
        news = facts.News(f"{work.number}-{kind}", kind, work.number, steps.NOON)
        by_link.setdefault(work.connection_id, []).append(news)
    for link, told in by_link.items():
        facts.receive(link, Topic.WAREHOUSE, told)


class _Undo(Exception):
    """Rolls everything back."""


def counts_then_undo(orders: int) -> dict[str, int]:
    """The counts of so many orders, of which nothing stays."""
    counts: dict[str, int] = {}
    with contextlib.suppress(_Undo), transaction.atomic():
        counts = counts_of_the_whole_way(orders)
        raise _Undo
    return counts


def test_no_stage_makes_more_statements_for_a_hundred_orders_than_for_ten():
    install_default_carriers()
    install_default_rules()
    factories.change_review_rules("address_velocity", is_active=False)

    ten, hundred = counts_then_undo(10), counts_then_undo(100)

    # Few rows are one statement, many a COPY for each of three tables.
    assert hundred.pop("intake") <= ten.pop("intake") + 2
    # Three warehouses are called, each for itself, in batches that they are known to answer in time.
    assert ten.pop("send_release") <= 3 * 20
    assert hundred.pop("send_release") <= 2 * 3 * 20
    # A stock row that fifty want at once is taken last, inside a savepoint, so that others wait for a moment only.
    assert hundred.pop("allocate") <= ten.pop("allocate") + 2
    assert hundred == ten
    assert max(ten.values()) <= 39, ten


def counts_of_a_split_that_cancels(orders: int) -> int:
    """Statements of the split of so many orders, of each of which some units, and all of another merchant, were
    cancelled before."""
    shop = factories.make_shop()
    theirs = factories.SkuFactory(merchant=factories.MerchantFactory())
    for _ in range(orders):
        order = shop.place_order(
            (shop.sku, 3, "3.33"), (shop.other_sku, 2, "5.00"), (theirs, 1, "3.00"), payment_method="cod"
        )
        units.cancel_units(order.pk, {1: 2, 2: 2, 3: 1}, reason="changed mind", actor=steps.STAFF)
    factories.run(deciding.run)
    with counting() as statements:
        assert splitting.run(1000) == orders
    states = list(SubOrder.objects.values_list("state", "total_quantity"))
    assert sorted(states) == sorted([("awaiting_allocation", 1), ("cancelled", 4), ("cancelled", 1)] * orders)
    assert steps.broken_invariants() == []
    return len(statements)


def test_units_cancelled_before_the_split_cost_it_no_more_statements_for_twenty_orders_than_for_two():
    counts = []
    for orders in (2, 20):
        with contextlib.suppress(_Undo), transaction.atomic():
            counts.append(counts_of_a_split_that_cancels(orders))
            raise _Undo

    two, twenty = counts
    assert twenty == two <= 39
