"""Errors in one form, request ids, the schema."""

import json
import re
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django_fsm import TransitionNotAllowed
from rest_framework.test import APIClient, APIRequestFactory

from logistics.carriers.defaults import install_default_carriers
from oms.common.door.api import ApiView
from oms.common.errors import OmsError
from orders.api import examples
from orders.fulfilling import allocating, splitting
from orders.models import Order
from orders.reviewing import deciding
from payments.taking import recording
from tests import factories
from tests.api.calls import BULK, ORDERS, errors_of, send

pytestmark = pytest.mark.django_db


class OutOfSeason(OmsError):
    """A refusal of its own kind."""

    code = "out_of_season"
    status_code = 422


def answer_to(error):
    """What the API answers when a view raises this."""

    class Failing(ApiView):
        authentication_classes = permission_classes = ()

        def get(self, request):
            raise error

    response = Failing.as_view()(APIRequestFactory().get("/"))
    response.render()
    response.json = lambda: json.loads(response.content)
    return response


@pytest.mark.parametrize(
    ("method", "url", "status", "code"),
    [
        ("get", "/api/v1/nothing", 404, "not_found"),
        ("get", "/api/v1/", 404, "not_found"),
        ("get", "/api/v2/orders", 404, "not_found"),
        ("get", "/api/v1/orders/", 404, "not_found"),
        ("get", "/api/v1/orders/123", 404, "not_found"),
        ("get", "/api/v1/orders/%00", 404, "not_found"),
        ("get", "/api/v1/orders/1234567890123456", 404, "not_found"),
        ("get", "/api/v1/sub-orders/1234567890123456-1", 404, "not_found"),
        ("put", "/api/v1/orders", 405, "method_not_allowed"),
        ("delete", "/api/v1/orders/1234567890123456", 405, "method_not_allowed"),
        ("get", "/api/v1/orders/bulk", 405, "method_not_allowed"),
        ("options", "/api/v1/orders", 405, "method_not_allowed"),
    ],
)
def test_what_does_not_exist_is_told_in_the_one_form(api, method, url, status, code):
    response = getattr(api, method)(url)
    assert (response.status_code, errors_of(response)) == (status, {(None, code)})


def test_only_json_is_sent_back(api):
    response = api.get(ORDERS, HTTP_ACCEPT="text/html")
    assert (response.status_code, errors_of(response)) == (406, {(None, "not_acceptable")})


@pytest.mark.parametrize("url", [ORDERS, BULK])
@pytest.mark.parametrize(
    ("content_type", "headers"),
    [
        ("text/plain", {}),
        ("application/x-www-form-urlencoded", {}),
        ("application/json; charset=gbk", {}),
        ("application/json-patch+json", {}),
        ("", {}),
        ("application/json", {"HTTP_CONTENT_ENCODING": "gzip"}),
    ],
)
def test_only_json_is_taken(api, shop, url, content_type, headers):
    response = api.generic("POST", url, json.dumps(shop.body()), content_type=content_type, **headers)
    assert (response.status_code, errors_of(response)) == (415, {(None, "unsupported_media_type")})
    assert not Order.objects.exists()


def test_json_with_its_charset_named_is_taken(api, shop):
    body = json.dumps(shop.body(), ensure_ascii=False)
    response = api.generic("POST", ORDERS, body, content_type="Application/JSON; charset=UTF-8")
    assert response.status_code == 201


@pytest.mark.parametrize("url", [ORDERS, BULK])
def test_a_body_that_is_too_large_is_413(api, shop, settings, url):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    response = send(api, shop.body(), url)
    assert (response.status_code, errors_of(response)) == (413, {(None, "too_large")})


@pytest.mark.parametrize(
    "body",
    [
        *("", "{", "nonsense", "\0", "{}x", "[" * 100_000, "{" * 1000, '{"a":' * 100_000),
        *(b"\xff", b"\xef\xbb\xbf{}", "{}".encode("utf-16"), b'{"remark": "\xed\xa0\x80"}'),
        *('{"remark": "\\ud800"}', '{"payable_amount": NaN}', '{"payable_amount": Infinity}'),
        *('{"payable_amount": -Infinity}', '{"payable_amount": 1e999999999}'),
    ],
)
def test_what_is_no_order_is_400(api, body):
    response = send(api, body)
    assert response.status_code == 400
    assert errors_of(response)
    assert not Order.objects.exists()


@pytest.mark.parametrize(
    ("part", "attr", "code"),
    [
        ('"payable_amount": "1.00", "payable_amount": "26.00"', "payable_amount", "repeated_key"),
        ('"points": {"used": 0, "used": 0}', "used", "repeated_key"),
        ('"x": {"y": 1, "y": 1}', "x", "unknown_field"),
        ('"payable_amount": 1e400', "payable_amount", "invalid_amount"),
        ('"payable_amount": %s' % ("9" * 5000), "payable_amount", "invalid_amount"),
        ('"x": %s' % ("[" * 100_000 + "]" * 100_000), "x", "unknown_field"),
        ('"remark": %s' % ("[" * 100_000 + "]" * 100_000), "remark", "invalid"),
        ('"remark": "\\ud800"', None, "parse_error"),
        ('"x": "\\ud800"', None, None),
        ('"x": NaN', "x", "unknown_field"),
        ('"payable_amount": NaN', None, "parse_error"),
    ],
)
def test_a_strange_part_is_a_clear_refusal(api, shop, part, attr, code):
    body = shop.body()
    for name in ("payable_amount", "points", "remark"):
        if part.startswith(f'"{name}"'):
            del body[name]
    response = send(api, json.dumps(body)[:-1] + f", {part}}}")
    if code:
        assert (response.status_code, errors_of(response)) == (400, {(attr, code)})
        assert not Order.objects.exists()
    else:
        assert response.status_code in (201, 400)


def test_a_refusal_has_its_own_status_and_field():
    response = answer_to(OutOfSeason("Not now.", attr="promise"))
    assert response.status_code == 422
    assert response.json() == {
        "type": "client_error",
        "errors": [{"code": "out_of_season", "detail": "Not now.", "attr": "promise"}],
    }


def test_a_move_that_is_not_allowed_any_more_is_409():
    response = answer_to(TransitionNotAllowed("cancel"))
    assert (response.status_code, errors_of(response)) == (409, {(None, "changed_meanwhile")})


def test_what_the_databases_guard_refuses_is_409(shop):
    order = shop.place_order()
    with pytest.raises(IntegrityError) as refused, transaction.atomic():
        Order.objects.filter(pk=order.pk).update(state="completed")
    response = answer_to(refused.value)
    assert (response.status_code, errors_of(response)) == (409, {(None, "changed_meanwhile")})


def test_another_constraint_is_a_bug_and_500(shop):
    order = shop.place_order()
    with pytest.raises(IntegrityError) as refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE orders_order SET payable_amount = -1 WHERE id = %s", [order.pk])
    assert answer_to(refused.value).status_code == 500


@pytest.mark.parametrize("debug", [True, False])
def test_what_nobody_foresaw_is_500_without_its_inside(settings, debug, caplog):
    settings.DEBUG = debug
    response = answer_to(ZeroDivisionError("secret"))
    assert (response.status_code, errors_of(response)) == (500, {(None, "error")})
    assert response.json()["type"] == "server_error"
    assert "secret" not in response.content.decode()
    assert response["X-Request-ID"] in response.json()["errors"][0]["detail"]
    assert "ZeroDivisionError: secret" in caplog.text


@pytest.mark.parametrize("url", [ORDERS, "/api/v1/nothing"])
def test_a_request_id_is_repeated(api, url):
    assert api.get(url, HTTP_X_REQUEST_ID="job-7/a").headers["X-Request-ID"] == "job-7/a"


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "a\tb", "<script>"])
def test_a_strange_or_missing_request_id_is_replaced(api, given):
    first, second = (api.get(ORDERS, HTTP_X_REQUEST_ID=given)["X-Request-ID"] for _ in range(2))
    assert len(first) == 32
    assert first != second


def test_errors_speak_the_language_asked_for(api, shop):
    for language in ("en", "zh-hans"):
        response = send(api, {}, HTTP_ACCEPT_LANGUAGE=language)
        assert response["Content-Language"] == language
        assert response.status_code == 400


def test_personal_data_is_not_cached(api, shop):
    assert api.get(f"{ORDERS}/{shop.place_order().number}")["Cache-Control"] == "no-store"


def schema_of(client):
    """The OpenAPI schema as JSON."""
    return json.loads(client.get("/api/schema/", HTTP_ACCEPT="application/json").content)


def test_schema_and_documentation_are_public_and_local():
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION="Bearer nonsense")
    assert client.get("/api/")["Location"] == "/api/docs/"
    page = client.get("/api/docs/").content.decode()
    assert "https://" not in page.replace("https://oms.example", "")
    assert "/static/drf_spectacular_sidecar/" in page
    schema = schema_of(client)
    assert schema["openapi"] == "3.1.0"
    for guide in re.findall(r"\(([^)]+)\)", schema["info"]["description"]):
        assert client.get(guide).getvalue(), guide


# Questions whose answer takes a body: asked twice they do no harm.
CHANGES_NOTHING = {"post /api/v1/gift-cards/look-up", "post /api/v1/promise"}


def test_the_schema_describes_every_operation_with_an_example():
    schema = schema_of(APIClient())
    operations = {
        f"{method} {path}": operation
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    }
    assert {"get /api/v1/orders", "post /api/v1/orders/bulk", "post /api/v1/webhook-endpoints"} <= operations.keys()
    for name, operation in operations.items():
        assert operation["summary"], name
        assert operation["security"] == [{"signature": []}, {"token": []}], name
        success = next(answer for status, answer in operation["responses"].items() if status.startswith("2"))
        told = success.get("content", {})
        assert told.keys() <= {"application/json"} or told.keys() == {"application/pdf"}, name
        assert "application/json" not in told or told["application/json"].get("examples"), name
        assert {"400", "401", "403", "429", "500"} <= operation["responses"].keys(), name
        keys = [p for p in operation.get("parameters", []) if p["name"] == "Idempotency-Key"]
        is_change = any(p["name"] == "If-Match" for p in operation.get("parameters", []))
        asked = [p["in"] for p in keys if p["required"]] == ["header"]
        assert asked or is_change or name in CHANGES_NOTHING or not name.startswith("post /api/v1/"), name
        if asked:
            assert {"409", "413", "415", "422"} <= operation["responses"].keys(), name
            taken = operation["responses"]["409"]["content"]["application/json"]["schema"]
            assert "ErrorsSerializer" in str(taken) or "Errors" in str(taken), name
    assert set(schema["components"]["securitySchemes"]) == {"signature", "token"}
    body = schema["components"]["schemas"]["OrderBody"]
    assert set(body["required"]) == {
        *("external_number", "ordered_at", "buyer", "recipient", "lines", "payable_amount"),
    }


def test_the_examples_are_what_the_api_takes_and_gives(api, shop):
    sku = factories.SkuFactory(merchant__code="POP01", code="P1095275")
    factories.StockFactory(sku=sku, warehouse__code="POP01-WH")
    install_default_carriers()
    body = {**examples.BODY, "ship_by": (timezone.now() + timedelta(days=1)).isoformat()}
    created = send(api, body)
    assert created.status_code == 201, created.content
    factories.run(recording.book_collected, deciding.run, splitting.run, allocating.run)

    order = api.get(created["Location"]).json()
    seller = factories.client_of(sku.merchant)
    (sub_order,) = seller.get("/api/v1/sub-orders").json()["results"]

    assert form_of(order) == form_of(examples.ORDER)
    assert form_of(api.get(ORDERS).json()["results"][0]) == form_of(examples.SUMMARY)
    assert form_of(sub_order) == form_of(examples.SUB_ORDER)
    assert order["lines"][0]["payable_amount"] == examples.ORDER["lines"][0]["payable_amount"]
    assert form_of(send(api, body).json()) == form_of(examples.DUPLICATE)


def form_of(value):
    """The keys of nested objects."""
    if isinstance(value, dict):
        return {key: form_of(inner) for key, inner in value.items() if key != "data"}
    return [form_of(value[0])] if isinstance(value, list) and value else None


@pytest.mark.parametrize(
    ("url", "scripts"),
    [
        ("/api/v1/orders", None),
        ("/api/v1/nothing", None),
        ("/api/schema/", None),
        ("/api/docs/", "'self'"),
        ("/api/docs/api.md", None),
        ("/apply/", None),
        ("/nothing/", None),
        ("/admin/", "'self' 'unsafe-eval'"),
        ("/admin/login/", "'self' 'unsafe-eval'"),
        ("/merchant/login/", "'self' 'unsafe-eval'"),
    ],
)
def test_every_answer_says_what_a_browser_may_do_with_it(api, url, scripts):
    policy = dict(part.split(" ", 1) for part in api.get(url)["Content-Security-Policy"].split("; "))
    assert policy.get("script-src") == scripts
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == "'self'"
