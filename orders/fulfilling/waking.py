"""The wake stage: goods became available, so sub-orders that wait for them are tried again."""

from django.db import connection, transaction

from oms.common.work.claiming import Stage


@transaction.atomic
def run(limit: int) -> int:
    """Look at up to `limit` stock rows whose availability grew; returns how many there were.

    Sub-orders are locked before stock rows, here as everywhere. A stock row that changed between the look and the
    update is marked anew and looked at once more, so no arrival is missed.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id, xmin::text, sku_id FROM inventory_stock WHERE wakes_backorders_since IS NOT NULL
            ORDER BY wakes_backorders_since LIMIT %s
            """,
            [limit],
        )
        grown = cursor.fetchall()
        if not grown:
            return 0
        cursor.execute(
            """
            UPDATE orders_suborder SET ready_at = now()
            WHERE id IN (
                SELECT s.id FROM orders_orderline ol
                JOIN orders_suborderline l ON l.order_line_id = ol.id
                JOIN orders_suborder s ON s.id = l.sub_order_id
                WHERE s.state = 'backordered' AND s.ready_at IS NULL AND ol.sku_id = ANY(%s)
                ORDER BY s.id FOR NO KEY UPDATE OF s
            )
            """,
            [[sku_id for _id, _seen, sku_id in grown]],
        )
        cursor.execute(
            """
            WITH seen AS (
                SELECT s.id, s.xmin::text = g.version AS is_same FROM inventory_stock s
                JOIN unnest(%s::bigint[], %s::text[]) AS g(id, version) ON g.id = s.id
                ORDER BY s.warehouse_id, s.sku_id FOR NO KEY UPDATE OF s
            )
            UPDATE inventory_stock s SET wakes_backorders_since = CASE WHEN NOT seen.is_same THEN clock_timestamp() END
            FROM seen WHERE s.id = seen.id
            """,
            [[key for key, _seen, _sku in grown], [seen for _key, seen, _sku in grown]],
        )
    return len(grown)


@transaction.atomic
def wake_all() -> int:
    """Try every backordered sub-order again, whatever the stock says; beat does so now and then. Returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE orders_suborder SET ready_at = now() WHERE id IN (
                SELECT id FROM orders_suborder WHERE state = 'backordered' AND ready_at IS NULL
                ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
            )
            """
        )
        return cursor.rowcount


def backlog() -> str:
    """Stock rows whose availability grew."""
    return """
        SELECT wakes_backorders_since AS due, false AS needs_person FROM inventory_stock
        WHERE wakes_backorders_since IS NOT NULL ORDER BY wakes_backorders_since
    """


STAGE = Stage("wake", run, wakes=("allocate",), backlog=backlog)
