"""`bench changes`: how long looking at a change and a cancellation of an order of many lines takes."""

import json
import time
from collections.abc import Callable
from pathlib import Path

from inventory.models import Sku
from oms.benchmarks import stage
from orders.changing import previewing
from orders.changing.choosing import Selection
from orders.changing.sets import previewing as looking_at_sets
from orders.fulfilling import allocating, splitting
from orders.models import Order, SubOrder
from orders.reviewing import deciding, versions

LINES = 200
TARGETS = {"preview_ms_at_most": 300.0}


def run(folder: Path, _orders: int) -> dict[str, float]:
    """Milliseconds, the best of three, of the previews of an allocated order of 200 lines: one unit less of every
    line, and the cancellation of a unit of each. The target stands beside the figures."""
    with stage.own_database("oms_bench_changes"):
        stage.load(folder)
        versions.switch_off()
        stage.place([_order(folder)])
        for work in (deciding.run, splitting.run, allocating.run):
            Order.objects.update(ready_at="2020-01-01T00:00Z")
            SubOrder.objects.update(ready_at="2020-01-01T00:00Z")
            work(1000)
        order = Order.objects.get()
        positions = list(order.lines.values_list("position", flat=True))
        wish = [{"do": "quantity", "line": position, "quantity": 1} for position in positions]
        units = dict.fromkeys(positions, 1)
        return {
            "lines": len(positions),
            "parts": SubOrder.objects.count(),
            "change_ms": _milliseconds(lambda: looking_at_sets.preview(order.pk, wish, reason="bench")),
            "cancellation_ms": _milliseconds(lambda: previewing.preview(order.pk, Selection(units))),
            **TARGETS,
        }


def _milliseconds(work: Callable[[], object]) -> float:
    spent = []
    for _ in range(stage.ROUNDS):
        begun = time.perf_counter()
        work()
        spent.append(1000 * (time.perf_counter() - begun))
    return min(spent)


def _order(folder: Path) -> bytes:
    """The first real order, paid on delivery, with two units each of many of its merchant's SKUs that are there."""
    order = json.loads(stage.order_lines(folder, 1)[0])
    first = Sku.objects.select_related("merchant").get(code=order["lines"][0]["sku"])
    there = Sku.objects.filter(merchant=first.merchant, stock__on_hand__gte=50, storage_class=first.storage_class)
    order["lines"] = [
        {**order["lines"][0], "sku": code, "quantity": 2, "unit_price": "1.00"}
        for code in there.order_by("id").values_list("code", flat=True).distinct()[:LINES]
    ]
    order |= {"payment_method": "cod", "freight_amount": "0.00", "payable_amount": f"{2 * len(order['lines'])}.00"}
    return json.dumps(order).encode()
