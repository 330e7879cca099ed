"""Orders that were not paid in time are cancelled, after a last look at the money.

A provider that can be asked has to close their payments first: until then the buyer could still pay.
"""

from django.db import connection, transaction

from oms.common.models import FactState, Topic
from oms.common.work.claiming import Stage
from orders import actors
from orders.changing import cancelling
from orders.locking import lock_orders
from orders.models import Hold, Order, OrderState
from orders.telling import story
from payments.models import NoticeKind, PaymentState
from payments.owing import owed
from payments.taking import dropping, forfeiting

# A fact that is stored but not applied yet is money: the order stays until it is applied. What was applied and did not
# start the review was too little; it goes back, but for deposits whose terms say otherwise. That goods must come back
# for it first gives nobody more time to pay.
_UNPAID = f"""
    o.state = '{OrderState.AWAITING_PAYMENT}' AND o.pay_by < now()
    AND o.open_holds = (SELECT count(*) FROM orders_hold h WHERE o.open_holds > 0 AND h.order_id = o.id
        AND h.released_at IS NULL AND h.kind = '{Hold.Kind.EXCHANGE}')
    AND NOT EXISTS (
        SELECT FROM payments_payment p JOIN common_inboundfact f ON f.subject = p.number
        WHERE p.order_id = o.id AND f.topic = '{Topic.PAYMENT}' AND f.kind = '{NoticeKind.CAPTURED}'
          AND f.state = '{FactState.PENDING}')
    AND NOT EXISTS (
        SELECT FROM payments_payment p WHERE p.order_id = o.id AND p.state = '{PaymentState.CLOSING}')
"""


def run(limit: int) -> int:
    """Cancel up to `limit` orders whose deadline for payment is over, or have their payments closed first; returns how
    many."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT o.id FROM orders_order o WHERE {_UNPAID} ORDER BY o.pay_by LIMIT %s", [min(limit, 100)])
        locked = lock_orders([key for (key,) in cursor.fetchall()])
        dropping.close_overdue(locked)
        # Looked at once more under the lock: the money may have come in between, and some are being closed first.
        cursor.execute(f"SELECT o.id FROM orders_order o WHERE o.id = ANY(%s) AND {_UNPAID}", [locked])
        unpaid = [key for (key,) in cursor.fetchall()]
        paying = Order.objects.filter(pk__in=unpaid, paid_amount__gt=0).values_list("pk", flat=True)
        held = {order_id: owed.held(order_id) for order_id in paying}
        actor = actors.job("expire_unpaid")
        for order_id in unpaid:
            cancelling.cancel_order(order_id, reason=story.NOT_PAID_IN_TIME, actor=actor)
            if order_id in held:
                forfeiting.keep(order_id, held[order_id], actor=actor)
    return len(locked)


def backlog() -> str:
    """Orders whose deadline is over; those that were held meanwhile are due since the hold was released."""
    return f"""
        SELECT greatest(o.pay_by, (SELECT max(h.released_at) FROM orders_hold h WHERE h.order_id = o.id)) AS due,
            false AS needs_person
        FROM orders_order o WHERE {_UNPAID} ORDER BY o.pay_by
    """


STAGE = Stage("expire_unpaid", run, wakes=("owing",), backlog=backlog)
