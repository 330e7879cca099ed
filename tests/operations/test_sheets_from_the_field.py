"""Sheets as shops export them and people write them: what is read of them, and what is refused with row and column."""

import io
from decimal import Decimal

import pytest
import xlsxwriter
from django.test import Client

from orders.intake import cells, importing, sheets
from orders.intake.cells import NoValue
from orders.models import Order
from tests import factories
from tests.operations.importing import HEADERS, changed, imported, row, text_file, told, workbook

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


# --- Numbers


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("12.50", "12.50"),
        ("1,234", "1234"),
        ("12,345.60", "12345.60"),
        ("1,234,567.89", "1234567.89"),
        ("¥12.50", "12.50"),
        ("￥1,234.00", "1234.00"),
        ("12.5元", "12.5"),
        ("１２．５", "12.5"),
        ("1，234", "1234"),
        ("−0.09", "-0.09"),
        ("", "0"),
    ],
)
def test_amounts_are_read(text: str, amount: str) -> None:
    assert cells.amount(text) == Decimal(amount)


@pytest.mark.parametrize(
    "text",
    ["12,50", "1234,5", "1,23", "1,2345", "12,34,567", "1.234,56", ",50", "1,234,5", "12 .5", "$12", "1E3", "abc"],
)
def test_a_comma_that_does_not_group_thousands_is_refused(text: str) -> None:
    with pytest.raises(NoValue):
        cells.amount(text)


def test_a_decimal_comma_is_refused_at_its_row_and_column(clerk: Client, shop: factories.Shop) -> None:
    rows = [row("A-1", shop.sku.code), row("A-1", shop.other_sku.code), row("A-1", shop.sku.code, 单价="12,50")]

    job = imported(clerk, shop, workbook(*rows))

    assert job.failed == 1
    assert told() == [
        "row 4, Unit price: Give a number such as 12.34. A comma may only group thousands, as in 1,234.50."
    ]


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("单价", "十元", "row 4, Unit price"),
        ("单价", "-1", "row 4, Unit price"),
        ("数量", "1.5", "row 4, Quantity"),
        ("数量", "两件", "row 4, Quantity"),
        ("商品编码", "", "row 4, SKU"),
        ("商品编码", "nothing", "row 4, SKU"),
        ("收货人", "李四", "row 4, Recipient"),
        ("运费", "7", "row 4, Freight"),
    ],
)
def test_blame_names_the_faulty_row_of_an_order_and_the_column(
    clerk: Client, shop: factories.Shop, field: str, value: str, place: str
) -> None:
    rows = [row("A-1", shop.sku.code), row("A-1", shop.other_sku.code), row("A-1", shop.sku.code, **{field: value})]

    imported(clerk, shop, workbook(*rows))

    assert [text.partition(":")[0] for text in told()] == [place]


def test_a_row_that_cannot_be_read_is_told_all_its_faults_and_none_that_only_follows(
    clerk: Client, shop: factories.Shop
) -> None:
    faulty = row("A-1", "nothing", 单价="12,50", 手机号="138123", 下单时间="gestern")
    content = workbook([*faulty, "26.00"], [*row("A-2", shop.sku.code), "27.00"], headers=[*HEADERS, "实付款"])

    job = imported(clerk, shop, content)

    assert {line.split(": ")[0] for line in told()} == {
        "row 2, Ordered at",
        "row 2, Unit price",
        "row 2, Recipient's phone",
        "row 2, SKU",
    }
    assert (job.failed, Order.objects.get().external_number) == (1, "A-2")


def test_blame_of_a_field_of_the_order_names_the_row_that_fills_it(clerk: Client, shop: factories.Shop) -> None:
    empty = {"手机号": "", "运费": ""}
    rows = [row("A-1", shop.sku.code, **empty), row("A-1", shop.other_sku.code, 手机号="12", 运费="1,5")]

    imported(clerk, shop, workbook(*rows))

    assert [text.partition(":")[0] for text in told()] == ["row 3, Freight", "row 3, Recipient's phone"]


# --- Times


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("46346.41667", "2026-11-20T10:00:00+08:00"),
        ("46346.416667", "2026-11-20T10:00:00+08:00"),
        ("46346.4375", "2026-11-20T10:30:00+08:00"),
        ("46346", "2026-11-20T00:00:00+08:00"),
        ("2026年11月20日 10时30分", "2026-11-20T10:30:00+08:00"),
        ("2026年11月20日10时30分15秒", "2026-11-20T10:30:15+08:00"),
        ("2026年11月20日 10:30", "2026-11-20T10:30:00+08:00"),
        ("2026年11月20日 下午3点半", "2026-11-20T15:30:00+08:00"),
        ("2026年11月20日 星期五 上午9:05", "2026-11-20T09:05:00+08:00"),
        ("2026年1月2日9时", "2026-01-02T09:00:00+08:00"),
        ("２０２６／１１／２０　１０：３０", "2026-11-20T10:30:00+08:00"),
        ("2026.11.20 10:30:00", "2026-11-20T10:30:00+08:00"),
        ("20261120", "2026-11-20T00:00:00+08:00"),
        ("20261120103000", "2026-11-20T10:30:00+08:00"),
        ("2026-11-20T10:30:00.123+08:00", "2026-11-20T10:30:00+08:00"),
        ("2026-11-20 10:30:00 +0800", "2026-11-20T10:30:00+08:00"),
        ("2026-11-20T02:30:00Z", "2026-11-20T02:30:00+00:00"),
        ("2026-11-20T103000", "2026-11-20T10:30:00+08:00"),
        ("2026/11/20 3:05 PM", "2026-11-20T15:05:00+08:00"),
        ("2026-11-20 24:00", "2026-11-21T00:00:00+08:00"),
        ("1795141800", "2026-11-20T10:30:00+08:00"),
        ("1795141800000", "2026-11-20T10:30:00+08:00"),
    ],
)
def test_times_are_read_in_chinas_time(text: str, expected: str) -> None:
    assert cells.moment(text).isoformat() == expected


@pytest.mark.parametrize(
    "text",
    ["26/11/20", "11/20/2026", "2026-13-01", "2026-02-30", "2026年11月", "昨天", "12345", "2026-11-20 25:00", "0"],
)
def test_what_is_no_certain_time_is_refused(text: str) -> None:
    with pytest.raises(NoValue):
        cells.moment(text)


@pytest.mark.parametrize("text", ["46346.41667", 46346.416667, "2026年11月20日 10时0分"])
def test_a_time_in_a_sheet_becomes_the_orders(clerk: Client, shop: factories.Shop, text: object) -> None:
    imported(clerk, shop, workbook(row("A-1", shop.sku.code, 下单时间=text)))

    assert Order.objects.get().ordered_at.isoformat() == "2026-11-20T02:00:00+00:00"


# --- Headers


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("数量(件)", "quantity"),
        ("数量（件）", "quantity"),
        ("数量/件", "quantity"),
        ("商品数量(个)", "quantity"),
        ("单价(元)", "unit_price"),
        ("单价（单位：元）", "unit_price"),
        ("单价[元]", "unit_price"),
        ("实付款(元)", "payable_amount"),
        ("用户实付金额(元)", "payable_amount"),
        ("运费（元）", "freight_amount"),
        ("收货人（必填）", "recipient_name"),
        ("积分抵扣(元)", "points_amount"),
        ("Points (yuan)", "points_amount"),
        ("Price (CNY)", "unit_price"),
        ("付款时间", "paid_at"),
        ("订单状态", "order_status"),
        ("退款状态", "refund_status"),
        ("抹零", "adjustment"),
        ("改价(元)", "adjustment"),
        ("买家会员名", "buyer_id"),
    ],
)
def test_units_behind_a_header_are_noise(shop: factories.Shop, header: str, field: str) -> None:
    assert importing.suggest(sheets.KIND, [header], shop.merchant) == [field]


SHOPIFY = {
    "Name": "external_number",
    "Email": "buyer_id",
    "Financial Status": "payment_status",
    "Paid at": "paid_at",
    "Fulfillment Status": "order_status",
    "Currency": "currency",
    "Subtotal": "",
    "Shipping": "freight_amount",
    "Taxes": "",
    "Total": "payable_amount",
    "Discount Code": "",
    "Discount Amount": "coupon_amount",
    "Shipping Method": "",
    "Created at": "ordered_at",
    "Lineitem quantity": "quantity",
    "Lineitem name": "name",
    "Lineitem price": "unit_price",
    "Lineitem sku": "sku",
    "Billing Name": "buyer_name",
    "Shipping Name": "recipient_name",
    "Shipping Street": "address",
    "Shipping City": "city",
    "Shipping Phone": "recipient_phone",
    "Notes": "remark",
    "Cancelled at": "cancelled_at",
    "Payment Method": "payment_method",
    "Vendor": "",
    "Id": "",
    "Source": "",
}


def test_a_shopify_export_is_understood(shop: factories.Shop) -> None:
    assert dict(zip(SHOPIFY, importing.suggest(sheets.KIND, list(SHOPIFY), shop.merchant), strict=True)) == SHOPIFY


def test_name_is_a_persons_where_no_line_items_stand(shop: factories.Shop) -> None:
    assert importing.suggest(sheets.KIND, ["Order Number", "Name"], shop.merchant) == [
        "external_number",
        "recipient_name",
    ]


def test_a_shopify_export_becomes_orders(clerk: Client, shop: factories.Shop) -> None:
    headers = ["Name", "Financial Status", "Paid at", "Shipping", "Total", "Created at", "Lineitem quantity"]
    headers += ["Lineitem price", "Lineitem sku", "Shipping Name", "Shipping Street", "Shipping Phone"]
    head = ["6.00", "51.50", "2026-01-02 09:00:00 +0800"]
    who = ["张华", "北京市东城区中山路861号", "13800001111"]
    paid = ["#1001", "paid", "2026-01-02 09:01:00 +0800", *head, 2, "10.00", shop.sku.code, *who]
    second = ["#1001", *[""] * 5, 1, "25.50", shop.other_sku.code, "", "", ""]
    refunded = ["#1002", "refunded", "2026-01-02 09:01:00 +0800", *head, 2, "10.00", shop.sku.code, *who]
    its_second = ["#1002", *[""] * 5, 1, "25.50", shop.other_sku.code, "", "", ""]

    job = imported(clerk, shop, text_file(headers, paid, second, refunded, its_second))

    assert job.progress["outcomes"] == {"done": 1, "left_out": 1}, told()
    order = Order.objects.get()
    assert (order.external_number, order.line_count, str(order.payable_amount)) == ("1001", 2, "51.50")
    assert (order.region_id, order.recipient_address) == ("110101", "中山路861号")
    assert order.collected_at is not None


@pytest.mark.parametrize(
    ("first", "second", "phone"),
    [("", "13800001111", "13800001111"), ("021-62223333", "13800001111", "021-62223333")],
    ids=["blank", "both"],
)
def test_of_two_phones_the_first_that_is_filled_counts(
    clerk: Client, shop: factories.Shop, first: str, second: str, phone: str
) -> None:
    headers = [*changed({"手机号": "联系电话"}), "联系手机"]

    job = imported(clerk, shop, workbook([*row("A-1", shop.sku.code, 手机号=first), second], headers=headers))

    assert job.failed == 0, told()
    assert Order.objects.get().recipient_phone == phone


# --- Words of payment


@pytest.mark.parametrize(
    ("text", "method"),
    [
        *[
            (word, "prepaid")
            for word in (
                *(
                    "支付宝",
                    "微信支付",
                    "微信",
                    "4-在线支付",
                    "在线支付",
                    "4-在线支付-微信",
                    "银联",
                    "花呗",
                    "银行转账",
                    "余额支付",
                ),
                *(
                    "支付宝-担保交易",
                    "1、在线支付",
                    "Alipay",
                    "WeChat Pay",
                    "prepaid",
                    "PREPAID",
                    "款到发货",
                    "非货到付款",
                ),
            )
        ],
        *[
            (word, "cod")
            for word in ("货到付款", "1-货到付款", "到付", "cod", "COD", "Cash on Delivery (COD)", "货到付款-现金")
        ],
    ],
)
def test_words_of_payment_are_known_whatever_code_stands_before(text: str, method: str) -> None:
    assert cells.payment_method(text) == method


def test_a_word_of_payment_that_nobody_knows_is_refused(clerk: Client, shop: factories.Shop) -> None:
    content = workbook([*row("A-1", shop.sku.code), "贝壳"], headers=[*HEADERS, "支付方式"])

    imported(clerk, shop, content)

    assert told() == ["row 2, Payment method: Give one of: prepaid, cod."]


# --- Excel's guards


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("#1001", "1001"),
        ('="2026000000000001"', "2026000000000001"),
        ("'2026000000000001", "2026000000000001"),
        ("`2026000000000001", "2026000000000001"),
        ("2026\u200b0000\ufeff00000001\u200e", "2026000000000001"),
        ("2026000000000001\t", "2026000000000001"),
        ("\u00a02026000000000001 ", "2026000000000001"),
        ("２０２６０００１", "20260001"),
    ],
)
@pytest.mark.parametrize("form", ["xlsx", "csv"])
def test_guards_around_a_number_are_no_part_of_it(
    clerk: Client, shop: factories.Shop, cell: str, number: str, form: str
) -> None:
    cells_ = row(cell, shop.sku.code)
    content = workbook(cells_)
    if form == "csv":
        content = text_file(HEADERS, [str(each).replace('"', '""') for each in cells_])
    elif cell.startswith("="):  # written as text, as an export does
        file = io.BytesIO()
        book = xlsxwriter.Workbook(file, {"strings_to_formulas": False})
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, HEADERS)
        sheet.write_row(1, 0, cells_)
        book.close()
        content = file.getvalue()

    imported(clerk, shop, content)

    assert list(Order.objects.values_list("external_number", flat=True)) == [number], told()
