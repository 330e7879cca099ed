"""`bench flash_sale`: twice as many orders as there are units of one SKU, which lie in one warehouse, are allocated by
several workers at once; beside it the same on as many SKUs as there are units.

The workers are processes, and each does what a worker does: it runs the stage until nothing is ready.
"""

from collections.abc import Sequence
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path

import msgspec
from django.conf import settings
from django.db import connection, connections

from inventory import receiving
from inventory.loading import load_folder
from inventory.models import Region, Sku, Stock, StorageClass, Warehouse
from logistics.warehouses.defaults import connect_warehouses
from oms.benchmarks import stage
from oms.common.invariants import check
from oms.common.work.claiming import run_until_empty
from oms.management.commands.check_invariants import ALL
from oms.merchants.models import Merchant
from oms.pipeline import STAGES
from orders.intake.bodies import LineBody, OrderBody, decode
from orders.models import Order, SubOrder, SubOrderState

WORKERS = 4
TARGET = 0.8
_PRICE = Decimal("9.90")


def run(folder: Path, orders: int) -> dict[str, float]:
    """Medians of three, in pairs one after the other: orders a second that four workers allocate, of one SKU and of
    many; their ratio (target: 0.8); the units sold of the one SKU in the worst round, and those there were; deadlocks
    (target: none) and broken invariants (target: none)."""
    lines = stage.order_lines(folder, orders)
    real = [body for body in map(decode, lines) if isinstance(body, OrderBody)]
    units = orders // 2
    hot: list[float] = []
    many: list[float] = []
    sold: list[int] = []
    with stage.own_database("oms_bench_flash_sale"), stage.without_waits():
        load_folder(folder, progress=lambda rows, _name: rows, with_stock=False)
        Merchant.objects.update(status=Merchant.Status.ACTIVE, accepts_cod=True)
        connect_warehouses()
        skus = _skus(units)
        seen = 0
        for _round in range(stage.ROUNDS):
            for chosen, times in ((skus[:1], hot), (skus, many)):
                _prepare(real, chosen, units)
                before = stage.deadlocks()
                times.append(stage.timed(_work))
                seen += stage.deadlocks() - before
                sold.append(SubOrder.objects.filter(state=SubOrderState.ALLOCATED).count())
        broken = len(check(ALL))
    return {
        "orders": orders,
        "workers": WORKERS,
        "units": units,
        "least_sold": min(sold),
        "most_sold": max(sold),
        "hot_orders_per_second": round(orders / stage.median(hot), 1),
        "many_skus_orders_per_second": round(orders / stage.median(many), 1),
        "ratio": round(stage.median([theirs / mine for mine, theirs in zip(hot, many, strict=True)]), 3),
        "target": TARGET,
        "deadlocks": seen,
        "broken_invariants": broken,
    }


def _skus(count: int) -> list[Sku]:
    """So many SKUs of the self-operated merchant, with a warehouse that sends to everywhere."""
    seller = Merchant.objects.get(kind=Merchant.Kind.SELF_OPERATED)
    region = Region.objects.order_by("code")[0]
    other = Warehouse.objects.filter(merchant=seller).exclude(connection=None)[0]
    Warehouse.objects.create(
        code="FLASH",
        name="FLASH",
        merchant=seller,
        kind=Warehouse.Kind.SELF_OPERATED,
        storage_classes=[StorageClass.AMBIENT],
        region=region,
        longitude=region.longitude,
        latitude=region.latitude,
        connection=other.connection,
    )
    return Sku.objects.bulk_create(
        Sku(merchant=seller, code=f"FLASH-{place}", name="flash", storage_class=StorageClass.AMBIENT, weight_g=500)
        for place in range(count)
    )


def _prepare(real: Sequence[OrderBody], skus: Sequence[Sku], units: int) -> None:
    """As many units of the SKUs in all, and the orders, one unit each, taken to their sub-orders."""
    stage.empty_orders()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE inventory_stock, inventory_stockmovement RESTART IDENTITY CASCADE")
    warehouse = Warehouse.objects.get(code="FLASH")
    for sku in skus:
        receiving.receive(warehouse.pk, sku.pk, units // len(skus), actor="bench")
    Stock.objects.update(wakes_backorders_since=None)
    stage.place_bodies([_order(body, skus[place % len(skus)]) for place, body in enumerate(real)])
    for name in ("review", "split"):
        run_until_empty(STAGES[name], settings.STAGE_BATCH)
    if SubOrder.objects.count() != len(real):
        raise RuntimeError(f"{Order.objects.count()} orders have {SubOrder.objects.count()} sub-orders")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _order(body: OrderBody, sku: Sku) -> OrderBody:
    line = LineBody(
        sku=sku.code, merchant="SELF", quantity=1, unit_price=msgspec.convert(_PRICE, type(body.payable_amount))
    )
    nothing = line.unit_price * 0
    return msgspec.structs.replace(
        body,
        lines=[line],
        coupon_amount=nothing,
        freight_amount=nothing,
        gift_card_amount=nothing,
        points=type(body.points)(),
        payment_method="cod",
        payable_amount=line.unit_price,
    )


def _work() -> None:
    """The workers, until none finds anything; none has a connection of the others."""
    connections.close_all()
    context = get_context("fork")
    workers = [context.Process(target=_worker) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise RuntimeError("a worker of the flash sale failed")


def _worker() -> None:
    run_until_empty(STAGES["allocate"], settings.STAGE_BATCH)
    connections.close_all()
