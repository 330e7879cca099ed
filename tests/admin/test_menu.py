"""Pages are called as the menu calls them."""

import re

import pytest
from django.conf import settings
from django.test import Client
from django.utils.html import strip_tags
from django.utils.translation import override

ENTRIES = [entry for group in settings.UNFOLD["SIDEBAR"]["navigation"] for entry in group["items"]]


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_each_entry_of_the_menu_opens_a_page_of_that_name(boss: Client, language: str) -> None:
    called = {}
    for entry in ENTRIES:
        page = boss.get(str(entry["link"]), headers={"accept-language": language}, follow=True).content.decode()
        (title,) = re.findall(r"<title>(.*?)</title>", page, re.DOTALL)
        with override(language):
            name = str(entry["title"])
        if name not in strip_tags(title).replace("&#x27;", "'"):
            called[name] = " ".join(title.split())

    assert len(ENTRIES) > 60
    assert called == {}


@pytest.mark.django_db
def test_lists_that_no_entry_leads_to_are_called_after_their_rows(boss: Client) -> None:
    page = boss.get("/admin/orders/reviewrule/", headers={"accept-language": "zh-hans"}).content.decode()
    (title,) = re.findall(r"<title>(.*?)</title>", page, re.DOTALL)
    assert title.split() == ["审单规则", "|", "订单管理系统"]
