"""The daily jobs in a real browser, in Chinese, with counted clicks from the dashboard. Typing is no click."""

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from logistics.carriers import urging as urging_there
from logistics.models import Urging
from logistics.watching import alerts as alerting
from oms.common.models import Job, JobState, Ticket
from oms.common.work import jobs
from orders import tickets
from orders.changing import cancelling, undoing
from orders.models import Order, OrderState, ReturnRequest, SubOrder
from orders.reviewing import holds
from payments.models import BankTransfer, RefundGrant
from tests import factories, fakes, steps
from tests.admin import test_browser as browsing
from tests.logistics.test_watching import by, scanned
from tests.merging.test_merging import allocated
from tests.returns.world import ask, install, line_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
browser = browsing.browser


class Desk:
    """A member of staff at a browser, whose clicks are counted."""

    def __init__(self, page: Any, site: str) -> None:
        self.page, self.site, self.clicks = page, site, 0

    def click(self, what: str) -> None:
        """Click it, once it is there."""
        self.page.wait_for_selector(what)
        self.page.click(what)
        self.clicks += 1

    def find(self, order: Order) -> None:
        """Type the order's number into the search of every page."""
        self.page.fill("#order-search", order.number)
        self.page.press("#order-search", "Enter")
        self.page.wait_for_selector(".oms-head-number")


@pytest.fixture
def desk(browser: Any, live_server: LiveServer) -> Iterator[Desk]:
    """At the dashboard, in Chinese, at 1440 pixels."""
    factories.UserFactory(username="boss", is_superuser=True)
    context = browser.new_context(viewport={"width": 1440, "height": 900}, timezone_id="Asia/Shanghai", locale="zh-CN")
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    browsing.log_in(page, live_server.url)
    yield Desk(page, live_server.url)
    assert errors == []
    context.close()


def test_a_hold_is_released(desk: Desk) -> None:
    order = factories.make_shop().place_order()
    holds.hold_order(order.pk, reason="地址不清", actor=steps.STAFF)
    desk.find(order)
    desk.click(".oms-hold button[type=submit]")
    desk.page.wait_for_selector(".oms-hold", state="detached")
    assert Order.objects.get().open_holds == 0
    assert desk.clicks <= 2


def test_an_address_is_changed(desk: Desk) -> None:
    order = factories.make_shop().place_order()
    desk.find(order)
    desk.click(f"a.oms-button[href$='/{order.pk}/recipient/']")
    desk.page.fill("[name=address]", "中山路100号2单元301")
    desk.click("button[name=preview]")
    desk.click("button[name=confirm]")
    desk.page.wait_for_selector(".oms-head-number")
    assert Order.objects.get().recipient_address == "中山路100号2单元301"
    assert desk.clicks <= 4


def test_one_line_is_cancelled(desk: Desk) -> None:
    shop = factories.make_shop()
    order = factories.split_order((shop.sku, 2, "10.00"), (shop.other_sku, 1, "25.50"))
    desk.find(order)
    desk.click("#goods-1")
    desk.click("#goods button[type=submit]")
    desk.page.fill("[name=reason]", "买家不要了")
    desk.click("button[name=preview]")
    desk.click("button[name=confirm]")
    desk.page.wait_for_selector(".oms-head-number")
    factories.run(undoing.run)
    left = SubOrder.objects.exclude(state="cancelled").values_list("lines__order_line__position", "lines__quantity")
    assert list(left) == [(2, 1)]
    assert desk.clicks <= 4


def test_a_bank_transfer_is_entered_with_its_scan(desk: Desk) -> None:
    order = factories.make_shop().place_order()
    desk.find(order)
    desk.click("details:has(#transfer-serial) > summary")
    desk.page.fill("#transfer-serial", "ICBC-1")
    desk.page.fill("#transfer-day", "2026-01-02")
    slip = {"name": "slip.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 slip"}
    desk.page.set_input_files("#transfer-scan", files=[slip])
    desk.click("form:has(#transfer-serial) button[type=submit]")
    desk.page.wait_for_selector("text=ICBC-1")
    assert BankTransfer.objects.get().scan_type == "application/pdf"
    assert desk.clicks <= 3


def test_two_orders_are_merged(desk: Desk) -> None:
    shop = factories.make_shop()
    first, second = allocated(shop, (shop.sku, 1, "10.00")), allocated(shop, (shop.other_sku, 1, "25.50"))
    desk.find(Order.objects.get(pk=first.order_id))
    desk.click("form[action$='/merge/'] button")
    desk.page.wait_for_selector("form[action$='/unmerge/']")
    first.refresh_from_db(fields=["merge_group"])
    assert first.merge_group_id == SubOrder.objects.get(pk=second.pk).merge_group_id is not None
    assert desk.clicks <= 3


def test_a_ticket_is_taken_and_closed_beside_the_list(desk: Desk) -> None:
    shop = factories.make_shop()
    first, second = shop.place_order(), shop.place_order()
    for order in (first, second):
        tickets.open_by_hand(order.pk, "complaint", text="催单", user=factories.UserFactory())
    desk.click("a[href='/admin/common/ticket/']")
    one, other = Ticket.objects.order_by("due_at", "id")
    desk.click("[data-take-next] button")
    desk.page.wait_for_selector(f".oms-pane form[action$='/{one.pk}/close/']")
    # The rest by keys: how it ended, sent, and the next one stands there.
    desk.page.keyboard.press("e")
    desk.page.keyboard.type("已致电")
    desk.page.keyboard.press("Control+Enter")
    desk.page.wait_for_selector(f".oms-pane form[action$='/{other.pk}/take/']")
    closed = Ticket.objects.get(pk=one.pk)
    assert (closed.state, str(closed.owner), closed.events.get(kind="closed").text) == ("closed", "boss", "已致电")
    assert desk.clicks <= 4


def test_what_is_typed_beside_the_list_goes_to_the_ticket_that_is_marked_and_outlives_looking_at_others(
    desk: Desk,
) -> None:
    shop = factories.make_shop()
    for order in (shop.place_order(), shop.place_order()):
        tickets.open_by_hand(order.pk, "complaint", text="催单", user=factories.UserFactory())
    one, other = Ticket.objects.order_by("due_at", "id")
    held: list[Any] = []
    desk.page.route(f"**/ticket/{other.pk}/pane/", lambda route: held.append(route))
    desk.click("a[href='/admin/common/ticket/']")
    desk.page.wait_for_selector(f".oms-pane form[action$='/{one.pk}/close/']")
    # The next one is long in coming: what is pressed meanwhile closes neither, and takes nothing.
    desk.page.keyboard.press("j")
    desk.page.keyboard.press("e")
    desk.page.keyboard.type("no")
    desk.page.keyboard.press("Control+Enter")
    assert desk.page.eval_on_selector(".oms-pane", "pane => pane.inert")
    assert desk.page.input_value(f".oms-pane form[action$='/{one.pk}/close/'] textarea") == ""
    held.pop().continue_()
    desk.page.wait_for_selector(f".oms-pane form[action$='/{other.pk}/close/'] textarea:focus")
    desk.page.unroute(f"**/ticket/{other.pk}/pane/")
    desk.page.keyboard.type("已致电")
    desk.page.keyboard.press("Escape")
    desk.page.keyboard.press("k")
    desk.page.wait_for_selector(f".oms-pane form[action$='/{one.pk}/close/']")
    desk.page.keyboard.press("j")
    desk.page.wait_for_selector(f".oms-pane form[action$='/{other.pk}/close/'] .oms-draft")
    desk.page.keyboard.press("e")
    desk.page.keyboard.press("Control+Enter")
    desk.page.wait_for_selector(f".oms-pane form[action$='/{one.pk}/take/']")
    closed = Ticket.objects.filter(state="closed", owner=None)
    assert [ticket.events.get(kind="closed").text for ticket in closed] == ["已致电"]
    assert list(closed) == [other]


def test_all_that_match_are_cancelled_but_one(desk: Desk) -> None:
    shop = factories.make_shop()
    orders = [shop.place_order() for _ in range(60)]
    cancelling.cancel_order(orders[7].pk, reason="x", actor=steps.STAFF)
    desk.click("a[href='/admin/orders/order/']")
    desk.click("#action-toggle")
    assert desk.page.inner_text(".action-counter") == "选中了 50 个中的 50 个"
    desk.click("[name=all_matching]")
    assert desk.page.inner_text(".action-counter") == "所有符合条件的：60"
    # Where the list only estimates, it is counted out as far as orders can be acted on at once.
    assert desk.page.request.get(f"{desk.page.url}count/").json() == {"text": "所有符合条件的：60"}
    desk.page.select_option("select[name=action]", "cancel_selected")
    desk.click("button[name=index]")
    desk.page.wait_for_selector("text=无法处理及原因")
    assert "59" in desk.page.inner_text(".oms-figures")
    desk.page.fill("[name=reason]", "店铺停业")
    desk.click("button.oms-button-danger")
    desk.page.wait_for_selector("progress")
    factories.run(jobs.run)
    desk.page.wait_for_selector("a[href$='/file/']", timeout=15_000)
    job = Job.objects.get()
    assert (job.state, job.done, job.failed) == (JobState.SUCCEEDED, 60, 1)
    assert desk.page.locator("input[name=_selected_action]:checked").count() == 1
    factories.run(undoing.run)
    assert Order.objects.filter(state=OrderState.CANCELLED).count() == 60
    assert desk.clicks <= 6


def test_a_draft_outlives_the_page_and_a_failed_send_until_the_server_took_it(desk: Desk) -> None:
    order = factories.make_shop().place_order()
    desk.find(order)
    address = desk.page.url
    desk.click("[data-dialog=dialog-note]")
    # What is wrong is said in the open dialog.
    desk.page.fill("#note-text", "   ")
    desk.click("#dialog-note button[type=submit]")
    desk.page.wait_for_selector("#dialog-note[open] .oms-errors")
    desk.page.fill("#note-text", "买家要求周末送货")
    desk.page.wait_for_timeout(500)

    desk.page.goto(f"{desk.site}/admin/")
    desk.page.goto(address)
    desk.page.wait_for_selector(".oms-draft")
    desk.page.click(".oms-draft button")
    assert desk.page.input_value("#note-text") == "买家要求周末送货"
    desk.page.click("#dialog-note button[type=submit]")
    desk.page.wait_for_selector("#notes >> text=买家要求周末送货")
    assert desk.page.query_selector(".oms-draft") is None
    desk.page.goto(address)
    desk.page.wait_for_selector(".oms-head-number")
    assert desk.page.query_selector(".oms-draft") is None


def test_a_part_of_the_money_is_refunded(desk: Desk) -> None:
    shop = factories.make_shop()
    install()
    order = shop.place_order((shop.sku, 1, "60.00"))
    steps.pay(order)
    desk.find(order)
    desk.click(f"a[href*='/of/{order.pk}/']")
    desk.page.select_option("[name=reason]", "late")
    desk.page.fill("[name=amount]", "5.00")
    desk.page.fill("[name=note]", "包装破损，补偿")
    desk.click("button[name=preview]")
    desk.click("button[name=confirm]")
    desk.page.wait_for_selector(".oms-head-number")
    assert RefundGrant.objects.get().granted_amount == 5
    assert desk.clicks <= 4


def test_a_parcel_that_stalls_is_urged(desk: Desk) -> None:
    shop = factories.make_shop()
    parcel = by("ZTO", steps.shipped(shop.place_order(payment_method="cod")))
    scanned(parcel, "collected", "in_transit", hours_ago=25)
    factories.run(alerting.run)
    desk.click("a[href='/admin/common/ticket/']")
    desk.click(".oms-pane a[href*='/logistics/alertgroup/']")
    carrier = fakes.FakeCarrier()
    with fakes.carrier(carrier):
        desk.click("form[action$='/urge-there/'] button")
        desk.page.wait_for_selector("text=尚未答复: 1")
        factories.run(urging_there.run)
    assert [one.waybill for one in carrier.urged] == [parcel.waybill_number]
    assert Urging.objects.get().by == "boss"
    assert Ticket.objects.get().events.filter(kind="noted").count() == 1
    assert desk.clicks <= 4


def test_a_return_is_approved_received_and_inspected(desk: Desk) -> None:
    shop = factories.make_shop()
    install()
    order = shop.place_order((shop.sku, 2, "60.00"))
    steps.pay(order)
    steps.scan(steps.shipped(order), "collected", "signed")
    row = ask(order, {1: 2})
    desk.find(order)
    desk.click(f"a[href='/admin/orders/returnrequest/{row.pk}/change/']")
    desk.click("form[action$='/approve/'] button")
    desk.click("form[action$='/receive/'] button")
    line = line_of(order)
    desk.page.wait_for_selector(f"[name=found_{line.pk}_good]")
    desk.page.fill(f"[name=found_{line.pk}_good]", "1")
    desk.page.fill(f"[name=found_{line.pk}_damaged]", "1")
    desk.click("text=提交验货结果")
    desk.click("text=按此退款")
    desk.page.wait_for_load_state()
    assert ReturnRequest.objects.get().state == "closed"
    assert RefundGrant.objects.get().granted_amount == 120
    assert desk.clicks <= 6
