"""WCAG 2.2 AA by axe, at 1440 and 390: the staff's pages, the merchants', and those of buyers and couriers.

The suite judges the pages on which people spend their day and a sixteenth of the others; `make soak
TESTS=tests/accessibility` judges all of them.
"""

import re
from collections.abc import Iterable
from typing import Any
from zlib import crc32

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

import oms.urls  # noqa: F401 - brings all pages
from logistics.buyer import links as track_links
from logistics.routing import access
from logistics.virtual import links as good_links
from oms import merchant_admin
from oms.common.work import schedule
from oms.merchants.models import RefusedCall
from orders.models import Order, RejectedOrder
from payments.invoicing import links as invoice_links
from payments.taking import links as pay_links
from tests import factories
from tests.accessibility import addresses, judging
from tests.admin.test_browser import browser  # noqa: F401 - a fixture
from tests.admin.test_pages import world  # noqa: F401 - a fixture
from tests.portal import world as portal
from tests.portal.test_entering import wrong_row
from tests.portal.test_returns import delivered
from tests.returns import world as returns
from tests.routing.helpers import hire, open_station
from tests.virtual import world as virtual

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
# Where people spend their day.
ALWAYS = (
    *("/admin/", "/admin/common/ticket/", "/admin/orders/order/", "/admin/logistics/alertgroup/"),
    *(
        "/admin/common/scheduledtask/",
        "/admin/common/invariantcheck/",
        "/admin/payments/refund/",
        "/admin/orders/hold/",
    ),
)
ONE_IN = 16
# High enough that what sticks to the lower edge of the window hides nothing of the page.
HEIGHT = 3000


def chosen(path: str) -> bool:
    """Whether it is a page of every day, or one of a sixteenth of the others, the same ones in each run."""
    return path in ALWAYS or crc32(re.sub(r"\d+", "0", path).encode()) % ONE_IN == 0


def findings(context: Any, site: str, paths: Iterable[str]) -> dict[str, list[str]]:
    """What axe finds at both widths, each with the pages that have it."""
    found: dict[str, list[str]] = {}
    page = context.new_page()
    for path in paths:
        page.set_viewport_size({"width": judging.WIDTHS[0], "height": HEIGHT})
        page.goto(f"{site}{path}", wait_until="load")
        for width in judging.WIDTHS:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            page.evaluate("new Promise((done) => setTimeout(() => requestAnimationFrame(done)))")
            for line in judging.violations(page):
                found.setdefault(line, []).append(f"{path} at {width}")
    page.close()
    return found


def told(found: dict[str, list[str]]) -> str:
    """The findings as text, a line each."""
    return "\n".join(f"{line} | {', '.join(pages)}" for line, pages in sorted(found.items()))


def visit(browser: Any, server: LiveServer, client: Client | None = None) -> Any:  # noqa: F811
    """A window of the browser, in Chinese, with what the client's has."""
    context = browser.new_context(locale="zh-CN", timezone_id="Asia/Shanghai")
    for name, cookie in (client.cookies if client else {}).items():
        context.add_cookies([{"name": name, "value": cookie.value, "url": server.url}])
    return context


def staff() -> tuple[Client, User]:
    """Somebody who may see every page."""
    boss = factories.UserFactory(username="boss", is_superuser=True)
    client = Client()
    client.force_login(boss)
    return client, boss


def pages_of_staff(boss: User) -> list[str]:
    """The address of every page of the staff's site."""
    schedule.read_changes()
    return [*addresses.of_site(admin.site, "/admin/"), *addresses.of_models(admin.site, "/admin/", boss)]


def test_what_axe_cannot_pass_is_found(live_server: LiveServer, browser: Any) -> None:  # noqa: F811
    """The judge itself: a page with a fault of each kind is told so."""
    page = visit(browser, live_server).new_page()
    page.goto(f"{live_server.url}/admin/login/")
    assert judging.violations(page) == []
    page.evaluate(
        """() => {
            const main = document.querySelector("main");
            main.insertAdjacentHTML("beforeend", "<button></button><input><p>pale</p><h1>x</h1><h4>x</h4>");
            main.querySelector("p:last-of-type").style.cssText = "color: #bbb; background: #fff";
        }"""
    )
    rules = {line.split(" | ")[0] for line in judging.violations(page)}
    assert {"button-name", "label", "color-contrast", "heading-order"} <= rules


def test_the_pages_of_staff_are_accessible(live_server: LiveServer, browser: Any, world: None) -> None:  # noqa: F811
    client, boss = staff()
    paths = addresses.that_open(client, filter(chosen, pages_of_staff(boss)))
    assert len(paths) > 25
    paths.append(reverse("admin:orders_order_change", args=[Order.objects.earliest("pk").pk]))
    wrong = findings(visit(browser, live_server, client), live_server.url, paths)
    assert not wrong, told(wrong)


@pytest.mark.soak
def test_every_page_of_staff_is_accessible(live_server: LiveServer, browser: Any, world: None) -> None:  # noqa: F811
    client, boss = staff()
    paths = addresses.that_open(client, pages_of_staff(boss))
    assert len(paths) > 400
    wrong = findings(visit(browser, live_server, client), live_server.url, paths)
    assert not wrong, told(wrong)


def test_the_pages_of_merchants_are_accessible(live_server: LiveServer, browser: Any) -> None:  # noqa: F811
    seller = portal.make_seller()
    works = seller.orders(3)
    client = portal.person_of(seller.merchant)
    person = User.objects.get(pk=client.session["_auth_user_id"])
    found = [
        *("/merchant/", f"/merchant/logistics/warehouseorder/ship/?ids={works[0].pk},{works[1].pk}"),
        *addresses.of_models(merchant_admin.site, "/merchant/", person),
    ]
    paths = addresses.that_open(client, found)
    assert len(paths) > 20
    wrong = findings(visit(browser, live_server, client), live_server.url, paths)
    assert not wrong, told(wrong)


def test_pages_of_merchants_on_which_something_happened_are_accessible(
    live_server: LiveServer,
    browser: Any,  # noqa: F811
) -> None:
    returns.install()
    seller = portal.make_seller()
    order = delivered(seller)
    returned = returns.ask(order, {1: 1})
    wrong_row(seller)
    wrong = factories.client_of(seller.merchant).post("/api/v1/orders", {}, format="json", HTTP_IDEMPOTENCY_KEY="x")
    assert wrong.status_code == 400
    call = RefusedCall.objects.get()
    client = portal.person_of(seller.merchant)
    site, base = live_server.url, "/merchant/orders/returnrequest/"
    check, exchange = "/merchant/merchants/refusedcall/check/", f"{base}of/{order.pk}/exchange/"
    paths = [
        *("/merchant/merchants/refusedcall/", f"/merchant/merchants/refusedcall/{call.pk}/change/", check),
        *(f"/merchant/orders/rejectedorder/{RejectedOrder.objects.earliest('pk').pk}/change/", exchange),
        *(f"{base}{returned.pk}/change/", f"{base}of/{order.pk}/", f"/merchant/orders/order/{order.pk}/change/"),
    ]
    context = visit(browser, live_server, client)
    found = findings(context, site, paths)
    page = context.new_page()

    def judge(name: str) -> None:
        for width in judging.WIDTHS:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            for line in judging.violations(page):
                found.setdefault(line, []).append(f"{name} at {width}")

    page.goto(f"{site}{check}")
    page.fill("[name=address]", "/api/v1/orders?limit=0")
    page.fill("[name=headers]", "Authorization: Bearer nothing")
    page.click("main button[type=submit]")
    page.wait_for_load_state()
    judge("a pasted call")
    page.goto(f"{site}{exchange}")
    page.fill("[name^=units_]", "1")
    page.click("button[value=look]")
    page.wait_for_selector("#preview")
    judge("an exchange")
    page.goto(f"{site}/merchant/merchants/apicredential/")
    page.click("form[action$='/sandbox/enter/'] button")
    page.wait_for_selector("form[action$='/sandbox/leave/']")
    judge("a new key of the sandbox")
    page.goto(f"{site}/merchant/")
    judge("the sandbox")
    assert not found, told(found)


def test_the_pages_of_buyers_and_couriers_are_accessible(
    live_server: LiveServer,
    browser: Any,  # noqa: F811
    shop: factories.Shop,
) -> None:
    order = shop.place_order()
    sku = virtual.code_sku(shop)
    virtual.bring(shop, sku, ["AAAA-1111"])
    part = virtual.delivered(shop, sku)
    courier, pin = access.give_link(hire(open_station()).pk)
    client = Client()
    for path, data in ((track_links.path_of(order), {"digits": "1111"}), (courier, {"pin": pin})):
        client.post(path, data)
    closed = [track_links.path_of(order), courier]
    paths = [
        *("/apply/", "/admin/login/", "/merchant/login/"),
        *(pay_links.path_of(order), invoice_links.path_of(order), good_links.path_of(part)),
    ]
    wrong = findings(visit(browser, live_server), live_server.url, [*paths, *closed])
    assert not wrong, told(wrong)
    wrong = findings(visit(browser, live_server, client), live_server.url, closed)
    assert not wrong, told(wrong)
