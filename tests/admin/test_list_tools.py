"""What a person keeps for a list: filters under a name, and the columns that it shows."""

from collections import Counter
from typing import Any

import pytest
from django.contrib import admin
from django.db.models import CharField, GenericIPAddressField, JSONField, TextField
from django.test import Client
from django.utils import translation

from logistics.models import Shipment
from oms.common.desk.acting import IN_DIALOG
from oms.common.desk.lists import KeysetAdmin, page_of
from oms.common.models import SavedView
from oms.merchant_admin import site as merchants
from tests import factories, steps
from tests.admin.conftest import client_of
from tests.portal import world

pytestmark = pytest.mark.django_db
PARCELS = "/admin/logistics/shipment/"
# Words that are the same in Chinese.
ASCII = {"App key", "ID", "SKU"}


def heads(client: Client, path: str) -> list[str]:
    """The columns that the list shows, without its check-boxes."""
    shown = client.get(path).context["cl"].list_display
    return [name for name in shown if name != "action_checkbox"]


@pytest.fixture
def clerk(shop: factories.Shop) -> Client:
    """Somebody who may look at parcels, of which there is one."""
    steps.shipped(shop.place_order(payment_method="cod"))
    return client_of("view_shipment")


def test_who_chooses_columns_sees_those_and_nobody_else_does(clerk: Client, boss: Client) -> None:
    usual = heads(clerk, PARCELS)
    page = clerk.get(PARCELS).content.decode()
    assert 'value="collected_at"' in page
    assert "collected_at" not in usual

    answer = clerk.post(
        "/admin/lists/logistics_shipment/columns/?state=signed", {"column": [usual[2], "collected_at", "no_such"]}
    )
    assert answer["Location"] == f"{PARCELS}?state=signed"
    assert heads(clerk, PARCELS) == [usual[0], usual[2], "collected_at"]
    assert heads(boss, PARCELS) == usual
    assert SavedView.objects.get().columns == [usual[2], "collected_at"]

    clerk.post("/admin/lists/logistics_shipment/columns/", {"column": [usual[1]], "reset": "1"})
    assert heads(clerk, PARCELS) == usual


def test_a_column_that_is_gone_does_no_harm(clerk: Client) -> None:
    usual = heads(clerk, PARCELS)
    clerk.post("/admin/lists/logistics_shipment/columns/", {"column": usual[:2]})
    SavedView.objects.update(columns=["gone", usual[1]])
    assert heads(clerk, PARCELS) == usual[:2]
    SavedView.objects.update(columns=["gone"])
    assert heads(clerk, PARCELS) == usual[:1]


def test_no_free_text_is_offered_and_to_merchants_nothing_but_what_they_see(boss: Client) -> None:
    """Names, phones and addresses stand masked in lists: choosing columns is no way around that."""
    request = boss.get(PARCELS).wsgi_request
    for site in (admin.site, merchants):
        for model_admin in site._registry.values():
            if isinstance(model_admin, KeysetAdmin):
                offered = {one["name"] for one in model_admin.offered_columns(request)}
                more = offered - set(model_admin.get_list_display(request)) - set(model_admin.shown_by.values())
                fields = [model_admin.model._meta.get_field(name) for name in more]
                assert not [one for one in fields if one.is_relation or _is_free_text(one)], model_admin
                assert site is admin.site or not more


def test_each_column_that_is_offered_has_words_of_its_own(boss: Client) -> None:
    request = boss.get(PARCELS).wsgi_request
    unclear = {}
    with translation.override("zh-hans"):
        for model_admin in admin.site._registry.values():
            if isinstance(model_admin, KeysetAdmin):
                texts = Counter(one["text"] for one in model_admin.offered_columns(request))
                if found := [
                    text for text, times in texts.items() if times > 1 or (text.isascii() and text not in ASCII)
                ]:
                    unclear[model_admin.model.__name__] = found
    assert unclear == {}


def _is_free_text(field: Any) -> bool:
    return isinstance(field, CharField | TextField | JSONField | GenericIPAddressField) and not field.choices


def test_views_are_kept_for_any_list_by_who_may_see_it(clerk: Client, boss: Client) -> None:
    address = "/admin/lists/logistics_shipment/views/?state=signed&older=7"
    clerk.post(address, {"title": "签收"})
    view = SavedView.objects.get()
    assert (view.page, view.query, view.team) == ("logistics_shipment", "state=signed", "")
    assert "签收" in clerk.get(PARCELS).content.decode()
    assert "签收" not in boss.get(PARCELS).content.decode()

    assert clerk.post(address, {"title": "x", "team": "service"}).status_code == 403
    assert clerk.post("/admin/lists/orders_order/views/?state=split", {"title": "x"}).status_code == 403
    assert clerk.post("/admin/lists/orders_order/columns/", {"column": "number"}).status_code == 403
    assert clerk.post("/admin/lists/no_such/views/", {"title": "x"}).status_code == 404
    assert boss.post(f"/admin/lists/views/{view.pk}/delete/").status_code == 404
    clerk.post(f"/admin/lists/views/{view.pk}/delete/")
    assert not SavedView.objects.exists()


def test_a_view_is_renamed_and_shared_by_who_may_and_keeps_its_filters(clerk: Client, boss: Client) -> None:
    address = "/admin/lists/logistics_shipment/views/?state=signed"
    clerk.post(address, {"title": "签收"})
    clerk.post("/admin/lists/logistics_shipment/views/?state=created", {"title": "新建"})
    view = SavedView.objects.get(title="签收")
    change = f"/admin/lists/views/{view.pk}/change/"
    assert change in clerk.get(f"{PARCELS}?state=signed").content.decode()

    assert clerk.post(change, {"title": " 已签收 "})["Location"] == f"{PARCELS}?state=signed"
    assert clerk.post(change, {"title": "已签收", "team": "service"}).status_code == 403
    assert clerk.post(change, {"title": "新建"}, headers={IN_DIALOG: "1"}).status_code == 400
    view.refresh_from_db()
    assert (view.title, view.team, view.query) == ("已签收", "", "state=signed")
    assert boss.post(change, {"title": "x"}).status_code == 404

    boss.post(address, {"title": "共享"})
    own = SavedView.objects.get(title="共享")
    boss.post(f"/admin/lists/views/{own.pk}/change/", {"title": "共享", "team": "logistics"})
    own.refresh_from_db()
    assert (own.owner, own.team) == (None, "logistics")
    assert "共享" in clerk.get(PARCELS).content.decode()
    assert clerk.post(f"/admin/lists/views/{own.pk}/change/", {"title": "y"}).status_code == 404


def test_merchants_keep_their_own_and_see_nobody_elses() -> None:
    seller = world.make_seller()
    person = world.person_of(seller.merchant)
    SavedView.objects.create(page="orders_order", title="客服专用", team="service")
    assert person.post("/merchant/lists/orders_order/views/?state=split", {"title": "已拆单"}).status_code == 302
    page = person.get("/merchant/orders/order/").content.decode()
    assert "已拆单" in page
    assert "客服专用" not in page
    refused = person.post("/merchant/lists/orders_order/views/?state=split", {"title": "x", "team": "service"})
    assert refused.status_code == 403


def test_each_list_has_a_name_of_its_own() -> None:
    pages = [page_of(one) for one in admin.site._registry.values() if isinstance(one, KeysetAdmin)]
    assert len(pages) == len(set(pages))


def numbers_of(client: Client, address: str) -> list[str]:
    """The numbers of all parcels that the list leads through, page by page."""
    found: list[str] = []
    while address:
        shown = client.get(address).context["cl"]
        found += [row.number for row in shown.result_list]
        address = PARCELS + shown.older_query if shown.older_query else ""
    return found


def test_a_list_is_read_in_any_order_that_an_index_has(
    clerk: Client, shop: factories.Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        steps.shipped(shop.place_order(payment_method="cod"))
    monkeypatch.setattr(admin.site._registry[Shipment], "list_per_page", 2)
    by_age = list(Shipment.objects.order_by("id").values_list("number", flat=True))
    assert len(by_age) == 5

    assert numbers_of(clerk, PARCELS) == by_age[::-1]
    assert numbers_of(clerk, f"{PARCELS}?sort=oldest") == by_age
    assert numbers_of(clerk, f"{PARCELS}?sort=number") == sorted(by_age)
    # No index, no column, nothing.
    for wish in ("carrier_text", "no_such", ""):
        assert numbers_of(clerk, f"{PARCELS}?sort={wish}") == by_age[::-1]
    page = clerk.get(f"{PARCELS}?sort=oldest").content.decode()
    assert "Next page" in page
    assert "Older" not in page
    # The order stays where a filter is chosen, and is kept with a view.
    assert page.count('<input type="hidden" name="sort" value="oldest"') == 2, "the search and the filters keep it"
    clerk.post("/admin/lists/logistics_shipment/views/?sort=oldest", {"title": "老的"})
    assert SavedView.objects.get().query == "sort=oldest"
