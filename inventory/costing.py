"""Cost prices of SKUs, by day: what is not said is unknown, never 0."""

import json
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from django.db import connection
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone

from inventory.lots import today
from inventory.models import SkuCost


def cost_on(sku: str, day: str) -> str:
    """SQL of the cost price (yuan) of the SKU with that id on that day; null where nobody said it. Both arguments are
    SQL."""
    return (
        f"(SELECT said.cost FROM inventory_skucost said WHERE said.sku_id = {sku} AND said.valid_from <= {day}"
        " ORDER BY said.valid_from DESC LIMIT 1)"
    )


def now_of(sku: str) -> Subquery:
    """The cost price that is in force today, of the SKU to which the outer query's field leads; null: unknown."""
    known: QuerySet[SkuCost] = SkuCost.objects.filter(sku=OuterRef(sku), valid_from__lte=today())
    return Subquery(known.order_by("-valid_from").values("cost")[:1])


def of_today(sku_ids: Sequence[int]) -> dict[int, Decimal]:
    """The cost prices (yuan) that are in force today, by SKU; what nobody said is missing. One statement."""
    known = SkuCost.objects.filter(sku__in=sku_ids, valid_from__lte=today())
    rows = known.order_by("sku_id", "-valid_from").distinct("sku_id").values_list("sku_id", "cost")
    return dict(rows)


def set_cost(sku_id: int, cost: Decimal, valid_from: date | None = None, *, actor: str) -> bool:
    """A unit costs so much (yuan) from that day on, from today unless said; see `set_costs`. Returns whether anything
    changed."""
    return bool(set_costs([(sku_id, cost, valid_from or today())], actor=actor))


def set_costs(said: Iterable[tuple[int, Decimal, date]], *, actor: str) -> int:
    """Units of SKUs cost so much (yuan) from these days on; what was said of the same day is replaced, what is in force
    then already is not said again. A SKU and day stands once in `said`. Returns how many changed. One statement."""
    rows = [{"sku_id": sku, "cost": str(cost), "day": day.isoformat()} for sku, cost, day in said]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO inventory_skucost AS c (sku_id, valid_from, cost, entered_by, entered_at)
            SELECT t.sku_id, t.day, t.cost, %(actor)s, %(now)s
            FROM json_to_recordset(%(rows)s::json) AS t(sku_id bigint, day date, cost numeric(12, 2))
            WHERE {cost_on("t.sku_id", "t.day")} IS DISTINCT FROM t.cost ORDER BY t.sku_id, t.day
            ON CONFLICT (sku_id, valid_from) DO UPDATE
            SET cost = excluded.cost, entered_by = excluded.entered_by, entered_at = excluded.entered_at
            """,
            {"rows": json.dumps(rows), "actor": actor, "now": timezone.now()},
        )
        return cursor.rowcount
