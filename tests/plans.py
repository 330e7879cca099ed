"""What PostgreSQL does for a statement."""

import json
from collections.abc import Callable

from django.db import connection, transaction


def rows_read(run: Callable[[], object], marker: str) -> int:
    """How many rows the statement that contains the marker reads from tables and indexes, as PostgreSQL counts them."""
    seen: list[tuple[str, object]] = []

    def note(execute, sql, params, many, context):  # type: ignore[no-untyped-def]
        if marker in sql:
            seen.append((sql, params))
        return execute(sql, params, many, context)

    with transaction.atomic():
        with connection.execute_wrapper(note):
            run()
        transaction.set_rollback(True)
    ((sql, params),) = seen
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
        (found,) = cursor.fetchone()
    return _read_by((json.loads(found) if isinstance(found, str) else found)[0]["Plan"])


def _read_by(node: dict) -> int:  # type: ignore[type-arg]
    read = 0
    if "Relation Name" in node:
        read = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
    return int(read) + sum(_read_by(child) for child in node.get("Plans", ()))
