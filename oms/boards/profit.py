"""What an order leaves to the sellers of its goods: a component each, in whole fen, and what of it nobody knows yet.

    profit = goods + freight + subsidy - cost - commission - carriage - fees - compensation

- goods: what the buyer is charged for the units that stay, less promotions, coupon and adjustment; gift card and points
  are money. Freight: what the buyer is charged for it. Both are sums of the order's charges.
- subsidy: what the platform bears of the price of marketplace goods (rows of settlement), and the coupon that a
  channel's own platform settles.
- cost: cost prices, of the day (China's) on which the order came in, of the units that stay.
- commission: of rows of settlement. Fees: of providers and carriers by their bills, as the ledger has them, and the
  service of our warehouses.
- carriage: each parcel's share by units, as billed, else as weighed, else as estimated.
- compensation: what the sellers bear of money beside the price.

What is not known is counted as such and not added as 0: units without a cost price, parcels whose carriage nobody
knows, sub-orders of marketplace merchants that are not settled yet, payments that no bill has named. Orders count once
they were split; historical ones never.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta

from django.db import connection

from inventory.costing import cost_on
from logistics.models import ShipmentState
from oms.common.copying import array
from oms.common.desk.counting import first_id_since
from oms.common.states import listed
from oms.common.zones import CHINA
from oms.merchants import sandboxes
from oms.merchants.models import Merchant
from orders.models import ChargeCause, Order
from orders.models.charge import GIVEN, ChargeComponent
from orders.models.sub_order import UNDONE
from payments.ledger.chart import Code
from payments.ledger.sources import BORNE
from payments.models import Means, PaymentState, RowKind

# Of more orders nobody reads a table: the days are narrowed, or a channel chosen.
MOST_ORDERS = 50_000
_BESIDE = (*GIVEN, ChargeCause.NETTED, ChargeCause.DEPOSIT_HELD)
_MONEY = (ChargeComponent.POINTS, ChargeComponent.GIFT_CARD)


@dataclass(frozen=True, slots=True)
class Profit:
    """The components of one order's profit, or of several together, in fen; all of them are added but for costs, which
    are above 0 where they cost. Counts say what is unknown."""

    goods: int = 0
    freight: int = 0
    subsidy: int = 0
    cost: int = 0
    commission: int = 0
    carriage: int = 0
    fees: int = 0
    compensation: int = 0
    units_without_cost: int = 0
    parcels_without_carriage: int = 0
    parts_not_settled: int = 0
    payments_not_billed: int = 0

    @property
    def total(self) -> int:
        """What is left of what is known."""
        income = self.goods + self.freight + self.subsidy
        return income - self.cost - self.commission - self.carriage - self.fees - self.compensation

    @property
    def is_known(self) -> bool:
        """Whether nothing of it is unknown."""
        return not (
            self.units_without_cost
            or self.parcels_without_carriage
            or self.parts_not_settled
            or self.payments_not_billed
        )


NAMES = tuple(one.name for one in fields(Profit))


@dataclass(frozen=True, slots=True)
class ChannelDay:
    """The orders of a channel that came in on a day (China's): how many, how many of them with something unknown, and
    their profit together."""

    day: date
    channel_id: int
    channel: str
    merchant: str
    orders: int
    incomplete: int
    profit: Profit


def _channel_day(
    day: date, channel_id: int, channel: str, merchant: str, orders: int, incomplete: int, *sums: int
) -> ChannelDay:
    return ChannelDay(day, channel_id, channel, merchant, orders, incomplete, Profit(*sums))


def _fen(amount: str) -> str:
    return f"coalesce(({amount}) * 100, 0)::bigint"


_BORNE_BY_SELLERS = f"b.merchant + CASE b.kind WHEN '{Merchant.Kind.MARKETPLACE}' THEN 0 ELSE b.platform END"
# `profit`: a row for each order of `%(orders)s` (ids) that counts, with its channel, day and components.
_PROFIT = f"""
    WITH wanted AS (
        SELECT o.id, o.channel_id, (o.created_at AT TIME ZONE '{CHINA}')::date AS day,
            o.deductions_are_outside AS is_outside
        FROM orders_order o
        WHERE o.id = ANY(%(orders)s::bigint[]) AND o.split_at IS NOT NULL AND NOT o.is_historical
    ), charge AS (
        SELECT c.order_id,
            {_fen(f"sum(c.amount) FILTER (WHERE c.component NOT IN ({listed((*_MONEY, ChargeComponent.FREIGHT))}))")}
                AS goods,
            {_fen(f"sum(c.amount) FILTER (WHERE c.component = '{ChargeComponent.FREIGHT}')")} AS freight,
            {_fen(f"-sum(c.amount) FILTER (WHERE c.component = '{ChargeComponent.COUPON}')")} AS coupon
        FROM orders_ordercharge c WHERE c.order_id IN (SELECT id FROM wanted) AND c.cause NOT IN ({listed(_BESIDE)})
        GROUP BY c.order_id
    ), settled AS (
        SELECT r.order_id, {_fen("sum(r.platform_amount)")} AS platform,
            {_fen("-sum(r.commission_amount)")} AS commission,
            {_fen(f"-sum(r.net_amount) FILTER (WHERE r.kind = '{RowKind.SERVICE}')")} AS service
        FROM payments_settlementrow r WHERE r.order_id IN (SELECT id FROM wanted) GROUP BY r.order_id
    ), borne AS (
        SELECT b.order_id, {_fen(_BORNE_BY_SELLERS)} AS compensation FROM ({BORNE}) AS b
    ), part AS (
        SELECT s.id, s.order_id, s.state, w.day, m.kind = '{Merchant.Kind.MARKETPLACE}'
            AND s.state NOT IN ({listed(UNDONE)}) AND NOT EXISTS (
                SELECT FROM payments_settlementrow r WHERE r.sub_order_id = s.id AND r.kind = '{RowKind.SALE}')
            AS is_open
        FROM orders_suborder s JOIN wanted w ON w.id = s.order_id JOIN merchants_merchant m ON m.id = s.merchant_id
    ), good AS (
        SELECT p.order_id, {_fen("sum(l.left * k.cost)")} AS cost,
            coalesce(sum(l.left) FILTER (WHERE k.cost IS NULL), 0)::bigint AS unknown
        FROM part p CROSS JOIN LATERAL (
            SELECT x.quantity - x.returned_quantity AS left, x.order_line_id FROM orders_suborderline x
            WHERE x.sub_order_id = p.id
        ) AS l JOIN orders_orderline o ON o.id = l.order_line_id
        CROSS JOIN LATERAL (SELECT {cost_on("o.sku_id", "p.day")} AS cost) AS k
        WHERE p.state NOT IN ({listed(UNDONE)}) AND l.left > 0 GROUP BY p.order_id
    ), parcel AS (
        SELECT DISTINCT n.shipment_id FROM part p JOIN orders_suborderline l ON l.sub_order_id = p.id
        JOIN logistics_shipmentline n ON n.sub_order_line_id = l.id
    ), carried AS (
        -- What goes to each order of a parcel: whole fen, together those of the parcel.
        SELECT t.order_id, t.fen * t.upto / t.units - t.fen * (t.upto - t.mine) / t.units AS fen,
            t.fen IS NULL AS is_unknown
        FROM (
            SELECT n.shipment_id, s.order_id, sum(n.quantity)::bigint AS mine, f.fen,
                sum(sum(n.quantity)) OVER (PARTITION BY n.shipment_id ORDER BY s.order_id)::bigint AS upto,
                sum(sum(n.quantity)) OVER (PARTITION BY n.shipment_id)::bigint AS units
            FROM parcel c JOIN logistics_shipment h ON h.id = c.shipment_id AND h.state <> '{ShipmentState.CANCELLED}'
            JOIN logistics_shipmentline n ON n.shipment_id = c.shipment_id
            JOIN orders_suborderline l ON l.id = n.sub_order_line_id JOIN orders_suborder s ON s.id = l.sub_order_id
            LEFT JOIN LATERAL (
                SELECT CASE WHEN q.billed_rows > 0 THEN q.billed_fen ELSE coalesce(q.weighed_fen, q.estimated_fen) END
                    AS fen
                FROM logistics_parcelfreight q WHERE q.shipment_id = h.id
            ) AS f ON true
            GROUP BY n.shipment_id, s.order_id, f.fen
        ) AS t
    ), carriage AS (
        SELECT order_id, coalesce(sum(fen), 0)::bigint AS fen, count(*) FILTER (WHERE is_unknown) AS unknown
        FROM carried GROUP BY order_id
    ), billed AS (
        SELECT x.order_id, x.payment_id, m.id, m.entry_count, m.row_id FROM (
            SELECT p.order_id, p.id AS payment_id, p.id AS key, 1 AS what FROM payments_payment p
            WHERE p.order_id IN (SELECT id FROM wanted)
            UNION ALL
            SELECT r.order_id, NULL, r.id, 2 FROM payments_refund r WHERE r.order_id IN (SELECT id FROM wanted)
            UNION ALL
            SELECT p.order_id, NULL, p.id, 3 FROM part p
        ) AS x JOIN LATERAL (
            SELECT id, entry_count, row_id FROM payments_billmatch WHERE x.what = 1 AND payment_id = x.key
            UNION ALL
            SELECT id, entry_count, row_id FROM payments_billmatch
            WHERE x.what = 2 AND refund_id = x.key AND payment_id IS NULL
            UNION ALL
            SELECT id, entry_count, row_id FROM payments_billmatch
            WHERE x.what = 3 AND sub_order_id = x.key AND payment_id IS NULL AND refund_id IS NULL
        ) AS m ON true
    ), fee AS (
        SELECT b.order_id, sum(n.debit_fen - n.credit_fen)::bigint AS fen
        FROM billed b CROSS JOIN LATERAL generate_series(1, b.entry_count) AS step
        JOIN payments_ledgerentry e ON e.key = 'bill_match:' || b.id || '/' || step
        JOIN payments_ledgerline n ON n.entry_id = e.id AND n.account_id IN ('{Code.PROVIDER_FEES}', '{Code.COD_FEES}')
        GROUP BY b.order_id
    ), unbilled AS (
        SELECT p.order_id, count(*) AS unknown FROM payments_payment p
        WHERE p.order_id IN (SELECT id FROM wanted) AND p.state = '{PaymentState.CAPTURED}'
          AND p.means <> '{Means.OFFLINE}'
          AND NOT EXISTS (SELECT FROM billed b WHERE b.payment_id = p.id AND b.row_id IS NOT NULL)
        GROUP BY p.order_id
    ), profit AS (
        SELECT w.id, w.channel_id, w.day, coalesce(c.goods, 0) AS goods, coalesce(c.freight, 0) AS freight,
            coalesce(t.platform, 0) + CASE WHEN w.is_outside THEN coalesce(c.coupon, 0) ELSE 0 END AS subsidy,
            coalesce(g.cost, 0) AS cost, coalesce(t.commission, 0) AS commission, coalesce(v.fen, 0) AS carriage,
            coalesce(f.fen, 0) + coalesce(t.service, 0) AS fees, coalesce(b.compensation, 0) AS compensation,
            coalesce(g.unknown, 0) AS units_without_cost, coalesce(v.unknown, 0) AS parcels_without_carriage,
            coalesce(o.count, 0) AS parts_not_settled, coalesce(u.unknown, 0) AS payments_not_billed
        FROM wanted w LEFT JOIN charge c ON c.order_id = w.id LEFT JOIN settled t ON t.order_id = w.id
        LEFT JOIN good g ON g.order_id = w.id LEFT JOIN carriage v ON v.order_id = w.id
        LEFT JOIN fee f ON f.order_id = w.id LEFT JOIN borne b ON b.order_id = w.id
        LEFT JOIN unbilled u ON u.order_id = w.id
        LEFT JOIN (SELECT order_id, count(*) FROM part WHERE is_open GROUP BY order_id) AS o ON o.order_id = w.id
    )
"""
_COMPONENTS = ", ".join(f"f.{name}" for name in NAMES)
_SUMS = ", ".join(f"sum(f.{name})::bigint" for name in NAMES)
_INCOMPLETE = " + ".join(f"f.{name}" for name in NAMES[-4:]) + " > 0"


def of_order(order_id: int) -> Profit | None:
    """The profit of an order; None where it does not count (yet). One statement."""
    with connection.cursor() as cursor:
        cursor.execute(f"{_PROFIT} SELECT {_COMPONENTS} FROM profit f", {"orders": array([order_id])})
        row = cursor.fetchone()
    return Profit(*row) if row else None


def orders_of(since: date, until: date, channel_id: int | None = None) -> list[int]:
    """The ids of orders that came in on these days (China's, both included), at most MOST_ORDERS + 1. Two
    statements."""
    first, end = _moments(since, until)
    rows = Order.objects.filter(
        pk__gte=first_id_since(Order, "created_at", first), created_at__gte=first, created_at__lt=end
    )
    rows = sandboxes.real(rows)
    if channel_id is not None:
        rows = rows.filter(channel=channel_id)
    return list(rows.order_by("pk").values_list("pk", flat=True)[: MOST_ORDERS + 1])


def by_channel(order_ids: Sequence[int]) -> list[ChannelDay]:
    """The profit of these orders by day and channel, the latest day first. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            {_PROFIT}
            SELECT f.day, f.channel_id, h.name, m.code, count(*), count(*) FILTER (WHERE {_INCOMPLETE}), {_SUMS}
            FROM profit f JOIN merchants_channel h ON h.id = f.channel_id
            JOIN merchants_merchant m ON m.id = h.merchant_id
            GROUP BY f.day, f.channel_id, h.name, m.code ORDER BY f.day DESC, h.name, f.channel_id
            """,
            {"orders": array(order_ids)},
        )
        return [_channel_day(*row) for row in cursor.fetchall()]


def by_order(order_ids: Sequence[int]) -> list[tuple[int, str, Profit]]:
    """Id, number and profit of each of these orders that counts, the newest first. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"{_PROFIT} SELECT f.id, o.number, {_COMPONENTS} FROM profit f JOIN orders_order o USING (id)"
            " ORDER BY f.id DESC",
            {"orders": array(order_ids)},
        )
        return [(key, number, Profit(*rest)) for key, number, *rest in cursor.fetchall()]


def total_of(parts: Iterable[Profit]) -> Profit:
    """Several together."""
    found = list(parts)
    return Profit(*(sum(getattr(one, name) for one in found) for name in NAMES))


def _moments(since: date, until: date) -> tuple[datetime, datetime]:
    return datetime.combine(since, time(0), CHINA), datetime.combine(until + timedelta(days=1), time(0), CHINA)
