"""The links to the buyer's pages, as merchants send them on."""

from urllib.parse import urlsplit

import pytest
from django.test import Client

from oms.merchants.calls.scopes import ORDERS_READ
from orders.models import Order
from tests import factories, steps

pytestmark = pytest.mark.django_db


def links_of(api, order):
    answer = api.get(f"/api/v1/orders/{order.number}/links")
    assert answer.status_code == 200
    return answer.json()


def test_each_link_opens_its_page_of_the_order_and_none_is_given_to_pay_what_is_paid(api, shop):
    order = shop.place_order()
    links = links_of(api, order)
    assert set(links) == {"track", "pay", "invoice"}
    for link in links.values():
        page = Client().get(urlsplit(link).path)
        assert page.status_code == 200
        assert order.number in page.content.decode()

    steps.pay(order)
    assert links_of(api, order)["pay"] is None


def test_an_order_of_history_has_no_pages(api, shop):
    importer = factories.client_of(shop.merchant, scopes=["orders.import"])
    past = {**shop.body(), "state": "completed", "finished_at": "2026-01-06T18:00:00+08:00"}
    importer.post("/api/v1/orders/bulk?mode=historical", {"orders": [past]}, format="json")
    assert links_of(api, Order.objects.get()) == {"track": None, "pay": None, "invoice": None}


def test_who_may_only_read_orders_gets_no_links_by_which_they_are_cancelled(shop):
    reader = factories.client_of(shop.merchant, scopes=[ORDERS_READ])
    answer = reader.get(f"/api/v1/orders/{shop.place_order().number}/links")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, "scope_missing")
