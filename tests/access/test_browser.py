"""In a browser, in Chinese, by counted clicks: find an order by the end of a phone, see a number and find that in the
log, set up a second factor; nothing is wider than the screen."""

import os
from typing import Any

import pytest
from django.contrib.auth.models import Group
from pytest_django.live_server_helper import LiveServer

from oms.common.access import roles
from oms.common.models import Role, SecurityEvent
from oms.shipped_roles import SHIPPED
from tests import factories
from tests.access.test_second_factor import code
from tests.admin.test_browser import browser  # noqa: F401 - a fixture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
# Where pictures of the pages go, if anywhere.
PICTURES = os.environ.get("OMS_PICTURES", "")


class Person:
    """Somebody at the site whose clicks are counted."""

    def __init__(self, page: Any, site: str) -> None:
        self.page, self.site, self.clicks = page, site, 0

    def click(self, selector: str) -> None:
        """Click once."""
        self.clicks += 1
        self.page.click(selector)

    def log_in(self, name: str) -> None:
        """Give the password."""
        self.page.goto(f"{self.site}/admin/login/")
        self.page.fill("#id_username", name)
        self.page.fill("#id_password", "password")
        self.page.click("#login-form button[type=submit]")
        self.page.wait_for_url(lambda url: "/login/" not in url)

    def look(self, name: str) -> None:
        """Nothing is wider than the screen; keep a picture."""
        assert self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1"), name
        if PICTURES:
            width = self.page.viewport_size["width"]
            self.page.screenshot(path=f"{PICTURES}/{name}-{width}.png")


def visit(browser: Any, server: LiveServer, width: int, language: str = "zh-CN") -> Person:  # noqa: F811
    """A browser window of the width."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, timezone_id="Asia/Shanghai", locale=language
    )
    return Person(context.new_page(), server.url)


@pytest.mark.parametrize(("width", "language"), [(1440, "zh-CN"), (390, "zh-CN"), (1440, "en")])
def test_an_order_is_found_by_the_end_of_a_phone_and_looked_at(
    live_server: LiveServer,
    browser: Any,  # noqa: F811
    width: int,
    language: str,
) -> None:
    shop = factories.make_shop()
    recipient = {**shop.body()["recipient"], "name": "欧阳雪晴", "phone": "13912349876"}
    order = shop.place_order(recipient=recipient)
    shop.place_order()
    roles.install(SHIPPED)
    user = factories.UserFactory(username="li")
    user.groups.add(Group.objects.get(name="customer_service_lead"))
    person = visit(browser, live_server, width, language)
    person.log_in("li")
    assert person.page.url.endswith("/admin/common/ticket/")
    person.page.goto(f"{live_server.url}/admin/")

    if width > 1000:
        person.click("#order-search")
        person.page.fill("#order-search", "9876")
        person.page.press("#order-search", "Enter")
    else:
        person.page.goto(f"{live_server.url}/admin/orders/order/?q=9876")
    person.page.wait_for_selector(".oms-head-number")
    assert person.clicks <= 2
    assert person.page.inner_text(".oms-head-number") == order.number
    assert "13912349876" not in person.page.content()
    person.look(f"masked-{language}")

    person.clicks = 0
    person.click("#reveal")
    person.look(f"reason-{language}")
    person.click("#reveal-dialog button[type=submit]")
    person.page.wait_for_selector("text=13912349876")
    person.page.goto(f"{live_server.url}/admin/common/securityevent/")
    person.page.wait_for_selector(f"text={order.number}")
    assert person.clicks + 1 <= 4  # the entry of the menu
    person.look(f"log-{language}")
    assert SecurityEvent.objects.filter(kind="revealed", person="li", subject=order.number).count() == 1


@pytest.mark.parametrize(("width", "language"), [(1440, "zh-CN"), (390, "en")])
def test_a_second_factor_is_set_up_and_the_table_of_rights_read(
    live_server: LiveServer,
    browser: Any,  # noqa: F811
    width: int,
    language: str,
) -> None:
    roles.install(SHIPPED)
    user = factories.UserFactory(username="li")
    user.groups.add(Group.objects.get(name="administrator"))
    person = visit(browser, live_server, width, language)
    person.log_in("li")
    person.page.wait_for_selector("#secret")
    person.look(f"factor-{language}")
    person.page.fill("#id_code", code())
    person.page.press("#id_code", "Enter")
    person.page.wait_for_selector("#recovery-codes")
    person.look(f"codes-{language}")
    person.page.click("a.oms-button-primary")
    person.page.goto(f"{live_server.url}/admin/auth/group/matrix/")
    person.page.wait_for_selector(".oms-matrix")
    person.look(f"matrix-{language}")
    person.page.goto(f"{live_server.url}/admin/auth/group/")
    person.look(f"groups-{language}")
    group = Role.objects.get(code="finance_lead").group
    person.page.goto(f"{live_server.url}/admin/auth/group/{group.pk}/change/")
    person.look(f"group-{language}")
    person.page.goto(f"{live_server.url}/admin/auth/user/")
    person.look(f"users-{language}")
