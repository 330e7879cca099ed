"""In a real browser, in Chinese: a rule is clicked together, and a bulk cancellation is taken back."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from inventory.models import Stock
from orders.changing import undoing
from orders.fulfilling import allocating, splitting
from orders.models import Hold, Order, OrderCharge, ReviewRule, ReviewRuleSet, UndoableAction
from orders.reviewing import deciding, shipped
from orders.reviewing.versions import VERSIONS
from tests import factories, steps
from tests.admin.test_browser import browser, log_in  # noqa: F401 - a fixture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def open_page(browser: Any, live_server: LiveServer, width: int) -> tuple[Any, list[str]]:  # noqa: F811 - the fixture
    """A page of the boss in Chinese, and the errors of its scripts."""
    factories.UserFactory(username="boss", is_superuser=True)
    context = browser.new_context(viewport={"width": width, "height": 900}, timezone_id="Asia/Shanghai", locale="zh-CN")
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    log_in(page, live_server.url)
    return page, errors


@pytest.mark.parametrize("width", [1440, 390])
def test_a_rule_is_clicked_together(live_server: LiveServer, browser: Any, tmp_path: Any, width: int) -> None:  # noqa: F811
    shop = factories.make_shop()
    shipped.install_default_lists()
    page, errors = open_page(browser, live_server, width)
    version = VERSIONS.activate(ReviewRuleSet.objects.create().pk, by="li")
    page.goto(f"{live_server.url}/admin/orders/reviewruleset/{version.pk}/change/")
    page.locator("button", has_text="复制为草稿").click()
    page.get_by_role("link", name="添加规则").click()
    page.fill("#id_name", "大额货到付款")
    page.get_by_role("button", name="添加条件", exact=True).click()
    page.locator(".oms-condition-kind").select_option("amount_over")
    page.get_by_label("超过（元）").fill("20.00")
    page.get_by_role("button", name="添加条件组", exact=True).last.click()
    page.get_by_role("button", name="添加条件", exact=True).first.click()
    page.locator(".oms-condition-kind").last.select_option("paid_by")
    page.get_by_label("货到付款", exact=True).last.check()
    page.screenshot(path=str(tmp_path / f"rule-{width}.png"), full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.locator("button[name=_save], input[name=_save]").first.click()
    page.wait_for_url(f"{live_server.url}/admin/orders/reviewruleset/*/change/")
    assert "新增" in page.locator(".oms-table").inner_text()
    page.screenshot(path=str(tmp_path / f"draft-{width}.png"), full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    rule = ReviewRule.objects.get()
    deciding.run(10)
    assert not Hold.objects.exists()
    page.locator("button", has_text="启用").last.click()
    page.get_by_text("规则已启用").wait_for()
    page.screenshot(path=str(tmp_path / f"active-{width}.png"), full_page=True)

    assert rule.condition == {
        "all": [{"is": "amount_over", "amount": "20.00"}, {"any": [{"is": "paid_by", "methods": ["cod"]}]}]
    }
    order = shop.place_order(payment_method="cod")
    factories.run(deciding.run)
    assert Hold.objects.get().order_id == order.pk
    assert errors == []


def test_a_bulk_cancellation_is_taken_back(
    live_server: LiveServer,
    browser: Any,  # noqa: F811
    settings: Any,
    tmp_path: Any,
) -> None:
    settings.UNDO_SECONDS = {"release": 60, "cancel": 60, "bulk": 60}
    shop = factories.make_shop()
    orders = [shop.place_order(payment_method="cod") for _ in range(3)]
    page, errors = open_page(browser, live_server, 1440)
    page.goto(f"{live_server.url}/admin/orders/order/")
    for order in orders:
        page.locator(f"input[name=_selected_action][value='{order.pk}']").check()
    page.locator("select[name=action]").first.select_option("cancel_selected", force=True)
    page.evaluate("document.querySelector('select[name=action]').form.requestSubmit()")
    page.wait_for_selector("#id_reason")
    page.fill("#id_reason", "价格标错")
    page.locator(".oms-button-danger").click()
    page.wait_for_selector(".oms-undo button")
    assert UndoableAction.objects.filter(state="waiting").count() == 3
    page.screenshot(path=str(tmp_path / "undo.png"), full_page=True)
    page.locator(".oms-undo button").click()
    page.get_by_text("已撤回").first.wait_for()

    assert set(UndoableAction.objects.values_list("state", flat=True)) == {"taken_back"}
    assert set(Order.objects.values_list("state", "open_holds")) == {("in_review", 0)}
    # Nothing of it happens later either: the orders go on, with their stock and money.
    UndoableAction.objects.update(not_before=timezone.now() - timedelta(minutes=5))
    factories.run(undoing.run, deciding.run, splitting.run, allocating.run)
    assert set(Order.objects.values_list("state", flat=True)) == {"split"}
    assert sum(Stock.objects.filter(sku=shop.sku).values_list("reserved", flat=True)) == sum(
        order.total_quantity for order in orders
    )
    assert not OrderCharge.objects.exclude(cause="placed").exists()
    assert steps.broken_invariants() == []
    assert errors == []
