"""Whole exports of shops: without unit prices, with names and addresses in several columns, in two files."""

from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from oms.common.masking import is_masked
from oms.common.models import Job
from orders.intake.line_prices import of_total
from orders.intake.sheet_recipients import full_name, province_of
from orders.models import Hold, Order
from tests import factories, steps
from tests.operations.importing import finish, guessed, imported, text_file, told

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


# --- Pinduoduo: totals instead of unit prices, and the address below the word for a street district

PINDUODUO = {
    "商品": "name",
    "订单号": "external_number",
    "订单状态": "order_status",
    "商品总价(元)": "line_total",
    "邮费(元)": "freight_amount",
    "店铺优惠折扣(元)": "coupon_amount",
    "平台优惠折扣(元)": "subsidy",
    "多多支付立减金额(元)": "subsidy",
    "上门安装费(元)": "freight_extra",
    "用户实付金额(元)": "payable_amount",
    "商家实收金额(元)": "",
    "商品数量(件)": "quantity",
    "收货人": "recipient_name",
    "手机": "recipient_phone",
    "省": "province",
    "市": "city",
    "区": "district",
    "街道": "address",
    "拼单成功时间": "ordered_at",
    "订单确认时间": "",
    "承诺发货时间": "",
    "商品id": "",
    "商家编码-规格维度": "sku",
    "商家编码-商品维度": "product_code",
    "售后状态": "refund_status",
    "商家备注": "",
}


def of_pinduoduo(number: str, sku: str, **changes: object) -> list[object]:
    values: dict[str, object] = {
        **dict.fromkeys(PINDUODUO, ""),
        "商品": "坚果礼盒",
        "订单号": number,
        "订单状态": "待发货",
        "商品总价(元)": "10.00",
        "邮费(元)": "0.00",
        "店铺优惠折扣(元)": "0.00",
        "平台优惠折扣(元)": "0.00",
        "多多支付立减金额(元)": "0.00",
        "上门安装费(元)": "0.00",
        "用户实付金额(元)": "10.00",
        "商品数量(件)": "3",
        "收货人": "张华",
        "手机": "13800001111",
        "省": "北京市",
        "市": "北京市",
        "区": "东城区",
        "街道": "东华门街道中山路861号",
        "拼单成功时间": "2026-01-02 09:00:00",
        "商家编码-规格维度": sku,
        "售后状态": "无售后或售后取消",
        **changes,
    }
    return [values[header] for header in PINDUODUO]


def test_the_headers_of_pinduoduo_are_known(shop: factories.Shop) -> None:
    assert guessed(shop, list(PINDUODUO)) == PINDUODUO


def test_an_export_of_pinduoduo_becomes_orders_whose_sums_are_exact(clerk: Client, shop: factories.Shop) -> None:
    discounts = {"店铺优惠折扣(元)": "1.50", "平台优惠折扣(元)": "2.00", "多多支付立减金额(元)": "0.30"}
    content = text_file(
        list(PINDUODUO),
        of_pinduoduo("260102-1", shop.sku.code),
        of_pinduoduo("260102-2", shop.sku.code, **{**discounts, "邮费(元)": "3.00", "用户实付金额(元)": "9.20"}),
        of_pinduoduo("260102-3", "", **{"商家编码-商品维度": shop.sku.code}),
    )

    job = imported(clerk, shop, content)

    assert (job.failed, told()) == (0, [])
    first, second, third = Order.objects.order_by("external_number")
    line = first.lines.get()
    assert (str(line.unit_price), str(line.line_discount), line.quantity) == ("3.34", "0.02", 3)
    assert (str(first.payable_amount), first.collected_at is not None) == ("10.00", True)
    assert (str(second.payable_amount), str(second.coupon_amount), str(second.adjustment_amount)) == (
        *("9.20", "1.50", "-2.30"),
    )
    assert second.recipient_address == "东华门街道中山路861号"
    assert third.lines.get().sku.code == shop.sku.code
    assert steps.broken_invariants() == []


@pytest.mark.parametrize("sign", ["", "-"])
def test_a_discount_lowers_the_price_with_a_minus_and_without(clerk: Client, shop: factories.Shop, sign: str) -> None:
    discounts = {"店铺优惠折扣(元)": f"{sign}1.50", "平台优惠折扣(元)": f"{sign}2.00"}

    imported(
        clerk,
        shop,
        text_file(list(PINDUODUO), of_pinduoduo("1", shop.sku.code, **{**discounts, "用户实付金额(元)": "6.50"})),
    )

    assert [str(order.payable_amount) for order in Order.objects.all()] == ["6.50"], told()


def test_what_was_paid_is_the_price_where_there_is_no_other(clerk: Client, shop: factories.Shop) -> None:
    headers = [header for header in PINDUODUO if header != "商品总价(元)"]
    kept = [i for i, header in enumerate(PINDUODUO) if header != "商品总价(元)"]
    row = of_pinduoduo(
        "1", shop.sku.code, **{"邮费(元)": "3.00", "店铺优惠折扣(元)": "1.50", "用户实付金额(元)": "9.20"}
    )
    twice = of_pinduoduo("2", shop.sku.code), of_pinduoduo("2", shop.other_sku.code)

    imported(clerk, shop, text_file(headers, *[[cells[i] for i in kept] for cells in (row, *twice)]))

    order = Order.objects.get()
    line = order.lines.get()
    # 9.20 − 3.00 + 1.50 = 7.70 for three units.
    assert (line.unit_price * 3 - line.line_discount, str(order.payable_amount)) == (Decimal("7.70"), "9.20")
    assert told() == [
        f"row {number}, Unit price: The order has several lines, and only a sum for all of them. Give each line's"
        " price or total."
        for number in (3, 4)
    ]


def test_the_freight_counts_once_under_two_names_and_a_fee_beside_it_adds_to_it(
    clerk: Client, shop: factories.Shop
) -> None:
    headers = [*(header for header in PINDUODUO if header != "用户实付金额(元)"), "买家应付邮费"]
    row = of_pinduoduo("1", shop.sku.code, **{"邮费(元)": "10.00", "上门安装费(元)": "5.00"})
    cells = [cell for header, cell in zip(PINDUODUO, row, strict=True) if header != "用户实付金额(元)"]

    imported(clerk, shop, text_file(headers, [*cells, "10.00"]))

    assert [str(order.freight_amount) for order in Order.objects.all()] == ["15.00"], told()


def test_a_code_of_the_product_whose_digits_excel_cut_off_is_refused(clerk: Client, shop: factories.Shop) -> None:
    row = of_pinduoduo("1", "", **{"商家编码-商品维度": "1.23E+12"})

    imported(clerk, shop, text_file(list(PINDUODUO), row))

    assert not Order.objects.exists()
    assert any("Excel has cut off digits of this number" in text for text in told())


def test_a_sum_that_is_not_the_channels_is_refused(clerk: Client, shop: factories.Shop) -> None:
    sums = {"店铺优惠折扣(元)": "1.50", "平台优惠折扣(元)": "0.50", "用户实付金额(元)": "9.99"}

    imported(clerk, shop, text_file(list(PINDUODUO), of_pinduoduo("1", shop.sku.code, **sums)))

    assert not Order.objects.exists()
    assert told() == [
        "row 2, Payable: The amounts add up to 8.00, not to 9.99: goods 10.00 + freight 0.00 - deductions 1.50"
        " + adjustment -0.50, which is negative where it makes the order cheaper."
    ]


@pytest.mark.parametrize(
    ("total", "units", "price", "discount"),
    [("10.00", 3, "3.34", "0.02"), ("9.99", 3, "3.33", "0.00"), ("0.01", 2, "0.01", "0.01"), ("5.00", 0, "5.00", "0")],
)
def test_the_total_of_a_line_is_kept_to_the_fen(total: str, units: int, price: str, discount: str) -> None:
    found = of_total(Decimal(total), units)

    assert (found.unit_price, found.discount) == (Decimal(price), Decimal(discount))


# --- WooCommerce: billing and shipping, each in six columns

WOOCOMMERCE = {
    "Order Number": "external_number",
    "Order Status": "order_status",
    "Order Date": "ordered_at",
    "Customer Note": "remark",
    "First Name (Billing)": "billing_first_name",
    "Last Name (Billing)": "billing_last_name",
    "Company (Billing)": "",
    "Address 1&2 (Billing)": "billing_address",
    "City (Billing)": "billing_city",
    "State Code (Billing)": "billing_province",
    "Postcode (Billing)": "",
    "Country Code (Billing)": "",
    "Email (Billing)": "buyer_id",
    "Phone (Billing)": "billing_phone",
    "First Name (Shipping)": "first_name",
    "Last Name (Shipping)": "last_name",
    "Address 1&2 (Shipping)": "address",
    "City (Shipping)": "city",
    "State Code (Shipping)": "province",
    "Postcode (Shipping)": "",
    "Country Code (Shipping)": "",
    "Payment Method Title": "payment_method",
    "Cart Discount Amount": "coupon_amount",
    "Order Subtotal Amount": "",
    "Order Shipping Amount": "freight_amount",
    "Order Refund Amount": "",
    "Order Total Amount": "payable_amount",
    "SKU": "sku",
    "Item #": "",
    "Item Name": "name",
    "Quantity (- Refund)": "quantity",
    "Item Cost": "unit_price",
}


def of_woocommerce(number: str, sku: str, **changes: object) -> list[object]:
    values: dict[str, object] = {
        **dict.fromkeys(WOOCOMMERCE, ""),
        "Order Number": number,
        "Order Status": "Processing",
        "Order Date": "2026-01-02 09:00:00",
        "First Name (Billing)": "雷",
        "Last Name (Billing)": "李",
        "Address 1&2 (Billing)": "东城区中山路1号",
        "City (Billing)": "北京",
        "State Code (Billing)": "CN2",
        "Email (Billing)": "lilei@example.com",
        "Phone (Billing)": "13800001111",
        "First Name (Shipping)": "小明",
        "Last Name (Shipping)": "王",
        "Address 1&2 (Shipping)": "东城区中山路861号",
        "City (Shipping)": "北京",
        "State Code (Shipping)": "CN2",
        "Payment Method Title": "Alipay",
        "Order Shipping Amount": "6.00",
        "Order Total Amount": "26.00",
        "SKU": sku,
        "Quantity (- Refund)": "2",
        "Item Cost": "10.00",
        **changes,
    }
    return [values[header] for header in WOOCOMMERCE]


def test_the_headers_of_woocommerce_are_known(shop: factories.Shop) -> None:
    assert guessed(shop, list(WOOCOMMERCE)) == WOOCOMMERCE


def test_an_export_of_woocommerce_goes_to_whom_it_is_shipped(clerk: Client, shop: factories.Shop) -> None:
    nobody = dict.fromkeys(
        ["First Name (Shipping)", "Last Name (Shipping)", "Address 1&2 (Shipping)", "City (Shipping)"], ""
    )
    latin = {"First Name (Shipping)": "John", "Last Name (Shipping)": "Smith"}

    job = imported(
        clerk,
        shop,
        text_file(
            list(WOOCOMMERCE),
            of_woocommerce("1", shop.sku.code),
            of_woocommerce("2", shop.sku.code, **nobody, **{"State Code (Shipping)": ""}),
            of_woocommerce("3", shop.sku.code, **latin),
        ),
    )

    assert (job.failed, told()) == (0, [])
    kept = Order.objects.order_by("external_number").values_list(
        "recipient_name", "recipient_phone", "region_id", "recipient_address", "payable_amount"
    )
    assert list(kept) == [
        ("王小明", "13800001111", "110101", "中山路861号", Decimal("26.00")),
        ("李雷", "13800001111", "110101", "中山路1号", Decimal("26.00")),
        ("John Smith", "13800001111", "110101", "中山路861号", Decimal("26.00")),
    ]


def test_a_second_line_of_an_address_follows_the_first(clerk: Client, shop: factories.Shop) -> None:
    headers = ["Order Number", "Shipping First Name", "Shipping Last Name", "Shipping Phone", "Shipping Address 1"]
    headers += ["Shipping Address 2", "Shipping City", "Shipping State", "SKU", "Quantity", "Item Cost"]
    row = ["1", "小明", "王", "13800001111", "东城区中山路861号", "3单元1502", "北京市", "Beijing / 北京"]

    imported(clerk, shop, text_file(headers, [*row, shop.sku.code, "1", "10.00"]))

    order = Order.objects.get()
    assert (order.recipient_name, order.recipient_address) == ("王小明", "中山路861号 3单元1502"), told()


@pytest.mark.parametrize(
    ("given", "family", "name"),
    [("小明", "王", "王小明"), ("John", "Smith", "John Smith"), ("王小明", "", "王小明"), ("", "王小明", "王小明")],
)
def test_a_name_of_two_columns_is_in_the_order_of_its_language(given: str, family: str, name: str) -> None:
    assert full_name(given, family) == name


@pytest.mark.parametrize(
    ("given", "family", "name"),
    [
        ("王小明", "王小明", "王小明"),
        ("王小明", "王", "王小明"),
        ("小明", "王小明", "王小明"),
        ("王 小明", "王小明", "王 小明"),
        ("欧阳娜娜", "欧阳", "欧阳娜娜"),
        ("王**", "王**", "王**"),
        ("John Smith", "John Smith", "John Smith"),
        ("John Smith", "JOHN SMITH", "John Smith"),
        ("John", "John Smith", "John Smith"),
        ("John Smith", "Smith", "John Smith"),
        ("Xiaoming Wang", "Wang Xiaoming", "Xiaoming Wang"),
        ("Mary-Ann O'Neil", "O’Neil", "Mary-Ann O'Neil"),
        # Two names each, not one that is there twice.
        ("方", "方", "方方"),
        ("阳", "欧阳", "欧阳阳"),
        ("Li", "Li", "Li Li"),
        ("Johnson", "John", "Johnson John"),
    ],
)
def test_a_whole_name_in_one_column_or_in_both_is_there_once(given: str, family: str, name: str) -> None:
    assert full_name(given, family) == name


def test_a_shop_that_writes_the_whole_name_in_both_columns_gets_it_on_the_label_once(
    clerk: Client, shop: factories.Shop
) -> None:
    headers = ["Order Number", "Shipping First Name", "Shipping Last Name", "Shipping Phone", "Shipping Address 1"]
    headers += ["SKU", "Quantity", "Item Cost"]
    where = ["13800001111", "北京市东城区中山路861号", shop.sku.code, "1", "10.00"]

    imported(clerk, shop, text_file(headers, ["1", "王小明", "王小明", *where], ["2", "John", "John Smith", *where]))

    names = Order.objects.order_by("external_number").values_list("recipient_name", flat=True)
    assert list(names) == ["王小明", "John Smith"], told()


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("CN20", "广东"),
        ("CN1", "云南"),
        ("CN32", "新疆"),
        ("CN33", "CN33"),
        ("CN0", "CN0"),
        ("Guangdong / 广东", "广东"),
    ],
)
def test_codes_of_provinces_are_those_of_woocommerce(code: str, name: str) -> None:
    assert province_of(code) == name


# --- Taobao: orders in one file, goods in another

ORDERS = ["订单编号", "买家会员名", "买家应付货款", "买家应付邮费", "买家实际支付金额", "订单状态", "收货人姓名"]
ORDERS += ["收货地址 ", "联系手机", "订单创建时间", "订单付款时间 ", "宝贝总数量"]
GOODS = ["子订单编号", "主订单编号", "标题", "价格", "购买数量", "商家编码", "订单状态", "退款状态"]
PLACED = ["李雷", "20.00", "6.00", "", "买家已付款，等待卖家发货", "张华", "北京市 东城区 中山路861号", "'13800001111"]
PLACED += ["2026-01-02 09:00:00", "2026-01-02 09:01:00", "3"]


def two_files(client: Client, shop: factories.Shop, first: bytes, second: bytes) -> Any:
    files = {"file": SimpleUploadedFile("订单.csv", first), "second": SimpleUploadedFile("宝贝.csv", second)}
    return client.post("/admin/orders/order/import/", {"merchant": shop.merchant.pk, **files})


def order_rows(*numbers: str) -> bytes:
    return text_file(ORDERS, *[[number, *PLACED] for number in numbers])


def test_a_report_of_orders_alone_says_what_belongs_to_it(clerk: Client, shop: factories.Shop) -> None:
    answer = clerk.post(
        "/admin/orders/order/import/",
        {"merchant": shop.merchant.pk, "file": SimpleUploadedFile("订单.csv", order_rows("1"))},
    )

    page = clerk.get(answer["Location"]).content.decode()

    assert "No column holds: SKU, Quantity." in page
    assert "Upload its report of items (宝贝报表) of the same time beside it, as the second file" in page


@pytest.mark.parametrize("is_turned", [False, True], ids=["orders first", "goods first"])
def test_two_reports_are_one_import(clerk: Client, shop: factories.Shop, is_turned: bool) -> None:
    goods = text_file(
        GOODS,
        ["11", "1", "坚果", "10.00", "1", shop.sku.code, "买家已付款，等待卖家发货", "没有申请退款"],
        ["12", "1", "茶", "5.00", "2", shop.other_sku.code, "买家已付款，等待卖家发货", "没有申请退款"],
        ["99", "9", "茶", "5.00", "2", shop.other_sku.code, "买家已付款，等待卖家发货", "没有申请退款"],
    )
    files = [order_rows("1", "2"), goods]
    address = two_files(clerk, shop, *(reversed(files) if is_turned else files))["Location"]
    job = Job.objects.get()
    clerk.post(address, {**{f"column-{i}": name for i, name in enumerate(job.params["fields"])}, "start": "1"})
    finish()

    order = Order.objects.get()
    assert (order.external_number, order.line_count, str(order.payable_amount)) == ("1", 2, "26.00"), told()
    assert order.recipient_name == "张华"
    # Neither the order without goods nor the goods without an order are lost without a word.
    assert [text.partition(":")[0] for text in told()] == [
        *("row 3, SKU", "row 3, Quantity", "row 3, Unit price"),
        *("row 4, Recipient", "row 4, Recipient's phone", "row 4, Address"),
    ]


def test_goods_below_merged_cells_belong_to_the_order_above_them(clerk: Client, shop: factories.Shop) -> None:
    paid = ["买家已付款，等待卖家发货", "没有申请退款"]
    goods = text_file(
        GOODS,
        ["11", "1", "坚果", "26.00", "1", shop.sku.code, *paid],
        ["12", "", "茶", "0.00", "2", shop.other_sku.code, *paid],
        ["13", "2", "坚果", "26.00", "1", shop.sku.code, *paid],
    )
    address = two_files(clerk, shop, order_rows("1", "2"), goods)["Location"]
    job = Job.objects.get()
    clerk.post(address, {**{f"column-{i}": name for i, name in enumerate(job.params["fields"])}, "start": "1"})
    finish()

    assert dict(Order.objects.values_list("external_number", "line_count")) == {"1": 2, "2": 1}, told()


def test_two_files_without_a_common_number_are_refused(clerk: Client, shop: factories.Shop) -> None:
    page = two_files(clerk, shop, order_rows("1"), text_file(GOODS[2:], ["茶", "5.00", "2", "x", "", ""])).content

    assert "Both files need a column with the number of the order" in page.decode()
    assert not Job.objects.exists()


# --- Masked phones


@pytest.mark.parametrize("phone", ["138****8000", "138XXXX8000", "138xxxx8000", "138 XXXX 8000", "+86138XXXX8000"])
def test_a_phone_with_hidden_digits_holds_the_order(clerk: Client, shop: factories.Shop, phone: str) -> None:
    row = of_pinduoduo("1", shop.sku.code, 手机=phone)

    imported(clerk, shop, text_file(list(PINDUODUO), row))

    assert (Order.objects.get().recipient_phone, Hold.objects.count()) == (phone, 1), told()


@pytest.mark.parametrize("text", ["北京市朝阳区XX街道", "13800008000", "XXX", "2x3", "A座3xxx"])
def test_letters_for_names_are_no_mask(text: str) -> None:
    assert not is_masked(text)
