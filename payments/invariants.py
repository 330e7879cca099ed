"""What must always hold of money that came in and went back."""

from inventory.models import StorageClass
from oms.common.invariants import Invariant
from oms.common.models import FactState, TicketState, Topic
from oms.common.states import listed
from oms.common.work.callbacks import UNREADABLE
from orders.models import ChangeSetState, ChargeCause, MoneyState, OrderPaymentState, OrderState, PaymentMethod
from orders.models.order import OVER
from orders.models.return_request import RESTOCKED
from payments import troubles
from payments.ledger import posting
from payments.ledger.chart import Code
from payments.models import (
    CAUSE_OF,
    OPEN_PAYMENTS,
    DisputeState,
    GrantKind,
    GrantState,
    Means,
    NoticeKind,
    PaymentState,
    RefundReason,
    RefundState,
    TransferState,
)
from payments.owing import owed
from payments.owing.derived import DERIVED


def _has_ticket(subject_kind: str, row: str) -> str:
    """Whether the row (alias) has a ticket that is open, or that somebody closed since the row needs a person."""
    return f"""EXISTS (
        SELECT FROM common_ticket t WHERE t.subject_kind = '{subject_kind}' AND t.subject_id = {row}.id
          AND (t.state = '{TicketState.OPEN}' OR t.closed_at >= {row}.needs_person_since))"""


INVARIANTS = (
    Invariant(
        "paid_is_the_sum_of_payments",
        "`paid_amount`, `refunded_amount` and `payment_state` are what payments and refunds make of the order, or its"
        " books are due.",
        f"""
        SELECT o.number, o.paid_amount, d.paid, o.refunded_amount, d.refunded, o.payment_state, d.payment_state AS told
        FROM ({DERIVED.format(which="NOT o.is_historical")}) AS d JOIN orders_order o ON o.id = d.id
        WHERE (o.paid_amount, o.refunded_amount) <> (d.paid, d.refunded)
           OR (o.payment_state <> d.payment_state AND o.owed_changed_since IS NULL)
        """,
    ),
    Invariant(
        "what_channels_took_is_booked",
        "What a channel took for an order is a captured payment of that amount, or the order waits to be booked.",
        f"""
        SELECT o.number, o.state, o.payment_state, o.collected_amount FROM orders_order o
        WHERE o.collected_at IS NOT NULL
          AND NOT (o.payment_state = '{OrderPaymentState.UNPAID}' AND o.ready_at IS NOT NULL)
          AND NOT EXISTS (
            SELECT FROM payments_payment p
            WHERE p.order_id = o.id AND p.means = '{Means.EXTERNAL}' AND p.state = '{PaymentState.CAPTURED}'
              AND p.captured_amount = o.collected_amount)
        """,
    ),
    Invariant(
        "refunds_within_payments",
        "No payment gives back more than it captured; nor would it with the refunds under way, unless a provider gave"
        " back more than it was asked to.",
        f"""
        SELECT p.number, p.captured_amount, sum(r.refunded_amount), sum({owed.RESERVED}) FROM payments_refund r
        JOIN payments_payment p ON p.id = r.payment_id GROUP BY p.id
        HAVING sum(r.refunded_amount) > p.captured_amount
            OR (sum({owed.RESERVED}) > p.captured_amount AND NOT bool_or(r.refunded_amount > r.amount))
        """,
    ),
    Invariant(
        "refunds_go_back_the_way_the_money_came",
        "A refund is of a payment of its order and goes over the payment's connection.",
        """
        SELECT r.number FROM payments_refund r JOIN payments_payment p ON p.id = r.payment_id
        WHERE r.order_id <> p.order_id OR r.connection_id IS DISTINCT FROM p.connection_id
        """,
    ),
    Invariant(
        "prepaid_goods_go_out_only_paid",
        "A prepaid order goes past payment only when all of its money is there, less what a change set off against"
        " units that went.",
        f"""
        SELECT o.number, o.state, o.paid_amount, o.payable_amount FROM orders_order o
        WHERE o.payment_method = '{PaymentMethod.PREPAID}'
          AND o.state NOT IN ('{OrderState.AWAITING_PAYMENT}', '{OrderState.CANCELLED}')
          AND o.paid_amount < o.payable_amount - (
            SELECT coalesce(sum(c.amount), 0) FROM orders_ordercharge c
            WHERE c.order_id = o.id AND c.cause = '{ChargeCause.SET_OFF}')
        """,
    ),
    Invariant(
        "too_much_money_goes_back",
        "What was captured beyond what is owed is refunded, or a refund is under way, or the order's books are due.",
        f"""
        SELECT * FROM (
            SELECT o.number, o.state, {owed.CAPTURED} AS captured, {owed.OWED} AS owed, {owed.TOO_MUCH} AS too_much
            FROM orders_order o WHERE o.owed_changed_since IS NULL AND NOT o.is_historical
        ) AS o WHERE too_much > 0
        """,
    ),
    Invariant(
        "too_little_money_is_explained",
        "Less is left of a prepaid order's money than is owed only where a provider gave back more than it was asked"
        " to, or a payment is disputed or was charged back.",
        f"""
        SELECT * FROM (
            SELECT o.number, o.state, {owed.CAPTURED} AS captured, {owed.OWED} AS owed, {owed.TOO_MUCH} AS too_much
            FROM orders_order o
            WHERE o.payment_method = '{PaymentMethod.PREPAID}' AND NOT o.is_historical
              AND o.state <> '{OrderState.AWAITING_PAYMENT}' AND NOT EXISTS (
                SELECT FROM payments_refund r WHERE r.order_id = o.id
                  AND (r.refunded_amount > r.amount OR r.reason = '{RefundReason.CHARGED_BACK}'))
              AND {owed.DISPUTED} = 0
        ) AS o WHERE too_much < 0
        """,
    ),
    Invariant(
        "balances_of_ended_changes_are_not_asked_for",
        "No buyer is asked for the balance of a change that is over, or the order's books are due.",
        f"""
        SELECT o.number, c.number AS change, c.state, p.number AS payment, p.state AS asked FROM payments_payment p
        JOIN orders_changeset c ON c.id = p.change_set_id JOIN orders_order o ON o.id = p.order_id
        WHERE p.state IN ({listed(OPEN_PAYMENTS)}) AND c.state <> '{ChangeSetState.AWAITING_BALANCE}'
          AND o.owed_changed_since IS NULL
        """,
    ),
    Invariant(
        "cash_is_collected_at_the_door",
        "Goods on delivery that were delivered are paid in cash, or the order's books are due.",
        f"""
        SELECT s.number FROM orders_suborder s JOIN orders_order o ON o.id = s.order_id
        WHERE s.payment_method = '{PaymentMethod.COD}' AND s.state IN ({listed(owed.THERE)}) AND s.payable_amount > 0
          AND s.storage_class <> '{StorageClass.VIRTUAL}' AND o.owed_changed_since IS NULL
          AND NOT EXISTS (SELECT FROM payments_payment p WHERE p.sub_order_id = s.id)
        """,
    ),
    Invariant(
        "captured_payments_have_their_fact",
        "A captured payment that is no cash names the fact that says so, with that amount and of its own connection.",
        f"""
        SELECT p.number FROM payments_payment p LEFT JOIN common_inboundfact f ON f.id = p.fact_id
        WHERE p.state = '{PaymentState.CAPTURED}' AND p.means <> '{Means.CASH}'
          AND ((f.subject, f.kind, (f.body->>'amount')::numeric)
                IS DISTINCT FROM (p.number, '{NoticeKind.CAPTURED}', p.captured_amount)
            OR f.connection_id <> coalesce(p.connection_id, f.connection_id))
        """,
    ),
    Invariant(
        "approved_transfers_are_money",
        "An approved bank transfer is a captured payment of its order and amount, and every payment by bank transfer"
        " was approved.",
        f"""
        SELECT t.serial, t.state, t.amount, p.number FROM payments_banktransfer t
        FULL JOIN (SELECT * FROM payments_payment WHERE means = '{Means.OFFLINE}') AS p ON p.id = t.payment_id
        WHERE (t.state = '{TransferState.APPROVED}' OR p.id IS NOT NULL)
          AND (t.state, t.amount, t.order_id, p.state)
            IS DISTINCT FROM ('{TransferState.APPROVED}', p.captured_amount, p.order_id, '{PaymentState.CAPTURED}')
        """,
    ),
    Invariant(
        "payments_are_closed_where_somebody_can_be_asked",
        "A payment that is being closed goes over a connection, and is on its way in the queue.",
        f"""
        SELECT p.number FROM payments_payment p
        WHERE p.state = '{PaymentState.CLOSING}' AND (p.connection_id IS NULL OR p.ready_at IS NULL)
        """,
    ),
    Invariant(
        "what_went_back_was_told",
        "A refund that succeeded names the fact that says so, and gave back what was told: not more than all facts say,"
        " and less than that fact only where its payment had no more.",
        f"""
        SELECT r.number, r.refunded_amount, f.body->>'amount' FROM payments_refund r
        LEFT JOIN common_inboundfact f ON f.id = r.fact_id
        WHERE r.state = '{RefundState.SUCCEEDED}' AND (
            (f.subject, f.kind) IS DISTINCT FROM (r.number, '{NoticeKind.REFUNDED}')
            OR r.refunded_amount > (SELECT sum((t.body->>'amount')::numeric) FROM common_inboundfact t
                                    WHERE t.subject = r.number AND t.kind = '{NoticeKind.REFUNDED}')
            OR (r.refunded_amount < (f.body->>'amount')::numeric
                AND (SELECT sum(o.refunded_amount) FROM payments_refund o WHERE o.payment_id = r.payment_id)
                    < (SELECT p.captured_amount FROM payments_payment p WHERE p.id = r.payment_id)))
        """,
    ),
    Invariant(
        "settled_facts_about_money_name_what_we_know",
        "A fact about money that nobody has, waits or was discarded by a person.",
        f"""
        SELECT f.id, f.kind, f.subject, f.state FROM common_inboundfact f
        WHERE f.topic = '{Topic.PAYMENT}' AND f.state NOT IN ('{FactState.PENDING}', '{FactState.DISCARDED}')
          AND f.kind <> '{UNREADABLE}'
          AND NOT EXISTS (SELECT FROM payments_payment p WHERE p.number = f.subject)
          AND NOT EXISTS (SELECT FROM payments_refund r WHERE r.number = f.subject)
          AND NOT EXISTS (
            SELECT FROM payments_dispute d WHERE d.number = f.subject AND d.connection_id = f.connection_id)
        """,
    ),
    Invariant(
        "disputes_are_of_their_own_order",
        "A dispute's payment is of its order and goes over its connection; one that is lost went back as a refund.",
        f"""
        SELECT d.number, d.state FROM payments_dispute d LEFT JOIN payments_payment p ON p.id = d.payment_id
        WHERE (d.payment_id IS NOT NULL
                AND (p.order_id, p.connection_id) IS DISTINCT FROM (d.order_id, d.connection_id))
           OR (d.state = '{DisputeState.LOST}' AND NOT EXISTS (
                SELECT FROM payments_refund r
                WHERE r.payment_id = d.payment_id AND r.reason = '{RefundReason.CHARGED_BACK}'))
        """,
    ),
    Invariant(
        "open_disputes_have_a_ticket",
        "A dispute that waits for our answer has a ticket.",
        f"""
        SELECT d.number FROM payments_dispute d WHERE d.state = '{DisputeState.OPEN}' AND NOT EXISTS (
            SELECT FROM common_ticket t WHERE t.subject_kind = '{troubles.DISPUTE}' AND t.subject_id = d.id)
        """,
    ),
    Invariant(
        "nothing_is_to_come_of_orders_that_are_over",
        "No order that is over, whose books are not due, is paid on delivery still.",
        f"""
        SELECT o.number, o.state, o.payment_state FROM orders_order o
        WHERE o.state IN ({listed(OVER)}) AND o.payment_state = '{OrderPaymentState.ON_DELIVERY}'
          AND o.owed_changed_since IS NULL AND NOT o.is_historical
        """,
    ),
    Invariant(
        "contradictions_about_money_have_a_ticket",
        "A person was told of every fact that contradicts a payment or refund.",
        f"""
        SELECT f.id, f.kind, f.subject, f.outcome FROM common_inboundfact f
        WHERE f.topic = '{Topic.PAYMENT}' AND f.state = '{FactState.CONTRADICTED}'
          AND NOT EXISTS (SELECT FROM payments_payment p JOIN common_ticket t ON t.subject_id = p.id
                          WHERE p.number = f.subject AND t.subject_kind = '{troubles.PAYMENT}')
          AND NOT EXISTS (SELECT FROM payments_refund r JOIN common_ticket t ON t.subject_id = r.id
                          WHERE r.number = f.subject AND t.subject_kind = '{troubles.REFUND}')
        """,
    ),
    Invariant(
        "money_that_needs_a_person_has_a_ticket",
        "A payment or refund that waits for a person, though nothing of it failed, has a ticket.",
        f"""
        SELECT p.number, p.state FROM payments_payment p
        WHERE p.needs_person_since IS NOT NULL AND p.attempts = 0 AND NOT {_has_ticket(troubles.PAYMENT, "p")}
        UNION ALL
        SELECT r.number, r.state FROM payments_refund r
        WHERE r.needs_person_since IS NOT NULL AND r.attempts = 0 AND NOT {_has_ticket(troubles.REFUND, "r")}
        """,
    ),
    Invariant(
        "refunds_that_nobody_sends_need_a_person",
        "An intended refund over no connection waits for a person, or was just paid by hand, or goes back to the order"
        " whose goods were exchanged.",
        f"""
        SELECT r.number FROM payments_refund r
        WHERE r.connection_id IS NULL AND r.state = '{RefundState.INTENDED}' AND r.needs_person_since IS NULL
          AND NOT EXISTS (SELECT FROM common_inboundfact f WHERE f.subject = r.number AND f.topic = '{Topic.PAYMENT}'
                          AND f.kind = '{NoticeKind.REFUNDED}' AND f.state = '{FactState.PENDING}')
          AND NOT EXISTS (SELECT FROM payments_payment p WHERE p.id = r.payment_id AND p.means = '{Means.EXCHANGE}')
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
        "facts_about_money_are_booked",
        "What the ledger has of an order is what its payments, refunds, sub-orders and charges come to, or its books"
        " are due.",
        f"""
        SELECT o.number, m.subject, m.account, m.fen
        FROM ({posting.MISSING % {"orders": posting.ALL_ORDERS}}) AS m JOIN orders_order o ON o.id = m.order_id
        WHERE m.fen <> 0 AND o.owed_changed_since IS NULL
        """,
    ),
    Invariant(
        "the_ledger_adds_up",
        "Debit and credit of every entry are equal.",
        """
        SELECT e.key, sum(l.debit_fen) AS debit, sum(l.credit_fen) AS credit FROM payments_ledgerentry e
        LEFT JOIN payments_ledgerline l ON l.entry_id = e.id GROUP BY e.id
        HAVING coalesce(sum(l.debit_fen - l.credit_fen), 0) <> 0 OR count(l.id) = 0
        """,
    ),
    Invariant(
        "ledger_lines_name_known_accounts",
        "A ledger line is of an entry and of an account of the chart; an entry's order exists.",
        """
        SELECT l.id FROM payments_ledgerline l LEFT JOIN payments_account a ON a.code = l.account_id
        LEFT JOIN payments_ledgerentry e ON e.id = l.entry_id LEFT JOIN orders_order o ON o.id = e.order_id
        WHERE a.code IS NULL OR e.id IS NULL OR (e.order_id IS NOT NULL AND o.id IS NULL)
        """,
    ),
    Invariant(
        "nothing_prepaid_is_left_of_orders_that_are_over",
        "Of an order that is over, whose books are not due, no money is left as received before completion, but for"
        " what a provider keeps in a dispute, and a deposit that waits for a decision.",
        f"""
        SELECT o.number, o.state, sum(l.credit_fen - l.debit_fen) AS fen FROM orders_order o
        JOIN payments_ledgerentry e ON e.order_id = o.id
        JOIN payments_ledgerline l ON l.entry_id = e.id AND l.account_id = '{Code.PREPAID}'
        WHERE o.state IN ({listed(OVER)}) AND o.owed_changed_since IS NULL
        GROUP BY o.id HAVING sum(l.credit_fen - l.debit_fen) 
            NOT BETWEEN 0 AND ({owed.DISPUTED} + {owed.DEPOSIT_HELD}) * 100
        """,
    ),
    Invariant(
        "grants_are_what_was_charged",
        "What an approved grant gives beside the price is what the charges that name it say; one that is not approved"
        " has no charges.",
        f"""
        SELECT g.number, g.state, g.granted_cash_amount, c.amount FROM payments_refundgrant g
        LEFT JOIN (SELECT order_id, reference, -sum(amount) AS amount FROM orders_ordercharge
                   WHERE cause IN ({listed(sorted(set(CAUSE_OF.values())))})
                   GROUP BY order_id, reference) c ON c.order_id = g.order_id AND c.reference = g.number
        WHERE CASE WHEN g.state <> '{GrantState.APPROVED}' THEN c.amount IS NOT NULL
                   WHEN g.kind <> '{GrantKind.RETURN}' THEN c.amount IS DISTINCT FROM g.granted_cash_amount
                   ELSE false END
        """,
    ),
    Invariant(
        "no_more_is_granted_than_was_paid",
        "What refunds take and proposed grants reserve of an order's cash was paid; no grant sends more than it gives.",
        f"""
        SELECT o.number, {owed.HELD} AS left_over, sum(g.cash_amount) AS proposed
        FROM payments_refundgrant g JOIN orders_order o ON o.id = g.order_id
        WHERE g.state = '{GrantState.PROPOSED}' GROUP BY o.id HAVING sum(g.cash_amount) > greatest({owed.CAPTURED}, 0)
        UNION ALL
        SELECT g.number, g.cash_amount, sum(r.amount) FROM payments_refund r
        JOIN payments_refundgrant g ON g.id = r.grant_id
        GROUP BY g.id HAVING sum(r.amount) > g.cash_amount OR bool_or(r.order_id <> g.order_id)
        """,
    ),
    Invariant(
        "units_that_came_back_were_granted",
        "The units of a sub-order's line that came back by themselves are those of approved grants.",
        f"""
        SELECT s.number, l.returned_quantity, coalesce(x.units, 0) AS granted FROM orders_suborderline l
        JOIN orders_suborder s ON s.id = l.sub_order_id
        LEFT JOIN (SELECT n.sub_order_line_id, sum(n.quantity) AS units FROM payments_refundgrantline n
                   JOIN payments_refundgrant g ON g.id = n.grant_id AND g.state = '{GrantState.APPROVED}'
                   WHERE NOT n.is_missing GROUP BY n.sub_order_line_id) AS x ON x.sub_order_line_id = l.id
        WHERE l.returned_quantity <> coalesce(x.units, 0)
        """,
    ),
    Invariant(
        "the_money_of_returns_is_that_of_their_grants",
        "A return says that its money is granted, or waits for a second person, where its grant is, and else has none;"
        " no grant is for more units than its return had, nor for goods that inspection did not find.",
        f"""
        SELECT r.number, r.money_state, g.number AS granted, g.state, 0 AS units FROM orders_returnrequest r
        LEFT JOIN payments_refundgrant g ON g.return_request_id = r.id AND g.state <> '{GrantState.DECLINED}'
        WHERE r.money_state IS DISTINCT FROM CASE g.state WHEN '{GrantState.APPROVED}' THEN '{MoneyState.GRANTED}'
            WHEN '{GrantState.PROPOSED}' THEN '{MoneyState.PROPOSED}' ELSE r.money_state END
           OR g.id IS NULL AND r.money_state IN ('{MoneyState.GRANTED}', '{MoneyState.PROPOSED}')
        UNION ALL
        SELECT r.number, r.money_state, g.number, g.state, n.quantity FROM payments_refundgrant g
        JOIN orders_returnrequest r ON r.id = g.return_request_id
        JOIN payments_refundgrantline n ON n.grant_id = g.id AND NOT n.is_missing
        LEFT JOIN orders_returnline l ON l.return_request_id = r.id AND l.sub_order_line_id = n.sub_order_line_id
        LEFT JOIN LATERAL (SELECT sum(f.quantity) AS units FROM orders_returnfinding f
                   WHERE f.line_id = l.id AND f.found IN ({listed(RESTOCKED)})) AS f ON true
        WHERE g.state = '{GrantState.APPROVED}' AND (l.id IS NULL OR n.quantity > l.quantity
           OR r.inspected_at < g.proposed_at AND n.quantity > coalesce(f.units, 0))
        """,
    ),
)
