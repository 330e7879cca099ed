"""The page on which staff cancel orders and parts of them."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from orders.changing import reasons
from orders.models import Order, SubOrder
from tests import factories, steps
from tests.admin.conftest import client_of, stamp_of
from tests.changing.test_cancelling_parts import two_parts

pytestmark = pytest.mark.django_db


@pytest.fixture
def clerk(db: None) -> Client:
    """Somebody who may see and cancel orders."""
    reasons.install_defaults()
    return client_of("view_order", "cancel_order")


def address(order: Order) -> str:
    return reverse("admin:orders_order_cancel", args=[order.pk])


def test_it_is_for_those_who_may(shop):
    order = shop.place_order()
    assert client_of("view_order").get(address(order)).status_code == 403
    assert client_of("cancel_order").get(address(order)).status_code == 403
    assert client_of("view_order").post(address(order), {"scope": "whole", "reason": "x"}).status_code == 403
    assert Order.objects.get(pk=order.pk).state == "awaiting_payment"
    assert (
        client_of("view_order", "cancel_order").get(reverse("admin:orders_order_cancel", args=[1])).status_code == 404
    )


def test_ticked_units_are_looked_at_and_then_cancelled(shop, clerk):
    order = shop.place_order((shop.sku, 3, "10.00"), (shop.other_sku, 1, "25.50"), payment_method="cod")
    page = clerk.get(address(order)).content.decode()
    assert 'name="units_1"' in page
    form = {
        "scope": "chosen",
        "lines": ["1"],
        "units_1": "2",
        "units_2": "1",
        "cause": "changed_mind",
        "restocks": "on",
    }
    seen = clerk.post(address(order), {**form, "preview": "1"}).content.decode()
    assert "Need not be paid any more" in seen
    assert Order.objects.get(pk=order.pk).units_to_cancel is None

    done = clerk.post(address(order), {**form, **stamp_of(seen), "confirm": "1"}, follow=True)

    assert Order.objects.get(pk=order.pk).units_to_cancel == {"1": 2}
    text = done.content.decode()
    assert "It is cancelled; the rest of the order goes on." in text
    assert "The buyer changed his mind" in text


def test_a_confirmation_without_its_preview_or_of_an_older_one_does_nothing_and_keeps_what_was_typed(shop, clerk):
    order, sent, waits = two_parts(shop)
    form = {"scope": "chosen", "parts": [str(waits.pk)], "reason": "rang twice", "restocks": "on"}
    seen = clerk.post(address(order), {**form, "preview": "1"}).content.decode()
    steps.warehouse_says(sent, "accepted")

    for stamp in ({}, stamp_of(seen)):
        stale = clerk.post(address(order), {**form, **stamp, "confirm": "1"}).content.decode()
        assert "changed meanwhile" in stale
        assert f'value="{waits.pk}" id="part-{waits.pk}" checked' in stale
        assert "rang twice" in stale
        assert SubOrder.objects.get(pk=waits.pk).state == "backordered"
    assert "What happened meanwhile" in stale
    assert "accepted" in re.search(r'id="changed".*?</ul>', stale, re.DOTALL)[0].lower()

    again = clerk.post(address(order), {**form, "preview": "1"}).content.decode()
    clerk.post(address(order), {**form, **stamp_of(again), "confirm": "1"})
    assert SubOrder.objects.get(pk=waits.pk).state == "cancelled"


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"scope": "chosen", "reason": "x"}, "Tick the goods or the sub-orders"),
        ({"scope": "whole"}, "Give a reason for the cancellation."),
        ({"scope": "whole", "cause": "nonsense"}, "not one of the available choices"),
        ({"scope": "chosen", "lines": ["1"], "units_1": "0", "reason": "x"}, "greater than or equal to 1"),
        ({"scope": "chosen", "lines": ["1"], "units_1": "9", "reason": "x"}, "Only 3 units of line 1"),
        ({"scope": "chosen", "lines": ["7"], "reason": "x"}, "is not one of the available choices"),
        ({"scope": "all", "reason": "x"}, "is not one of the available choices"),
    ],
)
def test_what_makes_no_sense_is_said(shop, clerk, form, words):
    order = shop.place_order((shop.sku, 3, "10.00"), payment_method="cod")
    page = clerk.post(address(order), {**form, "preview": "1"})
    assert page.status_code == 200
    assert words in page.content.decode()
    assert 'id="preview"' not in page.content.decode()


def test_the_orders_page_leads_there_as_long_as_something_can_be_stopped(shop, clerk):
    order, sent, waits = two_parts(shop)
    page = reverse("admin:orders_order_change", args=[order.pk])
    link = f'href="{address(order)}"'
    assert link in clerk.get(page).content.decode()
    steps.warehouse_says(sent, "packed", "shipped")
    assert link in clerk.get(page).content.decode()
    SubOrder.objects.filter(pk=waits.pk).update(state="cancelled", cancelled_at=steps.NOON)
    assert link not in clerk.get(page).content.decode()


def test_statements_of_the_page_do_not_grow_with_lines(shop, clerk, django_assert_max_num_queries):
    order = factories.allocated_order(*[(shop.sku, 1, "10.00")] * 20)
    with django_assert_max_num_queries(30):
        assert clerk.get(address(order)).status_code == 200
