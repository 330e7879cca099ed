"""The review stage: interception rules open holds; orders without one go on after the grace period."""

from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext

from inventory.models import UNKNOWN_GOODS
from oms.common.copying import array
from oms.common.work import clock
from oms.common.work.claiming import Queue, Stage, in_one_transaction
from orders import kinds
from orders.models import ActorKind, Hold, InterceptionRule, Order, OrderState
from orders.reviewing import words
from orders.reviewing.holds import mark_sub_orders

QUEUE = Queue(Order, f"q.state = '{OrderState.IN_REVIEW}' AND q.open_holds = 0")


# What a rule acts under: its name, or its kind where nobody gave it one (`orders.reviewing.words`).
_RULE = "coalesce(nullif(r.name, ''), r.kind)"

# Beyond so many orders a velocity rule counts no further: a flood of one buyer would cost its square.
_MOST_COUNTED = 1000

# Each rule's hits among the orders of the batch: order, rule, and the figures that broke the limit. A velocity rule
# counts the orders up to and including this one, so the orders within the limit pass and the next is held.
_HITS = rf"""
    SELECT o.id AS order_id, r.id AS rule_id, {_RULE} AS rule, d.value || ' ' || d.reason AS detail
    FROM fresh o
    JOIN orders_interceptionrule r ON r.is_active AND r.kind = 'deny_list'
    CROSS JOIN LATERAL (
        SELECT coalesce(nullif(phone, ''), address) AS value, reason FROM orders_denylistentry
        WHERE is_active
          AND (phone IN (o.recipient_phone, o.buyer_phone) AND phone <> ''
               OR address_key = o.address_key)
        LIMIT 1
    ) AS d
  UNION ALL
    SELECT o.id, r.id, {_RULE}, o.payable_amount || ' > ' || r.amount
    FROM fresh o JOIN orders_interceptionrule r
      ON r.is_active AND r.kind = 'amount_over' AND o.payable_amount > r.amount
  UNION ALL
    SELECT o.id, r.id, {_RULE}, n.count || ' > ' || r.max_orders
    FROM fresh o
    JOIN orders_interceptionrule r ON r.is_active AND r.kind = 'buyer_velocity'
    CROSS JOIN LATERAL (
        SELECT count(*) FROM (
            SELECT FROM orders_order p
            WHERE p.buyer_reference = o.buyer_reference AND p.channel_id = o.channel_id
              AND p.state <> '{OrderState.CANCELLED}'
              AND p.ordered_at > o.ordered_at - make_interval(mins => r.window_minutes) AND p.ordered_at <= o.ordered_at
            LIMIT greatest(r.max_orders + 1, {_MOST_COUNTED})
        ) AS counted
    ) AS n
    WHERE n.count > r.max_orders
  UNION ALL
    SELECT o.id, r.id, {_RULE}, n.count || ' > ' || r.max_orders
    FROM fresh o
    JOIN orders_interceptionrule r ON r.is_active AND r.kind = 'address_velocity'
    CROSS JOIN LATERAL (
        SELECT count(*) FROM (
            SELECT FROM orders_order p
            WHERE p.address_key = o.address_key AND p.state <> '{OrderState.CANCELLED}'
              AND p.ordered_at > o.ordered_at - make_interval(mins => r.window_minutes) AND p.ordered_at <= o.ordered_at
            LIMIT greatest(r.max_orders + 1, {_MOST_COUNTED})
        ) AS counted
    ) AS n
    WHERE n.count > r.max_orders
  UNION ALL
    SELECT o.id, r.id, {_RULE}, max(n.code || ' × ' || n.units || ' > ' || r.max_units)
    FROM fresh o
    JOIN orders_interceptionrule r ON r.is_active AND r.kind = 'sku_units_over' AND o.total_quantity > r.max_units
    CROSS JOIN LATERAL (
        SELECT k.code, sum(l.quantity) AS units FROM orders_orderline l JOIN inventory_sku k ON k.id = l.sku_id
        WHERE l.order_id = o.id AND (r.sku_id IS NULL OR l.sku_id = r.sku_id) AND k.code <> '{UNKNOWN_GOODS}'
        GROUP BY k.id
    ) AS n
    WHERE n.units > r.max_units
    GROUP BY o.id, r.id, r.name, r.kind
"""


def run(limit: int) -> int:
    """Review up to `limit` orders; returns how many were claimed."""
    return in_one_transaction(QUEUE, limit, _review)


def _review(order_ids: list[int]) -> None:
    _open_holds(order_ids)
    _approve_or_wait(order_ids)


def _open_holds(order_ids: list[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH fresh AS MATERIALIZED (
                SELECT * FROM orders_order WHERE id = ANY(%(ids)s::bigint[]) AND reviewed_at IS NULL
            ), hit AS ({_HITS}), opened AS (
                INSERT INTO orders_hold (order_id, kind, rule_id, reason, opened_by)
                SELECT order_id, '{Hold.Kind.RULE}', rule_id, left(detail, 300), rule FROM hit
                -- What was released once holds again only for another reason.
                ON CONFLICT (order_id, rule_id) WHERE rule_id IS NOT NULL DO UPDATE SET reason = EXCLUDED.reason,
                    opened_at = now(), released_at = NULL, released_by = '', release_note = ''
                    WHERE orders_hold.released_at IS NOT NULL AND orders_hold.reason <> EXCLUDED.reason
                RETURNING order_id, reason, opened_by
            ), told AS (
                INSERT INTO orders_orderevent (order_id, kind, actor_kind, actor, data)
                SELECT order_id, '{kinds.HELD}', '{ActorKind.RULE}', opened_by,
                    jsonb_build_object('hold', '{Hold.Kind.RULE}', 'rule', opened_by, 'reason', reason)
                FROM opened
            )
            UPDATE orders_order o SET open_holds = o.open_holds + h.count, reviewed_at = now()
            FROM (SELECT order_id, count(*) FROM opened GROUP BY order_id) AS h
            WHERE o.id = h.order_id
            """,
            {"ids": array(order_ids)},
        )


def rule_hits(order_ids: list[int]) -> dict[int, str]:
    """Which of these orders the interception rules hold, or will once they are reviewed, and why. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH fresh AS MATERIALIZED (
                SELECT * FROM orders_order WHERE id = ANY(%(ids)s::bigint[]) AND reviewed_at IS NULL
            ), hit AS ({_HITS})
            SELECT order_id, rule, detail FROM hit ORDER BY order_id, rule_id
            """,
            {"ids": array(order_ids)},
        )
        found: dict[int, list[str]] = {}
        for order_id, rule, detail in cursor.fetchall():
            told = words.why_told({"hold": Hold.Kind.RULE, "rule": rule, "reason": detail})
            found.setdefault(order_id, []).append(told)
    return {order_id: gettext("; ").join(reasons) for order_id, reasons in found.items()}


def look_again(order_id: int) -> None:
    """Run the interception rules on a locked order once more, because what they look at changed."""
    Order.objects.filter(pk=order_id).update(reviewed_at=None)
    _open_holds([order_id])
    Order.objects.filter(pk=order_id, reviewed_at=None).update(reviewed_at=timezone.now())
    mark_sub_orders(order_id)


def _approve_or_wait(order_ids: list[int]) -> None:
    grace = clock.scaled(timedelta(seconds=settings.GRACE_PERIOD_SECONDS))
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH moved AS (
                UPDATE orders_order SET state = '{OrderState.READY_TO_SPLIT}',
                    reviewed_at = coalesce(reviewed_at, now()), ready_at = now(), attempts = 0, last_error = ''
                WHERE id = ANY(%(ids)s::bigint[]) AND state = '{OrderState.IN_REVIEW}' AND open_holds = 0
                  AND (%(no_wait)s OR reviewed_at IS NOT NULL)
                RETURNING id
            )
            INSERT INTO orders_orderevent (order_id, kind, actor_kind, actor, from_state, to_state)
            SELECT id, '{kinds.APPROVED}', 'job', 'review', '{OrderState.IN_REVIEW}', '{OrderState.READY_TO_SPLIT}'
            FROM moved
            """,
            {"ids": array(order_ids), "no_wait": not grace or clock.waits_are_skipped()},
        )
        if grace:
            cursor.execute(
                f"""
                UPDATE orders_order SET reviewed_at = now(), ready_at = ready_at + make_interval(secs => %(grace)s)
                WHERE id = ANY(%(ids)s::bigint[]) AND state = '{OrderState.IN_REVIEW}' AND open_holds = 0
                  AND reviewed_at IS NULL
                """,
                {"ids": array(order_ids), "grace": grace.total_seconds()},
            )


def install_default_rules() -> None:
    """Give a new installation rules to start from; does nothing where there are rules already."""
    if InterceptionRule.objects.exists():
        return
    kind = InterceptionRule.Kind
    InterceptionRule.objects.bulk_create(
        [
            InterceptionRule(kind=kind.DENY_LIST),
            InterceptionRule(kind=kind.AMOUNT_OVER, amount=Decimal(5000)),
            InterceptionRule(kind=kind.BUYER_VELOCITY, max_orders=5, window_minutes=10),
            InterceptionRule(kind=kind.ADDRESS_VELOCITY, max_orders=5, window_minutes=10),
            InterceptionRule(kind=kind.SKU_UNITS_OVER, max_units=50),
        ]
    )


STAGE = Stage("review", run, wakes=("split",), queue=QUEUE)
