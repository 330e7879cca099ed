"""`bench review`: how long all shipped rules, switched on, take to rehearse over real orders, and to judge new ones."""

import time
from pathlib import Path

from django.db import connection

from oms.benchmarks import stage
from orders.models import Order, ReviewRuleSet
from orders.reviewing import compiling, rehearsing
from orders.reviewing.versions import VERSIONS

BATCH = 1_000
TARGETS = {"rehearsal_seconds_at_most": 20.0}


def run(folder: Path, orders: int) -> dict[str, float]:
    """Seconds of the rehearsal over so many orders, and milliseconds that judging a thousand new ones takes by the
    rules that are shipped as active and by all. The target stands beside the figures."""
    with stage.own_database("oms_bench_review"):
        stage.load(folder)
        stored = stage.place(stage.order_lines(folder, orders))
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        by_default = _judge(_ids(BATCH))
        draft = VERSIONS.draft_from(ReviewRuleSet.objects.get().pk, by="bench")
        draft.rules.update(is_active=True)
        begun, hits, below = time.perf_counter(), 0, None
        while ids := rehearsing.last_orders(BATCH, below=below):
            hits += sum(rehearsing.rehearse_version(draft, ids).by_rule.values())
            below = ids[-1]
        spent = time.perf_counter() - begun
        VERSIONS.activate(draft.pk, by="bench")
        with_all = _judge(_ids(BATCH))
        return {
            "orders": stored,
            "rules": draft.rules.count(),
            "hits": hits,
            "rehearsal_seconds": spent,
            "judging_1000_ms": by_default,
            "judging_1000_by_all_ms": with_all,
            **TARGETS,
        }


def _ids(count: int) -> list[int]:
    return list(Order.objects.order_by("-id").values_list("id", flat=True)[:count])


def _judge(ids: list[int]) -> float:
    """Milliseconds of judging the orders, the best of three."""
    return stage.milliseconds(lambda: compiling.judge(compiling.find(compiling.active_rules(), ids)))
