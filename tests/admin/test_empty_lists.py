"""What lists say that have no rows: each its own sentence with the next step, and another one where nothing matches."""

import html
import re

import pytest
from django.contrib.admin import AdminSite
from django.test import Client
from django.urls import reverse

import oms.urls  # noqa: F401 - brings all pages
from oms import empty_lists, merchant_admin
from oms.admin import OmsAdminSite
from orders.models import Order
from tests import factories
from tests.portal import world

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]

# Lists that are pages of their own making.
ANOTHER_PAGE = {"common.ticket", "common.outboundstop", "common.invariantcheck", "common.scheduledtask"}


def staff_site() -> AdminSite:
    """The staff's."""
    from django.contrib import admin

    return admin.site


def text_of(answer: object) -> str:
    """The words of a page."""
    return html.unescape(re.sub(r"\s+", " ", answer.content.decode()))  # type: ignore[attr-defined]


@pytest.mark.parametrize("site", [staff_site(), merchant_admin.site], ids=["staff", "merchants"])
def test_every_list_has_a_sentence_of_its_own(site: OmsAdminSite) -> None:
    lists = {model._meta.label_lower for model in site._registry}

    assert lists - site.empty_lists.keys() == set()
    told = [str(site.empty_lists[label]) for label in lists]
    assert len(set(told)) == len(told)


def test_no_sentence_is_left_of_a_list_that_is_gone() -> None:
    known = {model._meta.label_lower for site in (staff_site(), merchant_admin.site) for model in site._registry}

    assert (empty_lists.STAFF.keys() | empty_lists.MERCHANTS.keys()) - known == set()


def told_by(client: Client, site: AdminSite) -> tuple[set[str], set[str]]:
    """The lists without rows that say why, and those that do not."""
    said: dict[bool, set[str]] = {True: set(), False: set()}
    for model in site._registry:
        meta = model._meta
        answer = client.get(reverse(f"{site.name}:{meta.app_label}_{meta.model_name}_changelist"))
        if answer.status_code == 403 or meta.label_lower in ANOTHER_PAGE:
            continue
        assert answer.status_code == 200, meta.label_lower
        changelist = (answer.context or {}).get("cl")
        if changelist is not None and not len(changelist.result_list):
            said[str(site.empty_lists[meta.label_lower]) in text_of(answer)].add(meta.label_lower)  # type: ignore[attr-defined]
    return said[True], said[False]


def test_lists_of_staff_say_why_they_are_empty(boss: Client) -> None:
    telling, silent = told_by(boss, staff_site())

    assert silent == set()
    assert len(telling) > 90


def test_lists_of_merchants_say_why_they_are_empty() -> None:
    telling, silent = told_by(world.person_of(factories.MerchantFactory()), merchant_admin.site)

    assert silent == set()
    assert len(telling) > 15


def test_a_search_that_finds_nothing_leads_back_to_all(boss: Client, shop: factories.Shop) -> None:
    shop.place_order()
    page = text_of(boss.get("/admin/inventory/sku/?q=nosuch"))

    assert "Nothing matches what you look for." in page
    assert 'href="?"' in page
    assert Order.objects.exists()
