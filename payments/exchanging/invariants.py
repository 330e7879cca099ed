"""What must always hold of exchanges: what goods that come back pay, and that nothing of it is lost."""

from oms.common.invariants import Invariant
from oms.common.models import TicketState
from oms.common.states import listed
from orders.models import ChargeCause, Hold, MoneyState, OrderState, ReturnKind, ReturnState
from orders.models.charge import ChargeComponent
from orders.models.order import OVER
from orders.models.order_link import LinkKind
from orders.models.return_request import ENDED_WITHOUT
from orders.returning import kinds
from payments.exchanging.following import EXCHANGE_UNPAID
from payments.ledger.chart import Code
from payments.models import Means, PaymentState, RefundState

# Of each exchange with a new order: what that is paid by goods that came or come back, less what goes back of it; what
# the original order keeps for it; and whether somebody is about to look at it. In yuan.
_MONEY = f"""
    SELECT e.*, r.number, r.order_id, r.state, r.money_state, r.kind, n.number AS new_number, n.state AS new_state,
        n.cancel_requested_at,
        coalesce((SELECT sum(p.captured_amount) FROM payments_payment p
            WHERE p.order_id = n.id AND p.means = '{Means.EXCHANGE}' AND p.state = '{PaymentState.CAPTURED}'), 0)
        - coalesce((SELECT sum(f.amount) FROM payments_refund f JOIN payments_payment p ON p.id = f.payment_id
            WHERE f.order_id = n.id AND p.means = '{Means.EXCHANGE}'), 0) AS used,
        coalesce((SELECT sum(c.amount) FROM orders_ordercharge c
            WHERE c.order_id = r.order_id AND c.cause = '{ChargeCause.EXCHANGED}' AND c.reference = n.number
              AND c.component = '{ChargeComponent.EXTRA}'), 0) AS kept_back,
        e.due_since IS NOT NULL OR EXISTS (SELECT FROM payments_refund f JOIN payments_payment p ON p.id = f.payment_id
            WHERE f.order_id = n.id AND p.means = '{Means.EXCHANGE}' AND f.state = '{RefundState.INTENDED}') AS is_due
    FROM orders_exchange e JOIN orders_returnrequest r ON r.id = e.return_request_id
    JOIN orders_order n ON n.id = e.new_order_id
"""

INVARIANTS = (
    Invariant(
        "exchanges_are_of_returns_that_want_one",
        "A return of that kind has an exchange that is not given up, and others have none that goes on; its new order"
        " follows from the return's order, in the same shop, and both stories tell of it.",
        f"""
        SELECT r.number, r.kind, e.ended_at::text FROM orders_returnrequest r
        LEFT JOIN orders_exchange e ON e.return_request_id = r.id
        WHERE (r.kind = '{ReturnKind.EXCHANGE}') <> (e.return_request_id IS NOT NULL AND e.ended_at IS NULL)
        UNION ALL
        SELECT r.number, n.number, k.kind FROM orders_exchange e
        JOIN orders_returnrequest r ON r.id = e.return_request_id JOIN orders_order n ON n.id = e.new_order_id
        JOIN orders_order o ON o.id = r.order_id LEFT JOIN orders_orderlink k ON k.order_id = n.id
        WHERE (k.kind, k.original_id) IS DISTINCT FROM ('{LinkKind.EXCHANGE}', r.order_id)
           OR n.channel_id <> o.channel_id
           OR NOT EXISTS (SELECT FROM orders_orderevent v WHERE v.order_id = n.id AND v.kind = '{kinds.EXCHANGES}')
           OR NOT EXISTS (SELECT FROM orders_orderevent v WHERE v.order_id = o.id
                AND v.kind = '{kinds.EXCHANGE_BEGUN}' AND v.data->>'order' = n.number)
        UNION ALL
        SELECT n.number, k.kind, '' FROM orders_orderlink k JOIN orders_order n ON n.id = k.order_id
        WHERE k.kind = '{LinkKind.EXCHANGE}'
          AND NOT EXISTS (SELECT FROM orders_exchange e WHERE e.new_order_id = k.order_id)
        """,
    ),
    Invariant(
        "what_is_exchanged_pays_for_its_new_order",
        "Only an exchange's new order is paid by goods that come back: once, by what was reckoned when it began.",
        f"""
        SELECT n.number, e.credit, sum(p.captured_amount) FROM orders_order n
        LEFT JOIN orders_exchange e ON e.new_order_id = n.id
        LEFT JOIN payments_payment p ON p.order_id = n.id AND p.means = '{Means.EXCHANGE}'
        WHERE e.return_request_id IS NOT NULL OR p.id IS NOT NULL
        GROUP BY n.id, e.return_request_id HAVING count(p.id) > 1
            OR coalesce(sum(p.captured_amount), 0) IS DISTINCT FROM e.credit
        """,
    ),
    Invariant(
        "what_is_exchanged_is_set_off_once",
        "Of what goods gave that came back, the original order keeps what the new one is paid by them, as far as they"
        " gave it, or somebody is about to look at it; and nothing before their money is granted.",
        f"""
        SELECT number, new_number, used, kept_back, granted::text FROM ({_MONEY}) AS m
        WHERE NOT is_due AND kept_back <> CASE WHEN granted IS NULL THEN 0 ELSE least(used, ((granted->>'cash')::bigint
            + (granted->>'gift_card')::bigint + (granted->>'points')::bigint) / 100.0) END
           OR granted IS NOT NULL AND money_state <> '{MoneyState.GRANTED}'
           OR granted IS NULL AND ended_at IS NULL AND money_state = '{MoneyState.GRANTED}'
        UNION ALL
        SELECT o.number, c.reference, sum(c.amount), 0, '' FROM orders_ordercharge c
        JOIN orders_order o ON o.id = c.order_id
        WHERE c.cause = '{ChargeCause.EXCHANGED}' AND NOT EXISTS (SELECT FROM orders_exchange e
            JOIN orders_order n ON n.id = e.new_order_id AND n.number = c.reference
            JOIN orders_returnrequest r ON r.id = e.return_request_id AND r.order_id = c.order_id)
        GROUP BY o.id, c.reference
        """,
    ),
    Invariant(
        "the_ledger_of_exchanges_is_what_is_still_to_come",
        "The ledger's account of exchanges has of each what the new order is paid by goods, less what the original"
        " order keeps for it and what was written off, or somebody is about to look at it.",
        f"""
        SELECT m.number, m.used, m.kept_back, m.written_off, b.fen FROM ({_MONEY}) AS m
        FULL JOIN (SELECT party, sum(debit_fen - credit_fen) AS fen FROM payments_ledgerline
                   WHERE account_id = '{Code.EXCHANGES}' GROUP BY party) AS b
          ON b.party = 'exchange:' || m.return_request_id
        WHERE NOT coalesce(m.is_due, false)
          AND coalesce(b.fen, 0) <> coalesce(100 * (m.used - m.kept_back - m.written_off), 0)
        """,
    ),
    Invariant(
        "what_an_exchange_left_unpaid_is_known",
        "Where the goods are decided on, or do not come, and they do not pay what was counted on, a person was told,"
        " the new order is about to be stopped, or somebody is about to look at it.",
        f"""
        SELECT number, new_number, used, kept_back FROM ({_MONEY}) AS m
        WHERE NOT is_due AND ended_at IS NULL AND used > kept_back + written_off
          AND new_state <> '{OrderState.CANCELLED}' AND cancel_requested_at IS NULL
          AND (settled_at IS NOT NULL OR state IN ({listed(ENDED_WITHOUT)})
            OR (state = '{ReturnState.CLOSED}' AND money_state = '{MoneyState.NOTHING}'))
          AND NOT EXISTS (SELECT FROM common_ticket t WHERE t.kind = '{EXCHANGE_UNPAID.code}'
                AND t.subject_id = m.return_request_id AND t.state = '{TicketState.OPEN}')
        """,
    ),
    Invariant(
        "what_waits_for_exchanged_goods_has_an_exchange",
        "An order is held for goods that come back only while its exchange goes on; one that is over is not.",
        f"""
        SELECT n.number, h.reason FROM orders_hold h JOIN orders_order n ON n.id = h.order_id
        LEFT JOIN orders_exchange e ON e.new_order_id = h.order_id
        WHERE h.kind = '{Hold.Kind.EXCHANGE}' AND h.released_at IS NULL AND n.state NOT IN ({listed(OVER)})
          AND (e.return_request_id IS NULL OR e.ended_at IS NOT NULL)
        """,
    ),
)
