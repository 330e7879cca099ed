"""A Valkey for tests that need one."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from oms.common.valkey import connect
from oms.embedded import valkey
from oms.embedded.addresses import redis_url
from oms.embedded.processes import wait_until
from oms.merchants.calls import rate_limits


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
def emptied_valkey(valkey_url: str, settings: Any) -> Iterator[redis.Redis]:
    """The Valkey that the settings name, empty."""
    settings.REDIS_URL = valkey_url
    rate_limits.forget_server()
    client = connect(5)
    client.flushall()
    yield client
    client.close()
    rate_limits.forget_server()
