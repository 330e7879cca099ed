"""What every page has: it survives odd addresses, keeps what was typed, is compressed, and has a way past the menu."""

import gzip
import re
from html import unescape
from typing import Any

import pytest
from django.conf import settings as project
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from oms.common import typed
from oms.embedded import CHECKOUT
from oms.merchants.models import Merchant, MerchantUser
from orders.models import Order, OrderEvent
from tests import factories
from tests.admin.conftest import client_of

pytestmark = pytest.mark.django_db


# --- Odd addresses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", sorted(admin.site._registry, key=lambda model: model._meta.label))
def test_a_character_that_nobody_can_type_is_forgotten(boss, model):
    page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    names = ["q", "x%00"]
    for each in admin.site._registry[model].list_filter:
        names.append(f"{each[0]}__exact" if isinstance(each, tuple) else getattr(each, "parameter_name", str(each)))
    for name in names:
        for value in ("%00", "a%00b"):
            assert boss.get(f"{page}?{name}={value}").status_code in (200, 302), (name, value)


@pytest.mark.parametrize(
    "path",
    [
        "/admin/search/?s=%00",
        "/admin/search/?s=a%00b&extended=1",
        "/admin/autocomplete/?app_label=inventory&model_name=warehouse&field_name=region&term=%00",
        "/admin/?x=%00",
        "/admin/login/?next=%00",
        "/merchant/login/?next=/%00",
    ],
)
def test_so_it_is_in_other_addresses(boss, path):
    assert boss.get(path).status_code in (200, 302)


def test_so_it_is_in_what_is_posted(boss, shop):
    order = shop.place_order()
    boss.post(reverse("admin:orders_order_note", args=[order.pk]), {"text": "a\0b"})
    assert OrderEvent.objects.get(order=order, kind="note").data == {"text": "ab"}


@pytest.mark.parametrize("query", ["state=%00", "number=%00", "cursor=%00", "limit=%00", "q=%00", "created_after=%00"])
def test_the_api_refuses_it(api, query):
    assert api.get(f"/api/v1/orders?{query}").status_code == 400


# --- What was typed ---------------------------------------------------------------------------------------------------


def kept(page: HttpResponse) -> dict[str, Any] | None:
    """What the page has of a form that came to nothing."""
    return page.context["typed_before"]


@pytest.fixture
def order(shop: factories.Shop) -> Order:
    """An order that waits for its payment."""
    return shop.place_order()


def test_after_logging_in_again_one_finds_what_one_typed(order):
    page = reverse("admin:orders_order_change", args=[order.pk])
    action = reverse("admin:orders_order_note", args=[order.pk])
    factories.UserFactory(username="wang", is_superuser=True)
    client = Client(headers={"accept-language": "en"})

    asked = client.post(action, {"text": "rang the buyer, 打过电话"}, headers={"referer": f"http://testserver{page}"})
    assert asked.status_code == 403
    told = asked.content.decode()
    assert "Your session had ended, so nothing was done." in told
    assert f'action="/admin/login/?next={page.replace("/", "%2F")}"' in told
    sealed = unescape(re.search(r'name="unsent" value="([^"]+)" form="login-form"', told)[1])

    login = f"/admin/login/?next={page}"
    wrong = client.post(login, {"username": "wang", "password": "x", "unsent": sealed})
    assert sealed in unescape(wrong.content.decode())
    done = client.post(login, {"username": "wang", "password": "password", "unsent": sealed})
    assert (done.status_code, done["Location"]) == (302, page)
    again = client.get(page)
    assert "Your session had ended" in again.content.decode()
    assert kept(again) == {"action": action, "page": page, "fields": {"text": ["rang the buyer, 打过电话"]}}
    assert kept(client.get(page)) is None
    assert not OrderEvent.objects.filter(order=order, kind="note").exists()


def test_merchants_pages_do_so_too(shop):
    user = factories.UserFactory(username="li", is_staff=False)
    MerchantUser.objects.create(user=user, merchant=shop.merchant)
    client = Client(headers={"accept-language": "en"})
    form = reverse("merchant:merchants_apicredential_add")
    asked = client.post(
        form, {"name": "mine", "scopes": ["orders.read"]}, headers={"referer": f"http://testserver{form}"}
    )
    sealed = unescape(re.search(r'name="unsent" value="([^"]+)"', asked.content.decode())[1])
    form_data = {"username": "li", "password": "password", "unsent": sealed}
    assert client.post(f"/merchant/login/?next={form}", form_data)["Location"] == form
    assert kept(client.get(form))["fields"] == {"name": ["mine"], "scopes": ["orders.read"]}


def test_no_password_goes_past_the_log_in_page(order):
    fields = {"username": "new", "password1": "secret-word-1", "password2": "secret-word-1"}
    asked = Client().post(reverse("admin:auth_user_add"), fields)
    sealed = unescape(re.search(r'name="unsent" value="([^"]+)"', asked.content.decode())[1])
    assert typed.read_signed(sealed).fields == {"username": ["new"]}


@pytest.mark.parametrize("sealed", ["", "x", "e30:1tY:abc", "\0"])
def test_what_was_not_sealed_here_is_not_shown(order, sealed):
    factories.UserFactory(username="wang", is_superuser=True)
    client = Client()
    assert (
        client.post("/admin/login/", {"username": "wang", "password": "password", "unsent": sealed}).status_code == 302
    )
    assert kept(client.get("/admin/")) is None


def test_too_much_is_not_kept_and_a_foreign_page_not_returned_to(order):
    action = reverse("admin:orders_order_note", args=[order.pk])
    asked = Client().post(action, {"text": "x" * 30_000}, headers={"referer": "https://evil.example/"})
    sealed = unescape(re.search(r'name="unsent" value="([^"]+)"', asked.content.decode())[1])
    assert typed.read_signed(sealed) == typed.Typed(action, "/", {})


def test_a_refused_form_has_its_text_again(boss, order):
    page = reverse("admin:orders_order_change", args=[order.pk])
    action = reverse("admin:orders_order_hold", args=[order.pk])
    refused = boss.post(action, {"reason": "the buyer rang twice", "version": order.version + 1}, follow=True)
    assert "changed meanwhile" in refused.content.decode()
    assert kept(refused)["action"] == action
    assert kept(refused)["fields"] == {"reason": ["the buyer rang twice"]}
    assert kept(boss.get(page)) is None
    wrong = boss.post(action, {"reason": "x" * 201, "version": order.version}, follow=True)
    assert kept(wrong)["fields"] == {"reason": ["x" * 201]}


def test_so_it_has_where_several_orders_are_done_at_once(boss, order):
    data = {"action": "hold_selected", "_selected_action": [order.pk], "confirmed": "1", "reason": "wait for the boss"}
    data[f"version-{order.pk}"] = str(order.version + 1)
    refused = boss.post(reverse("admin:orders_order_changelist"), data, follow=True)
    assert kept(refused)["fields"] == {"reason": ["wait for the boss"]}


def test_so_it_has_on_a_merchants_page(boss, shop):
    Merchant.objects.filter(pk=shop.merchant.pk).update(status="suspended")
    action = reverse("admin:merchants_merchant_suspend", args=[shop.merchant.pk])
    refused = boss.post(action, {"reason": "sends nonsense"}, follow=True)
    assert kept(refused)["fields"] == {"reason": ["sends nonsense"]}


# --- Size and keyboard ------------------------------------------------------------------------------------------------


def test_pages_are_compressed_each_time_to_another_length(boss):
    sizes = set()
    for _ in range(8):
        page = boss.get("/admin/", headers={"accept-encoding": "gzip, br"})
        assert page["Content-Encoding"] == "gzip"
        assert "Accept-Encoding" in page["Vary"]
        assert b"</html>" in gzip.decompress(page.content)
        sizes.add(len(page.content))
    assert len(sizes) > 1
    assert max(sizes) * 3 < len(gzip.decompress(page.content))
    assert "Content-Encoding" not in boss.get("/admin/")


def test_data_is_left_as_it_is(api, order):
    answer = api.get("/api/v1/orders", headers={"accept-encoding": "gzip"})
    assert "Content-Encoding" not in answer


def test_static_files_have_a_compressed_copy_without_https_too(tmp_path):
    from oms.compressing import GzippedStaticFilesStorage

    (tmp_path / "page.css").write_text("a { color: red }\n" * 100)
    storage = GzippedStaticFilesStorage(location=tmp_path, base_url="/static/")
    list(storage.post_process({"page.css": (storage, "page.css")}))
    copies = [path.name for path in tmp_path.glob("page*.css.gz")]
    assert len(copies) == 2
    assert not list(tmp_path.glob("*.br"))
    assert (CHECKOUT / "static") in project.STATICFILES_DIRS


@pytest.mark.parametrize("path", ["/admin/", "/merchant/"])
def test_the_first_link_of_a_page_leads_past_the_menu(boss, shop, path):
    MerchantUser.objects.create(user=get_user_model().objects.get(), merchant=shop.merchant)
    page = boss.get(path).content.decode()
    first = re.search(r"<(?:a|button|input|select)\b[^>]*>", page[page.index("<body") :])[0]
    assert first == '<a class="oms-skip" href="#content">'
    assert 'id="content"' in page


def test_whoever_may_not_see_it_is_told_so_and_nothing_is_kept(order):
    reader = client_of("view_order")
    assert reader.post(reverse("admin:orders_order_hold", args=[order.pk]), {"reason": "x"}).status_code == 403
    assert kept(reader.get("/admin/")) is None
