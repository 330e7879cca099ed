"""An order's books: what was paid and refunded, and the stage that puts right what is owed.

What should be ours is the payable amount of what was not cancelled. Captured money beyond it goes back; cash that a
carrier collected is booked; what marketplace merchants are owed for completed sub-orders is written down.
"""

from collections.abc import Iterable, Sequence

from django.conf import settings
from django.db import connection

from oms.common.work.claiming import Stage
from orders import isolating
from payments import kinds


def refresh(order_ids: Iterable[int]) -> None:
    """Derive `paid_amount`, `refunded_amount` and `payment_state` from payments and refunds. One statement.

    The orders must be locked. If more was paid than is owed, the order's books are marked due.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH sums AS (
                SELECT o.id, o.payable_amount, o.payment_method,
                    -- Nobody pays at the door for what was cancelled or refused.
                    o.payable_amount - CASE WHEN o.payment_method = 'cod' THEN (
                        SELECT coalesce(sum(payable_amount), 0) FROM orders_suborder s
                        WHERE s.order_id = o.id AND s.state IN ('cancelled', 'returned')) ELSE 0 END AS owed,
                    (SELECT coalesce(sum(captured_amount), 0) FROM payments_payment p WHERE p.order_id = o.id) AS paid,
                    (SELECT coalesce(sum(amount), 0) FROM payments_refund r
                     WHERE r.order_id = o.id AND r.state = 'succeeded') AS refunded,
                    EXISTS (SELECT FROM payments_payment p
                            WHERE p.order_id = o.id AND p.state IN ('intended', 'pending')) AS pending
                FROM orders_order o WHERE o.id = ANY(%s)
            ), derived AS (
                SELECT id, paid, refunded, CASE
                    WHEN payable_amount = 0 AND paid = 0 THEN 'nothing_due'
                    WHEN refunded > 0 THEN CASE WHEN refunded >= paid THEN 'refunded' ELSE 'partly_refunded' END
                    WHEN paid > 0 AND paid >= owed THEN 'paid'
                    WHEN paid > 0 THEN 'partly_paid'
                    WHEN payment_method = 'cod' THEN 'on_delivery'
                    WHEN pending THEN 'pending'
                    ELSE 'unpaid' END AS payment_state
                FROM sums
            )
            UPDATE orders_order o SET paid_amount = d.paid, refunded_amount = d.refunded,
                payment_state = d.payment_state,
                owed_changed_since = CASE
                    WHEN d.paid > o.payable_amount OR (d.paid > o.paid_amount AND o.state = 'cancelled')
                    THEN coalesce(o.owed_changed_since, now()) ELSE o.owed_changed_since END
            FROM derived d
            WHERE o.id = d.id
              AND (o.paid_amount, o.refunded_amount, o.payment_state) <> (d.paid, d.refunded, d.payment_state)
            """,
            [list(order_ids)],
        )


def run(limit: int) -> int:
    """Put right the books of up to `limit` orders that are marked due; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, id FROM orders_order WHERE owed_changed_since IS NOT NULL ORDER BY owed_changed_since LIMIT %s",
            [limit],
        )
        found = cursor.fetchall()
    return isolating.work_on("owing", found, lambda _keys, orders: _put_right(orders))


def backlog() -> str:
    """Orders whose books are due."""
    return """
        SELECT owed_changed_since AS due, needs_person_since IS NOT NULL AS needs_person
        FROM orders_order WHERE owed_changed_since IS NOT NULL ORDER BY owed_changed_since
    """


def _put_right(order_ids: Sequence[int]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE orders_order SET owed_changed_since = NULL WHERE id = ANY(%s) AND owed_changed_since IS NOT NULL"
            " RETURNING id",
            [list(order_ids)],
        )
        due = [key for (key,) in cursor.fetchall()]
    if due:
        _collect_cash(due)
        _expire_payments(due)
        _intend_refunds(due)
        _open_settlements(due)
        refresh(due)
    return len(due)


def _collect_cash(order_ids: Sequence[int]) -> None:
    """Cash on delivery: what the carrier took at the door is a captured payment, once a sub-order."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH collected AS (
                INSERT INTO payments_payment
                    (number, order_id, sub_order_id, provider, state, amount, captured_amount, captured_at)
                SELECT s.number || '-P', s.order_id, s.id, 'cash', 'captured', s.payable_amount, s.payable_amount,
                    s.delivered_at
                FROM orders_suborder s
                WHERE s.order_id = ANY(%s) AND s.payment_method = 'cod' AND s.state IN ('delivered', 'completed')
                  AND s.payable_amount > 0
                ON CONFLICT DO NOTHING
                RETURNING order_id, amount, number
            )
            INSERT INTO orders_orderevent (order_id, kind, actor_kind, actor, data)
            SELECT order_id, '{kinds.PAID}', 'carrier', 'cash',
                jsonb_build_object('amount', amount::text, 'provider', 'cash', 'number', number)
            FROM collected
            """,
            [list(order_ids)],
        )


def _expire_payments(order_ids: Sequence[int]) -> None:
    """A cancelled order asks its buyer for nothing more."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH expired AS (
                UPDATE payments_payment p SET state = 'expired', ready_at = NULL
                FROM orders_order o
                WHERE o.id = p.order_id AND o.id = ANY(%s) AND o.state = 'cancelled'
                  AND p.state IN ('intended', 'pending')
                RETURNING p.order_id, p.number, p.amount
            )
            INSERT INTO orders_orderevent (order_id, kind, actor_kind, actor, data)
            SELECT order_id, '{kinds.PAYMENT_EXPIRED}', 'job', 'owing',
                jsonb_build_object('number', number, 'amount', amount::text)
            FROM expired
            """,
            [list(order_ids)],
        )


def _intend_refunds(order_ids: Sequence[int]) -> None:
    """Captured money beyond what is owed goes back, payment by payment, the newest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH due AS (
                SELECT o.id, o.number, CASE WHEN o.state = 'cancelled' THEN 'cancelled' ELSE 'overpaid' END AS reason,
                    (SELECT coalesce(sum(captured_amount), 0) FROM payments_payment p WHERE p.order_id = o.id)
                    - CASE WHEN o.state = 'cancelled' THEN 0 ELSE o.payable_amount - (
                        SELECT coalesce(sum(payable_amount), 0) FROM orders_suborder s
                        WHERE s.order_id = o.id AND s.state IN ('cancelled', 'returned')) END
                    - (SELECT coalesce(sum(amount), 0) FROM payments_refund r WHERE r.order_id = o.id) AS amount
                FROM orders_order o WHERE o.id = ANY(%s)
            ), payment AS (
                SELECT p.id, p.order_id, p.captured_amount - coalesce(
                    (SELECT sum(amount) FROM payments_refund r WHERE r.payment_id = p.id), 0) AS open
                FROM payments_payment p WHERE p.order_id IN (SELECT id FROM due WHERE amount > 0)
                  AND p.state = 'captured'
            ), running AS (
                SELECT p.*, sum(open) OVER (PARTITION BY order_id ORDER BY id DESC) - open AS before
                FROM payment p WHERE open > 0
            ), intended AS (
                INSERT INTO payments_refund (number, order_id, payment_id, state, amount, reason)
                SELECT d.number || '-R' || (
                        (SELECT count(*) FROM payments_refund r WHERE r.order_id = d.id)
                        + row_number() OVER (PARTITION BY d.id ORDER BY r.id DESC)),
                    d.id, r.id, 'intended', least(r.open, d.amount - r.before), d.reason
                FROM running r JOIN due d ON d.id = r.order_id WHERE d.amount > r.before
                RETURNING order_id, number, amount, reason
            )
            INSERT INTO orders_orderevent (order_id, kind, actor_kind, actor, data)
            SELECT order_id, '{kinds.REFUND_INTENDED}', 'job', 'owing',
                jsonb_build_object('number', number, 'amount', amount::text, 'reason', reason)
            FROM intended
            """,
            [list(order_ids)],
        )


def _open_settlements(order_ids: Sequence[int]) -> None:
    """What a marketplace merchant is owed: the buyer's price with what vouchers paid, less commission.

    Coupons, points and gift cards are the platform's means of payment, so the merchant gets goods and freight whole.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH opened AS (
                INSERT INTO payments_settlement
                    (merchant_id, sub_order_id, state, gross_amount, commission_amount, net_amount, due_on)
                SELECT m.id, s.id, 'open', g.gross, round(g.gross * m.commission_rate, 2),
                    g.gross - round(g.gross * m.commission_rate, 2),
                    (s.completed_at AT TIME ZONE %s)::date + m.settlement_days::int
                FROM orders_suborder s
                JOIN merchants_merchant m ON m.id = s.merchant_id AND m.kind = 'marketplace'
                -- Money that the merchant took itself is not owed to it again.
                CROSS JOIN LATERAL (SELECT CASE WHEN EXISTS (
                        SELECT FROM payments_payment p
                        WHERE p.order_id = s.order_id AND p.provider = 'external' AND p.captured_amount > 0)
                    THEN 0 ELSE s.goods_amount + s.freight_share END AS gross) AS g
                WHERE s.order_id = ANY(%s) AND s.state = 'completed'
                ON CONFLICT DO NOTHING
                RETURNING sub_order_id, net_amount
            )
            INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, data)
            SELECT s.order_id, s.id, '{kinds.SETTLED}', 'job', 'owing',
                jsonb_build_object('number', s.number, 'net', o.net_amount::text)
            FROM opened o JOIN orders_suborder s ON s.id = o.sub_order_id
            """,
            [settings.TIME_ZONE, list(order_ids)],
        )


STAGE = Stage("owing", run, wakes=("send_refund",), backlog=backlog)
