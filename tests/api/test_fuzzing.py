"""A public fuzzer of OpenAPI (schemathesis) calls every operation that the schema describes, in process.

It makes right and wrong calls from the schema, and checks that no answer is a server error and that each is one that
the schema describes: status, content type, headers and body. Each call is made as it was generated, and once more with
ids of things that exist, so that it gets past "not found".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, settings
from schemathesis.config import GenerationConfig, PhasesConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    missing_required_header,
    negative_data_rejection,
    positive_data_acceptance,
    response_schema_conformance,
    unsupported_method,
)

from oms.wsgi import application
from tests import factories
from tests.api.samples import Things
from tests.api.test_every_route_is_isolated import PARAMETERS

# What the schema cannot say: a well-formed call may name things that do not exist, and a rule may refuse it; what
# misses If-Match is answered with 428, which this fuzzer does not know; tests of their own cover these.
_NOT_FOR_US = [positive_data_acceptance, negative_data_rejection, missing_required_header, unsupported_method]
_EXAMPLES = 4


@dataclass(frozen=True)
class Caller:
    """A merchant that has something of everything, and its headers."""

    things: Things
    headers: dict[str, str]


@pytest.fixture
def caller(things: Things) -> Iterator[Caller]:
    """Who calls."""
    # As Django's own test client does: the end of a request must not close the connection of the test's transaction.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield Caller(things, {"Authorization": f"Bearer {factories.token_of(things.shop.merchant)}"})
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def _schema(*, is_systematic: bool) -> schemathesis.BaseSchema:
    generation = GenerationConfig(max_examples=_EXAMPLES, deterministic=True, database="none")
    # The systematic phase alone takes minutes; `make soak` runs it.
    phases = PhasesConfig.from_dict({"coverage": {"enabled": is_systematic}})
    project = ProjectConfig(generation=generation, phases=phases)
    config = SchemathesisConfig(projects=ProjectsConfig(default=project))
    return schemathesis.openapi.from_wsgi("/api/schema/", application, config=config)


schema = _schema(is_systematic=False)
systematic = _schema(is_systematic=True)
limited = settings(
    max_examples=_EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@schema.parametrize()
@limited
def test_every_answer_is_one_that_the_schema_describes(case, caller):
    _call(case, caller)


@pytest.mark.soak
@systematic.parametrize()
@limited
def test_every_boundary_of_the_schema_is_answered_as_it_describes(case, caller):
    _call(case, caller)


def _call(case: schemathesis.Case, caller: Caller) -> None:
    headers = dict(caller.headers)
    if case.method == "POST":
        headers["Idempotency-Key"] = uuid4().hex
    # `fields` asks for a part of what the schema describes.
    is_part = "fields" in (case.query or {})
    excluded = [*_NOT_FOR_US, response_schema_conformance] if is_part else _NOT_FOR_US
    case.call_and_validate(headers=headers, excluded_checks=excluded)
    if case.path_parameters:
        part = case.path.removeprefix("/api/v1/").split("/")[0]
        known = PARAMETERS[part](caller.things)
        real = {"pk": "id"}
        case.path_parameters = {real.get(name, name): str(value) for name, value in known.items()}
        headers |= {"If-Match": '"1"', "Idempotency-Key": uuid4().hex}
        case.call_and_validate(headers=headers, excluded_checks=excluded)
