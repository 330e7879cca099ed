"""Headers as the exports of shops and order systems write them, and words of their cells that came later."""

from decimal import Decimal

import pytest
from django.test import Client

from oms.common.files import tables
from oms.embedded import CHECKOUT
from orders.intake import cells, importing, sheets
from orders.intake.cells import Standing
from orders.models import Order
from tests import factories
from tests.operations.importing import HEADERS, changed, imported, row, told, workbook

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]

# Headers one by one, and what each means: nothing where it means no column, or could mean two.
ALONE = [
    line.split("\t")
    for line in (CHECKOUT / "tests" / "intake" / "cases" / "headers.tsv").read_text(encoding="utf-8").splitlines()
]
# Whole exports of platforms: platform, header, and the field that it means in this file.
OF_PLATFORMS = [
    line.split("\t")
    for line in (CHECKOUT / "tests" / "intake" / "cases" / "headers_of_platforms.tsv")
    .read_text(encoding="utf-8")
    .splitlines()
]
EXPORTS = {
    "WeChat shop": {
        "订单编号": "external_number",
        "下单时间": "ordered_at",
        "商品编码(自定义)": "sku",
        "商品数量": "quantity",
        "商品价格": "unit_price",
        "订单实际支付金额": "payable_amount",
        "收件人姓名": "recipient_name",
        "收件人手机": "recipient_phone",
        "收件人省份": "province",
        "收件人城市": "city",
        "收件人地区": "district",
        "收件人详细地址": "address",
        "用户备注": "remark",
    },
    "Douyin": {
        "主订单编号": "external_number",
        "商家编码": "sku",
        "商品数量": "quantity",
        "商品单价": "unit_price",
        "省": "province",
        "市": "city",
        "区": "district",
        "街道": "town",
        "详细地址": "address",
        "商家备注": "",
    },
    "Kuaishou": {"订单编号": "external_number", "SKU编码": "sku", "成交数量": "quantity", "快递费": "freight_amount"},
    "Youzan": {
        "订单号": "external_number",
        "收货人/提货人": "recipient_name",
        "收货人手机号/提货人手机号": "recipient_phone",
        "收货人地区": "district",
        "买家付款时间": "paid_at",
    },
    "Jushuitan": {"内部订单号": "", "线上订单号": "external_number", "固话": "recipient_phone", "付款日期": "paid_at"},
    "Wangdiantong": {
        "原始单号": "external_number",
        "平台状态": "order_status",
        "客户网名": "buyer_id",
        "货品数量": "quantity",
        "邮资": "freight_amount",
        "应收金额": "payable_amount",
    },
    "remarks behind headers": {
        "订单号*": "external_number",
        "收货人（必填）": "recipient_name",
        "手机号(11位)": "recipient_phone",
        "商品编码/SKU": "sku",
        "数量（个）": "quantity",
        "单价/元": "unit_price",
        "收货地址（省市区+详细）": "address",
        "下单时间(北京时间)": "ordered_at",
    },
    "brackets that change the meaning": {
        "订单号": "external_number",
        "数量(退货)": "",
        "单价(原价)": "",
        "金额(积分)": "",
        "Phone (Billing)": "billing_phone",
    },
    "the plainer header counts": {
        "订单号": "external_number",
        "总金额": "",
        "买家实际支付金额": "payable_amount",
        "备注": "",
        "买家留言": "remark",
    },
}


@pytest.mark.parametrize("export", EXPORTS)
def test_headers_of_each_export_are_guessed(shop: factories.Shop, export: str) -> None:
    headers = EXPORTS[export]

    assert dict(zip(headers, importing.suggest(sheets.KIND, list(headers), shop.merchant), strict=True)) == headers


@pytest.mark.parametrize("platform", sorted({platform for platform, _header, _field in OF_PLATFORMS}))
def test_headers_of_each_platform_mean_what_they_mean_there_or_nothing(shop: factories.Shop, platform: str) -> None:
    headers = {header: field for of, header, field in OF_PLATFORMS if of == platform}

    assert dict(zip(headers, importing.suggest(sheets.KIND, list(headers), shop.merchant), strict=True)) == headers


def test_what_staff_said_goes_before_a_plainer_header(shop: factories.Shop) -> None:
    headers = ["订单金额", "应付金额"]
    importing.remember(sheets.KIND, headers, ["payable_amount", ""], shop.merchant)

    assert importing.suggest(sheets.KIND, headers, shop.merchant) == ["payable_amount", ""]


def test_headers_as_people_write_them_are_known_or_left_alone(shop: factories.Shop) -> None:
    known = {header: importing.suggest(sheets.KIND, [header], shop.merchant)[0] for header, _name in ALONE}
    assert known == dict(ALONE)


@pytest.mark.parametrize(
    ("town", "address", "whole"),
    [
        ("建国门街道", "中山路861号", "建国门街道中山路861号"),
        ("建国门街道", "建国门街道中山路861号", "建国门街道中山路861号"),
        ("", "中山路861号", "中山路861号"),
    ],
)
def test_a_town_in_a_column_of_its_own_is_part_of_the_address(
    clerk: Client, shop: factories.Shop, town: str, address: str, whole: str
) -> None:
    cells_ = [*row("A-1", shop.sku.code, 详细地址=address), town]

    imported(clerk, shop, workbook(cells_, headers=[*changed({}), "街道"]))

    assert len(HEADERS) == len(cells_) - 1
    assert Order.objects.get().recipient_address == whole


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Nov 20, 2026", "2026-11-20T00:00:00+08:00"),
        ("20 Nov 2026 10:30", "2026-11-20T10:30:00+08:00"),
        ("November 20th, 2026 at 10:30 pm", "2026-11-20T22:30:00+08:00"),
    ],
)
def test_english_months_are_certain(text: str, expected: str) -> None:
    assert cells.moment(text).isoformat() == expected


@pytest.mark.parametrize("text", ["11/20/2026", "20 Foo 2026", "Nov 2026", "Nov 31, 2026", "2026-11-20 10:30 CST"])
def test_other_days_are_not(text: str) -> None:
    with pytest.raises(cells.NoValue):
        cells.moment(text)


def test_a_sign_before_units_is_noise() -> None:
    assert [cells.units(text) for text in ("×2", "x2", "* 3", "2件")] == [2, 2, 3, 2]
    with pytest.raises(cells.NoValue):
        cells.units("2x3")
    assert cells.amount("12") == Decimal(12)


@pytest.mark.parametrize(
    ("word", "standing"),
    [
        ("订单关闭（超时未支付）", Standing.OVER),
        ("未付款交易关闭", Standing.OVER),
        ("(删除)等待出库", Standing.OVER),
        ("已撤单", Standing.OVER),
        ("拒收", Standing.OVER),
        ("待付款（24小时后自动取消）", Standing.UNPAID),
        ("锁定", Standing.UNCLEAR),
        ("拼团中", Standing.UNCLEAR),
        ("换货中", Standing.UNCLEAR),
        ("on-hold", Standing.UNCLEAR),
        ("已拆单", Standing.UNCLEAR),
        ("未申请换货", Standing.OPEN),
        ("退款关闭", Standing.OPEN),
        ("已成团", Standing.OPEN),
        ("unfulfilled", Standing.OPEN),
    ],
)
def test_states_of_channels_are_told_apart(word: str, standing: Standing) -> None:
    assert cells.standing(word) is standing


@pytest.mark.parametrize(
    ("word", "method"),
    [
        ("快捷支付", "prepaid"),
        ("找人代付", "prepaid"),
        ("礼品卡支付", "prepaid"),
        ("抖音月付", "prepaid"),
        ("刷卡", "刷卡"),
    ],
)
def test_words_of_payment_that_came_later(word: str, method: str) -> None:
    assert cells.payment_method(word) == method


# --- Rows that say less than an order, or more


def test_rows_below_merged_cells_are_lines_of_the_order_above(clerk: Client, shop: factories.Shop) -> None:
    below = [None] * 8 + [shop.other_sku.code, 1, 5]

    imported(clerk, shop, workbook(row("A-1", shop.sku.code), below, row("A-2", shop.sku.code)))

    first = Order.objects.get(external_number="A-1")
    assert list(first.lines.values_list("sku__code", "quantity")) == [(shop.sku.code, 2), (shop.other_sku.code, 1)]
    assert Order.objects.get(external_number="A-2").line_count == 1


def test_a_row_without_a_number_that_says_of_an_order_is_refused_as_ever(clerk: Client, shop: factories.Shop) -> None:
    imported(clerk, shop, workbook(row("A-1", shop.sku.code), row("", shop.sku.code)))

    assert Order.objects.get().line_count == 1
    assert told() == ["row 3, External order number: This field is required."]


def test_a_row_of_totals_is_left_out(clerk: Client, shop: factories.Shop) -> None:
    totals = ["合计：1单", *[None] * 8, 2, 21, 6]

    job = imported(clerk, shop, workbook(row("A-1", shop.sku.code), totals))

    assert Order.objects.count() == 1
    assert (job.progress["outcomes"], job.progress["rows_left_out"]) == ({"done": 1, "left_out": 1}, 1)


def test_the_error_of_a_formula_is_no_value(clerk: Client, shop: factories.Shop) -> None:
    imported(
        clerk,
        shop,
        workbook(row("#N/A", shop.sku.code), row("A-2", shop.sku.code, 收货人="#REF!"), row("#A-3", shop.sku.code)),
    )

    assert Order.objects.get().external_number == "A-3"
    assert [text.split(": ")[:2] for text in told()] == [
        ["row 2, External order number", "Excel shows #N/A here"],
        ["row 3, Recipient", "Excel shows #REF! here"],
    ]


def test_cells_that_span_rows_of_a_web_page_leave_the_columns_in_place() -> None:
    page = (
        "<table><tr><th>订单号</th><th>收货人</th><th>商品编码</th><th>备注</th></tr>"
        "<tr><td rowspan=2>A-1</td><td rowspan='2'>张华</td><td>P1</td><td rowspan=2>x</td></tr>"
        "<tr><td>P2</td></tr><tr><td>A-2</td><td>李四</td><td>P3</td><td>y</td></tr></table>"
    )

    rows = [cells_ for _number, cells_ in tables.read_table(page.encode()).rows]

    assert rows == [["A-1", "张华", "P1", "x"], ["", "", "P2", ""], ["A-2", "李四", "P3", "y"]]


def test_bars_may_stand_between_cells() -> None:
    table = tables.read_table("订单号|商品编码\nA-1|P1\n".encode())

    assert (table.headers, table.rows) == (["订单号", "商品编码"], [(2, ["A-1", "P1"])])
