"""Calling the API in tests, and reading its answers."""

import json
from typing import Any
from uuid import uuid4

from django.http import HttpResponse
from rest_framework.test import APIClient

ORDERS = "/api/v1/orders"
BULK = "/api/v1/orders/bulk"


def send(api: APIClient, body: Any, url: str = ORDERS, **headers: Any) -> HttpResponse:
    """POST the body: text or bytes as they are, anything else as JSON."""
    data = body if isinstance(body, str | bytes) else json.dumps(body)
    return api.post(url, data, content_type="application/json", **{**idempotency(), **headers})


def send_bulk(api: APIClient, *bodies: Any) -> list[dict[str, Any]]:
    """POST the orders in one call and return the results."""
    response = send(api, {"orders": bodies}, BULK)
    assert response.status_code == 200, response.content
    return response.json()["results"]


def errors_of(response: HttpResponse) -> set[tuple[str | None, str]]:
    """(field, code) of every error; the answer must have the one form of errors."""
    answer = response.json()
    assert set(answer) == {"type", "errors"}, answer
    assert answer["type"] in {"validation_error", "client_error", "server_error"}
    assert all(set(error) == {"code", "detail", "attr"} and error["detail"] for error in answer["errors"])
    return {(error["attr"], error["code"]) for error in answer["errors"]}


def pages(api: APIClient, url: str) -> list[list[dict[str, Any]]]:
    """Every page of a list, following `next`."""
    found = []
    while url:
        answer = api.get(url).json()
        found.append(answer["results"])
        url = answer["next"]
    return found


def idempotency() -> dict[str, str]:
    """The header that creating calls carry, with a key that no call before had; for Django's test client."""
    return {"HTTP_IDEMPOTENCY_KEY": uuid4().hex}


def change(
    api: APIClient, method: str, url: str, body: Any = None, *, version: int | str | None = 1, **headers: Any
) -> HttpResponse:
    """Call a write on something that exists, in the version given; without If-Match where that is None."""
    if version is not None:
        headers["HTTP_IF_MATCH"] = f'"{version}"'
    data = "" if body is None else json.dumps(body)
    return getattr(api, method)(url, data, content_type="application/json", **{**idempotency(), **headers})
