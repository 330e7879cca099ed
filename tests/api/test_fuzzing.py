"""A public fuzzer of OpenAPI calls every operation that the schema describes: see docs/api.md.

It makes right and wrong calls from the schema, and checks that no answer is a server error and that each is one that
the schema describes: status, content type and body.
"""

from collections.abc import Iterator
from uuid import uuid4

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, settings
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    negative_data_rejection,
    positive_data_acceptance,
    unsupported_method,
)

from oms.wsgi import application
from tests import factories
from tests.api.samples import populate

# What the schema cannot say: a well-formed call may name things that do not exist (404, 409, 400), parameters of
# a list may be narrower than their types, and an unknown method is answered before the schema's operation.
_NOT_FOR_US = [positive_data_acceptance, negative_data_rejection, unsupported_method]


@pytest.fixture
def merchant_headers(db: None) -> Iterator[dict[str, str]]:
    """The headers of a merchant that has something of everything."""
    shop = factories.make_shop()
    populate(shop)
    # As Django's own test client does: the end of a request must not close the connection of the test's transaction.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield {"Authorization": f"Bearer {factories.token_of(shop.merchant)}"}
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def _schema() -> schemathesis.BaseSchema:
    project = ProjectConfig(generation=GenerationConfig(max_examples=8, deterministic=True, database="none"))
    config = SchemathesisConfig(projects=ProjectsConfig(default=project))
    return schemathesis.openapi.from_wsgi("/api/schema/", application, config=config)


schema = _schema()


@schema.parametrize()
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_that_the_schema_describes(case, merchant_headers):
    headers = dict(merchant_headers)
    if case.method == "POST":
        headers |= {"Idempotency-Key": uuid4().hex}
    case.call_and_validate(headers=headers, excluded_checks=_NOT_FOR_US)
