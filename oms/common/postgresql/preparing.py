"""Statements that are run often, on the connection that Django uses here."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections

from oms.common.postgresql.base import DatabaseWrapper


def fetch_prepared(sql: str, params: Sequence[object] | Mapping[str, object]) -> list[tuple[Any, ...]]:
    """The rows of the statement; see `DatabaseWrapper.fetch_prepared`.

    Raises Django's database errors, and ImproperlyConfigured where the settings name another backend.
    """
    wrapper = connections[DEFAULT_DB_ALIAS]
    if not isinstance(wrapper, DatabaseWrapper):
        raise ImproperlyConfigured("The ENGINE of the database must be oms.common.postgresql.")
    return wrapper.fetch_prepared(sql, params)
