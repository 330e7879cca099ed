"""Splitting a sub-order by API."""

import pytest

from orders.models import SubOrder
from tests import factories, steps
from tests.api.calls import idempotency

pytestmark = pytest.mark.django_db


def test_a_merchant_lets_a_unit_go_by_itself(api, shop):
    order = factories.allocated_order((shop.sku, 3, "10.00"), merchant=shop.merchant)
    part = SubOrder.objects.get(order=order)
    address = f"/api/v1/orders/{order.number}/split"
    body = {"sub_order": part.number, "lines": [{"position": 1, "quantity": 1}]}

    answer = api.post(address, body, format="json", **idempotency())

    assert answer.status_code == 201, answer.content
    assert sorted(part.total_quantity for part in SubOrder.objects.all()) == [1, 2]
    assert len(answer.json()["sub_orders"]) == 2
    for wrong, attr in (
        ({**body, "sub_order": f"{order.number}-9"}, "sub_order"),
        ({**body, "lines": [{"position": 9, "quantity": 1}]}, "lines"),
        ({**body, "lines": [{"position": 1, "quantity": 3}]}, "units"),
    ):
        refused = api.post(address, wrong, format="json", **idempotency())
        assert refused.status_code in (400, 409), refused.content
        assert refused.json()["errors"][0]["attr"] == attr
    assert steps.broken_invariants() == []
