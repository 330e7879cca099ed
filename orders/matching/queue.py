"""The codes that orders wait for, with who waits."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from oms.common.copying import array

MOST_NAMES = 3


@dataclass(frozen=True, slots=True)
class Queued:
    """Who waits for a code: how many orders, how many pieces they want, since when the first of them does, and some of
    the names that callers gave the goods."""

    orders: int
    units: int
    since: datetime | None
    names: list[str]


NOBODY = Queued(0, 0, None, [])


def queue_of(match_ids: Iterable[int]) -> dict[int, Queued]:
    """Who waits for each of these codes (by id), where anybody does. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT m.id, count(DISTINCT o.id), sum(l.quantity), min(o.created_at),
                (array_agg(DISTINCT l.name ORDER BY l.name))[1:%s]
            FROM orders_skumatch m
            JOIN orders_matchwait w ON w.match_id = m.id
            JOIN orders_order o ON o.id = w.order_id
            JOIN orders_orderline l ON l.order_id = o.id AND l.caller_code = m.code
            WHERE m.id = ANY(%s::bigint[]) GROUP BY m.id
            """,
            [MOST_NAMES, array(match_ids)],
        )
        return {match_id: Queued(*row) for match_id, *row in cursor.fetchall()}
