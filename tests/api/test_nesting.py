"""JSON may be nested as deeply as somebody likes: it is refused, wherever it stands, and never an error of ours."""

import json
from typing import Any

import pytest

from tests import factories
from tests.api.calls import idempotency
from tests.api.samples import Things
from tests.api.test_every_route_is_isolated import ROUTES, Route, fields_of, filled

pytestmark = pytest.mark.django_db

WRITES = [route for route in ROUTES if route.method in ("post", "patch", "put")]
DEPTHS = (100, 400, 800, 990, 5_000, 100_000)


@pytest.mark.parametrize("route", WRITES, ids=str)
def test_a_body_that_is_nested_deeply_is_400(route: Route, schema: dict[str, Any], things: Things) -> None:
    client = factories.client_of(things.shop.merchant)
    url = filled(route, things) if route.parameters else f"/api/{route.pattern}"
    fields = fields_of(schema, route)
    for depth in DEPTHS:
        for opening, closing in (("[", "]"), ('{"a":', "}")):
            nested = opening * depth + ("1" if opening != "[" else "") + closing * depth
            bodies = {"": nested, **{name: json.dumps({name: 0}).replace("0", nested) for name in {*fields, "other"}}}
            for name, body in bodies.items():
                headers = {"HTTP_IF_MATCH": '"1"', **idempotency()}
                answer = getattr(client, route.method)(url, body, content_type="application/json", **headers)
                if not fields:  # it takes no body, and looks at none
                    assert answer.status_code < 500
                elif name == "orders":  # each row of a bulk is answered for itself
                    assert answer.json()["results"][0]["status"] == "refused" if answer.status_code == 200 else True
                    assert answer.status_code in (200, 400)
                else:
                    assert answer.status_code == 400, (name, opening, depth, answer.status_code, answer.content[:300])
