"""`bench gifts`: how long gift rules take to rehearse over the last real orders."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.db import connection
from django.utils import timezone

from inventory.models import Sku
from oms.benchmarks import stage
from orders.changing import gift_rehearsing
from orders.models import GiftRule, Order

# Those of a shop in a campaign: by amount, by units, in steps, a buyer once a month; the rehearsed one comes last.
_RULES: Sequence[Mapping[str, Any]] = (
    {"min_order_amount": "99.00"},
    {"min_units": 3, "most_per_buyer": 1, "within_days": 30},
    {"per_amount": "100.00", "most_times": 5},
    {"per_units": 2, "most_times": 3},
    {"min_amount": "10.00", "most_per_buyer": 2, "within_days": 7},
)
TARGETS = {"rehearsal_seconds_at_most": 20.0}


def run(folder: Path, orders: int) -> dict[str, float]:
    """Seconds of the rehearsal of a rule beside four active ones over so many orders (at most 10,000). The target
    stands beside the figures."""
    with stage.own_database("oms_bench_gifts"):
        stage.load(folder)
        stored = stage.place(stage.order_lines(folder, min(orders, gift_rehearsing.MOST_ORDERS)))
        Order.objects.update(reviewed_at=timezone.now())
        gift = Sku.objects.order_by("id")[0]
        rules = [
            GiftRule.objects.create(name=f"rule {place}", gift=gift, is_active=place < len(_RULES), **fields)
            for place, fields in enumerate(_RULES, 1)
        ]
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        begun = time.perf_counter()
        found = gift_rehearsing.rehearse(rules[-1].pk, stored)
        spent = time.perf_counter() - begun
        return {
            "orders": found.orders,
            "rules": len(rules),
            "served": found.served,
            "rehearsal_seconds": spent,
            **TARGETS,
        }
