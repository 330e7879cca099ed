"""Whole exports of platforms whose headers mean something of their own."""

import pytest
from django.test import Client

from orders.models import Order
from tests import factories
from tests.operations.importing import imported, text_file, told

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


# --- 1688: the order's total beside the price of a unit, and a change of price that is negative for a discount


def test_a_discount_and_a_dearer_price_of_1688_change_what_is_to_pay(clerk: Client, shop: factories.Shop) -> None:
    headers = [
        *("订单编号", "货品总价(元)", "运费(元)", "涨价或折扣(元)", "实付款(元)", "订单状态", "订单付款时间"),
        *("收货人姓名", "收货地址", "联系手机", "单价(元)", "数量", "货号", "单品货号", "SKU ID"),
    ]
    who = ("等待卖家发货", "2026-01-02 09:00:00", "张华", "北京市东城区中山路861号", "13800001111")

    job = imported(
        clerk,
        shop,
        text_file(
            headers,
            ["A1", "30.00", "5.00", "-2.50", "32.50", *who, "10.00", "3", "H-1", shop.sku.code, "4711"],
            ["A2", "30.00", "0.00", "1.00", "31.00", *who, "10.00", "3", shop.other_sku.code, "", "4712"],
        ),
    )

    assert (job.failed, told()) == (0, [])
    cheaper, dearer = Order.objects.order_by("external_number")
    assert (str(cheaper.payable_amount), str(cheaper.adjustment_amount)) == ("32.50", "-2.50")
    assert (str(dearer.payable_amount), str(dearer.adjustment_amount)) == ("31.00", "1.00")
    assert [order.lines.get().sku.code for order in (cheaper, dearer)] == [shop.sku.code, shop.other_sku.code]


# --- TikTok Shop: the seller's code beside the platform's, totals of lines, the whole order's freight in each row


def test_an_export_of_tiktok_shop_becomes_orders_of_the_sellers_codes(clerk: Client, shop: factories.Shop) -> None:
    headers = [
        *("Order ID", "Order Status", "SKU ID", "Seller SKU", "Quantity", "SKU Unit Original Price"),
        *("SKU Subtotal After Discount", "Shipping Fee After Discount", "Order Amount", "Created Time", "Paid Time"),
        *("Recipient", "Phone #", "Detail Address", "Buyer Message", "Seller Note"),
    ]
    times = ("2026-01-02 09:00:00", "2026-01-02 09:01:00")
    who = ("张华", "13800001111", "北京市东城区中山路861号", "请放门卫", "老客户")

    job = imported(
        clerk,
        shop,
        text_file(
            headers,
            ["57651", "To ship", "1729", shop.sku.code, "3", "5.00", "10.00", "6.00", "36.00", *times, *who],
            ["57651", "To ship", "1730", shop.other_sku.code, "1", "25.00", "20.00", "6.00", "36.00", *times, *who],
        ),
    )

    assert (job.failed, told()) == (0, [])
    order = Order.objects.get()
    assert (str(order.payable_amount), str(order.freight_amount), order.remark) == ("36.00", "6.00", "请放门卫")
    assert {line.sku.code for line in order.lines.all()} == {shop.sku.code, shop.other_sku.code}
    assert order.collected_at is not None
