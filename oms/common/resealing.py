"""Changing the key that seals: everything that is sealed is sealed anew with the first key of the settings.

It works while the site runs, in batches of their own transactions; one that is stopped goes on where it was, since what
the first key opens is left alone.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from oms.common import secrecy
from oms.common.secrecy import SealedField, SealedTextField

BATCH = 500


@dataclass(slots=True)
class Found:
    """How many values of a column each key opens, by its place in the settings (None: no key)."""

    table: str
    column: str
    by_key: Counter[int | None] = field(default_factory=Counter)


def seal_anew(sealed: SealedField | SealedTextField) -> Found:
    """Seal the column's values anew that another key than the first sealed; returns what there was before."""
    return _walk(sealed, replace=True)


def look(sealed: SealedField | SealedTextField) -> Found:
    """Which keys the column's values need, as it is now."""
    return _walk(sealed, replace=False)


def _walk(sealed: SealedField | SealedTextField, *, replace: bool) -> Found:
    meta = sealed.model._meta
    found = Found(meta.db_table, str(sealed.column))
    last: Any = None
    while rows := _page(sealed, last):
        last = rows[-1][0]
        old: list[tuple[Any, Any]] = []
        for key, value in rows:
            place = secrecy.key_of(value)
            found.by_key[place] += 1
            if place:
                old.append((key, value))
        if replace and old:
            _replace(sealed, old)
    return found


def _page(sealed: SealedField | SealedTextField, last: Any) -> list[tuple[Any, Any]]:
    """The next rows with something sealed, as (primary key, value)."""
    meta = sealed.model._meta
    key = meta.pk.column  # type: ignore[union-attr]
    after = f"AND {key} > %(last)s" if last is not None else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT {key}, {sealed.column} FROM {meta.db_table}
            WHERE {sealed.column} IS NOT NULL AND ({sealed.only_if}) {after} ORDER BY {key} LIMIT {BATCH}
            """,
            {"last": last},
        )
        return cursor.fetchall()


def _replace(sealed: SealedField | SealedTextField, rows: list[tuple[Any, Any]]) -> None:
    """Store the values sealed anew, unless somebody changed them meanwhile; one statement."""
    meta = sealed.model._meta
    key, column, kind = meta.pk.column, sealed.column, sealed.db_type(connection)  # type: ignore[union-attr]
    new: list[Any] = []
    for _key, value in rows:
        again = secrecy.seal_again(value)
        new.append(again.decode() if isinstance(value, str) else again)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH mine AS MATERIALIZED (
                SELECT t.{key}, v.new FROM {meta.db_table} t
                JOIN unnest(%(keys)s, %(old)s::{kind}[], %(new)s::{kind}[]) AS v(key, old, new)
                  ON t.{key} = v.key AND t.{column} = v.old
                ORDER BY t.{key} FOR NO KEY UPDATE OF t
            )
            UPDATE {meta.db_table} t SET {column} = mine.new FROM mine WHERE t.{key} = mine.{key}
            """,
            {"keys": [row[0] for row in rows], "old": [row[1] for row in rows], "new": new},
        )
