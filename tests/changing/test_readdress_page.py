"""The page on which staff change who gets an order, and where."""

import json
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from orders.changing.readdressing import Recipient, change_recipient
from orders.models import Order, OrderEvent, SubOrder
from orders.telling.timeline import changes_of
from tests import factories, steps
from tests.admin.conftest import client_of, stamp_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


@pytest.fixture
def clerk(db: None) -> Client:
    """Somebody who may see orders and change their recipients."""
    return client_of("view_order", "readdress_order", "view_personal_data")


def address(order: Order) -> str:
    return reverse("admin:orders_order_recipient", args=[order.pk])


def form_of(order: Order, **changes: str) -> dict[str, Any]:
    form = {"name": order.recipient_name, "phone": order.recipient_phone, "region_code": order.region_id}
    return {**form, "address": order.recipient_address, **changes}


def elsewhere() -> None:
    factories.RegionFactory(
        code="310115", province="上海市", city="上海市", district="浦东新区", longitude=121.5, latitude=31.2
    )


def test_it_is_for_those_who_may(shop):
    order = shop.place_order()
    assert client_of("view_order").get(address(order)).status_code == 403
    assert client_of("readdress_order").post(address(order), form_of(order)).status_code == 403
    assert client_of().get(reverse("admin:orders_order_regions")).status_code == 403


def test_a_pasted_text_is_read_into_the_fields(shop, clerk):
    elsewhere()
    order = shop.place_order()
    text = "李娜 13912345678 上海市浦东新区世纪大道100号"
    page = clerk.post(address(order), {"text": text, "read": "1"}).content.decode()
    for value in ("李娜", "13912345678", "世纪大道100号"):
        assert f'value="{value}"' in page
    assert '<option value="310115" selected>浦东新区</option>' in page
    assert Order.objects.get(pk=order.pk).recipient_name == "张华"


def test_regions_are_chosen_by_their_names(shop, clerk):
    elsewhere()
    told = json.loads(clerk.get(reverse("admin:orders_order_regions")).content)
    assert told["上海市"] == {"上海市": [["310115", "浦东新区"]]}


def test_another_region_is_looked_at_and_then_taken_with_old_and_new_in_the_history(shop, clerk):
    elsewhere()
    order = factories.allocated_order((shop.sku, 1, "10.00"))
    near = factories.WarehouseFactory(merchant=shop.sku.merchant, region_id="310115", longitude=121.5, latitude=31.2)
    factories.StockFactory(sku=shop.sku, warehouse=near)
    part = SubOrder.objects.get(order=order)
    form = form_of(order, region_code="310115", address="世纪大道100号")
    seen = clerk.post(address(order), {**form, "preview": "1"}).content.decode()
    assert f"{shop.warehouse.code} → " in seen
    assert "<del>北京市 东城区</del>" in seen or "东城区" in seen
    unchanged = SubOrder.objects.get(pk=part.pk)
    assert (unchanged.state, unchanged.warehouse_id, unchanged.version) == (part.state, part.warehouse_id, part.version)
    assert not OrderEvent.objects.filter(kind="recipient_changed").exists()

    clerk.post(address(order), {**form, **stamp_of(seen), "confirm": "1"})

    now = Order.objects.get(pk=order.pk)
    assert (now.region_id, now.recipient_address) == ("310115", "世纪大道100号")
    event = OrderEvent.objects.get(kind="recipient_changed")
    assert changes_of(event)["address"] == (order.recipient_address, "世纪大道100号")
    assert "世纪大道" not in str(event.data)
    assert SubOrder.objects.get(pk=part.pk).state == "awaiting_allocation"
    assert steps.broken_invariants() == []


def test_of_two_who_change_it_the_second_sees_what_the_first_did_and_keeps_what_he_typed(shop, clerk):
    order = shop.place_order()
    form = form_of(order, name="李娜")
    seen = clerk.post(address(order), {**form, "preview": "1"}).content.decode()
    change_recipient(order.pk, Recipient(address="长安街1号"), actor=steps.STAFF)

    stale = clerk.post(address(order), {**form, **stamp_of(seen), "confirm": "1"}).content.decode()

    assert "changed meanwhile" in stale
    assert 'value="李娜"' in stale
    assert "The recipient was changed: address." in re.search(r'id="changed".*?</ul>', stale, re.DOTALL)[0]
    assert Order.objects.get(pk=order.pk).recipient_name == "张华"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"phone": "12"}, "phone"),
        ({"name": "李*"}, "asterisks"),
        ({"region_code": "999999"}, "six-digit code"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(shop, clerk, changes, words):
    order = shop.place_order()
    page = clerk.post(address(order), {**form_of(order, **changes), "preview": "1"}).content.decode()
    assert words in page
    assert 'id="preview"' not in page


@pytest.mark.parametrize(
    ("told", "words"), [((), "cancel the sub-order there"), (("packed", "shipped"), "Ask the carrier")]
)
def test_after_release_it_says_whom_to_ask_instead(shop, clerk, told, words):
    order = shop.place_order(payment_method="cod")
    part = steps.released(order)
    if told:
        steps.warehouse_says(part, *told)
    assert words in clerk.get(address(order)).content.decode()
    refused = clerk.post(address(order), {**form_of(order, name="李娜"), "preview": "1"}).content.decode()
    assert words in refused
    assert Order.objects.get(pk=order.pk).recipient_name == "张华"
