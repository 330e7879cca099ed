"""Asking buyers for money, and sending it back: the stages that talk to payment providers.

An intent row comes first; its number is the key under which the provider knows it, so asking again after a time-out
has no second effect.
"""

from collections.abc import Callable, Sequence

from django.conf import settings
from django.db import connection, transaction

from oms.common.claiming import Queue, Stage, in_one_transaction, lease, lock_leased, put_off
from orders.models import Order
from payments import providers
from payments.models import Payment, Refund
from payments.providers import Answer, Charge

INTENT_QUEUE = Queue(Order, "q.state = 'awaiting_payment' AND q.payment_state = 'unpaid'")
PAYMENT_QUEUE = Queue(Payment, "q.state = 'intended'")
REFUND_QUEUE = Queue(Refund, "q.state = 'intended'")


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
        """
        WITH moved AS (
            UPDATE payments_payment SET state = 'pending', lease_until = NULL, attempts = 0, last_error = ''
            WHERE id = ANY(%s) RETURNING order_id, amount, provider, number
        )
        INSERT INTO orders_orderevent (order_id, kind, actor_kind, actor, data)
        SELECT order_id, 'payment_requested', 'job', 'payment',
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
        UPDATE payments_refund SET state = 'requested', lease_until = NULL, attempts = 0, last_error = ''
        WHERE id = ANY(%s)
        """,
    )


def _send(
    queue: Queue,
    limit: int,
    read: str,
    call: Callable[[str, Sequence[Charge]], dict[str, Answer]],
    finish: str,
) -> int:
    tokens = lease(queue, limit)
    if not tokens:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(read, [list(tokens)])
        by_provider: dict[str, dict[int, Charge]] = {}
        for key, provider, number, amount, of in cursor.fetchall():
            by_provider.setdefault(provider, {})[key] = Charge(number, amount, of)
    taken: list[int] = []
    errors: dict[int, str] = {}
    for provider, charges in by_provider.items():
        try:
            answers = call(provider, list(charges.values()))
        except Exception as error:
            # Unknown outcome: the same reference is asked again later, which the provider recognises.
            errors.update(dict.fromkeys(charges, f"{type(error).__name__}: {error}"))
            continue
        for key, charge in charges.items():
            answer = answers.get(charge.reference)
            if answer is not None and answer.taken:
                taken.append(key)
            else:
                errors[key] = answer.reason if answer else "no answer"
    with transaction.atomic(), connection.cursor() as cursor:
        mine = set(lock_leased(queue, tokens))
        cursor.execute(finish, [[key for key in taken if key in mine]])
        failed = {key: error for key, error in errors.items() if key in mine}
        if failed:
            put_off(queue, failed)
    return len(tokens)


INTEND_STAGE = Stage("request_payment", intend, wakes=("send_payment",), queue=INTENT_QUEUE)
REQUEST_STAGE = Stage("send_payment", request, queue=PAYMENT_QUEUE)
REFUND_STAGE = Stage("send_refund", refund, queue=REFUND_QUEUE)
