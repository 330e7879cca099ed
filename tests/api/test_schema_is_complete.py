"""What a generator of clients needs of the schema: a true body for every call that takes one, webhooks, servers."""

import json
from typing import Any

import pytest
from django.test import Client
from jsonschema import Draft202012Validator

from oms import api_completing
from oms.merchants.webhooks import endpoints


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The schema as everybody gets it."""
    return json.loads(Client().get("/api/schema/?lang=en", headers={"accept": "application/json"}).content)


def _bodies(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        operation["operationId"]: operation["requestBody"]["content"]["application/json"]
        for operations in document["paths"].values()
        for operation in operations.values()
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    }


def _as_taken(schema: Any) -> Any:
    """The schema as bodies are judged by it: what is only read need not be sent, decimals may be numbers, too."""
    if isinstance(schema, list):
        return [_as_taken(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    taken = {key: _as_taken(value) for key, value in schema.items()}
    properties = schema.get("properties")
    if isinstance(properties, dict) and isinstance(schema.get("required"), list):
        taken["required"] = [name for name in schema["required"] if not properties.get(name, {}).get("readOnly")]
    if schema.get("format") == "decimal" and schema.get("type") == "string":
        taken["type"] = ["string", "number"]
    return taken


def test_every_call_has_a_body_to_begin_with_that_fits_its_description(document: dict[str, Any]) -> None:
    bodies = _bodies(document)
    assert len(bodies) > 45
    wrong = {}
    for name, content in bodies.items():
        examples = content.get("examples", {})
        assert examples, f"{name} has no example: add one to it, or to oms.api_completing.BODIES."
        schema = _as_taken({**content["schema"], "components": document["components"]})
        for example in examples.values():
            faults = [error.message for error in Draft202012Validator(schema).iter_errors(example["value"])]
            if faults:
                wrong[name] = faults
    assert wrong == {}


def test_bodies_are_kept_for_operations_that_there_are_and_that_have_none_of_their_own(
    document: dict[str, Any],
) -> None:
    bodies = _bodies(document)
    for name, body in api_completing.BODIES.items():
        assert [example["value"] for example in bodies[name]["examples"].values()] == [body], name


def test_all_webhooks_and_the_server_are_said(document: dict[str, Any]) -> None:
    assert set(document["webhooks"]) == set(endpoints.known_types()) - {endpoints.PING}
    assert all(webhook["post"]["summary"] for webhook in document["webhooks"].values())
    assert document["servers"] == api_completing.SERVERS
    assert document["openapi"].startswith("3.1")
