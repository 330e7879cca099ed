"""The one search box."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client

from logistics.models import Carrier, Shipment
from orders.admin.searching import find, phone_in
from orders.changing.readdressing import Recipient, change_recipient
from orders.intake import address_words
from orders.models import AddressWords, Order, SubOrder
from payments.models import Payment
from tests import factories, steps
from tests.matching import shops as matching

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


def of(shop: factories.Shop, name: str, phone: str, **more: Any) -> Order:
    """An order for the person."""
    recipient = {**shop.body()["recipient"], "name": name, "phone": phone}
    return shop.place_order(recipient=recipient, buyer={"id": f"B-{name}", "name": name, "phone": phone}, **more)


def test_a_part_of_it_finds_the_order_where_nothing_is_called_so(shop: factories.Shop) -> None:
    goods = factories.SkuFactory(merchant=shop.merchant, name="龙井茶叶礼盒 250g")
    wanted = of(shop, "欧阳雪晴", "13912349876")
    other = of(shop, "张三", "13700001234")
    gift = shop.place_order(
        recipient={**shop.body()["recipient"], "name": "李四", "phone": "13700005555"},
        buyer={"id": "B-W", "name": "王小二", "phone": "13700006666"},
    )
    sold = shop.place_order((goods, 1, "9.90"))
    part = factories.split_order((shop.sku, 1, "10.00"))
    carrier = Carrier.objects.create(code="SF", name="SF")
    sub_order = SubOrder.objects.get(order=part)
    Shipment.objects.create(
        number=f"{sub_order.number}-S1", sub_order=sub_order, carrier=carrier, waybill_number="SF1234567890"
    )
    meant = {
        "9876": {wanted.pk},
        "49876": {wanted.pk},
        "1349876": set(),
        "欧阳雪晴": {wanted.pk},
        "欧阳": {wanted.pk},
        "B-张三": {other.pk},
        "王小二": {gift.pk},
        "李四": {gift.pk},
        "龙井": {sold.pk},
        "7890": {part.pk},
        "f1234567890": {part.pk},
        "8890": set(),
        "阳雪": set(),
        "100%": set(),
        "_四": set(),
    }
    found = {text: set(find(text).order_ids) for text in meant}
    assert found == meant


@pytest.mark.django_db
def test_goods_that_nobody_has_matched_are_found_by_their_channels_name() -> None:
    mall = matching.make_shop()
    line = {"sku": "MALL-1", "name": "Gift box, spring edition", "quantity": 1, "unit_price": "10.00"}
    unknown = matching.place(mall, line)
    assert find("gift BOX").order_ids == {unknown.pk}


def test_what_is_called_exactly_so_comes_alone(shop: factories.Shop) -> None:
    of(shop, "张三", "13700009876")
    exact = shop.place_order(external_number="9876")
    assert find("9876").order_ids == {exact.pk}


def test_what_was_tried_is_said(shop: factories.Shop, boss: Client) -> None:
    page = boss.get(LIST, {"q": "4321"}, headers={"accept-language": "zh-hans"}).content.decode()
    assert "没有找到“4321”。已按以下方式查找：" in page
    assert "电话尾号" in page
    assert "运单尾号" in page
    box = boss.get("/admin/search/", {"s": "nobody"}).content.decode()
    assert "Looked for it as: external number, SKU code, caller&#x27;s code" in box
    assert "recipient, buyer, product" in box


def test_one_character_finds_who_is_called_so_and_else_is_told_what_is_needed(
    shop: factories.Shop, boss: Client
) -> None:
    of(shop, "王小明", "13700009876")
    page = boss.get(LIST, {"q": "王"}, headers={"accept-language": "zh-hans"}).content.decode()
    assert "没有找到“王”。已按以下方式查找：" in page
    assert "完整姓名" in page
    assert "姓名至少输入前两个字" in page
    short = of(shop, "王", "13700009877")
    buyer = shop.place_order(buyer={"id": "B7", "name": "王", "phone": "13900002222"})
    assert find("王").order_ids == {short.pk, buyer.pk}


@pytest.mark.parametrize(("text", "most"), [("4321", 4), ("欧阳", 4), ("nobody", 4), ("王", 4)])
def test_a_search_for_a_part_takes_as_many_statements_however_much_there_is(
    shop: factories.Shop, django_assert_max_num_queries: Any, text: str, most: int
) -> None:
    for number in range(3):
        of(shop, f"欧阳{number}", f"1370000432{number}")
    with django_assert_max_num_queries(most):
        find(text)


def test_ends_and_beginnings_are_found_by_their_indexes(shop: factories.Shop) -> None:
    of(shop, "欧阳雪晴", "13912349876")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for condition, index in (
            ("RIGHT(recipient_phone, 4) = '9876' AND recipient_phone LIKE '%9876'", "order_by_phone_tail"),
            ("recipient_name LIKE '欧阳%'", "order_by_recipient_name"),
        ):
            cursor.execute(f"EXPLAIN SELECT id FROM orders_order WHERE {condition}")
            assert index in str(cursor.fetchall())
        cursor.execute("EXPLAIN SELECT id FROM logistics_shipment WHERE RIGHT(waybill_number, 4) = '7890'")
        assert "shipment_by_waybill_tail" in str(cursor.fetchall())


# --- Words of addresses -----------------------------------------------------------------------------------------------


def at(shop: factories.Shop, address: str, **more: Any) -> Order:
    """An order that goes there, which the search knows of."""
    order = shop.place_order(recipient={**shop.body()["recipient"], "address": address}, **more)
    address_words.write()
    return order


@pytest.mark.parametrize(
    "text",
    [
        *("银杏街", "银杏街15号", "银杏街 15号", "15号 银杏街", "银杏街１５号", "Tower b"),
        *("东城区银杏街", "东城 银杏街", "北京 东城 银杏街", "北京市 银杏街", "阳光花园"),
        *("北京市东城区银杏街15号", "北京东城区银杏街 15号", "北京市北京市东城区银杏街", "北京银杏街"),
    ],
)
def test_words_of_an_address_find_its_orders(shop: factories.Shop, text: str) -> None:
    wanted = at(shop, "银杏街 15号（阳光花园）Tower B 602室")
    at(shop, "杏银街51号月光花园")
    assert find(text).order_ids == {wanted.pk}
    assert "地址" in [str(one) for one in find(text).tried]


@pytest.mark.parametrize(
    "text",
    [
        *("银杏街16号", "银杏", "北京市", "北京", "阳光大厦", "!!!", "１２３"),
        *("上海市银杏街15号", "上海 银杏街", "北京市西城区银杏街"),
    ],
)
def test_other_words_find_none(shop: factories.Shop, text: str) -> None:
    factories.RegionFactory(code="310101", province="上海市", city="上海市", district="黄浦区")
    at(shop, "银杏街15号阳光花园602室")
    assert not find(text).order_ids


def test_the_index_follows_the_address(shop: factories.Shop) -> None:
    order = at(shop, "银杏街15号")
    assert address_words.write() == 0
    change_recipient(order.pk, Recipient(address="梧桐路77弄"), actor=steps.STAFF)
    assert (find("银杏街").order_ids, find("梧桐路").order_ids) == (set(), {order.pk})
    late = shop.place_order(recipient={**shop.body()["recipient"], "address": "槐树巷3号"})
    assert not find("槐树巷").order_ids
    assert address_words.write() == 1
    assert find("槐树巷").order_ids == {late.pk}


def test_an_order_that_others_overtook_is_found_too(shop: factories.Shop) -> None:
    early, late = at(shop, "银杏街15号"), at(shop, "银杏街16号")
    AddressWords.objects.filter(order=early).delete()
    assert address_words.write() == 1
    assert find("银杏街").order_ids == {early.pk, late.pk}
