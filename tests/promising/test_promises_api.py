"""Promises by the API: by when a sub-order is promised, and each change of that, once."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from logistics.watching import promises
from orders.changing import readdressing
from orders.fulfilling import allocating
from orders.models import DeliveryPromise, SubOrder
from orders.promising import keeping
from tests import factories, steps

pytestmark = pytest.mark.django_db
URL = "/api/v1/promises"
LONG_AGO = "2020-01-01T00:00:00Z"


@pytest.fixture
def promised(sample, shop):
    """The sub-order of an allocated order, which has its promise."""
    factories.allocated_order(shop.sku, merchant=shop.merchant)
    return SubOrder.objects.get()


def test_each_change_of_a_promise_is_told_once_in_its_order(promised, shop):
    api = factories.client_of(shop.merchant)

    def news(**query):
        page = api.get(URL, query).json()
        return [(row["number"], row["is_current"], row["outcome"], row["risk"]) for row in page["results"]], page[
            "cursor"
        ]

    (row,) = api.get(URL).json()["results"]
    promise = DeliveryPromise.objects.get()
    assert (row["sub_order"], row["order"], row["warehouse"]) == (
        promised.number,
        promised.order.number,
        shop.warehouse.code,
    )
    assert (row["level"], row["source"], row["freight"]) == ("STANDARD", "ours", str(promise.freight))
    assert row["promised_by"] is not None
    seen, cursor = news(updated_since=LONG_AGO)
    assert seen == [(1, True, "open", "")]
    assert news(cursor=cursor)[0] == []

    # That somebody looks next at another time is no news.
    DeliveryPromise.objects.update(ready_at=timezone.now())
    assert news(cursor=cursor)[0] == []
    late = timezone.now() - timedelta(hours=3)
    DeliveryPromise.objects.update(ready_at=timezone.now(), cutoff_at=late)
    factories.run(promises.run)
    seen, cursor = news(cursor=cursor)
    assert seen == [(1, True, "open", "missed_wave")]

    new = readdressing.Recipient(region_code="540121", address="某路1号")
    version = steps.fresh(promised.order).version
    readdressing.change_recipient(promised.order_id, new, actor=steps.STAFF, version=version)
    factories.run(allocating.run, keeping.run)
    seen, cursor = news(cursor=cursor)
    assert sorted(row[:3] for row in seen) == [(1, False, "void"), (2, True, "open")]
    assert news(cursor=cursor)[0] == []
    assert len(api.get(URL, {"sub_order": promised.number}).json()["results"]) == 2
    assert api.get(URL, {"sub_order": f"{promised.order.number}-9"}).json()["results"] == []
    assert api.get(URL, {"sub_order": "\x00"}).status_code in (200, 400)


def test_others_promises_are_nobodys_news(promised):
    stranger = factories.client_of(factories.MerchantFactory())

    assert stranger.get(URL).json()["results"] == []
    assert stranger.get(URL, {"sub_order": promised.number}).json()["results"] == []
    assert stranger.get(URL, {"updated_since": LONG_AGO}).json()["results"] == []


def test_a_page_takes_as_many_statements_for_many(sample, shop):
    api = factories.client_of(shop.merchant)
    for _ in range(3):
        factories.allocated_order(shop.sku, merchant=shop.merchant)
    api.get(URL)
    with CaptureQueriesContext(connection) as one:
        api.get(URL, {"limit": 1})
    with CaptureQueriesContext(connection) as many:
        assert len(api.get(URL, {"limit": 3}).json()["results"]) == 3
    assert len(one) == len(many)
