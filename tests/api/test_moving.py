"""The API's warehouse change of a sub-order, and the wished warehouse in answers."""

import pytest

from inventory.models import Warehouse
from orders.fulfilling import allocating
from orders.models import SubOrder
from tests import factories, steps
from tests.api.calls import change, idempotency

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


@pytest.fixture
def far(shop):
    """A second warehouse with the shop's goods."""
    found = factories.WarehouseFactory(merchant=shop.merchant, code="FAR", longitude=104.0)
    factories.StockFactory(sku=shop.sku, warehouse=found, on_hand=50)
    return found


@pytest.fixture
def client(shop):
    return factories.client_of(shop.merchant)


def address(part):
    return f"/api/v1/sub-orders/{part.number}/warehouses"


def move(client, part, code):
    return client.post(address(part), {"warehouse": code}, format="json", **idempotency())


def test_candidates_are_listed_and_what_no_warehouse_has_moves_at_once(shop, far, client):
    foreign = factories.WarehouseFactory(merchant=factories.MerchantFactory(), code="FOREIGN")
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)
    part = SubOrder.objects.get(order=order)
    found = {one["warehouse"]: one for one in client.get(address(part)).json()}
    assert foreign.code not in found
    assert (found["FAR"]["is_possible"], found["FAR"]["skus_there"]) == (True, 1)
    assert (found[shop.warehouse.code]["is_current"], found[shop.warehouse.code]["is_possible"]) == (True, False)

    moved = move(client, part, "FAR")

    assert (moved.status_code, moved.json()["state"]) == (200, "awaiting_allocation")
    assert (moved.json()["warehouse"], moved.json()["wished_warehouse"]) == (None, "FAR")
    shown = client.get(f"/api/v1/orders/{order.number}").json()["sub_orders"]
    assert [one["wished_warehouse"] for one in shown] == ["FAR"]
    factories.run(allocating.run)
    shown = client.get(f"/api/v1/sub-orders/{part.number}").json()
    assert (shown["warehouse"], shown["wished_warehouse"]) == ("FAR", None)
    assert steps.broken_invariants() == []


def test_a_warehouse_that_has_it_is_asked_first_and_the_wish_stands_meanwhile(shop, far, client):
    order = shop.place_order((shop.sku, 2, "10.00"), payment_method="cod")
    part = steps.released(order)
    moved = move(client, part, "FAR")
    assert (moved.status_code, moved.json()["warehouse"]) == (200, shop.warehouse.code)
    assert moved.json()["wished_warehouse"] == "FAR"
    again = move(client, part, "FAR")
    assert (again.status_code, again.json()["errors"][0]["code"]) == (409, "cannot_move")


def test_what_is_wrong_is_refused_in_words(shop, far, client):
    factories.WarehouseFactory(merchant=factories.MerchantFactory(), code="FOREIGN", kind=Warehouse.Kind.MERCHANT)
    empty = factories.WarehouseFactory(merchant=shop.merchant, code="EMPTY")
    order = factories.allocated_order((shop.sku, 2, "10.00"), merchant=shop.merchant)
    part = SubOrder.objects.get(order=order)
    for code in ("NONE", "FOREIGN"):
        refused = move(client, part, code)
        assert (refused.status_code, refused.json()["errors"][0]["attr"]) == (400, "warehouse")
    for code in (empty.code, shop.warehouse.code):
        refused = move(client, part, code)
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (409, "cannot_move")
    stranger = factories.client_of(factories.MerchantFactory())
    assert stranger.get(address(part)).status_code == 404
    assert move(stranger, part, "FAR").status_code == 404
    assert steps.fresh(part).warehouse == shop.warehouse
    assert steps.broken_invariants() == []


def test_an_order_shows_the_warehouse_that_it_wishes_for(shop, far, client):
    order = shop.place_order(payment_method="cod")
    at = f"/api/v1/orders/{order.number}"
    assert client.get(at).json()["warehouse"] == ""
    answer = change(client, "patch", f"{at}/marks", {"warehouse": "FAR"})
    assert answer.status_code == 200, answer.content
    assert client.get(at).json()["warehouse"] == "FAR"
    (row,) = client.get("/api/v1/orders").json()["results"]
    assert row["warehouse"] == "FAR"
