"""Crowds of rows like one that the system really made, by a statement for each table."""

from django.db import connection

from orders.models import Order
from tests import steps

_COPIED = {
    "orders_order": {"number": "lpad((r.id + n)::text, 16, '0')", "external_number": "r.external_number || '-' || n"},
    "orders_orderline": {"order_id": "r.order_id + n"},
    "orders_suborder": {
        "order_id": "r.order_id + n",
        "number": "lpad((r.order_id + n)::text, 16, '0') || '-1'",
        "waiting_since": "r.waiting_since + n * interval '1 millisecond'",
    },
    "orders_suborderline": {"order_line_id": "r.order_line_id + n", "sub_order_id": "r.sub_order_id + n"},
    "orders_stockwait": {
        "sub_order_id": "r.sub_order_id + n",
        "since": "r.since + n * interval '1 millisecond'",
    },
    "orders_hold": {"order_id": "r.order_id + n"},
}


def copy_order(order: Order, copies: int) -> None:
    """Add so many copies of an order, each younger than the one before. It must be the newest one, and have one line,
    one sub-order with one line, no stock, and at most one hold; the copies have no timeline."""
    # They begin where the order has come to.
    with steps.without_guards(), connection.cursor() as cursor:
        for table, changes in _COPIED.items():
            cursor.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
                [table],
            )
            columns = [name for (name,) in cursor.fetchall()]
            values = {name: f"r.{name}" for name in columns} | changes
            if "id" in columns:
                values["id"] = "r.id + n"
            if table == "orders_order":
                own = "r.id = %(order)s"
            elif "order_id" in columns:
                own = "r.order_id = %(order)s"
            else:
                own = "r.sub_order_id IN (SELECT id FROM orders_suborder WHERE order_id = %(order)s)"
            cursor.execute(
                f"""
                INSERT INTO {table} ({", ".join(values)})
                SELECT {", ".join(values.values())} FROM {table} r, generate_series(1, %(copies)s) AS n WHERE {own}
                """,
                {"copies": copies, "order": order.pk},
            )
            if "id" in columns:
                cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}")
            cursor.execute(f"ANALYZE {table}")
