"""How many rows there are, without counting them out: estimated, or counted up to a cap."""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Model, QuerySet
from django.utils.formats import number_format
from django.utils.translation import gettext as _

COUNT_CAP = 1_000
# Up to this many rows, by PostgreSQL's own estimate, a whole table is counted out.
SMALL_TABLE = 10_000


def count_label(rows: QuerySet[Any]) -> str:
    """How many rows there are, in words: estimated for a whole big table, counted up to a cap otherwise."""
    if not rows.query.where:
        return _table_label(rows.model)
    found = capped_count(rows, COUNT_CAP)
    if found > COUNT_CAP:
        return _("more than %(count)s") % {"count": number_format(COUNT_CAP, force_grouping=True)}
    return number_format(found, force_grouping=True)


def capped_count(rows: QuerySet[Any], cap: int) -> int:
    """The number of rows, but never more than `cap` + 1."""
    return rows.order_by()[: cap + 1].count()


def _table_label(model: type[Model]) -> str:
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT reltuples::bigint, CASE WHEN reltuples < %(small)s THEN
                (SELECT count(*) FROM (SELECT FROM {table} LIMIT %(small)s + 1) AS counted) END
            FROM pg_class WHERE oid = to_regclass(%(table)s)
            """,
            {"small": SMALL_TABLE, "table": table},
        )
        estimate, counted = cursor.fetchone()
    if counted is None:
        return _("about %(count)s") % {"count": number_format(rounded(estimate), force_grouping=True)}
    if counted > SMALL_TABLE:
        return _("more than %(count)s") % {"count": number_format(SMALL_TABLE, force_grouping=True)}
    return number_format(counted, force_grouping=True)


def rounded(number: int) -> int:
    """The number with three significant digits: an estimate should look like one."""
    unit = 10 ** max(len(str(number)) - 3, 0)
    return round(number / unit) * unit


def first_id_since(model: type[Model], column: str, moment: datetime) -> int:
    """The smallest id from which on no row is older than an hour before `moment`, for a table that grows by time.

    The column needs no index: ids and times grow together (but for transactions that overtake each other, hence the
    hour), so the place is found by bisection along the primary key, in one statement.
    """
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH RECURSIVE bisect(low, high) AS (
                SELECT min(id), max(id) + 1 FROM {table}
              UNION ALL
                SELECT CASE WHEN probe.id < high AND probe.at < %(moment)s THEN probe.id + 1 ELSE low END,
                    CASE WHEN probe.id < high AND probe.at < %(moment)s THEN high ELSE (low + high) / 2 END
                FROM bisect LEFT JOIN LATERAL (
                    SELECT id, {column} AS at FROM {table} WHERE id >= (low + high) / 2 ORDER BY id LIMIT 1
                ) AS probe ON true
                WHERE low < high
            )
            SELECT low FROM bisect WHERE low >= high
            """,
            {"moment": moment - timedelta(hours=1)},
        )
        found = cursor.fetchone()
    return found[0] if found else 0
