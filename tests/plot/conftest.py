"""A site with what of the sample the plot needs, as `make run` loads it."""

import csv
import gzip
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from oms.embedded import CHECKOUT
from oms.plot import staging
from oms.plot.world import GOODS, QUIET_HOUSE, SCARCE
from tests import standing

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


@pytest.fixture(scope="module")
def standing_world(django_db_setup: None, django_db_blocker: Any, small_sample) -> Iterator[None]:
    """The site before its first order, for all tests of a file."""
    with standing.rows(django_db_blocker, lambda: call_command("load_data", str(small_sample), verbosity=0)):
        yield


@pytest.fixture(scope="module")
def standing_plot(standing_world, django_db_blocker: Any) -> Iterator[list[str]]:
    """The codes of the troubles that were staged there."""
    with standing.rows(django_db_blocker, staging.stage) as staged:
        yield staged


@pytest.fixture
def world(standing_world, db) -> None:
    """The site before its first order; what the test changes of it is gone with it."""


@pytest.fixture
def plot(standing_plot, db) -> list[str]:
    """The codes of the troubles that were staged, on that site."""
    return standing_plot
