"""What each fact about an order's money comes to in the accounts.

Each source is SQL of rows (order_id, subject, kind, account, party, fen): what should be booked of the subject by now;
fen is positive in debit. The rows of a subject add up to 0. `payments.ledger.posting` books what is missing.
"""

from oms.common.states import listed
from oms.merchants.models import Merchant
from orders.models import ChargeCause, SubOrderState
from orders.models.amounts import Bearer
from orders.models.charge import GIVEN, ChargeComponent
from orders.models.charge import KEPT as NOT_GIVEN_BACK
from payments.ledger.chart import HELD_OVER, Code
from payments.models import EntryKind, Means, PaymentState, RefundState, RowKind
from payments.owing.owed import RESERVED
from payments.taking.judging import PAID_BY_HAND

_ORDERS = "= ANY(%(orders)s::bigint[])"


def _fen(amount: str) -> str:
    return f"(({amount}) * 100)::bigint"


# Where the money of a payment `p`, over a connection `c`, lies until it reaches the bank.
_HELD = f"""(CASE p.means WHEN '{Means.CASH}' THEN '{Code.CARRIERS}' WHEN '{Means.EXTERNAL}' THEN '{Code.MERCHANTS_OWN}'
    WHEN '{Means.OFFLINE}' THEN '{Code.BANK}'
    ELSE CASE c.protocol {" ".join(f"WHEN '{protocol}' THEN '{code}'" for protocol, code in HELD_OVER.items())}
        ELSE '{Code.OTHER_PROVIDERS}' END END)"""
_HOLDER = f"""(CASE WHEN p.means = '{Means.EXTERNAL}' THEN 'merchant:' || (
        SELECT h.merchant_id FROM orders_order o JOIN merchants_channel h ON h.id = o.channel_id
        WHERE o.id = p.order_id)
    WHEN c.id IS NOT NULL THEN 'connection:' || c.id ELSE '' END)"""

CAPTURED = f"""
    SELECT p.order_id, 'payment:' || p.id, '{EntryKind.CAPTURED}', x.account, x.party, x.fen
    FROM payments_payment p LEFT JOIN common_connection c ON c.id = p.connection_id
    CROSS JOIN LATERAL (VALUES
        ({_HELD}, {_HOLDER}, {_fen("p.captured_amount")}),
        ('{Code.PREPAID}', '', -{_fen("p.captured_amount")})) AS x(account, party, fen)
    WHERE p.order_id {_ORDERS} AND p.state = '{PaymentState.CAPTURED}'
"""

# What was paid out by hand left the bank, whatever way the money had come.
_PAID_FROM = f"(CASE WHEN r.transaction_number = '{PAID_BY_HAND}' THEN '{Code.BANK}' ELSE {_HELD} END)"
_PAID_BY = f"(CASE WHEN r.transaction_number = '{PAID_BY_HAND}' THEN '' ELSE {_HOLDER} END)"

REFUNDS = f"""
    SELECT r.order_id, 'refund:' || r.id,
        CASE r.state WHEN '{RefundState.SUCCEEDED}' THEN '{EntryKind.REFUNDED}'
            WHEN '{RefundState.REQUESTED}' THEN '{EntryKind.REFUND_SENT}' ELSE '{EntryKind.REFUND_GRANTED}' END,
        x.account, x.party, x.fen
    FROM payments_refund r JOIN payments_payment p ON p.id = r.payment_id
    LEFT JOIN common_connection c ON c.id = p.connection_id
    CROSS JOIN LATERAL (SELECT {RESERVED} AS reserved) AS m
    CROSS JOIN LATERAL (VALUES
        ('{Code.PREPAID}', '', {_fen("m.reserved")}),
        ({_PAID_FROM}, {_PAID_BY}, -{_fen("r.refunded_amount")}),
        (CASE WHEN r.state = '{RefundState.REQUESTED}' THEN '{Code.REFUNDS_UNDER_WAY}' ELSE '{Code.TO_REFUND}' END, '',
            -{_fen("m.reserved - r.refunded_amount")})) AS x(account, party, fen)
    WHERE r.order_id {_ORDERS}
"""

# What a provider keeps back of a payment while it is disputed.
DISPUTED = f"""
    SELECT d.order_id, 'dispute:' || d.id, '{EntryKind.DISPUTED}', x.account, x.party, x.fen
    FROM payments_dispute d JOIN payments_payment p ON p.id = d.payment_id
    LEFT JOIN common_connection c ON c.id = p.connection_id
    CROSS JOIN LATERAL (VALUES
        ('{Code.DISPUTED}', 'connection:' || d.connection_id, {_fen("d.held_amount")}),
        ({_HELD}, {_HOLDER}, -{_fen("d.held_amount")})) AS x(account, party, fen)
    WHERE d.order_id {_ORDERS}
"""

# What the buyer gave for a completed sub-order is our own revenue, …
COMPLETED = f"""
    SELECT s.order_id, 'sub_order:' || s.id, '{EntryKind.COMPLETED}', x.account, '', x.fen
    FROM orders_suborder s
    JOIN merchants_merchant m ON m.id = s.merchant_id AND m.kind <> '{Merchant.Kind.MARKETPLACE}'
    CROSS JOIN LATERAL (SELECT s.payable_amount + s.gift_card_share + s.points_share AS given) AS g
    CROSS JOIN LATERAL (VALUES
        ('{Code.PREPAID}', {_fen("s.payable_amount")}),
        ('{Code.GIFT_CARDS}', {_fen("s.gift_card_share")}),
        ('{Code.POINTS}', {_fen("s.points_share")}),
        ('{Code.OWN_SALES}', -{_fen("g.given - s.freight_share")}),
        ('{Code.FREIGHT}', -{_fen("s.freight_share")})) AS x(account, fen)
    WHERE s.order_id {_ORDERS} AND s.state = '{SubOrderState.COMPLETED}'
"""

# … or is owed to the marketplace merchant less the commission, with what the platform bears. What came back takes all
# of it back; what the merchant took itself it has already.
_SOLD = f"""
    SELECT r.order_id, r.sub_order_id, r.merchant_id, sum(r.goods_amount + r.freight_amount) AS given,
        sum(r.platform_amount) AS platform, sum(r.commission_amount) AS commission, sum(r.net_amount) AS net
    FROM payments_settlementrow r LEFT JOIN payments_settlementrow f ON f.id = r.corrects_id
    WHERE r.order_id {_ORDERS} AND r.sub_order_id IS NOT NULL AND coalesce(f.kind, r.kind) = '{RowKind.SALE}'
    GROUP BY r.order_id, r.sub_order_id, r.merchant_id
"""
SETTLED = f"""
    SELECT t.order_id, 'sub_order:' || t.sub_order_id, '{EntryKind.COMPLETED}', x.account, x.party, x.fen
    FROM ({_SOLD}) AS t JOIN orders_suborder s ON s.id = t.sub_order_id
    CROSS JOIN LATERAL (SELECT CASE s.state WHEN '{SubOrderState.COMPLETED}' THEN s.gift_card_share ELSE 0 END AS card,
        CASE s.state WHEN '{SubOrderState.COMPLETED}' THEN s.points_share ELSE 0 END AS points) AS v
    CROSS JOIN LATERAL (VALUES
        ('{Code.PREPAID}', '', {_fen("t.given - v.card - v.points")}),
        ('{Code.GIFT_CARDS}', '', {_fen("v.card")}),
        ('{Code.POINTS}', '', {_fen("v.points")}),
        ('{Code.PLATFORM_OFFERS}', '', {_fen("t.platform")}),
        ('{Code.MERCHANTS}', 'merchant:' || t.merchant_id, -{_fen("t.net")}),
        ('{Code.COMMISSION}', '', {_fen("t.commission")})) AS x(account, party, fen)
"""
KEPT = f"""
    SELECT r.order_id, 'kept:' || r.sub_order_id, '{EntryKind.KEPT_BY_MERCHANT}', x.account,
        'merchant:' || r.merchant_id, x.fen
    FROM payments_settlementrow r LEFT JOIN payments_settlementrow f ON f.id = r.corrects_id
    CROSS JOIN LATERAL (VALUES ('{Code.MERCHANTS}', -{_fen("r.net_amount")}),
        ('{Code.MERCHANTS_OWN}', {_fen("r.net_amount")})) AS x(account, fen)
    WHERE r.order_id {_ORDERS} AND coalesce(f.kind, r.kind) = '{RowKind.COLLECTED}'
"""

# Money beside the price; what of it was netted is taken off the platform's part first.
_GIVEN = f"""
    SELECT c.order_id,
        -coalesce(sum(c.amount) FILTER (WHERE c.cause IN ({listed(GIVEN)})
            AND c.bearer = '{Bearer.MERCHANT}'), 0) AS of_merchant,
        -coalesce(sum(c.amount) FILTER (WHERE c.cause IN ({listed(GIVEN)})
            AND c.bearer <> '{Bearer.MERCHANT}'), 0) AS of_platform,
        coalesce(sum(c.amount) FILTER (WHERE c.cause = '{ChargeCause.NETTED}'), 0) AS netted
    FROM orders_ordercharge c
    WHERE c.order_id {_ORDERS} AND c.cause IN ({listed((*GIVEN, ChargeCause.NETTED))}) GROUP BY c.order_id
"""
# Who bears it (yuan): of each order, the platform's part and that of the merchant `s` of its channel.
BORNE = f"""
    SELECT g.order_id, s.id AS merchant_id, s.kind, greatest(g.of_platform - g.netted, 0) AS platform,
        g.of_merchant - greatest(g.netted - g.of_platform, 0) AS merchant
    FROM ({_GIVEN}) AS g JOIN orders_order o ON o.id = g.order_id JOIN merchants_channel h ON h.id = o.channel_id
    JOIN merchants_merchant s ON s.id = h.merchant_id
"""
GIVEN_BESIDE = f"""
    SELECT m.order_id, 'given:' || m.order_id, '{EntryKind.GIVEN}', x.account, x.party, x.fen
    FROM ({BORNE}) AS m CROSS JOIN LATERAL (VALUES
        ('{Code.COMPENSATION}', '', {_fen("m.platform")}),
        (CASE m.kind WHEN '{Merchant.Kind.MARKETPLACE}' THEN '{Code.MERCHANTS}' ELSE '{Code.COMPENSATION}' END,
            CASE m.kind WHEN '{Merchant.Kind.MARKETPLACE}' THEN 'merchant:' || m.merchant_id ELSE '' END,
            {_fen("m.merchant")}),
        ('{Code.PREPAID}', '', -{_fen("m.platform + m.merchant")})) AS x(account, party, fen)
"""

# Units of completed sub-orders that came back by themselves, and what of the money of units that are gone does not go
# back. Rows of settlement know neither yet, so the platform bears and gets them for marketplace merchants too.
_CHANGED = f"""
    SELECT c.order_id, sum(c.amount) AS cash,
        coalesce(sum(c.amount) FILTER (WHERE c.component = '{ChargeComponent.GIFT_CARD}'), 0) AS card,
        coalesce(sum(c.amount) FILTER (WHERE c.component = '{ChargeComponent.POINTS}'), 0) AS points
    FROM orders_ordercharge c LEFT JOIN orders_suborder s ON s.id = c.sub_order_id
    WHERE c.order_id {_ORDERS} AND (c.cause IN ({listed(NOT_GIVEN_BACK)})
        OR (c.cause = '{ChargeCause.RETURNED}' AND c.reference <> '' AND s.state = '{SubOrderState.COMPLETED}'))
    GROUP BY c.order_id
"""
CHANGED = f"""
    SELECT g.order_id, 'changed:' || g.order_id, '{EntryKind.CAME_BACK}', x.account, '', x.fen
    FROM ({_CHANGED}) AS g CROSS JOIN LATERAL (VALUES
        ('{Code.PREPAID}', {_fen("g.cash")}), ('{Code.GIFT_CARDS}', -{_fen("g.card")}),
        ('{Code.POINTS}', -{_fen("g.points")}),
        ('{Code.OWN_SALES}', -{_fen("g.cash - g.card - g.points")})) AS x(account, fen)
"""

# What was completed and is not paid (yet) is owed by the buyer: the order's prepaid money is below 0 by it.
RECEIVABLE = f"""
    SELECT f.order_id, 'receivable:' || f.order_id, '{EntryKind.RECEIVABLE}', x.account, '', x.fen
    FROM (SELECT order_id, greatest(sum(fen), 0) AS fen FROM facts WHERE account = '{Code.PREPAID}'
          GROUP BY order_id) AS f
    CROSS JOIN LATERAL (VALUES ('{Code.RECEIVABLE}', f.fen), ('{Code.PREPAID}', -f.fen)) AS x(account, fen)
"""
