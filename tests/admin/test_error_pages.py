"""What people see where nothing is, at pages that are not theirs, and after forms that were open too long."""

import pytest
from django.test import Client

from tests import factories
from tests.admin.conftest import client_of

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("language", "title", "home"),
    [("en", "Page not found", "To the start page"), ("zh-hans", "页面不存在", "返回首页")],
)
def test_an_address_where_nothing_is(language, title, home):
    staff = client_of("view_order").get("/admin/orders/nothing/", headers={"accept-language": language})
    outside = Client().get("/nowhere/", headers={"accept-language": language})
    for answer in (staff, outside):
        assert answer.status_code == 404
        assert f"<h1>{title}</h1>" in answer.content.decode()
    assert f'<a class="button" href="/admin/">{home}</a>' in staff.content.decode()
    assert home not in outside.content.decode()


def test_a_page_without_the_right_to_it():
    answer = client_of("view_order").get("/admin/payments/refund/", headers={"accept-language": "zh-hans"})
    assert answer.status_code == 403
    assert "您没有此页面的权限" in answer.content.decode()
    assert 'href="/admin/"' in answer.content.decode()


def test_a_form_that_was_open_for_too_long():
    clerk = Client(enforce_csrf_checks=True, headers={"accept-language": "zh-hans"})
    clerk.force_login(factories.UserFactory(is_staff=True, is_superuser=True))
    answer = clerk.post("/admin/orders/order/1/note/", {"note": "typed"})
    assert answer.status_code == 403
    assert "表单已过期" in answer.content.decode()
    assert "您填写的内容仍在" in answer.content.decode()
