"""Virtual goods skip warehouse and carrier: a code is delivered to the buyer, who confirms the receipt."""

import secrets

from django.db import connection

from inventory import reserving
from logistics.models import VirtualDelivery
from oms.common.claiming import Queue, Stage, claim
from orders import actors, fulfilment, isolating, timeline
from orders.holding import ORDER_IS_HELD
from orders.models import SubOrder, SubOrderLine

QUEUE = Queue(
    SubOrder,
    "q.state = 'allocated' AND q.storage_class = 'virtual'",
    unless=f"q.cancel_requested_at IS NOT NULL OR {ORDER_IS_HELD}",
)


def run(limit: int) -> int:
    """Deliver up to `limit` virtual sub-orders; returns how many."""
    with connection.cursor() as cursor:
        # The order is locked before its sub-orders, so the first look takes no locks.
        cursor.execute(
            f"SELECT q.id, q.order_id FROM orders_suborder q WHERE {QUEUE.condition()} ORDER BY q.ready_at LIMIT %s",
            [limit],
        )
        ready = cursor.fetchall()
    return isolating.work_on("deliver_virtual", ready, _deliver)


def _deliver(sub_order_ids: list[int], order_ids: list[int]) -> int:
    mine = claim(QUEUE, len(sub_order_ids), only=sub_order_ids)
    if not mine:
        return 0
    with connection.cursor() as cursor:
        VirtualDelivery.objects.bulk_create(
            [
                VirtualDelivery(sub_order_id=key, kind=VirtualDelivery.Kind.ACTIVATION_CODE, content=_new_code())
                for key in mine
            ]
        )
        cursor.execute(
            """
            UPDATE orders_suborder SET state = 'delivered', shipped_at = now(), delivered_at = now(), ready_at = NULL
            WHERE id = ANY(%s)
            """,
            [mine],
        )
        cursor.execute(
            """
            UPDATE orders_order SET books_due = true WHERE id IN (
                SELECT order_id FROM orders_suborder WHERE id = ANY(%s) AND payment_method = 'cod')
            """,
            [mine],
        )
    lines = SubOrderLine.objects.filter(sub_order_id__in=mine).values_list("id", flat=True)
    reserving.consume(list(lines), actor="virtual delivery")
    timeline.record_of_sub_orders(
        mine, "virtual_delivered", actors.job("deliver_virtual"), to_state="delivered", is_public=True
    )
    fulfilment.refresh(order_ids)
    return len(mine)


def _new_code() -> str:
    """An activation code of 80 random bits, in groups that can be read out."""
    text = secrets.token_hex(10).upper()
    return "-".join(text[i : i + 5] for i in range(0, 20, 5))


STAGE = Stage("deliver_virtual", run, wakes=("complete", "books"), queue=QUEUE)
