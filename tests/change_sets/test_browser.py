"""A real browser in Chinese: goods are changed for dearer ones, and an address is asked of the warehouse."""

import os
from typing import Any

import pytest
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

from orders.models import ChangeSet, Exchange, InvoiceRequest, Order, SubOrder
from tests import factories, steps
from tests.admin.test_browser import browser  # noqa: F401 - a fixture
from tests.change_sets.helpers import pay_balance
from tests.changing.test_browser import fits, of_order, opened
from tests.merging.test_merging import allocated
from tests.returns.world import install, line_of, many

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def shot(page: Any, name: str) -> None:
    """Keep what it looks like, where somebody wants to see it."""
    if folder := os.environ.get("OMS_SHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


@pytest.mark.parametrize("width", [1440, 390])
def test_goods_are_changed_for_dearer_ones(live_server: LiveServer, browser: Any, width: int) -> None:  # noqa: F811
    shop = factories.make_shop()
    order = shop.place_order((shop.sku, 2, "10.00"), freight_amount="0.00")
    steps.pay(order)
    page = opened(browser, live_server, width)
    page.goto(of_order(live_server, order))
    page.click(f"a[href='{reverse('admin:orders_order_changes', args=[order.pk])}']")
    page.fill("[name=reason]", "买家换货")
    page.fill("[name=search]", shop.other_sku.code)
    page.click("button[value=search]")
    page.fill(f"[name=add-{shop.other_sku.pk}]", "1")
    page.fill("[name=units_1]", "1")
    page.select_option("[name=invoice_title_type]", "company")
    page.fill("[name=invoice_title]", "示例科技有限公司")
    page.fill("[name=invoice_tax_number]", "91110000600037341L")
    # What it does is shown while it is typed.
    page.wait_for_selector("#preview >> text=¥20.00 → ¥35.50")
    preview = page.inner_text("#preview")
    assert "需先补款" in preview
    assert "¥15.50" in preview
    assert "将申请发票" in preview
    assert fits(page)
    shot(page, f"change-{width}")
    page.click("button[value=look]")
    page.click("button[value=confirm]")
    page.wait_for_selector(".oms-head-number")
    assert "已向买家收取差额 ¥15.50" in page.inner_text("body")
    shot(page, f"order-waits-{width}")
    row = pay_balance(ChangeSet.objects.get(order=order))
    assert row.state == "confirmed"
    assert InvoiceRequest.objects.get(order=order).details["title"] == "示例科技有限公司"
    page.reload()
    assert "订单已修改（买家换货）" in page.inner_text("body")
    assert Order.objects.get(pk=order.pk).open_holds == 0


@pytest.mark.parametrize("width", [1440, 390])
def test_an_address_is_asked_of_the_warehouse(live_server: LiveServer, browser: Any, width: int) -> None:  # noqa: F811
    shop = factories.make_shop()
    order = shop.place_order()
    steps.pay(order)
    part = steps.released(order)
    page = opened(browser, live_server, width)
    page.goto(of_order(live_server, order))
    page.click(f"a[href='{reverse('admin:orders_order_recipient', args=[order.pk])}']")
    assert "改地址要问谁" in page.inner_text("#asked")
    page.fill("[name=address]", "长安街2号")
    page.fill("[name=reason]", "买家搬家")
    assert fits(page)
    shot(page, f"new-address-{width}")
    page.click("button[name=ask]")
    page.wait_for_selector(".oms-head-number")
    text = page.inner_text("body")
    assert "已请仓库退回，以便按新地址发货。" in text
    assert "等待补款或仓库答复" in text
    assert SubOrder.objects.get(pk=part.pk).moving_since is not None


@pytest.mark.parametrize("width", [1440, 390])
def test_units_are_split_off_and_parcels_merged_on_the_page_of_changes(
    live_server: LiveServer,
    browser: Any,  # noqa: F811
    width: int,
) -> None:
    shop = factories.make_shop()
    part = allocated(shop, (shop.sku, 3, "10.00"), payment_method="cod")
    other = allocated(shop, payment_method="cod")
    page = opened(browser, live_server, width)
    page.goto(f"{live_server.url}{reverse('admin:orders_order_changes', args=[part.order_id])}")
    page.fill("[name=reason]", "买家要求")
    page.check(f"[name=merge][value='{part.number}:{other.number}']")
    page.fill(f"[name=split_{part.lines.get().pk}]", "1")
    page.wait_for_selector(f"#preview >> text=子单 {part.number} 中的 1 件将拆成单独的子单")
    assert f"{part.number} 将与 {other.number} 合单发货" in page.inner_text("#preview")
    assert fits(page)
    shot(page, f"split-and-merge-{width}")
    page.click("button[value=look]")
    page.click("button[value=confirm]")
    page.wait_for_selector(".oms-head-number")
    assert sorted(SubOrder.objects.filter(order=part.order_id).values_list("total_quantity", flat=True)) == [1, 2]
    assert SubOrder.objects.exclude(merge_group=None).count() == 2
    assert steps.broken_invariants() == []


@pytest.mark.parametrize("width", [1440, 390])
def test_a_unit_of_a_completed_order_is_exchanged_on_the_page_of_changes(
    live_server: LiveServer,
    browser: Any,  # noqa: F811
    width: int,
) -> None:
    install()
    shop = factories.make_shop()
    order = many(shop, 2)
    page = opened(browser, live_server, width)
    page.goto(of_order(live_server, order))
    page.click(f"a[href='{reverse('admin:orders_order_changes', args=[order.pk])}']")
    assert "订单已完成：仍可申请换货和开票" in page.inner_text("#later")
    page.fill("[name=reason]", "颜色不对")
    page.fill("[name=search]", shop.other_sku.code)
    page.click("button[value=search]")
    page.fill(f"[name=add-{shop.other_sku.pk}]", "1")
    page.fill(f"[name=exchange_{line_of(order).pk}]", "1")
    page.click("button[value=look]")
    page.check("[name=exchanged]")
    page.wait_for_selector("#preview >> text=¥25.50")
    assert fits(page)
    shot(page, f"exchange-in-changes-{width}")
    page.click("button[value=look]")
    page.click("button[value=confirm]")
    page.wait_for_selector(".oms-head-number")
    assert str(Exchange.objects.get().new_amount) == "25.50"
    assert steps.broken_invariants() == []
