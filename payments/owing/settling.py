"""What marketplace merchants are owed for what they fulfilled."""

from collections.abc import Collection

from django.conf import settings
from django.db import connection
from django.db.models import Exists, OuterRef

from oms.common import tickets
from oms.common.models import Ticket
from oms.common.tickets import Trouble
from oms.merchants.models import Merchant
from orders.models import ActorKind, SubOrderState
from payments import kinds, troubles
from payments.models import Means, Settlement, SettlementState


def open_settlements(order_ids: Collection[int]) -> None:
    """Write down what is owed for completed sub-orders, once each: the buyer's price with what vouchers paid, less
    commission. The orders must be locked.

    Coupons, points, gift cards and what the platform bears of promotions are paid by the platform: the merchant gets
    goods and freight whole, less what it bears itself of promotions and of a change of price.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH opened AS (
                INSERT INTO payments_settlement
                    (merchant_id, sub_order_id, state, gross_amount, commission_amount, net_amount, due_on)
                SELECT m.id, s.id, '{SettlementState.OPEN}', g.gross, round(g.gross * m.commission_rate, 2),
                    g.gross - round(g.gross * m.commission_rate, 2),
                    (s.completed_at AT TIME ZONE %s)::date + m.settlement_days::int
                FROM orders_suborder s
                JOIN merchants_merchant m ON m.id = s.merchant_id AND m.kind = '{Merchant.Kind.MARKETPLACE}'
                -- Money that the merchant took itself is not owed to it again.
                CROSS JOIN LATERAL (SELECT CASE WHEN EXISTS (
                        SELECT FROM payments_payment p
                        WHERE p.order_id = s.order_id AND p.means = '{Means.EXTERNAL}' AND p.captured_amount > 0)
                    THEN 0 ELSE s.goods_amount + s.freight_share - s.merchant_borne_share END AS gross) AS g
                WHERE s.order_id = ANY(%s) AND s.state = '{SubOrderState.COMPLETED}'
                ON CONFLICT DO NOTHING
                RETURNING sub_order_id, net_amount
            )
            INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, data)
            SELECT s.order_id, s.id, '{kinds.SETTLED}', '{ActorKind.JOB}', 'owing',
                jsonb_build_object('number', s.number, 'net', o.net_amount::text)
            FROM opened o JOIN orders_suborder s ON s.id = o.sub_order_id
            """,
            [settings.TIME_ZONE, list(order_ids)],
        )


def take_back(order_ids: Collection[int]) -> None:
    """Withdraw what is owed for sub-orders that came back after all; what was paid already is for a person to claim,
    who is called once. The orders must be locked."""
    came_back = Settlement.objects.filter(
        sub_order__order__in=order_ids, sub_order__state=SubOrderState.RETURNED
    ).order_by()
    came_back.filter(state=SettlementState.OPEN).update(state=SettlementState.WITHDRAWN)
    kind = troubles.SETTLEMENT_TO_TAKE_BACK
    shown = Ticket.objects.filter(kind=kind.code, subject_kind=kind.subject_kind, subject_id=OuterRef("pk"))
    paid = came_back.filter(~Exists(shown), state=SettlementState.PAID).select_related("sub_order", "merchant")
    tickets.open_tickets(
        kind,
        [
            Trouble(
                settlement.pk,
                values={
                    "net": str(settlement.net_amount),
                    "merchant": settlement.merchant.code,
                    "number": settlement.sub_order.number,
                },
                about_id=settlement.sub_order.order_id,
            )
            for settlement in paid
        ],
        opened_by="owing",
    )
