"""`bench pipeline`: from paid to released, against raw COPY of the same orders; and with ten hot SKUs."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
from django.conf import settings
from django.db import connection, connections
from django.db.models import Sum
from django.test import override_settings

from inventory.models import Sku, StockMovement
from oms.benchmarks import stage
from oms.common.work.claiming import run_until_empty
from oms.pipeline import STAGES
from orders.intake.bodies import LineBody, OrderBody, decode
from orders.models import Order, OrderState

TIMED = ("review", "split", "allocate", "release", "send_release")
HOT_SKUS = 10


def run(folder: Path, orders: int) -> dict[str, float]:
    """Medians of three: orders a second from paid to released by one worker, with real baskets and with ten hot SKUs;
    their ratios to L and to each other (targets: at least 0.2 and 0.8); deadlocks with two workers (target: none).

    One worker is one process with its usual `STAGE_SLOTS`; `one_slot_ratio` is what it reaches with a single one.
    """
    lines = stage.order_lines(folder, orders)
    real = [body for body in map(decode, lines) if isinstance(body, OrderBody)]
    uniform, limit, one_slot, hot, pair = [], [], [], [], []
    with stage.own_database("oms_bench_pipeline"), stage.without_waits():
        stage.load(folder, stock_factor=20)
        hot_bodies = _with_hot_skus(real)
        deadlocks = 0
        for _round in range(stage.ROUNDS):
            _prepare(real)
            uniform.append(_timed(_work))
            _prepare(real)
            limit.append(stage.copy_limit())
            _prepare(real)
            with override_settings(STAGE_SLOTS=1):
                one_slot.append(_timed(_work))
            _prepare(hot_bodies)
            hot.append(_timed(_work))
            _prepare(hot_bodies)
            before = stage.deadlocks()
            pair.append(_timed(_work_in_pairs))
            deadlocks += stage.deadlocks() - before
    return {
        "orders": orders,
        "pipeline_orders_per_second": round(orders / stage.median(uniform), 1),
        "copy_orders_per_second": round(orders / stage.median(limit), 1),
        "ratio": round(stage.median([mine / theirs for mine, theirs in zip(limit, uniform, strict=True)]), 3),
        "target": 0.2,
        "slots": settings.STAGE_SLOTS,
        "one_slot_ratio": round(stage.median([theirs / mine for mine, theirs in zip(one_slot, limit, strict=True)]), 3),
        "hot_orders_per_second": round(orders / stage.median(hot), 1),
        "hot_ratio": round(stage.median([mine / theirs for mine, theirs in zip(uniform, hot, strict=True)]), 3),
        "hot_target": 0.8,
        "hot_two_workers_orders_per_second": round(orders / stage.median(pair), 1),
        "deadlocks": deadlocks,
    }


def _prepare(bodies: list[OrderBody]) -> None:
    """Store the orders and let them be paid, as the payment stage leaves them."""
    stage.empty_orders()
    stage.place_bodies(bodies)
    stage.pay()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _timed(work: Callable[[], None]) -> float:
    """Seconds that the work takes. Raises RuntimeError where it left orders in review that nothing holds."""
    seconds = stage.timed(work)
    if Order.objects.filter(state=OrderState.IN_REVIEW, open_holds=0).exists():
        raise RuntimeError("orders of the benchmark that nothing holds were left in review")
    return seconds


def _work() -> None:
    for name in TIMED:
        run_until_empty(STAGES[name], settings.STAGE_BATCH)


def _work_in_pairs() -> None:
    def worker(_number: int) -> None:
        try:
            _work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(worker, range(2)))
    _work()


def _with_hot_skus(bodies: list[OrderBody]) -> list[OrderBody]:
    """The same orders, each wanting one unit of each of the ten SKUs of which there is most."""
    most = Sku.objects.filter(merchant__code="SELF").exclude(storage_class="virtual")
    skus = list(most.annotate(units=Sum("stock__on_hand")).order_by("-units", "id")[:HOT_SKUS])
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO inventory_stockmovement (stock_id, kind, on_hand_change, actor)"
            f" SELECT id, '{StockMovement.Kind.OPENING}', 1000000, 'bench' FROM inventory_stock WHERE sku_id = ANY(%s)",
            [[sku.pk for sku in skus]],
        )
    lines = [LineBody(sku=sku.code, merchant="SELF", quantity=1, unit_price=sku.list_price) for sku in skus]
    payable = sum(line.unit_price for line in lines)
    return [
        msgspec.structs.replace(
            body,
            lines=lines,
            coupon_amount=payable * 0,
            freight_amount=payable * 0,
            gift_card_amount=payable * 0,
            points=type(body.points)(),
            payable_amount=payable,
        )
        for body in bodies
    ]
