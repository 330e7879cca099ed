"""A Valkey for tests that need one."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from oms.common.valkey import connect
from oms.merchants.calls import rate_limits


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
