"""Notices of payment providers: stored as they come, applied once, whatever their order.

Money that arrives for an order that was cancelled meanwhile is captured all the same; `payments.owing.balancing` then
finds that it is too much and sends it back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection

from oms.common.work import nudging
from oms.common.work.claiming import Stage
from orders import isolating
from orders import kinds as order_kinds
from payments import kinds
from payments.models import PaymentNotice
from payments.owing import balancing


@dataclass(frozen=True, slots=True)
class Notice:
    """What a provider says: `key` is its own for this notice, `reference` our payment's or refund's number.
    Amount in yuan."""

    key: str
    kind: PaymentNotice.Kind
    reference: str
    amount: Decimal
    occurred_at: datetime


def receive(provider: str, notices: Sequence[Notice]) -> None:
    """Store the notices; repeated ones are ignored."""
    PaymentNotice.objects.bulk_create(
        [
            PaymentNotice(
                provider=provider,
                notice_key=notice.key,
                kind=notice.kind,
                reference=notice.reference,
                amount=notice.amount,
                occurred_at=notice.occurred_at,
            )
            for notice in notices
        ],
        ignore_conflicts=True,
    )
    nudging.nudge("apply_notices")


_FRESH = """
    FROM payments_paymentnotice n
    LEFT JOIN payments_payment p ON p.number = n.reference
    LEFT JOIN payments_refund r ON r.number = n.reference
    WHERE n.applied_at IS NULL ORDER BY n.id
"""
_ORDER = "coalesce(p.order_id, r.order_id)"


def run(limit: int) -> int:
    """Apply up to `limit` stored notices; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT n.id, {_ORDER} {_FRESH} LIMIT %s", [limit])
        found = cursor.fetchall()
    return isolating.work_on("apply_notices", found, _apply_fresh)


def backlog() -> str:
    """Notices that are not applied yet."""
    return f"SELECT n.received_at AS due, {isolating.needs_person(_ORDER)} AS needs_person {_FRESH}"


def _apply_fresh(notice_ids: list[int], order_ids: list[int]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id FROM payments_paymentnotice WHERE id = ANY(%s) AND applied_at IS NULL
            ORDER BY id FOR UPDATE SKIP LOCKED
            """,
            [notice_ids],
        )
        fresh = [key for (key,) in cursor.fetchall()]
    _lock(fresh)
    _apply(fresh)
    _show_repeated(fresh)
    balancing.refresh(order_ids)
    _start_review(order_ids)
    return len(fresh)


def _lock(notice_ids: Sequence[int]) -> None:
    """Lock the payments and then the refunds that the notices name, by id, as the stages that send them do."""
    with connection.cursor() as cursor:
        for table in ("payments_payment", "payments_refund"):
            cursor.execute(
                f"""
                SELECT id FROM {table} WHERE number IN (SELECT reference FROM payments_paymentnotice WHERE id = ANY(%s))
                ORDER BY id FOR NO KEY UPDATE
                """,
                [list(notice_ids)],
            )


def apply_to_order(order_id: int, notice_key: str) -> None:
    """Apply a notice about a locked order at once, instead of when the stage comes to it. Needs an open transaction."""
    notices = PaymentNotice.objects.filter(notice_key=notice_key, applied_at=None).values_list("id", flat=True)
    _apply_fresh(list(notices), [order_id])


def _apply(notice_ids: Sequence[int]) -> None:
    """Move payments and refunds as the notices say, tell the timeline, and mark the notices."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH notice AS MATERIALIZED (
                SELECT DISTINCT ON (reference, kind) * FROM payments_paymentnotice
                WHERE id = ANY(%(ids)s) ORDER BY reference, kind, id
            ), captured AS (
                UPDATE payments_payment p SET state = 'captured', captured_amount = n.amount,
                    captured_at = n.occurred_at, lease_until = NULL
                FROM notice n WHERE n.kind = 'captured' AND p.number = n.reference AND p.state <> 'captured'
                RETURNING n.id AS notice_id, p.order_id, p.number, n.amount, n.provider, '{kinds.PAID}' AS kind
            ), failed AS (
                UPDATE payments_payment p SET state = 'failed', lease_until = NULL
                FROM notice n WHERE n.kind = 'failed' AND p.number = n.reference AND p.state IN ('intended', 'pending')
                  AND NOT EXISTS (SELECT FROM notice c WHERE c.reference = n.reference AND c.kind = 'captured')
                RETURNING n.id, p.order_id, p.number, n.amount, n.provider, '{kinds.PAYMENT_FAILED}'
            ), refunded AS (
                UPDATE payments_refund r SET state = 'succeeded', succeeded_at = n.occurred_at, lease_until = NULL,
                    needs_person_since = NULL
                FROM notice n WHERE n.kind = 'refunded' AND r.number = n.reference AND r.state <> 'succeeded'
                RETURNING n.id, r.order_id, r.number, n.amount, n.provider, '{kinds.REFUNDED}'
            ), refund_failed AS (
                UPDATE payments_refund r SET state = 'failed', lease_until = NULL, needs_person_since = now()
                FROM notice n WHERE n.kind = 'refund_failed' AND r.number = n.reference
                  AND r.state IN ('intended', 'requested')
                  AND NOT EXISTS (SELECT FROM notice c WHERE c.reference = n.reference AND c.kind = 'refunded')
                RETURNING n.id, r.order_id, r.number, n.amount, n.provider, '{kinds.REFUND_FAILED}'
            ), effect AS (
                SELECT * FROM captured UNION ALL SELECT * FROM failed
                UNION ALL SELECT * FROM refunded UNION ALL SELECT * FROM refund_failed
            ), told AS (
                INSERT INTO orders_orderevent (order_id, kind, actor_kind, actor, data, is_public)
                SELECT order_id, kind, 'provider', provider,
                    jsonb_build_object('amount', amount::text, 'provider', provider, 'number', number),
                    kind IN ('paid', 'refunded')
                FROM effect
            )
            UPDATE payments_paymentnotice n SET applied_at = now(), outcome = CASE
                WHEN n.id IN (SELECT notice_id FROM effect) THEN 'applied'
                WHEN EXISTS (SELECT FROM payments_payment p WHERE p.number = n.reference)
                  OR EXISTS (SELECT FROM payments_refund r WHERE r.number = n.reference) THEN 'no_effect'
                ELSE 'unknown_reference' END
            WHERE n.id = ANY(%(ids)s)
            """,
            {"ids": list(notice_ids)},
        )


def _show_repeated(notice_ids: Sequence[int]) -> None:
    """A payment captured under a second key is more money, or the same money told twice: a person must find out."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH again AS (
                SELECT n.* FROM payments_paymentnotice n
                WHERE n.id = ANY(%s) AND n.kind = 'captured' AND EXISTS (
                    SELECT FROM payments_paymentnotice b
                    WHERE b.reference = n.reference AND b.kind = 'captured' AND b.id < n.id)
            ), shown AS (
                UPDATE payments_payment p SET needs_person_since = coalesce(needs_person_since, now()),
                    last_error = 'captured more than once'
                WHERE p.number IN (SELECT reference FROM again)
            )
            INSERT INTO orders_orderevent (order_id, kind, actor_kind, actor, data)
            SELECT p.order_id, '{kinds.CAPTURED_TWICE}', 'provider', a.provider,
                jsonb_build_object('amount', a.amount::text, 'provider', a.provider, 'number', p.number,
                    'notice', a.notice_key)
            FROM again a JOIN payments_payment p ON p.number = a.reference ORDER BY a.id
            """,
            [list(notice_ids)],
        )


def _start_review(order_ids: Sequence[int]) -> None:
    """Orders whose money is all there go on; the orders are locked."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH moved AS (
                UPDATE orders_order SET state = 'in_review', paid_at = now(), ready_at = now(), pay_by = NULL,
                    attempts = 0, last_error = '', needs_person_since = NULL
                WHERE id = ANY(%s) AND state = 'awaiting_payment' AND paid_amount >= payable_amount
                RETURNING id
            )
            INSERT INTO orders_orderevent (order_id, kind, actor_kind, actor, from_state, to_state)
            SELECT id, '{order_kinds.REVIEW_STARTED}', 'job', 'payment', 'awaiting_payment', 'in_review' FROM moved
            """,
            [list(order_ids)],
        )


STAGE = Stage("apply_notices", run, wakes=("review", "owing"), backlog=backlog)
