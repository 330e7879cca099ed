"""Profit of orders: each component as plain statements say, over random orders; what is unknown is no 0."""

import csv
import io
import random
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from inventory import costing
from inventory.lots import today
from inventory.models import SkuCost
from logistics.models import ParcelFreight, Shipment, ShipmentLine
from oms.boards import profit
from oms.boards.profit import Profit
from oms.common.errors import OmsError
from orders.changing import units as changing
from orders.fulfilling import completing
from orders.models import Order, SubOrder, SubOrderLine
from payments.granting import limits
from payments.models import LedgerLine, Payment, SettlementRow
from payments.owing import balancing
from tests import factories, steps
from tests.admin.conftest import client_of
from tests.payments.grants import goodwill, member

pytestmark = pytest.mark.django_db
FREIGHTS = (None, 600, 733, 1000)


@pytest.fixture(autouse=True)
def _defaults(db: None) -> None:
    """Reasons and limits of grants."""
    limits.install_defaults()


def one(statement: str, *values: Any) -> int:
    """The one number that the statement yields, 0 for none."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.fetchone()[0] or 0)


def fen(amount: Decimal) -> int:
    """Whole fen."""
    return int(amount * 100)


def plainly(order: Order) -> Profit:
    """The order's profit, one plain look-up after the other."""
    beside = "('goodwill', 'price_protection', 'compensation', 'netted', 'deposit_held')"
    charged = "SELECT sum(amount) * 100 FROM orders_ordercharge WHERE order_id = %s AND cause NOT IN " + beside
    cost = unknown_units = 0
    day = order.created_at.astimezone(profit.CHINA).date()
    for line in SubOrderLine.objects.filter(sub_order__order=order).exclude(
        sub_order__state__in=["cancelled", "returned"]
    ):
        left = line.quantity - line.returned_quantity
        said = SkuCost.objects.filter(sku=line.order_line.sku_id, valid_from__lte=day).order_by("valid_from").last()
        cost += left * fen(said.cost) if said else 0
        unknown_units += 0 if said else left
    carriage = unknown_parcels = 0
    for parcel in Shipment.objects.filter(lines__sub_order_line__sub_order__order=order).distinct():
        rows = list(ShipmentLine.objects.filter(shipment=parcel).select_related("sub_order_line__sub_order"))
        mine = sum(row.quantity for row in rows if row.sub_order_line.sub_order.order_id == order.pk)
        before = sum(row.quantity for row in rows if row.sub_order_line.sub_order.order_id < order.pk)
        every = sum(row.quantity for row in rows)
        freight = ParcelFreight.objects.filter(pk=parcel.pk).first()
        known = None if freight is None else freight.billed_fen if freight.billed_rows else freight.expected_fen
        if known is None:
            unknown_parcels += 1
        else:
            carriage += known * (before + mine) // every - known * before // every
    settled = SettlementRow.objects.filter(order=order)
    parts = SubOrder.objects.filter(order=order, merchant__kind="marketplace")
    open_parts = parts.exclude(state__in=["cancelled", "returned"]).exclude(settlement_rows__kind="sale")
    given = one(
        "SELECT -sum(amount) * 100 FROM orders_ordercharge WHERE order_id = %s"
        " AND cause IN ('goodwill', 'price_protection', 'compensation')",
        order.pk,
    ) - one("SELECT sum(amount) * 100 FROM orders_ordercharge WHERE order_id = %s AND cause = 'netted'", order.pk)
    paid = Payment.objects.filter(order=order, state="captured").exclude(means="offline")
    billed = LedgerLine.objects.filter(
        entry__subject__in=[f"bill_match:{key}" for key in _matches(order)], account__in=["5003", "5005"]
    )
    return Profit(
        goods=one(f"{charged} AND component NOT IN ('freight', 'points', 'gift_card')", order.pk),
        freight=one(f"{charged} AND component = 'freight'", order.pk),
        subsidy=sum(fen(row.platform_amount) for row in settled),
        cost=cost,
        commission=-sum(fen(row.commission_amount) for row in settled),
        carriage=carriage,
        fees=sum(line.fen for line in billed) - sum(fen(row.net_amount) for row in settled if row.kind == "service"),
        compensation=given,
        units_without_cost=unknown_units,
        parcels_without_carriage=unknown_parcels,
        parts_not_settled=open_parts.count(),
        payments_not_billed=paid.exclude(bill_matches__row__isnull=False).count(),
    )


def _matches(order: Order) -> Sequence[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM payments_billmatch WHERE payment_id IN"
            " (SELECT id FROM payments_payment WHERE order_id = %s)",
            [order.pk],
        )
        return [key for (key,) in cursor.fetchall()]


@pytest.mark.parametrize("seed", range(3))
def test_each_component_is_what_plain_statements_say(seed: int, shop: factories.Shop) -> None:
    dice = random.Random(seed)  # noqa: S311 - a test
    seller = factories.MerchantFactory(commission_rate=Decimal("0.05"))
    theirs = factories.SkuFactory(merchant=seller)
    factories.StockFactory(sku=theirs, warehouse=factories.WarehouseFactory(merchant=seller, region=shop.region))
    skus = [shop.sku, shop.other_sku, theirs]
    for sku in skus[: dice.choice([2, 3])]:
        for days in (400, 20, -1):
            cost = Decimal(dice.randint(1, 900)) / 100
            costing.set_cost(sku.pk, cost, today() - timedelta(days=days), actor="li")
    lead = member("finance")
    placed = []
    for _ in range(8):
        lines = [
            (sku, dice.randint(1, 3), f"{dice.randint(100, 5000) / 100:.2f}")
            for sku in dice.sample(skus, dice.randint(1, 3))
        ]
        order = shop.place_order(*lines, freight_amount=dice.choice(["0.00", "6.00"]))
        placed.append(order)
        steps.pay(order)
        if dice.random() < 0.2:
            continue  # is not split yet: it has no profit
        factories.run(steps.deciding.run, steps.splitting.run, steps.allocating.run)
        if dice.random() < 0.5:
            changing.cancel_units(order.pk, {1: 1}, reason="x", actor=steps.STAFF)
        with steps.fakes.warehouse(steps.fakes.FakeWarehouse()):
            factories.run(steps.releasing.run, steps.sending.run)
        for part in SubOrder.objects.filter(order=order, state="released"):
            steps.warehouse_says(part, "packed", "shipped")
            parcel = Shipment.objects.filter(sub_order=part).first()
            freight = dice.choice(FREIGHTS)
            if parcel and freight is not None:
                ParcelFreight.objects.update_or_create(
                    shipment=parcel,
                    defaults={
                        "estimated_fen": freight,
                        "weighed_fen": dice.choice([None, freight + 50]),
                        "billed_fen": dice.choice([0, freight + 1]),
                        "billed_rows": dice.choice([0, 1]),
                    },
                )
            if dice.random() < 0.7:
                steps.put(part, "delivered")
        if dice.random() < 0.5:
            factories.run(balancing.run)
            with suppress(OmsError):  # nothing is left to give back
                goodwill(order, "0.50", lead)
    with steps.clock.skipping_waits():
        factories.run(completing.run, balancing.run)

    expected = {order.pk: plainly(steps.fresh(order)) for order in placed if steps.fresh(order).split_at}
    assert {key: found for key, _number, found in profit.by_order([order.pk for order in placed])} == expected
    for order in placed:
        assert profit.of_order(order.pk) == expected.get(order.pk)
    (day,) = profit.by_channel([order.pk for order in placed])
    assert day.profit == profit.total_of(expected.values())
    assert (day.orders, day.incomplete) == (len(expected), sum(not found.is_known for found in expected.values()))
    assert set(profit.orders_of(today(), today(), shop.channel.pk)) == {order.pk for order in placed}
    # Something happened: the figures are not all 0.
    assert day.profit.goods > 0
    assert day.profit.cost > 0


def test_a_merged_parcels_carriage_is_shared_to_the_fen(shop: factories.Shop) -> None:
    orders = [shop.place_order((shop.sku, quantity, "10.00")) for quantity in (1, 1, 1)]
    for order in orders:
        steps.pay(order)
    factories.run(steps.deciding.run, steps.splitting.run, steps.allocating.run)
    parts = [SubOrder.objects.get(order=order) for order in orders]
    parcel = Shipment.objects.create(number="S-1", sub_order=parts[0], state="created")
    for part in parts:
        ShipmentLine.objects.create(shipment=parcel, sub_order_line=part.lines.get(), quantity=1)
    ParcelFreight.objects.create(shipment=parcel, estimated_fen=1000)
    found = [profit.of_order(order.pk) for order in orders]
    assert [one and one.carriage for one in found] == [333, 333, 334]


def test_cost_prices_count_by_the_day_on_which_the_order_came_in(shop: factories.Shop) -> None:
    order = factories.split_order((shop.sku, 2, "10.00"), merchant=shop.merchant, source=shop.channel.code)
    unknown = profit.of_order(order.pk)
    assert unknown is not None
    assert (unknown.cost, unknown.units_without_cost, unknown.is_known) == (0, 2, False)
    page = client_of("view_profit", "view_order").get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    assert "Not known yet, and not in the sum:" in page
    assert "2 units without a cost price" in page
    costing.set_cost(shop.sku.pk, Decimal("9.00"), today() + timedelta(days=1), actor="li")
    assert profit.of_order(order.pk) == unknown
    costing.set_cost(shop.sku.pk, Decimal("4.00"), today() - timedelta(days=5), actor="li")
    costing.set_cost(shop.sku.pk, Decimal("3.50"), today(), actor="li")
    known = profit.of_order(order.pk)
    assert known is not None
    assert (known.cost, known.units_without_cost) == (700, 0)
    # The same day again replaces; what is in force already is not said again.
    assert costing.set_cost(shop.sku.pk, Decimal("3.60"), today(), actor="li")
    assert not costing.set_cost(shop.sku.pk, Decimal("3.60"), actor="li")
    assert SkuCost.objects.filter(sku=shop.sku).count() == 3


def test_the_pages_and_files_say_what_the_order_says(shop: factories.Shop) -> None:
    costing.set_cost(shop.sku.pk, Decimal("3.00"), date(2020, 1, 1), actor="li")
    order = factories.split_order((shop.sku, 2, "10.00"), merchant=shop.merchant, source=shop.channel.code)
    finance = client_of("view_profit", "view_order", "view_suborder")
    page = finance.get("/admin/profit/")
    ((row, shown),) = page.context["rows"]
    found = profit.of_order(order.pk)
    assert found is not None
    assert (row.channel, row.profit, shown["total"]) == (shop.channel.name, found, Decimal(found.total) / 100)
    drilled = finance.get(f"/admin/profit/{shop.channel.pk}/{today().isoformat()}/")
    assert [number for _address, number, _shown in drilled.context["rows"]] == [order.number]
    assert f"{shown['total']:,.2f}" in drilled.content.decode()
    answer = finance.get(f"/admin/profit/{shop.channel.pk}/{today().isoformat()}/", {"form": "csv"})
    headers, cells = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert dict(zip(headers, cells, strict=True))["Profit"] == f"{shown['total']:.2f}"
    on_page = finance.get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    assert "panel-boards-order_panel" in on_page
    assert "Not known yet, and not in the sum:" not in on_page
    without = client_of("view_order", "view_suborder").get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    assert "panel-boards-order_panel" not in without


def test_without_the_right_nobody_sees_profit(shop: factories.Shop) -> None:
    stranger = client_of("view_order", "view_ledgerentry", "view_skucost")
    assert stranger.get("/admin/profit/").status_code == 403
    assert stranger.get(f"/admin/profit/{shop.channel.pk}/2026-01-01/").status_code == 403


def test_costs_are_entered_on_a_page(shop: factories.Shop) -> None:
    buyer = client_of("view_skucost", "add_skucost", "view_sku")
    form = {"sku": shop.sku.pk, "valid_from": "2026-01-01", "cost": "4.20"}
    for cost in ("4.20", "4.30"):
        assert buyer.post("/admin/inventory/skucost/add/", form | {"cost": cost}).status_code == 302
    said = SkuCost.objects.get()
    assert (said.cost, f"{said.valid_from}", bool(said.entered_by)) == (Decimal("4.30"), "2026-01-01", True)
    refused = buyer.post("/admin/inventory/skucost/add/", form | {"cost": "-1"})
    assert refused.status_code == 200
    assert SkuCost.objects.count() == 1
    assert client_of("view_skucost").post("/admin/inventory/skucost/add/", form).status_code == 403
