"""Each file has one subject, and a reader finds the way: files stay short, the rooms of `orders/` few."""

from pathlib import Path

from django.db.migrations.loader import MigrationLoader

from oms.common.postgresql.first import FirstMigration
from oms.embedded import CHECKOUT

LONGEST = 450
MOST_ROOMS = 22
# What Django asks for by name is no room.
OF_DJANGO = {"__init__", "__pycache__", "apps", "migrations"}


def _sources() -> list[Path]:
    roots = (
        path for path in CHECKOUT.iterdir() if path.is_dir() and not path.name.startswith(".") and path.name != "var"
    )
    files = [CHECKOUT / "manage.py", *(file for root in roots for file in root.rglob("*.py"))]
    return [file for file in files if "migrations" not in file.parts and "node_modules" not in file.parts]


def test_no_file_is_longer_than_one_reads_at_once():
    lengths = {
        str(file.relative_to(CHECKOUT)): len(file.read_text(encoding="utf-8").splitlines()) for file in _sources()
    }

    assert len(lengths) > 1000
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


def test_the_top_of_orders_has_few_rooms():
    rooms = {path.stem for path in (CHECKOUT / "orders").iterdir()} - OF_DJANGO

    assert len(rooms) <= MOST_ROOMS, sorted(rooms)


def test_the_first_migrations_make_their_tables_at_once():
    first = {app: each for (app, name), each in MigrationLoader(None).disk_migrations.items() if name == "0001_initial"}
    ours = {"common", "merchants", "inventory", "orders", "payments", "logistics"}
    assert [app for app in ours if not isinstance(first[app], FirstMigration)] == []
