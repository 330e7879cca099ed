"""`bench changes`: how long looking at a change and a cancellation of an order of many lines takes."""

import json
from itertools import cycle, islice
from pathlib import Path

from inventory.models import Sku
from oms.benchmarks import stage
from oms.common.work import clock
from orders.changing import previewing
from orders.changing.choosing import Selection
from orders.changing.sets import previewing as looking_at_sets
from orders.fulfilling import allocating, splitting
from orders.models import Order, SubOrder, SubOrderState
from orders.reviewing import deciding, versions

LINES = 200
TARGETS = {"preview_ms_at_most": 300.0}


def run(folder: Path, _orders: int) -> dict[str, float]:
    """Milliseconds, the best of three, of the previews of an allocated order of 200 lines: one unit less of every
    line, and the cancellation of a unit of each. The target stands beside the figures."""
    with stage.own_database("oms_bench_changes"), stage.without_waits():
        stage.load(folder)
        versions.switch_off()
        stage.place([_order(folder)])
        with clock.skipping_waits():
            for run_stage in (deciding.run, deciding.run, splitting.run, allocating.run):
                run_stage(1000)
        order = Order.objects.get()
        positions = list(order.lines.values_list("position", flat=True))
        wish = [{"do": "quantity", "line": position, "quantity": 1} for position in positions]
        units = dict.fromkeys(positions, 1)
        return {
            "lines": len(positions),
            "allocated": SubOrder.objects.filter(state=SubOrderState.ALLOCATED).count(),
            "change_ms": stage.milliseconds(lambda: looking_at_sets.preview(order.pk, wish, reason="bench")),
            "cancellation_ms": stage.milliseconds(lambda: previewing.preview(order.pk, Selection(units))),
            **TARGETS,
        }


def _order(folder: Path) -> bytes:
    """The first real order, paid on delivery, with two units each of its merchant's SKUs that are there, over and over
    until it has so many lines."""
    order = json.loads(stage.order_lines(folder, 1)[0])
    first = Sku.objects.select_related("merchant").get(code=order["lines"][0]["sku"])
    there = Sku.objects.filter(merchant=first.merchant, stock__on_hand__gte=50, storage_class=first.storage_class)
    codes = cycle(there.order_by("id").values_list("code", flat=True).distinct())
    line = {**order["lines"][0], "quantity": 2, "unit_price": "1.00"}
    order["lines"] = [{**line, "sku": code} for code in islice(codes, LINES)]
    order |= {"payment_method": "cod", "freight_amount": "0.00", "payable_amount": f"{2 * LINES}.00"}
    return json.dumps(order).encode()
