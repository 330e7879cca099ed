"""How many promises were kept: signed in time among all that were signed or overdue."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.db import connection
from django.utils.translation import gettext_lazy as _

from oms.common.states import listed
from orders.models import LateRisk, PromiseOutcome
from orders.models.promise import MEASURED


class RateBy(StrEnum):
    """What hit rates are told apart by."""

    LEVEL = "level"
    WAREHOUSE = "warehouse"
    CARRIER = "carrier"
    LANE = "lane"


TITLES: Mapping[RateBy, Any] = {
    RateBy.LEVEL: _("Service level"),
    RateBy.WAREHOUSE: _("Warehouse"),
    RateBy.CARRIER: _("Carrier"),
    RateBy.LANE: _("Lane"),
}
# The SQL of the group. Who carried it counts; where nobody did, who should have.
_GROUPS = {
    RateBy.LEVEL: "p.level",
    RateBy.WAREHOUSE: "w.code",
    RateBy.CARRIER: "coalesce(nullif(p.carried_by, ''), p.carrier)",
    RateBy.LANE: "left(w.region_id, 2) || ' → ' || left(p.region_id, 2)",
}


@dataclass(frozen=True, slots=True)
class Rate:
    """Of one group: promises that were measured, those kept, and why others were broken (count by `LateRisk`)."""

    group: str
    measured: int
    kept: int
    broken_by: Mapping[str, int]

    @property
    def broken(self) -> int:
        """Promises that were broken."""
        return self.measured - self.kept

    @property
    def percent(self) -> float:
        """How many of a hundred were kept."""
        return 100 * self.kept / self.measured


def rates(by: RateBy, since: datetime, until: datetime) -> list[Rate]:
    """The hit rate of each group, of promises that were due from `since` until before `until`. One statement."""
    reasons = ", ".join(
        f"count(*) FILTER (WHERE p.outcome = '{PromiseOutcome.BROKEN}' AND p.risk = '{r}')" for r in LateRisk
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT {_GROUPS[by]} AS name, count(*),
                count(*) FILTER (WHERE p.outcome = '{PromiseOutcome.KEPT}'), {reasons}
            FROM orders_deliverypromise p JOIN inventory_warehouse w ON w.id = p.warehouse_id
            WHERE p.outcome IN ({listed(MEASURED)}) AND p.promised_by >= %s AND p.promised_by < %s
            GROUP BY 1 ORDER BY 2 DESC, 1
            """,
            [since, until],
        )
        return [
            Rate(name, measured, kept, {str(r): n for r, n in zip(LateRisk, counts, strict=True) if n})
            for name, measured, kept, *counts in cursor.fetchall()
        ]
