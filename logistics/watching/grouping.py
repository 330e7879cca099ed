"""Alerts of one cause are one piece of work: a group with a ticket, whose rows are what is late.

A cause is a kind at one warehouse, before its parcels are in a carrier's hands; after that a kind at one place in the
hands of one carrier.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from logistics.models import AlertGroup, AlertKind
from logistics.watching import news
from logistics.watching.planning import Watched
from logistics.watching.steps import Step
from oms.common import tickets
from oms.common.copying import array, records
from oms.common.models import Team, TicketResult, TicketState
from oms.common.zones import CHINA

_K = AlertKind
# Who is late: a carrier, or the warehouse.
IN_THE_CARRIERS_HANDS = (
    *(_K.PICKUP_SOON, _K.PICKUP_TIMEOUT, _K.NO_TRACE, _K.DEPART_TIMEOUT, _K.STALLED, _K.ARRIVED_NOT_OUT),
    *(_K.DELIVERY_TIMEOUT, _K.LOCKER_OVERDUE, _K.SIGN_TIMEOUT, _K.PROBLEM, _K.REJECTED, _K.RETURNING),
)
# Where nobody of the carrier's has been yet, its parcels wait at the warehouse.
_BEFORE_PICK_UP = (_K.PICKUP_SOON, _K.PICKUP_TIMEOUT, _K.NO_TRACE)
SUBJECT = "alert_group"
BY = "watch"

_WAREHOUSE = _("%(count)s at %(warehouse)s since %(since)s.")
_PICKUP = _("%(count)s parcels of %(carrier)s at %(warehouse)s since %(since)s.")
_STUCK = _("%(count)s parcels of %(carrier)s stuck at %(place)s since %(since)s.")
_LOCKER = _(
    "%(count)s parcels of %(carrier)s in a locker or station at %(place)s since %(since)s: remind the buyers, and call"
    " them once it is an exception."
)
LATE = tickets.register_kind(
    tickets.TicketKind(
        "late_together",
        _("Late together"),
        SUBJECT,
        team=Team.LOGISTICS,
        reasons={
            kind.value: _LOCKER
            if kind == _K.LOCKER_OVERDUE
            else _STUCK
            if kind in IN_THE_CARRIERS_HANDS and kind not in _BEFORE_PICK_UP
            else _PICKUP
            if kind in IN_THE_CARRIERS_HANDS
            else _WAREHOUSE
            for kind in AlertKind
        },
        causes=dict(AlertKind.choices),
        remedies=_(
            "Open the group: its parcels stand there as rows. Urge the carrier or the warehouse and note what it says."
            " News of a parcel takes it off; the ticket closes with the last one. Closing the ticket closes its alerts."
        ),
        can_retry=False,
    )
)


@dataclass(frozen=True, slots=True)
class Cause:
    """What alerts have in common."""

    kind: str
    carrier_id: int | None
    warehouse_id: int | None
    place: str

    @classmethod
    def of(cls, row: Watched, step: Step) -> "Cause":
        """The cause of a row's being late."""
        if step.kind not in IN_THE_CARRIERS_HANDS:
            return cls(step.kind.value, None, row.warehouse_id, "")
        if step.kind in _BEFORE_PICK_UP:
            return cls(step.kind.value, row.carrier_id, row.warehouse_id, "")
        return cls(step.kind.value, row.carrier_id, None, row.place)


def groups_of(causes: Collection[Cause]) -> dict[Cause, int]:
    """The ids of the open groups of these causes, made where there is none. In the running transaction."""
    wanted = sorted(set(causes), key=lambda c: (c.kind, c.carrier_id or 0, c.warehouse_id or 0, c.place))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO logistics_alertgroup AS g (kind, carrier_id, warehouse_id, place, level, since)
            SELECT kind, carrier_id, warehouse_id, place, 1, now()
            FROM json_to_recordset(%s::json) AS c(kind text, carrier_id bigint, warehouse_id bigint, place text)
            ON CONFLICT (kind, carrier_id, warehouse_id, place) WHERE closed_at IS NULL
            -- Locked, so that nobody ends it meanwhile.
            DO UPDATE SET kind = excluded.kind
            RETURNING kind, carrier_id, warehouse_id, place, id
            """,
            [
                records(
                    {"kind": c.kind, "carrier_id": c.carrier_id, "warehouse_id": c.warehouse_id, "place": c.place}
                    for c in wanted
                )
            ],
        )
        return {Cause(*cause): key for *cause, key in cursor.fetchall()}


@transaction.atomic
def settle() -> list[AlertGroup]:
    """Bring groups up to what their alerts say: closed with their ticket, ended with their last alert, else counted and
    told by the ticket. A few statements, whatever the number of alerts. Returns the groups that changed."""
    _close_by_hand()
    with connection.cursor() as cursor:
        # Locked first: what others add to a group now is seen by the count that follows.
        cursor.execute(
            "SELECT id FROM logistics_alertgroup WHERE closed_at IS NULL ORDER BY id FOR NO KEY UPDATE SKIP LOCKED"
        )
        locked = array(key for (key,) in cursor.fetchall())
        cursor.execute(
            """
            WITH counted AS (
                SELECT g.id, count(a.id) AS units, coalesce(max(a.level), g.level) AS level,
                    coalesce(min(a.since), g.since) AS since
                FROM logistics_alertgroup g
                LEFT JOIN logistics_logisticsalert a ON a.group_id = g.id AND a.closed_at IS NULL
                WHERE g.id = ANY(%s::bigint[]) GROUP BY g.id
            )
            UPDATE logistics_alertgroup g SET open_count = c.units, level = c.level, since = c.since,
                closed_at = CASE WHEN c.units = 0 THEN now() END,
                closed_by = CASE WHEN c.units = 0 THEN %s ELSE '' END
            FROM counted c WHERE g.id = c.id AND g.closed_at IS NULL
              AND (c.units = 0 OR (g.open_count, g.level, g.since) IS DISTINCT FROM (c.units, c.level, c.since))
            RETURNING g.id
            """,
            [locked, news.NEWS],
        )
        changed = [key for (key,) in cursor.fetchall()]
    if not changed:
        return []
    groups = list(AlertGroup.objects.filter(pk__in=changed).select_related("carrier", "warehouse").order_by("pk"))
    tickets.open_tickets(LATE, [_trouble(group) for group in groups if group.closed_at is None], opened_by=BY)
    tickets.close_tickets([LATE], [group.pk for group in groups if group.closed_at is not None], closed_by=BY)
    return groups


def sentence(group: AlertGroup) -> str:
    """What is late, how much of it, where and since when, in the active language."""
    return str(LATE.reasons[group.kind]) % _values(group)


def _trouble(group: AlertGroup) -> tickets.Trouble:
    return tickets.Trouble(group.pk, group.kind, _values(group))


def _values(group: AlertGroup) -> dict[str, object]:
    return {
        "count": group.open_count,
        "carrier": str(group.carrier or "–"),
        "warehouse": str(group.warehouse or "–"),
        "place": group.place or "–",
        "since": wall_clock(group.since),
    }


def wall_clock(moment: datetime) -> str:
    """The moment as clocks in China show it."""
    return f"{moment.astimezone(CHINA):%Y-%m-%d %H:%M}"


def _close_by_hand() -> None:
    """Groups whose ticket a person closed end with it, and so do their alerts: they are not opened again before there
    is news."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH ended AS (
                UPDATE logistics_alertgroup g SET closed_at = now(), closed_by = t.closed_by, open_count = 0
                FROM common_ticket t
                WHERE g.closed_at IS NULL AND t.subject_kind = '{SUBJECT}' AND t.subject_id = g.id
                  AND t.kind = '{LATE.code}' AND t.state = '{TicketState.CLOSED}' AND t.closed_by <> '{BY}'
                  AND t.result <> '{TicketResult.RESOLVED}'
                  AND NOT EXISTS (
                    SELECT FROM common_ticket o WHERE o.subject_kind = t.subject_kind AND o.subject_id = t.subject_id
                      AND o.kind = t.kind AND o.state = '{TicketState.OPEN}')
                RETURNING g.id, g.closed_by
            ), closed AS (
                UPDATE logistics_logisticsalert a SET closed_at = now(), closed_by = e.closed_by
                FROM ended e WHERE a.group_id = e.id AND a.closed_at IS NULL
                RETURNING a.sub_order_id, a.kind, a.level
            )
            {news.TOLD}
            """
        )
