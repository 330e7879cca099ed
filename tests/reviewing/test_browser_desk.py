"""A real browser in Chinese: the list of orders in review, whose rows are changed where they stand."""

import os
from typing import Any

import pytest
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

from logistics.carriers.defaults import install_default_carriers
from orders.models import OrderTerms
from tests import factories
from tests.admin.test_browser import browser  # noqa: F401 - a fixture
from tests.changing.test_browser import fits, opened
from tests.reviewing.test_desk import farther, held

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("width", [1440, 390])
def test_carrier_warehouse_and_memo_are_changed_in_the_row(
    live_server: LiveServer,
    browser: Any,  # noqa: F811
    width: int,
) -> None:
    install_default_carriers()
    shop = factories.make_shop()
    second = farther(shop, 100)
    order = held(shop)
    page = opened(browser, live_server, width)
    page.goto(f"{live_server.url}{reverse('admin:orders_order_review')}")
    page.select_option(f"[name=warehouse-{order.pk}]", second.code)
    page.select_option(f"[name=carrier-{order.pk}]", "SF")
    page.fill(f"[name=memo-{order.pk}]", "先电话联系")
    assert fits(page)
    if folder := os.environ.get("OMS_SHOTS"):
        page.screenshot(path=f"{folder}/review-{width}.png", full_page=True)
    page.click("button[name=keep]")
    page.wait_for_selector("text=已修改 1 个订单")
    terms = OrderTerms.objects.get(order=order)
    assert (terms.carrier, terms.warehouse, terms.seller_memo) == ("SF", second, "先电话联系")
