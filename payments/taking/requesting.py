"""Asking buyers for money, and sending it back: the stages that talk to payment providers.

An intent row comes first; its number is the key under which the provider knows it, so asking again after a time-out
has no second effect.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import connection

from oms.common.work.calling import Outcomes, under_lease
from oms.common.work.claiming import Queue, Stage, in_one_transaction, put_off
from orders.models import Order
from payments import kinds, providers
from payments.models import Payment, Refund
from payments.providers import Answer, Charge

INTENT_QUEUE = Queue(Order, "q.state = 'awaiting_payment' AND q.payment_state = 'unpaid'")
PAYMENT_QUEUE = Queue(Payment, "q.state = 'intended'")
REFUND_QUEUE = Queue(Refund, "q.state = 'intended'")
# Bank transfers take up to a few working days; after that somebody must ask.
REFUND_SILENCE = timedelta(days=5)


def intend(limit: int) -> int:
    """Write the payment intents of up to `limit` unpaid orders; returns how many."""
    return in_one_transaction(INTENT_QUEUE, limit, _intend)


def _intend(order_ids: list[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH intended AS (
                INSERT INTO payments_payment (number, order_id, provider, state, amount)
                SELECT o.number || '-P' || (SELECT count(*) + 1 FROM payments_payment p WHERE p.order_id = o.id),
                    o.id, %(provider)s, 'intended', o.payable_amount - o.paid_amount
                FROM orders_order o WHERE o.id = ANY(%(ids)s)
                RETURNING order_id
            )
            UPDATE orders_order SET payment_state = 'pending' WHERE id IN (SELECT order_id FROM intended)
            """,
            {"ids": order_ids, "provider": settings.PAYMENT_ADAPTER},
        )


def request(limit: int) -> int:
    """Send up to `limit` payment intents to their providers; returns how many were claimed."""
    return _send(
        PAYMENT_QUEUE,
        limit,
        "SELECT id, provider, number, amount, '' FROM payments_payment WHERE id = ANY(%s)",
        lambda provider, charges: providers.get(provider).request(charges),
        f"""
        WITH moved AS (
            UPDATE payments_payment SET state = 'pending', lease_until = NULL, attempts = 0, last_error = ''
            WHERE id = ANY(%s) RETURNING order_id, amount, provider, number
        )
        INSERT INTO orders_orderevent (order_id, kind, actor_kind, actor, data)
        SELECT order_id, '{kinds.PAYMENT_REQUESTED}', 'job', 'payment',
            jsonb_build_object('amount', amount::text, 'provider', provider, 'number', number)
        FROM moved
        """,
    )


def refund(limit: int) -> int:
    """Send up to `limit` refund intents to the providers of their payments; returns how many were claimed."""
    return _send(
        REFUND_QUEUE,
        limit,
        """
        SELECT r.id, p.provider, r.number, r.amount, p.number
        FROM payments_refund r JOIN payments_payment p ON p.id = r.payment_id WHERE r.id = ANY(%s)
        """,
        lambda provider, charges: providers.get(provider).refund(charges),
        """
        UPDATE payments_refund SET state = 'requested', lease_until = NULL, attempts = 0, last_error = '',
            ready_at = now()
        WHERE id = ANY(%s)
        """,
    )


_SILENT = f"""
    FROM payments_refund
    WHERE state = 'requested' AND needs_person_since IS NULL
      AND ready_at < now() - make_interval(secs => {REFUND_SILENCE.total_seconds()})
    ORDER BY ready_at
"""


def chase(limit: int) -> int:
    """Show up to `limit` refunds of which their provider said nothing for long to a person; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE payments_refund SET needs_person_since = now(), last_error = 'no word from the provider'
            WHERE id IN (SELECT id {_SILENT} LIMIT %s FOR NO KEY UPDATE SKIP LOCKED)
            """,
            [limit],
        )
        return cursor.rowcount


def chase_backlog() -> str:
    """Refunds of which nothing was heard for too long."""
    wait = f"make_interval(secs => {REFUND_SILENCE.total_seconds()})"
    return f"SELECT ready_at + {wait} AS due, false AS needs_person {_SILENT}"


def _send(
    queue: Queue,
    limit: int,
    read: str,
    call: Callable[[str, Sequence[Charge]], dict[str, Answer]],
    finish: str,
) -> int:
    def ask(ids: list[int]) -> Outcomes[Answer]:
        with connection.cursor() as cursor:
            cursor.execute(read, [ids])
            by_provider: dict[str, dict[int, Charge]] = {}
            for key, provider, number, amount, of in cursor.fetchall():
                by_provider.setdefault(provider, {})[key] = Charge(number, amount, of)
        outcomes = Outcomes[Answer]()
        for provider, charges in by_provider.items():
            references = {key: charge.reference for key, charge in charges.items()}
            outcomes.ask(references, partial(call, provider, list(charges.values())))
        return outcomes

    def write(outcomes: Outcomes[Answer]) -> None:
        with connection.cursor() as cursor:
            cursor.execute(finish, [list(outcomes.taken)])
        if outcomes.refused:
            put_off(queue, outcomes.reasons())

    return under_lease(queue, limit, ask, write)


INTEND_STAGE = Stage("request_payment", intend, wakes=("send_payment",), queue=INTENT_QUEUE)
REQUEST_STAGE = Stage("send_payment", request, queue=PAYMENT_QUEUE)
REFUND_STAGE = Stage("send_refund", refund, queue=REFUND_QUEUE)
CHASE_STAGE = Stage("chase_refunds", chase, backlog=chase_backlog)
