"""A real browser in Chinese: a line is cancelled, the rest of a half-delivered order, and an address changed."""

from typing import Any

import pytest
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

from inventory.models import Sku, Stock
from logistics.carriers import dispatching
from logistics.carriers.defaults import install_default_carriers
from logistics.models import Shipment
from orders.changing import reasons
from orders.fulfilling import allocating
from orders.models import Order, SubOrder
from tests import factories, fakes, steps
from tests.admin.test_browser import browser, log_in  # noqa: F401 - a fixture
from tests.changing.test_cancelling_parts import two_parts
from tests.changing.test_readdress_page import elsewhere
from tests.payments.grants import refunds

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


def reserved(*skus: Sku) -> list[int]:
    """Units of each SKU that are reserved, wherever they lie."""
    return [sum(Stock.objects.filter(sku=sku).values_list("reserved", flat=True)) for sku in skus]


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
    # With its part of the freight, which was never carried.
    assert "28.50" in preview
    assert fits(page)
    page.click("button[name=confirm]")
    page.wait_for_selector(".oms-head-number")
    text = page.inner_text("body")
    assert "已取消，订单其余部分继续处理。" in text
    assert "买家改变主意" in text
    assert Order.objects.get(pk=order.pk).units_to_cancel == {"2": 1}
    assert [amount for amount, _reason, _state in refunds()] == ["28.50"]
    steps.approve_and_split()
    factories.run(allocating.run)
    assert reserved(shop.sku, shop.other_sku) == [2, 0]
    assert steps.broken_invariants() == []


def test_the_rest_of_a_half_delivered_order_is_cancelled(live_server: LiveServer, browser: Any) -> None:  # noqa: F811
    shop = factories.make_shop()
    reasons.install_defaults()
    order, sent, waits = two_parts(shop, payment_method="prepaid")
    install_default_carriers()
    steps.warehouse_says(sent, "packed")
    with fakes.carrier(fakes.FakeCarrier()):
        factories.run(dispatching.run)
    steps.warehouse_says(sent, "shipped")
    steps.scan(Shipment.objects.get(sub_order=sent), "collected", "signed")
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
    # The freight of what never left goes back with it.
    assert [amount for amount, _reason, _state in refunds()] == ["65.00"]
    assert steps.state_of(sent) == "delivered"
    factories.StockFactory(sku=waits.lines.get().order_line.sku, warehouse=factories.WarehouseFactory(), on_hand=9)
    factories.run(allocating.run)
    assert reserved(waits.lines.get().order_line.sku) == [0]
    assert steps.broken_invariants() == []


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
    moved = Order.objects.get(pk=order.pk)
    assert (moved.region_id, moved.recipient_address, moved.payable_amount) == (
        *("310115", "世纪大道100号"),
        order.payable_amount,
    )
    factories.run(allocating.run)
    assert reserved(shop.sku) == [other.total_quantity + order.total_quantity]

    page.goto(f"{live_server.url}{reverse('admin:orders_order_recipient', args=[other.pk])}")
    assert "仓库不接受改址" in page.inner_text("#obstacle")
    page.click(f"#content a[href='{reverse('admin:orders_order_cancel', args=[other.pk])}']")
    page.check(f"#part-{sent.pk}")
    page.fill("[name=reason]", "改地址重新下单")
    page.click("button[name=preview]")
    assert "将请仓库" in page.inner_text("#preview")
    page.click("button[name=confirm]")
    page.wait_for_selector(".oms-head-number")
    # Until the warehouse answers, nothing is back: neither stock nor state.
    asked = SubOrder.objects.get(pk=sent.pk)
    assert (asked.cancel_requested_at is not None, asked.state) == (True, "released")
    assert reserved(shop.sku) == [other.total_quantity + order.total_quantity]
    assert steps.broken_invariants() == []
