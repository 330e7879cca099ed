"""Planning a long day in the background."""

from datetime import date
from typing import Any

from django.db import connection
from django.utils.translation import gettext_lazy

from logistics.models import CourierParcel
from logistics.routing import planning, reading
from oms.common.models import Job
from oms.common.work import jobs

# So many parcels are planned while somebody waits for the page.
MOST_AT_ONCE = 60


def is_long(station_id: int) -> bool:
    """Whether nobody should wait for the plan of the station."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT count(*) FROM (
                SELECT FROM {CourierParcel._meta.db_table} p JOIN logistics_shipment h ON h.id = p.shipment_id
                WHERE p.station_id = %s AND {reading.OPEN} LIMIT %s) AS open
            """,
            [station_id, MOST_AT_ONCE + 1],
        )
        return int(cursor.fetchone()[0]) > MOST_AT_ONCE


def begin(owner: Any, station_id: int, day: date) -> Job:
    """Queue the planning."""
    return jobs.create(KIND, owner, params={"station": station_id, "day": day.isoformat()})


def _work(turn: jobs.Turn) -> bool:
    """One step; a worker that is killed before it leaves nothing behind."""
    with turn.step() as job:
        day = date.fromisoformat(job.params["day"])
        plan = planning.make(job.params["station"], day, by=job.owner.get_username())
        job.total = plan.figures["stops"]
        job.done = plan.figures["stops"]
    return True


KIND = jobs.register(jobs.JobKind("plan_routes", gettext_lazy("Plan of routes"), "logistics.plan_routes", _work))
