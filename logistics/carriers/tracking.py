"""Where parcels are: a function of all their scans, in whatever order they come; and what sub-orders become by it.

A scan proves that the parcel left its warehouse, whatever the warehouse said.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from logistics import kinds
from logistics.carriers import ending, following, scans, words
from logistics.carriers.parcels import SUB_ORDERS_OF
from logistics.carriers.recalling import following as recalls
from logistics.models import GOING_BACK, MOVING, Direction, ShipmentState, TrackingEvent
from logistics.returning import following as returning
from logistics.warehouses import events, leaving, works
from logistics.warehouses.judging import Course
from logistics.warehouses.works import Work
from logistics.watching import planning
from logistics.watching.standing import RANK
from oms.common.copying import array, records, text_array
from oms.common.models import Topic
from oms.common.states import listed
from oms.common.work.facts import APPLIED, NO_EFFECT, Fact, FactWork, Verdict, fact_stage
from orders.actors import Actor
from orders.fulfilling import derived as fulfilment
from orders.locking import lock_orders
from orders.models import ActorKind
from orders.models.sub_order import ShippingProof

# Final scans win over all others, and returned over signed over lost, whatever the order in which they come: carriers
# report as signed, too, what its sender signed for when it came back.
_FINAL = (ShipmentState.RETURNED, ShipmentState.SIGNED, ShipmentState.LOST)
# In these states a carrier has, or had, the parcel.
SCANNED = (*MOVING, *GOING_BACK, *_FINAL)


def state_of(scans: Iterable[tuple[datetime, str]]) -> str | None:
    """The state that a set of scans (time, state) gives a parcel, whatever the order in which they came.

    A final scan wins. Else a parcel that was refused or turned back stays on its way back; else the latest scan counts.
    """
    known = list(scans)
    states = {state for _at, state in known}
    for final in _FINAL:
        if final in states:
            return final
    back = [scan for scan in known if scan[1] in GOING_BACK]
    moving = back or [scan for scan in known if scan[1] in RANK]
    if not moving:
        return None
    return max(moving, key=lambda scan: (scan[0], RANK[ShipmentState(scan[1])]))[1]


def _locate(facts: Sequence[Fact]) -> Mapping[int, int]:
    """The parcel of each fact: its waybill, of the carrier account that the connection is; or, where the warehouse
    brought the waybill, of the carrier that the connection or the message names."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT f.id, h.id
            FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[])
                AS f(id, connection_id, waybill, carrier)
            JOIN logistics_shipment h ON h.waybill_number = f.waybill
            JOIN logistics_carrier c ON c.id = h.carrier_id AND f.carrier IN ('', c.code)
            WHERE h.connection_id = f.connection_id
               OR h.connection_id IS NULL AND (c.connection_id = f.connection_id OR c.code = f.carrier)
               OR c.tracking_connection_id = f.connection_id
            """,
            [
                array(fact.id for fact in facts),
                array(fact.connection_id for fact in facts),
                text_array(fact.subject for fact in facts),
                text_array(str(fact.body.get("carrier", "")) for fact in facts),
            ],
        )
        return dict(cursor.fetchall())


def _orders_of(shipment_ids: Iterable[int]) -> dict[int, set[int]]:
    orders: dict[int, set[int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT DISTINCT p.shipment_id, s.order_id
            FROM ({SUB_ORDERS_OF}) AS p JOIN orders_suborder s ON s.id = p.sub_order_id
            """,
            {"ids": array(shipment_ids)},
        )
        for key, order_id in cursor.fetchall():
            orders.setdefault(key, set()).add(order_id)
    return orders


def _lock(shipment_ids: Iterable[int]) -> Collection[int]:
    """Lock the orders, skipping those that others hold; returns the parcels of which all are locked."""
    orders = _orders_of(shipment_ids)
    locked = set(lock_orders(order_id for of_one in orders.values() for order_id in of_one))
    return [key for key, of_one in orders.items() if locked.issuperset(of_one)]


@dataclass(slots=True)
class _Held:
    """Locked parcels by id, with the warehouse orders that they are of, and which sub-orders' goods (shipment_id,
    sub_order_id) they bring to buyers."""

    parcels: dict[int, "_Parcel"]
    works: dict[int, Work]
    brought: list[tuple[int, int]]

    @property
    def sub_orders(self) -> list[int]:
        return list(dict.fromkeys(sub_order_id for _parcel, sub_order_id in self.brought))


@dataclass(slots=True)
class _Parcel:
    id: int
    work_id: int | None
    state: ShipmentState
    has_left: bool


def _understand(fact: Fact) -> tuple[str, scans.Scan]:
    """What the carrier says: a state, empty where it says none. Raises ValueError for a state that is none,
    msgspec.ValidationError for a wrong body."""
    state = "" if fact.kind == scans.NOTED else ShipmentState(fact.kind).value
    return state, scans.read(fact.body)


def _apply(facts: Sequence[Fact], locked: Sequence[int]) -> Mapping[int, Verdict]:
    held = _hold(locked)
    fresh = _store(facts, _locate(facts))
    words.note_unknown(list(facts))
    _follow(held, fresh.values())
    return {fact.id: APPLIED if fact.id in fresh else NO_EFFECT for fact in facts}


def _follow(held: _Held, fresh: Collection[int]) -> None:
    """Bring locked parcels, and what they are of, to where all their scans say; `fresh` are the ids of new ones."""
    lost = {parcel.id for parcel in held.parcels.values() if parcel.state == ShipmentState.LOST}
    for key, state in _states_of(held.parcels).items():
        held.parcels[key].state = state
    _write(held.parcels.values())
    _tell(fresh, held.brought)
    returning.tell(fresh)
    _leave(held)
    returning.follow(held.parcels)
    recalls.follow(held.parcels)
    following.heard(list(held.parcels))
    planning.plan_parcels(held.parcels)
    ending.settle(held.sub_orders, found_again=[key for key in lost if held.parcels[key].state != ShipmentState.LOST])
    fulfilment.refresh({order_id for of_one in _orders_of(held.parcels).values() for order_id in of_one})


def _hold(shipment_ids: Sequence[int]) -> _Held:
    """Lock sub-orders, warehouse orders and parcels, in that order. The orders are locked."""
    ids = array(shipment_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT p.shipment_id, p.sub_order_id
            FROM ({SUB_ORDERS_OF}) AS p JOIN logistics_shipment h ON h.id = p.shipment_id
            WHERE h.direction <> '{Direction.RETURN}' ORDER BY p.sub_order_id
            """,
            {"ids": ids},
        )
        brought = cursor.fetchall()
        cursor.execute(
            "SELECT DISTINCT warehouse_order_id FROM logistics_shipment"
            " WHERE id = ANY(%s::bigint[]) AND warehouse_order_id IS NOT NULL",
            [ids],
        )
        held = works.lock([key for (key,) in cursor.fetchall()], others=[sub_order for _key, sub_order in brought])
        cursor.execute(
            """
            SELECT id, warehouse_order_id, state, left_at IS NOT NULL FROM logistics_shipment
            WHERE id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE
            """,
            [ids],
        )
        parcels = {
            key: _Parcel(key, work, ShipmentState(state), has_left) for key, work, state, has_left in cursor.fetchall()
        }
    return _Held(parcels, held, brought)


def _store(facts: Sequence[Fact], parcels: Mapping[int, int]) -> dict[int, int]:
    """Keep the scans with their parcels; returns the ids of those that are new, by fact.

    A scan dated into the future counts from when it was received: it must not outlast all that follow.
    """
    rows = [(fact, *_understand(fact)) for fact in facts]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO logistics_trackingevent
                (shipment_id, connection_id, event_key, state, carrier_code, stop, text, location, occurred_at, said_at,
                received_at)
            SELECT shipment_id, connection_id, event_key, state, carrier_code, stop, text, location, occurred_at,
                said_at, received_at
            FROM json_populate_recordset(NULL::logistics_trackingevent, %s::json) AS n
            -- What a word means may have changed since the scan came first.
            WHERE n.carrier_code = '' OR NOT EXISTS (
                SELECT FROM logistics_trackingevent e WHERE e.shipment_id = n.shipment_id
                  AND (e.connection_id, e.carrier_code, e.occurred_at, e.state, e.text, e.location)
                    = (n.connection_id, n.carrier_code, n.occurred_at, n.state, n.text, n.location))
            ON CONFLICT DO NOTHING
            RETURNING id, connection_id, event_key
            """,
            [
                records(
                    {
                        "shipment_id": parcels[fact.id],
                        "connection_id": fact.connection_id,
                        "event_key": fact.key,
                        "state": state,
                        "carrier_code": scan.code[:20],
                        "stop": scans.stop_at(state, scan.stop),
                        "text": scan.text[:300],
                        "location": scan.location[:60],
                        "occurred_at": min(fact.occurred_at, fact.received_at),
                        "said_at": fact.occurred_at if fact.occurred_at > fact.received_at else None,
                        "received_at": fact.received_at,
                    }
                    for fact, state, scan in rows
                )
            ],
        )
        stored = {(link, key): scan for scan, link, key in cursor.fetchall()}
    return {fact.id: stored[fact.connection_id, fact.key] for fact in facts if (fact.connection_id, fact.key) in stored}


def _states_of(shipment_ids: Iterable[int]) -> dict[int, ShipmentState]:
    """Where all their scans say that parcels are; those of which no scan says it are left out."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT shipment_id, occurred_at, state FROM logistics_trackingevent WHERE shipment_id = ANY(%s::bigint[])",
            [array(shipment_ids)],
        )
        known: dict[int, list[tuple[datetime, str]]] = {}
        for key, occurred_at, state in cursor.fetchall():
            known.setdefault(key, []).append((occurred_at, state))
    return {key: ShipmentState(state) for key, of_one in known.items() if (state := state_of(of_one)) is not None}


def _write(parcels: Iterable[_Parcel]) -> None:
    rows = list(parcels)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH latest AS (
                SELECT DISTINCT ON (shipment_id) shipment_id, carrier_code, text
                FROM logistics_trackingevent WHERE shipment_id = ANY(%(ids)s::bigint[]) AND state <> ''
                ORDER BY shipment_id, occurred_at DESC, id DESC
            ), times AS (
                SELECT shipment_id, max(occurred_at) AS last_scan,
                    min(occurred_at) FILTER (WHERE state <> '{ShipmentState.WAYBILL_ISSUED}') AS collected,
                    min(occurred_at) FILTER (WHERE state = '{ShipmentState.SIGNED}') AS signed
                FROM logistics_trackingevent WHERE shipment_id = ANY(%(ids)s::bigint[]) AND state <> ''
                GROUP BY shipment_id
            )
            UPDATE logistics_shipment h SET state = n.state, carrier_code = l.carrier_code, carrier_text = l.text,
                last_scan_at = t.last_scan, collected_at = t.collected, signed_at = t.signed
            FROM unnest(%(ids)s::bigint[], %(states)s::text[]) AS n(id, state)
            JOIN latest l ON l.shipment_id = n.id JOIN times t ON t.shipment_id = n.id
            WHERE h.id = n.id
            """,
            {
                "ids": array(parcel.id for parcel in rows),
                "states": text_array(parcel.state for parcel in rows),
            },
        )


def _tell(scan_ids: Iterable[int], brought: Collection[tuple[int, int]]) -> None:
    """Put the scans on the timeline, as the buyer may read them; those of the way back are told apart."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, data)
            SELECT s.order_id, s.id, a.state, '{ActorKind.CARRIER}', c.code,
                jsonb_build_object('number', s.number, 'waybill', h.waybill_number, 'text', a.text,
                    'location', a.location)
            FROM logistics_trackingevent a JOIN logistics_shipment h ON h.id = a.shipment_id
            JOIN logistics_carrier c ON c.id = h.carrier_id
            JOIN unnest(%(parcels)s::bigint[], %(sub_orders)s::bigint[]) AS p(shipment_id, sub_order_id)
                ON p.shipment_id = h.id
            JOIN orders_suborder s ON s.id = p.sub_order_id
            WHERE a.id = ANY(%(scans)s::bigint[]) AND a.state IN ({listed(kinds.SCANS)})
            ORDER BY a.id, s.id
            """,
            {
                "scans": array(scan_ids),
                "parcels": array(key for key, _sub_order in brought),
                "sub_orders": array(sub_order_id for _key, sub_order_id in brought),
            },
        )


def _leave(held: _Held) -> None:
    """What the carrier has left its warehouse."""
    left = [p for p in held.parcels.values() if p.work_id and not p.has_left and p.state in SCANNED]
    if not left:
        return
    courses = {key: Course.of(held.works[key]) for key in {p.work_id for p in left if p.work_id}}
    for course in courses.values():
        if not course.is_current:
            course.troubles.append((f"left_after_{course.afterwards}", {}))
    works.lock_stock(course.work for course in courses.values())
    departure = leaving.leave(
        {key: course.work for key, course in courses.items()},
        [parcel.id for parcel in left],
        proof=ShippingProof.SCAN,
        actor=Actor(ActorKind.CARRIER, "carrier"),
    )
    events.follow(list(courses.values()), departure)


# So many parcels are moved in one transaction when staff say what a word means.
_AT_ONCE = 200


def mean(protocol: str, code: str, state: str, stop: str) -> int:
    """Scans that were kept with a code that said nothing of where a parcel is say this state, and where it waits, from
    now on; returns how many parcels were moved by it. Parcels that somebody else holds keep theirs."""
    found = TrackingEvent.objects.filter(state="", carrier_code=code, connection__protocol=protocol)
    keys = sorted(set(found.values_list("shipment_id", flat=True)))
    moved = 0
    for start in range(0, len(keys), _AT_ONCE):
        with transaction.atomic():
            locked = list(_lock(keys[start : start + _AT_ONCE]))
            held = _hold(locked)
            scans_of = list(found.filter(shipment_id__in=locked).values_list("pk", flat=True))
            TrackingEvent.objects.filter(pk__in=scans_of).update(state=state, stop=stop)
            _follow(held, scans_of)
            moved += len(locked)
    return moved


WORK = FactWork(Topic.CARRIER, _locate, _lock, _apply, _understand)
STAGE = fact_stage(WORK, wakes=("owing", "complete"))
run = STAGE.run
