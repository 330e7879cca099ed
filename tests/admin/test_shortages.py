"""Shortages by SKU: who waits for how much, and what staff may do about it from there."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inventory import purchasing
from inventory.models import PurchaseOrder, Stock
from inventory.purchasing import Bought
from oms.common.models import Job
from oms.common.work import jobs
from orders.models import Order, SubOrder
from tests import factories, steps
from tests.admin.conftest import client_of

pytestmark = pytest.mark.django_db
PAGE = "/admin/orders/suborder/shortages/"
ALL = (
    *("view_suborder", "view_order", "cancel_order", "add_receipt", "add_transfer", "add_purchaseorder"),
    *("view_purchaseorder", "view_receipt", "view_transfer", "view_merchant", "view_warehouse"),
)


@pytest.fixture
def short(shop):
    """100 units of two SKUs: three orders want 110 of the first, one of them 5 more of the other than there are."""
    factories.allocated_order((shop.sku, 60, "1.00"), merchant=shop.merchant)
    factories.allocated_order((shop.sku, 47, "1.00"), (shop.other_sku, 105, "1.00"), merchant=shop.merchant)
    factories.allocated_order((shop.sku, 3, "1.00"), merchant=shop.merchant)
    return shop


def rows(client, **query):
    return client.get(PAGE, query).context["rows"]


def test_skus_are_listed_with_orders_units_what_is_bought_and_who_has_some(short):
    shop = short
    far = factories.WarehouseFactory(merchant=shop.merchant, code="FAR", serves=["云南省"])
    factories.activate_rules({"needs": ["serves_region"], "on_none": "backorder", "on_partial": "allocate"})
    factories.StockFactory(sku=shop.sku, warehouse=far, on_hand=4)
    day = timezone.localdate() + timedelta(days=3)
    bought = [Bought(shop.sku.code, 9)]
    order = purchasing.order(shop.merchant, "PO-1", shop.warehouse, bought, expected_on=day, actor="lin")
    staff = client_of(*ALL, username="anna")

    first, second = rows(staff)

    lack = first["lack"]
    assert (lack.sku, lack.orders, lack.units, lack.target) == (shop.sku, 2, 10, shop.warehouse)
    assert (lack.bought.number, lack.bought.units, lack.bought.day) == ("PO-1", 9, day)
    assert lack.spare == [(far, 4)]
    assert (second["lack"].sku, second["lack"].orders, second["lack"].units) == (shop.other_sku, 1, 5)
    page = staff.get(PAGE).content.decode()
    assert "2 orders</a>, 10 units" in page
    assert f"?short={shop.sku.pk}" in page
    assert first["links"]["receive"] == f"/admin/inventory/purchaseorder/{order.pk}/change/"
    moved = parse_qs(urlsplit(first["links"]["move"]).query)
    assert (moved["rows"], moved["source"]) == ([f"{shop.sku.code} 4"], [str(far.pk)])
    assert [row["lack"].sku for row in rows(staff, q=shop.other_sku.code)] == [shop.other_sku]
    assert rows(staff, q="NOTHING-LIKE-IT") == []
    assert staff.get(PAGE, {"page": "9", "q": "\x00"}).status_code in (200, 400)


def test_the_forms_come_filled_in_and_what_is_bought_there_is_shown_as_bought(short):
    shop = short
    staff = client_of(*ALL, username="anna")
    (_first, second) = rows(staff)

    form = staff.get(second["links"]["buy"]).content.decode()
    assert f"{shop.other_sku.code} 5" in form
    assert f"{shop.other_sku.code} 5" in staff.get(second["links"]["receive"]).content.decode()
    values = {"merchant": shop.merchant.pk, "warehouse": shop.warehouse.pk, "number": "PO-7", "supplier": "x"}
    values |= {"expected_on": str(timezone.localdate() + timedelta(days=2)), "rows": f"{shop.other_sku.code} 5"}
    assert staff.post("/admin/inventory/purchaseorder/add/", values).status_code == 302
    assert PurchaseOrder.objects.get().number == "PO-7"
    assert rows(staff)[1]["lack"].bought.number == "PO-7"


def test_what_waits_for_a_sku_is_cancelled_after_a_look_and_the_rest_goes_on(short):
    shop = short
    staff = client_of(*ALL, username="anna")
    waits = SubOrder.objects.filter(state="backordered")
    cold = [part for part in waits if shop.other_sku.code in part.shortage]

    look = staff.post(f"{PAGE}{shop.other_sku.pk}/cancel/")
    job = Job.objects.get()
    assert look.status_code == 302
    assert (len(job.params["orders"]), job.params["cannot"]) == (1, [])
    assert shop.other_sku.code in staff.get(look["Location"]).content.decode()
    staff.post(look["Location"], {"reason": "no more of it"})
    factories.run(jobs.run)

    assert steps.fresh(job).state == "succeeded"
    assert {steps.state_of(part) for part in cold} == {"cancelled"}
    assert SubOrder.objects.filter(state="allocated").count() == 2
    assert Order.objects.filter(state="cancelled").count() == 0
    assert steps.broken_invariants() == []


def test_who_may_not_sees_no_page_no_buttons_and_cancels_nothing(short):
    shop = short
    assert client_of("view_order", username="bo").get(PAGE).status_code == 403
    reader = client_of("view_suborder", "view_order", username="cy")
    assert [row["links"] for row in rows(reader)] == [{}, {}]
    assert "oms-button-danger" not in reader.get(PAGE).content.decode()
    assert reader.post(f"{PAGE}{shop.sku.pk}/cancel/").status_code == 403
    assert reader.get(f"{PAGE}{shop.sku.pk}/cancel/").status_code == 405
    assert client_of(*ALL, username="dee").post(f"{PAGE}999999/cancel/").status_code == 404
    assert Job.objects.count() == 0


def test_the_page_takes_as_many_statements_for_many_skus(shop):
    staff = client_of(*ALL, username="anna")

    def statements():
        with CaptureQueriesContext(connection) as seen:
            assert staff.get(PAGE).status_code == 200
        return len(seen)

    lines = [(factories.SkuFactory(merchant=shop.merchant), 2, "1.00") for _ in range(12)]
    for sku, _units, _price in lines:
        Stock.objects.create(sku=sku, warehouse=shop.warehouse)
    factories.allocated_order(lines[0], merchant=shop.merchant)
    statements()
    one = statements()
    factories.allocated_order(*lines[1:], merchant=shop.merchant)
    assert statements() == one
