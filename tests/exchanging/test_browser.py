"""In a real browser and in Chinese: goods are exchanged for a dearer item, whose difference is asked for."""

from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

from inventory.models import Sku
from orders.models import Exchange
from tests import factories, steps
from tests.admin.test_browser import browser, log_in  # noqa: F401 - a fixture
from tests.exchanging.world import pay_rest
from tests.payments.test_promotions_lost import promotion
from tests.returns.test_browser import fits, opened
from tests.returns.world import install, line_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("width", [1440, 390])
def test_goods_are_exchanged_for_a_dearer_item(live_server: LiveServer, browser: Any, width: int) -> None:  # noqa: F811
    shop = factories.make_shop()
    install()
    Sku.objects.filter(pk=shop.other_sku.pk).update(list_price=Decimal("99.00"), name="羊绒围巾")
    factories.UserFactory(username="boss", is_superuser=True)
    order = shop.place_order(
        (shop.sku, 2, "60.00"), freight_amount="0.00", promotions=[promotion("20.00", "100.00", name="满100减20")]
    )
    steps.pay(order)
    steps.scan(steps.shipped(order), "collected", "signed")
    order.sub_orders.update(delivered_at=factories.timezone.now())
    line, errors = line_of(order), list[str]()
    page = opened(browser, live_server.url, width, errors)

    page.goto(f"{live_server.url}{reverse('admin:orders_order_change', args=[order.pk])}")
    address = reverse("admin:orders_returnrequest_exchange", args=[order.pk])
    assert page.locator(f"a[href='{address}']").count() >= 1
    page.goto(f"{live_server.url}{address}")
    page.fill(f"[name=units_{line.pk}]", "1")
    page.fill("[name=search]", "羊绒")
    page.click("button[value=search]")
    page.fill(f"[name=add-{shop.other_sku.pk}]", "1")
    page.select_option("[name=reason]", "no_reason")
    page.click("button[value=look]")
    preview = page.inner_text("#preview")
    # 60.00 less half of the promotion come back; 99.00 are dearer by 49.00.
    assert "50.00" in preview
    assert "49.00" in preview
    assert "换出商品金额" in preview
    assert fits(page)
    page.click("button[value=confirm]")
    page.wait_for_selector("text=已生成换货订单")
    row = Exchange.objects.select_related("new_order").get()
    assert row.new_order is not None
    assert (row.credit, row.new_order.payable_amount, row.new_order.state) == (50, 99, "awaiting_payment")
    assert row.new_order.number in page.inner_text("#exchange")
    assert fits(page)

    pay_rest(row, "49.00")
    page.goto(f"{live_server.url}{reverse('admin:orders_order_change', args=[row.new_order_id])}")
    text = page.inner_text("body")
    assert "须先收到售后单" in text
    assert errors == []
    assert steps.broken_invariants() == []
