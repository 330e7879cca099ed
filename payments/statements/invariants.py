"""What must always hold of settlement: what merchants get for what, and their statements."""

from oms.common.invariants import Invariant
from oms.merchants.models import Merchant
from orders.models import SubOrderState
from orders.models.amounts import Bearer
from payments.ledger.chart import Code
from payments.models import GrantState, RowKind, StatementState
from payments.owing.settling import WAYS_BACK

INVARIANTS = (
    Invariant(
        "completed_marketplace_sub_orders_are_settled",
        "Every line of a completed sub-order of a marketplace merchant has its row of sale, or its order's books are"
        " due.",
        f"""
        SELECT s.number FROM orders_suborder s
        JOIN merchants_merchant m ON m.id = s.merchant_id AND m.kind = '{Merchant.Kind.MARKETPLACE}'
        JOIN orders_order o ON o.id = s.order_id JOIN orders_suborderline l ON l.sub_order_id = s.id
        WHERE s.state = '{SubOrderState.COMPLETED}' AND o.owed_changed_since IS NULL
          AND NOT EXISTS (SELECT FROM payments_settlementrow r WHERE r.key = 'sale:' || l.id)
        """,
    ),
    Invariant(
        "granted_returns_are_settled",
        "Of a row of sale of a completed sub-order just the units came back that were granted and that its merchant"
        " bears, and of nothing more than there was; or its order's books are due.",
        f"""
        SELECT r.key, r.quantity, b.units AS back, g.units AS granted FROM payments_settlementrow r
        JOIN orders_suborder s ON s.id = r.sub_order_id AND s.state = '{SubOrderState.COMPLETED}'
        JOIN orders_order o ON o.id = r.order_id AND o.owed_changed_since IS NULL
        CROSS JOIN LATERAL (
            SELECT coalesce(-sum(b.quantity), 0) AS units, coalesce(sum(b.platform_amount), 0) AS platform,
                coalesce(sum(b.commission_amount), 0) AS commission
            FROM payments_settlementrow b
            WHERE b.order_id = r.order_id AND b.corrects_id = r.id AND b.kind = '{RowKind.REFUND}') AS b
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(n.quantity), 0) AS units FROM payments_refundgrantline n
            JOIN payments_refundgrant g ON g.id = n.grant_id JOIN orders_suborderline l ON l.id = n.sub_order_line_id
            WHERE r.key = 'sale:' || l.id AND g.order_id = r.order_id AND g.state = '{GrantState.APPROVED}'
              AND g.bearer = '{Bearer.MERCHANT}' AND NOT n.is_missing) AS g
        WHERE r.kind = '{RowKind.SALE}' AND (b.units <> g.units OR abs(b.commission) > abs(r.commission_amount)
            OR abs(b.platform) > abs(r.platform_amount)
            OR (b.units = r.quantity AND b.commission <> -r.commission_amount))
        """,
    ),
    Invariant(
        "nothing_is_settled_of_goods_that_came_back",
        "The rows of a sub-order that is not completed add up to 0, but for the service of our warehouse, or its"
        " order's books are due.",
        f"""
        SELECT s.number, s.state, sum(r.net_amount) FROM payments_settlementrow r
        JOIN orders_suborder s ON s.id = r.sub_order_id JOIN orders_order o ON o.id = s.order_id
        WHERE s.state <> '{SubOrderState.COMPLETED}' AND o.owed_changed_since IS NULL AND r.kind <> '{RowKind.SERVICE}'
        GROUP BY s.id HAVING sum(r.net_amount) <> 0
        """,
    ),
    Invariant(
        "ways_back_are_settled",
        "What merchants bear of the way back of returns is taken off what they are owed, once; or the order's books are"
        " due.",
        f"""
        SELECT o.number, merchant_id, t.cost, r.net FROM ({WAYS_BACK}) AS t
        FULL JOIN (SELECT order_id, merchant_id, sum(net_amount) AS net FROM payments_settlementrow
                   WHERE kind = '{RowKind.WAY_BACK}' GROUP BY order_id, merchant_id) AS r USING (order_id, merchant_id)
        JOIN orders_order o ON o.id = order_id AND o.owed_changed_since IS NULL
        WHERE coalesce(t.cost, 0) + coalesce(r.net, 0) <> 0
        """,
    ),
    Invariant(
        "statements_are_the_sum_of_their_rows",
        "A statement's sum and count are those of its rows, all due before its end; it carries over what was below 0.",
        """
        SELECT t.number, t.rows_amount, sum(r.net_amount) FROM payments_statement t
        LEFT JOIN payments_settlementrow r ON r.statement_id = t.id
        GROUP BY t.id HAVING t.rows_amount <> coalesce(sum(r.net_amount), 0) OR t.row_count <> count(r.id)
            OR max(r.due_on) >= t.ends_on OR bool_or(r.merchant_id <> t.merchant_id)
            OR t.opening_amount <> coalesce((SELECT least(b.total_amount, 0) FROM payments_statement b
                WHERE b.merchant_id = t.merchant_id AND b.ends_on <= t.starts_on ORDER BY b.ends_on DESC LIMIT 1), 0)
        """,
    ),
    Invariant(
        "merchants_balances_are_their_rows",
        "What the ledger owes a merchant is the sum of its rows less what statements paid, or books are due.",
        f"""
        SELECT m.code, b.fen, w.fen AS wanted FROM merchants_merchant m
        LEFT JOIN (SELECT party, sum(credit_fen - debit_fen) AS fen FROM payments_ledgerline
                   WHERE account_id = '{Code.MERCHANTS}' GROUP BY party) b ON b.party = 'merchant:' || m.id
        CROSS JOIN LATERAL (SELECT (100 * (
            coalesce((SELECT sum(r.net_amount) FROM payments_settlementrow r WHERE r.merchant_id = m.id), 0)
            - coalesce((SELECT sum(greatest(t.total_amount, 0)) FROM payments_statement t
                        WHERE t.merchant_id = m.id AND t.state = '{StatementState.PAID}'), 0)))::bigint AS fen) w
        WHERE coalesce(b.fen, 0) <> w.fen
          AND NOT EXISTS (SELECT FROM orders_order o WHERE o.owed_changed_since IS NOT NULL)
        """,
    ),
    Invariant(
        "deposits_are_their_movements",
        "What is held of a merchant's deposit is the sum of its movements, and what the ledger has of it.",
        f"""
        SELECT m.code, d.held_amount, v.amount, b.fen FROM payments_deposit d
        JOIN merchants_merchant m ON m.id = d.merchant_id
        CROSS JOIN LATERAL (SELECT coalesce(sum(v.amount), 0) AS amount FROM payments_depositmovement v
                            WHERE v.deposit_id = d.id) AS v
        CROSS JOIN LATERAL (SELECT coalesce(sum(l.credit_fen - l.debit_fen), 0) AS fen FROM payments_ledgerline l
                            WHERE l.account_id = '{Code.DEPOSITS}' AND l.party = 'merchant:' || m.id) AS b
        WHERE d.held_amount <> v.amount OR b.fen <> 100 * d.held_amount
        """,
    ),
)
