"""Putting rows into tables in few statements, and COPY, the fastest way for many rows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from django.db import connection
from psycopg.types.json import JsonDumper

from oms.common.postgresql.preparing import fetch_prepared


def copy_rows(table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write the rows into the table in the running transaction; columns left out take the database's defaults, and a
    dict goes into a column of JSON.

    Raises Django's database errors, such as IntegrityError, like any other statement.
    """
    with connection.wrap_database_errors, connection.cursor() as cursor:
        cursor.adapters.register_dumper(dict, _JsonOfDict)
        with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)


class _JsonOfDict(JsonDumper):
    def dump(self, obj: Any) -> bytes:
        """See Dumper."""
        return msgspec.json.encode(obj)


class Rows(NamedTuple):
    """Rows for a table, each with its values by column: all name the same columns, in the same order. Columns left out
    take the database's defaults."""

    table: str
    rows: Sequence[Mapping[str, object]]

    @property
    def columns(self) -> Sequence[str]:
        """The columns that the rows name."""
        return tuple(self.rows[0]) if self.rows else ()


# Up to so many rows one statement is quicker than a COPY for each table.
FEW_ROWS = 60


def write_tables(*tables: Rows) -> None:
    """Write the rows of several tables in the running transaction: few of them in one statement, many by COPY.

    Raises Django's database errors, such as IntegrityError.
    """
    if sum([len(part.rows) for part in tables]) > FEW_ROWS:
        for part in tables:
            if part.rows:
                copy_rows(part.table, part.columns, [tuple(row.values()) for row in part.rows])
        return
    inserts = [_insert(part) for part in tables if part.rows]
    if inserts:
        _execute(inserts, [records(part.rows) for part in tables if part.rows])


def write_at_once(*tables: Rows, lock: int) -> bool:
    """Write the rows of all tables, at least one in each, in one statement; outside a transaction it is its own.

    It holds the advisory lock of that number meanwhile. Returns False, with nothing written, where another has it.
    Raises Django's database errors, such as IntegrityError.
    """
    inserts = [f"{_insert(part)} CROSS JOIN lock WHERE lock.is_free" for part in tables]
    locking = "lock AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(%s) AS is_free)"
    return _execute(inserts, [lock, *(records(part.rows) for part in tables)], locking) > 0


def write_new(part: Rows) -> int:
    """Write those of the rows that conflict with no other; how many."""
    return _execute([f"{_insert(part)} ON CONFLICT DO NOTHING"], [records(part.rows)])


def _insert(part: Rows) -> str:
    names = ", ".join(part.columns)
    return f"INSERT INTO {part.table} ({names}) SELECT {names} FROM json_populate_recordset(NULL::{part.table}, %s)"


def _execute(inserts: list[str], values: list[Any], *before: str) -> int:
    """All of it as one statement, after the queries `before`; how many rows the last one inserted."""
    *first, last = inserts
    queries = [*before, *[f"part_{i} AS ({insert})" for i, insert in enumerate(first)]]
    sql = f"{last} RETURNING 1"
    sql = f"WITH {', '.join(queries)} {sql}" if queries else sql
    return len(fetch_prepared(sql, values))


def records(rows: Iterable[Mapping[str, object]]) -> str:
    """Rows, by column, as one parameter for `json_populate_recordset(NULL::table, %s::json)`: the statement's text is
    the same whatever their number, and psycopg knows it."""
    return msgspec.json.encode(list(rows)).decode()


def array(values: Iterable[object]) -> str:
    """A PostgreSQL array of numbers (or None) as text, to be cast in the statement; many times quicker than a list."""
    return "{" + ",".join(map(str, values)).replace("None", "NULL") + "}"


def text_array(values: Iterable[str | None]) -> str:
    """A PostgreSQL array of texts (or of JSON) as text, to be cast in the statement."""
    return "{" + ",".join(["NULL" if value is None else _quoted(value) for value in values]) + "}"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def next_ids(table: str, count: int) -> list[int]:
    """Reserve `count` primary keys of the table."""
    with connection.cursor() as cursor:
        # The sequence is looked up once, not for every key.
        cursor.execute(
            """
            WITH named AS MATERIALIZED (SELECT pg_get_serial_sequence(%s, 'id')::regclass AS sequence)
            SELECT nextval(sequence) FROM named CROSS JOIN generate_series(1, %s)
            """,
            [table, count],
        )
        return [key for (key,) in cursor.fetchall()]
