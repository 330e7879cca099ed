"""Whatever is sent, the answer is clear: never a server error, and what is stored adds up."""

import json
from copy import deepcopy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders.models import Order
from tests.api.calls import BULK, errors_of, send

pytestmark = pytest.mark.django_db

many = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

texts = st.text(st.characters(codec=None), max_size=20)
odd_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**400), 10**400),
    st.floats(),
    texts,
    st.sampled_from(["", " ", "\0", "\ud800", "NaN", "-0", "1e400", "1e-400", "0.001", "-1", "9" * 400, "2026-02-30"]),
    st.decimals(allow_nan=True, allow_infinity=True).map(str),
    st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat()),
    st.sampled_from([[], {}, [[]], [{}], {"": {}}, [None] * 501]).map(deepcopy),
)


def places(value, path=()):
    """The path of every value inside the body."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inner:
        yield from places(child, (*path, key))


@st.composite
def mutations(draw):
    """What to do to a body: a few (place, value) pairs; `...` removes, and a place is chosen by a number."""
    change = st.tuples(st.integers(0, 1000), st.one_of(odd_values, st.just(...)))
    return draw(st.lists(change, min_size=1, max_size=3))


def mutated(body, changes):
    """The body after the changes."""
    for choice, value in changes:
        paths = list(places(body))
        if not paths:
            return body
        *parents, last = paths[choice % len(paths)]
        target = body
        for parent in parents:
            target = target[parent]
        if value is ...:
            del target[last]
        else:
            target[last] = value
    return body


def check(response):
    """The answer is a success or names what is wrong."""
    assert response.status_code in (200, 201, 400, 409), response.content
    if response.status_code == 400:
        codes = {code for _attr, code in errors_of(response)}
        assert "refused_by_database" not in codes
    if response.status_code == 201:
        order = Order.objects.get(number=response.json()["number"])
        lines = list(order.lines.all())
        assert sum(line.payable_amount for line in lines) == order.payable_amount
        goods = sum(line.quantity * line.unit_price - line.line_discount for line in lines)
        deductions = order.coupon_amount + order.points_amount + order.gift_card_amount
        assert order.payable_amount == goods + order.freight_amount - deductions


@many
@given(changes=mutations())
def test_a_mutated_body_is_never_a_server_error(api, shop, changes):
    check(send(api, json.dumps(mutated(shop.body(shop.sku, shop.other_sku), changes))))


@many
@given(changes=mutations())
def test_a_mutated_body_does_not_stop_its_neighbours(api, shop, changes):
    bodies = [shop.body(), mutated(shop.body(), changes), shop.body()]
    response = send(api, json.dumps({"orders": bodies}), BULK)
    if response.status_code == 400:  # no JSON that could be taken apart
        return
    first, strange, last = response.json()["results"]
    assert (first["status"], last["status"]) == ("created", "created")
    assert "refused_by_database" not in {error["code"] for error in strange.get("errors", [])}


@many
@given(data=st.data())
def test_damaged_bytes_are_never_a_server_error(api, shop, data):
    raw = bytearray(json.dumps(shop.body(), ensure_ascii=False).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    check(send(api, bytes(raw)))


@many
@given(value=odd_values)
def test_any_json_is_never_a_server_error(api, value):
    for url in ("/api/v1/orders", BULK):
        assert send(api, json.dumps(value), url).status_code == 400
