"""POST /api/v1/orders/bulk: many orders in one call."""

import json
from typing import Any

import pytest

from orders.models import Hold, Order, OrderPromotion, OrderTerms
from tests import factories, steps
from tests.api.calls import BULK, errors_of, send, send_bulk

pytestmark = pytest.mark.django_db


def test_each_row_has_its_own_result(api, shop):
    first, second = shop.body(), shop.body()
    earlier = shop.place_order()

    results = send_bulk(
        api,
        first,
        {**shop.body((shop.sku, 0, "1.00")), "external_number": "no-units"},
        {"external_number": "no-form"},
        "no order at all",
        first,
        {**second, "external_number": earlier.external_number},
        second,
    )

    stored = dict(Order.objects.values_list("external_number", "number"))
    assert set(stored) == {first["external_number"], second["external_number"], earlier.external_number}
    assert [(row["index"], row["status"], row["external_number"], row.get("number")) for row in results] == [
        (0, "created", first["external_number"], stored[first["external_number"]]),
        (1, "refused", "no-units", None),
        (2, "refused", "no-form", None),
        (3, "refused", None, None),
        (4, "duplicate", first["external_number"], stored[first["external_number"]]),
        (5, "duplicate", earlier.external_number, earlier.number),
        (6, "created", second["external_number"], stored[second["external_number"]]),
    ]
    errors = [{(error["attr"], error["code"]) for error in row.get("errors", [])} for row in results]
    assert errors[1] == {("lines.0.quantity", "invalid_quantity"), ("payable_amount", "does_not_add_up")} or errors[
        1
    ] == {("lines.0.quantity", "invalid_quantity")}
    assert errors[2] >= {("buyer", "required"), ("lines", "required"), ("payable_amount", "required")}
    assert errors[3] == {(None, "invalid")}
    assert errors[4] == errors[5] == {("external_number", "duplicate")}
    assert api.get(results[0]["url"]).json()["number"] == results[0]["number"]


def test_the_same_call_again_adds_nothing(api, shop):
    bodies = [shop.body() for _ in range(5)]
    first = send_bulk(api, *bodies)
    again = send_bulk(api, *bodies)

    assert [row["status"] for row in again] == ["duplicate"] * 5
    assert [row["number"] for row in again] == [row["number"] for row in first]
    assert Order.objects.count() == 5


def test_a_thousand_orders_are_taken_and_one_more_refused(api, shop):
    bodies = [shop.body() for _ in range(1001)]

    refused = send(api, {"orders": bodies}, BULK)
    assert (refused.status_code, errors_of(refused)) == (400, {("orders", "too_many")})
    assert not Order.objects.exists()

    assert {row["status"] for row in send_bulk(api, *bodies[:1000])} == {"created"}
    assert Order.objects.count() == 1000


@pytest.mark.parametrize(
    ("body", "attr", "code"),
    [
        ({}, "orders", "required"),
        ({"orders": {}}, "orders", "invalid"),
        ({"orders": None}, "orders", "invalid"),
        ({"orders": []}, "orders", "empty"),
        ([], None, "invalid"),
        ("", None, "parse_error"),
        ('{"orders": [', None, "parse_error"),
        ('{"orders": [' + "[" * 100_000, None, "parse_error"),
        (b'{"orders": [], "orders": []}', "orders", "repeated_key"),
        (b"\xff\xfe", None, "parse_error"),
    ],
)
def test_a_call_of_wrong_form_is_refused(api, body, attr, code):
    response = send(api, body, BULK)
    assert (response.status_code, errors_of(response)) == (400, {(attr, code)})


@pytest.mark.parametrize(
    "row",
    [
        '{"a": 1, "a": 2}',
        '{"external_number": "\\ud800"}',
        '{"remark": "\\u0000"}',
        '{"payable_amount": 1e400}',
        '{"x": %s}' % ("[" * 5000 + "]" * 5000),
        '{"lines": %s}' % ("[" * 900 + "]" * 900),
        '{"x": %s}' % ("9" * 10_000),
        "null",
        "1e400",
        '"text"',
        "[[]]",
    ],
)
def test_a_strange_row_does_not_stop_the_others(api, shop, row):
    good = shop.body()
    response = send(api, f'{{"orders": [{row}, {json.dumps(good)}]}}', BULK)

    assert response.status_code in (200, 400)
    if response.status_code == 200:
        assert [result["status"] for result in response.json()["results"]] == ["refused", "created"]
    assert Order.objects.count() == (1 if response.status_code == 200 else 0)


def test_a_repeated_key_is_refused_in_its_row(api, shop):
    body = json.dumps(shop.body())
    twice = body[:-1] + ', "payable_amount": "26.00"}'
    (first, second) = send(api, f'{{"orders": [{twice}, {json.dumps(shop.body())}]}}', BULK).json()["results"]

    assert [(error["attr"], error["code"]) for error in first["errors"]] == [("payable_amount", "repeated_key")]
    assert second["status"] == "created"


@pytest.mark.parametrize("order_count", [30, 100])
def test_the_number_of_statements_does_not_grow_with_the_orders(api, shop, order_count, django_assert_num_queries):
    api.get("/api/v1/orders")  # the credential's use is noted once a minute
    bodies = [shop.body() for _ in range(order_count)]
    with django_assert_num_queries(11):
        send_bulk(api, *bodies)


def test_lines_of_several_merchants_are_one_statement_more_for_none(api, shop, django_assert_max_num_queries):
    api.get("/api/v1/orders")
    others = [factories.SkuFactory() for _ in range(10)]
    with django_assert_max_num_queries(11):
        results = send_bulk(api, *[shop.body((sku, 1, "10.00")) for sku in others])
    assert {row["status"] for row in results} == {"created"}


def test_what_goes_into_columns_of_json_is_the_same_for_one_order_and_for_many_at_once(api, shop):
    def body() -> dict[str, Any]:
        rule = {"kind": "满减", "from": 2.5, "off": ["1", None], "deep": {"quote": '"\\'}}
        changes = {"promotions": [{"id": "P1", "amount": "1.00", "rule": rule}], "metadata": {"campaign": '春\t"1"\\n'}}
        whole = shop.body(**changes)
        return {**whole, "recipient": {**whole["recipient"], "address": "****"}}

    # So many rows go by COPY, a single order's by one statement.
    assert {row["status"] for row in send_bulk(api, *[body() for _order in range(30)])} == {"created"}
    assert send_bulk(api, body())[0]["status"] == "created"

    sent = body()
    gaps = [details["gaps"] for details in Hold.objects.values_list("details", flat=True)]
    assert list(OrderPromotion.objects.values_list("rule", flat=True)) == [sent["promotions"][0]["rule"]] * 31
    assert list(OrderTerms.objects.values_list("metadata", flat=True)) == [sent["metadata"]] * 31
    assert gaps == [["masked_address"]] * 31
    assert steps.broken_invariants() == []
