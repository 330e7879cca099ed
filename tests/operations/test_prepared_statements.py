"""Statements that are run often keep their plan for the connection, and nothing else does."""

import pytest
from django.db import DataError, connection, transaction

from oms.common.postgresql.base import PREPARED_AFTER

OFTEN = "SELECT code, %s::int FROM merchants_merchant"


def planned():
    """The texts of the statements that PostgreSQL keeps planned for the connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return [text for (text,) in cursor.fetchall()]


@pytest.fixture
def often(transactional_db):
    """A statement that this connection keeps planned."""
    connection.close()
    for number in range(PREPARED_AFTER + 1):
        assert connection.fetch_prepared(OFTEN, [number]) == []
    assert planned() == ["SELECT code, $1::int FROM merchants_merchant"]


@pytest.mark.usefixtures("often")
def test_only_what_is_run_often_is_kept():
    for _ in range(2 * PREPARED_AFTER):
        with connection.cursor() as cursor:
            cursor.execute("SELECT name FROM merchants_merchant WHERE code = %s", ["M1"])
    assert len(planned()) == 1


@pytest.mark.usefixtures("often")
def test_what_is_kept_outlives_an_error_and_a_savepoint():
    with transaction.atomic():
        with pytest.raises(DataError), transaction.atomic():
            connection.fetch_prepared(OFTEN, ["no number"])
        assert connection.fetch_prepared(OFTEN, [1]) == []
        assert len(planned()) == 1


@pytest.mark.usefixtures("often")
def test_a_column_that_changed_its_type_is_read_at_once():
    """As when another machine migrates while this one serves."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE merchants_merchant ALTER COLUMN code TYPE varchar(33)")
    try:
        assert connection.fetch_prepared(OFTEN, [1]) == []
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE merchants_merchant ALTER COLUMN code TYPE varchar(32)")


def test_nothing_is_kept_where_the_settings_say_so(transactional_db, settings):
    settings.PREPARED_STATEMENTS = False
    connection.close()
    for number in range(PREPARED_AFTER + 1):
        assert connection.fetch_prepared(OFTEN, [number]) == []
    assert planned() == []
