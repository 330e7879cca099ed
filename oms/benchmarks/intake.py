"""`bench intake`: orders from a file, validated, numbered and apportioned, against raw COPY of the finished rows."""

from pathlib import Path

from oms.benchmarks import stage


def run(folder: Path, orders: int) -> dict[str, float]:
    """Medians of three: orders a second of intake and of COPY, and their ratio (target: at least 0.35)."""
    lines = stage.order_lines(folder, orders)
    ours, limit = [], []
    with stage.own_database("oms_bench_intake"):
        stage.load(folder)
        for _round in range(stage.ROUNDS):
            stage.empty_orders()
            ours.append(stage.timed(lambda: stage.place(lines)))
            limit.append(stage.copy_limit())
    ratios = [theirs / mine for mine, theirs in zip(ours, limit, strict=True)]
    return {
        "orders": orders,
        "intake_orders_per_second": round(orders / stage.median(ours), 1),
        "copy_orders_per_second": round(orders / stage.median(limit), 1),
        "ratio": round(stage.median(ratios), 3),
        "target": 0.35,
    }
