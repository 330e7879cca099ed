"""Processes of their own on the tests' database."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from oms.embedded import CHECKOUT

Start = Callable[..., subprocess.Popen[bytes]]


def database_url() -> str:
    """The address of the database that the test runs on."""
    values = connection.settings_dict
    account = quote(values["USER"] or "") + (f":{quote(values['PASSWORD'])}" if values["PASSWORD"] else "")
    host = values["HOST"] or values["OPTIONS"].get("host", "")
    if host.startswith("/"):
        port = f"&port={values['PORT']}" if values["PORT"] else ""
        return f"postgresql://{account}@/{values['NAME']}?host={quote(host)}{port}"
    port = f":{values['PORT']}" if values["PORT"] else ""
    return f"postgresql://{account}@{host}{port}/{values['NAME']}"


@pytest.fixture
def start(transactional_db: None) -> Iterator[Start]:
    """Starts a command of the project's Python on the tests' database; what still runs in the end is killed."""
    with connection.cursor() as cursor:
        # What such a process keeps locked must make a test fail, not hang.
        cursor.execute("SET lock_timeout = '60s'")
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str, **environment: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(  # noqa: S603 - our own commands
            [sys.executable, *command],
            cwd=CHECKOUT,
            env={
                **os.environ,
                "DATABASE_URL": database_url(),
                "DJANGO_SETTINGS_MODULE": "oms.settings",
                "DEBUG": "1",
                "ORDER_NUMBER_KEY": settings.ORDER_NUMBER_KEY,
                "OMS_LEASE_SECONDS": "3",
                "LOG_LEVEL": "WARNING",
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)


@pytest.fixture
def sample(transactional_db: None) -> None:
    """The sample's merchants, goods, warehouses and stock."""
    call_command("load_data", str(CHECKOUT / "sample"), verbosity=0)
