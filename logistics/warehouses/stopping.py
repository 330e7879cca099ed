"""Asking warehouses to stop what they have: the stage behind a cancellation after release."""

from collections.abc import Collection

from django.conf import settings
from django.db import connection

from logistics import adapters, kinds
from logistics.watching import alerts
from oms.common.work.calling import Outcomes, under_lease
from oms.common.work.claiming import Queue, Stage
from orders import actors, timeline
from orders.actors import Actor
from orders.changing.cancelling import cancel_sub_orders, finish_requests
from orders.models import ActorKind, Order, SubOrder
from orders.models.sub_order import BEFORE_RELEASE, IN_WAREHOUSE, UNALLOCATED_STATES

QUEUE = Queue(SubOrder, "q.cancel_requested_at IS NOT NULL")


def run(limit: int) -> int:
    """Ask for up to `limit` sub-orders; returns how many were claimed."""
    return under_lease(QUEUE, limit, _ask, _finish, lock_above=_lock_orders_of)


def _ask(sub_order_ids: list[int]) -> Outcomes[adapters.Answer]:
    numbers = dict(SubOrder.objects.filter(pk__in=sub_order_ids).values_list("pk", "number"))
    outcomes = Outcomes[adapters.Answer]()
    outcomes.ask(numbers, lambda: adapters.warehouse(settings.WAREHOUSE_ADAPTER).cancel(list(numbers.values())))
    return outcomes


def _lock_orders_of(sub_order_ids: Collection[int]) -> None:
    """Lock the orders by id; waiting, because every request ends here and what waits for an order is short."""
    ids = SubOrder.objects.filter(pk__in=sub_order_ids).values("order_id")
    list(Order.objects.filter(pk__in=ids).order_by("pk").select_for_update(no_key=True).values_list("pk"))


def _finish(outcomes: Outcomes[adapters.Answer]) -> None:
    """End what was stopped, let the rest go on. The sub-orders and their orders are locked."""
    answers = outcomes.taken | outcomes.refused
    granted, refused = [], []
    rows = SubOrder.objects.filter(pk__in=[*answers, *outcomes.unknown]).order_by("pk")
    orders = {}
    for key, order_id, state in rows.values_list("pk", "order_id", "state"):
        orders[key] = order_id
        if state in UNALLOCATED_STATES or (key in outcomes.taken and state in (*BEFORE_RELEASE, *IN_WAREHOUSE)):
            granted.append(key)
            outcomes.unknown.pop(key, None)
        elif key in answers:
            refused.append((key, answers[key].reason))
    cancel_sub_orders(granted, actor=Actor(ActorKind.WAREHOUSE, "warehouse"))
    alerts.close_for_sub_orders(granted)
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
        timeline.record_of_sub_orders([key], kinds.CANCEL_REFUSED, Actor(ActorKind.WAREHOUSE, "warehouse"), text=reason)
    finish_requests(set(orders.values()), actor=actors.job("cancel_at_warehouse"))


STAGE = Stage("cancel_at_warehouse", run, wakes=("owing", "wake", "dispatch"), queue=QUEUE)
