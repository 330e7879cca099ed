"""Asking buyers for money, and sending it back: the stages that talk to payment providers.

An intent row comes first; its number is the key under which the provider knows it, so asking again after a time-out
has no second effect. Each provider's connection is served for itself.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models.functions import Coalesce
from django.utils import timezone

from oms.common import tickets
from oms.common.models import Connection
from oms.common.tickets import Trouble
from oms.common.work.calling import Call, Outcomes, outside_stage
from oms.common.work.claiming import Queue, Stage, in_one_transaction, put_off
from orders.locking import lock_orders_of
from orders.models import ActorKind, Order, OrderPaymentState, OrderState
from payments import kinds, providers, troubles
from payments.ledger import posting
from payments.models import Means, Payment, PaymentState, Refund, RefundState
from payments.owing.owed import NEXT_PART
from payments.providers import ANSWERING, Answer, Charge, defaults

INTENT_QUEUE = Queue(
    Order,
    f"q.state = '{OrderState.AWAITING_PAYMENT}' AND q.payment_state = '{OrderPaymentState.UNPAID}'"
    " AND q.collected_at IS NULL",
    # What is not paid in time is cancelled; nobody is asked anew. What has no price yet waits for that.
    unless="coalesce(q.pay_by < now(), false) OR q.open_holds > 0"
    " AND EXISTS (SELECT FROM orders_matchwait w WHERE w.order_id = q.id AND w.is_unpriced)",
)
PAYMENT_QUEUE = Queue(Payment, f"q.state = '{PaymentState.INTENDED}'")
REFUND_QUEUE = Queue(Refund, f"q.state = '{RefundState.INTENDED}'")
# Bank transfers take up to a few working days; after that somebody must ask.
REFUND_SILENCE = timedelta(days=5)
# Providers are asked what became of it, where they told nothing, after so long for the first time.
FIRST_QUESTION_SECONDS = {"payment": 30, "refund": 15}


def intend(limit: int) -> int:
    """Write the payment intents of up to `limit` unpaid orders; returns how many."""
    return in_one_transaction(INTENT_QUEUE, limit, _intend)


def _intend(order_ids: list[int]) -> None:
    with connection.cursor() as cursor:
        write_intents(cursor, order_ids)
        cursor.execute(
            f"UPDATE orders_order SET payment_state = '{OrderPaymentState.PENDING}' WHERE id = ANY(%s)", [order_ids]
        )


def write_intents(cursor: CursorWrapper, order_ids: Sequence[int]) -> None:
    """Write a payment intent for what is to be paid now of each of these orders, which must be locked."""
    cursor.execute(
        f"""
        INSERT INTO payments_payment (number, order_id, means, connection_id, state, amount, ready_at)
        SELECT o.number || '-P' || (SELECT count(*) + 1 FROM payments_payment p WHERE p.order_id = o.id),
            o.id, '{Means.ONLINE}',
            {defaults.connection_of("o", "taken.turns[1 + o.id %% cardinality(taken.turns)]")},
            '{PaymentState.INTENDED}',
            coalesce(n.until_then, o.payable_amount) - o.paid_amount, greatest(n.opens_at, now())
        FROM orders_order o CROSS JOIN (SELECT %(connections)s::bigint[] AS turns) AS taken
        LEFT JOIN LATERAL ({NEXT_PART}) AS n ON true
        WHERE o.id = ANY(%(ids)s)
        """,
        {"ids": list(order_ids), "connections": defaults.connections_of_new_orders()},
    )


# When a provider is asked for the first time what became of something; never where it cannot be asked. SQL on the
# connection's alias `c`.
_FIRST_QUESTION = "CASE WHEN c.protocol = ANY(%(answering)s) THEN now() + make_interval(secs => %(first_{kind})s) END"
_QUESTION_VALUES: dict[str, Any] = {
    "answering": list(ANSWERING),
    **{f"first_{kind}": seconds for kind, seconds in FIRST_QUESTION_SECONDS.items()},
}

# --- Payments


def _payment_charges(keys: Sequence[int]) -> dict[int, Charge]:
    rows = Payment.objects.filter(pk__in=keys).order_by()
    pay_by = Coalesce("change_set__pay_by", "order__pay_by")
    return {
        key: Charge(number, amount, order=order, expires_at=until)
        for key, number, amount, order, until in rows.values_list("pk", "number", "amount", "order__number", pay_by)
    }


def charge_of(payment_id: int) -> Charge:
    """What the provider is asked for by the payment."""
    return _payment_charges([payment_id])[payment_id]


def _ask_for_payments(link: Connection, charges: Sequence[Charge]) -> dict[str, Answer]:
    return providers.get(link.protocol).request(charges, link)


def _note_payments(outcomes: Outcomes[Answer]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH moved AS (
                UPDATE payments_payment p SET state = '{PaymentState.PENDING}', lease_until = NULL, attempts = 0,
                    last_error = '', pay_code = t.code, ready_at = {_FIRST_QUESTION.format(kind="payment")}
                FROM unnest(%(ids)s::bigint[], %(codes)s::text[]) AS t(id, code), common_connection c
                WHERE p.id = t.id AND c.id = p.connection_id
                RETURNING p.order_id, p.amount, p.connection_id, p.number
            )
            INSERT INTO orders_orderevent (order_id, kind, actor_kind, actor, data)
            SELECT m.order_id, '{kinds.PAYMENT_REQUESTED}', '{ActorKind.JOB}', 'payment',
                jsonb_build_object('amount', m.amount::text, 'provider', c.code, 'number', m.number)
            FROM moved m JOIN common_connection c ON c.id = m.connection_id
            """,
            {
                "ids": list(outcomes.taken),
                "codes": [answer.code for answer in outcomes.taken.values()],
                **_QUESTION_VALUES,
            },
        )
    if outcomes.refused:
        put_off(PAYMENT_QUEUE, outcomes.reasons())


# --- Refunds


def _refund_charges(keys: Sequence[int]) -> dict[int, Charge]:
    rows = Refund.objects.filter(pk__in=keys).order_by().select_related("payment__doubles", "order")
    of_payment = ("number", "transaction_number", "captured_amount", "doubles__number")
    rows = rows.only("number", "amount", "order__number", *(f"payment__{name}" for name in of_payment))
    return {row.pk: _refund_charge(row) for row in rows}


def _refund_charge(refund: Refund) -> Charge:
    of, transaction = refund.payment.at_provider
    of_amount, order = refund.payment.captured_amount, refund.order.number
    return Charge(refund.number, refund.amount, of, of_amount, order=order, transaction=transaction)


def _ask_for_refunds(link: Connection, charges: Sequence[Charge]) -> dict[str, Answer]:
    return providers.get(link.protocol).refund(charges, link)


def _lock_orders(keys: Iterable[int]) -> None:
    """The orders of the refunds, before the refunds: the ledger books by order."""
    lock_orders_of(Refund.objects.filter(pk__in=keys))


def _note_refunds(outcomes: Outcomes[Answer]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE payments_refund r SET state = '{RefundState.REQUESTED}', lease_until = NULL, attempts = 0,
                last_error = '', requested_at = now(), ready_at = {_FIRST_QUESTION.format(kind="refund")}
            FROM common_connection c WHERE c.id = r.connection_id AND r.id = ANY(%(ids)s)
            RETURNING r.order_id
            """,
            {"ids": list(outcomes.taken), **_QUESTION_VALUES},
        )
        sent = sorted({order_id for (order_id,) in cursor.fetchall()})
    posting.post_missing(sent)
    if outcomes.refused:
        put_off(REFUND_QUEUE, outcomes.reasons())


# --- Refunds of which the provider says nothing

_SILENT = f"""
    FROM payments_refund
    WHERE state = '{RefundState.REQUESTED}' AND needs_person_since IS NULL
      AND requested_at < now() - make_interval(secs => {REFUND_SILENCE.total_seconds()})
    ORDER BY requested_at
"""


_OVERDUE = f"""
    FROM payments_refund r WHERE r.state <> '{RefundState.SUCCEEDED}' AND r.due_at < now() AND NOT EXISTS (
        SELECT FROM common_ticket t WHERE t.kind = '{troubles.REFUND_OVERDUE.code}'
          AND t.subject_kind = '{troubles.REFUND}' AND t.subject_id = r.id)
    ORDER BY r.due_at
"""


@transaction.atomic
def chase(limit: int) -> int:
    """Call a person for up to `limit` refunds of which their provider said nothing for long, and as many that the buyer
    should have by now; returns how many."""
    return _chase_silent(limit) + _chase_overdue(limit)


def _chase_overdue(limit: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT r.id, r.order_id, r.number, r.amount::text, r.due_at {_OVERDUE}"
            " LIMIT %s FOR NO KEY UPDATE OF r SKIP LOCKED",
            [limit],
        )
        found = [
            Trouble(
                key, "", {"number": number, "expected": amount, "due": timezone.localdate(due).isoformat()}, order_id
            )
            for key, order_id, number, amount, due in cursor.fetchall()
        ]
    tickets.open_tickets(troubles.REFUND_OVERDUE, found, opened_by="chase_refunds")
    return len(found)


def _chase_silent(limit: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE payments_refund r SET needs_person_since = now()
            FROM payments_payment p LEFT JOIN common_connection c ON c.id = p.connection_id
            WHERE p.id = r.payment_id
              AND r.id IN (SELECT id {_SILENT} LIMIT %s FOR NO KEY UPDATE SKIP LOCKED)
            RETURNING r.id, r.order_id, r.number, r.amount::text, coalesce(c.code, p.means)
            """,
            [limit],
        )
        found = [
            Trouble(key, values={"number": number, "expected": amount, "provider": provider}, about_id=order_id)
            for key, order_id, number, amount, provider in cursor.fetchall()
        ]
    tickets.open_tickets(troubles.REFUND_SILENT, found, opened_by="chase_refunds")
    return len(found)


def chase_backlog() -> str:
    """Refunds of which nothing was heard for too long, and those that take too long."""
    wait = f"make_interval(secs => {REFUND_SILENCE.total_seconds()})"
    return f"""
        SELECT * FROM (SELECT requested_at + {wait} AS due, false AS needs_person {_SILENT}) AS silent
        UNION ALL SELECT * FROM (SELECT r.due_at AS due, false AS needs_person {_OVERDUE}) AS overdue
    """


INTEND_STAGE = Stage("request_payment", intend, wakes=("send_payment",), queue=INTENT_QUEUE)
REQUEST_STAGE = outside_stage("send_payment", Call(PAYMENT_QUEUE, _payment_charges, _ask_for_payments, _note_payments))
REFUND_STAGE = outside_stage(
    "send_refund", Call(REFUND_QUEUE, _refund_charges, _ask_for_refunds, _note_refunds, lock_above=_lock_orders)
)
CHASE_STAGE = Stage("chase_refunds", chase, backlog=chase_backlog)

request = REQUEST_STAGE.run
refund = REFUND_STAGE.run
