"""What must always hold of invoices."""

from oms.common.invariants import Invariant
from oms.common.models import TicketState
from oms.common.states import listed
from orders.models.charge import ChargeComponent
from payments.invoicing import troubles
from payments.invoicing.guarding import LEFT
from payments.models import DEAD_INVOICES, ISSUED_INVOICES, OPEN_INVOICES, InvoiceState, LineProperty, MovementKind

# What is invoiced of an order (alias `o`), red ones taken off, whether they are issued already or not.
_INVOICED = f"""(SELECT coalesce(sum(i.amount), 0) FROM payments_invoice i
    WHERE i.order_id = o.id AND i.state NOT IN ({listed(DEAD_INVOICES)}))"""
# What of it may be invoiced at most: what is owed, and what gift cards paid of that, for issuers who count that.
_MOST = f"""(SELECT coalesce(sum(c.amount), 0) FROM orders_ordercharge c
    WHERE c.order_id = o.id AND c.component <> '{ChargeComponent.GIFT_CARD}')"""

INVARIANTS = (
    Invariant(
        "invoices_are_what_their_lines_come_to",
        "Net, tax, amount and number of lines of an invoice are those of its lines; a discount stands directly below"
        " the line that it belongs to.",
        f"""
        SELECT i.number, i.amount, sum(l.amount) FROM payments_invoice i
        LEFT JOIN payments_invoiceline l ON l.invoice_id = i.id
        LEFT JOIN payments_invoiceline g ON g.id = l.of_line_id AND l.property = {LineProperty.DISCOUNT.value}
        GROUP BY i.id
        HAVING (i.net_amount, i.tax_amount, i.line_count::bigint)
                IS DISTINCT FROM (sum(l.net_amount), sum(l.tax_amount), count(l.id))
            OR bool_or(l.property = {LineProperty.DISCOUNT.value}
                       AND (g.invoice_id, g.position + 1, g.name, g.tax_code, g.tax_rate)
                           IS DISTINCT FROM (l.invoice_id, l.position::integer, l.name, l.tax_code, l.tax_rate))
        """,
    ),
    Invariant(
        "red_invoices_take_back_no_more_than_there_is",
        "What red invoices take back of a line is not above it, in net, in tax and together; they are of the same order"
        " and issuer.",
        f"""
        SELECT i.number, r.net, r.tax, r.gross
        FROM ({LEFT.format(which="true")}) AS r JOIN payments_invoice i ON i.id = r.invoice_id
        WHERE NOT i.is_red AND (r.net < 0 OR r.tax < 0 OR r.gross < 0)
        UNION ALL
        SELECT r.number, r.amount, b.amount, NULL FROM payments_invoice r
        JOIN payments_invoice b ON b.id = r.of_invoice_id
        WHERE (r.order_id, r.card_id, r.issuer_id, r.kind, b.is_red)
            IS DISTINCT FROM (b.order_id, b.card_id, b.issuer_id, b.kind, false)
        """,
    ),
    Invariant(
        "blue_invoices_know_what_was_taken_back",
        "A blue invoice is offset, wholly or partly, by what issued red ones come to.",
        f"""
        SELECT b.number, b.state, b.amount, r.amount AS red FROM payments_invoice b
        LEFT JOIN (SELECT of_invoice_id, sum(amount) AS amount FROM payments_invoice
                   WHERE state IN ({listed(ISSUED_INVOICES)}) GROUP BY of_invoice_id) AS r ON r.of_invoice_id = b.id
        WHERE NOT b.is_red AND b.state IN ({listed(ISSUED_INVOICES)}) AND b.state <> CASE
            WHEN r.amount IS NULL THEN '{InvoiceState.ISSUED}'
            WHEN b.amount + r.amount = 0 THEN '{InvoiceState.RED}' ELSE '{InvoiceState.PARTLY_RED}' END
        """,
    ),
    Invariant(
        "no_more_is_invoiced_than_is_paid_and_not_given_back",
        "What is invoiced of an order, less what red ones take back or will, is not above what is owed; or its books or"
        " invoices are due, or one of them is under way or was refused.",
        f"""
        SELECT * FROM (
            SELECT o.number, {_INVOICED} AS invoiced, {_MOST} AS most FROM orders_order o
            JOIN orders_invoicerequest r ON r.order_id = o.id
            WHERE o.owed_changed_since IS NULL AND r.due_since IS NULL AND NOT EXISTS (
                SELECT FROM payments_invoice i WHERE i.order_id = o.id
                  AND i.state IN ({listed([*OPEN_INVOICES, InvoiceState.FAILED])}))
        ) AS o WHERE invoiced > most
        """,
    ),
    Invariant(
        "no_more_is_invoiced_of_a_gift_card_than_was_sold",
        "What is invoiced of a gift card, less what red ones take back or will, is not above what was sold of it.",
        f"""
        SELECT a.number, sum(i.amount) AS invoiced, s.sold FROM payments_invoice i
        JOIN payments_balanceaccount a ON a.id = i.card_id
        CROSS JOIN LATERAL (SELECT coalesce(sum(m.available_change), 0) / 100.0 AS sold FROM payments_balancemovement m
            WHERE m.account_id = a.id AND m.kind = '{MovementKind.SOLD}') AS s
        WHERE i.state NOT IN ({listed(DEAD_INVOICES)})
        GROUP BY a.id, s.sold HAVING sum(i.amount) > s.sold OR sum(i.amount) < 0
        """,
    ),
    Invariant(
        "invoices_are_asked_for",
        "An invoice of an order is one that somebody asked for.",
        """
        SELECT i.number FROM payments_invoice i WHERE i.order_id IS NOT NULL
          AND NOT EXISTS (SELECT FROM orders_invoicerequest r WHERE r.order_id = i.order_id)
        """,
    ),
    Invariant(
        "refused_invoices_have_a_ticket",
        "A person was told of every invoice that was refused.",
        f"""
        SELECT i.number, i.fail_reason FROM payments_invoice i
        WHERE i.state = '{InvoiceState.FAILED}' AND NOT EXISTS (
            SELECT FROM common_ticket t WHERE t.kind = '{troubles.INVOICE_REFUSED.code}' AND t.subject_id = i.id
              AND t.state IN ({listed(TicketState)}))
        """,
    ),
)
