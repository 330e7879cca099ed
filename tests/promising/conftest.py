"""The promise's tables of the sample, in the database."""

import csv

import pytest

from inventory.models import Region
from inventory.promising.known_sheets import SHEETS
from inventory.promising.sheets import RowResult, import_rows
from oms.embedded import CHECKOUT

SAMPLE = CHECKOUT / "sample"


def load_sample() -> dict[str, list[RowResult]]:
    """Load the files of `sample/promise`, and of every province the first county and the one of its tests."""
    with (SAMPLE / "regions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    provinces: set[str] = set()
    for row in rows:
        if row["province"] not in provinces or row["code"] in (
            "110101",
            "110105",
            "220104",
            "310101",
            "440301",
            "440303",
            "540121",
        ):
            provinces.add(row["province"])
            names = ("code", "province", "city", "district", "precision")
            where = {"longitude": float(row["longitude"]), "latitude": float(row["latitude"])}
            Region.objects.update_or_create(code=row["code"], defaults={name: row[name] for name in names} | where)
    results = {}
    for sheet in SHEETS:
        path = SAMPLE / "promise" / f"{sheet.name}.csv"
        if path.exists():
            with path.open(encoding="utf-8") as file:
                results[sheet.name] = import_rows(sheet, enumerate(csv.DictReader(file), 2))
    return results


@pytest.fixture
def sample(db) -> dict[str, list[RowResult]]:
    """What came of the sample's rows, by file."""
    return load_sample()
