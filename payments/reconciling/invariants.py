"""What must always hold of bills and what came of them."""

from oms.common.invariants import Invariant
from oms.common.models import TicketState
from oms.common.states import listed
from payments.ledger.chart import Code
from payments.models import FUND_FORMS, SETTLED_OUTCOMES, BillForm, Means, MovementKind, Outcome
from payments.reconciling.books import PAYMENTS_OF_MATCHES
from payments.reconciling.troubles import BILL_DIFFERENCE, PARCELS_UNBILLED

INVARIANTS = (
    Invariant(
        "rows_of_bills_are_compared",
        "Every row of a bill has what came of it, but rows of an account that bills of trades explain.",
        f"""
        SELECT b.own_number, b.id FROM payments_billrow b JOIN payments_billsource s ON s.id = b.source_id
        LEFT JOIN payments_billmatch m ON m.row_id = b.id
        WHERE m.id IS NULL AND s.form NOT IN ({listed(FUND_FORMS)})
        """,
    ),
    Invariant(
        "unexplained_money_is_what_bills_differ_by",
        "What a match says is unexplained is what the ledger has of it as unexplained, and its entries are counted.",
        f"""
        SELECT m.key, m.unexplained_fen, x.fen, m.entry_count, x.entries FROM payments_billmatch m
        LEFT JOIN (
            SELECT split_part(e.subject, ':', 2)::bigint AS id, count(DISTINCT e.id) AS entries,
                sum(l.credit_fen - l.debit_fen) FILTER (WHERE l.account_id = '{Code.UNEXPLAINED}') AS fen
            FROM payments_ledgerentry e JOIN payments_ledgerline l ON l.entry_id = e.id
            WHERE split_part(e.subject, ':', 1) = 'bill_match' GROUP BY 1
        ) AS x ON x.id = m.id
        WHERE (m.unexplained_fen, m.entry_count) <> (coalesce(x.fen, 0), coalesce(x.entries, 0))
        """,
    ),
    Invariant(
        "a_payment_stands_for_one_row",
        "No two rows of bills stand for the same payment or refund as matched.",
        f"""
        SELECT x.payment_id, m.refund_id, count(*) FROM payments_billmatch m
        LEFT JOIN {PAYMENTS_OF_MATCHES} AS x ON x.match_id = m.id
        WHERE m.row_id IS NOT NULL AND m.outcome = '{Outcome.MATCHED}'
          AND (x.payment_id IS NOT NULL OR m.refund_id IS NOT NULL)
        GROUP BY x.payment_id, m.refund_id HAVING count(*) > 1
        """,
    ),
    Invariant(
        "cash_of_a_parcel_is_shared_among_what_was_in_it",
        "A row that stands for several payments is of a remittance, they are cash, and our books' figure is their sum.",
        f"""
        SELECT m.key, m.booked_fen, sum(p.captured_amount) FROM payments_billmatch m
        JOIN payments_billsource s ON s.id = m.source_id
        JOIN {PAYMENTS_OF_MATCHES} AS x ON x.match_id = m.id JOIN payments_payment p ON p.id = x.payment_id
        WHERE m.id IN (SELECT match_id FROM payments_billshare)
        GROUP BY m.id, s.form
        HAVING s.form <> '{BillForm.COD}' OR m.row_id IS NULL OR m.payment_id IS NULL
            OR bool_or(p.means <> '{Means.CASH}') OR m.booked_fen <> sum(p.captured_amount) * 100
        """,
    ),
    Invariant(
        "gift_cards_are_paid_by_rows_of_their_amount",
        "A row that paid gift cards is of a bank and comes to what was sold of them.",
        f"""
        SELECT m.key, m.amount_fen, sum(v.available_change) FROM payments_billsale p
        JOIN payments_billmatch m ON m.id = p.match_id JOIN payments_billsource s ON s.id = m.source_id
        JOIN payments_balancemovement v ON v.id = p.movement_id
        GROUP BY m.id, s.form
        HAVING m.amount_fen <> sum(v.available_change) OR m.outcome <> '{Outcome.MATCHED}'
            OR s.form <> '{BillForm.BANK}' OR bool_or(v.kind <> '{MovementKind.SOLD}')
        """,
    ),
    Invariant(
        "differences_have_tickets",
        "A difference that has not ended has an open ticket, unless a person closed it; one that ended has none.",
        f"""
        SELECT m.key, m.outcome, m.resolution FROM payments_billmatch m
        LEFT JOIN common_ticket t ON t.kind = '{BILL_DIFFERENCE.code}' AND t.subject_id = m.id
        WHERE m.missed_by_id IS NULL
        GROUP BY m.id
        HAVING (m.resolution = '' AND m.outcome NOT IN ({listed(SETTLED_OUTCOMES)}) AND count(t.id) = 0)
            OR (m.resolution <> '' AND bool_or(t.state = '{TicketState.OPEN}'))
        UNION ALL
        SELECT min(m.key), '{PARCELS_UNBILLED.code}', min(m.missed_by_id)::text FROM payments_billmatch m
        LEFT JOIN common_ticket t ON t.kind = '{PARCELS_UNBILLED.code}' AND t.subject_id = m.missed_by_id
        WHERE m.missed_by_id IS NOT NULL
        GROUP BY m.missed_by_id
        HAVING (bool_or(m.resolution = '') AND count(t.id) = 0)
            OR (bool_and(m.resolution <> '') AND bool_or(t.state = '{TicketState.OPEN}'))
        """,
    ),
)
