"""Working out the lines of policies that are computed from demand: each once a day, or when a policy was changed."""

import time
from collections.abc import Collection, Sequence
from datetime import date

from django.db import connection, transaction
from django.db.models import Q

from inventory.models import LineBasis, LineMethod, ReplenishmentPolicy
from inventory.models.purchasing import MOST_UNITS_OF_A_LINE
from inventory.replenishing import demand
from inventory.replenishing.forecasting import Forecast, forecast, levels_of
from inventory.replenishing.formulas import Levels, Supply
from oms.common.copying import array, text_array

BATCH = 2_000
# Positions are looked at more often; what is ordered goes out once a day.
REVIEW_DAYS = 1.0


def refresh(*, seconds: float) -> int:
    """Work out the lines that are not of today, batch by batch, until the seconds are over; returns how many."""
    until, done, day = time.monotonic() + seconds, 0, demand.today()
    days = demand.days_known(day)
    while time.monotonic() < until:
        with transaction.atomic():
            due = ReplenishmentPolicy.objects.filter(method=LineMethod.COMPUTED, is_active=True)
            due = due.filter(Q(computed_on=None) | Q(computed_on__lt=day)).order_by("pk")
            policies = list(due.select_for_update(no_key=True, skip_locked=True)[:BATCH])
            _write(policies, day, days)
        done += len(policies)
        if len(policies) < BATCH:
            break
    return done


def work_out(policy_ids: Collection[int]) -> None:
    """Work out the lines of those of the policies that are computed, in the running transaction, which locks them."""
    day = demand.today()
    policies = list(ReplenishmentPolicy.objects.filter(pk__in=policy_ids, method=LineMethod.COMPUTED).order_by("pk"))
    _write(policies, day, demand.days_known(day))


def levels_for(policy: ReplenishmentPolicy, found: Forecast) -> Levels:
    """The levels that the policy's service level and lead time make of the demand, within what a row can hold."""
    supply = Supply(float(policy.lead_days), float(policy.lead_deviation_days), REVIEW_DAYS)
    at = levels_of(found, supply, float(policy.service_percent) / 100, cover_days=policy.cover_days)
    up_to = min(at.order_up_to, MOST_UNITS_OF_A_LINE)
    return Levels(min(at.reorder_point, up_to - 1), up_to)


def _write(policies: Sequence[ReplenishmentPolicy], day: date, days_known: int) -> None:
    if not policies:
        return
    known = demand.history([(one.warehouse_id, one.sku_id) for one in policies], day)
    forecasts = [forecast(known.get((one.warehouse_id, one.sku_id), {}), days_known) for one in policies]
    levels = [levels_for(one, found) for one, found in zip(policies, forecasts, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE inventory_replenishmentpolicy p SET reorder_point = n.line, order_up_to = n.up_to,
                mean_per_day = n.mean, deviation_per_day = n.deviation, basis = n.basis, computed_on = %(day)s,
                changed_at = now()
            FROM unnest(%(ids)s::bigint[], %(lines)s::int[], %(ups)s::int[], %(means)s::float[],
                %(deviations)s::float[], %(bases)s::text[]) AS n(id, line, up_to, mean, deviation, basis)
            WHERE p.id = n.id
            """,
            {
                "day": day,
                "ids": array(one.pk for one in policies),
                "lines": array(one.reorder_point for one in levels),
                "ups": array(one.order_up_to for one in levels),
                "means": array(one.demand.mean for one in forecasts),
                "deviations": array(one.demand.deviation for one in forecasts),
                "bases": text_array(LineBasis.FEW_SALES if one.is_guess else LineBasis.DEMAND for one in forecasts),
            },
        )
