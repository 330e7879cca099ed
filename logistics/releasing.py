"""The release stage: allocated sub-orders go to their warehouse's system."""

from django.conf import settings
from django.db import connection, transaction

from logistics import adapters, expectations
from oms.common.claiming import Queue, Stage, lease, lock_leased, put_off
from orders.holding import ORDER_IS_HELD
from orders.models import SubOrder

QUEUE = Queue(
    SubOrder,
    "q.state = 'allocated' AND q.storage_class <> 'virtual'",
    unless=f"q.cancel_requested_at IS NOT NULL OR {ORDER_IS_HELD}",
)


def run(limit: int) -> int:
    """Send up to `limit` sub-orders to their warehouses; returns how many were claimed."""
    tokens = lease(QUEUE, limit)
    if not tokens:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT s.id, s.number, w.code FROM orders_suborder s JOIN inventory_warehouse w ON w.id = s.warehouse_id
            WHERE s.id = ANY(%s)
            """,
            [list(tokens)],
        )
        works = {key: adapters.Work(number, warehouse) for key, number, warehouse in cursor.fetchall()}
    errors: dict[int, str] = {}
    answers: dict[str, adapters.Answer] = {}
    try:
        answers = adapters.warehouse(settings.WAREHOUSE_ADAPTER).release(list(works.values()))
    except Exception as error:
        # Unknown outcome: the same numbers are sent again later, which the warehouse recognises.
        errors = dict.fromkeys(works, f"{type(error).__name__}: {error}")
    released = []
    for key, work in works.items():
        answer = answers.get(work.reference)
        if answer is not None and answer.taken:
            released.append(key)
        elif key not in errors:
            errors[key] = answer.reason if answer else "no answer"
    with transaction.atomic():
        mine = set(lock_leased(QUEUE, tokens))
        _write([key for key in released if key in mine])
        failed = {key: error for key, error in errors.items() if key in mine}
        if failed:
            put_off(QUEUE, failed)
    return len(tokens)


def _write(sub_order_ids: list[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH moved AS (
                UPDATE orders_suborder SET state = 'released', released_at = now(), lease_until = NULL,
                    ready_at = CASE WHEN cancel_requested_at IS NULL THEN NULL ELSE now() END,
                    attempts = 0, last_error = '', expected_event = %(event)s, next_event_due = now() + %(within)s
                WHERE id = ANY(%(ids)s)
                RETURNING id, order_id, number, warehouse_id
            )
            INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, from_state, to_state,
                is_public, data)
            SELECT m.order_id, m.id, 'released', 'job', 'release', 'allocated', 'released', true,
                jsonb_build_object('number', m.number, 'warehouse', w.name)
            FROM moved m JOIN inventory_warehouse w ON w.id = m.warehouse_id
            """,
            {
                "ids": sub_order_ids,
                "event": expectations.PACKED.event,
                "within": expectations.PACKED.within,
            },
        )


STAGE = Stage("release", run, queue=QUEUE)
