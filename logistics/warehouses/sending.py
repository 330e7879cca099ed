"""Sending warehouse orders to their warehouses.

The answer is written to the warehouse order whatever became of its sub-orders meanwhile. A refusal changes more than
that: it is kept as a fact, like the refusals that come later, and worked on by the stage for those.
"""

from collections.abc import Mapping, Sequence

from django.db import connection, transaction
from django.utils import timezone

from inventory.models import Warehouse
from logistics import kinds
from logistics.carriers.decoding import is_hidden
from logistics.models import WarehouseOrder, WarehouseOrderState
from logistics.models.warehouse_order import GIVEN_UP
from logistics.warehouses import adapters
from logistics.warehouses.notices import Notice
from oms.common.copying import array, text_array
from oms.common.masking import mask_text
from oms.common.models import Connection, Topic
from oms.common.states import listed
from oms.common.work import facts
from oms.common.work.calling import Call, Outcomes, Unclear, outside_stage
from oms.common.work.claiming import Queue
from orders.models import ActorKind

QUEUE = Queue(WarehouseOrder, f"q.state = '{WarehouseOrderState.INTENDED}' AND q.stop_requested_at IS NULL")


def _prepare(keys: Sequence[int]) -> Mapping[int, adapters.Request]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT w.id, w.number, h.code, h.waybill_when
            FROM logistics_warehouseorder w JOIN inventory_warehouse h ON h.id = w.warehouse_id
            WHERE w.id = ANY(%s::bigint[])
            """,
            [array(keys)],
        )
        rows = cursor.fetchall()
    waybills = _waybills([key for key, _n, _c, when in rows if when == Warehouse.WaybillWhen.AT_RELEASE])
    hidden = _hidden([key for key, _n, _c, when in rows if when == Warehouse.WaybillWhen.OWN])
    return {
        key: adapters.Request(
            *(number, code, *waybills.get(key, ("", "")), when == Warehouse.WaybillWhen.OWN),
            *hidden.get(key, ("", "")),
        )
        for key, number, code, when in rows
    }


def _waybills(keys: Sequence[int]) -> Mapping[int, tuple[str, str]]:
    """Carrier and waybill of the parcels that have one already, by warehouse order."""
    if not keys:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT h.warehouse_order_id, c.code, h.waybill_number
            FROM logistics_shipment h JOIN logistics_carrier c ON c.id = h.carrier_id
            WHERE h.warehouse_order_id = ANY(%s::bigint[]) AND h.waybill_number IS NOT NULL
            """,
            [array(keys)],
        )
        return {key: (carrier, waybill) for key, carrier, waybill in cursor.fetchall()}


def _hidden(keys: Sequence[int]) -> Mapping[int, tuple[str, str]]:
    """By warehouse order, the sealed token of recipients that a platform hides, and the platform's order number."""
    if not keys:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT w.id, t.receiver_token, o.external_number, o.recipient_name, o.recipient_phone, o.recipient_address
            FROM logistics_warehouseorder w JOIN orders_suborder s ON s.id = w.sub_order_id
            JOIN orders_order o ON o.id = s.order_id JOIN orders_orderterms t ON t.order_id = o.id
            WHERE w.id = ANY(%s::bigint[]) AND t.receiver_token <> ''
            """,
            [array(keys)],
        )
        rows = cursor.fetchall()
    return {key: (token, number) for key, token, number, *recipient in rows if is_hidden(token, *recipient)}


def _tell_tokens(references: Sequence[str]) -> None:
    """Say on the timeline that these warehouses are told who receives it; before they are."""
    if not references:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, data)
            SELECT s.order_id, s.id, '{kinds.RECEIVER_TOKEN_GIVEN}', '{ActorKind.JOB}', '{STAGE.name}',
                jsonb_build_object('number', s.number, 'warehouse', h.name)
            FROM logistics_warehouseorder w JOIN orders_suborder s ON s.id = w.sub_order_id
            JOIN inventory_warehouse h ON h.id = w.warehouse_id
            WHERE w.number = ANY(%s::text[]) ORDER BY w.id
            """,
            [text_array(references)],
        )


def _ask(link: Connection, requests: Sequence[adapters.Request]) -> Mapping[str, adapters.Answer | Unclear]:
    _tell_tokens([request.reference for request in requests if request.receiver_token])
    return adapters.of(link).release(link, requests)


def _finish(outcomes: Outcomes[adapters.Answer]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE logistics_warehouseorder SET state = '{WarehouseOrderState.SENT}', sent_at = now(),
                lease_until = NULL, ready_at = NULL, attempts = 0, last_error = ''
            WHERE id = ANY(%s::bigint[])
            """,
            [array(outcomes.taken)],
        )
    _note_numbers(outcomes)
    _tell_refusals(outcomes)


def _note_numbers(outcomes: Outcomes[adapters.Answer]) -> None:
    """Keep what the warehouses call them, where they say so."""
    named = {key: answer.their_number for key, answer in outcomes.taken.items() if answer.their_number}
    if not named:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE logistics_warehouseorder w SET their_number = n.number"
            " FROM unnest(%s::bigint[], %s::text[]) AS n(id, number) WHERE w.id = n.id",
            [array(named), text_array(number[:300] for number in named.values())],
        )


@transaction.atomic
def _too_late(outcomes: Outcomes[adapters.Answer]) -> None:
    """Another worker took over, or there was news or a cancellation meanwhile. What was given up, and reached the
    warehouse all the same, is stopped there."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH late AS (
                SELECT id, state IN ({listed(GIVEN_UP)}) AS is_given_up FROM logistics_warehouseorder
                WHERE id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE
            )
            UPDATE logistics_warehouseorder w SET sent_at = coalesce(w.sent_at, now()),
                state = CASE WHEN w.state = '{WarehouseOrderState.INTENDED}' THEN '{WarehouseOrderState.SENT}'
                             ELSE w.state END,
                attempts = 0, last_error = '', needs_person_since = NULL,
                stop_requested_at = CASE WHEN l.is_given_up THEN now() ELSE w.stop_requested_at END,
                stop_patient_until = CASE WHEN NOT l.is_given_up THEN w.stop_patient_until END,
                stop_answered_at = CASE WHEN NOT l.is_given_up THEN w.stop_answered_at END,
                stop_answer = CASE WHEN l.is_given_up THEN '' ELSE w.stop_answer END,
                ready_at = CASE WHEN l.is_given_up OR w.stop_requested_at IS NOT NULL THEN now() END
            FROM late l WHERE l.id = w.id
            """,
            [array(outcomes.taken)],
        )
    _note_numbers(outcomes)
    _tell_refusals(outcomes)


def _tell_refusals(outcomes: Outcomes[adapters.Answer]) -> None:
    if not outcomes.refused:
        return
    WarehouseOrder.objects.filter(pk__in=outcomes.refused).update(ready_at=None, lease_until=None)
    told: dict[int, list[facts.News]] = {}
    rows = WarehouseOrder.objects.filter(pk__in=outcomes.refused).values_list("pk", "number", "connection_id")
    for key, number, connection_id in rows:
        text = mask_text(outcomes.refused[key].reason)
        news = facts.News(f"answer:{number}:refused", Notice.REFUSED, number, timezone.now(), {"text": text})
        told.setdefault(connection_id, []).append(news)
    for connection_id, news_of_one in told.items():
        facts.receive(connection_id, Topic.WAREHOUSE, news_of_one)


STAGE = outside_stage("send_release", Call(QUEUE, _prepare, _ask, _finish, too_late=_too_late))
run = STAGE.run
