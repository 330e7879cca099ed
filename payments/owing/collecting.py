"""Cash on delivery: what a carrier took at the door."""

from collections.abc import Iterable

from django.db import connection

from inventory.models import StorageClass
from oms.common import tickets
from oms.common.states import listed
from oms.common.tickets import Trouble
from orders.models import ActorKind, PaymentMethod
from payments import kinds, troubles
from payments.models import Means, PaymentState
from payments.owing.owed import GONE, THERE

# A parcel of the same order as the sub-order `s`; virtual goods have none.
_PARCEL = f"g.order_id = s.order_id AND g.storage_class <> '{StorageClass.VIRTUAL}'"


def collect_cash(order_ids: Iterable[int]) -> None:
    """Book the cash of sub-orders that were delivered, once each. The orders must be locked.

    Nobody stands at a door with virtual goods: they are paid together with a parcel of their order, when that is
    delivered.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH collected AS (
                INSERT INTO payments_payment
                    (number, order_id, sub_order_id, means, state, amount, captured_amount, captured_at, ready_at)
                SELECT s.number || '-P', s.order_id, s.id, '{Means.CASH}', '{PaymentState.CAPTURED}', s.payable_amount,
                    s.payable_amount, door.opened_at, NULL
                FROM orders_suborder s CROSS JOIN LATERAL (
                    SELECT CASE WHEN s.storage_class <> '{StorageClass.VIRTUAL}' THEN s.delivered_at ELSE (
                        SELECT min(g.delivered_at) FROM orders_suborder g
                        WHERE {_PARCEL} AND g.state IN ({listed(THERE)})) END AS opened_at
                ) AS door
                WHERE s.order_id = ANY(%s) AND s.payment_method = '{PaymentMethod.COD}'
                  AND s.state IN ({listed(THERE)}) AND s.payable_amount > 0 AND door.opened_at IS NOT NULL
                ON CONFLICT DO NOTHING
                RETURNING order_id, amount, number
            )
            INSERT INTO orders_orderevent (order_id, kind, actor_kind, actor, data)
            SELECT order_id, '{kinds.PAID}', '{ActorKind.CARRIER}', 'cash',
                jsonb_build_object('amount', amount::text, 'provider', '{Means.CASH}', 'number', number)
            FROM collected
            """,
            [list(order_ids)],
        )


def show_uncollected(order_ids: Iterable[int]) -> None:
    """Call a person for virtual goods that were delivered though no parcel is left at whose door they could be paid;
    once a sub-order."""
    kind = troubles.CASH_NOT_COLLECTED
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT s.id, s.order_id, s.number, s.payable_amount::text FROM orders_suborder s
            WHERE s.order_id = ANY(%s) AND s.payment_method = '{PaymentMethod.COD}'
              AND s.storage_class = '{StorageClass.VIRTUAL}' AND s.state IN ({listed(THERE)}) AND s.payable_amount > 0
              AND NOT EXISTS (SELECT FROM payments_payment p WHERE p.sub_order_id = s.id)
              AND NOT EXISTS (SELECT FROM orders_suborder g WHERE {_PARCEL} AND g.state NOT IN ({listed(GONE)}))
              AND NOT EXISTS (SELECT FROM common_ticket t WHERE t.kind = %s AND t.subject_id = s.id)
            """,
            [list(order_ids), kind.code],
        )
        found = [
            Trouble(key, values={"number": number, "amount": amount}, about_id=order_id)
            for key, order_id, number, amount in cursor.fetchall()
        ]
    tickets.open_tickets(kind, found, opened_by="owing")
