"""Stages that work on what belongs to orders: the orders are locked first, and one that fails stops no other."""

import logging
from collections.abc import Callable, Sequence

from django.db import connection, transaction

from oms.common.copying import array
from oms.common.masking import describe
from orders.locking import lock_orders

logger = logging.getLogger(__name__)

# Does the work on rows (their ids) of orders that are locked (their ids); returns how many rows were done.
Work = Callable[[list[int], list[int]], int]


def work_on(stage: str, found: Sequence[tuple[int, int | None]], work: Work) -> int:
    """Do the work on rows, found as (id, order id), in one transaction; returns how many were done.

    Orders that others hold are skipped. If the work fails, it is done order by order: one that fails alone is shown to
    a person, keeps its rows, and is tried apart from the others from then on, until it succeeds. The work must look at
    its rows again, since they were found before their orders were locked.
    """
    if not found:
        return 0
    suspects = _suspects({order_id for _key, order_id in found if order_id})
    trusted = [row for row in found if row[1] not in suspects]
    done = 0
    try:
        done += _do(trusted, work)
    except Exception:
        # Which order is at fault shows below; nothing of the batch was written.
        logger.exception("a batch of stage %s failed; it is done order by order", stage)
        suspects |= {order_id for _key, order_id in trusted}
    for order_id in sorted(suspects, key=lambda key: key or 0):
        try:
            done += _do([row for row in found if row[1] == order_id], work)
        except Exception as error:
            # Recorded on the order, where staff see it.
            _call_a_person(stage, order_id, error)
        else:
            _send_the_person_away(stage, order_id)
    return done


def _do(rows: Sequence[tuple[int, int | None]], work: Work) -> int:
    if not rows:
        return 0
    with transaction.atomic():
        locked = lock_orders({order_id for _key, order_id in rows if order_id})
        mine = {None, *locked}
        keys = [key for key, order_id in rows if order_id in mine]
        return work(keys, locked) if keys else 0


def needs_person(order_id: str) -> str:
    """The SQL condition that the order is shown to a person; `order_id` is the SQL expression of its id. For the
    `backlog` of stages that work with `work_on`: they try such an order's rows, too, but nobody waits for it."""
    return (
        f"EXISTS (SELECT FROM orders_order shown WHERE shown.id = {order_id} AND shown.needs_person_since IS NOT NULL)"
    )


def _suspects(order_ids: set[int]) -> set[int | None]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM orders_order WHERE id = ANY(%s::bigint[]) AND needs_person_since IS NOT NULL",
            [array(order_ids)],
        )
        return {key for (key,) in cursor.fetchall()}


def _call_a_person(stage: str, order_id: int | None, error: Exception) -> None:
    logger.warning("stage %s failed for order %s: %s", stage, order_id, error)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE orders_order SET needs_person_since = coalesce(needs_person_since, now()), last_error = %s"
            " WHERE id = %s",
            [f"{stage}: {describe(error)}", order_id],
        )


def _send_the_person_away(stage: str, order_id: int | None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE orders_order SET needs_person_since = NULL, last_error = ''"
            " WHERE id = %s AND needs_person_since IS NOT NULL AND starts_with(last_error, %s)",
            [order_id, f"{stage}: "],
        )
