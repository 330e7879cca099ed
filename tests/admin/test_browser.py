"""A real browser: both languages, no script error, and no request that leaves the origin."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections
from pytest_django.live_server_helper import LiveServer

from orders.actors import Actor
from orders.models import ActorKind, Order
from orders.reviewing import holds
from tests import factories

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
CHROMIUM = shutil.which("chromium")
SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Chromium, if the machine has it."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM:
        pytest.skip("no chromium on this machine")
    # Playwright's synchronous interface runs an event loop in this thread; Django would refuse the database then.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(SWITCHES))
        yield browser
        browser.close()
        # Django sees the loop as another thread: its connection would outlive the test database.
        connections.close_all()


@pytest.fixture
def held_order(transactional_db: None) -> Order:
    """An order with a sub-order and a hold."""
    shop = factories.make_shop()
    order = factories.allocated_order((shop.sku, 2, "10.00"))
    holds.hold_order(order.pk, reason="address unclear", actor=Actor(ActorKind.STAFF, "wang"))
    return order


@pytest.mark.parametrize(("language", "words"), [("en", "Release"), ("zh-CN", "订单")])
@pytest.mark.parametrize("width", [1440, 420])
def test_staff_find_an_order_and_release_it(
    live_server: LiveServer, browser: Any, held_order: Order, language: str, words: str, width: int
) -> None:
    factories.UserFactory(username="boss", is_superuser=True)
    context = browser.new_context(
        viewport={"width": width, "height": 900}, timezone_id="Asia/Shanghai", locale=language
    )
    page = context.new_page()
    outside: list[str] = []
    errors: list[str] = []
    own = (live_server.url, "data:", "blob:")
    page.on("request", lambda request: None if request.url.startswith(own) else outside.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("response", lambda answer: errors.append(answer.url) if answer.status >= 400 else None)

    page.goto(f"{live_server.url}/admin/")
    page.fill("#id_username", "boss")
    page.fill("#id_password", "password")
    page.click("#login-form button[type=submit]")
    page.wait_for_url(f"{live_server.url}/admin/")
    page.goto(f"{live_server.url}/admin/orders/order/")
    page.wait_for_selector("#result_list tbody tr")
    page.click(f"text={held_order.number}")
    page.wait_for_selector(".oms-head-number")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")
    assert words in page.inner_text("body")
    page.click("[data-dialog=dialog-note]")
    page.fill("#note-text", "rang the buyer")
    page.click("#dialog-note button[type=submit]")
    page.wait_for_selector("text=rang the buyer")
    page.click(".oms-hold button[type=submit]")
    page.wait_for_selector(".oms-hold", state="detached")

    assert Order.objects.get(pk=held_order.pk).open_holds == 0
    assert outside == []
    assert errors == []
    context.close()
