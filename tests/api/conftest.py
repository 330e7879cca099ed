"""A Valkey for tests that need one; one of everything, and the schema, for those that walk over all operations."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from rest_framework.test import APIClient

from oms.common.valkey import connect
from oms.merchants.calls import rate_limits
from tests import factories, standing
from tests.api.samples import Things, populate


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


@pytest.fixture(scope="module")
def standing_things(django_db_setup: None, django_db_blocker: Any) -> Iterator[Things]:
    """One of everything of a merchant, for all tests of a file, none of which commits."""
    with standing.rows(django_db_blocker, lambda: populate(factories.make_shop())) as made:
        yield made


@pytest.fixture
def things(standing_things: Things, db: None) -> Things:
    """The same; what the test changes of it is gone with it."""
    return standing_things


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """The OpenAPI schema, which knows every field of every body."""
    answer = APIClient().get("/api/schema/", HTTP_ACCEPT="application/json")
    found: dict[str, Any] = json.loads(answer.content)
    return found
