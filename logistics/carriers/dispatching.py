"""The dispatch stage: parcels get a waybill and a pick-up.

The shipment row is the intent, its number the key under which the carrier knows it. A refusal is definite: another
carrier is tried. No answer is not: the same carrier is asked again with the same number. A waybill is written to its
parcel wherever the sub-order is by then. The children of a consignment get theirs with their mother's
(`consigning`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from django.db import connection, transaction

from logistics import kinds
from logistics.carriers import (
    adapters,
    cancelling,
    choosing,
    consigning,
    decoding,
    following,
    freight,
    labels,
    sharing,
    waybills,
)
from logistics.carriers.parcels import SUB_ORDERS_OF
from logistics.carriers.trouble import NO_CARRIER, WAYBILL_UNUSED
from logistics.models import Shipment, ShipmentState, WarehouseOrderState
from logistics.warehouses.adapters import sandbox as sandbox_warehouses
from logistics.watching import planning
from oms.common import tickets
from oms.common.copying import array, text_array
from oms.common.models import Connection
from oms.common.work.calling import Call, Outcomes, outside_stage
from oms.common.work.claiming import Queue, put_off
from orders.models import ActorKind

# What is here still, of an order that may not go on, and what waits with its mother.
_IS_HELD = f"""
    {consigning.WAITS_WITH_MOTHER} OR q.left_at IS NULL AND EXISTS (
        SELECT FROM orders_suborder s JOIN orders_order o ON o.id = s.order_id
        WHERE s.id = q.sub_order_id AND o.open_holds > 0)
"""
QUEUE = Queue(Shipment, f"q.state = '{ShipmentState.CREATED}'", unless=_IS_HELD)


def _prepare(keys: Sequence[int]) -> Mapping[int, adapters.Parcel]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT h.id, h.number, s.number, coalesce(w.number, ''), c.code, h.weight_g + coalesce((
                    SELECT sum(x.weight_g) FROM logistics_shipment x
                    WHERE x.mother_id = h.id AND x.state = '{ShipmentState.CREATED}'), 0),
                o.recipient_name, o.recipient_phone, r.province, r.city, r.district, o.recipient_address,
                coalesce(t.receiver_token, ''), t.delivery_from, t.delivery_until
            FROM logistics_shipment h
            JOIN logistics_carrier c ON c.id = h.carrier_id
            JOIN orders_suborder s ON s.id = h.sub_order_id
            JOIN orders_order o ON o.id = s.order_id
            JOIN inventory_region r ON r.code = o.region_id
            LEFT JOIN orders_orderterms t ON t.order_id = o.id
            LEFT JOIN logistics_warehouseorder w ON w.id = h.warehouse_order_id
            WHERE h.id = ANY(%s::bigint[]) ORDER BY h.id
            """,
            [array(keys)],
        )
        parcels = {key: adapters.Parcel(*rest) for key, *rest in cursor.fetchall()}
    for key, children in consigning.waiting(parcels).items():
        parcels[key] = replace(parcels[key], children=children)
    return parcels


def _ask(link: Connection, parcels: Sequence[adapters.Parcel]) -> Mapping[str, adapters.Answer]:
    asked = {parcel.reference: parcel.carrier for parcel in parcels}
    carrier = adapters.of(link)
    answers = carrier.book(link, decoding.with_receivers(carrier, link, parcels))
    return {
        key: replace(answer, carrier=asked[key], account=link.pk) for key, answer in answers.items() if key in asked
    }


def _lock_works(shipment_ids: Collection[int]) -> None:
    """Warehouse orders that wait for a waybill come before their parcels."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT w.id FROM logistics_warehouseorder w
            WHERE w.id IN (SELECT warehouse_order_id FROM logistics_shipment WHERE id = ANY(%s::bigint[]))
              AND w.state = '{WarehouseOrderState.INTENDED}'
            ORDER BY w.id FOR NO KEY UPDATE
            """,
            [array(shipment_ids)],
        )


@dataclass(frozen=True, slots=True)
class _Child:
    """What a child got with its mother (id) and by her carrier."""

    mother: int
    carrier: str
    given: adapters.ChildWaybill


def _finish(outcomes: Outcomes[adapters.Answer]) -> None:
    given = {key: (answer.carrier, answer.waybill) for key, answer in outcomes.taken.items()}
    children = _children(outcomes.taken)
    repeated = _repeated(given, children)
    for key in repeated & given.keys():
        outcomes.unknown[key] = f"the carrier gave waybill {given[key][1]} to another parcel too"
    _write(outcomes.taken, children, repeated)
    _switch_carriers({key: (answer.carrier, answer.reason) for key, answer in outcomes.refused.items()})


def _children(taken: Mapping[int, adapters.Answer]) -> dict[int, _Child]:
    """The children (ids, locked) that wait with these mothers, each with what it got."""
    waiting = consigning.lock_waiting({key: one.carrier for key, one in taken.items() if one.children})
    return {
        waiting[number]: _Child(key, mother.carrier, given)
        for key, mother in taken.items()
        for number, given in mother.children.items()
        if number in waiting
    }


def _write(
    taken: Mapping[int, adapters.Answer], children: Mapping[int, _Child], repeated: Collection[int]
) -> list[int]:
    """Write to parcels that wait for them what came, but for the repeated ones; returns whose it was (ids). Children
    that got nothing are let go."""
    given = {key: (one.carrier, one.waybill) for key, one in taken.items() if key not in repeated}
    given |= {
        key: (one.carrier, one.given.waybill)
        for key, one in children.items()
        if key not in repeated and one.mother in given
    }
    written = _write_waybills(given)
    labels.keep({key: taken[key] for key in written if key in taken})
    labels.keep(
        {key: replace(taken[one.mother], label=one.given.label) for key in written if (one := children.get(key))}
    )
    consigning.let_go([key for key in written if key in taken])
    return written


@transaction.atomic
def _too_late(outcomes: Outcomes[adapters.Answer]) -> None:
    """Another worker took over, or the parcel was given to another carrier, has a waybill of the warehouse, or will not
    be: what fits it still is written, what does not is given back, or is for a person to cancel."""
    _lock_works(outcomes.taken)
    given = {key: (answer.carrier, answer.waybill) for key, answer in outcomes.taken.items()}
    children = _children(outcomes.taken)
    fitting = _write(outcomes.taken, children, _repeated(given, children))
    rows = Shipment.objects.select_related("sub_order").filter(pk__in=given.keys() - set(fitting))
    unused = {row.pk: row for row in rows if row.waybill_number != given[row.pk][1]}
    kept = cancelling.give_back_unused({key: outcomes.taken[key] for key in unused})
    troubles = [
        tickets.Trouble(
            key,
            "",
            {"number": unused[key].number, "carrier": given[key][0], "waybill": given[key][1]},
            about_id=unused[key].sub_order.order_id,
        )
        for key in sorted(kept)
    ]
    tickets.open_tickets(WAYBILL_UNUSED, troubles, opened_by=STAGE.name)


def _repeated(mothers: Mapping[int, tuple[str, str]], children: Mapping[int, _Child]) -> set[int]:
    """Parcels whose waybill is that of another parcel of the carrier; the first one of a batch keeps it."""
    given = {**mothers, **{key: (one.carrier, one.given.waybill) for key, one in children.items()}}
    if not given:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            -- Found for all at once: looked for one by one, PostgreSQL may read all parcels of the carrier for each, as
            -- long as it knows of none that has a waybill.
            WITH known AS MATERIALIZED (
                SELECT h.id, c.code, h.waybill_number FROM logistics_shipment h
                JOIN logistics_carrier c ON c.id = h.carrier_id WHERE h.waybill_number = ANY(%(waybills)s::text[])
            )
            SELECT n.id, n.carrier, n.waybill, EXISTS (
                SELECT FROM known other
                WHERE other.waybill_number = n.waybill AND other.code = n.carrier AND other.id <> n.id)
            FROM unnest(%(ids)s::bigint[], %(carriers)s::text[], %(waybills)s::text[])
                WITH ORDINALITY AS n(id, carrier, waybill, place)
            ORDER BY n.place
            """,
            {
                "ids": array(given),
                "carriers": text_array(carrier for carrier, _waybill in given.values()),
                "waybills": text_array(waybill for _carrier, waybill in given.values()),
            },
        )
        rows = cursor.fetchall()
    repeated: set[int] = set()
    seen: set[tuple[str, str]] = set()
    for key, carrier, waybill, is_taken in rows:
        if is_taken or (carrier, waybill) in seen:
            repeated.add(key)
        seen.add((carrier, waybill))
    return repeated


def _write_waybills(given: Mapping[int, tuple[str, str]]) -> list[int]:
    """Write the waybills to the parcels that wait for one of that carrier; returns their ids. Warehouse orders that
    were to be sent with it are sent now, and pretended warehouses that wait for it go on, whoever carries."""
    if not given:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH issued AS (
                UPDATE logistics_shipment h SET state = '{ShipmentState.WAYBILL_ISSUED}', waybill_number = a.waybill,
                    waybill_issued_at = now(), ready_at = NULL, lease_until = NULL, attempts = 0, last_error = '',
                    needs_person_since = NULL
                FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS a(id, carrier, waybill), logistics_carrier c
                WHERE h.id = a.id AND h.state = '{ShipmentState.CREATED}' AND c.id = h.carrier_id AND c.code = a.carrier
                RETURNING h.id, h.warehouse_order_id
            ), sent AS (
                UPDATE logistics_warehouseorder w SET ready_at = now() FROM issued i
                WHERE w.id = i.warehouse_order_id AND w.state = '{WarehouseOrderState.INTENDED}' AND w.ready_at IS NULL
            )
            SELECT i.id, CASE WHEN link.protocol = '{sandbox_warehouses.PROTOCOL}' THEN w.number END
            FROM issued i LEFT JOIN logistics_warehouseorder w ON w.id = i.warehouse_order_id
            LEFT JOIN common_connection link ON link.id = w.connection_id
            """,
            [
                array(given),
                text_array(carrier for carrier, _waybill in given.values()),
                text_array(waybill for _carrier, waybill in given.values()),
            ],
        )
        works = dict(cursor.fetchall())
    issued = list(works)
    sandbox_warehouses.waybill_came(sorted({number for number in works.values() if number is not None}))
    planning.plan_parcels(issued)
    sharing.note_bought(issued)
    freight.reckon(issued)
    waybills.tell(issued)
    following.begin(issued)
    tickets.close_tickets([NO_CARRIER], issued)
    return issued


def _switch_carriers(refused: Mapping[int, tuple[str, str]]) -> None:
    """Give each refused parcel to another carrier; where none is left, a person must decide."""
    if not refused:
        return
    put_off(QUEUE, {key: reason for key, (_carrier, reason) in refused.items()})
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH tried AS (
                SELECT h.id, c.id AS carrier_id, c.code, c.name
                FROM logistics_shipment h JOIN logistics_carrier c ON c.id = h.carrier_id
                WHERE h.id = ANY(%(ids)s::bigint[])
            ), told AS (
                INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, data)
                SELECT s.order_id, s.id, '{kinds.WAYBILL_REFUSED}', '{ActorKind.CARRIER}', t.code,
                    jsonb_build_object('number', s.number, 'carrier', t.code, 'text', r.reason)
                FROM tried t JOIN ({SUB_ORDERS_OF}) AS p ON p.shipment_id = t.id
                JOIN orders_suborder s ON s.id = p.sub_order_id
                JOIN unnest(%(ids)s::bigint[], %(reasons)s::text[]) AS r(id, reason) ON r.id = t.id
            )
            SELECT id, carrier_id, code, name FROM tried
            """,
            {
                "ids": array(refused),
                "reasons": text_array(reason for _carrier, reason in refused.values()),
            },
        )
        tried = {
            key: choosing.Refusal(carrier_id, code, name, refused[key][1])
            for key, carrier_id, code, name in cursor.fetchall()
        }
    choosing.choose(tried, refused=tried)


STAGE = outside_stage(
    "dispatch",
    Call(QUEUE, _prepare, _ask, _finish, lock_above=_lock_works, too_late=_too_late),
    wakes=("send_release",),
)
run = STAGE.run
