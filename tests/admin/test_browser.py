"""A real browser: both languages, no script error, and no request that leaves the origin."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connections
from django.test import Client
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

from oms.merchants.models import MerchantUser
from orders.actors import Actor
from orders.models import ActorKind, Order, Outcome, ReviewDecision
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


def log_in(page: Any, site: str) -> None:
    """Let the superuser "boss" of the factories in, up to the dashboard."""
    page.goto(f"{site}/admin/")
    page.fill("#id_username", "boss")
    page.fill("#id_password", "password")
    page.click("#login-form button[type=submit]")
    page.wait_for_url(f"{site}/admin/")


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

    log_in(page, live_server.url)
    page.goto(f"{live_server.url}/admin/orders/order/")
    page.wait_for_selector("#result_list tbody tr")
    page.click(f"text={held_order.number}")
    page.wait_for_selector(".oms-head-number")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")
    assert words in page.inner_text("body")
    # The goods and what hangs on them have most of a wide page, and all of a narrow one.
    column = page.locator("#goods").bounding_box()
    assert column is not None
    assert column["width"] > (700 if width == 1440 else 360)
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


def _staff_pages(order: Order) -> list[str]:
    """A page of every kind that staff see."""
    return [
        *(reverse(f"admin:{name}") for name in ("index", "password_change", "orders_order_changelist")),
        f"{reverse('admin:orders_order_changelist')}?q={order.number}&state__exact=split",
        reverse("admin:orders_order_change", args=[order.pk]),
        reverse("admin:orders_suborder_change", args=[order.sub_orders.get().pk]),
        *(reverse(f"admin:{name}_add") for name in ("merchants_merchant", "merchants_channel", "auth_user")),
        *(reverse(f"admin:{name}_changelist") for name in ("logistics_shipment", "common_job", "auth_group")),
        reverse("admin:auth_user_change", args=[get_user_model().objects.get(username="boss").pk]),
        reverse("admin:auth_group_add"),
        reverse("admin:orders_order_import"),
        "/admin/nothing/",
        "/api/docs/",
        "/apply/",
    ]


def _settled(page: Any, address: str) -> Any:
    """Open the page and wait until all that it began at its start is done; the answer. Quicker than waiting until half
    a second passes without a request."""
    answer = page.goto(address, wait_until="load")
    page.evaluate("new Promise((done) => setTimeout(() => requestIdleCallback(done)))")
    return answer


def test_no_page_does_what_its_content_policy_forbids(live_server: LiveServer, browser: Any, held_order: Order) -> None:
    boss = factories.UserFactory(username="boss", is_superuser=True)
    MerchantUser.objects.create(user=boss, merchant=held_order.channel.merchant)
    context = browser.new_context(timezone_id="Asia/Shanghai", locale="zh-CN")
    page = context.new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(f"{page.url}: {message.text}") if message.type == "error" else None)
    page.on("pageerror", lambda error: told.append(f"{page.url}: {error}"))

    log_in(page, live_server.url)
    for path in _staff_pages(held_order):
        assert _settled(page, f"{live_server.url}{path}").header_value("content-security-policy")
    for name in ("index", "orders_order_changelist", "merchants_apicredential_add"):
        _settled(page, f"{live_server.url}{reverse(f'merchant:{name}')}")
    # The theme's own pieces that act on what one does.
    _settled(page, f"{live_server.url}{reverse('admin:inventory_stock_changelist')}")
    page.keyboard.press("Control+k")
    page.wait_for_selector("input[type=search]:visible")
    _settled(page, f"{live_server.url}{reverse('admin:inventory_warehouse_add')}")
    page.click(".select2-selection")
    page.wait_for_selector(".select2-results__option")

    # A browser tells of the page that is not there by itself.
    assert [text for text in told if "404 (Not Found)" not in text] == []
    context.close()


@pytest.mark.parametrize(
    "attack",
    [
        "<script>document.title = 'taken'</script>",
        "<img src=x onerror=\"document.title = 'taken'\">",
        "<a id=bait href=\"javascript:document.title = 'taken'\">x</a>",
        "<script src='https://evil.example/x.js'></script>",
    ],
)
def test_what_slips_into_a_page_is_not_run(
    live_server: LiveServer, browser: Any, transactional_db: None, attack: str
) -> None:
    page = browser.new_page()
    reply = Client().get("/admin/login/")

    def tampered(route: Any) -> None:
        text = reply.content.decode().replace("</body>", f"{attack}</body>")
        headers = {"content-security-policy": reply["Content-Security-Policy"], "content-type": "text/html"}
        route.fulfill(body=text, headers=headers)

    page.route("**/admin/login/", tampered)
    page.route("https://evil.example/*", lambda route: route.fulfill(body="document.title = 'taken'"))
    page.goto(f"{live_server.url}/admin/login/", wait_until="networkidle")
    if "bait" in attack:
        page.click("#bait")
    assert page.title() not in ("", "taken")
    page.close()


def _log_in(page: Any, live_server: LiveServer, path: str = "/admin/") -> None:
    page.goto(f"{live_server.url}{path}")
    page.fill("#id_username", "boss")
    page.fill("#id_password", "password")
    page.click("#login-form button[type=submit]")


def test_what_was_typed_stands_in_its_form_again(live_server: LiveServer, browser: Any, held_order: Order) -> None:
    factories.UserFactory(username="boss", is_superuser=True)
    context = browser.new_context(timezone_id="Asia/Shanghai", locale="en")
    page = context.new_page()
    address = reverse("admin:orders_order_change", args=[held_order.pk])
    _log_in(page, live_server, address)
    page.wait_for_selector(".oms-head-number")

    # Somebody else changes the order meanwhile.
    page.click("[data-dialog=dialog-hold]")
    page.fill("#hold-reason", "the buyer rang twice")
    holds.hold_order(held_order.pk, reason="meanwhile", actor=Actor(ActorKind.STAFF, "li"))
    page.click("#dialog-hold button[type=submit]")
    # The page behind the dialog is shown anew, with the dialog open on it.
    page.wait_for_selector("text=The order was changed meanwhile")
    page.wait_for_selector("#dialog-hold[open]")
    assert page.input_value("#hold-reason") == "the buyer rang twice"
    page.keyboard.press("Escape")

    # The session ends.
    page.click("[data-dialog=dialog-note]")
    page.fill("#note-text", "打过电话")
    context.clear_cookies(name="sessionid")
    page.click("#dialog-note button[type=submit]")
    page.wait_for_selector(".oms-unsent")
    page.fill("#id_username", "boss")
    page.fill("#id_password", "password")
    page.click("#login-form button[type=submit]")
    page.wait_for_selector("#dialog-note[open]")
    assert page.url == f"{live_server.url}{address}"
    assert page.input_value("#note-text") == "打过电话"
    page.click("#dialog-note button[type=submit]")
    page.wait_for_selector("text=The note was added.")

    # What has no form on the page that comes next is shown to be copied.
    page.goto(f"{live_server.url}{reverse('admin:orders_order_changelist')}")
    page.check(f"input[name=_selected_action][value='{held_order.pk}']")
    page.select_option("select[name=action]", "hold_selected")
    page.click("button[name=index]:visible, #changelist-form button[type=submit]:visible")
    page.wait_for_selector("#id_reason")
    page.fill("#id_reason", "wait for the boss")
    holds.hold_order(held_order.pk, reason="once more", actor=Actor(ActorKind.STAFF, "li"))
    page.click(".oms-narrow button[type=submit]")
    page.wait_for_selector(".oms-card-warning >> text=wait for the boss")
    context.close()


def test_the_first_action_is_a_few_keys_away(live_server: LiveServer, browser: Any, held_order: Order) -> None:
    factories.UserFactory(username="boss", is_superuser=True)
    page = browser.new_page()
    _log_in(page, live_server, reverse("admin:orders_order_change", args=[held_order.pk]))
    page.wait_for_selector(".oms-head-number")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "oms-skip"
    page.keyboard.press("Enter")
    stops = 0
    while not page.evaluate("document.activeElement.matches('#goods input[name=line]')"):
        page.keyboard.press("Tab")
        stops += 1
        assert stops <= 4
    # A line is ticked, and the page of the cancellation begins with it.
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.wait_for_url("**/cancel/?scope=chosen&line=1*")
    assert page.is_checked("input[name=lines][value='1']")
    page.close()


def test_on_a_phone_each_cell_of_a_list_is_named_by_its_column(
    live_server: LiveServer, browser: Any, held_order: Order
) -> None:
    factories.UserFactory(username="boss", is_superuser=True)
    ReviewDecision.objects.create(order=held_order, outcome=Outcome.HOLD)
    page = browser.new_page(viewport={"width": 390, "height": 844})
    # Its first column is neither a check box nor a link to the row.
    _log_in(page, live_server, reverse("admin:orders_reviewdecision_changelist"))
    page.wait_for_selector("#result_list tbody tr")
    words = "[...document.querySelectorAll('#result_list {}')].map(cell => {}.trim().toLowerCase())"
    named = words.format("tbody tr:first-child > *", "cell.dataset.label")
    headed = words.format("thead th .text", "cell.textContent")
    assert page.evaluate(named) == page.evaluate(headed)
    page.close()
