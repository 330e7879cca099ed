"""Waves: what waits on the floor is gathered by the rules of staff, each warehouse order into one wave.

The rule with the lowest priority that fits an order has it: it waits for its wave even where another rule would take it
at once. Only where fewer orders fit a rule than it wants at least do they fall to the next.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from django.db import connection, transaction
from django.utils import timezone

from inventory.models import DemandKind, Reservation
from logistics.floor.telling import Told, tell
from logistics.models import DropReason, Wave, WaveKind, WaveRule
from logistics.models.warehouse_order import BEFORE_PACKING
from logistics.printing import choosing
from logistics.warehouses.notices import Notice
from oms.common.copying import array, next_ids
from oms.common.states import listed
from oms.common.work import clock
from oms.common.zones import CHINA

# So many are looked at in one go.
MOST = 20_000
# Two that gather at once would cut each other's waves in two.
_GATHERING = 0x77617665
_UNWANTED = f"NOT w.is_current OR w.state NOT IN ({listed(BEFORE_PACKING)})"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A warehouse order that waits for its wave. `zones` are the bins of its goods, "" for a good without one."""

    task_id: int
    number: str
    connection_id: int
    warehouse_id: int
    carrier_id: int | None
    storage_class: str
    since: datetime
    skus: Sequence[int]
    bins: Sequence[str]


@dataclass(frozen=True, slots=True)
class Gathered:
    """Warehouse orders for one wave, in the order of their slots."""

    rule: WaveRule
    tasks: Sequence[Waiting]


@transaction.atomic
def gather() -> int:
    """Gather what can be gathered now; returns the number of new waves. Does nothing while somebody else gathers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_GATHERING])
        if not cursor.fetchone()[0]:
            return 0
    drop_unwanted()
    waves = choose(list(WaveRule.objects.filter(is_active=True)), _waiting(), timezone.now())
    _write(waves)
    return len(waves)


def drop_unwanted() -> int:
    """Drop tasks whose warehouse order was ended elsewhere; returns how many. Their waves may be over by it."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE logistics_picktask t SET dropped_at = now(), dropped_why = '{DropReason.ENDED}'
            FROM logistics_warehouseorder w
            WHERE w.id = t.warehouse_order_id AND t.checked_at IS NULL AND t.dropped_at IS NULL AND ({_UNWANTED})
            """
        )
        dropped = cursor.rowcount
    end_waves()
    return dropped


def end_waves() -> None:
    """End the open waves of which nothing is left to be checked."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE logistics_wave v SET over_at = now() WHERE v.over_at IS NULL AND NOT EXISTS (
                SELECT FROM logistics_picktask t
                WHERE t.wave_id = v.id AND t.checked_at IS NULL AND t.dropped_at IS NULL)
            """
        )


def _waiting() -> list[Waiting]:
    """What waits and has nothing against it, the oldest first; locked. Who is on the floor's other pages is skipped."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH waiting AS MATERIALIZED (
                SELECT t.id, t.warehouse_order_id, t.created_at FROM logistics_picktask t
                WHERE t.wave_id IS NULL AND t.checked_at IS NULL AND t.dropped_at IS NULL AND t.checking_since IS NULL
                ORDER BY t.created_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
            ), goods AS (
                SELECT n.id, array_agg(DISTINCT ol.sku_id) AS skus, array_agg(DISTINCT coalesce(k.bin, '')) AS bins
                FROM waiting n JOIN logistics_warehouseorderline wl ON wl.warehouse_order_id = n.warehouse_order_id
                JOIN orders_suborderline l ON l.id = wl.sub_order_line_id
                JOIN orders_orderline ol ON ol.id = l.order_line_id
                LEFT JOIN inventory_reservation r ON r.demand_kind = '{DemandKind.SUB_ORDER_LINE}'
                  AND r.demand_id = l.id AND r.state = '{Reservation.State.ACTIVE}'
                LEFT JOIN inventory_stock k ON k.id = r.stock_id
                GROUP BY n.id
            )
            SELECT n.warehouse_order_id, n.id, w.number, w.connection_id, w.warehouse_id,
                (SELECT h.carrier_id FROM logistics_shipment h WHERE h.warehouse_order_id = w.id ORDER BY h.id LIMIT 1),
                s.storage_class, n.created_at, g.skus, g.bins
            FROM waiting n JOIN logistics_warehouseorder w ON w.id = n.warehouse_order_id
            JOIN orders_suborder s ON s.id = w.sub_order_id JOIN goods g ON g.id = n.id
            WHERE w.stop_requested_at IS NULL AND NOT ({_UNWANTED})
            ORDER BY n.created_at, n.id
            """,
            [MOST],
        )
        rows = cursor.fetchall()
    against = choosing.objections_to_works([work_id for work_id, *_rest in rows])
    return [Waiting(*row) for work_id, *row in rows if work_id not in against]


def choose(rules: Iterable[WaveRule], waiting: Sequence[Waiting], now: datetime) -> list[Gathered]:
    """The waves that can be gathered now of what waits, the oldest first. Reads and writes nothing."""
    found: list[Gathered] = []
    left = {task.task_id: task for task in waiting}
    today = now.astimezone(CHINA).date()
    for rule in sorted(rules, key=lambda rule: (rule.priority, rule.pk)):
        if (rule.starts_on and today < rule.starts_on) or (rule.ends_on and today > rule.ends_on):
            continue
        groups: dict[tuple[object, ...], list[Waiting]] = defaultdict(list)
        for task in left.values():
            if fits(rule, task):
                hot = tuple(task.skus) if rule.kind == WaveKind.HOT else ()
                groups[task.warehouse_id, task.carrier_id, hot].append(task)
        for tasks in groups.values():
            if len(tasks) < rule.at_least:
                continue
            for start in range(0, len(tasks), rule.at_most):
                part = tasks[start : start + rule.at_most]
                if len(part) == rule.at_most or _is_due(rule, part, now):
                    found.append(Gathered(rule, part))
            for task in tasks:
                del left[task.task_id]
    return found


def fits(rule: WaveRule, task: Waiting) -> bool:
    """Whether a rule is about a warehouse order."""
    return (
        rule.warehouse_id in (None, task.warehouse_id)
        and rule.carrier_id in (None, task.carrier_id)
        and rule.storage_class in ("", task.storage_class)
        and (len(task.skus) > 1) == (rule.kind == WaveKind.MULTI)
        and (rule.most_skus is None or len(task.skus) <= rule.most_skus)
        and all(place.startswith(rule.zone) for place in task.bins)
    )


def _is_due(rule: WaveRule, tasks: Sequence[Waiting], now: datetime) -> bool:
    """Whether a wave that is not full is gathered all the same: one of its orders waited long enough, or a cut-off
    passed since it came."""
    oldest = min(task.since for task in tasks)
    if clock.waits_are_skipped() or oldest + clock.scaled(timedelta(minutes=rule.waits_minutes)) <= now:
        return True
    days = {(now.astimezone(CHINA) - timedelta(days=back)).date() for back in (0, 1)}
    return any(
        oldest < datetime.combine(day, time(hour, minute), CHINA) <= now
        for day in days
        for hour, minute in rule.times()
    )


def _write(waves: Sequence[Gathered]) -> None:
    if not waves:
        return
    day = timezone.now().astimezone(CHINA)
    ids = next_ids("logistics_wave", len(waves))
    Wave.objects.bulk_create(
        Wave(
            pk=key,
            number=f"W{day:%y%m%d}-{key}",
            warehouse_id=wave.tasks[0].warehouse_id,
            rule=wave.rule.name,
            kind=wave.rule.kind,
            carrier_id=wave.tasks[0].carrier_id,
        )
        for key, wave in zip(ids, waves, strict=True)
    )
    rows = [
        (task.task_id, key, slot)
        for key, wave in zip(ids, waves, strict=True)
        for slot, task in enumerate(wave.tasks, 1)
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE logistics_picktask t SET wave_id = n.wave_id, slot = n.slot
            FROM unnest(%s::bigint[], %s::bigint[], %s::int[]) AS n(id, wave_id, slot) WHERE t.id = n.id
            """,
            [array(column) for column in zip(*rows, strict=True)],
        )
    tell([Told(task.connection_id, task.number, Notice.ACCEPTED) for wave in waves for task in wave.tasks])


def reasons_for_waiting() -> Mapping[str, int]:
    """Of what waits for a wave (at most `MOST`): how many could be gathered by now, and against how many something
    speaks, by reason in words."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT warehouse_order_id FROM logistics_picktask
            WHERE wave_id IS NULL AND checked_at IS NULL AND dropped_at IS NULL ORDER BY created_at LIMIT %s
            """,
            [MOST],
        )
        works = [key for (key,) in cursor.fetchall()]
    against = choosing.objections_to_works(works)
    counts: dict[str, int] = defaultdict(int)
    for key in works:
        for reason in against.get(key, ()):
            counts[str(reason)] += 1
    return dict(counts)
