"""The promise stage: keeping what is promised for sub-orders whose warehouse was chosen, with everything that it was
made of. In bulk, and apart from the choice: that holds stock, for which others wait.

A promise takes room of the warehouse's day on which it leaves, and of the appointment that was wished for; where a day
is full, it leaves on a later one. What was taken before is given back first.

What the buyer is told counts from the payment, as it was quoted; how it really goes does too, as long as its cut-off
can still be met. What is sourced anew, or waited for goods or a person, goes with the next cut-off from now on.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from inventory.models import CapacityDemand, StorageClass
from inventory.promising import capacity, offering, tables
from inventory.promising.capacity import Place, Room
from inventory.promising.dating import Reason
from inventory.promising.freight import Measures
from inventory.promising.offering import Carriage, Parcel
from inventory.promising.tables import Tables
from inventory.sourcing import rulebook
from oms.common import tickets
from oms.common.copying import array, copy_rows
from oms.common.money import yuan
from oms.common.states import listed
from oms.common.work import clock
from oms.common.work.claiming import Stage
from oms.common.zones import CHINA
from orders import isolating
from orders.fulfilling.trouble import APPOINTMENT_FULL
from orders.intake.terms import carriers_in_use
from orders.models import PromiseOutcome, PromiseSource, SubOrder
from orders.models.sub_order import UNDONE
from orders.promising.measuring import SIZE

# A parcel that goes with a cut-off should have left so much later; before, nobody looks.
LEAVES_WITHIN = timedelta(hours=2)
# What no warehouse accepted so long after its cut-off has missed it.
MISSED_AFTER = timedelta(minutes=30)
_DEMAND = CapacityDemand.SUB_ORDER
NAME = "promise"


@dataclass(frozen=True, slots=True)
class Allocated:
    """A sub-order whose warehouse was chosen, and the warehouse that the buyer could expect: the nearest one."""

    sub_order_id: int
    order_id: int
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
    deliver_from: datetime | None
    deliver_by: datetime | None
    promises_before: int
    # What it was promised before is for another place than the buyer wants it at now.
    is_elsewhere_now: bool
    # By when the buyer was told to have goods that were on order, if they were.
    told_by: datetime | None
    # Whole cm³ and cm; None where the size of a unit is not known.
    volume_cm3: int | None
    longest_side_cm: int | None


class _Makers:
    """What all promises of a batch are worked out by."""

    def __init__(self, known: Tables, facts: Sequence[_Facts], expected: Mapping[int, int]) -> None:
        self.known = known
        self.carriers = carriers_in_use()
        self.expected_ids = expected
        self.now, self.patience = timezone.now(), clock.scaled(MISSED_AFTER)
        warehouses = {one.warehouse_id for one in facts} | set(expected.values())
        self.full: dict[int, frozenset[date]] = capacity.full_days(warehouses, self.now.astimezone(CHINA).date())

    def carriage(self, facts: _Facts, warehouse_id: int, since: datetime) -> Carriage | Reason:
        """How it goes from the warehouse: with the earliest of the levels wished for, else with the standard."""
        full_days = self.full.get(warehouse_id, frozenset())
        measures = Measures(facts.weight_g, facts.volume_cm3, facts.longest_side_cm)
        parcel = Parcel(warehouse_id, facts.storage_class, measures, full_days=full_days)
        return offering.earliest(self.known, parcel, facts.region_code, since, facts.wish, self.carriers)

    def real(self, facts: _Facts) -> tuple[Carriage | Reason, datetime]:
        """How it goes from the warehouse that was chosen, and from when on that counts: from its payment, or where that
        cut-off was missed meanwhile, from now."""
        found = self.carriage(facts, facts.warehouse_id, facts.starts_at)
        if isinstance(found, Carriage) and found.arrival.cutoff_at + self.patience < self.now:
            return self.carriage(facts, facts.warehouse_id, self.now), self.now
        return found, facts.starts_at

    def expected(
        self, facts: _Facts, real: Carriage | Reason, real_since: datetime
    ) -> tuple[Carriage | Reason, datetime]:
        """How the buyer could expect it, and from when on that counts: from its payment, but nobody is promised a
        moment that is over, nor what a payment meant for another place."""
        warehouse_id = self.expected_ids[facts.sub_order_id]

        def since(moment: datetime) -> Carriage | Reason:
            is_real = warehouse_id == facts.warehouse_id and moment == real_since
            return real if is_real else self.carriage(facts, warehouse_id, moment)

        if facts.is_elsewhere_now:
            return since(self.now), self.now
        found = since(facts.starts_at)
        if isinstance(found, Carriage) and found.arrival.latest_at <= self.now:
            return since(self.now), self.now
        return found, facts.starts_at

    def take_room(self, facts: Sequence[_Facts]) -> dict[int, tuple[Carriage | Reason, datetime]]:
        """How each sub-order goes (see `real`), with room taken on the day on which it leaves; by its id."""
        found: dict[int, tuple[Carriage | Reason, datetime]] = {}
        waiting = list(facts)
        while waiting:
            places = []
            for one in waiting:
                real, _since = found[one.sub_order_id] = self.real(one)
                if isinstance(real, Carriage):
                    places.append(Place(one.sub_order_id, self._day(one.warehouse_id, real)))
            granted = capacity.take(places, kind=_DEMAND)
            refused = [place for place in places if place.demand_id not in granted]
            for place in refused:
                days = self.full.get(place.room.warehouse_id, frozenset())
                self.full[place.room.warehouse_id] = days | {place.room.day}
            without = {place.demand_id for place in refused}
            waiting = [one for one in waiting if one.sub_order_id in without]
        return found

    def _day(self, warehouse_id: int, real: Carriage) -> Room:
        daily_capacity = self.known.places[warehouse_id].daily_capacity
        return Room(warehouse_id, real.arrival.cutoff_at.astimezone(CHINA).date(), daily_capacity)

    def without_slot(self, facts: Sequence[_Facts]) -> set[int]:
        """Take the appointments that orders wish for; the sub-orders for which there was no room in the hours."""
        places = [place for one in facts if (place := self._appointment(one)) is not None]
        return {place.demand_id for place in places} - capacity.take(places, kind=_DEMAND)

    def _appointment(self, facts: _Facts) -> Place | None:
        """The slot of the calendar that the wish names, if it is one."""
        if facts.deliver_from is None or facts.deliver_by is None:
            return None
        begins, ends = facts.deliver_from.astimezone(CHINA), facts.deliver_by.astimezone(CHINA)
        midnight = begins.replace(hour=0, minute=0, second=0, microsecond=0)
        for slot in self.known.slots_of(self.known.cities.get(facts.region_code, "")):
            hours = timedelta(minutes=slot.starts_at), timedelta(minutes=slot.ends_at)
            if (begins - midnight, ends - midnight) == hours:
                room = Room(facts.warehouse_id, begins.date(), slot.capacity, slot.slot_id)
                return Place(facts.sub_order_id, room)
        return None


def ask(allocated: Sequence[Allocated], *, version: int | None = None) -> None:
    """Have a promise made for each, in the running transaction; nothing where no level is sold. `version`: see
    `tables.current`."""
    if not allocated or not tables.current(version).levels:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO orders_promisetomake (sub_order_id, order_id, expected_warehouse_id)
            SELECT a.sub_order_id, a.order_id, a.warehouse_id
            FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS a(sub_order_id, order_id, warehouse_id)
            ORDER BY 1
            ON CONFLICT (sub_order_id) DO UPDATE SET expected_warehouse_id = excluded.expected_warehouse_id
            """,
            [
                array(one.sub_order_id for one in allocated),
                array(one.order_id for one in allocated),
                array(one.expected_warehouse_id for one in allocated),
            ],
        )


def run(limit: int) -> int:
    """Make up to `limit` promises that were asked for; returns how many askings are done with."""
    with connection.cursor() as cursor:
        # The order is locked before what belongs to it, so this only reads.
        cursor.execute("SELECT sub_order_id, order_id FROM orders_promisetomake ORDER BY since, 1 LIMIT %s", [limit])
        found = cursor.fetchall()
    return isolating.work_on(NAME, found, _make)


def backlog() -> str:
    """Promises that were asked for."""
    return f"SELECT q.since AS due, {isolating.needs_person('q.order_id')} AS needs_person FROM orders_promisetomake q"


def _make(sub_order_ids: list[int], _order_ids: list[int]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM orders_promisetomake WHERE sub_order_id = ANY(%s::bigint[])
            RETURNING sub_order_id, expected_warehouse_id
            """,
            [array(sub_order_ids)],
        )
        expected = dict(cursor.fetchall())
    known = tables.current()
    if expected and known.levels:
        _keep(known, expected)
    return len(sub_order_ids)


def _keep(known: Tables, expected: Mapping[int, int]) -> None:
    """Make a promise for each sub-order of which the warehouse that the buyer could expect is given."""
    facts = _read(list(expected))
    _supersede([one for one in facts if one.promises_before])
    if rulebook.current(known.version).takes_room:
        # Who was chosen for its room of today gives that back first: the promise says on which day it leaves.
        capacity.give_back([one.sub_order_id for one in facts], kind=_DEMAND)
    makers = _Makers(known, facts, expected)
    real = makers.take_room(facts)
    without_slot = makers.without_slot(facts)
    _tell_full(makers, facts, without_slot)
    rows = [_row(makers, one, *real[one.sub_order_id], without_slot) for one in facts]
    if rows:
        copy_rows("orders_deliverypromise", tuple(rows[0]), [tuple(row.values()) for row in rows])


def _tell_full(makers: _Makers, facts: Sequence[_Facts], without_slot: Collection[int]) -> None:
    """Call a person where there was no room in the hours that the buyer wants; who got a place needs none any more."""
    had_one = [one.sub_order_id for one in facts if one.promises_before and one.sub_order_id not in without_slot]
    tickets.close_tickets([APPOINTMENT_FULL], had_one, closed_by=NAME)
    if not without_slot:
        return
    numbers = dict(SubOrder.objects.filter(pk__in=without_slot).values_list("pk", "number"))
    troubles = [
        tickets.Trouble(
            one.sub_order_id,
            "",
            {
                "number": numbers[one.sub_order_id],
                "begins": f"{one.deliver_from.astimezone(CHINA):%Y-%m-%d %H:%M}",
                "ends": f"{one.deliver_by.astimezone(CHINA):%H:%M}",
                "warehouse": makers.known.places[one.warehouse_id].code,
            },
            about_id=one.order_id,
        )
        for one in facts
        if one.sub_order_id in without_slot and one.deliver_from and one.deliver_by
    ]
    tickets.open_tickets(APPOINTMENT_FULL, troubles, opened_by=NAME)


def _read(sub_order_ids: Sequence[int]) -> list[_Facts]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT s.id, s.order_id, s.warehouse_id, s.storage_class, s.weight_g, o.region_id, o.promise,
                greatest(coalesce(o.paid_at, o.reviewed_at, o.created_at), s.ship_not_before),
                t.sign_by, t.delivery_from, t.delivery_until, before.count, before.is_elsewhere_now,
                (SELECT g.deliver_by FROM orders_goodspromise g WHERE g.sub_order_id = s.id
                 ORDER BY g.number DESC LIMIT 1),
                size.volume_cm3, size.longest_side_cm
            FROM orders_suborder s JOIN orders_order o ON o.id = s.order_id
            LEFT JOIN orders_orderterms t ON t.order_id = s.order_id
            CROSS JOIN LATERAL (
                SELECT count(*) AS count,
                    coalesce(bool_or(p.superseded_at IS NULL AND p.region_id <> o.region_id), false) AS is_elsewhere_now
                FROM orders_deliverypromise p WHERE p.order_id = s.order_id AND p.sub_order_id = s.id
            ) AS before
            {SIZE}
            WHERE s.id = ANY(%s::bigint[]) AND s.storage_class <> '{StorageClass.VIRTUAL}'
                AND s.warehouse_id IS NOT NULL AND s.state NOT IN ({listed(UNDONE)}) AND o.region_id IS NOT NULL
            ORDER BY s.id
            """,
            [array(sub_order_ids)],
        )
        return [_Facts(*row) for row in cursor.fetchall()]


def _supersede(facts: Sequence[_Facts]) -> None:
    """What was promised before is still measured, unless it goes to another place now; its room is given back."""
    if not facts:
        return
    capacity.give_back([one.sub_order_id for one in facts], kind=_DEMAND)
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


def _row(
    makers: _Makers, facts: _Facts, real: Carriage | Reason, real_since: datetime, without_slot: set[int]
) -> dict[str, Any]:
    """The columns of the promise."""
    expected, since = makers.expected(facts, real, real_since)
    source, promised_by = _promise(facts, expected if isinstance(expected, Carriage) else real, makers.now)
    reasons = list(real.arrival.reasons) if isinstance(real, Carriage) else [real]
    if facts.sub_order_id in without_slot:
        reasons.append(Reason("slot_full", {}))
    return {
        "order_id": facts.order_id,
        "sub_order_id": facts.sub_order_id,
        "number": facts.promises_before + 1,
        "source": source,
        "starts_at": since,
        "region_id": facts.region_code,
        "warehouse_id": facts.warehouse_id,
        "expected_warehouse_id": makers.expected_ids[facts.sub_order_id],
        "promised_by": promised_by,
        "tables_version": makers.known.version,
        "reasons": {"of": [reason.as_json() for reason in reasons]},
        "outcome": PromiseOutcome.VOID if promised_by is None else PromiseOutcome.OPEN,
        "decided_at": makers.now if promised_by is None else None,
        "ready_at": _first_look(real, promised_by, makers.now),
        **_plan(real),
    }


def _plan(real: Carriage | Reason) -> dict[str, Any]:
    """The columns of the way from the warehouse that was chosen; empty where there is none."""
    arrival = real.arrival if isinstance(real, Carriage) else None
    return {
        "level": arrival.level if arrival else "",
        "cutoff_at": arrival.cutoff_at if arrival else None,
        "planned_by": arrival.latest_at if arrival else None,
        "carrier": real.carrier if isinstance(real, Carriage) else "",
        "service": real.service if isinstance(real, Carriage) else "",
        "lane_id": arrival.lane_id if arrival else None,
        "lane_days": arrival.lane_days[1] if arrival and arrival.lane_days else None,
        "freight": yuan(real.freight.fen) if isinstance(real, Carriage) else None,
        "is_provisional": arrival is not None and arrival.is_provisional,
    }


def _first_look(real: Carriage | Reason, promised_by: datetime | None, now: datetime) -> datetime | None:
    """When somebody looks first: once it should have left; at once where it is planned later than promised."""
    if promised_by is None:
        return None
    if isinstance(real, Reason) or real.arrival.latest_at > promised_by:
        return now
    return min(real.arrival.cutoff_at + LEAVES_WITHIN, promised_by)


def _promise(facts: _Facts, expected: Carriage | Reason, now: datetime) -> tuple[PromiseSource, datetime | None]:
    """Whose word counts, and what it says: a platform's deadline before a wish, a wish before what we worked out; of
    goods that were on order, what the buyer was told while waiting for them."""
    if facts.sign_by is not None:
        return PromiseSource.PLATFORM, facts.sign_by
    if facts.deliver_by is not None:
        return PromiseSource.APPOINTMENT, facts.deliver_by
    if facts.told_by is not None and facts.told_by > now and not facts.promises_before:
        return PromiseSource.OURS, facts.told_by
    return PromiseSource.OURS, expected.arrival.latest_at if isinstance(expected, Carriage) else None


STAGE = Stage(NAME, run, wakes=("watch_promises",), backlog=backlog)
