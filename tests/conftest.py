"""What every test stands on: a PostgreSQL, no waiting, no broker.

The tests run on the server that DATABASE_URL names, in a database of their own; without one, on the embedded
PostgreSQL of OMS_DATA_DIR (`var/test`), which starts by itself.
"""

import gc
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# pytest-django loads the settings named in the environment before it reads this file. Where nothing names a server,
# they must wait until there is one; hence pyproject.toml names none. The processes of `pytest -n` find the server that
# the first one started for them, and make a database each.
if os.environ.get("DJANGO_SETTINGS_MODULE") and not {"DATABASE_URL", "PYTEST_XDIST_WORKER"} & os.environ.keys():
    pytest.exit("Unset DJANGO_SETTINGS_MODULE, or set DATABASE_URL as well.", returncode=4)

import django

from oms.embedded import CHECKOUT, attach, postgres
from oms.embedded.management.commands.prepare import compile_translations

# Whether an example is right does not depend on how busy the machine is.
hypothesis.settings.register_profile("oms", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("oms")

os.environ.setdefault("OMS_DATA_DIR", str(CHECKOUT / "var" / "test"))
os.environ.setdefault("DEBUG", "1")
os.environ.setdefault("ORDER_NUMBER_KEY", "tests")
# What tests write need not outlive the machine; processes that are killed lose nothing by it.
postgres.SETTINGS["fsync"] = "off"
if "OMS_SOAK" not in os.environ:
    # How PostgreSQL goes about a statement must not depend on when it last came to look at the tables, which hold
    # nothing that it can see while a test is under way; a statement that goes about it badly ends with its text.
    postgres.SETTINGS |= {"autovacuum": "off", "statement_timeout": "120s"}
attach()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "oms.settings")
if "PYTEST_XDIST_WORKER" not in os.environ:
    # A process keeps the catalogue that it found first: before any test, and before the other processes start.
    compile_translations()
django.setup()

from django.contrib.auth.hashers import PBKDF2PasswordHasher  # noqa: E402 - needs the settings, like the next ones
from django.core.cache import cache  # noqa: E402
from django.utils import translation  # noqa: E402
from rest_framework.test import APIClient  # noqa: E402

from oms.common.work import nudging  # noqa: E402
from oms.embedded import valkey  # noqa: E402
from oms.embedded.addresses import redis_url  # noqa: E402
from oms.embedded.processes import wait_until  # noqa: E402
from tests import factories, invariants, pristine, standing, template_database  # noqa: E402

# A good hash takes a fifth of a second, on purpose.
PBKDF2PasswordHasher.iterations = 1


def pytest_configure(config: pytest.Config) -> None:
    """The static files are not collected for tests; whitenoise need not say so."""
    config.addinivalue_line("filterwarnings", "ignore:No directory at:UserWarning")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each test has an id of its own: of several with one, `pytest -n --dist loadfile` runs but one, and says nothing.
    Those of schemathesis have the operation in their name only."""
    times = Counter(item.nodeid for item in items)
    for item in items:
        if times[item.nodeid] > 1:
            item._id = item.id.parse(f"{item.nodeid.rpartition('::')[0]}::{item.name}")
    again = [nodeid for nodeid, count in Counter(item.nodeid for item in items).items() if count > 1]
    if again:
        raise pytest.UsageError(f"several tests are called {', '.join(again[:5])}")


def pytest_collection_finish() -> None:
    """What was imported and collected stays; to look through it for garbage again and again takes long."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """What fails is said at once: a run that is ended before its time says no more."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        reason = report.longreprtext.strip().splitlines()[-1:]
        print(f"\nFAILED {report.nodeid} ({report.when})", *reason, sep="\n", flush=True)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None, django_db_blocker: Any) -> None:
    """Databases of tests are copies of one that is migrated already."""
    with django_db_blocker.unblock():
        template_database.use()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """What the database holds before any test is kept, for tests that commit, and what must always hold beside it."""
    with django_db_blocker.unblock():
        pristine.keep()
        invariants.keep()


@pytest.fixture(scope="session", autouse=True)
def _no_nudges() -> None:
    """No test waits for a broker or wakes a worker of somebody else."""
    nudging.disable()


@pytest.fixture(autouse=True)
def _nothing_is_kept() -> None:
    """Figures that are kept for some seconds are not those of the test before."""
    cache.clear()


@pytest.fixture(autouse=True)
def _in_the_sites_language(settings: Any) -> None:
    """Whatever language the test before this one left active."""
    translation.activate(settings.LANGUAGE_CODE)


@pytest.fixture
def in_english() -> Iterator[None]:
    """What is said is compared in English."""
    with translation.override("en"):
        yield


@pytest.fixture(autouse=True)
def _no_waits(settings: Any) -> None:
    """No test waits for what production waits for on purpose."""
    for name, value in standing.NO_WAITS.items():
        setattr(settings, name, value)


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real Valkey that is only this test run's."""
    folder = Path(tmp_path_factory.mktemp("valkey"))
    with subprocess.Popen(valkey.command(folder)) as server:  # noqa: S603 - our own binary
        try:
            assert wait_until(lambda: valkey.is_ready(folder), 20), valkey.log_path(folder).read_text()
            yield redis_url(folder)
        finally:
            server.terminate()


@pytest.fixture
def shop(db: None) -> factories.Shop:
    """A self-operated merchant with two SKUs in stock."""
    return factories.make_shop()


@pytest.fixture
def api(shop: factories.Shop) -> APIClient:
    """An API client that carries a token of the shop's merchant."""
    return factories.client_of(shop.merchant)
