"""From a key to the first parcel by the API alone; reports row by row and once; catching up with events."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from inventory.models import Warehouse
from logistics.by_merchant import shipping
from logistics.by_merchant.reported import Leaving
from logistics.carriers.defaults import install_default_carriers
from logistics.models import WarehouseOrder
from logistics.warehouses import releasing, sending, stopping
from orders.changing import cancelling
from orders.fulfilling import allocating, splitting
from orders.models import Order, SubOrder
from orders.reviewing import deciding
from tests import factories, steps
from tests.portal import world

# Rows are seen by readers who go on where they ended only once their transaction is over.
pytestmark = pytest.mark.django_db


@pytest.fixture
def seller(db: None) -> world.Seller:
    """A merchant that ships by itself."""
    return world.make_seller()


def post(client: APIClient, address: str, body: dict[str, Any], key: str = "") -> Any:
    """A POST with its key."""
    return client.post(f"/api/v1/{address}", body, format="json", HTTP_IDEMPOTENCY_KEY=key or str(uuid4()))


def test_a_merchant_gets_from_its_key_to_its_first_parcel_by_the_api_alone():
    install_default_carriers()
    factories.RegionFactory()
    merchant = factories.MerchantFactory(code="ACME")
    client = factories.client_of(merchant)
    me = client.get("/api/v1/me").json()
    assert (me["merchant"], me["warehouses"], "shipments.write" in me["scopes"]) == ("ACME", [], True)
    assert client.get("/api/v1/regions", {"city": "北京市"}).json()[0]["code"] == "110101"
    assert "SF" in {carrier["code"] for carrier in client.get("/api/v1/carriers").json()["results"]}

    wrong = post(client, "warehouses", {"name": "一号仓", "address": "somewhere"})
    assert (wrong.status_code, wrong.json()["errors"][0]["attr"]) == (400, "address")
    made = post(client, "warehouses", {"name": "一号仓", "address": "北京市东城区中山路1号"})
    assert (made.status_code, made.json()["code"], made.json()["ships_by_api"]) == (201, "ACME-WH1", True)
    post(client, "skus", {"code": "T-1", "name": "茶", "storage_class": "ambient", "list_price": "10.00"})
    post(client, "inventory", {"changes": [{"sku": "T-1", "warehouse": "ACME-WH1", "on_hand": 5}]})
    sku = merchant.skus.get()
    order = post(client, "orders", factories.order_body((sku, 2, "10.00"), payment_method="cod", source="web"))
    assert order.status_code == 201
    assert [one["code"] for one in client.get("/api/v1/channels").json()["results"]] == ["web"]
    factories.run(deciding.run, splitting.run, allocating.run, releasing.run, sending.run)

    (work,) = client.get("/api/v1/warehouse-orders", {"which": "to_ship"}).json()["results"]
    assert work["lines"] == [{"sku": "T-1", "quantity": 2, "left_quantity": 0, "wants_serials": False}]
    parcel = {"number": work["sub_order"], "carrier": "SF", "waybill": "SF100000001"}
    told = post(client, "shipping-reports", {"parcels": [parcel]})
    assert told.json()["results"] == [
        {"index": 0, "number": work["sub_order"], "waybill": "SF100000001", "status": "shipped"}
    ]
    assert SubOrder.objects.get().state == "shipped"
    assert client.get("/api/v1/warehouse-orders", {"which": "to_ship"}).json()["results"] == []


def test_a_hundred_parcels_with_five_faults_by_the_api(seller):
    client = factories.client_of(seller.merchant)
    works = seller.orders(100)
    (foreign,) = world.make_seller().orders(1)
    parcels: list[dict[str, Any]] = [
        {"number": work.number, "carrier": "SF", "waybill": f"SF9{i:09}"} for i, work in enumerate(works)
    ]
    parcels[0]["number"] = foreign.number
    parcels[1]["carrier"] = "NOBODY"
    del parcels[2]["waybill"]
    parcels[3]["lines"] = [{"sku": seller.sku.code, "quantity": 0}]
    shipping.ship(seller.merchant, [Leaving(works[4].number, "SF", "SF0000000004")], actor=steps.STAFF)
    key = str(uuid4())

    answer = post(client, "shipping-reports", {"parcels": parcels}, key)

    results = answer.json()["results"]
    assert [one["status"] for one in results] == ["refused"] * 5 + ["shipped"] * 95
    assert [one["errors"][0]["code"] for one in results[:3]] == ["not_found", "unknown_carrier", "required"]
    assert steps.state_of(foreign) == "sent"
    # The same key: the same answer; another key: nothing happens twice.
    assert post(client, "shipping-reports", {"parcels": parcels}, key).json() == answer.json()
    again = post(client, "shipping-reports", {"parcels": parcels[5:]}).json()["results"]
    assert {one["status"] for one in again} == {"known"}
    second = post(client, "shipping-reports", {"parcels": [{**parcels[5], "waybill": "SF800000000"}]}).json()
    assert [one["errors"][0]["code"] for one in second["results"]] == ["shipped_already"]
    assert WarehouseOrder.objects.filter(state="shipped").count() == 96


def test_a_request_to_stop_is_listed_and_answered(seller):
    client = factories.client_of(seller.merchant)
    (work,) = seller.orders(1)
    address = f"warehouse-orders/{work.number}/stop-answer"
    assert post(client, address, {"is_stopped": True}).json()["errors"][0]["code"] == "not_asked"
    cancelling.cancel_order(work.sub_order.order_id, reason="x", actor=steps.STAFF)
    factories.run(stopping.pass_on)
    steps.once(stopping.run)
    (listed,) = client.get("/api/v1/warehouse-orders", {"which": "to_answer"}).json()["results"]
    assert (listed["number"], listed["asked_to_stop"]) == (work.number, True)
    assert post(client, address, {}).status_code == 400
    assert post(client, address, {"is_stopped": True}).status_code == 204
    assert steps.state_of(work) == "cancelled"


@pytest.mark.django_db(transaction=True)
def test_events_are_caught_up_with_and_none_is_missed_or_anothers(settings):
    settings.AMOUNTS_LAG_SECONDS = 0
    seller, other = world.make_seller(), world.make_seller()
    began = timezone.now() - timedelta(hours=1)
    seller.orders(2)
    other.orders(1)
    client = factories.client_of(seller.merchant)

    def pages(limit: int) -> tuple[list[dict[str, Any]], str]:
        found, address = [], f"/api/v1/events?updated_since={began:%Y-%m-%dT%H:%M:%SZ}&limit={limit}"
        while True:
            page = client.get(address).json()
            found += page["results"]
            if page["next"] is None:
                return found, page["cursor"]
            address = page["next"]

    all_at_once, cursor = pages(200)
    assert pages(1)[0] == all_at_once
    assert len({one["id"] for one in all_at_once}) == len(all_at_once)
    mine = set(Order.objects.filter(channel=seller.channel).values_list("number", flat=True))
    assert {one["data"]["order"] for one in all_at_once if "order" in one["data"]} == mine
    assert [one["type"] for one in all_at_once].count("sub_order.released") == 2
    assert client.get("/api/v1/events", {"cursor": cursor}).json()["results"] == []
    seller.orders(1)
    news = client.get("/api/v1/events", {"cursor": cursor, "limit": 200}).json()["results"]
    assert "sub_order.released" in [one["type"] for one in news]
    old = client.get("/api/v1/events", {"updated_since": "2020-01-01T00:00:00Z"})
    assert (old.status_code, old.json()["errors"][0]["code"]) == (400, "too_old")


def test_warehouses_are_opened_for_oneself_alone(seller):
    client = factories.client_of(seller.merchant)
    body = {"name": "x", "address": "北京市东城区1号", "code": seller.warehouse.code}
    taken = post(client, "warehouses", body)
    assert (taken.status_code, taken.json()["errors"][0]["attr"]) == (400, "code")
    mixed = post(client, "warehouses", {**body, "code": "", "storage_classes": ["virtual", "ambient"]})
    assert mixed.json()["errors"][0]["code"] == "virtual_apart"
    assert Warehouse.objects.filter(merchant=seller.merchant).count() == 1


def test_a_warehouse_is_read_and_changed_by_its_code(seller):
    client = factories.client_of(seller.merchant)
    address = f"/api/v1/warehouses/{seller.warehouse.code}"
    before = client.get(address).json()
    assert (before["code"], before["is_active"]) == (seller.warehouse.code, True)

    wish = {"daily_capacity": 200, "cutoff_next_day": "15:00", "contact_phone": "+86 138 0000 2222"}
    changed = client.patch(address, wish, format="json").json()
    told = {"daily_capacity": 200, "cutoff_next_day": "15:00:00", "contact_phone": "13800002222"}
    assert changed == before | told == client.get(address).json()
    assert client.patch(address, {"cutoff_next_day": None}, format="json").json()["cutoff_next_day"] is None
    assert client.patch(address, {}, format="json").json() == changed | {"cutoff_next_day": None}

    wrong = {"name": "", "contact_phone": "12", "daily_capacity": -1, "cutoff_same_day": "25:00"}
    # Times of other places, which would be taken for China's.
    elsewhere = [("cutoff_same_day", "16:00Z"), ("cutoff_next_day", "16:00+00:00")]
    for name, value in [*wrong.items(), *elsewhere]:
        refused = client.patch(address, {name: value, "contact_name": "lost"}, format="json")
        assert (refused.status_code, refused.json()["errors"][0]["attr"]) == (400, name)
    fixed = client.patch(address, {"code": "X", "address": "北京市东城区2号"}, format="json").json()["errors"]
    assert {(error["attr"], error["code"]) for error in fixed} == {("code", "fixed"), ("address", "fixed")}
    assert client.get(address).json() == changed | {"cutoff_next_day": None}
