"""What must always hold of money that came in and went back."""

from oms.common.invariants import Invariant

INVARIANTS = (
    Invariant(
        "paid_is_the_sum_of_payments",
        "`paid_amount` and `refunded_amount` are the sums of captured payments and of refunds that succeeded.",
        """
        SELECT o.number, o.paid_amount, coalesce(p.paid, 0), o.refunded_amount, coalesce(r.refunded, 0)
        FROM orders_order o
        LEFT JOIN (SELECT order_id, sum(captured_amount) AS paid FROM payments_payment GROUP BY order_id) AS p
          ON p.order_id = o.id
        LEFT JOIN (SELECT order_id, sum(amount) AS refunded FROM payments_refund WHERE state = 'succeeded'
                   GROUP BY order_id) AS r ON r.order_id = o.id
        WHERE NOT o.is_historical
          AND (o.paid_amount, o.refunded_amount) <> (coalesce(p.paid, 0), coalesce(r.refunded, 0))
        """,
    ),
    Invariant(
        "refunds_within_payments",
        "No payment gives back more than it captured, whatever state its refunds are in.",
        """
        SELECT p.number, p.captured_amount, sum(r.amount) FROM payments_refund r
        JOIN payments_payment p ON p.id = r.payment_id GROUP BY p.id HAVING sum(r.amount) > p.captured_amount
        """,
    ),
    Invariant(
        "prepaid_goods_go_out_only_paid",
        "A prepaid order goes past payment only when all of its money is there.",
        """
        SELECT o.number, o.state, o.paid_amount, o.payable_amount FROM orders_order o
        WHERE o.payment_method = 'prepaid' AND o.state NOT IN ('awaiting_payment', 'cancelled')
          AND o.paid_amount < o.payable_amount
        """,
    ),
    Invariant(
        "cancelled_money_goes_back",
        "Money of a cancelled order is refunded, or a refund is under way, or its books are due.",
        """
        SELECT o.number, o.paid_amount FROM orders_order o
        WHERE o.state = 'cancelled' AND o.paid_amount > 0 AND o.owed_changed_since IS NULL AND NOT o.is_historical
          AND o.paid_amount > (SELECT coalesce(sum(amount), 0) FROM payments_refund r WHERE r.order_id = o.id)
        """,
    ),
    Invariant(
        "notices_are_applied_to_their_payment",
        "A captured payment of a provider has the notice that says so.",
        """
        SELECT p.number FROM payments_payment p
        WHERE p.state = 'captured' AND p.sub_order_id IS NULL AND NOT EXISTS (
            SELECT FROM payments_paymentnotice n
            WHERE n.reference = p.number AND n.kind = 'captured' AND n.amount = p.captured_amount)
        """,
    ),
    Invariant(
        "historical_orders_have_no_payments",
        "An order imported as it ended elsewhere has no payment, refund or sub-order here: all that was there.",
        """
        SELECT o.number FROM orders_order o WHERE o.is_historical AND (
            EXISTS (SELECT FROM payments_payment p WHERE p.order_id = o.id)
            OR EXISTS (SELECT FROM payments_refund r WHERE r.order_id = o.id)
            OR EXISTS (SELECT FROM orders_suborder s WHERE s.order_id = o.id))
        """,
    ),
    Invariant(
        "completed_marketplace_sub_orders_are_settled",
        "A completed sub-order of a marketplace merchant has its settlement, or its order's books are due.",
        """
        SELECT s.number FROM orders_suborder s
        JOIN merchants_merchant m ON m.id = s.merchant_id AND m.kind = 'marketplace'
        JOIN orders_order o ON o.id = s.order_id
        WHERE o.state = 'completed' AND s.state = 'completed' AND o.owed_changed_since IS NULL
          AND NOT EXISTS (SELECT FROM payments_settlement t WHERE t.sub_order_id = s.id)
        """,
    ),
)
