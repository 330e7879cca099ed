"""The service that places really gave, beside the one that their policies aim at."""

from dataclasses import dataclass
from decimal import Decimal

from django.db import connection, models
from django.utils.translation import gettext_lazy as _

from inventory.replenishing.demand import SERVICE_DAYS, Service, today
from inventory.replenishing.words import percent

# Units in the measured days up to which a SKU sells slowly at a place, and up to which it is in the middle.
MOST_OF_SLOW, MOST_OF_MIDDLE = 2, 15


class Speed(models.TextChoices):
    """How quickly a SKU sells at a place."""

    SLOW = "slow", _("Slow")
    MIDDLE = "middle", _("Middle")
    FAST = "fast", _("Fast")


@dataclass(frozen=True, slots=True)
class Measured:
    """SKUs of one speed at a warehouse: how many, those with a policy, what was wanted and sent at once, and the mean
    service level of the policies (None: there are none)."""

    warehouse: str
    speed: Speed
    skus: int
    with_policy: int
    service: Service
    target_percent: Decimal | None

    @property
    def share(self) -> str:
        """The measured service in words."""
        return percent(self.service)

    @property
    def is_missed(self) -> bool:
        """Whether less was measured than is aimed at."""
        share = self.service.share
        return share is not None and self.target_percent is not None and 100 * share < self.target_percent


def by_warehouse() -> list[Measured]:
    """What was measured over the last SERVICE_DAYS whole days, by warehouse and speed. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH place AS (
                SELECT d.warehouse_id, d.sku_id, sum(d.units)::bigint AS units, sum(d.filled)::bigint AS filled
                FROM inventory_dailydemand d WHERE d.day < %(today)s AND d.day >= %(today)s::date - %(days)s
                GROUP BY d.warehouse_id, d.sku_id
            )
            SELECT w.code, CASE WHEN place.units <= {MOST_OF_SLOW} THEN '{Speed.SLOW}'
                    WHEN place.units <= {MOST_OF_MIDDLE} THEN '{Speed.MIDDLE}' ELSE '{Speed.FAST}' END AS speed,
                count(*), count(p.id), sum(place.units)::bigint, sum(place.filled)::bigint,
                round(avg(p.service_percent), 1)
            FROM place JOIN inventory_warehouse w ON w.id = place.warehouse_id
            LEFT JOIN inventory_replenishmentpolicy p
                ON (p.warehouse_id, p.sku_id) = (place.warehouse_id, place.sku_id) AND p.is_active
            GROUP BY 1, 2 ORDER BY 1, min(place.units)
            """,
            {"today": today(), "days": SERVICE_DAYS},
        )
        return [
            Measured(code, Speed(speed), skus, with_policy, Service(units, filled), target)
            for code, speed, skus, with_policy, units, filled, target in cursor.fetchall()
        ]
