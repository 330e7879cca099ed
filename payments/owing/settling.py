"""What marketplace merchants are owed for what they fulfilled: a row a line, written when it is certain.

Rules: `settlement-and-refund-rules.md` §4.2. The base of the commission is what the buyer gave for the goods and what
the platform bears of their price; freight pays none unless the merchant's term says so. It is rounded half up by line.
"""

from collections.abc import Collection

from django.conf import settings
from django.db import connection

from inventory.models import StorageClass, Warehouse
from oms.common.states import listed
from oms.merchants.models import Merchant
from orders.models import ActorKind, ChargeCause, PaysWayBack, SubOrderState
from payments import kinds
from payments.ledger.sources import BORNE
from payments.models import RowKind
from payments.owing import returned

# The term of a merchant `m` for a SKU `k` of an order `o`: that of its category, else the general one, else the
# merchant's own rate.
_TERM = """
    SELECT t.rate, t.on_freight FROM payments_commissionterm t
    WHERE t.merchant_id = m.id AND t.category IN (k.category, '') AND t.in_force_from <= o.created_at
    ORDER BY t.category <> '' DESC, t.in_force_from DESC LIMIT 1
"""
# Warehouses that we run, or have run, for whoever's goods lie there.
_OURS = (Warehouse.Kind.SELF_OPERATED, Warehouse.Kind.PARTNER)
# What the returns of an order cost each marketplace merchant on their way back (yuan).
WAYS_BACK = f"""
    SELECT b.order_id, s.merchant_id,
        coalesce(sum(b.way_back_cost) FILTER (WHERE b.way_back_by = '{PaysWayBack.MERCHANT}'), 0) AS cost
    FROM orders_returnrequest b JOIN orders_suborder s ON s.id = b.sub_order_id
    JOIN merchants_merchant m ON m.id = s.merchant_id AND m.kind = '{Merchant.Kind.MARKETPLACE}'
    WHERE b.way_back_cost IS NOT NULL GROUP BY b.order_id, s.merchant_id
"""
_TODAY = "(now() AT TIME ZONE %(zone)s)::date"


def settle(order_ids: Collection[int]) -> None:
    """Write the rows of these orders, which must be locked, each once: sales of completed sub-orders, money that their
    merchant took itself, what came back after completion, and compensation that the merchant bears."""
    values = {"orders": list(order_ids), "zone": settings.TIME_ZONE}
    with connection.cursor() as cursor:
        for statement in (_SALES, _SERVICE, _COLLECTED):
            cursor.execute(statement, values)
        touched = returned.touched(order_ids)
        if touched:
            returned.take_back_granted(touched)
        for statement in (_CAME_BACK, _COMPENSATIONS, _FORFEITED, _WAY_BACK):
            cursor.execute(statement, values)
    if touched:
        returned.settle_kept(touched)


_SALES = f"""
    WITH sold AS (
        INSERT INTO payments_settlementrow
            (key, merchant_id, kind, order_id, sub_order_id, line_id, quantity, goods_amount, platform_amount,
             freight_amount, rate, commission_amount, net_amount, due_on)
        SELECT 'sale:' || l.id, m.id, '{RowKind.SALE}', o.id, s.id, l.order_line_id, l.quantity, g.goods, g.platform,
            l.freight_share, t.rate, -c.commission, g.goods + g.platform + l.freight_share - c.commission,
            (s.completed_at AT TIME ZONE %(zone)s)::date + m.settlement_days::int
        FROM orders_suborder s
        JOIN merchants_merchant m ON m.id = s.merchant_id AND m.kind = '{Merchant.Kind.MARKETPLACE}'
        JOIN orders_order o ON o.id = s.order_id
        JOIN orders_suborderline l ON l.sub_order_id = s.id
        JOIN orders_orderline ol ON ol.id = l.order_line_id JOIN inventory_sku k ON k.id = ol.sku_id
        LEFT JOIN LATERAL ({_TERM}) AS found ON true
        CROSS JOIN LATERAL (SELECT coalesce(found.rate, m.commission_rate) AS rate,
            coalesce(found.on_freight, false) AS on_freight) AS t
        CROSS JOIN LATERAL (SELECT
            l.goods_amount - l.promotion_share - l.coupon_share + l.adjustment_share AS goods,
            l.promotion_share + CASE WHEN o.deductions_are_outside THEN 0 ELSE l.coupon_share END
                - l.adjustment_share - l.merchant_borne_share AS platform) AS g
        CROSS JOIN LATERAL (SELECT round((g.goods + g.platform
            + CASE WHEN t.on_freight THEN l.freight_share ELSE 0 END) * t.rate, 2) AS commission) AS c
        WHERE s.order_id = ANY(%(orders)s) AND s.state = '{SubOrderState.COMPLETED}'
        ON CONFLICT DO NOTHING
        RETURNING sub_order_id, net_amount
    )
    INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, data)
    SELECT s.order_id, s.id, '{kinds.SETTLED}', '{ActorKind.JOB}', 'owing',
        jsonb_build_object('number', s.number, 'net', sum(o.net_amount)::text)
    FROM sold o JOIN orders_suborder s ON s.id = o.sub_order_id GROUP BY s.id
"""

# What the merchant pays where a warehouse of ours sent its goods; it stays paid when they come back.
_SERVICE = f"""
    INSERT INTO payments_settlementrow
        (key, merchant_id, kind, order_id, sub_order_id, quantity, rate, other_amount, net_amount, due_on)
    SELECT 'service:' || r.id, r.merchant_id, '{RowKind.SERVICE}', r.order_id, r.id, r.units, r.rate, -r.fee, -r.fee,
        r.due_on
    FROM (
        SELECT s.id, s.order_id, s.merchant_id, t.rate, sum(r.quantity) AS units, max(r.due_on) AS due_on,
            round(t.sub_order_fee + t.unit_fee * sum(r.quantity)
                + t.rate * sum(r.goods_amount + r.platform_amount), 2) AS fee
        FROM orders_suborder s JOIN payments_settlementrow r ON r.sub_order_id = s.id AND r.kind = '{RowKind.SALE}'
        JOIN inventory_warehouse w ON w.id = s.warehouse_id AND w.kind IN ({listed(_OURS)})
        JOIN orders_order o ON o.id = s.order_id
        CROSS JOIN LATERAL (
            SELECT t.* FROM payments_serviceterm t
            WHERE t.merchant_id = s.merchant_id AND t.in_force_from <= o.created_at
            ORDER BY t.in_force_from DESC LIMIT 1) AS t
        WHERE s.order_id = ANY(%(orders)s) AND s.state = '{SubOrderState.COMPLETED}'
          AND s.storage_class <> '{StorageClass.VIRTUAL}'
        GROUP BY s.id, t.sub_order_fee, t.unit_fee, t.rate
    ) AS r WHERE r.fee > 0 ON CONFLICT DO NOTHING
"""

# What the merchant's own channel took of the buyer is with the merchant already, and so is what its platform's gift
# cards and points paid.
_COLLECTED = f"""
    INSERT INTO payments_settlementrow
        (key, merchant_id, kind, order_id, sub_order_id, goods_amount, net_amount, due_on)
    SELECT 'collected:' || s.id, s.merchant_id, '{RowKind.COLLECTED}', s.order_id, s.id, -t.taken, -t.taken,
        max(r.due_on)
    FROM orders_suborder s JOIN orders_order o ON o.id = s.order_id
    JOIN merchants_channel h ON h.id = o.channel_id AND h.merchant_id = s.merchant_id
    JOIN payments_settlementrow r ON r.sub_order_id = s.id AND r.kind = '{RowKind.SALE}'
    CROSS JOIN LATERAL (SELECT CASE WHEN {returned.TOOK_THE_MONEY.format("s.order_id")}
        THEN s.payable_amount ELSE 0 END
        + CASE WHEN o.deductions_are_outside THEN s.gift_card_share + s.points_share ELSE 0 END AS taken) AS t
    WHERE s.order_id = ANY(%(orders)s) AND s.state = '{SubOrderState.COMPLETED}' AND t.taken > 0
    GROUP BY s.id, t.taken ON CONFLICT DO NOTHING
"""

# Rows of closed statements stay as they are: what came back is a row in the open period that names the first one. Units
# that came back before took their part along.
_CAME_BACK = f"""
    INSERT INTO payments_settlementrow
        (key, merchant_id, kind, order_id, sub_order_id, line_id, quantity, goods_amount, platform_amount,
         freight_amount, rate, commission_amount, net_amount, due_on, corrects_id)
    SELECT 'back:' || r.id, r.merchant_id, '{RowKind.REFUND}', r.order_id, r.sub_order_id, r.line_id,
        -(r.quantity + b.quantity), -(r.goods_amount + b.goods), -(r.platform_amount + b.platform),
        -(r.freight_amount + b.freight), r.rate, -(r.commission_amount + b.commission), -(r.net_amount + b.net),
        greatest({_TODAY}, r.due_on), r.id
    FROM payments_settlementrow r JOIN orders_suborder s ON s.id = r.sub_order_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(b.quantity), 0) AS quantity, coalesce(sum(b.goods_amount), 0) AS goods,
            coalesce(sum(b.platform_amount), 0) AS platform, coalesce(sum(b.freight_amount), 0) AS freight,
            coalesce(sum(b.commission_amount), 0) AS commission, coalesce(sum(b.net_amount), 0) AS net
        FROM payments_settlementrow b
        WHERE b.order_id = r.order_id AND b.corrects_id = r.id AND b.kind = '{RowKind.REFUND}') AS b
    WHERE r.order_id = ANY(%(orders)s) AND r.kind IN ('{RowKind.SALE}', '{RowKind.COLLECTED}')
      AND s.state = '{SubOrderState.RETURNED}' AND (r.quantity + b.quantity <> 0 OR r.net_amount + b.net <> 0)
    ON CONFLICT DO NOTHING
"""

# A deposit that the buyer of a marketplace merchant's own channel forfeited is that merchant's, as far as no row says
# so yet: of what is held a part may be forfeited later.
_FORFEITED = f"""
    INSERT INTO payments_settlementrow (key, merchant_id, kind, order_id, other_amount, net_amount, due_on)
    SELECT 'forfeited:' || f.order_id || '/' || d.rows + 1, f.merchant_id, '{RowKind.FORFEITED}', f.order_id,
        f.amount - d.done, f.amount - d.done, {_TODAY}
    FROM (
        SELECT c.order_id, m.id AS merchant_id, sum(c.amount) AS amount
        FROM orders_ordercharge c JOIN orders_order o ON o.id = c.order_id
        JOIN merchants_channel h ON h.id = o.channel_id
        JOIN merchants_merchant m ON m.id = h.merchant_id AND m.kind = '{Merchant.Kind.MARKETPLACE}'
        WHERE c.order_id = ANY(%(orders)s) AND c.cause = '{ChargeCause.FORFEITED}' GROUP BY c.order_id, m.id) AS f
    CROSS JOIN LATERAL (
        SELECT count(*) AS rows, coalesce(sum(r.net_amount), 0) AS done FROM payments_settlementrow r
        WHERE r.order_id = f.order_id AND r.kind = '{RowKind.FORFEITED}') AS d
    WHERE f.amount <> d.done
"""

# What the channel's merchant bears of money beside the price, as far as no row says so yet; netted, it comes back.
_COMPENSATIONS = f"""
    INSERT INTO payments_settlementrow (key, merchant_id, kind, order_id, other_amount, net_amount, due_on)
    SELECT 'given:' || m.order_id || '/' || d.rows + 1, m.merchant_id, '{RowKind.COMPENSATION}', m.order_id,
        -(m.merchant + d.done), -(m.merchant + d.done), {_TODAY}
    FROM ({BORNE}) AS m CROSS JOIN LATERAL (
        SELECT count(*) AS rows, coalesce(sum(r.net_amount), 0) AS done FROM payments_settlementrow r
        WHERE r.order_id = m.order_id AND r.kind = '{RowKind.COMPENSATION}') AS d
    WHERE m.kind = '{Merchant.Kind.MARKETPLACE}' AND m.merchant + d.done <> 0
"""

# What merchants bear of what our carriers take for the way back of their goods, as far as no row says so yet; where it
# turns out otherwise, the difference comes back.
_WAY_BACK = f"""
    INSERT INTO payments_settlementrow (key, merchant_id, kind, order_id, other_amount, net_amount, due_on)
    SELECT 'way_back:' || t.order_id || '/' || t.merchant_id || '/' || d.rows + 1, t.merchant_id,
        '{RowKind.WAY_BACK}', t.order_id, -(t.cost + d.done), -(t.cost + d.done), {_TODAY}
    FROM ({WAYS_BACK}) AS t CROSS JOIN LATERAL (
        SELECT count(*) AS rows, coalesce(sum(r.net_amount), 0) AS done FROM payments_settlementrow r
        WHERE r.order_id = t.order_id AND r.merchant_id = t.merchant_id AND r.kind = '{RowKind.WAY_BACK}') AS d
    WHERE t.order_id = ANY(%(orders)s) AND t.cost + d.done <> 0
"""
