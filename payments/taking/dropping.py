"""Payments that nobody wants any more."""

from collections.abc import Iterable

from django.db import connection

from oms.common.states import listed
from orders.models import ActorKind, OrderState
from payments import kinds
from payments.models import OPEN_PAYMENTS, PaymentState


def drop_needless(order_ids: Iterable[int]) -> None:
    """Ask no buyer for more money whose order was cancelled, or is paid. The orders must be locked.

    The provider may know the payment already: money that comes all the same is captured, and goes back.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH needless AS MATERIALIZED (
                SELECT p.id FROM payments_payment p JOIN orders_order o ON o.id = p.order_id
                WHERE o.id = ANY(%s) AND p.state IN ({listed(OPEN_PAYMENTS)})
                  AND (o.state = '{OrderState.CANCELLED}' OR o.paid_amount >= o.payable_amount)
                ORDER BY p.id FOR NO KEY UPDATE OF p
            ), dropped AS (
                UPDATE payments_payment p SET state = '{PaymentState.EXPIRED}', ready_at = NULL, lease_until = NULL,
                    needs_person_since = NULL
                FROM needless n WHERE p.id = n.id AND p.state IN ({listed(OPEN_PAYMENTS)})
                RETURNING p.order_id, p.number, p.amount
            )
            INSERT INTO orders_orderevent (order_id, kind, actor_kind, actor, data)
            SELECT order_id, '{kinds.PAYMENT_EXPIRED}', '{ActorKind.JOB}', 'owing',
                jsonb_build_object('number', number, 'amount', amount::text)
            FROM dropped
            """,
            [list(order_ids)],
        )
