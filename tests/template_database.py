"""The migrated database of which each test process gets a copy.

Migrating takes most of a minute, copying a second. The template is made once for each content of the migrations, by
the first process that wants it, and stays on the server for the next runs. What `migrate` makes of the code rather than
of migrations (triggers, rights), it makes anew in each copy.
"""

import hashlib
import inspect
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connections
from django.db.migrations.loader import MigrationLoader
from psycopg import sql

from oms.embedded import CHECKOUT

_PREFIX = "oms_template_"
# Of the advisory lock under which a template is made.
_LOCK = 0x6F6D7374


def use() -> None:
    """Let the test database that is made next be a copy of the template, which is made if there is none."""
    database = connections["default"]
    name = _PREFIX + _digest()
    with _exclusively():
        if not _exists(name):
            _make(name)
    database.settings_dict["TEST"]["TEMPLATE"] = name


def _digest() -> str:
    """Of all migrations and of the versions of the packages."""
    found = hashlib.sha256(Path(CHECKOUT, "requirements", "app.lock").read_bytes())
    for (app, name), migration in sorted(MigrationLoader(None).disk_migrations.items()):
        found.update(f"{app}.{name}".encode())
        found.update(inspect.getsource(sys.modules[migration.__module__]).encode())
    return found.hexdigest()[:16]


@contextmanager
def _exclusively() -> Iterator[None]:
    with connections["default"]._nodb_cursor() as cursor:
        # Asked again and again: a single statement may not take as long as making the template does.
        while not _is_ours(cursor):
            time.sleep(0.5)
        yield
        cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def _is_ours(cursor: Any) -> bool:
    cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
    return bool(cursor.fetchone()[0])


def _exists(name: str) -> bool:
    with connections["default"]._nodb_cursor() as cursor:
        cursor.execute("SELECT FROM pg_database WHERE datname = %s", [name])
        return cursor.fetchone() is not None


def _make(name: str) -> None:
    """Drop the templates of former migrations, and make this one under another name until it is whole."""
    database = connections["default"]
    with database._nodb_cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [_PREFIX])
        for (former,) in cursor.fetchall():
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(former)))
    was, tests_own = database.settings_dict["NAME"], database.settings_dict["TEST"]["NAME"]
    making = f"{name}_making"
    database.settings_dict["TEST"]["NAME"] = making
    try:
        database.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    finally:
        database.close()
        database.settings_dict["NAME"], database.settings_dict["TEST"]["NAME"] = was, tests_own
    with database._nodb_cursor() as cursor:
        cursor.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(making), sql.Identifier(name)))
