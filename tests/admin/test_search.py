"""The one search box."""

import pytest
from django.test import Client

from logistics.models import Carrier, Shipment
from orders.admin.searching import find, phone_in
from orders.models import SubOrder
from payments.models import Payment
from tests import factories

LIST = "/admin/orders/order/"


def test_every_kind_of_number_opens_its_order(shop: factories.Shop, boss: Client) -> None:
    order = factories.split_order((shop.sku, 1, "10.00"), external_number="Ab-99/x")
    buyer = {"id": "B7", "name": "李四", "phone": "13900002222"}
    gift = shop.place_order((shop.other_sku, 1, "25.50"), buyer=buyer)
    sub_order = SubOrder.objects.get(order=order)
    Shipment.objects.create(
        number=f"{sub_order.number}-S1",
        sub_order=sub_order,
        carrier=Carrier.objects.create(code="SF", name="SF"),
        waybill_number="SF1234567890",
    )
    Payment.objects.create(number=f"{gift.number}-P1", order=gift, means="external", amount=1)
    meant = {
        order.number: order,
        f" {order.number[:4]} {order.number[4:]} ": order,
        sub_order.number: order,
        "Ab-99/x": order,
        "SF1234567890": order,
        "sf1234567890": order,
        shop.sku.code: order,
        "139 0000-2222": gift,
        "+86 13900002222": gift,
        f"{gift.number}-P1": gift,
    }

    for text, wanted in meant.items():
        response = boss.get(LIST, {"q": text})
        assert response.status_code == 302, text
        assert response["Location"] == f"{LIST}{wanted.pk}/change/"


def test_what_fits_several_orders_lists_them_newest_first(shop: factories.Shop, boss: Client) -> None:
    first, second = shop.place_order(), shop.place_order()
    shop.place_order(
        (shop.other_sku, 1, "25.50"),
        recipient={**shop.body()["recipient"], "phone": "13900003333"},
        buyer={"id": "B2", "name": "王五", "phone": "13900003333"},
    )

    page = boss.get(LIST, {"q": "138-0000-1111"}).context["cl"]
    assert [order.pk for order in page.result_list] == [second.pk, first.pk]


def test_letters_are_compared_as_they_are(shop: factories.Shop) -> None:
    shop.place_order(external_number="ABC")
    assert not find("abc").order_ids
    assert not find("AB").order_ids


def test_a_mistyped_order_number_is_told_so(shop: factories.Shop, boss: Client) -> None:
    number = shop.place_order().number
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)

    response = boss.get(LIST, {"q": wrong})
    assert "its check digit is wrong" in response.content.decode()
    assert response.context["cl"].result_list == []
    assert not find(number[:-1]).is_mistyped_number


def test_a_search_takes_two_statements(shop: factories.Shop, django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    shop.place_order()
    with django_assert_num_queries(2):
        find("13800001111")


@pytest.mark.parametrize(
    ("text", "phone"),
    [
        ("13800001111", "13800001111"),
        ("138-0000 1111", "13800001111"),
        ("+86 138 0000 1111", "13800001111"),
        ("23800001111", None),
        ("1380000111", None),
        ("SF1380000111", None),
    ],
)
def test_phones_are_recognised(text: str, phone: str | None) -> None:
    assert phone_in(text) == phone


def test_the_command_box_finds_orders_and_pages(shop: factories.Shop, boss: Client, reader: Client) -> None:
    order = shop.place_order(external_number="CamelCase")
    found = boss.get("/admin/search/", {"s": "CamelCase", "extended": "1"}).content.decode()
    assert f"/admin/orders/order/{order.pk}/change/" in found
    assert "/admin/inventory/stock/" in boss.get("/admin/search/", {"s": "stock", "extended": "1"}).content.decode()
    assert "/admin/inventory/stock/" not in reader.get("/admin/search/", {"s": "stock"}).content.decode()
    assert boss.get("/admin/search/", {"s": " "}).content == b""


def test_the_search_box_is_on_every_page(shop: factories.Shop, boss: Client) -> None:
    for path in ("/admin/", "/admin/inventory/stock/", f"{LIST}{shop.place_order().pk}/change/"):
        assert 'id="order-search"' in boss.get(path).content.decode()
