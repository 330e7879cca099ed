"""Waybills that no parcel will carry are given back to the account that sold them: each costs money.

One that we never heard of, because its answer was lost, is given back by its number. What a carrier refuses, a person
sees. So go those that a person has cancelled (`voiding`). Those of a consignment are one order of the carrier: it is
cancelled, by its mother, once none of its parcels is wanted.
"""

from collections.abc import Collection, Mapping, Sequence

from django.db import connection

from logistics import kinds
from logistics.carriers import adapters, errands, replacing, sharing
from logistics.carriers.adapters import Answer, Booked
from logistics.carriers.trouble import WAYBILL_KEPT, WAYBILL_UNUSED
from logistics.models import ErrandKind, Shipment, ShipmentState, WaybillErrand
from oms.common import tickets
from oms.common.copying import array, text_array
from oms.common.masking import mask_text
from oms.common.models import Connection
from oms.common.work import nudging
from oms.common.work.calling import Outcomes, outside_stage
from orders.models import ActorKind

# No parcel `h` travels with the waybill that was asked for it.
_IS_UNUSED = "(h.left_at IS NULL OR h.waybill_number IS NULL)"


def give_back(kept: Mapping[int, str]) -> None:
    """Of locked parcels (ids), give back the waybills that we bought, unless it is the one that is kept, or the one
    with which the parcel left. One statement; accounts that take none back are left alone, and consignments of which a
    parcel remains."""
    if not kept:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH given_back AS MATERIALIZED (
                SELECT h.id, coalesce(h.mother_id, h.id) AS mother_id
                FROM unnest(%s::bigint[], %s::text[]) AS n(id, waybill) JOIN logistics_shipment h ON h.id = n.id
                WHERE {_IS_UNUSED} AND coalesce(h.waybill_number, '') <> coalesce(nullif(n.waybill, ''), '-')
            )
            INSERT INTO logistics_waybillerrand (shipment_id, kind, connection_id, carrier_id, waybill, reference,
                ready_at)
            SELECT h.id, '{ErrandKind.CANCEL}', h.connection_id, h.carrier_id, coalesce(h.waybill_number, ''), h.number,
                -- Who asks for it still may hear of it, and gives it back then.
                greatest(now(), CASE WHEN h.waybill_number IS NULL THEN h.lease_until END)
            FROM (SELECT DISTINCT mother_id AS id FROM given_back) AS n JOIN logistics_shipment h ON h.id = n.id
            JOIN common_connection link ON link.id = h.connection_id
            WHERE {_IS_UNUSED} AND link.protocol = ANY(%s) AND h.carrier_id IS NOT NULL
              AND (h.waybill_number IS NOT NULL OR h.lease_token > 0)
              AND NOT EXISTS (
                -- Children of a mother who has no waybill yet go by another order.
                SELECT FROM logistics_shipment b
                WHERE (b.id = h.id OR (b.mother_id = h.id AND h.waybill_number IS NOT NULL))
                  AND b.id NOT IN (SELECT id FROM given_back) AND b.state <> '{ShipmentState.CANCELLED}'
                  AND b.connection_id = h.connection_id)
            ORDER BY h.id
            ON CONFLICT DO NOTHING
            """,
            [array(kept), text_array(kept.values()), list(adapters.protocols_of(adapters.Cancels))],
        )
        if cursor.rowcount:
            nudging.nudge(STAGE.name)


def give_back_unused(given: Mapping[int, Answer]) -> set[int]:
    """Give back waybills that came for parcels (ids) that do not carry them. Returns the parcels of which somebody else
    must: their account takes none back."""
    if not given:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH unused AS (
                SELECT n.id, c.id AS carrier_id, link.id AS connection_id, n.waybill
                FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[]) AS n(id, carrier, waybill, account)
                JOIN logistics_carrier c ON c.code = n.carrier JOIN common_connection link ON link.id = n.account
                WHERE link.protocol = ANY(%s)
            ), asked AS (
                INSERT INTO logistics_waybillerrand (shipment_id, kind, connection_id, carrier_id, waybill, reference)
                SELECT u.id, '{ErrandKind.CANCEL}', u.connection_id, u.carrier_id, u.waybill, h.number
                FROM unused u JOIN logistics_shipment h ON h.id = u.id ORDER BY u.id
                ON CONFLICT DO NOTHING
            )
            SELECT id FROM unused
            """,
            [
                array(given),
                text_array(answer.carrier for answer in given.values()),
                text_array(answer.waybill for answer in given.values()),
                array(answer.account for answer in given.values()),
                list(adapters.protocols_of(adapters.Cancels)),
            ],
        )
        asked = {key for (key,) in cursor.fetchall()}
    nudging.nudge(STAGE.name)
    return given.keys() - asked


def take_up_again(shipment_ids: Sequence[int]) -> None:
    """Locked parcels leave with their waybill all the same: what was not asked yet is not asked."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            DELETE FROM logistics_waybillerrand e USING logistics_shipment b
            JOIN logistics_shipment h ON h.id = coalesce(b.mother_id, b.id)
            WHERE b.id = ANY(%s::bigint[]) AND e.shipment_id = h.id AND e.waybill = h.waybill_number
              AND e.kind = '{ErrandKind.CANCEL}' AND e.outcome = '' AND e.lease_token = 0
            """,
            [array(shipment_ids)],
        )


def _ask(link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Answer]:
    adapter = adapters.cancelling(link)
    if adapter is None:  # the connection speaks another protocol now
        return {}
    return adapter.cancel(link, parcels)


def _give_back_shares(errand_ids: Collection[int]) -> None:
    """What was cancelled counts for its user no more. One statement, and those of shared accounts."""
    done: dict[int, list[int]] = {}
    for shipment, link in WaybillErrand.objects.filter(pk__in=errand_ids).values_list("shipment", "connection"):
        done.setdefault(link, []).append(shipment)
    for link, shipments in done.items():
        children = Shipment.objects.filter(mother__in=shipments, connection=link).values_list("pk", flat=True)
        sharing.give_back([*shipments, *children], over=link)


def _follow(outcomes: Outcomes[Answer]) -> None:
    """Tell what came of it; a waybill that the carrier keeps is for a person, one that never was is not."""
    answers = outcomes.taken | outcomes.refused
    if not answers:
        return
    _give_back_shares(outcomes.taken)
    replacing.replace(outcomes.taken, opened_by=STAGE.name)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH answered AS (
                SELECT e.id, e.shipment_id, e.waybill, e.reference, c.code, c.name AS carrier, n.is_done, n.reason,
                    s.id AS sub_order_id, s.order_id, s.number
                FROM unnest(%s::bigint[], %s::boolean[], %s::text[]) AS n(id, is_done, reason)
                JOIN logistics_waybillerrand e ON e.id = n.id JOIN logistics_carrier c ON c.id = e.carrier_id
                JOIN logistics_shipment h ON h.id = e.shipment_id JOIN orders_suborder s ON s.id = h.sub_order_id
                WHERE e.waybill <> ''
            ), told AS (
                INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, data)
                SELECT order_id, sub_order_id,
                    CASE WHEN is_done THEN '{kinds.WAYBILL_CANCELLED}' ELSE '{kinds.WAYBILL_NOT_CANCELLED}' END,
                    '{ActorKind.CARRIER}', code,
                    jsonb_build_object('number', number, 'carrier', carrier, 'waybill', waybill)
                        || CASE WHEN is_done THEN '{{}}'::jsonb ELSE jsonb_build_object('text', reason) END
                FROM answered ORDER BY id
            )
            SELECT id, shipment_id, waybill, carrier, number, order_id, is_done, reason FROM answered ORDER BY id
            """,
            [
                array(answers),
                [answer.taken for answer in answers.values()],
                text_array(mask_text(answer.reason)[:300] or "–" for answer in answers.values()),
            ],
        )
        rows = cursor.fetchall()
    troubles = [
        tickets.Trouble(
            key,
            "",
            {"waybill": waybill, "carrier": carrier, "number": number, "text": reason},
            about_id=order_id,
        )
        for key, _shipment, waybill, carrier, number, order_id, is_done, reason in rows
        if not is_done
    ]
    tickets.open_tickets(WAYBILL_KEPT, troubles, opened_by=STAGE.name)
    tickets.close_tickets([WAYBILL_UNUSED], [row[1] for row in rows if row[6]])


STAGE = outside_stage("cancel_waybill", errands.call(ErrandKind.CANCEL, _ask, _follow, lock_above=replacing.lock))
run = STAGE.run
