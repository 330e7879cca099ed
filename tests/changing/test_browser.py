"""A real browser in Chinese: a line is cancelled, the rest of a half-delivered order, and an address changed."""

from typing import Any

import pytest
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

from orders.changing import reasons
from orders.models import Order, SubOrder
from tests import factories, steps
from tests.admin.test_browser import browser, log_in  # noqa: F401 - a fixture
from tests.changing.test_cancelling_parts import two_parts
from tests.changing.test_readdress_page import elsewhere

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def opened(browser: Any, live_server: LiveServer, width: int = 1440) -> Any:  # noqa: F811 - the fixture
    """A page of the superuser "boss", in Chinese, that fails on script errors."""
    factories.UserFactory(username="boss", is_superuser=True)
    context = browser.new_context(
        viewport={"width": width, "height": 1000}, timezone_id="Asia/Shanghai", locale="zh-CN"
    )
    page = context.new_page()
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    log_in(page, live_server.url)
    return page


def of_order(live_server: LiveServer, order: Order) -> str:
    return f"{live_server.url}{reverse('admin:orders_order_change', args=[order.pk])}"


def fits(page: Any) -> bool:
    """Whether nothing sticks out at the side."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


@pytest.mark.parametrize("width", [1440, 390])
def test_one_line_of_three_is_cancelled(live_server: LiveServer, browser: Any, width: int) -> None:  # noqa: F811
    shop = factories.make_shop()
    reasons.install_defaults()
    third = factories.SkuFactory(merchant=shop.merchant)
    order = shop.place_order((shop.sku, 2, "10.00"), (shop.other_sku, 1, "25.50"), (third, 1, "5.00"))
    steps.pay(order)
    page = opened(browser, live_server, width)
    page.goto(of_order(live_server, order))
    page.click(f"a[href='{reverse('admin:orders_order_cancel', args=[order.pk])}']")
    page.check("#line-2")
    page.select_option("[name=cause]", "changed_mind")
    page.click("button[name=preview]")
    preview = page.inner_text("#preview")
    assert "立即退还现金" in preview
    assert fits(page)
    page.click("button[name=confirm]")
    page.wait_for_selector(".oms-head-number")
    text = page.inner_text("body")
    assert "已取消，订单其余部分继续处理。" in text
    assert "买家改变主意" in text
    assert Order.objects.get(pk=order.pk).units_to_cancel == {"2": 1}


def test_the_rest_of_a_half_delivered_order_is_cancelled(live_server: LiveServer, browser: Any) -> None:  # noqa: F811
    shop = factories.make_shop()
    reasons.install_defaults()
    order, sent, waits = two_parts(shop, payment_method="prepaid")
    steps.warehouse_says(sent, "packed", "shipped")
    SubOrder.objects.filter(pk=sent.pk).update(state="delivered", delivered_at=steps.NOON)
    page = opened(browser, live_server)
    page.goto(of_order(live_server, order))
    page.click(f"a[href='{reverse('admin:orders_order_cancel', args=[order.pk])}']")
    page.check("[name=scope][value=rest]")
    page.select_option("[name=cause]", "too_late")
    page.click("button[name=preview]")
    assert "65.00" in page.inner_text("#preview")
    page.click("button[name=confirm]")
    page.wait_for_selector(".oms-head-number")
    assert SubOrder.objects.get(pk=waits.pk).state == "cancelled"


def test_an_address_is_changed_before_release_and_asked_about_after_it(
    live_server: LiveServer,
    browser: Any,  # noqa: F811
) -> None:
    shop = factories.make_shop()
    elsewhere()
    other = shop.place_order(payment_method="cod")
    sent = steps.released(other)
    order = factories.allocated_order((shop.sku, 1, "10.00"), merchant=shop.merchant, source=shop.channel.code)
    page = opened(browser, live_server)
    address = f"{live_server.url}{reverse('admin:orders_order_recipient', args=[order.pk])}"
    page.goto(address)
    page.fill("[name=text]", "李娜 13912345678 上海市浦东新区世纪大道100号")
    page.click("button[name=read]")
    page.wait_for_selector("#region-province option:nth-child(2)", state="attached")
    page.wait_for_function("document.querySelector('#region-district').value === '310115'")
    page.select_option("#region-province", "北京市")
    assert page.input_value("#region-city") == "北京市"
    page.select_option("#region-province", "上海市")
    page.select_option("#region-district", "310115")
    page.click("button[name=preview]")
    assert "世纪大道100号" in page.inner_text("#preview")
    assert fits(page)
    page.click("button[name=confirm]")
    page.wait_for_selector(".oms-head-number")
    assert Order.objects.get(pk=order.pk).region_id == "310115"

    page.goto(f"{live_server.url}{reverse('admin:orders_order_recipient', args=[other.pk])}")
    assert "仓库不接受改址" in page.inner_text("#obstacle")
    page.click(f"#content a[href='{reverse('admin:orders_order_cancel', args=[other.pk])}']")
    page.check(f"#part-{sent.pk}")
    page.fill("[name=reason]", "改地址重新下单")
    page.click("button[name=preview]")
    assert "将请仓库" in page.inner_text("#preview")
    page.click("button[name=confirm]")
    page.wait_for_selector(".oms-head-number")
    assert SubOrder.objects.get(pk=sent.pk).cancel_requested_at is not None
