"""What must always hold of gift cards, points and instalments."""

from oms.common.invariants import Invariant
from orders.models import OrderState
from orders.models.charge import ChargeComponent
from payments.ledger.chart import Code
from payments.models import AdjustmentState, BalanceKind, MovementKind

_K = MovementKind

INVARIANTS = (
    Invariant(
        "balances_are_the_sum_of_their_movements",
        "What is available and held of a balance, and still to be taken back, is the sum of its movements, and what the"
        " last of them left.",
        """
        SELECT a.number, a.available, a.held, a.short, m.available AS moved, m.held AS moved_held
        FROM payments_balanceaccount a
        LEFT JOIN (SELECT account_id, sum(available_change) AS available, sum(held_change) AS held,
                       sum(short_change) AS short FROM payments_balancemovement GROUP BY account_id) m
          ON m.account_id = a.id
        LEFT JOIN LATERAL (SELECT l.available_after, l.held_after, l.short_after FROM payments_balancemovement l
                           WHERE l.account_id = a.id ORDER BY l.id DESC LIMIT 1) AS l ON true
        WHERE (a.available, a.held, a.short)
                <> (coalesce(m.available, 0), coalesce(m.held, 0), coalesce(m.short, 0))
           OR (a.available, a.held, a.short)
                <> (coalesce(l.available_after, 0), coalesce(l.held_after, 0), coalesce(l.short_after, 0))
        """,
    ),
    Invariant(
        "balances_are_owed_in_the_ledger",
        "What the ledger owes for a gift card or a member's points is what is available and held, or books are due.",
        f"""
        SELECT a.number, a.available + a.held AS fen, coalesce(b.fen, 0) AS booked FROM payments_balanceaccount a
        LEFT JOIN (SELECT party, sum(credit_fen - debit_fen) AS fen FROM payments_ledgerline
                   WHERE account_id IN ('{Code.GIFT_CARDS}', '{Code.POINTS}') GROUP BY party) b
          ON b.party = 'balance:' || a.id
        WHERE a.available + a.held <> coalesce(b.fen, 0)
        """,
    ),
    Invariant(
        "tenders_are_what_orders_say",
        "The gift cards of ours that an order names add up to its gift card amount, its member's points to its points.",
        f"""
        SELECT o.number, a.kind, sum(t.fen) FROM payments_ordertender t JOIN orders_order o ON o.id = t.order_id
        JOIN payments_balanceaccount a ON a.id = t.account_id GROUP BY o.id, a.kind
        HAVING sum(t.fen) <> 100 * CASE a.kind WHEN '{BalanceKind.POINTS}' THEN o.points_amount
                                               ELSE o.gift_card_amount END
        """,
    ),
    Invariant(
        "balances_pay_what_is_charged_to_them",
        "What is held and spent of balances for an order, less what went back, is what its charges say that they pay,"
        " or its books are due; only orders that wait for their payment hold any.",
        f"""
        SELECT o.number, o.state, m.kind, m.held, m.spent, c.fen AS charged FROM (
            SELECT m.order_id, a.kind, sum(m.held_change) AS held,
                sum(CASE m.kind WHEN '{_K.CAPTURED}' THEN -m.held_change WHEN '{_K.GIVEN_BACK}'
                    THEN -m.available_change ELSE 0 END) AS spent
            FROM payments_balancemovement m JOIN payments_balanceaccount a ON a.id = m.account_id
            WHERE m.order_id IS NOT NULL GROUP BY m.order_id, a.kind) AS m
        JOIN orders_order o ON o.id = m.order_id
        CROSS JOIN LATERAL (
            SELECT coalesce(-sum(c.amount) * 100, 0)::bigint AS fen FROM orders_ordercharge c
            WHERE c.order_id = o.id AND c.component = CASE m.kind WHEN '{BalanceKind.POINTS}'
                THEN '{ChargeComponent.POINTS}' ELSE '{ChargeComponent.GIFT_CARD}' END
              AND EXISTS (SELECT FROM payments_ordertender t JOIN payments_balanceaccount b ON b.id = t.account_id
                          WHERE t.order_id = o.id AND t.fen > 0 AND b.kind = m.kind)) AS c
        WHERE o.owed_changed_since IS NULL
          AND (m.held + m.spent <> c.fen OR (m.held <> 0 AND o.state <> '{OrderState.AWAITING_PAYMENT}'))
        """,
    ),
    Invariant(
        "no_balance_gets_back_more_than_it_paid",
        "What is held and spent of a balance for one order, less what went back, is neither below 0 nor more than the"
        " order named.",
        f"""
        SELECT a.number, o.number AS order_number, m.held, m.spent, t.fen FROM (
            SELECT account_id, order_id, sum(held_change) AS held,
                sum(CASE kind WHEN '{_K.CAPTURED}' THEN -held_change WHEN '{_K.GIVEN_BACK}' THEN -available_change
                    ELSE 0 END) AS spent
            FROM payments_balancemovement WHERE order_id IS NOT NULL GROUP BY account_id, order_id) AS m
        JOIN orders_order o ON o.id = m.order_id JOIN payments_balanceaccount a ON a.id = m.account_id
        LEFT JOIN payments_ordertender t ON t.order_id = m.order_id AND t.account_id = m.account_id
        WHERE least(m.held, m.spent) < 0 OR m.held + m.spent > coalesce(t.fen, 0)
        """,
    ),
    Invariant(
        "completed_orders_earned_their_points",
        "What a completed order earned of points, taken back or still to be, follows from the money that is kept of it,"
        " or its books are due.",
        f"""
        SELECT o.number, m.earned, w.points AS wanted FROM payments_ordertender t
        JOIN orders_order o ON o.id = t.order_id AND o.owed_changed_since IS NULL
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(m.available_change - m.short_change), 0) AS earned FROM payments_balancemovement m
            WHERE m.order_id = t.order_id AND m.account_id = t.account_id
              AND m.kind IN ('{_K.EARNED}', '{_K.TAKEN_BACK}')) AS m
        CROSS JOIN LATERAL (
            SELECT floor(greatest(coalesce(sum(c.amount), 0), 0) * t.earns_per_yuan)::bigint AS points
            FROM orders_ordercharge c
            WHERE c.order_id = o.id AND c.component <> '{ChargeComponent.GIFT_CARD}') AS w
        WHERE t.earns_per_yuan > 0 AND (o.state = '{OrderState.COMPLETED}' OR m.earned <> 0) AND m.earned <> w.points
        """,
    ),
    Invariant(
        "approved_adjustments_moved_their_balance",
        "Every approved adjustment is a movement of its balance and amount, and every movement of adjusting was"
        " approved.",
        f"""
        SELECT j.id, j.state, j.fen, m.available_change FROM payments_balanceadjustment j
        FULL JOIN (SELECT * FROM payments_balancemovement WHERE kind = '{_K.ADJUSTED}') AS m
          ON m.key = 'adjusted:' || j.id
        WHERE (j.state = '{AdjustmentState.APPROVED}' OR m.id IS NOT NULL)
          AND (j.state, j.fen, j.account_id)
            IS DISTINCT FROM ('{AdjustmentState.APPROVED}', m.available_change, m.account_id)
        """,
    ),
    Invariant(
        "instalments_add_up",
        "The instalments of an order add up to what is payable, each due after the one before.",
        f"""
        SELECT o.number, o.payable_amount, sum(i.amount) FROM (
            SELECT i.*, lag(due_at) OVER (PARTITION BY order_id ORDER BY position) AS before FROM payments_instalment i
        ) AS i JOIN orders_order o ON o.id = i.order_id GROUP BY o.id
        HAVING sum(i.amount) <> o.payable_amount OR bool_or(i.due_at <= i.before)
            OR (o.state = '{OrderState.AWAITING_PAYMENT}' AND o.paid_amount = 0 AND bool_and(i.due_at <> o.pay_by))
        """,
    ),
)
