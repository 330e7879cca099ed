"""A message of the API is in one language, the caller's, whatever library found out what is wrong."""

import json
import re
from typing import Any

import pytest
from django.http import HttpResponse
from rest_framework.test import APIClient

from oms.common.door.forms import wrong_json
from tests import factories
from tests.api.calls import BULK, ORDERS, idempotency
from tests.api.samples import Things
from tests.api.test_every_route_is_isolated import ROUTES, fields_of, filled

pytestmark = pytest.mark.django_db

# Two words in a row that are no names of fields or of kinds: a sentence of English.
ENGLISH = re.compile(r"\b(?!If-Match|Content-|GB |Key\b)[A-Za-z]{2,} [a-z]{2,}\b")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
WRITES = [route for route in ROUTES if route.method in ("post", "patch", "put")]
BROKEN = ['{"', '{"a": tru}', "[1,]", "[]", '"text"', "null", "{}", '{"surely_unknown": 1}', b'{"a": "\xff"}']
FIELDS = ("reason", "lines", "orders", "recipient", "quantity", "items", "url")
VALUES: list[Any] = [None, 12, "x" * 5000, [1], {"a": 1}]


def details(answer: HttpResponse) -> list[str]:
    """Every message of the answer, in whatever form it comes."""
    found = []

    def walk(value: Any) -> None:
        match value:
            case dict():
                found.extend(str(value[name]) for name in ("detail", "message") if name in value)
                for inner in value.values():
                    walk(inner)
            case list():
                for inner in value:
                    walk(inner)

    walk(json.loads(answer.content) if answer.content else None)
    return found


def mixed(answer: HttpResponse, language: str) -> list[str]:
    """The messages that are not in the language."""
    if answer.status_code < 400 and b'"errors"' not in answer.content:
        return []
    if language == "en":
        return [text for text in details(answer) if CHINESE.search(text)]
    return [text for text in details(answer) if ENGLISH.search(text) or not CHINESE.search(text)]


def test_the_place_of_a_mistake_is_told_in_bytes() -> None:
    text = '{"名称":"收货人收货人",,}'
    with pytest.raises(json.JSONDecodeError) as error:
        json.loads(text)

    assert str(text.encode().index(b",,") + 1) in wrong_json(error.value)


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_no_route_mixes_languages_in_what_it_says_of_a_body(
    things: Things, schema: dict[str, Any], language: str
) -> None:
    client = factories.client_of(things.shop.merchant)
    wrong: dict[str, str] = {}
    for route in WRITES:
        if str(route).startswith("post loc-") and language == "en":
            continue  # which is Chinese for everybody
        url = filled(route, things) if route.parameters else f"/api/{route.pattern}"
        # Of a field that a route does not have it says so, whatever stands in it.
        known = fields_of(schema, route)
        values = {name: VALUES if name in known else VALUES[:1] for name in FIELDS}
        for body in [*BROKEN, *(json.dumps({name: value}) for name in FIELDS for value in values[name])]:
            headers = {"HTTP_IF_MATCH": '"1"', "HTTP_ACCEPT_LANGUAGE": language, **idempotency()}
            answer = getattr(client, route.method)(url, body, content_type="application/json", **headers)
            assert answer.status_code < 500, (route, body, answer.content)
            wrong |= dict.fromkeys(mixed(answer, language), f"{route} {body!r}"[:100])
    assert wrong == {}


@pytest.mark.parametrize(
    "path",
    [
        ORDERS + "?limit=x",
        ORDERS + "?surely=1",
        ORDERS + "?state=nothing",
        ORDERS + "?placed_after=yesterday",
        ORDERS + "?fields=nothing",
        ORDERS + "/1234567890123456",
        "/api/v1/nothing",
    ],
)
def test_what_is_asked_wrongly_is_answered_in_chinese(things: Things, path: str) -> None:
    answer = factories.client_of(things.shop.merchant).get(path, HTTP_ACCEPT_LANGUAGE="zh-hans")

    assert answer.status_code in (400, 404)
    assert mixed(answer, "zh-hans") == []


@pytest.mark.parametrize(
    ("change", "attr", "detail"),
    [
        ({"lines": 5}, "lines", "此处应为列表。"),
        ({"lines": [{"sku": "a", "quantity": "two", "unit_price": "1.00"}]}, "lines.0.quantity", "此处应为整数。"),
        ({"payable_amount": "12,5"}, "payable_amount", "请填写数字，例如 12.34。"),
        ({"ordered_at": "2026-01-02 09:00"}, "ordered_at", "请填写带时区的时间，如 2026-01-02T09:00:00+08:00。"),
        ({"external_number": None}, "external_number", "此处应为文本。"),
        ({"recipient": "张三"}, "recipient", "此处应为对象。"),
    ],
)
def test_a_field_of_wrong_form_is_named_with_its_remedy(
    shop: factories.Shop, api: APIClient, change: dict[str, Any], attr: str, detail: str
) -> None:
    body = json.dumps({**factories.order_body(shop.sku), **change}, default=str)
    for url, sent in ((ORDERS, body), (BULK, json.dumps({"orders": [json.loads(body)]}))):
        headers = {"HTTP_ACCEPT_LANGUAGE": "zh-hans", **idempotency()}
        answer = api.post(url, sent, content_type="application/json", **headers).json()
        errors = answer["errors"] if url == ORDERS else answer["results"][0]["errors"]
        assert (attr, detail) in [(error["attr"], error["detail"]) for error in errors]


@pytest.mark.parametrize(
    ("number", "detail"), [("1e999", "This number is too large."), ("-1e999", "This number is too small.")]
)
def test_a_number_out_of_range_is_told_on_which_side(
    shop: factories.Shop, api: APIClient, number: str, detail: str
) -> None:
    body = json.dumps(shop.body((shop.sku, 424242, "10.00")), default=str).replace("424242", number)
    for url, sent in ((ORDERS, body), (BULK, f'{{"orders": [{body}]}}')):
        headers = {"HTTP_ACCEPT_LANGUAGE": "en", **idempotency()}
        answer = api.post(url, sent, content_type="application/json", **headers).json()
        errors = answer["errors"] if url == ORDERS else answer["results"][0]["errors"]
        assert ("lines.0.quantity", detail) in [(error["attr"], error["detail"]) for error in errors]
