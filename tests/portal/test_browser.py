"""From the application to the first parcel in a real browser, in Chinese, without staff once it is approved; and every
page of a merchant fits a phone."""

import os
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

import oms.urls  # noqa: F401 - brings all pages
from logistics.carriers.defaults import install_default_carriers
from logistics.models import WarehouseOrder
from oms.common.models import OneTimePassword
from oms.common.work import jobs
from oms.merchants.joining import people
from oms.merchants.models import MerchantApplication
from oms.telling import receivers
from oms.telling.receivers import Wanted
from orders.models import RejectedOrder, SubOrder
from orders.returning import deciding
from tests import factories, steps
from tests.admin.conftest import client_of
from tests.admin.test_browser import browser  # noqa: F401 - a fixture
from tests.portal import world
from tests.portal.test_entering import wrong_row
from tests.portal.test_returns import delivered
from tests.returns import world as returns_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
# Where pictures of the pages are kept for people to look at, if anywhere.
PICTURES = os.environ.get("OMS_TEST_PICTURES", "")


# Whether no field lies beyond the window, where only who scrolls sideways finds it.
_REACHED = """[...document.querySelectorAll("form.oms-card .oms-input")].every(
    (field) => field.getBoundingClientRect().right <= window.innerWidth)"""


def picture(page: Any, name: str) -> None:
    """Keep what the page looks like now."""
    if PICTURES:
        page.screenshot(path=str(Path(PICTURES, f"{name}.png")), full_page=True)


def fits(page: Any) -> bool:
    """Whether the page is no wider than the window."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1"))


def test_a_company_ships_its_first_parcel_on_the_pages_alone(
    browser: Any,  # noqa: F811 - the fixture
    live_server: LiveServer,
    tmp_path: Path,
    settings: Any,
) -> None:
    settings.MEDIA_ROOT = tmp_path
    install_default_carriers()
    factories.RegionFactory()
    site, page = live_server.url, browser.new_page(locale="zh-CN", viewport={"width": 1440, "height": 900})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    (tmp_path / "licence.pdf").write_bytes(b"%PDF-1.7 licence")

    page.goto(f"{site}/apply/")
    texts = {
        "company": "北京示例贸易有限公司",
        "credit_code": "91110000600037341L",
        "legal_representative": "张华",
        "contact_name": "李明",
        "contact_phone": "138",
        "contact_email": "li@example.com",
        "wanted_code": "EXAMPLE",
    }
    for name, text in texts.items():
        page.fill(f"[name={name}]", text)
    page.set_input_files("[name=documents]", str(tmp_path / "licence.pdf"))
    page.click("main button[type=submit]")
    assert "已保留之前选择的文件" in page.content()
    picture(page, "apply-error")
    page.fill("[name=contact_phone]", "13800001111")
    page.click("main button[type=submit]")
    assert page.inner_text("strong >> nth=-1") == "已提交"

    # The one step of staff.
    row = MerchantApplication.objects.get()
    staff = client_of("view_merchantapplication", "approve_merchantapplication")
    form = {"version": row.version, "code": "EXAMPLE", "name": "示例", "kind": "marketplace", "username": "example"}
    staff.post(reverse("admin:merchants_merchantapplication_approve", args=[row.pk]), form)

    page.goto(f"{site}/apply/{row.reference}/")
    picture(page, "approved")
    page.fill("[name=password]", "correct-horse-9")
    page.fill("[name=again]", "correct-horse-9")
    page.click("main button[type=submit]")
    page.fill("#id_username", "example")
    page.fill("#id_password", "correct-horse-9")
    page.click("#login-form button[type=submit]")
    page.wait_for_url(f"{site}/merchant/")
    picture(page, "check-list")

    page.click("a:has-text('前往') >> nth=0")
    page.fill("[name=name]", "一号仓")
    page.fill("[name=address]", "北京市东城区中山路1号")
    picture(page, "open-warehouse")
    page.click("form.oms-card button[type=submit]")
    assert "EXAMPLE-WH1" in page.content()
    (tmp_path / "skus.csv").write_text("商品编码,名称,储存条件,价格,重量\nT-1,茶,ambient,9.9,200\n")
    page.goto(f"{site}/merchant/inventory/sku/import/")
    page.set_input_files("[name=file]", str(tmp_path / "skus.csv"))
    page.click("form.oms-card button[type=submit]")
    picture(page, "import-skus")
    page.click("button[name=start]")
    factories.run(jobs.run)
    page.goto(f"{site}/merchant/inventory/stock/count/")
    page.fill("[name=sku]", "T-1")
    page.fill("[name=on_hand]", "10")
    page.click("form.oms-card button[type=submit]")
    (tmp_path / "orders.csv").write_text(
        "订单编号,商品编码,数量,单价,收货人,手机,地址,付款时间\n"
        "D-1,T-1,2,9.9,张华,13800001111,北京市东城区中山路861号,2026-01-02 09:00:00\n"
    )
    page.goto(f"{site}/merchant/orders/order/import/")
    page.set_input_files("[name=file]", str(tmp_path / "orders.csv"))
    page.click("form.oms-card button[type=submit]")
    picture(page, "import-orders")
    page.click("button[name=start]")
    call_command("drain", verbosity=0)

    page.goto(f"{site}/merchant/logistics/warehouseorder/")
    picture(page, "to-ship")
    work = WarehouseOrder.objects.get()
    page.goto(f"{site}/merchant/logistics/warehouseorder/{work.pk}/change/")
    picture(page, "ship")
    page.select_option("[name=carrier]", "SF")
    page.fill("[name=waybill]", "SF1000000001")
    page.click("button:has-text('已发出，回传')")
    page.wait_for_selector("text=已回传：")
    assert SubOrder.objects.get().state == "shipped"
    page.goto(f"{site}/merchant/")
    picture(page, "done")
    assert errors == []


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_pages_of_a_merchant_fit_desktop_and_phone(
    browser: Any,  # noqa: F811 - the fixture
    live_server: LiveServer,
    language: str,
) -> None:
    seller = world.make_seller()
    works = seller.orders(3)
    returns_world.install()
    order = delivered(seller)
    returned = returns_world.came(deciding.approve(returns_world.ask(order, {1: 1}).pk, actor=steps.STAFF))
    wrong_row(seller)
    receiver = receivers.add(seller.merchant, Wanted("值班邮箱", "mail", ["to_ship"], 1, "en", "li@example.com"))
    receivers.test(receiver.pk)
    password = people.add(seller.merchant, "boss-of-it")
    OneTimePassword.objects.all().delete()
    site = live_server.url
    wide: list[tuple[int, str]] = []
    page = browser.new_page(locale=language)

    def look(name: str) -> None:
        for width in (390, 1440):
            page.set_viewport_size({"width": width, "height": 844})
            picture(page, f"{language}-{width}-{name}")
            if not fits(page):
                wide.append((width, name))
            if name == "bulk" and not page.evaluate(_REACHED):
                wide.append((width, "fields of many orders"))

    page.goto(f"{site}/merchant/login/")
    page.fill("#id_username", "boss-of-it")
    page.fill("#id_password", password)
    page.click("#login-form button[type=submit]")
    page.wait_for_url(f"{site}/merchant/")
    base = "/merchant/logistics/warehouseorder/"
    addresses = {
        "home": "/merchant/",
        "list": base,
        "work": f"{base}{works[0].pk}/change/",
        "bulk": f"{base}ship/?ids={works[0].pk},{works[1].pk}",
        "sheet": f"{base}import/",
        "print": f"{base}print/?numbers={works[0].number}",
        "invite": "/merchant/merchants/merchantuser/add/",
        "warehouse": "/merchant/inventory/warehouse/add/",
        "sku": "/merchant/inventory/sku/add/",
        "skus": "/merchant/inventory/sku/",
        "count": "/merchant/inventory/stock/count/",
        "endpoint": "/merchant/merchants/webhookendpoint/add/",
        "order": f"/merchant/orders/order/{order.pk}/change/",
        "enter": "/merchant/orders/order/enter/",
        "told": "/merchant/merchants/merchantreceiver/",
        "tell": "/merchant/merchants/merchantreceiver/add/",
        "receiver": f"/merchant/merchants/merchantreceiver/{receiver.pk}/change/",
        "calls": "/merchant/merchants/refusedcall/",
        "check-call": "/merchant/merchants/refusedcall/check/",
        "refused": "/merchant/orders/rejectedorder/",
        "refused-row": f"/merchant/orders/rejectedorder/{RejectedOrder.objects.get().pk}/change/",
        "returns": "/merchant/orders/returnrequest/",
        "return": f"/merchant/orders/returnrequest/{returned.pk}/change/",
        "ask-return": f"/merchant/orders/returnrequest/of/{order.pk}/",
        "ask-refund": f"/merchant/payments/refundgrant/of/{order.pk}/",
        "exchange": f"/merchant/orders/returnrequest/of/{order.pk}/exchange/",
        "keys": "/merchant/merchants/apicredential/",
        "stock": "/merchant/inventory/stock/",
        "refunds": "/merchant/payments/refundgrant/",
        "settlements": "/merchant/payments/settlementrow/",
        "statements": "/merchant/payments/statement/",
        "endpoints": "/merchant/merchants/webhookendpoint/",
        "deliveries": "/merchant/merchants/webhookdelivery/",
        "colleagues": "/merchant/merchants/merchantuser/",
    }
    for name, address in addresses.items():
        page.goto(f"{site}{address}")
        look(name)
    page.goto(f"{site}{addresses['refused-row']}")
    page.click("form[action$='/correct/'] button")
    page.wait_for_selector("[name='f-lines.0.sku']")
    look("correct")
    page.goto(f"{site}{addresses['exchange']}")
    page.fill("[name^=units_]", "1")
    page.click("button[value=look]")
    page.wait_for_selector("#preview")
    look("exchange-preview")
    page.goto(f"{site}{addresses['keys']}")
    page.click("form[action$='/sandbox/enter/'] button")
    page.wait_for_selector("form[action$='/sandbox/leave/']")
    for name, address in {
        "keys": addresses["keys"],
        "home": addresses["home"],
        "order": "/merchant/orders/order/",
    }.items():
        page.goto(f"{site}{address}")
        look(f"sandbox-{name}")
    assert wide == []


def test_numbers_that_were_typed_before_are_not_put_over_those_that_are_chosen_now(
    browser: Any,  # noqa: F811 - the fixture
    live_server: LiveServer,
) -> None:
    seller = world.make_seller()
    first, second = seller.orders(2)
    password = people.add(seller.merchant, "prints-it")
    OneTimePassword.objects.all().delete()
    page = browser.new_page(locale="zh-CN")
    page.goto(f"{live_server.url}/merchant/login/")
    page.fill("#id_username", "prints-it")
    page.fill("#id_password", password)
    page.click("#login-form button[type=submit]")
    page.wait_for_url(f"{live_server.url}/merchant/")
    print_page = f"{live_server.url}/merchant/logistics/warehouseorder/print/?numbers="

    page.goto(f"{print_page}{first.number}")
    page.click("button[value=look]")
    page.wait_for_selector("button[value=print]")
    page.goto(f"{print_page}{second.number}")

    assert page.input_value("[name=numbers]") == second.number
    page.fill("[name=numbers]", f"{second.number} {first.number}")
    page.wait_for_timeout(500)
    page.goto(f"{print_page}{second.number}")
    # What was typed about these is still there.
    assert page.input_value("[name=numbers]") == f"{second.number} {first.number}"
    page.close()


def test_a_stranger_is_asked_to_log_in() -> None:
    for address in ("/merchant/", "/merchant/logistics/warehouseorder/", "/merchant/start/order/"):
        assert Client().get(address)["Location"].startswith("/merchant/login/")
