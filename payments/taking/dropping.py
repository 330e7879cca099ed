"""Payments that nobody wants any more."""

from collections.abc import Iterable

from django.db import connection

from oms.common.states import listed
from oms.common.work import nudging
from orders.models import ActorKind, ChangeSetState, OrderState
from payments import kinds
from payments.models import OPEN_PAYMENTS, PaymentState
from payments.providers import ANSWERING


def drop_needless(order_ids: Iterable[int]) -> None:
    """Ask no buyer for more money whose order was cancelled, or is paid and waits for no balance of a change. The
    orders must be locked.

    The provider may know the payment already: it is asked to close it where it can be, and money that comes all the
    same is captured, and goes back.
    """
    of_change = f"""EXISTS (SELECT FROM orders_changeset w
        WHERE w.id = p.change_set_id AND w.state = '{ChangeSetState.AWAITING_BALANCE}')"""
    # What a change was to cost is wanted no longer than the change, whatever else of the order is paid.
    is_needless = f"(p.change_set_id IS NOT NULL OR o.paid_amount >= o.payable_amount) AND NOT {of_change}"
    _drop(order_ids, f"(o.state = '{OrderState.CANCELLED}' OR {is_needless})", actor="owing")


def close_overdue(order_ids: Iterable[int]) -> None:
    """Have their providers close the open payments of locked orders that were not paid in time. What no provider can
    be asked about stays open."""
    _drop(order_ids, f"o.state = '{OrderState.AWAITING_PAYMENT}' AND {_CAN_BE_ASKED}", actor="expire_unpaid")


def give_up(order_ids: Iterable[int]) -> None:
    """Ask the buyers of locked orders no more by what is open: they chose another way."""
    _drop(order_ids, "true", actor="payment")


_CAN_BE_ASKED = "coalesce(c.protocol = ANY(%(answering)s), false)"


def _drop(order_ids: Iterable[int], condition: str, *, actor: str) -> None:
    """Give up the open payments of locked orders for which the condition (SQL on the order `o`, the payment's
    connection `c`) holds, or begin to."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH needless AS MATERIALIZED (
                SELECT p.id, {_CAN_BE_ASKED} AS can_be_asked
                FROM payments_payment p JOIN orders_order o ON o.id = p.order_id
                LEFT JOIN common_connection c ON c.id = p.connection_id
                WHERE o.id = ANY(%(ids)s) AND p.state IN ({listed(OPEN_PAYMENTS)}) AND {condition}
                ORDER BY p.id FOR NO KEY UPDATE OF p
            ), dropped AS (
                UPDATE payments_payment p SET lease_until = NULL, needs_person_since = NULL, attempts = 0,
                    state = CASE WHEN n.can_be_asked THEN '{PaymentState.CLOSING}' ELSE '{PaymentState.EXPIRED}' END,
                    ready_at = CASE WHEN n.can_be_asked THEN now() END
                FROM needless n WHERE p.id = n.id AND p.state IN ({listed(OPEN_PAYMENTS)})
                RETURNING p.order_id, p.number, p.amount
            )
            INSERT INTO orders_orderevent (order_id, kind, actor_kind, actor, data)
            SELECT order_id, '{kinds.PAYMENT_EXPIRED}', '{ActorKind.JOB}', %(actor)s,
                jsonb_build_object('number', number, 'amount', amount::text)
            FROM dropped
            """,
            {"ids": list(order_ids), "answering": list(ANSWERING), "actor": actor},
        )
        if cursor.rowcount:
            nudging.nudge("close_payments")
