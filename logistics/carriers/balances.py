"""How many waybills accounts have left: asked every few hours, and told to a person before there are none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from django.db import connection

from logistics.carriers import adapters
from logistics.carriers.trouble import WAYBILLS_LOW
from logistics.models import WaybillBalance
from oms.common import tickets
from oms.common.copying import array
from oms.common.models import Connection
from oms.common.work import clock
from oms.common.work.calling import Call, Outcomes, outside_stage
from oms.common.work.claiming import Queue
from oms.common.work.singly import one_by_one

ASKED_EVERY = timedelta(hours=4)
# When to ask is no wait that a drain may skip.
QUEUE = Queue(WaybillBalance, "q.ask_at <= now()")


@dataclass(frozen=True, slots=True)
class _Question:
    """Whose waybills are counted: our code of the carrier."""

    reference: str
    carrier: str


@dataclass(frozen=True, slots=True)
class _Left:
    """How many there are."""

    left: int
    taken: bool = True
    reason: str = ""


def begin() -> None:
    """Have the balances asked of all accounts that tell theirs, for each carrier whose waybills they sell."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH sold AS (
                SELECT DISTINCT c.id AS carrier_id, link.id AS link_id FROM logistics_carrier c
                LEFT JOIN logistics_carrieraccount a ON a.carrier_id = c.id AND a.is_active
                JOIN common_connection link ON link.id IN (c.connection_id, a.connection_id)
                WHERE c.is_active AND link.is_active AND link.protocol = ANY(%s)
            ), settings AS (
                INSERT INTO logistics_accountsettings (connection_id) SELECT DISTINCT link_id FROM sold
                ON CONFLICT DO NOTHING
            ), gone AS (
                DELETE FROM logistics_waybillbalance b WHERE NOT EXISTS (
                    SELECT FROM sold WHERE (sold.link_id, sold.carrier_id) = (b.connection_id, b.carrier_id))
            )
            INSERT INTO logistics_waybillbalance (connection_id, carrier_id, ask_at, ready_at)
            SELECT link_id, carrier_id, now(), now() FROM sold
            ON CONFLICT DO NOTHING
            """,
            [list(adapters.protocols_of(adapters.HasBalance))],
        )


def _prepare(keys: Sequence[int]) -> Mapping[int, _Question]:
    rows = WaybillBalance.objects.filter(pk__in=keys).values_list("pk", "carrier__code")
    return {key: _Question(carrier, carrier) for key, carrier in rows}


def _ask(link: Connection, questions: Sequence[_Question]) -> Mapping[str, _Left]:
    adapter = adapters.counting(link)
    if adapter is None:  # the connection speaks another protocol now
        return {}
    return one_by_one(questions, partial(_count, adapter, link))


def _count(adapter: adapters.HasBalance, link: Connection, question: _Question) -> _Left:
    return _Left(adapter.balance(link, question.carrier))


def _finish(outcomes: Outcomes[_Left]) -> None:
    if not outcomes.taken:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE logistics_waybillbalance b SET "left" = n.count, answered_at = now(),
                ask_at = now() + make_interval(secs => %(wait)s), ready_at = now() + make_interval(secs => %(wait)s),
                lease_until = NULL, attempts = 0, last_error = ''
            FROM unnest(%(ids)s::bigint[], %(counts)s::int[]) AS n(id, count) WHERE b.id = n.id
            RETURNING b.connection_id
            """,
            {
                "wait": clock.scaled(ASKED_EVERY).total_seconds(),
                "ids": array(outcomes.taken),
                "counts": array(min(answer.left, 2**31 - 1) for answer in outcomes.taken.values()),
            },
        )
        _watch(sorted({key for (key,) in cursor.fetchall()}))


def _watch(connection_ids: Sequence[int]) -> None:
    """Tell a person of accounts that are low, and close what is no more."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT link.id, link.code, a.least_waybills,
                string_agg(c.name || ' ' || b.left, ', ' ORDER BY b.left, c.code)
                    FILTER (WHERE b.left < a.least_waybills)
            FROM logistics_waybillbalance b JOIN logistics_accountsettings a ON a.connection_id = b.connection_id
            JOIN logistics_carrier c ON c.id = b.carrier_id JOIN common_connection link ON link.id = b.connection_id
            WHERE b.connection_id = ANY(%s::bigint[]) GROUP BY link.id, link.code, a.least_waybills ORDER BY link.id
            """,
            [array(connection_ids)],
        )
        rows = cursor.fetchall()
    low = [
        tickets.Trouble(key, "", {"account": code, "left": left, "least": least})
        for key, code, least, left in rows
        if left is not None
    ]
    tickets.open_tickets(WAYBILLS_LOW, low, opened_by=STAGE.name)
    tickets.close_tickets([WAYBILLS_LOW], [key for key, _code, _least, left in rows if left is None])


STAGE = outside_stage("ask_balance", Call(QUEUE, _prepare, _ask, _finish))
run = STAGE.run
