"""What staff and merchants see of what carts hold, and of channels' shares."""

import pytest
from django.urls import reverse

from inventory.models import ChannelShare, Sku, StockHold
from tests import factories
from tests.admin.conftest import client_of
from tests.holding import carts
from tests.holding.carts import reserved
from tests.merchants.test_merchant_admin import person_of

pytestmark = pytest.mark.django_db

LIST = "/admin/inventory/stockhold/"


@pytest.fixture
def cart(api, shop):
    """Three units for a cart."""
    number = reserved(api, (shop.sku, 3), source=shop.channel.code, reference="cart-77")["number"]
    return StockHold.objects.get(pk=StockHold.id_of(number))


def test_staff_see_who_holds_what_until_when_and_find_it_by_its_number(cart, shop):
    staff = client_of("view_stockhold")

    listed = staff.get(LIST).content.decode()
    assert all(text in listed for text in (cart.number, "cart-77", "Held", shop.channel.name))
    assert cart.number in staff.get(LIST, {"q": cart.number}).content.decode()
    assert "cart-77" not in staff.get(LIST, {"q": "123456789012"}).content.decode()
    page = staff.get(f"{LIST}{cart.pk}/change/").content.decode()
    assert f"{shop.sku.code}: 3 of 3" in page
    assert "Give back" not in page


def test_only_who_may_gives_a_cart_back(cart, shop):
    action = reverse("admin:inventory_stockhold_release", args=[cart.pk])

    assert client_of("view_stockhold").post(action).status_code == 403
    assert carts.figures(shop.sku) == [(100, 3)]
    staff = client_of("view_stockhold", "release_stockhold", username="anna")
    assert "Give back" in staff.get(f"{LIST}{cart.pk}/change/").content.decode()
    told = staff.post(action, follow=True).content.decode()
    assert f"Set-aside {cart.number}: Given back." in told
    assert carts.figures(shop.sku) == [(100, 0)]
    assert StockHold.objects.get().closed_by == "anna"


def test_what_an_order_has_is_given_back_by_nobody_and_leads_to_the_order(cart, shop):
    order = shop.place_order((shop.sku, 3, "10.00"), payment_method="cod", reservation=cart.number)
    staff = client_of("view_stockhold", "release_stockhold", "view_order")

    page = staff.get(f"{LIST}{cart.pk}/change/").content.decode()
    assert order.number in page
    told = staff.post(reverse("admin:inventory_stockhold_release", args=[cart.pk]), follow=True).content.decode()
    assert "An order has these units; they go back when it is cancelled." in told
    assert carts.figures(shop.sku) == [(100, 3)]


def test_lists_take_as_many_statements_for_many_carts_as_for_one(cart, api, shop, django_assert_max_num_queries):
    staff = client_of("view_stockhold")
    staff.get(LIST)
    with django_assert_max_num_queries(60) as one:
        staff.get(LIST)
    for _cart in range(4):
        reserved(api, (shop.sku, 1), (shop.other_sku, 1), source=shop.channel.code)
    with django_assert_max_num_queries(60) as many:
        staff.get(LIST)

    assert len(many.captured_queries) == len(one.captured_queries)


def test_staff_say_what_a_channel_may_sell(shop):
    staff = client_of(
        *("view_channelshare", "add_channelshare", "change_channelshare", "view_channel", "view_sku"), username="anna"
    )
    add = "/admin/inventory/channelshare/add/"
    values = {"channel": shop.channel.pk, "sku": shop.sku.pk, "percent": 50, "kept_back": 5, "cap": 30}
    values |= {"presale_percent": 25}

    assert staff.post(add, {**values, "percent": 101}).status_code == 200
    assert staff.post(add, {**values, "presale_percent": 101}).status_code == 200
    assert ChannelShare.objects.count() == 0
    assert staff.post(add, values).status_code == 302
    share = ChannelShare.objects.get()
    assert (share.percent, share.kept_back, share.cap, share.changed_by) == (50, 5, 30, "anna")
    assert share.presale_percent == 25
    assert ">30<" in staff.get("/admin/inventory/channelshare/").content.decode()
    change = f"/admin/inventory/channelshare/{share.pk}/change/"
    assert staff.post(change, {"percent": 20, "kept_back": 0, "cap": "", "presale_percent": 0}).status_code == 302
    assert list(ChannelShare.objects.values_list("sku", "percent", "cap")) == [(shop.sku.pk, 20, None)]
    assert ">20<" in staff.get("/admin/inventory/channelshare/").content.decode()


def test_a_marketplace_channel_has_no_share_of_anothers_goods(shop):
    staff = client_of("view_channelshare", "add_channelshare", "view_channel", "view_sku")
    channel = factories.ChannelFactory()
    values = {"channel": channel.pk, "sku": shop.sku.pk, "percent": 50, "kept_back": 0, "cap": "", "presale_percent": 0}

    answer = staff.post("/admin/inventory/channelshare/add/", values)
    Sku.objects.filter(pk=shop.sku.pk).update(is_active=False)
    off_sale = staff.post("/admin/inventory/channelshare/add/", {**values, "channel": shop.channel.pk})

    assert "The channel does not sell this SKU." in answer.content.decode()
    assert "The channel does not sell this SKU." in off_sale.content.decode()
    assert ChannelShare.objects.count() == 0


def test_merchants_see_their_carts_and_what_their_channels_may_sell_and_nobody_elses(cart, shop):
    person = person_of(shop.merchant)
    stranger = person_of(factories.MerchantFactory(), "wang")

    assert cart.number in person.get("/merchant/inventory/stockhold/").content.decode()
    page = person.get(f"/merchant/inventory/stockhold/{cart.pk}/change/").content.decode()
    assert f"{shop.sku.code}: 3 of 3" in page
    assert f"{shop.channel.code}: 97" in person.get("/merchant/inventory/sku/").content.decode()
    assert cart.number not in stranger.get("/merchant/inventory/stockhold/").content.decode()
    assert stranger.get(f"/merchant/inventory/stockhold/{cart.pk}/change/").status_code in (302, 404)
