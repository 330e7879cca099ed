"""The release stage: allocated sub-orders go to their warehouse's system."""

from django.conf import settings
from django.db import connection
from django.utils import timezone

from logistics import adapters, kinds
from logistics.watching import deadlines
from oms.common.masking import mask_text
from oms.common.work.calling import Outcomes, under_lease
from oms.common.work.claiming import Queue, Stage, put_off
from orders import actors, timeline
from orders.models import SubOrder, SubOrderState
from orders.reviewing.holds import ORDER_IS_HELD

QUEUE = Queue(
    SubOrder,
    "q.state = 'allocated' AND q.storage_class <> 'virtual'",
    unless=f"q.cancel_requested_at IS NOT NULL OR {ORDER_IS_HELD}",
)


def run(limit: int) -> int:
    """Send up to `limit` sub-orders to their warehouses; returns how many were claimed."""
    return under_lease(QUEUE, limit, _ask, _finish, too_late=_undo)


def _ask(sub_order_ids: list[int]) -> Outcomes[adapters.Answer]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT s.id, s.number, w.code FROM orders_suborder s JOIN inventory_warehouse w ON w.id = s.warehouse_id
            WHERE s.id = ANY(%s)
            """,
            [sub_order_ids],
        )
        works = {key: adapters.Work(number, warehouse) for key, number, warehouse in cursor.fetchall()}
    outcomes = Outcomes[adapters.Answer]()
    outcomes.ask(
        {key: work.reference for key, work in works.items()},
        lambda: adapters.warehouse(settings.WAREHOUSE_ADAPTER).release(list(works.values())),
    )
    return outcomes


def _finish(outcomes: Outcomes[adapters.Answer]) -> None:
    _write(list(outcomes.taken))
    if outcomes.refused:
        put_off(QUEUE, outcomes.reasons())


def _undo(late: Outcomes[adapters.Answer]) -> None:
    """Stop at the warehouse what was cancelled while the call took longer than its lease."""
    cancelled = SubOrder.objects.filter(pk__in=late.taken, state=SubOrderState.CANCELLED)
    numbers = dict(cancelled.values_list("number", "pk"))
    if not numbers:
        return
    answers = adapters.warehouse(settings.WAREHOUSE_ADAPTER).cancel(list(numbers))
    for number, key in numbers.items():
        answer = answers.get(number)
        if answer is not None and answer.taken:
            timeline.record_of_sub_orders([key], kinds.RELEASE_UNDONE, actors.job("release"))
        else:
            text = mask_text(answer.reason)[:1000] if answer else "no answer"
            SubOrder.objects.filter(pk=key).update(needs_person_since=timezone.now(), last_error=text)
            timeline.record_of_sub_orders([key], kinds.CANCEL_REFUSED, actors.job("release"), text=text)


def _write(sub_order_ids: list[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH moved AS (
                UPDATE orders_suborder SET state = 'released', released_at = now(), lease_until = NULL,
                    ready_at = CASE WHEN cancel_requested_at IS NULL THEN NULL ELSE now() END,
                    attempts = 0, last_error = '', expected_event = %(event)s, next_event_due = now() + %(within)s
                WHERE id = ANY(%(ids)s)
                RETURNING id, order_id, number, warehouse_id
            )
            INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, from_state, to_state,
                is_public, data)
            SELECT m.order_id, m.id, '{kinds.RELEASED}', 'job', 'release', 'allocated', 'released', true,
                jsonb_build_object('number', m.number, 'warehouse', w.name)
            FROM moved m JOIN inventory_warehouse w ON w.id = m.warehouse_id
            """,
            {
                "ids": sub_order_ids,
                "event": deadlines.PACKED.event,
                "within": deadlines.PACKED.within,
            },
        )


STAGE = Stage("release", run, queue=QUEUE)
