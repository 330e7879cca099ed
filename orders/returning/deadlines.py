"""The stage of returns: what was not decided in time is approved, what was never handed over is closed, and what is not
inspected in time calls a person."""

from datetime import datetime, timedelta

from django.db import connection

from oms.common import tickets
from oms.common.copying import array
from oms.common.states import listed
from oms.common.work import clock
from oms.common.work.claiming import Stage
from orders import actors, isolating
from orders.models import ReturnRequest, ReturnState
from orders.models.return_request import TIMED
from orders.returning import deciding
from orders.returning.trouble import RETURN_TO_DECIDE, RETURN_TO_INSPECT

NAME = "returns"


def to_decide(now: datetime, hours: int) -> datetime:
    """By when a return that is asked for now is decided."""
    return now + clock.scaled(timedelta(hours=hours))


def _due() -> str:
    return f"""FROM orders_returnrequest r WHERE r.state IN ({listed(TIMED)})
        AND r.ready_at <= {clock.horizon()} AND r.needs_person_since IS NULL"""


def run(limit: int) -> int:
    """Do what is due of up to `limit` returns; returns of how many."""
    with connection.cursor() as cursor:
        # The order is locked before its returns, so the claim only reads here.
        cursor.execute(f"SELECT r.id, r.order_id {_due()} ORDER BY r.ready_at LIMIT %s", [limit])
        due = cursor.fetchall()
    return isolating.work_on(NAME, due, lambda keys, _orders: _work(keys))


def _work(return_ids: list[int]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT r.id {_due()} AND r.id = ANY(%s::bigint[])", [array(return_ids)])
        still_due = [key for (key,) in cursor.fetchall()]
    # Rows that move one at a time: each by its own service, which locks it again.
    for row in ReturnRequest.objects.filter(pk__in=still_due).order_by("pk"):
        _do(row)
    return len(still_due)


def _do(row: ReturnRequest) -> None:
    actor = actors.job(NAME)
    trouble = tickets.Trouble(row.pk, "", {"number": row.number}, about_id=row.order_id)
    if row.state == ReturnState.AWAITING_GOODS:
        deciding.expire(row.pk, actor=actor)
    elif row.state == ReturnState.RECEIVED:
        tickets.open_tickets(RETURN_TO_INSPECT, [trouble], opened_by=NAME)
        ReturnRequest.objects.filter(pk=row.pk).update(ready_at=None)
    elif row.outside_terms or row.is_escalated:
        tickets.open_tickets(RETURN_TO_DECIDE, [trouble], opened_by=NAME)
        ReturnRequest.objects.filter(pk=row.pk).update(ready_at=None)
    else:
        deciding.approve(row.pk, actor=actor)


def backlog() -> str:
    """Returns whose deadline passed."""
    return f"SELECT r.ready_at AS due, {isolating.needs_person('r.order_id')} AS needs_person {_due()}"


STAGE = Stage(NAME, run, wakes=(), backlog=backlog)
