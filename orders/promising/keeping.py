"""Keeping what is promised for sub-orders whose warehouse was chosen, with everything that it was made of. In bulk."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.utils import timezone

from inventory.models import StorageClass
from inventory.promising import tables
from inventory.promising.dating import Reason
from inventory.promising.freight import Measures
from inventory.promising.offering import Carriage, Parcel, first_carriage
from inventory.promising.tables import Tables
from oms.common.copying import array, copy_rows
from oms.common.money import yuan
from orders.intake.terms import carriers_in_use
from orders.models import PromiseOutcome, PromiseSource, SubOrderState
from orders.models.order import Promise

# A parcel that goes with a cut-off should have left so much later; before, nobody looks.
LEAVES_WITHIN = timedelta(hours=2)

_COLUMNS = (
    *("order_id", "sub_order_id", "number", "level", "source", "starts_at", "region_id", "warehouse_id"),
    *("expected_warehouse_id", "cutoff_at", "promised_by", "planned_by", "carrier", "service", "lane_id", "lane_days"),
    *("freight", "is_provisional", "tables_version", "reasons", "outcome", "decided_at", "ready_at"),
)


@dataclass(frozen=True, slots=True)
class Allocated:
    """A sub-order whose warehouse was chosen, and the warehouse that the buyer could expect: the nearest one."""

    sub_order_id: int
    expected_warehouse_id: int


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a promise is made of, as the database has it."""

    sub_order_id: int
    order_id: int
    warehouse_id: int
    storage_class: str
    weight_g: int
    region_code: str
    wish: str
    starts_at: datetime
    sign_by: datetime | None
    deliver_by: datetime | None
    promises_before: int


def keep(allocated: Sequence[Allocated]) -> None:
    """Make a promise for each, in the running transaction. Four statements at most, or one where no level is sold."""
    if not allocated:
        return
    known = tables.current()
    if not known.levels:
        return
    carriers = carriers_in_use()
    expected = {one.sub_order_id: one.expected_warehouse_id for one in allocated}
    facts = _read(list(expected))
    _supersede([one for one in facts if one.promises_before])
    now = timezone.now()
    copy_rows(
        "orders_deliverypromise",
        _COLUMNS,
        [_row(known, carriers, one, expected[one.sub_order_id], now) for one in facts],
    )


def _read(sub_order_ids: Sequence[int]) -> list[_Facts]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT s.id, s.order_id, s.warehouse_id, s.storage_class, s.weight_g, o.region_id, o.promise,
                greatest(coalesce(o.paid_at, o.reviewed_at, o.created_at), s.ship_not_before),
                t.sign_by, t.delivery_until,
                (SELECT count(*) FROM orders_deliverypromise p WHERE p.order_id = s.order_id AND p.sub_order_id = s.id)
            FROM orders_suborder s JOIN orders_order o ON o.id = s.order_id
            LEFT JOIN orders_orderterms t ON t.order_id = s.order_id
            WHERE s.id = ANY(%s::bigint[]) AND s.storage_class <> '{StorageClass.VIRTUAL}'
                AND s.state = '{SubOrderState.ALLOCATED}' AND o.region_id IS NOT NULL
            ORDER BY s.id
            """,
            [array(sub_order_ids)],
        )
        return [_Facts(*row) for row in cursor.fetchall()]


def _supersede(facts: Sequence[_Facts]) -> None:
    """What was promised before is still measured, unless it goes to another place now."""
    if not facts:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH former AS (
                SELECT p.id, p.outcome = '{PromiseOutcome.OPEN}' AND p.region_id <> o.region_id AS is_void
                FROM orders_deliverypromise p JOIN orders_order o ON o.id = p.order_id
                WHERE p.order_id = ANY(%s::bigint[]) AND p.sub_order_id = ANY(%s::bigint[]) AND p.superseded_at IS NULL
            )
            UPDATE orders_deliverypromise p SET superseded_at = now(),
                outcome = CASE WHEN f.is_void THEN '{PromiseOutcome.VOID}' ELSE p.outcome END,
                decided_at = CASE WHEN f.is_void THEN now() ELSE p.decided_at END
            FROM former f WHERE f.id = p.id
            """,
            [array(one.order_id for one in facts), array(one.sub_order_id for one in facts)],
        )


def _row(known: Tables, carriers: Sequence[str], facts: _Facts, expected_id: int, now: datetime) -> tuple[Any, ...]:
    real = _carriage(known, carriers, facts, facts.warehouse_id)
    expected = real if expected_id == facts.warehouse_id else _carriage(known, carriers, facts, expected_id)
    source, promised_by = _promise(facts, expected if isinstance(expected, Carriage) else real)
    is_void = promised_by is None
    arrival = real.arrival if isinstance(real, Carriage) else None
    planned_by = arrival.latest_at if arrival else None
    # What is planned later than promised is at risk from the first: somebody looks at once.
    is_late = planned_by is None or (promised_by is not None and planned_by > promised_by)
    looks_at = now if is_late or arrival is None else arrival.cutoff_at + LEAVES_WITHIN
    reasons = arrival.reasons if arrival else [real] if isinstance(real, Reason) else []
    return (
        facts.order_id,
        facts.sub_order_id,
        facts.promises_before + 1,
        arrival.level if arrival else "",
        source,
        facts.starts_at,
        facts.region_code,
        facts.warehouse_id,
        expected_id,
        arrival.cutoff_at if arrival else None,
        promised_by,
        planned_by,
        arrival.carrier if arrival else "",
        arrival.service if arrival else "",
        arrival.lane_id if arrival else None,
        arrival.lane_days[1] if arrival and arrival.lane_days else None,
        _freight(real),
        arrival.is_provisional if arrival else False,
        known.version,
        {"of": [reason.as_json() for reason in reasons]},
        PromiseOutcome.VOID if is_void else PromiseOutcome.OPEN,
        now if is_void else None,
        None if is_void else min(looks_at, promised_by) if promised_by else looks_at,
    )


def _freight(real: Carriage | Reason) -> Decimal | None:
    return yuan(real.freight.fen) if isinstance(real, Carriage) else None


def _carriage(known: Tables, carriers: Sequence[str], facts: _Facts, warehouse_id: int) -> Carriage | Reason:
    """How it goes from the warehouse: the earliest of the levels that its order wishes for, else of the standard."""
    parcel = Parcel(warehouse_id, facts.storage_class, Measures(facts.weight_g))
    why: Carriage | Reason = Reason("no_level", {})
    for wish in dict.fromkeys((facts.wish, Promise.STANDARD.value)):
        best: Carriage | None = None
        for level in known.levels_of(wish):
            found = first_carriage(known, parcel, facts.region_code, facts.starts_at, level, carriers)
            if isinstance(found, Reason):
                why = found
            elif best is None or found.arrival.latest_at < best.arrival.latest_at:
                best = found
        if best is not None:
            return best
    return why


def _promise(facts: _Facts, expected: Carriage | Reason) -> tuple[PromiseSource, datetime | None]:
    """Whose word counts, and what it says: a platform's deadline before a wish, a wish before what we worked out."""
    if facts.sign_by is not None:
        return PromiseSource.PLATFORM, facts.sign_by
    if facts.deliver_by is not None:
        return PromiseSource.APPOINTMENT, facts.deliver_by
    return PromiseSource.OURS, expected.arrival.latest_at if isinstance(expected, Carriage) else None
