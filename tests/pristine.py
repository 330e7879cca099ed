"""The test database as it was made, given back to each test that commits.

Django empties every table after such a test and makes what belongs in them anew, which takes some seconds here. What
the tables held is kept in a schema beside them instead and put back. Rows are deleted one by one: to truncate
a table is to make its files anew, and those of all tables that refer to it.
"""

from typing import Any

from django.db import connection
from django.test import TransactionTestCase

_KEEP = """
DO $$
DECLARE t record; filled boolean;
BEGIN
    CREATE SCHEMA pristine;
    FOR t IN
        SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', t.name) INTO filled;
        IF filled THEN
            EXECUTE format('CREATE TABLE pristine.%I AS TABLE public.%1$I', t.name);
        END IF;
    END LOOP;
END $$
"""
# Triggers and keys are asleep meanwhile: rows come back in no order, also to tables that only take new ones.
_GIVE_BACK = """
DO $$
DECLARE t record; columns text;
BEGIN
    SET LOCAL session_replication_role = replica;
    -- What is still being written elsewhere is waited for: it would stay.
    FOR t IN SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
        EXECUTE format('LOCK TABLE public.%I IN SHARE ROW EXCLUSIVE MODE', t.name);
    END LOOP;
    FOR t IN SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
        EXECUTE format('DELETE FROM public.%I', t.name);
    END LOOP;
    FOR t IN SELECT k.relname AS name FROM pg_class k WHERE k.relnamespace = 'pristine'::regnamespace LOOP
        SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO columns FROM pg_attribute a
        WHERE a.attrelid = format('public.%I', t.name)::regclass
          AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';
        EXECUTE format('INSERT INTO public.%I (%s) SELECT %2$s FROM pristine.%1$I', t.name, columns);
    END LOOP;
END $$
"""


def keep() -> None:
    """Keep what the tables of the new test database hold. The role must be a superuser's, as the tests' is."""
    with connection.cursor() as cursor:
        cursor.execute(_KEEP)
    TransactionTestCase._fixture_teardown = _give_back  # type: ignore[method-assign]


def _give_back(_test: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_GIVE_BACK)
