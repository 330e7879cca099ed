"""`bench replenish` on days of which one knows what must come out."""

import gzip
import json
from pathlib import Path

from oms.benchmarks import replenish
from tests import factories


def _orders(folder: Path, units_by_day: list[int]) -> Path:
    """A file of an order a day that buys so many units of one SKU."""
    with gzip.open(folder / "orders.jsonl.gz", "wt") as file:
        for day, units in enumerate(units_by_day, 1):
            body = factories.order_body(external_number=f"E{day}", ordered_at=f"2017-01-{day:02}T10:00:00+08:00")
            line = {"sku": "P1", "merchant": "M1", "name": "x", "quantity": units, "unit_price": "1.00"}
            file.write(json.dumps({**body, "lines": [line]}) + "\n")
    return folder


def test_a_steady_demand_is_always_there(tmp_path):
    figures = replenish.run(_orders(tmp_path, [3] * 20), 20)
    assert (figures["days_learned"], figures["days_measured"]) == (10, 10)
    assert (figures["fast_skus"], figures["fast_units"], figures["fast_service"]) == (1, 30, 1.0)
    assert (figures["slow_skus"], figures["middle_skus"]) == (0, 0)


def test_what_nobody_could_foresee_is_not_foreseen(tmp_path):
    figures = replenish.run(_orders(tmp_path, [1] * 10 + [50] + [1] * 9), 20)
    assert (figures["middle_skus"], figures["middle_units"]) == (1, 59)
    assert figures["middle_service"] < 0.5
