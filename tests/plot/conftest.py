"""A site with what of the sample the plot needs, as `make run` loads it."""

import csv
import gzip
import shutil
from pathlib import Path

import pytest
from django.core.management import call_command

from oms.embedded import CHECKOUT
from oms.plot import staging
from oms.plot.world import GOODS, QUIET_HOUSE, SCARCE

SAMPLE = CHECKOUT / "sample"


@pytest.fixture(scope="session")
def small_sample(tmp_path_factory) -> Path:
    """The sample with the goods of the plot alone."""
    folder = tmp_path_factory.mktemp("sample")
    for name in ("merchants.csv", "regions.csv", "warehouses.csv"):
        shutil.copy(SAMPLE / name, folder)
    shutil.copytree(SAMPLE / "promise", folder / "promise")
    for name in ("catalogue.csv", "stock.csv"):
        with (
            gzip.open(SAMPLE / f"{name}.gz", "rt", encoding="utf-8-sig", newline="") as source,
            (folder / name).open("w", encoding="utf-8", newline="") as target,
        ):
            rows = csv.DictReader(source)
            written = csv.DictWriter(target, rows.fieldnames)
            written.writeheader()
            written.writerows(
                row
                for row in rows
                if row["sku"] in {*GOODS, SCARCE} or QUIET_HOUSE in (row.get("warehouse"), f"{row.get('merchant')}-W1")
            )
    return folder


@pytest.fixture
def world(db, small_sample) -> None:
    """The site before its first order."""
    call_command("load_data", str(small_sample), verbosity=0)


@pytest.fixture
def plot(world) -> list[str]:
    """The codes of the troubles that were staged."""
    return staging.stage()
