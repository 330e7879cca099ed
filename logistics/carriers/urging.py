"""Asking carriers over their connections to hurry parcels on that are late: once each time that a person urges."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection

from logistics.carriers import adapters, errands
from logistics.carriers.adapters import Answer, Booked
from logistics.models import ErrandKind
from oms.common.models import Connection, SystemKind
from oms.common.work import nudging
from oms.common.work.calling import Outcomes, outside_stage

# The parcels of a group that are late now and whose account can be asked, as SQL.
_LATE = f"""
    FROM logistics_logisticsalert a JOIN logistics_shipment h ON h.id = a.shipment_id
    JOIN logistics_carrier c ON c.id = h.carrier_id
    JOIN common_connection link ON link.id = coalesce(h.connection_id, c.tracking_connection_id)
    WHERE a.group_id = %(group)s AND a.closed_at IS NULL AND h.waybill_number IS NOT NULL
      AND link.kind = '{SystemKind.CARRIER}' AND link.protocol = ANY(%(protocols)s)
"""


def _about(group_id: int) -> dict[str, Any]:
    return {"group": group_id, "protocols": list(adapters.protocols_of(adapters.Urges))}


def can_be_asked(group_id: int) -> bool:
    """Whether the account of any parcel that is late in the group takes that it is."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS (SELECT {_LATE})", _about(group_id))
        return bool(cursor.fetchone()[0])


def ask(group_id: int) -> int:
    """Ask for all that is late in the group and can be asked for, but for what is being asked already; returns how
    many. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO logistics_waybillerrand AS e (shipment_id, kind, connection_id, carrier_id, waybill, reference)
            SELECT DISTINCT ON (h.id) h.id, '{ErrandKind.URGE}', link.id, h.carrier_id, h.waybill_number, h.number
            {_LATE} ORDER BY h.id
            ON CONFLICT (shipment_id, kind, waybill, carrier_id) DO UPDATE SET connection_id = excluded.connection_id,
                outcome = '', answer = '', answered_at = NULL, ready_at = now(), attempts = 0, last_error = ''
            WHERE e.outcome <> ''
            """,
            _about(group_id),
        )
        asked: int = cursor.rowcount
    if asked:
        nudging.nudge(STAGE.name)
    return asked


def answers(group_id: int) -> Mapping[str, int]:
    """How many parcels that are late in the group were asked for, by what was answered; "": nothing yet."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT e.outcome, count(DISTINCT e.id) FROM logistics_logisticsalert a
            JOIN logistics_waybillerrand e ON e.shipment_id = a.shipment_id AND e.kind = '{ErrandKind.URGE}'
            WHERE a.group_id = %s AND a.closed_at IS NULL GROUP BY e.outcome ORDER BY e.outcome
            """,
            [group_id],
        )
        return dict(cursor.fetchall())


def _ask(link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Answer]:
    adapter = adapters.urging(link)
    if adapter is None:  # the connection speaks another protocol now
        return {}
    return adapter.urge(link, parcels)


def _follow(outcomes: Outcomes[Answer]) -> None:
    """Nothing follows: what becomes of a parcel is told by its scans, and the group's page shows the answers."""


STAGE = outside_stage("urge", errands.call(ErrandKind.URGE, _ask, _follow))
run = STAGE.run
