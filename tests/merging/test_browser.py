"""In a real browser, in Chinese: merging two orders, splitting one, and sending a missing unit again."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from inventory.models import Stock
from logistics.carriers.defaults import install_default_carriers
from logistics.models import WarehouseOrder
from logistics.warehouses import releasing, sending
from orders.fulfilling import allocating
from orders.models import GiftRule, Order, OrderLink, SubOrder
from tests import factories, fakes, steps
from tests.admin import test_browser as browsing

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
browser = browsing.browser


@pytest.fixture(params=[1440, 390])
def page(browser: Any, live_server: LiveServer, request: pytest.FixtureRequest) -> Iterator[Any]:
    """Somebody who may do everything, in Chinese."""
    factories.UserFactory(username="boss", is_superuser=True)
    context = browser.new_context(viewport={"width": request.param, "height": 900}, locale="zh-CN")
    found = context.new_page()
    found.goto(f"{live_server.url}/admin/")
    found.fill("#id_username", "boss")
    found.fill("#id_password", "password")
    found.click("#login-form button[type=submit]")
    yield found
    context.close()


def shown(page: Any, name: str) -> None:
    """It fits the window; a picture of it where OMS_PICTURES names a folder."""
    if folder := os.environ.get("OMS_PICTURES"):
        width = page.viewport_size["width"]
        page.screenshot(path=str(Path(folder) / f"{name}-{width}.png"), full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1"), name


def address(live_server: LiveServer, order: Order) -> str:
    return f"{live_server.url}/admin/orders/order/{order.pk}/change/"


def test_two_are_merged_one_is_split_and_a_missing_unit_is_sent_again(live_server: LiveServer, page: Any) -> None:
    install_default_carriers()
    shop = factories.make_shop()
    lines = [(shop.sku, 2, "10.00"), (shop.other_sku, 1, "5.00")]
    one, other = (shop.place_order(*lines) for _ in range(2))
    steps.pay(one)
    steps.pay(other)
    steps.approve_and_split()
    factories.run(allocating.run)

    page.goto(f"{live_server.url}/admin/orders/order/")
    assert page.locator("text=可合单").count() >= 2
    shown(page, "list")
    page.goto(address(live_server, one))
    shown(page, "before")
    page.click("button:has-text('合单')")
    assert "已合单：一张出库单、一个包裹" in page.content()
    assert SubOrder.objects.exclude(merge_group=None).count() == 2
    assert [order.payable_amount for order in Order.objects.order_by("pk")] == [
        one.payable_amount,
        other.payable_amount,
    ]
    shown(page, "merged")
    page.click("button:has-text('取消合单')")
    assert SubOrder.objects.exclude(merge_group=None).count() == 0

    part = SubOrder.objects.get(order=one)
    page.click(f"a:has-text('拆分 {part.number}')")
    page.fill(f"input[name=unit-{part.lines.earliest('pk').pk}]", "1")
    page.click("button:has-text('预览')")
    page.wait_for_selector("text=拆分结果")
    shown(page, "divide")
    page.click("form[method=post] button:has-text('确认拆分')")
    page.wait_for_selector(".oms-head-number")
    assert sorted(SubOrder.objects.filter(order=one).values_list("total_quantity", flat=True)) == [1, 2]
    assert sum(Stock.objects.values_list("reserved", flat=True)) == 6
    with fakes.warehouse(fakes.FakeWarehouse()):
        factories.run(releasing.run, sending.run)
    assert WarehouseOrder.objects.count() == 3

    third = shop.place_order(payment_method="cod")
    steps.shipped(third)
    page.goto(address(live_server, third))
    page.click("summary:has-text('补发商品')")
    page.fill("form[data-typed=reissue] input[name=unit-1]", "1")
    page.select_option("form[data-typed=reissue] select[name=bearer]", "warehouse")
    shown(page, "reissue")
    page.click("form[data-typed=reissue] button[type=submit]")
    link = OrderLink.objects.get()
    assert (link.original, link.bearer) == (third, "warehouse")
    assert f"已生成补发订单 {link.order.number}" in page.content()
    again = link.order
    assert (again.payable_amount, list(again.lines.values_list("sku", "quantity"))) == (0, [(shop.sku.pk, 1)])
    assert Order.objects.get(pk=third.pk).payable_amount == third.payable_amount
    assert steps.broken_invariants() == []


def test_a_gift_rule_is_made_rehearsed_and_switched_on(live_server: LiveServer, page: Any) -> None:
    shop = factories.make_shop()
    shop.place_order(payment_method="cod")
    steps.approve_and_split()
    rule = GiftRule.objects.create(name="满赠", gift=shop.other_sku, stated_value="25.50")

    page.goto(f"{live_server.url}/admin/orders/giftrule/{rule.pk}/change/")
    shown(page, "gift-rule")
    page.click("form[action$='/rehearse/'] button")
    assert "最近 1 单中会有 1 单获赠" in page.content()
    shown(page, "rehearsal")
    page.go_back()
    page.click("form[action$='/on/'] button")
    rule.refresh_from_db()
    assert rule.is_active
