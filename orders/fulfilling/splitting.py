"""The split stage: an approved order becomes sub-orders, each of one merchant, storage class and payment method, and
further by the split rules that are in force.

Virtual goods are a storage class of their own. Every line goes whole into one sub-order and takes its shares along.
Gifts that rules give become lines first.
"""

from collections.abc import Mapping

from django.db import connection

from inventory.models import SourcingRuleSet, StorageClass
from inventory.promising.quoting import MM3_OF_A_CM3
from inventory.sourcing import rulebook
from inventory.sourcing.bundling import Line, bundles
from oms.common.copying import array
from oms.common.work.claiming import Queue, Stage, in_one_transaction
from orders import kinds
from orders.actors import job
from orders.changing import gifts, units
from orders.models import ActorKind, Order, OrderState, SubOrderState
from orders.models.shares import SHARES

_NAME = "split"
# Stands for an order where split rules must be looked at first.
_RULES_SAY = None
QUEUE = Queue(Order, f"q.state = '{OrderState.READY_TO_SPLIT}' AND q.open_holds = 0")

_SHARES = ", ".join(SHARES)
_NAMED_SUMS = ", ".join(f"sum(l.{column}) AS {column}" for column in SHARES)
_LINE_SHARES = ", ".join(f"l.{column}" for column in SHARES)


def run(limit: int) -> int:
    """Split up to `limit` orders; returns how many were claimed."""
    return in_one_transaction(QUEUE, limit, _split)


def _split(order_ids: list[int]) -> None:
    gifts.apply(order_ids)
    found = _write(order_ids)
    if _RULES_SAY in found:
        found = _write(order_ids, _bundles(order_ids))
    to_cancel = [key for key in found if key is not None]
    if to_cancel:
        units.carry_out(to_cancel, actor=job(_NAME))


def _write(order_ids: list[int], in_bundles: Mapping[int, int] | None = None) -> list[int | None]:
    """Write the sub-orders; returns the orders (ids) of which units are to be cancelled. Without bundles (by line, 0
    for those that are not named), and where split rules are in force, nothing is written, and `_RULES_SAY` returned."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH may AS MATERIALIZED (
                SELECT %(has_bundles)s OR NOT EXISTS (
                    SELECT FROM inventory_splitrule r JOIN inventory_sourcingruleset s ON s.id = r.rule_set_id
                    WHERE s.state = '{SourcingRuleSet.State.ACTIVE}') AS go_on
            ), line AS MATERIALIZED (
                SELECT l.id, l.order_id, l.position, l.quantity, {_LINE_SHARES},
                    k.merchant_id, k.storage_class, k.weight_g, coalesce(b.bundle, 0) AS bundle
                FROM orders_orderline l JOIN inventory_sku k ON k.id = l.sku_id
                LEFT JOIN unnest(%(lines)s::bigint[], %(bundles)s::int[]) AS b(line_id, bundle) ON b.line_id = l.id
                WHERE l.order_id = ANY(%(ids)s::bigint[]) AND (SELECT go_on FROM may)
            ), planned AS MATERIALIZED (
                SELECT o.number || '-' || row_number() OVER (PARTITION BY o.id ORDER BY min(l.position)) AS number,
                    o.id AS order_id, l.merchant_id, l.storage_class, l.bundle, o.payment_method,
                    sum(l.quantity) AS quantity, sum(l.quantity * l.weight_g) AS weight_g, {_NAMED_SUMS}
                FROM line l JOIN orders_order o ON o.id = l.order_id
                GROUP BY o.id, l.merchant_id, l.storage_class, l.bundle
            ), part AS (
                INSERT INTO orders_suborder
                    (number, order_id, merchant_id, storage_class, payment_method, state, {_SHARES},
                     total_quantity, weight_g, ship_not_before, wished_warehouse_id)
                SELECT number, order_id, merchant_id, storage_class, payment_method,
                    '{SubOrderState.AWAITING_ALLOCATION}', {_SHARES}, quantity, weight_g,
                    (SELECT t.ship_not_before FROM orders_orderterms t WHERE t.order_id = planned.order_id),
                    (SELECT t.warehouse_id FROM orders_orderterms t WHERE t.order_id = planned.order_id)
                FROM planned
                RETURNING id, number, order_id, merchant_id, storage_class
            ), part_line AS (
                INSERT INTO orders_suborderline (sub_order_id, order_line_id, quantity, {_SHARES})
                SELECT p.id, l.id, l.quantity, {_LINE_SHARES}
                FROM line l JOIN planned USING (order_id, merchant_id, storage_class, bundle)
                JOIN part p USING (number)
            ), moved AS (
                UPDATE orders_order SET state = '{OrderState.SPLIT}', split_at = now(), ready_at = NULL,
                    attempts = 0, last_error = ''
                WHERE id = ANY(%(ids)s::bigint[]) AND (SELECT go_on FROM may)
            ), told AS (
                INSERT INTO orders_orderevent (order_id, kind, actor_kind, actor, from_state, to_state, data)
                SELECT p.order_id, '{kinds.SPLIT}', '{ActorKind.JOB}', '{_NAME}', '{OrderState.READY_TO_SPLIT}',
                    '{OrderState.SPLIT}', jsonb_build_object('parts',
                        jsonb_agg(jsonb_build_array(p.number, m.code, p.storage_class) ORDER BY p.id))
                FROM part p JOIN merchants_merchant m ON m.id = p.merchant_id
                GROUP BY p.order_id
            )
            SELECT id FROM orders_order
            WHERE id = ANY(%(ids)s::bigint[]) AND units_to_cancel IS NOT NULL AND (SELECT go_on FROM may)
            UNION ALL SELECT NULL FROM may WHERE NOT go_on
            """,
            {
                "ids": array(order_ids),
                "has_bundles": in_bundles is not None,
                "lines": array(in_bundles or ()),
                "bundles": array((in_bundles or {}).values()),
            },
        )
        return [key for (key,) in cursor.fetchall()]


def _bundles(order_ids: list[int]) -> dict[int, int]:
    """By line, in which bundle of its merchant and class it travels, where that is not the first one."""
    book = rulebook.current()
    groups: dict[tuple[int, int, str], list[Line]] = {}
    channels: dict[int, int] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT l.order_id, o.channel_id, k.merchant_id, l.id, k.storage_class, k.category, l.quantity * k.weight_g,
                coalesce(k.length_mm::bigint * k.width_mm * k.height_mm * l.quantity / {MM3_OF_A_CM3}, 0)
            FROM orders_orderline l JOIN orders_order o ON o.id = l.order_id JOIN inventory_sku k ON k.id = l.sku_id
            WHERE l.order_id = ANY(%s::bigint[]) ORDER BY l.order_id, l.position
            """,
            [array(order_ids)],
        )
        for order_id, channel_id, merchant_id, *of_line in cursor.fetchall():
            line = Line(*of_line)
            channels[order_id] = channel_id
            groups.setdefault((order_id, merchant_id, line.storage_class), []).append(line)
    found: dict[int, int] = {}
    for (order_id, merchant_id, storage_class), lines in groups.items():
        if storage_class != StorageClass.VIRTUAL:
            splits = book.splits_for(merchant_id, channels[order_id])
            found |= {key: number for key, number in bundles(lines, splits).items() if number}
    return found


STAGE = Stage(_NAME, run, wakes=("allocate",), queue=QUEUE)
