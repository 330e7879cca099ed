"""Exports with headers in traditional characters."""

import pytest

from oms.common.files import tables
from tests import factories
from tests.operations.importing import guessed

pytestmark = pytest.mark.django_db


TAIWAN = {
    "訂單編號": "external_number",
    "訂購日期": "ordered_at",
    "收件人": "recipient_name",
    "電話": "recipient_phone",
    "縣市": "city",
    "鄉鎮市區": "district",
    "收件地址": "address",
    "商品名稱": "name",
    "貨號": "sku",
    "數量": "quantity",
    "單價": "unit_price",
    "運費": "freight_amount",
    "備註": "remark",
    "付款方式": "payment_method",
    "訂單狀態": "order_status",
}


def test_headers_in_traditional_characters_are_known(shop: factories.Shop) -> None:
    assert guessed(shop, list(TAIWAN)) == TAIWAN
    assert guessed(shop, ["收貨人", "收貨人電話", "詳細地址", "區縣", "商品編碼", "實付金額"]) == {
        "收貨人": "recipient_name",
        "收貨人電話": "recipient_phone",
        "詳細地址": "address",
        "區縣": "district",
        "商品編碼": "sku",
        "實付金額": "payable_amount",
    }


def test_the_header_is_found_below_a_title_in_traditional_characters() -> None:
    known = {"订单编号", "收件人", "电话"}
    table = tables.read_table("訂單匯出\n訂單編號,收件人,電話\n1,張華,13800001111\n".encode(), known)

    assert (table.headers, len(table.rows)) == (["訂單編號", "收件人", "電話"], 1)
