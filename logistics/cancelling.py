"""Asking warehouses to stop what they have: the stage behind a cancellation after release."""

from django.conf import settings
from django.db import connection, transaction

from logistics import adapters, alerting
from oms.common.claiming import Queue, Stage, lease, put_off
from orders import actors, timeline
from orders.actors import Actor
from orders.cancelling import cancel_sub_orders, finish_requests
from orders.locking import lock_orders
from orders.models import ActorKind, SubOrder
from orders.models.sub_order import BEFORE_RELEASE, IN_WAREHOUSE, UNALLOCATED_STATES

QUEUE = Queue(SubOrder, "q.cancel_requested_at IS NOT NULL")


def run(limit: int) -> int:
    """Ask for up to `limit` sub-orders; returns how many were claimed."""
    tokens = lease(QUEUE, limit)
    if not tokens:
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, number, order_id FROM orders_suborder WHERE id = ANY(%s)", [list(tokens)])
        rows = cursor.fetchall()
    numbers = {key: number for key, number, _order in rows}
    errors: dict[int, str] = {}
    answers: dict[str, adapters.Answer] = {}
    try:
        answers = adapters.warehouse(settings.WAREHOUSE_ADAPTER).cancel(list(numbers.values()))
    except Exception as error:
        # Unknown outcome: asked again later.
        errors = dict.fromkeys(numbers, f"{type(error).__name__}: {error}")
    with transaction.atomic():
        lock_orders(sorted({order_id for _key, _number, order_id in rows}))
        _finish(tokens, numbers, answers, errors)
    return len(tokens)


def _finish(
    tokens: dict[int, int], numbers: dict[int, str], answers: dict[str, adapters.Answer], errors: dict[int, str]
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT s.id, s.order_id, s.state FROM orders_suborder s
            JOIN unnest(%s::bigint[], %s::int[]) AS mine(id, token) ON s.id = mine.id AND s.lease_token = mine.token
            WHERE s.cancel_requested_at IS NOT NULL ORDER BY s.id FOR NO KEY UPDATE OF s
            """,
            [list(tokens), list(tokens.values())],
        )
        mine = cursor.fetchall()
    granted, refused, failed = [], [], {}
    for key, _order, state in mine:
        answer = answers.get(numbers[key])
        if answer is None:
            failed[key] = errors.get(key, "no answer")
        elif (answer.taken and state in (*BEFORE_RELEASE, *IN_WAREHOUSE)) or state in UNALLOCATED_STATES:
            granted.append(key)
        else:
            refused.append((key, answer.reason))
    cancel_sub_orders(granted, actor=Actor(ActorKind.WAREHOUSE, "warehouse"))
    alerting.close_for_sub_orders(granted)
    if refused:
        with connection.cursor() as cursor:
            # Once its order is no longer held, a packed sub-order goes on to its carrier, and one that was on its way
            # to the warehouse is sent there again.
            cursor.execute(
                """
                UPDATE orders_suborder SET cancel_requested_at = NULL, lease_until = NULL,
                    ready_at = CASE WHEN state IN ('allocated', 'packed') THEN now() END
                WHERE id = ANY(%s)
                """,
                [[key for key, _reason in refused]],
            )
    for key, reason in refused:
        timeline.record_of_sub_orders([key], "cancel_refused", Actor(ActorKind.WAREHOUSE, "warehouse"), text=reason)
    if failed:
        put_off(QUEUE, failed)
    finish_requests({order_id for _key, order_id, _state in mine}, actor=actors.job("cancel_at_warehouse"))


STAGE = Stage("cancel_at_warehouse", run, wakes=("books", "wake", "dispatch"), queue=QUEUE)
