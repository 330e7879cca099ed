"""What a warehouse will not do: its sub-orders end where that was asked for, or are sourced anew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import connection

from inventory import reserving
from inventory.models import MovementNote
from logistics import kinds
from logistics.carriers import cancelling, following
from logistics.models import ShipmentState, StopAnswer
from logistics.warehouses.trouble import WAREHOUSE_REFUSED
from logistics.warehouses.works import GivenUp, Part, Work
from logistics.watching import planning
from oms.common import tickets
from oms.common.copying import array, text_array
from oms.common.masking import mask_text
from orders.actors import Actor
from orders.changing.cancelling import cancel_sub_orders
from orders.kinds import CANCEL_REFUSED, COMPANY_STOPPED, MOVE_REFUSED, MOVED_AWAY
from orders.models import ActorKind, SubOrderLine, SubOrderState
from orders.models.sub_order import AT_WAREHOUSE

ACTOR = Actor(ActorKind.WAREHOUSE, "warehouse")


@dataclass(frozen=True, slots=True)
class Homeless:
    """A sub-order that needs another warehouse; `why` as in `GivenUp`."""

    part: Part
    work: Work
    why: str
    text: str


def give_up(given_up: Sequence[GivenUp]) -> None:
    """End locked warehouse orders that will not be done, with their parcels; their sub-orders are cancelled where that
    was asked for, or need another warehouse. Orders are locked; what they become is the caller's business."""
    if not given_up:
        return
    _end(given_up)
    parts = [(part, one) for one in given_up for part in one.work.parts if part.state in AT_WAREHOUSE]
    cancel([part.id for part, _one in parts if part.is_cancelling])
    source_anew([Homeless(part, one.work, one.why, one.text) for part, one in parts if not part.is_cancelling])


def _end(given_up: Sequence[GivenUp]) -> None:
    keys = [one.work.id for one in given_up]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE logistics_warehouseorder w SET state = n.state, is_current = false, given_up_at = now(),
                reason = n.reason, ready_at = NULL, attempts = 0, last_error = '', needs_person_since = NULL
            FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS n(id, state, reason) WHERE w.id = n.id
            """,
            [
                array(keys),
                text_array(one.state for one in given_up),
                text_array(mask_text(one.text)[:300] for one in given_up),
            ],
        )
    end_parcels(keys)
    planning.plan_works(keys)


def end_parcels(warehouse_order_ids: Sequence[int]) -> None:
    """End the parcels of locked warehouse orders that have not left, and will not: their waybills go back."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE logistics_shipment SET state = '{ShipmentState.CANCELLED}', ready_at = NULL,
                needs_person_since = NULL
            WHERE warehouse_order_id = ANY(%s::bigint[])
              AND state IN ('{ShipmentState.CREATED}', '{ShipmentState.WAYBILL_ISSUED}') AND left_at IS NULL
            RETURNING id
            """,
            [array(warehouse_order_ids)],
        )
        parcels = [key for (key,) in cursor.fetchall()]
    cancelling.give_back(dict.fromkeys(parcels, ""))
    following.end(parcels)
    planning.plan_parcels(parcels)


def cancel(sub_order_ids: Sequence[int]) -> None:
    """Cancel locked sub-orders that do not leave, as was asked for."""
    cancel_sub_orders(sub_order_ids, actor=ACTOR)
    tickets.close_tickets([WAREHOUSE_REFUSED], sub_order_ids)


def source_anew(homeless: Sequence[Homeless]) -> None:
    """Free the stock of locked sub-orders; where a warehouse refused them, it is left out from now on, and a person
    says when another one is chosen."""
    if not homeless:
        return
    ids = [one.part.id for one in homeless]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH news AS (
                SELECT * FROM unnest(%(ids)s::bigint[], %(from)s::text[], %(whys)s::text[], %(texts)s::text[],
                    %(warehouses)s::bigint[], %(shared)s::bool[])
                    AS n(id, from_state, why, reason, warehouse_id, was_shared)
            ), moved AS (
                UPDATE orders_suborder s SET state = '{SubOrderState.AWAITING_ALLOCATION}', warehouse_id = NULL,
                    allocated_at = NULL, sourcing = NULL, attempts = 0, last_error = n.reason, ready_at = now(),
                    moving_since = NULL,
                    needs_person_since = CASE WHEN n.why <> '' THEN now() END,
                    refused_by = CASE WHEN n.why <> '' THEN array_append(coalesce(s.refused_by, '{{}}'), n.warehouse_id)
                                      ELSE s.refused_by END
                FROM news n JOIN orders_suborder former ON former.id = n.id WHERE s.id = n.id
                RETURNING s.id, s.order_id, s.number, n.from_state, n.reason, n.warehouse_id,
                    n.why = '' AND former.moving_since IS NOT NULL AS is_moved,
                    n.why = '' AND n.was_shared AS is_company, former.sourcing
            )
            INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, from_state, to_state, data)
            SELECT m.order_id, m.id, CASE WHEN m.is_moved THEN '{MOVED_AWAY}' WHEN m.is_company THEN '{COMPANY_STOPPED}'
                    ELSE '{kinds.WAREHOUSE_REFUSED}' END,
                '{ACTOR.kind}', '{ACTOR.name}', m.from_state, '{SubOrderState.AWAITING_ALLOCATION}',
                jsonb_build_object('number', m.number, 'warehouse', h.code)
                    || CASE WHEN m.is_moved THEN jsonb_build_object('sourcing', m.sourcing)
                            WHEN m.is_company THEN '{{}}'::jsonb
                            ELSE jsonb_build_object('text', m.reason, 'sourcing', m.sourcing) END
            FROM moved m JOIN inventory_warehouse h ON h.id = m.warehouse_id ORDER BY m.id
            """,
            {
                "ids": array(ids),
                "from": text_array(one.part.state for one in homeless),
                "whys": text_array(one.why for one in homeless),
                "texts": text_array(mask_text(one.text)[:300] for one in homeless),
                "warehouses": array(one.work.warehouse_id for one in homeless),
                "shared": [len(one.work.parts) > 1 for one in homeless],
            },
        )
    lines = SubOrderLine.objects.filter(sub_order_id__in=ids).values_list("id", flat=True)
    reserving.release(list(lines), actor=ACTOR.name, note=MovementNote.REFUSED)
    troubles = [
        tickets.Trouble(
            one.part.id,
            one.why,
            {"number": one.part.number, "warehouse": one.work.warehouse, "text": mask_text(one.text)[:300]},
            about_id=one.part.order_id,
        )
        for one in homeless
        if one.why
    ]
    tickets.open_tickets(WAREHOUSE_REFUSED, troubles, opened_by="warehouse_facts")


def let_go_on(parts: Mapping[int, str]) -> None:
    """Locked sub-orders (by id) could not be stopped, for the reason given: they go on."""
    if not parts:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH news AS (
                SELECT * FROM unnest(%s::bigint[], %s::text[]) AS n(id, reason)
            ), moved AS (
                UPDATE orders_suborder s SET cancel_requested_at = NULL, ready_at = NULL
                FROM news n WHERE s.id = n.id AND s.cancel_requested_at IS NOT NULL
                RETURNING s.id, s.order_id, s.number, s.warehouse_id, n.reason
            )
            INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, data)
            SELECT m.order_id, m.id, '{CANCEL_REFUSED}', '{ACTOR.kind}', '{ACTOR.name}',
                jsonb_build_object('number', m.number, 'warehouse', h.code, 'text', m.reason)
            FROM moved m LEFT JOIN inventory_warehouse h ON h.id = m.warehouse_id ORDER BY m.id
            """,
            [array(parts), text_array(mask_text(text)[:300] for text in parts.values())],
        )


def let_stay(sub_order_ids: Sequence[int]) -> None:
    """Locked sub-orders that their warehouse does not give up stay there, as far as they were to be moved."""
    if not sub_order_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH stays AS (
                UPDATE orders_suborder s SET moving_since = NULL, wished_warehouse_id = NULL
                WHERE s.id = ANY(%s::bigint[]) AND s.moving_since IS NOT NULL
                RETURNING s.id, s.order_id, s.number, s.warehouse_id
            )
            INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, data)
            SELECT m.order_id, m.id, '{MOVE_REFUSED}', '{ACTOR.kind}', '{ACTOR.name}',
                jsonb_build_object('number', m.number, 'warehouse', h.code)
            FROM stays m JOIN inventory_warehouse h ON h.id = m.warehouse_id ORDER BY m.id
            """,
            [array(sub_order_ids)],
        )


def answer_stops(answers: Mapping[int, StopAnswer]) -> None:
    """Write the answers of warehouses (by warehouse order) that were asked to stop."""
    if not answers:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE logistics_warehouseorder w SET stop_requested_at = coalesce(w.stop_requested_at, now()),
                stop_answered_at = now(), stop_answer = n.answer, ready_at = NULL, lease_until = NULL, attempts = 0,
                last_error = '', needs_person_since = NULL
            FROM unnest(%s::bigint[], %s::text[]) AS n(id, answer) WHERE w.id = n.id
            """,
            [array(answers), text_array(answers.values())],
        )
