"""The addresses of the embedded servers."""

import subprocess
import sys
from pathlib import Path

import environ
from kombu import Connection
from psycopg.conninfo import conninfo_to_dict

from oms.embedded import CHECKOUT, addresses

LONG = Path("/srv") / ("long" * 30) / "var"


def test_django_finds_the_socket_folder_and_the_database():
    database = environ.Env.db_url_config(addresses.database_url(LONG))
    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["NAME"], database["USER"], database["PORT"]) == ("oms", "postgres", 5432)
    assert database["HOST"] == ""
    assert database["OPTIONS"] == {"host": str(addresses.socket_folder(LONG))}


def test_libpq_understands_the_same_url():
    parts = conninfo_to_dict(addresses.database_url(LONG))
    assert (parts["host"], parts["dbname"]) == (str(addresses.socket_folder(LONG)), "oms")


def test_celery_finds_the_socket():
    assert Connection(addresses.redis_url(LONG)).as_uri().endswith(str(addresses.valkey_socket(LONG)))


def test_socket_paths_are_short_however_long_the_data_folder_is():
    assert len(str(addresses.socket_folder(LONG) / ".s.PGSQL.5432.lock")) <= 103


def test_each_data_folder_has_its_own_address_and_keeps_it(monkeypatch):
    before = addresses.database_url(LONG)
    monkeypatch.setenv("TMPDIR", "/var")
    assert addresses.database_url(LONG) == before
    assert addresses.database_url(LONG / "other") != before


def test_a_link_to_the_data_folder_has_its_address(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    assert addresses.redis_url(tmp_path / "link") == addresses.redis_url(tmp_path)


def test_settings_can_import_the_addresses_without_django():
    code = "import sys; sys.modules['django'] = None; import oms.embedded.addresses"
    subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=True)  # noqa: S603 - our own code
