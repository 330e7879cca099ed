"""Bodies that come in chunks, through the site's own WSGI application."""

import io
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import RequestFactory

from oms.client import signing
from oms.merchants.calls import credentials
from oms.wsgi import application
from orders.models import Order
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _kept_connection() -> Iterator[None]:
    """As Django's own test client does: a request must not close the connection of the test's transaction."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


class Broken(io.BytesIO):
    """What a server gives where a chunk is none."""

    def read(self, size: int | None = -1) -> bytes:
        raise ValueError("Invalid chunk size: b'x'")


def call(shop: factories.Shop, body: bytes, path: str = "/api/v1/orders", method: str = "POST", **environ: Any) -> Any:
    """Send the body in chunks, signed, as gunicorn hands it over; returns status and answer."""
    issued = credentials.issue(shop.merchant, uuid4().hex[:8])
    key = uuid4().hex
    proof = {"idempotency_key": key, "if_match": '"1"'}
    signed = signing.authorization(issued.credential.app_key, issued.secret, method, path, body, **proof)
    given = RequestFactory()._base_environ(REQUEST_METHOD=method, PATH_INFO=path)
    given.pop("CONTENT_LENGTH", None)
    given |= {
        "CONTENT_TYPE": "application/json",
        "HTTP_TRANSFER_ENCODING": "chunked",
        "HTTP_AUTHORIZATION": signed,
        "HTTP_IDEMPOTENCY_KEY": key,
        "HTTP_IF_MATCH": '"1"',
        "wsgi.input_terminated": True,
        "wsgi.input": io.BytesIO(body),
        **environ,
    }
    status: list[str] = []
    answer = b"".join(application(given, lambda line, headers, *_: status.append(line)))
    return int(status[0].split()[0]), json.loads(answer)


def test_a_signed_order_in_chunks_is_stored(shop):
    status, answer = call(shop, json.dumps(shop.body()).encode())
    assert status == 201, answer
    assert Order.objects.count() == 1


def test_what_rest_framework_reads_is_read_too(shop):
    order = shop.place_order()
    status, answer = call(shop, b'{"text": "in chunks"}', f"/api/v1/orders/{order.number}/notes")
    assert (status, answer["text"]) == (201, "in chunks")


def test_a_body_that_never_ends_is_too_large(shop, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    status, answer = call(shop, b" " * 101)
    assert (status, answer["errors"][0]["code"]) == (413, "too_large")


def test_chunks_that_are_none_are_told_so(shop):
    status, answer = call(shop, b"{}", **{"wsgi.input": Broken()})
    assert (status, answer["errors"][0]["code"]) == (400, "parse_error")


def test_a_length_is_believed(shop):
    body = json.dumps(shop.body()).encode()
    status, _answer = call(shop, body, HTTP_TRANSFER_ENCODING="", CONTENT_LENGTH=str(len(body)))
    assert status == 201
