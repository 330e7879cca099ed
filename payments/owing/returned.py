"""What merchants are owed less, and more, for units that came back by themselves: the settlement's side of grants.

Where the merchant bears a return, its row takes the units' shares of the sale back, the commission with them, and is
due now; where the platform does, the merchant keeps the sale. What of the money of units that are gone the buyer does
not get back goes to who bore it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_DOWN, Decimal

from django.conf import settings
from django.db import connection
from django.utils import timezone

from oms.common.states import listed
from oms.merchants.models import Merchant
from orders.models import ChargeCause, SubOrderState
from orders.models.amounts import Bearer
from orders.models.charge import GIVEN, KEPT, ChargeComponent
from payments.models import GrantKind, GrantState, Means, RowKind, SettlementRow

_FEN = Decimal("0.01")
_C = ChargeComponent


@dataclass(slots=True)
class _Sale:
    """A row of sale, with what of it did not come back yet."""

    row: SettlementRow
    units: int
    platform: Decimal
    commission: Decimal


def touched(order_ids: Collection[int]) -> list[int]:
    """Those of the orders of which units came back by grants, or something was given or kept beside the price: the
    others have nothing to write here."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT DISTINCT order_id FROM orders_ordercharge
            WHERE order_id = ANY(%s) AND (cause IN ({listed((*KEPT, *GIVEN, ChargeCause.NETTED))})
                OR (cause = '{ChargeCause.RETURNED}' AND reference <> ''))
            UNION SELECT order_id FROM payments_refundgrant
            WHERE order_id = ANY(%s) AND state = '{GrantState.APPROVED}' AND kind = '{GrantKind.RETURN}'
            """,
            [list(order_ids)] * 2,
        )
        return [key for (key,) in cursor.fetchall()]


def take_back_granted(order_ids: Collection[int]) -> None:
    """Write the rows of units that came back by grants, each once: of the sale where its merchant bears it, and of what
    the merchant took itself. The orders must be locked."""
    with connection.cursor() as cursor:
        cursor.execute(_GRANTED, {"orders": list(order_ids)})
        found = cursor.fetchall()
    if not found:
        return
    sales = _sales({row_id for row_id, *_rest in found})
    today = timezone.localdate()
    rows = []
    for row_id, grant_id, units, goods, freight in found:
        sale = sales[row_id]
        rows.append(_part_back(sale, f"back:{row_id}/{grant_id}", units, goods, freight, today))
    SettlementRow.objects.bulk_create(rows)


def _sales(row_ids: Collection[int]) -> dict[int, _Sale]:
    sales = {
        row.pk: _Sale(row, row.quantity, row.platform_amount, row.commission_amount)
        for row in SettlementRow.objects.filter(pk__in=row_ids)
    }
    for back in SettlementRow.objects.filter(corrects__in=row_ids, kind=RowKind.REFUND, order__in=_orders(sales)):
        assert back.corrects_id is not None  # noqa: S101 - for the type checker: it was asked for
        _take(sales[back.corrects_id], back)
    return sales


def _orders(sales: dict[int, _Sale]) -> set[int]:
    return {sale.row.order_id for sale in sales.values() if sale.row.order_id is not None}


def _take(sale: _Sale, back: SettlementRow) -> None:
    sale.units += back.quantity
    sale.platform += back.platform_amount
    sale.commission += back.commission_amount


def _part_back(sale: _Sale, key: str, units: int, goods: Decimal, freight: Decimal, today: date) -> SettlementRow:
    """The row of units that came back: what the buyer got for them by the charges; of the rest the units' part, rounded
    down, the last units taking what is left."""
    row = sale.row
    platform, commission = (
        (amount * units / sale.units).quantize(_FEN, ROUND_DOWN) for amount in (sale.platform, sale.commission)
    )
    back = SettlementRow(
        key=key,
        merchant_id=row.merchant_id,
        kind=RowKind.REFUND,
        order_id=row.order_id,
        sub_order_id=row.sub_order_id,
        line_id=row.line_id,
        quantity=-units,
        goods_amount=goods,
        platform_amount=-platform,
        freight_amount=freight,
        rate=row.rate,
        commission_amount=-commission,
        net_amount=goods + freight - platform - commission,
        due_on=max(today, row.due_on),
        corrects=row,
    )
    _take(sale, back)
    return back


# What units of approved grants took along by their charges, less what is written already.
_GRANTED = f"""
    SELECT r.id, g.id, n.quantity, c.goods, c.freight
    FROM payments_refundgrant g
    JOIN payments_refundgrantline n ON n.grant_id = g.id AND NOT n.is_missing
    JOIN orders_suborderline l ON l.id = n.sub_order_line_id
    JOIN orders_suborder s ON s.id = l.sub_order_id AND s.state = '{SubOrderState.COMPLETED}'
    JOIN payments_settlementrow r ON r.key = 'sale:' || l.id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(c.amount) FILTER (WHERE c.component IN (
                {listed((_C.GOODS, _C.PROMOTION, _C.COUPON, _C.ADJUSTMENT))})), 0) AS goods,
            coalesce(sum(c.amount) FILTER (WHERE c.component = '{_C.FREIGHT}'), 0) AS freight
        FROM orders_ordercharge c
        WHERE c.order_id = g.order_id AND c.sub_order_id = s.id AND c.line_id = l.order_line_id
          AND c.cause = '{ChargeCause.RETURNED}' AND c.reference = g.number) AS c
    WHERE g.order_id = ANY(%(orders)s) AND g.state = '{GrantState.APPROVED}' AND g.kind = '{GrantKind.RETURN}'
      AND g.bearer = '{Bearer.MERCHANT}'
      AND NOT EXISTS (SELECT FROM payments_settlementrow b WHERE b.key = 'back:' || r.id || '/' || g.id)
    ORDER BY g.id, n.id
"""

# Whether the merchant of its own channel took the money of an order (by its id) itself.
TOOK_THE_MONEY = f"""EXISTS (SELECT FROM payments_payment p
    WHERE p.order_id = {{}} AND p.means = '{Means.EXTERNAL}' AND p.captured_amount > 0)"""


def _theirs(order: str) -> str:
    """Of charges `c` of the order, what the merchant took itself: the money, or only what gift cards and points of its
    channel's platform paid, which lower what is charged."""
    paid = f"c.component IN ('{_C.GIFT_CARD}', '{_C.POINTS}')"
    return f"""coalesce(CASE WHEN {TOOK_THE_MONEY.format(order)} THEN sum(c.amount) ELSE 0 END, 0)
        - CASE WHEN (SELECT f.deductions_are_outside FROM orders_order f WHERE f.id = {order})
          THEN coalesce(sum(c.amount) FILTER (WHERE {paid}), 0) ELSE 0 END"""


# The merchant that took the money itself gives it back itself, whoever bears it.
_COLLECTED = f"""
    INSERT INTO payments_settlementrow
        (key, merchant_id, kind, order_id, sub_order_id, goods_amount, net_amount, due_on, corrects_id)
    SELECT 'back:' || r.id || '/' || g.id, r.merchant_id, '{RowKind.REFUND}', r.order_id, r.sub_order_id, -c.amount,
        -c.amount, greatest((now() AT TIME ZONE %(zone)s)::date, r.due_on), r.id
    FROM payments_refundgrant g
    JOIN payments_settlementrow r ON r.order_id = g.order_id AND r.kind = '{RowKind.COLLECTED}'
    JOIN orders_suborder s ON s.id = r.sub_order_id AND s.state = '{SubOrderState.COMPLETED}'
    CROSS JOIN LATERAL (
        SELECT {_theirs("g.order_id")} AS amount FROM orders_ordercharge c
        WHERE c.order_id = g.order_id AND c.sub_order_id = s.id AND c.cause = '{ChargeCause.RETURNED}'
          AND c.reference = g.number) AS c
    WHERE g.order_id = ANY(%(orders)s) AND g.state = '{GrantState.APPROVED}' AND g.kind = '{GrantKind.RETURN}'
      AND c.amount <> 0
    ON CONFLICT DO NOTHING
"""

# Beside the price it gives itself, too, and what the buyer does not get back it has.
_COLLECTED_BESIDE = f"""
    INSERT INTO payments_settlementrow (key, merchant_id, kind, order_id, goods_amount, net_amount, due_on)
    SELECT 'collected:' || t.order_id || '/' || d.rows + 1, t.merchant_id, '{RowKind.COLLECTED}', t.order_id,
        t.amount - d.done, t.amount - d.done, (now() AT TIME ZONE %(zone)s)::date
    FROM (SELECT c.order_id, h.merchant_id, -sum(c.amount) AS amount FROM orders_ordercharge c
          JOIN orders_order o ON o.id = c.order_id JOIN merchants_channel h ON h.id = o.channel_id
          WHERE c.order_id = ANY(%(orders)s) AND c.cause IN ({listed((*KEPT, *GIVEN, ChargeCause.NETTED))})
            AND EXISTS (SELECT FROM payments_settlementrow r WHERE r.order_id = c.order_id
                        AND r.merchant_id = h.merchant_id AND r.kind = '{RowKind.COLLECTED}')
            AND {TOOK_THE_MONEY.format("c.order_id")}
          GROUP BY c.order_id, h.merchant_id) AS t
    CROSS JOIN LATERAL (
        SELECT count(*) AS rows, coalesce(sum(r.net_amount), 0) AS done FROM payments_settlementrow r
        WHERE r.order_id = t.order_id AND r.kind = '{RowKind.COLLECTED}' AND r.sub_order_id IS NULL) AS d
    WHERE t.amount <> d.done
"""

# What is kept of each order (yuan, whatever it was paid with), and of it the part of each marketplace merchant that
# sold something of it: promotions by what it bore of them, gifts that were its own, freight by its units that came
# back. Where the platform bears a return of the order, the platform has all of it.
_KEPT = f"""
    SELECT c.order_id, c.cause, c.line_id, c.reference, sum(c.amount) AS amount FROM orders_ordercharge c
    WHERE c.order_id = ANY(%(orders)s) AND c.cause IN ({listed(KEPT)})
      AND c.component NOT IN ('{_C.GIFT_CARD}', '{_C.POINTS}')
    GROUP BY c.order_id, c.cause, c.line_id, c.reference
"""
_PARTS = f"""
    SELECT k.order_id, m.id AS merchant_id, k.cause = '{ChargeCause.FREIGHT_KEPT}' AS is_freight,
        floor(100 * k.amount * x.part / nullif(x.whole, 0)) / 100 AS amount
    FROM kept k JOIN (SELECT DISTINCT order_id, merchant_id FROM payments_settlementrow
                      WHERE order_id = ANY(%(orders)s) AND kind = '{RowKind.SALE}') AS sold USING (order_id)
    JOIN merchants_merchant m ON m.id = sold.merchant_id AND m.kind = '{Merchant.Kind.MARKETPLACE}'
    CROSS JOIN LATERAL (
        SELECT sum(h.amount - h.platform_amount) FILTER (WHERE g.merchant_id = m.id) AS part, sum(h.amount) AS whole
        FROM orders_orderpromotion p JOIN orders_promotionshare h ON h.promotion_id = p.id
        JOIN orders_orderline l ON l.id = h.line_id JOIN inventory_sku g ON g.id = l.sku_id
        WHERE k.cause = '{ChargeCause.PROMOTION_LOST}' AND k.reference <> '' AND p.order_id = k.order_id
          AND p.code = k.reference AND EXISTS (
            SELECT FROM orders_suborder s WHERE s.order_id = k.order_id AND s.merchant_id = m.id
              AND s.state = '{SubOrderState.COMPLETED}')
        UNION ALL
        SELECT 1, 1 FROM orders_orderline l JOIN inventory_sku g ON g.id = l.sku_id
        WHERE k.cause = '{ChargeCause.GIFT_KEPT}' AND l.id = k.line_id AND g.merchant_id = m.id
        UNION ALL
        SELECT sum(f.amount) FILTER (WHERE s.merchant_id = m.id), sum(f.amount)
        FROM orders_ordercharge f JOIN orders_suborder s ON s.id = f.sub_order_id
        WHERE k.cause = '{ChargeCause.FREIGHT_KEPT}' AND f.order_id = k.order_id
          AND f.cause = '{ChargeCause.RETURNED}' AND f.component = '{_C.FREIGHT}' AND f.reference <> '') AS x
    WHERE NOT EXISTS (
        SELECT FROM payments_refundgrant g WHERE g.order_id = k.order_id AND g.state = '{GrantState.APPROVED}'
          AND g.kind = '{GrantKind.RETURN}' AND g.bearer <> '{Bearer.MERCHANT}')
"""
_WITHHELD = f"""
    WITH kept AS MATERIALIZED ({_KEPT}), done AS (
        SELECT r.order_id, r.merchant_id, count(*) AS rows, sum(r.freight_amount) AS freight,
            sum(r.other_amount) AS other
        FROM payments_settlementrow r
        WHERE r.order_id = ANY(%(orders)s) AND r.kind = '{RowKind.KEPT}' GROUP BY r.order_id, r.merchant_id
    ), target AS (
        SELECT order_id, merchant_id, coalesce(sum(amount) FILTER (WHERE is_freight), 0) AS freight,
            coalesce(sum(amount) FILTER (WHERE NOT is_freight), 0) AS other
        FROM ({_PARTS}) AS p GROUP BY order_id, merchant_id
    ), due AS (
        SELECT order_id, merchant_id, coalesce(d.rows, 0) AS rows,
            coalesce(t.freight, 0) - coalesce(d.freight, 0) AS freight,
            coalesce(t.other, 0) - coalesce(d.other, 0) AS other
        FROM target t FULL JOIN done d USING (order_id, merchant_id)
    )
    INSERT INTO payments_settlementrow
        (key, merchant_id, kind, order_id, freight_amount, other_amount, net_amount, due_on)
    SELECT 'kept:' || order_id || '/' || merchant_id || '/' || rows + 1, merchant_id, '{RowKind.KEPT}', order_id,
        freight, other, freight + other, (now() AT TIME ZONE %(zone)s)::date
    FROM due WHERE freight <> 0 OR other <> 0
"""


def settle_kept(order_ids: Collection[int]) -> None:
    """Write what merchants get of what buyers do not get back, and what those that took the money themselves gave back
    or have. The orders must be locked, and their other rows written."""
    values = {"orders": list(order_ids), "zone": settings.TIME_ZONE}
    with connection.cursor() as cursor:
        for statement in (_COLLECTED, _COLLECTED_BESIDE, _WITHHELD):
            cursor.execute(statement, values)
