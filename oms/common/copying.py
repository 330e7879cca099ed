"""Putting rows into tables in few statements, and COPY, the fastest way for many rows."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from django.db import connection


def copy_rows(table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write the rows into the table in the running transaction; columns left out take the database's defaults.

    Raises Django's database errors, such as IntegrityError, like any other statement.
    """
    with (
        connection.wrap_database_errors,
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(row)


class Rows(NamedTuple):
    """Rows for the columns of a table; columns left out take the database's defaults."""

    table: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


# Up to so many rows one statement is quicker than a COPY for each table.
FEW_ROWS = 60


def write_tables(*tables: Rows) -> None:
    """Write the rows of several tables in the running transaction: few of them in one statement, many by COPY.

    Raises Django's database errors, such as IntegrityError.
    """
    if sum([len(part.rows) for part in tables]) > FEW_ROWS:
        for part in tables:
            copy_rows(*part)
        return
    inserts: list[str] = []
    values: list[str] = []
    for part in tables:
        if part.rows:
            names = ", ".join(part.columns)
            inserts.append(
                f"INSERT INTO {part.table} ({names})"
                f" SELECT {names} FROM json_populate_recordset(NULL::{part.table}, %s)"
            )
            values.append(_json_rows(part))
    if inserts:
        *first, last = inserts
        parts = ", ".join([f"part_{i} AS ({insert})" for i, insert in enumerate(first)])
        with connection.cursor() as cursor:
            cursor.execute(f"WITH {parts} {last}" if first else last, values)


def _json_rows(part: Rows) -> str:
    """The rows as one parameter: the statement's text stays the same whatever their number, and psycopg knows it."""
    return msgspec.json.encode([dict(zip(part.columns, row, strict=True)) for row in part.rows]).decode()


def array(values: Iterable[object]) -> str:
    """A PostgreSQL array of numbers (or None) as text, to be cast in the statement; many times quicker than a list."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def text_array(values: Iterable[str | None]) -> str:
    """A PostgreSQL array of texts (or of JSON) as text, to be cast in the statement."""
    return "{" + ",".join(["NULL" if value is None else _quoted(value) for value in values]) + "}"


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def next_ids(table: str, count: int) -> list[int]:
    """Reserve `count` primary keys of the table."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)", [table, count])
        return [key for (key,) in cursor.fetchall()]
