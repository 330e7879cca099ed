"""In a real browser and in Chinese: a return with a damaged unit and a lost promotion; goods refused at the door."""

from typing import Any

import pytest
from django.db.models import Sum
from pytest_django.live_server_helper import LiveServer

from orders.models import ReturnRequest
from orders.returning import counting
from payments.models import RefundGrant
from tests import factories, steps
from tests.admin.test_browser import browser, log_in  # noqa: F401 - a fixture
from tests.payments.grants import refunds
from tests.payments.test_promotions_lost import promotion
from tests.returns.world import install, line_of, stock_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def opened(browser: Any, site: str, width: int, errors: list[str]) -> Any:  # noqa: F811
    context = browser.new_context(viewport={"width": width, "height": 900}, timezone_id="Asia/Shanghai", locale="zh-CN")
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("response", lambda answer: errors.append(answer.url) if answer.status >= 400 else None)
    log_in(page, site)
    return page


def fits(page: Any) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1"))


@pytest.mark.parametrize("width", [1440, 390])
def test_a_return_with_a_damaged_unit_and_a_lost_promotion(
    live_server: LiveServer,
    browser: Any,  # noqa: F811
    width: int,
) -> None:
    shop = factories.make_shop()
    install()
    factories.UserFactory(username="boss", is_superuser=True)
    order = shop.place_order(
        (shop.sku, 2, "60.00"),
        (shop.other_sku, 1, "90.00"),
        freight_amount="0.00",
        promotions=[promotion("30.00", "200.00", name="满200减30")],
    )
    steps.pay(order)
    steps.scan(steps.shipped(order), "collected", "signed")
    order.sub_orders.update(delivered_at=factories.timezone.now())
    line, errors = line_of(order), list[str]()
    before = stock_of(line)
    page = opened(browser, live_server.url, width, errors)

    page.goto(f"{live_server.url}/admin/orders/order/{order.pk}/change/")
    page.click("text=申请售后…")
    page.fill(f"[name=units_{line.pk}]", "2")
    page.select_option("#return-reason", "no_reason")
    assert fits(page)
    page.click("text=提交售后申请")
    page.wait_for_selector("text=已申请：")
    row = ReturnRequest.objects.get()

    page.goto(f"{live_server.url}/admin/orders/returnrequest/{row.pk}/change/")
    page.click("form[action$='/approve/'] button")
    page.click("form[action$='/receive/'] button")
    page.wait_for_selector(f"[name=found_{line.pk}_good]")
    page.fill(f"[name=found_{line.pk}_good]", "1")
    page.fill(f"[name=found_{line.pk}_damaged]", "1")
    assert fits(page)
    page.click("text=提交验货结果")
    page.wait_for_selector("text=满200减30")
    shown = page.inner_text("body")
    assert shown.count("× 1") == 2
    assert fits(page)
    page.click("text=按此退款")
    page.wait_for_load_state()

    assert (ReturnRequest.objects.get().state, errors) == ("closed", [])
    # 90.00 are kept, below the promotion's 200.00.
    assert RefundGrant.objects.get().granted_amount == 90
    assert [amount for amount, _reason, _state in refunds()] == ["90.00"]
    assert stock_of(line) == {**before, "good": before["good"] + 1, "damaged": 1}
    lost = order.charges.filter(cause="promotion_lost").aggregate(all=Sum("amount"))["all"]
    # What the kept line had of it; the others took their share of it along.
    assert (str(lost), counting.left_of(line_of(order))) == ("13.00", 0)
    assert steps.broken_invariants() == []


def test_goods_refused_at_the_door_are_received_and_inspected(
    live_server: LiveServer,
    browser: Any,  # noqa: F811
) -> None:
    shop = factories.make_shop()
    install()
    factories.UserFactory(username="boss", is_superuser=True)
    order = shop.place_order((shop.sku, 1, "60.00"), freight_amount="0.00")
    steps.pay(order)
    parcel = steps.shipped(order)
    steps.scan(parcel, "collected", "rejected")
    row, errors = ReturnRequest.objects.get(), list[str]()
    before = stock_of(line_of(order))
    page = opened(browser, live_server.url, 1440, errors)

    page.goto(f"{live_server.url}/admin/orders/returnrequest/")
    page.click(f"text={row.number}")
    page.wait_for_selector("text=拒收")
    page.click("form[action$='/receive/'] button")
    page.wait_for_selector("text=提交验货结果")
    page.click("text=提交验货结果")
    page.wait_for_load_state()

    assert (ReturnRequest.objects.get().state, errors) == ("closed", [])
    assert stock_of(line_of(order))["good"] == before["good"] + 1
    # The money goes back once the carrier says that the parcel is back, and once.
    assert refunds() == []
    steps.scan(parcel, "returned")
    assert [amount for amount, _reason, _state in refunds()] == ["60.00"]
    assert stock_of(line_of(order))["good"] == before["good"] + 1
    assert steps.broken_invariants() == []
