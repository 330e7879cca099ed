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
from payments.models import OF_ORDERS, BalanceKind, EntryKind, Means, MovementKind, PaymentState, RefundState, RowKind
from payments.owing.owed import RESERVED
from payments.taking.judging import PAID_BY_HAND

_ORDERS = "= ANY(%(orders)s::bigint[])"


def _fen(amount: str) -> str:
    return f"(({amount}) * 100)::bigint"


# Where the money of a payment `p`, over a connection `c`, lies until it reaches the bank.
_HELD = f"""(CASE p.means WHEN '{Means.CASH}' THEN '{Code.CARRIERS}' WHEN '{Means.EXTERNAL}' THEN '{Code.MERCHANTS_OWN}'
    WHEN '{Means.OFFLINE}' THEN '{Code.BANK}' WHEN '{Means.EXCHANGE}' THEN '{Code.EXCHANGES}'
    ELSE CASE c.protocol {" ".join(f"WHEN '{protocol}' THEN '{code}'" for protocol, code in HELD_OVER.items())}
        ELSE '{Code.OTHER_PROVIDERS}' END END)"""
_HOLDER = f"""(CASE WHEN p.means = '{Means.EXTERNAL}' THEN 'merchant:' || (
        SELECT h.merchant_id FROM orders_order o JOIN merchants_channel h ON h.id = o.channel_id
        WHERE o.id = p.order_id)
    WHEN p.means = '{Means.EXCHANGE}' THEN 'exchange:' || (
        SELECT e.return_request_id FROM orders_exchange e WHERE e.new_order_id = p.order_id)
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

# What gift cards and points of ours paid is prepaid money once it was spent, until it went back; points that orders
# earned, less those that were taken back, are owed to their members.
BALANCES = f"""
    SELECT m.order_id, x.subject || m.order_id, x.kind, x.account, x.party, x.fen
    FROM payments_balancemovement m JOIN payments_balanceaccount a ON a.id = m.account_id
    CROSS JOIN LATERAL (SELECT m.kind IN ('{MovementKind.EARNED}', '{MovementKind.TAKEN_BACK}') AS is_earning,
        CASE m.kind WHEN '{MovementKind.CAPTURED}' THEN -m.held_change ELSE -m.available_change END AS fen) AS v
    CROSS JOIN LATERAL (SELECT CASE WHEN v.is_earning THEN 'earned:' ELSE 'spent:' END AS subject,
        CASE WHEN v.is_earning THEN '{EntryKind.POINTS_EARNED}' ELSE '{EntryKind.BALANCE_SPENT}' END AS kind) AS s
    CROSS JOIN LATERAL (VALUES
        (s.subject, s.kind, CASE a.kind WHEN '{BalanceKind.POINTS}' THEN '{Code.POINTS}' ELSE '{Code.GIFT_CARDS}' END,
            'balance:' || a.id, v.fen),
        (s.subject, s.kind, CASE WHEN v.is_earning THEN '{Code.POINTS_GRANTED}' ELSE '{Code.PREPAID}' END, '', -v.fen))
        AS x(subject, kind, account, party, fen)
    WHERE m.order_id {_ORDERS} AND m.kind IN ({listed(OF_ORDERS)})
"""


def _account_of(kind: BalanceKind, otherwise: Code) -> str:
    """SQL of the account where what such a balance paid of the order stands: what is ours is prepaid money since it was
    spent, what others keep is theirs to pay. `{}` is the order's id."""
    return f"""(CASE WHEN EXISTS (
            SELECT FROM payments_ordertender t JOIN payments_balanceaccount b ON b.id = t.account_id
            WHERE t.order_id = {{}} AND t.fen > 0 AND b.kind = '{kind}')
        THEN '{Code.PREPAID}' ELSE '{otherwise}' END)"""


_CARD = _account_of(BalanceKind.GIFT_CARD, Code.GIFT_CARDS)
_POINTS = _account_of(BalanceKind.POINTS, Code.POINTS)


def _of_channel(account: str, order: str) -> str:
    """SQL of the account where what a tender paid of a marketplace merchant's goods stands: those of the platform of
    the merchant's own channel paid the merchant."""
    outside = f"(SELECT f.deductions_are_outside FROM orders_order f WHERE f.id = {order})"
    return f"CASE WHEN {outside} THEN '{Code.MERCHANTS_OWN}' ELSE {account.format(order)} END"


def _channel(order: str) -> str:
    """SQL of the party of that account."""
    return f"""(SELECT CASE WHEN f.deductions_are_outside THEN 'merchant:' || h.merchant_id ELSE '' END
        FROM orders_order f JOIN merchants_channel h ON h.id = f.channel_id WHERE f.id = {order})"""


# What the buyer gave for a completed sub-order is our own revenue, …
COMPLETED = f"""
    SELECT s.order_id, 'sub_order:' || s.id, '{EntryKind.COMPLETED}', x.account, '', x.fen
    FROM orders_suborder s
    JOIN merchants_merchant m ON m.id = s.merchant_id AND m.kind <> '{Merchant.Kind.MARKETPLACE}'
    CROSS JOIN LATERAL (SELECT s.payable_amount + s.gift_card_share + s.points_share AS given) AS g
    CROSS JOIN LATERAL (VALUES
        ('{Code.PREPAID}', {_fen("s.payable_amount")}),
        ({_CARD.format("s.order_id")}, {_fen("s.gift_card_share")}),
        ({_POINTS.format("s.order_id")}, {_fen("s.points_share")}),
        ('{Code.OWN_SALES}', -{_fen("g.given - s.freight_share")}),
        ('{Code.FREIGHT}', -{_fen("s.freight_share")})) AS x(account, fen)
    WHERE s.order_id {_ORDERS} AND s.state = '{SubOrderState.COMPLETED}'
"""

# … or is owed to the marketplace merchant less the commission, with what the platform bears. What came back takes its
# part of it back, as facts of its own; what the merchant took itself it has already, as what its channel's own gift
# cards and points paid.
_SOLD = f"""
    SELECT r.order_id, r.sub_order_id, r.merchant_id, r.kind = '{RowKind.REFUND}' AS is_back,
        sum(r.goods_amount + r.freight_amount) AS given, sum(r.platform_amount) AS platform,
        sum(r.commission_amount) AS commission, sum(r.net_amount) AS net
    FROM payments_settlementrow r LEFT JOIN payments_settlementrow f ON f.id = r.corrects_id
    WHERE r.order_id {_ORDERS} AND r.sub_order_id IS NOT NULL AND coalesce(f.kind, r.kind) = '{RowKind.SALE}'
    GROUP BY r.order_id, r.sub_order_id, r.merchant_id, is_back
"""


def _came_back(component: ChargeComponent) -> str:
    """What of a tender the units of the sub-order `s` that its merchant bears had paid; below 0."""
    return f"""(SELECT -coalesce(sum(c.amount), 0) FROM orders_ordercharge c
        WHERE c.order_id = s.order_id AND c.sub_order_id = s.id AND c.cause = '{ChargeCause.RETURNED}'
          AND c.component = '{component}'
          AND (s.state = '{SubOrderState.RETURNED}' OR (c.reference <> '' AND c.bearer = '{Bearer.MERCHANT}')))"""


SETTLED = f"""
    SELECT t.order_id, CASE WHEN t.is_back THEN 'returned:' ELSE 'sub_order:' END || t.sub_order_id,
        CASE WHEN t.is_back THEN '{EntryKind.CAME_BACK}' ELSE '{EntryKind.COMPLETED}' END, x.account, x.party, x.fen
    FROM ({_SOLD}) AS t JOIN orders_suborder s ON s.id = t.sub_order_id
    CROSS JOIN LATERAL (SELECT
        CASE WHEN t.is_back THEN {_came_back(ChargeComponent.GIFT_CARD)} ELSE s.gift_card_share END AS card,
        CASE WHEN t.is_back THEN {_came_back(ChargeComponent.POINTS)} ELSE s.points_share END AS points) AS v
    CROSS JOIN LATERAL (VALUES
        ('{Code.PREPAID}', '', {_fen("t.given - v.card - v.points")}),
        ({_of_channel(_CARD, "t.order_id")}, {_channel("t.order_id")}, {_fen("v.card")}),
        ({_of_channel(_POINTS, "t.order_id")}, {_channel("t.order_id")}, {_fen("v.points")}),
        ('{Code.PLATFORM_OFFERS}', '', {_fen("t.platform")}),
        ('{Code.MERCHANTS}', 'merchant:' || t.merchant_id, -{_fen("t.net")}),
        ('{Code.COMMISSION}', '', {_fen("t.commission")})) AS x(account, party, fen)
"""
KEPT = f"""
    SELECT r.order_id, 'kept:' || coalesce(r.sub_order_id::text, 'order'), '{EntryKind.KEPT_BY_MERCHANT}', x.account,
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

# Units of completed sub-orders that came back by themselves: our own revenue falls, or the platform bears what the
# marketplace merchant keeps; where the merchant bears it, rows of settlement say so. And what of the money of units
# that are gone does not go back.
_CHANGED = f"""
    SELECT c.order_id, CASE WHEN m.kind = '{Merchant.Kind.MARKETPLACE}' AND c.cause = '{ChargeCause.RETURNED}'
            THEN '{Code.COMPENSATION}' ELSE '{Code.OWN_SALES}' END AS account, sum(c.amount) AS cash,
        coalesce(sum(c.amount) FILTER (WHERE c.component = '{ChargeComponent.FREIGHT}'), 0) AS freight,
        coalesce(sum(c.amount) FILTER (WHERE c.component = '{ChargeComponent.GIFT_CARD}'), 0) AS card,
        coalesce(sum(c.amount) FILTER (WHERE c.component = '{ChargeComponent.POINTS}'), 0) AS points
    FROM orders_ordercharge c LEFT JOIN orders_suborder s ON s.id = c.sub_order_id
    LEFT JOIN merchants_merchant m ON m.id = s.merchant_id
    WHERE c.order_id {_ORDERS} AND (c.cause IN ({listed(NOT_GIVEN_BACK)})
        OR (c.cause = '{ChargeCause.RETURNED}' AND c.reference <> '' AND s.state = '{SubOrderState.COMPLETED}'
            AND (m.kind <> '{Merchant.Kind.MARKETPLACE}' OR c.bearer <> '{Bearer.MERCHANT}')))
    GROUP BY c.order_id, account
"""
CHANGED = f"""
    SELECT g.order_id, 'changed:' || g.order_id, '{EntryKind.CAME_BACK}', x.account, x.party, x.fen
    FROM ({_CHANGED}) AS g CROSS JOIN LATERAL (VALUES
        ('{Code.PREPAID}', '', {_fen("g.cash")}),
        ({_of_channel(_CARD, "g.order_id")}, {_channel("g.order_id")}, -{_fen("g.card")}),
        ({_of_channel(_POINTS, "g.order_id")}, {_channel("g.order_id")}, -{_fen("g.points")}),
        (CASE g.account WHEN '{Code.OWN_SALES}' THEN '{Code.FREIGHT}' ELSE g.account END, '', -{_fen("g.freight")}),
        (g.account, '', -{_fen("g.cash - g.card - g.points - g.freight")})) AS x(account, party, fen)
"""
# What of it is the merchants'.
WITHHELD = f"""
    SELECT r.order_id, 'withheld:' || r.order_id || ':' || r.merchant_id, '{EntryKind.CAME_BACK}', x.account, x.party,
        x.fen
    FROM payments_settlementrow r CROSS JOIN LATERAL (VALUES
        ('{Code.OWN_SALES}', '', {_fen("r.other_amount")}),
        ('{Code.FREIGHT}', '', {_fen("r.freight_amount")}),
        ('{Code.MERCHANTS}', 'merchant:' || r.merchant_id, -{_fen("r.net_amount")})) AS x(account, party, fen)
    WHERE r.order_id {_ORDERS} AND r.kind = '{RowKind.KEPT}'
"""

# A deposit that the buyer forfeited is the seller's: ours, or that of the marketplace merchant of the channel.
FORFEITED = f"""
    SELECT c.order_id, 'forfeited:' || c.order_id, '{EntryKind.FORFEITED}', x.account, x.party, {_fen("x.amount")}
    FROM (SELECT order_id, sum(amount) AS amount FROM orders_ordercharge
          WHERE order_id {_ORDERS} AND cause = '{ChargeCause.FORFEITED}' GROUP BY order_id) AS c
    JOIN orders_order o ON o.id = c.order_id JOIN merchants_channel h ON h.id = o.channel_id
    JOIN merchants_merchant m ON m.id = h.merchant_id
    CROSS JOIN LATERAL (SELECT m.kind = '{Merchant.Kind.MARKETPLACE}' AS is_theirs) AS t
    CROSS JOIN LATERAL (VALUES ('{Code.PREPAID}', '', c.amount),
        (CASE WHEN t.is_theirs THEN '{Code.MERCHANTS}' ELSE '{Code.OTHER_INCOME}' END,
            CASE WHEN t.is_theirs THEN 'merchant:' || m.id ELSE '' END, -c.amount)) AS x(account, party, amount)
"""

# What of the money of goods that came back was used for those that they were exchanged for, and what of it is missing
# and was written off.
EXCHANGED = f"""
    SELECT g.order_id, 'exchange:' || g.exchange, '{EntryKind.EXCHANGED}', x.account, x.party, x.fen
    FROM (SELECT c.order_id, e.return_request_id AS exchange, sum(c.amount) AS cash,
            coalesce(sum(c.amount) FILTER (WHERE c.component = '{ChargeComponent.GIFT_CARD}'), 0) AS card,
            coalesce(sum(c.amount) FILTER (WHERE c.component = '{ChargeComponent.POINTS}'), 0) AS points
          FROM orders_ordercharge c JOIN orders_order n ON n.number = c.reference
          JOIN orders_exchange e ON e.new_order_id = n.id
          WHERE c.order_id {_ORDERS} AND c.cause = '{ChargeCause.EXCHANGED}' GROUP BY c.order_id, exchange) AS g
    CROSS JOIN LATERAL (VALUES
        ('{Code.PREPAID}', '', {_fen("g.cash")}),
        ({_of_channel(_CARD, "g.order_id")}, {_channel("g.order_id")}, -{_fen("g.card")}),
        ({_of_channel(_POINTS, "g.order_id")}, {_channel("g.order_id")}, -{_fen("g.points")}),
        ('{Code.EXCHANGES}', 'exchange:' || g.exchange, -{_fen("g.cash - g.card - g.points")}))
        AS x(account, party, fen)
    UNION ALL
    SELECT r.order_id, 'exchange:' || r.id, '{EntryKind.WRITTEN_OFF}', x.account, x.party, x.fen
    FROM orders_exchange e JOIN orders_returnrequest r ON r.id = e.return_request_id
    CROSS JOIN LATERAL (VALUES ('{Code.COMPENSATION}', '', {_fen("e.written_off")}),
        ('{Code.EXCHANGES}', 'exchange:' || r.id, -{_fen("e.written_off")})) AS x(account, party, fen)
    WHERE r.order_id {_ORDERS} AND e.written_off > 0
"""

# What a merchant pays for the service of our warehouse.
SERVICE = f"""
    SELECT r.order_id, 'service:' || r.sub_order_id, '{EntryKind.COMPLETED}', x.account, x.party, x.fen
    FROM payments_settlementrow r CROSS JOIN LATERAL (VALUES
        ('{Code.SERVICES}', '', {_fen("r.net_amount")}),
        ('{Code.MERCHANTS}', 'merchant:' || r.merchant_id, -{_fen("r.net_amount")})) AS x(account, party, fen)
    WHERE r.order_id {_ORDERS} AND r.kind = '{RowKind.SERVICE}'
"""

# What a merchant bears of the way back lowers what our carriage costs; the carrier's bill books that.
WAY_BACK = f"""
    SELECT r.order_id, 'way_back:' || r.order_id || ':' || r.merchant_id, '{EntryKind.CAME_BACK}', x.account, x.party,
        x.fen
    FROM payments_settlementrow r CROSS JOIN LATERAL (VALUES
        ('{Code.CARRIAGE}', '', {_fen("r.net_amount")}),
        ('{Code.MERCHANTS}', 'merchant:' || r.merchant_id, -{_fen("r.net_amount")})) AS x(account, party, fen)
    WHERE r.order_id {_ORDERS} AND r.kind = '{RowKind.WAY_BACK}'
"""

# What was completed and is not paid (yet) is owed by the buyer: the order's prepaid money is below 0 by it.
RECEIVABLE = f"""
    SELECT f.order_id, 'receivable:' || f.order_id, '{EntryKind.RECEIVABLE}', x.account, '', x.fen
    FROM (SELECT order_id, greatest(sum(fen), 0) AS fen FROM facts WHERE account = '{Code.PREPAID}'
          GROUP BY order_id) AS f
    CROSS JOIN LATERAL (VALUES ('{Code.RECEIVABLE}', f.fen), ('{Code.PREPAID}', -f.fen)) AS x(account, fen)
"""
