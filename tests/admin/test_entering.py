"""Orders that staff type."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

from inventory.models import Sku
from oms.merchants.models import Merchant
from orders.models import Order, OrderState
from tests import factories
from tests.admin import test_browser as browsing

pytestmark = pytest.mark.django_db
browser = browsing.browser
PASTED = "收货人：王小明 13812345678 北京市东城区世纪大道100号"


def _entry(shop: factories.Shop, **changed: Any) -> dict[str, Any]:
    """What the page would post of an order of two units."""
    return {
        "key": "TEL-0123456789AB",
        "channel": factories.ChannelFactory(merchant=shop.merchant).pk,
        "address": PASTED,
        "payment_method": "prepaid",
        "sku": [shop.sku.pk],
        "quantity": ["2"],
        "price": ["19.90"],
        "do": "place",
    } | changed


@pytest.fixture
def url() -> str:
    return reverse("admin:orders_order_enter")


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(factories.UserFactory(username="boss", is_superuser=True))
    return client


def test_an_order_is_placed_once_however_often_it_is_sent(shop: factories.Shop, staff: Client, url: str) -> None:
    entry = _entry(shop, freight="6", adjustment="-0.80", adjustment_reason="老客户", remark="周末送", buyer="C-7")
    for _time in range(2):
        answer = staff.post(url, entry)
        order = Order.objects.get()
        assert answer.headers["Location"] == reverse("admin:orders_order_change", args=[order.pk])
    assert order.payable_amount == Decimal("45.00")
    assert (order.recipient_name, order.recipient_phone) == ("王小明", "13812345678")
    assert (order.region.code, order.recipient_address) == ("110101", "世纪大道100号")
    assert (order.external_number, order.buyer_reference, order.state) == (
        "TEL-0123456789AB",
        "C-7",
        OrderState.AWAITING_PAYMENT,
    )
    assert order.events.order_by("pk").first().actor == "boss"


def test_the_preview_reads_the_text_and_shows_sums_parcels_and_what_is_short(
    shop: factories.Shop, staff: Client, url: str, in_english: None
) -> None:
    page = staff.post(url, _entry(shop, do="look", quantity=["99999"]), headers={"Accept-Language": "en"})
    form = page.context["form"]
    assert (form["name"].value(), form["phone"].value()) == ("王小明", "13812345678")
    assert form["address"].value() == "北京市东城区 世纪大道100号"
    assert page.context["order"].payable_amount == Decimal("19.90") * 99_999
    assert page.context["quote"]["short"] != []
    assert not Order.objects.exists()


def test_goods_are_found_by_name_and_added_with_price_and_what_can_be_sold(
    shop: factories.Shop, staff: Client, url: str
) -> None:
    other = factories.SkuFactory(merchant=factories.MerchantFactory(kind=Merchant.Kind.MARKETPLACE), name="别家的茶杯")
    Sku.objects.filter(pk=shop.sku.pk).update(name="青瓷茶杯")
    searched = staff.post(url, _entry(shop, do="search", search="茶杯", sku=[], quantity=[], price=[]))
    assert {one.sku for one in searched.context["found"]} == {shop.sku, other}
    [own] = [one for one in searched.context["found"] if one.sku == shop.sku]
    assert own.units is not None
    assert own.units > 0
    entry = _entry(shop, do="look", sku=[], quantity=[], price=[]) | {f"add-{shop.sku.pk}": "3"}
    [row] = staff.post(url, entry).context["rows"]
    assert (row.sku, row.quantity, row.price) == (shop.sku, "3", str(shop.sku.list_price))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"address": "张三 13812345678 胜利街1号"}, "The region is not certain"),
        ({"quantity": ["1.5"]}, "whole number of units"),
        ({"quantity": ["-3"]}, "whole number of units"),
        ({"price": ["abc"]}, "price of a unit"),
        ({"sku": [], "quantity": [], "price": []}, "at least one line"),
        ({"sku": ["999999"]}, "at least one line"),
        ({"sku": ["9" * 30]}, "at least one line"),
        ({"freight": "-1"}, "greater than or equal to 0"),
        ({"adjustment": "-100", "adjustment_reason": "x"}, "oms-text-danger"),
        ({"channel": "0"}, "valid choice"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_lost(
    shop: factories.Shop, staff: Client, url: str, changed: dict[str, Any], words: str
) -> None:
    page = staff.post(url, _entry(shop, remark="a remark that stays") | changed, headers={"Accept-Language": "en"})
    assert page.status_code == 200
    assert words in page.content.decode()
    assert "a remark that stays" in page.content.decode()
    assert not Order.objects.exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"adjustment": "-100", "adjustment_reason": "x"},
        {"adjustment": "-1"},
        {"phone": "12", "address": "北京市东城区1号"},
    ],
)
def test_the_preview_says_what_placing_would_refuse(
    shop: factories.Shop, staff: Client, url: str, changed: dict[str, Any]
) -> None:
    english = {"Accept-Language": "en"}
    told = staff.post(url, _entry(shop) | changed, headers=english).context["problems"]
    assert told

    shown = staff.post(url, _entry(shop, do="look") | changed, headers=english)
    assert shown.context["problems"] == told
    assert staff.post(url, _entry(shop, do="look"), headers=english).context["problems"] == []


def test_only_who_may_enters_orders(shop: factories.Shop, client: Client, url: str) -> None:
    person = factories.UserFactory(username="reader")
    person.user_permissions.set(Permission.objects.filter(codename__in=["view_order", "change_order"]))
    client.force_login(person)
    assert client.get(url).status_code == 403
    assert client.post(url, _entry(shop)).status_code == 403
    assert not Order.objects.exists()


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("width", [390, 1440])
def test_an_order_is_typed_in_a_browser_in_chinese(live_server: LiveServer, browser: Any, width: int) -> None:
    shop = factories.make_shop()
    Sku.objects.filter(pk=shop.sku.pk).update(name="青瓷茶杯")
    channel = factories.ChannelFactory(merchant=shop.merchant, name="电话订单")
    factories.UserFactory(username="boss", is_superuser=True)
    context = browser.new_context(viewport={"width": width, "height": 900}, locale="zh-CN", java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{live_server.url}/admin/orders/order/enter/")
    page.fill("#id_username", "boss")
    page.fill("#id_password", "password")
    page.click("#login-form button[type=submit]")

    page.select_option("#id_channel", str(channel.pk))
    page.fill("#id_address", PASTED)
    page.fill("#id_search", "茶杯")
    page.click("text=查找商品")
    page.fill(f"[name=add-{shop.sku.pk}]", "2")
    page.click("text=添加并预览")
    assert page.input_value("#id_name") == "王小明"
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")
    page.click("button[value=place]")
    order = Order.objects.get()
    assert page.url.endswith(f"/admin/orders/order/{order.pk}/change/")
    assert order.lines.get().quantity == 2
    context.close()
