"""The dispatch stage: packed sub-orders get a waybill and a pick-up.

The shipment row is the intent, its number the key under which the carrier knows it. A refusal is definite: the next
carrier is tried. No answer is not: the same carrier is asked again with the same number.
"""

from functools import partial
from itertools import pairwise

from django.db import connection

from logistics import adapters, kinds
from logistics.models import Carrier
from logistics.watching import alerts, deadlines
from oms.common.work.calling import Outcomes, under_lease
from oms.common.work.claiming import Queue, Stage, put_off
from orders.models import SubOrder
from orders.reviewing.holds import ORDER_IS_HELD

QUEUE = Queue(SubOrder, "q.state = 'packed'", unless=ORDER_IS_HELD)


def run(limit: int) -> int:
    """Get waybills for up to `limit` sub-orders; returns how many were claimed."""
    return under_lease(QUEUE, limit, _ask, _finish)


def _ask(sub_order_ids: list[int]) -> Outcomes[adapters.Answer]:
    _intend_shipments(sub_order_ids)
    parcels = _read(sub_order_ids)
    outcomes = Outcomes[adapters.Answer](
        unknown={key: "no carrier is active" for key in sub_order_ids if key not in parcels}
    )
    by_adapter: dict[str, dict[int, adapters.Parcel]] = {}
    for key, (adapter, parcel) in parcels.items():
        by_adapter.setdefault(adapter, {})[key] = parcel
    for adapter, batch in by_adapter.items():
        references = {key: parcel.reference for key, parcel in batch.items()}
        outcomes.ask(references, partial(_book, adapter, list(batch.values())))
    return outcomes


def _book(adapter: str, parcels: list[adapters.Parcel]) -> dict[str, adapters.Answer]:
    return adapters.carrier(adapter).book(parcels)


def _finish(outcomes: Outcomes[adapters.Answer]) -> None:
    waybills = {key: answer.waybill for key, answer in outcomes.taken.items()}
    for key in _repeated(waybills):
        outcomes.unknown[key] = f"the carrier gave waybill {waybills.pop(key)} to another parcel too"
    _write_waybills(waybills)
    _switch_carriers(outcomes.reasons())


def _intend_shipments(sub_order_ids: list[int]) -> None:
    """A shipment for each sub-order that has none in hand, with the carrier that is tried first."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO logistics_shipment (number, sub_order_id, carrier_id, state, weight_g)
            SELECT s.number || '-S1', s.id, c.id, 'created', s.weight_g
            FROM orders_suborder s
            CROSS JOIN (SELECT id FROM logistics_carrier WHERE is_active ORDER BY priority, code LIMIT 1) AS c
            WHERE s.id = ANY(%s) ORDER BY s.id
            ON CONFLICT DO NOTHING
            """,
            [sub_order_ids],
        )


def _read(sub_order_ids: list[int]) -> dict[int, tuple[str, adapters.Parcel]]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT s.id, c.adapter, h.number, s.number, c.code, s.weight_g, o.recipient_name, o.recipient_phone,
                   r.province, r.city, r.district, o.recipient_address
            FROM orders_suborder s
            JOIN logistics_shipment h ON h.sub_order_id = s.id AND h.state = 'created'
            JOIN logistics_carrier c ON c.id = h.carrier_id
            JOIN orders_order o ON o.id = s.order_id
            JOIN inventory_region r ON r.code = o.region_id
            WHERE s.id = ANY(%s) ORDER BY s.id
            """,
            [sub_order_ids],
        )
        return {key: (adapter, adapters.Parcel(*rest)) for key, adapter, *rest in cursor.fetchall()}


def _repeated(waybills: dict[int, str]) -> list[int]:
    """Sub-orders whose waybill is that of another parcel of the carrier; the first one of a batch keeps it."""
    if not waybills:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT n.id, n.waybill, h.carrier_id, EXISTS (
                SELECT FROM logistics_shipment other
                WHERE other.waybill_number = n.waybill AND other.carrier_id = h.carrier_id)
            FROM unnest(%s::bigint[], %s::text[]) WITH ORDINALITY AS n(id, waybill, place)
            JOIN logistics_shipment h ON h.sub_order_id = n.id AND h.state = 'created'
            ORDER BY n.place
            """,
            [list(waybills), list(waybills.values())],
        )
        rows = cursor.fetchall()
    repeated: list[int] = []
    seen: set[tuple[str, int]] = set()
    for key, waybill, carrier, is_taken in rows:
        if is_taken or (waybill, carrier) in seen:
            repeated.append(key)
        seen.add((waybill, carrier))
    return repeated


def _write_waybills(waybills: dict[int, str]) -> None:
    if not waybills:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH answer AS (SELECT * FROM unnest(%(ids)s::bigint[], %(waybills)s::text[]) AS a(sub_order_id, waybill)),
            issued AS (
                UPDATE logistics_shipment h SET state = 'waybill_issued', waybill_number = a.waybill,
                    waybill_issued_at = now(), expected_event = %(collected)s,
                    next_event_due = now() + %(collected_within)s
                FROM answer a WHERE h.sub_order_id = a.sub_order_id AND h.state = 'created'
                RETURNING h.sub_order_id, h.carrier_id, h.waybill_number
            ), moved AS (
                UPDATE orders_suborder SET ready_at = NULL, lease_until = NULL, attempts = 0, last_error = '',
                    expected_event = %(shipped)s, next_event_due = now() + %(shipped_within)s
                WHERE id = ANY(%(ids)s)
            )
            INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, is_public, data)
            SELECT s.order_id, s.id, '{kinds.WAYBILL}', 'carrier', c.code, true,
                jsonb_build_object('number', s.number, 'carrier', c.name, 'waybill', i.waybill_number)
            FROM issued i JOIN orders_suborder s ON s.id = i.sub_order_id
            JOIN logistics_carrier c ON c.id = i.carrier_id
            """,
            {
                "ids": list(waybills),
                "waybills": list(waybills.values()),
                "collected": deadlines.COLLECTED.event,
                "collected_within": deadlines.COLLECTED.within,
                "shipped": deadlines.SHIPPED.event,
                "shipped_within": deadlines.SHIPPED.within,
            },
        )
    alerts.close_for_sub_orders(list(waybills))


def _switch_carriers(refused: dict[int, str]) -> None:
    """Give each refused shipment to the next carrier; where none is left, a person must decide."""
    if not refused:
        return
    put_off(QUEUE, refused)
    carriers = list(Carrier.objects.filter(is_active=True).order_by("priority", "code").values_list("id", flat=True))
    following = dict(pairwise(carriers))
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH tried AS (
                SELECT h.id, h.sub_order_id, h.carrier_id, c.code, n.next_id FROM logistics_shipment h
                JOIN logistics_carrier c ON c.id = h.carrier_id
                LEFT JOIN unnest(%(carriers)s::bigint[], %(next)s::bigint[]) AS n(id, next_id) ON n.id = h.carrier_id
                WHERE h.sub_order_id = ANY(%(ids)s) AND h.state = 'created'
            ), switched AS (
                UPDATE logistics_shipment h SET carrier_id = coalesce(t.next_id, h.carrier_id)
                FROM tried t WHERE h.id = t.id
            ), stuck AS (
                UPDATE orders_suborder s SET needs_person_since = now() FROM tried t
                WHERE s.id = t.sub_order_id AND t.next_id IS NULL
            )
            INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, data)
            SELECT s.order_id, s.id, '{kinds.WAYBILL_REFUSED}', 'carrier', t.code,
                jsonb_build_object('number', s.number, 'carrier', t.code, 'text', r.reason)
            FROM tried t JOIN orders_suborder s ON s.id = t.sub_order_id
            JOIN unnest(%(ids)s::bigint[], %(reasons)s::text[]) AS r(id, reason) ON r.id = s.id
            """,
            {
                "ids": list(refused),
                "reasons": list(refused.values()),
                "carriers": list(following),
                "next": list(following.values()),
            },
        )


STAGE = Stage("dispatch", run, queue=QUEUE)
