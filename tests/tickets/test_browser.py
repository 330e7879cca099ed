"""Tickets in a real browser: on a telephone, in both languages, without JavaScript."""

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from oms.common.models import Ticket
from oms.common.tickets import TicketKind, Trouble, open_tickets
from tests import factories
from tests.admin import test_browser as browsing

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
browser = browsing.browser


@pytest.fixture
def page(browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A page without scripts, of the width and language that the test names."""
    width, language = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, locale=language, java_script_enabled=False)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("page", [(390, "en"), (390, "zh-CN"), (1440, "zh-CN")], indirect=True)
def test_a_ticket_is_opened_taken_and_closed_where_no_script_runs(
    live_server: LiveServer, page: Any, broken: TicketKind
) -> None:
    order = factories.make_shop().place_order()
    open_tickets(broken, [Trouble(order.pk, about_id=order.pk)])
    factories.UserFactory(username="boss", is_superuser=True)
    page.goto(f"{live_server.url}/admin/")
    page.fill("#id_username", "boss")
    page.fill("#id_password", "password")
    page.click("#login-form button[type=submit]")

    page.goto(f"{live_server.url}/admin/orders/order/{order.pk}/change/")
    page.click("#tickets > details.oms-fold > summary")
    page.fill("#id_text", "wants a blue one")
    page.click("#tickets .oms-fold button[type=submit] >> visible=true")
    by_hand = Ticket.objects.get(kind="call_back")
    page.click(f"form[action$='/ticket/{by_hand.pk}/take/'] button")
    page.click(f"details:has(form[action$='/ticket/{by_hand.pk}/close/']) > summary")
    page.fill(f"#close-text-{by_hand.pk}", "blue it is")
    page.click(f"form[action$='/ticket/{by_hand.pk}/close/'] button")
    closed = Ticket.objects.get(pk=by_hand.pk)
    assert (closed.state, str(closed.owner), closed.result) == ("closed", "boss", "done")
    assert closed.events.get(kind="closed").text == "blue it is"

    for path in ("/admin/common/ticket/", f"/admin/common/ticket/{by_hand.pk}/change/", page.url, "/admin/"):
        page.goto(path if path.startswith("http") else live_server.url + path)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1"), path
    page.goto(f"{live_server.url}/admin/common/ticket/{Ticket.objects.get(kind='broken').pk}/change/")
    page.click("button[value=tomorrow]")
    assert Ticket.objects.get(kind="broken").snoozed_until is not None
