"""A million orders in the usual mix of states, with what hangs on them: what the pages of staff are measured on."""

from django.db import connection
from django.db.backends.utils import CursorWrapper

from logistics.buyer.asking import CANCELLATION_WANTED
from logistics.carriers.defaults import install_default_carriers
from logistics.models import ShipmentState, WarehouseOrderState
from logistics.watching.promises import AT_RISK
from logistics.watching.shipping import UNSPLIT
from oms.common.models import TicketEventKind, TicketResult, TicketState
from oms.common.numbering import order_number
from oms.common.states import listed
from orders import kinds
from orders.intake import address_words
from orders.models import FulfilmentState, OrderPaymentState, OrderState, SubOrderState
from orders.models.order import ONCE_SPLIT
from orders.models.promise import LateRisk
from orders.models.sub_order import ShippingProof
from orders.tickets import COMPLAINT
from payments.models import Means, PaymentState, RefundReason, RefundState

# The usual mix of ten orders.
_STATES = (*[OrderState.COMPLETED] * 6, OrderState.SPLIT, OrderState.SPLIT, OrderState.IN_REVIEW, OrderState.CANCELLED)
# 20,000 orders a day.
SECONDS_BETWEEN = 4.32
# Three tickets for ten orders; one of ten is still open.
TICKETS_OF_TEN = 3
# What the tickets are about, with a reason each.
_TICKETS = (
    (AT_RISK, LateRisk.PLAN_LATER),
    (AT_RISK, LateRisk.LEFT_LATE),
    (UNSPLIT, ""),
    (CANCELLATION_WANTED, ""),
    (COMPLAINT, ""),
)
_BEGUN = (
    "orders_order", "orders_suborder", "logistics_warehouseorder", "logistics_shipment", "payments_payment",
    "payments_refund", "common_ticket",
)  # fmt: skip


def grow_to(count: int) -> None:
    """Fill the tables with orders, each with a line and its sub-order, payment, parcel and timeline; a tenth of them
    with a refund, and with three tickets for ten orders."""
    install_default_carriers()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM orders_order")
        existing = cursor.fetchone()[0]
        # What it puts in has no history; the real stages let nothing begin in the middle.
        for table in _BEGUN:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {table}_begin")
        cursor.execute(
            "INSERT INTO merchants_channel (merchant_id, code, name, is_active)"
            " SELECT id, 'bench', 'bench', true FROM merchants_merchant WHERE code = 'SELF' ON CONFLICT DO NOTHING"
        )
        for start in range(existing + 1, count + 1, 50_000):
            end = min(start + 49_999, count)
            _orders(cursor, start, end, count)
            for part in (_parcels, _money, _tickets):
                part(cursor, start, end)
            address_words.write(end - start + 1)
        cursor.execute("VACUUM ANALYZE")


def _orders(cursor: CursorWrapper, start: int, end: int, last: int) -> None:
    numbers = [order_number(1, f"B{i % 100_000}", i) for i in range(start, end + 1)]
    cursor.execute(
        f"""
        WITH new AS (
            INSERT INTO orders_order (number, channel_id, external_number, state, payment_state, fulfilment_state,
                payment_method, buyer_reference, buyer_name, buyer_phone, recipient_name, recipient_phone,
                region_id, recipient_address, address_key, goods_amount, freight_amount, order_amount,
                coupon_amount, points_amount, gift_card_amount, payable_amount, line_count, total_quantity,
                ordered_at, created_at, split_at, completed_at, cancelled_at, paid_amount)
            SELECT n.number, c.id, 'BENCH' || n.i, s.state, '{OrderPaymentState.PAID}',
                CASE s.state WHEN '{OrderState.COMPLETED}' THEN '{FulfilmentState.DELIVERED}'
                    ELSE '{FulfilmentState.UNFULFILLED}' END, 'prepaid',
                'B' || n.i %% 100000, p.name, p.phone, p.name, p.phone, '110101',
                '长安街' || n.i %% 5000 || '号' || n.i / 5000 || '室', n.i, 10, 0, 10, 0, 0, 0, 10, 1, 1,
                t.at, t.at, CASE WHEN s.state IN ({listed(ONCE_SPLIT)}) THEN t.at END,
                CASE WHEN s.state = '{OrderState.COMPLETED}' THEN t.at END,
                CASE WHEN s.state = '{OrderState.CANCELLED}' THEN t.at END, 10
            FROM unnest(%(numbers)s::text[]) WITH ORDINALITY AS u(number, place)
            CROSS JOIN LATERAL (SELECT u.number, u.place + %(start)s - 1 AS i) AS n
            CROSS JOIN LATERAL (
                SELECT '13' || lpad((n.i * 7919 %% 1000000000)::text, 9, '0') AS phone,
                    chr(20000 + (n.i * 31 %% 2000)::int) || chr(21000 + (n.i * 17 %% 1999)::int) AS name
            ) AS p
            CROSS JOIN LATERAL (SELECT now() - (%(last)s - n.i) * interval '{SECONDS_BETWEEN} s' AS at) AS t
            CROSS JOIN LATERAL (SELECT (ARRAY[{listed(_STATES)}])[1 + n.i %% 10] AS state) AS s
            CROSS JOIN (SELECT id FROM merchants_channel WHERE code = 'bench') AS c
            RETURNING id, number, state, created_at
        ), line AS (
            INSERT INTO orders_orderline (order_id, position, sku_id, name, quantity, unit_price, line_discount,
                goods_amount, freight_share, coupon_share, points_share, gift_card_share, payable_amount)
            SELECT new.id, 1, k.ids[1 + new.id %% k.count], '', 1, 10, 0, 10, 0, 0, 0, 0, 10
            FROM new CROSS JOIN (SELECT array_agg(id) AS ids, count(*) FROM inventory_sku) AS k
            RETURNING id, order_id
        ), part AS (
            INSERT INTO orders_suborder (number, order_id, merchant_id, storage_class, payment_method, state,
                warehouse_id, ready_at, goods_amount, freight_share, coupon_share, points_share, gift_card_share,
                payable_amount, total_quantity, allocated_at, released_at, shipped_at, shipping_proof, delivered_at,
                completed_at)
            SELECT new.number || '-1', new.id, w.merchant_id, 'ambient', 'prepaid',
                CASE new.state WHEN '{OrderState.SPLIT}' THEN '{SubOrderState.RELEASED}'
                    ELSE '{SubOrderState.COMPLETED}' END, w.id, NULL,
                10, 0, 0, 0, 0, 10, 1, new.created_at, new.created_at, new.created_at, '{ShippingProof.WAREHOUSE}',
                new.created_at, new.created_at
            FROM new CROSS JOIN (SELECT id, merchant_id FROM inventory_warehouse ORDER BY id LIMIT 1) AS w
            WHERE new.state IN ({listed(ONCE_SPLIT)})
            RETURNING id, order_id
        ), goods AS (
            INSERT INTO orders_suborderline (sub_order_id, order_line_id, quantity, goods_amount, freight_share,
                coupon_share, points_share, gift_card_share, payable_amount)
            SELECT part.id, line.id, 1, 10, 0, 0, 0, 0, 10 FROM part JOIN line ON line.order_id = part.order_id
        )
        INSERT INTO orders_orderevent (order_id, kind, actor_kind, actor, to_state, created_at)
        SELECT id, '{kinds.RECEIVED}', 'job', 'bench', state, created_at FROM new
        """,
        {"numbers": numbers, "start": start, "last": last},
    )


def _parcels(cursor: CursorWrapper, start: int, end: int) -> None:
    """A warehouse order for each sub-order, and a parcel for those that are over."""
    cursor.execute(
        f"""
        WITH part AS (
            SELECT s.id, s.number, s.state, s.warehouse_id, h.connection_id,
                o.external_number AS external
            FROM orders_order o JOIN orders_suborder s ON s.order_id = o.id
            JOIN inventory_warehouse h ON h.id = s.warehouse_id
            WHERE o.external_number = ANY(%(externals)s)
        ), works AS (
            INSERT INTO logistics_warehouseorder (number, sub_order_id, warehouse_id, connection_id, state, sent_at)
            SELECT number || '-R1', id, warehouse_id, connection_id,
                CASE state WHEN '{SubOrderState.COMPLETED}' THEN '{WarehouseOrderState.SHIPPED}'
                    ELSE '{WarehouseOrderState.SENT}' END, now()
            FROM part
        )
        INSERT INTO logistics_shipment (number, sub_order_id, carrier_id, waybill_number, state)
        SELECT part.number || '-S1', part.id, c.id, 'SF' || lpad(substr(part.external, 6), 12, '0'),
            '{ShipmentState.SIGNED}'
        FROM part CROSS JOIN (SELECT id FROM logistics_carrier ORDER BY id LIMIT 1) AS c
        WHERE part.state = '{SubOrderState.COMPLETED}'
        """,
        {"externals": _externals(start, end)},
    )


def _money(cursor: CursorWrapper, start: int, end: int) -> None:
    """A payment of each order, and a refund of those that were cancelled."""
    cursor.execute(
        f"""
        WITH paid AS (
            INSERT INTO payments_payment (number, order_id, means, state, amount, captured_amount, captured_at)
            SELECT number || '-P', id, '{Means.EXTERNAL}', '{PaymentState.CAPTURED}', 10, 10, created_at
            FROM orders_order WHERE external_number = ANY(%(externals)s)
            RETURNING id, order_id, number
        )
        INSERT INTO payments_refund (number, order_id, payment_id, state, reason, amount, refunded_amount, succeeded_at,
            requested_at)
        SELECT o.number || '-F', o.id, paid.id, '{RefundState.SUCCEEDED}', '{RefundReason.CANCELLED}', 10, 10,
            o.created_at, o.created_at
        FROM paid JOIN orders_order o ON o.id = paid.order_id AND o.state = '{OrderState.CANCELLED}'
        """,
        {"externals": _externals(start, end)},
    )


def _tickets(cursor: CursorWrapper, start: int, end: int) -> None:
    """Three tickets for ten orders, of the kinds that are frequent; nine of ten are closed."""
    about = [(kind.code, kind.subject_kind, str(reason), kind.team) for kind, reason in _TICKETS]
    named = dict(zip(("kinds", "subjects", "reasons", "teams"), map(list, zip(*about, strict=True)), strict=True))
    cursor.execute(
        f"""
        WITH about AS (
            SELECT o.id AS order_id, s.id AS sub_order_id, o.number, o.ordered_at, o.external_number,
                substr(o.external_number, 6)::int / 10 AS ten, substr(o.external_number, 6)::int %% 10 AS of_ten
            FROM orders_order o LEFT JOIN orders_suborder s ON s.order_id = o.id
            WHERE o.external_number = ANY(%(externals)s)
        ), new AS (
            INSERT INTO common_ticket (kind, subject_kind, subject_id, about_id, reason, team, opened_at, due_at,
                state, closed_at, result, closed_by, values)
            SELECT k.kind, k.subject, CASE k.subject WHEN 'order' THEN a.order_id ELSE a.sub_order_id END, a.order_id,
                k.reason, k.team, a.ordered_at, a.ordered_at + interval '1 day',
                CASE WHEN a.ten %% 10 = 0 THEN '{TicketState.OPEN}' ELSE '{TicketState.CLOSED}' END,
                CASE WHEN a.ten %% 10 <> 0 THEN now() END,
                CASE WHEN a.ten %% 10 = 0 THEN '' ELSE '{TicketResult.DONE}' END,
                CASE WHEN a.ten %% 10 = 0 THEN '' ELSE 'bench' END,
                jsonb_build_object('number', a.number, 'warehouse', 'BJ-DC1', 'promised', '2026-11-20 23:00',
                    'planned', '2026-11-21 23:00', 'by', '2026-11-20 23:00', 'reason', '-')
            FROM about a
            JOIN unnest(%(kinds)s::text[], %(subjects)s::text[], %(reasons)s::text[], %(teams)s::text[])
                WITH ORDINALITY AS k(kind, subject, reason, team, place)
                ON k.place = 1 + (a.ten / 10 + a.of_ten) %% {len(_TICKETS)}
            WHERE a.of_ten < {TICKETS_OF_TEN} AND (a.sub_order_id IS NOT NULL OR k.subject = 'order')
            RETURNING id
        )
        INSERT INTO common_ticketevent (ticket_id, kind) SELECT id, '{TicketEventKind.OPENED}' FROM new
        """,
        {"externals": _externals(start, end), **named},
    )


def _externals(start: int, end: int) -> list[str]:
    return [f"BENCH{i}" for i in range(start, end + 1)]
