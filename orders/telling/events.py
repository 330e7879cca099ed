"""What the database does with each timeline event: it takes only known kinds, and tells merchants by webhooks.

The timeline is written in many places, in bulk and by COPY. Two triggers of its table, made anew after every `migrate`
from the table of kinds (`orders.kinds`), see all of it. One refuses a kind that is not in the table, and a move told by
a kind that tells none. The other turns each statement's new events into news for webhooks, all at once and in the same
transaction, so that no writer can forget to tell. Where nobody listens that is one look at an index of no rows.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from oms.common.states import listed
from oms.merchants.webhooks import telling
from orders import kinds
from orders.changing import kinds as change_kinds
from orders.models.shares import SHARES

TELLS, KNOWS = "orders_tell_webhooks", "orders_know_kinds"

APPORTIONED = "order.apportioned"
CHANGED = "order.changed"
# What the lines of the order `o` carry in its sub-orders, in yuan as text.
_SHARED = f"""(SELECT jsonb_build_object('lines', jsonb_agg(jsonb_build_object(
        'position', l.position, 'id', l.external_id, 'sub_order', s.number, 'quantity', p.quantity,
        {", ".join(f"'{column}', p.{column}::text" for column in SHARES)}) ORDER BY l.position, s.id))
    FROM orders_suborderline p JOIN orders_suborder s ON s.id = p.sub_order_id
    JOIN orders_orderline l ON l.id = p.order_line_id WHERE s.order_id = o.id)"""

# The sub-order that an event is about; for a split, all that came of it. Their states and versions are those after the
# statement that wrote the event, and the same transaction's earlier ones.
_NEWS = f"""
    SELECT t.id AS position, to_whom.merchant_id, c.type, t.created_at AS occurred_at,
        CASE c.subject
            WHEN 'order' THEN jsonb_build_object('order', o.number, 'external_number', o.external_number,
                'state', o.state, 'payment_state', o.payment_state, 'fulfilment_state', o.fulfilment_state,
                'version', o.version) || CASE c.type WHEN '{APPORTIONED}' THEN {_SHARED}
                WHEN '{CHANGED}' THEN jsonb_build_object('change', t.data) ELSE '{{}}' END
            WHEN 'sub_order' THEN jsonb_build_object('sub_order', s.number, 'state', s.state, 'version', s.version)
            WHEN 'shipment' THEN jsonb_build_object('sub_order', s.number, 'waybill', t.data->'waybill',
                'state', split_part(c.type, '.', 2), 'version', s.version)
            WHEN 'settlement' THEN jsonb_build_object('sub_order', s.number, 'state', split_part(c.type, '.', 2),
                'version', s.version)
            ELSE jsonb_build_object(c.subject, t.data->'number', 'order', o.number,
                'state', split_part(c.type, '.', 2), 'version', o.version)
        END AS data
    FROM told t
    JOIN (VALUES {{catalogue}}) AS c(type, kind, subject) ON c.kind = t.kind
    JOIN orders_order o ON o.id = t.order_id
    JOIN merchants_channel shop ON shop.id = o.channel_id
    LEFT JOIN orders_suborder s ON c.subject IN ('sub_order', 'shipment', 'settlement', 'return')
      AND s.order_id = t.order_id
      AND CASE WHEN t.kind = '{kinds.SPLIT}' THEN true
               WHEN t.kind IN ('{kinds.PARTED}', '{change_kinds.CHANGED}') THEN t.data->'parts' ? s.number
               ELSE s.id = t.sub_order_id END
    CROSS JOIN LATERAL (
        SELECT shop.merchant_id WHERE c.subject <> 'settlement'
        UNION SELECT s.merchant_id WHERE s.id IS NOT NULL
    ) AS to_whom
    WHERE s.id IS NOT NULL OR c.subject IN ('order', 'payment', 'refund', 'invoice', 'return')
"""


def _catalogue() -> str:
    """Every type of news with the kind that tells it and its subject, as rows of VALUES."""
    return ", ".join(
        f"('{news}', '{kind}', '{news.partition('.')[0]}')" for kind in kinds.known().values() for news in kind.news
    )


def news_of(event_ids: Sequence[int], merchant_id: int) -> list[tuple[int, str, datetime, dict[str, Any]]]:
    """What these events of timelines tell the merchant: the event's id, the type of news, when it happened, and its
    data with states and versions as they are now. In the order of the events' ids; one statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH told AS (SELECT * FROM orders_orderevent WHERE id = ANY(%s::bigint[]))
            SELECT DISTINCT n.position, n.type, n.occurred_at, n.data
            FROM ({_NEWS.replace("{catalogue}", _catalogue())}) AS n WHERE n.merchant_id = %s
            ORDER BY n.position, n.type, n.data
            """,
            [list(event_ids), merchant_id],
        )
        return [
            (key, kind, at, json.loads(data) if isinstance(data, str) else data)
            for key, kind, at, data in cursor.fetchall()
        ]


def trigger_sql() -> str:
    """The SQL that (re)creates the triggers on the timeline."""
    catalogue = _catalogue()
    moving = {
        subject: listed(kind.code for kind in kinds.known().values() if kind.moves == subject)
        for subject in ("order", "sub_order", None)
    }
    # Looked at a statement: the condition of a trigger on rows is read and made ready again for each statement, which
    # with so many words took a tenth of storing one order.
    return f"""
        CREATE OR REPLACE FUNCTION {KNOWS}() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            one record;
        BEGIN
            SELECT t.kind, t.to_state, t.sub_order_id INTO one FROM told t WHERE NOT (
                t.to_state = '' AND t.kind IN ({moving[None]})
                OR t.to_state <> '' AND t.sub_order_id IS NULL AND t.kind IN ({moving["order"]})
                OR t.to_state <> '' AND t.sub_order_id IS NOT NULL AND t.kind IN ({moving["sub_order"]})
            ) LIMIT 1;
            IF FOUND THEN
                RAISE EXCEPTION 'no kind of timeline event is called % and tells %', one.kind, CASE
                        WHEN one.to_state = '' THEN 'no move'
                        WHEN one.sub_order_id IS NULL THEN 'a move of an order'
                        ELSE 'a move of a sub-order' END
                    USING ERRCODE = 'check_violation', CONSTRAINT = '{KNOWS}', TABLE = TG_TABLE_NAME,
                        HINT = 'Add it to the kinds.py of its app, say what it moves, and run migrate.';
            END IF;
            RETURN NULL;
        END $$;
        CREATE OR REPLACE TRIGGER {KNOWS} AFTER INSERT ON orders_orderevent
            REFERENCING NEW TABLE AS told FOR EACH STATEMENT EXECUTE FUNCTION {KNOWS}();
        CREATE OR REPLACE FUNCTION {TELLS}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF {telling.NOBODY_LISTENS} THEN
                RETURN NULL;
            END IF;
            {telling.statement(_NEWS.replace("{catalogue}", catalogue))};
            RETURN NULL;
        END $$;
        CREATE OR REPLACE TRIGGER {TELLS} AFTER INSERT ON orders_orderevent
            REFERENCING NEW TABLE AS told FOR EACH STATEMENT EXECUTE FUNCTION {TELLS}();
    """


def install_triggers(database: BaseDatabaseWrapper, existing: Iterable[str]) -> None:
    """Make the triggers anew; does nothing before all their tables are in `existing`."""
    if {"orders_orderevent", "merchants_webhookdelivery"} <= set(existing):
        with database.cursor() as cursor:
            cursor.execute(trigger_sql())
