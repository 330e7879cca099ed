"""Scans of carriers: stored as they come, repeated and late ones too; a parcel's state follows from all of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.utils import timezone

from logistics import kinds
from logistics.models import GOING_BACK, MOVING, ShipmentState
from logistics.warehouses import events
from logistics.watching import alerts, deadlines
from oms.common.states import listed
from oms.common.work import nudging
from oms.common.work.claiming import Stage
from orders import isolating, timeline
from orders.actors import Actor
from orders.fulfilling import derived as fulfilment
from orders.models import ActorKind, SubOrder

# Final scans win over all others, and returned over signed over lost, whatever the order in which they come: carriers
# report as signed, too, what its sender signed for when it came back.
_FINAL = (ShipmentState.RETURNED, ShipmentState.SIGNED, ShipmentState.LOST)
# Among scans of the same second, the one further along.
_RANK = {
    ShipmentState.COLLECTED: 1,
    ShipmentState.IN_TRANSIT: 2,
    ShipmentState.OUT_FOR_DELIVERY: 3,
    ShipmentState.FAILED_DELIVERY: 4,
    ShipmentState.INTERCEPTING: 5,
    ShipmentState.REJECTED: 6,
    ShipmentState.RETURNING: 7,
}
_EXPECTED = {
    ShipmentState.COLLECTED: deadlines.SCAN,
    ShipmentState.IN_TRANSIT: deadlines.SCAN,
    ShipmentState.OUT_FOR_DELIVERY: deadlines.SIGNED,
    ShipmentState.FAILED_DELIVERY: deadlines.SCAN,
    ShipmentState.INTERCEPTING: deadlines.SCAN,
    ShipmentState.REJECTED: deadlines.SCAN,
    ShipmentState.RETURNING: deadlines.SCAN,
}


@dataclass(frozen=True, slots=True)
class Scan:
    """What a carrier says of a parcel; `key` is unique among the parcel's scans."""

    key: str
    carrier: str
    waybill: str
    state: str
    text: str
    location: str
    occurred_at: datetime
    carrier_code: str = ""


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
    moving = back or [scan for scan in known if scan[1] in _RANK]
    if not moving:
        return None
    return max(moving, key=lambda scan: (scan[0], _RANK[ShipmentState(scan[1])]))[1]


def receive(scans: Sequence[Scan]) -> None:
    """Store the scans; repeated ones and those of unknown waybills are ignored. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO logistics_trackingevent
                (shipment_id, event_key, state, text, location, occurred_at, carrier_code)
            SELECT h.id, s.key, s.state, s.text, s.location, s.occurred_at, s.code
            FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[],
                    %s::text[])
                WITH ORDINALITY AS s(key, carrier, waybill, state, text, location, occurred_at, code, place)
            JOIN logistics_carrier c ON c.code = s.carrier
            JOIN logistics_shipment h ON h.waybill_number = s.waybill AND h.carrier_id = c.id
            ORDER BY s.place
            ON CONFLICT DO NOTHING
            """,
            [
                [scan.key for scan in scans],
                [scan.carrier for scan in scans],
                [scan.waybill for scan in scans],
                [scan.state for scan in scans],
                [scan.text for scan in scans],
                [scan.location for scan in scans],
                [scan.occurred_at for scan in scans],
                [scan.carrier_code for scan in scans],
            ],
        )
    nudging.nudge("track")


_FRESH = """
    FROM logistics_trackingevent t
    JOIN logistics_shipment h ON h.id = t.shipment_id JOIN orders_suborder s ON s.id = h.sub_order_id
    WHERE t.applied_at IS NULL ORDER BY t.id
"""


def run(limit: int) -> int:
    """Apply up to `limit` stored scans; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT t.id, s.order_id {_FRESH} LIMIT %s", [limit])
        found = cursor.fetchall()
    return isolating.work_on("track", found, _apply_fresh)


def backlog() -> str:
    """Scans that are not applied yet."""
    return f"SELECT t.received_at AS due, {isolating.needs_person('s.order_id')} AS needs_person {_FRESH}"


def _apply_fresh(scan_ids: list[int], order_ids: list[int]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT t.id, t.shipment_id, h.sub_order_id FROM logistics_trackingevent t
            JOIN logistics_shipment h ON h.id = t.shipment_id
            WHERE t.id = ANY(%s) AND t.applied_at IS NULL
            """,
            [scan_ids],
        )
        fresh = cursor.fetchall()
    if fresh:
        _apply([row[0] for row in fresh], sorted({row[1] for row in fresh}), sorted({row[2] for row in fresh}))
        fulfilment.refresh(order_ids)
    return len(fresh)


def _apply(scan_ids: list[int], shipment_ids: list[int], sub_order_ids: list[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, state FROM orders_suborder WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", [sub_order_ids]
        )
        sub_order_states = dict(cursor.fetchall())
        cursor.execute(
            """
            SELECT id, sub_order_id, state FROM logistics_shipment WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE
            """,
            [shipment_ids],
        )
        shipments = cursor.fetchall()
        cursor.execute(
            "SELECT shipment_id, occurred_at, state FROM logistics_trackingevent WHERE shipment_id = ANY(%s)",
            [shipment_ids],
        )
        scans: dict[int, list[tuple[datetime, str]]] = {}
        for shipment_id, occurred_at, state in cursor.fetchall():
            scans.setdefault(shipment_id, []).append((occurred_at, state))
    states = {key: state_of(scans[key]) or state for key, _sub_order, state in shipments}
    _write_shipments(states)
    _tell(scan_ids)
    alerts.close_for_shipments(shipment_ids)
    reached = {sub_order_id: states[key] for key, sub_order_id, _state in shipments}
    _move_sub_orders(reached, sub_order_states)


def _write_shipments(states: dict[int, str]) -> None:
    expected = [_EXPECTED.get(ShipmentState(state)) for state in states.values()]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH latest AS (
                SELECT DISTINCT ON (shipment_id) shipment_id, carrier_code, text
                FROM logistics_trackingevent WHERE shipment_id = ANY(%(ids)s)
                ORDER BY shipment_id, occurred_at DESC, id DESC
            ), times AS (
                SELECT shipment_id, max(occurred_at) AS last_scan,
                    min(occurred_at) FILTER (WHERE state <> 'waybill_issued') AS collected,
                    min(occurred_at) FILTER (WHERE state = 'signed') AS signed
                FROM logistics_trackingevent WHERE shipment_id = ANY(%(ids)s) GROUP BY shipment_id
            )
            UPDATE logistics_shipment h SET state = n.state, carrier_code = l.carrier_code, carrier_text = l.text,
                last_scan_at = t.last_scan, collected_at = t.collected, signed_at = t.signed,
                expected_event = n.event, next_event_due = now() + n.within
            FROM unnest(%(ids)s::bigint[], %(states)s::text[], %(events)s::text[], %(within)s::interval[])
                AS n(id, state, event, within)
            JOIN latest l ON l.shipment_id = n.id JOIN times t ON t.shipment_id = n.id
            WHERE h.id = n.id
            """,
            {
                "ids": list(states),
                "states": list(states.values()),
                "events": [item.event if item else "" for item in expected],
                "within": [item.within if item else None for item in expected],
            },
        )


def _tell(scan_ids: list[int]) -> None:
    """Put the scans on the timeline, as the buyer may read them, and mark them as applied."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH applied AS (
                UPDATE logistics_trackingevent SET applied_at = now() WHERE id = ANY(%s)
                RETURNING id, shipment_id, state, text, location
            )
            INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, is_public, data)
            SELECT s.order_id, s.id, a.state, 'carrier', c.code, true, jsonb_build_object('number', s.number,
                'waybill', h.waybill_number, 'text', a.text, 'location', a.location)
            FROM applied a JOIN logistics_shipment h ON h.id = a.shipment_id
            JOIN logistics_carrier c ON c.id = h.carrier_id JOIN orders_suborder s ON s.id = h.sub_order_id
            WHERE a.state IN ({listed(kinds.SCANS)}) ORDER BY a.id
            """,
            [scan_ids],
        )


def _move_sub_orders(reached: dict[int, str], states: dict[int, str]) -> None:
    """Bring the sub-orders to where their parcels are. A carrier's scan proves that the parcel left the warehouse."""
    in_warehouse = ("released", "accepted", "picking", "packed")
    moving = (*MOVING, *GOING_BACK, *_FINAL)
    left = sorted(key for key, state in reached.items() if state in moving and states[key] in in_warehouse)
    if left:
        events.ship(left)
        alerts.close_for_sub_orders(left)
    shipped = {key for key in reached if states[key] == "shipped" or key in left}
    there = sorted(
        key for key in reached if reached[key] == ShipmentState.SIGNED and (key in shipped or states[key] == "rejected")
    )
    _finish(there, "delivered", "delivered_at = now(), needs_person_since = NULL")
    _call_a_person(sorted(k for k in shipped if reached[k] == ShipmentState.LOST), "the carrier lost the parcel")
    refused = sorted(k for k in shipped if reached[k] in GOING_BACK)
    _finish(refused, "rejected", "expected_event = ''")
    # `rejected` first where both scans came at once; then home.
    back = {key for key, state in reached.items() if state == ShipmentState.RETURNED}
    # Even after completion: the books then take back what the merchant is owed, or call a person.
    home = sorted(key for key in back if key in shipped or states[key] in ("rejected", "delivered", "completed"))
    _finish(home, "returned", "expected_event = '', needs_person_since = NULL")


_TOLD = {
    "delivered": kinds.DELIVERED,
    "rejected": kinds.SUB_ORDER_REJECTED,
    "returned": kinds.SUB_ORDER_RETURNED,
}


def _call_a_person(sub_order_ids: list[int], why: str) -> None:
    """No scan will move these sub-orders on."""
    SubOrder.objects.filter(pk__in=sub_order_ids, needs_person_since=None).update(
        needs_person_since=timezone.now(), last_error=why
    )


def _finish(sub_order_ids: list[int], state: str, change: str) -> None:
    if not sub_order_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE orders_suborder SET state = %s, {change} WHERE id = ANY(%s)", [state, sub_order_ids])
        # Cash on delivery was collected, or goods came back: the books are to be looked at.
        cursor.execute(
            """
            UPDATE orders_order SET owed_changed_since = coalesce(owed_changed_since, now()) WHERE id IN (
                SELECT order_id FROM orders_suborder
                WHERE id = ANY(%s) AND (payment_method = 'cod' OR state = 'returned'))
            """,
            [sub_order_ids],
        )
    timeline.record_of_sub_orders(sub_order_ids, _TOLD[state], Actor(ActorKind.CARRIER, "carrier"))
    nudging.nudge("owing")


STAGE = Stage("track", run, wakes=("owing", "complete"), backlog=backlog)
