"""Sheets as channels export them: addresses in one column, rows that are over, money that was paid, any file."""

from decimal import Decimal

import pytest
from django.test import Client

from oms.common.files import tables
from orders.intake import cells
from orders.intake.cells import Standing
from orders.models import Hold, Order
from payments.models import Payment
from payments.taking import expiring, recording, requesting
from tests import factories, steps
from tests.operations.importing import HEADERS, changed, imported, report, row, text_file, told, workbook

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


# --- One address column


@pytest.fixture
def chaoyang(db: None) -> None:
    """Two districts of one name."""
    factories.RegionFactory(code="110105", city="北京市", district="朝阳区")
    factories.RegionFactory(code="220104", province="吉林省", city="长春市", district="朝阳区")


def one_address(shop: factories.Shop, address: str) -> bytes:
    kept = [i for i, header in enumerate(HEADERS) if header not in ("省", "市", "区")]
    cells_ = row("A-1", shop.sku.code, 详细地址=address)
    headers = changed({"详细地址": "收货地址"})
    return workbook([cells_[i] for i in kept], headers=[headers[i] for i in kept])


@pytest.mark.parametrize(
    "address", ["北京市东城区中山路861号", "北京 北京市 东城区 中山路861号", "北京东城区中山路861号"]
)
def test_one_column_of_addresses_is_read(clerk: Client, shop: factories.Shop, address: str) -> None:
    imported(clerk, shop, one_address(shop, address))

    order = Order.objects.get()
    assert (order.region_id, order.recipient_address, order.open_holds) == ("110101", "中山路861号", 0)


def test_an_address_that_is_not_certain_holds_the_order(clerk: Client, shop: factories.Shop, chaoyang: None) -> None:
    job = imported(clerk, shop, one_address(shop, "朝阳区建国路88号3单元1502"))

    order = Order.objects.get()
    assert (order.region_id, order.recipient_address) == (None, "朝阳区建国路88号3单元1502")
    hold = Hold.objects.get(order=order)
    candidates = " ".join(hold.details["candidates"])
    assert (hold.kind, "110105" in candidates, "220104" in candidates) == ("address", True, True)
    assert job.progress["held"] == 1
    (text,) = told()
    assert text.startswith("row 2, Address: Held: The region of the address is not certain.")
    assert report(job)[1][1][4] == text
    assert steps.broken_invariants() == []


@pytest.mark.parametrize(
    ("province", "city", "district", "column"),
    [
        ("江苏省", "苏州市", "鼓楼区", "District"),
        ("河北省", "", "桥西区", "District"),
        ("江苏省", "无此市", "鼓楼区", "City"),
    ],
    ids=["not of the city", "two cities have it", "no such city"],
)
def test_names_that_contradict_each_other_are_refused(
    clerk: Client, shop: factories.Shop, province: str, city: str, district: str, column: str
) -> None:
    for code, *names in (
        ("320106", "江苏省", "南京市", "鼓楼区"),
        ("320505", "江苏省", "苏州市", "虎丘区"),
        ("130104", "河北省", "石家庄市", "桥西区"),
        ("130503", "河北省", "邢台市", "桥西区"),
    ):
        factories.RegionFactory(code=code, **dict(zip(("province", "city", "district"), names, strict=True)))

    imported(clerk, shop, workbook(row("A-1", shop.sku.code, 省=province, 市=city, 区=district)))

    assert [text.partition(":")[0] for text in told()] == [f"row 2, {column}"]
    assert not Order.objects.exists()


@pytest.mark.parametrize(
    ("province", "city", "district", "code"),
    [
        ("云南省", "大理州", "祥云县", "532923"),
        ("云南省", "大理白族自治州", "祥云县", "532923"),
        ("云南", "大理", "祥云", "532923"),
        ("新疆维吾尔自治区", "阿克苏", "库车市", "652902"),
        ("新疆", "阿克苏地区", "库车", "652902"),
        ("湖北省", "省直辖县级行政区划", "仙桃市", "429004"),
        ("湖北省", "仙桃市", "", "429004"),
        ("北京市", "市辖区", "东城区", "110101"),
        ("北京", "", "东城", "110101"),
        ("北京市", "东城区", "", "110101"),
        ("云南省", "昆明市", "祥云县", ""),
    ],
)
def test_cities_are_known_as_people_write_them(
    clerk: Client, shop: factories.Shop, province: str, city: str, district: str, code: str
) -> None:
    for known, *names in (
        ("532923", "云南省", "大理白族自治州", "祥云县"),
        ("652902", "新疆维吾尔自治区", "阿克苏地区", "库车市"),
        ("429004", "湖北省", "仙桃市", "仙桃市"),
    ):
        factories.RegionFactory(code=known, **dict(zip(("province", "city", "district"), names, strict=True)))

    imported(clerk, shop, workbook(row("A-1", shop.sku.code, 省=province, 市=city, 区=district)))

    assert list(Order.objects.values_list("region_id", flat=True)) == ([code] if code else [])


@pytest.mark.parametrize("city", ["", "市辖区", "苏州市"])
def test_a_city_without_meaning_may_be_left_out_where_one_district_fits(
    clerk: Client, shop: factories.Shop, city: str
) -> None:
    factories.RegionFactory(code="320505", province="江苏省", city="苏州市", district="虎丘区")

    imported(clerk, shop, workbook(row("A-1", shop.sku.code, 省="江苏省", 市=city, 区="虎丘区")))

    assert Order.objects.get().region_id == "320505"


# --- What the channel is done with, and what it was paid

OVER, PAID, UNPAID, UNCLEAR, OPEN = (*(Standing.OVER, Standing.PAID, Standing.UNPAID, Standing.UNCLEAR, Standing.OPEN),)


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        *[
            (word, OVER)
            for word in ("交易关闭", "已关闭", "已退款", "退款成功", "已取消", "交易关闭(买家取消)", "TRADE_CLOSED")
        ],
        *[(word, OVER) for word in ("TRADE_CLOSED_BY_TAOBAO", "refunded", "voided", "Cancelled", "已作废")],
        *[(word, OVER) for word in ("已发货", "交易成功", "已签收", "卖家已发货，等待买家确认", "fulfilled")],
        *[
            (word, PAID)
            for word in ("买家已付款", "买家已付款，等待卖家发货", "已付款", "已支付", "待发货", "等待卖家发货")
        ],
        *[(word, PAID) for word in ("paid", "WAIT_SELLER_SEND_GOODS", "支付成功", "processing")],
        *[(word, UNPAID) for word in ("等待买家付款", "待付款", "未付款", "未支付", "unpaid", "pending", "已付定金")],
        *[(word, UNCLEAR) for word in ("退款中", "部分退款", "申请退款", "部分发货", "partially_refunded", "取消中")],
        *[(word, OPEN) for word in ("新单", "没有申请退款", "退款关闭", "无售后", "正常", "已成团")],
    ],
)
def test_words_of_states_are_known(word: str, meaning: Standing) -> None:
    assert cells.standing(word) is meaning


def stated(shop: factories.Shop, *states: tuple[str, str], header: str = "订单状态") -> bytes:
    """A row each of an order of its own."""
    rows = [[*row(number, shop.sku.code), state] for number, state in states]
    return workbook(*rows, headers=[*HEADERS, header])


def test_closed_and_refunded_rows_are_left_out_and_counted(clerk: Client, shop: factories.Shop) -> None:
    states = [("A-1", "买家已付款"), ("A-2", "交易关闭"), ("A-3", "已退款"), ("A-4", "等待买家付款")]

    job = imported(clerk, shop, stated(shop, *states))

    assert job.progress["outcomes"] == {"done": 2, "left_out": 2}
    assert (job.progress["rows_left_out"], job.failed) == (2, 0)
    assert set(Order.objects.values_list("external_number", flat=True)) == {"A-1", "A-4"}
    assert [line[2] for line in report(job)[1][1:]] == [
        "Done",
        "Left out by its state",
        "Left out by its state",
        "Done",
    ]
    page = clerk.get(f"/admin/common/job/{job.pk}/change/").content.decode()
    assert "Rows left out by their state" in page


def test_of_an_order_only_the_closed_rows_are_left_out(clerk: Client, shop: factories.Shop) -> None:
    rows = [
        [*row("A-1", shop.sku.code), ""],
        [*row("A-1", shop.other_sku.code, 单价=25.5), "退款成功"],
        [*row("A-1", shop.sku.code, 数量=1, 单价=9), "退款关闭"],
    ]

    job = imported(clerk, shop, workbook(*rows, headers=[*HEADERS, "退款状态"]))

    order = Order.objects.get()
    assert (order.line_count, str(order.payable_amount)) == (2, "36.00")
    assert job.progress["rows_left_out"] == 1
    assert told() == ["row 2: Row 3 was left out: 退款成功."]


def test_an_order_that_the_channel_is_not_done_with_is_refused(clerk: Client, shop: factories.Shop) -> None:
    job = imported(clerk, shop, stated(shop, ("A-1", "退款中")))

    assert job.failed == 1
    assert told()[0].startswith("row 2, State of the order in the channel: The channel is not done with this order")


@pytest.mark.parametrize(
    ("header", "value", "paid_at"),
    [
        ("付款时间", "2026-01-02 09:05:00", "2026-01-02T01:05:00+00:00"),
        ("付款时间", 46024.37847222, "2026-01-02T01:05:00+00:00"),
        ("订单状态", "买家已付款", "2026-01-02T01:00:00+00:00"),
        ("付款状态", "成功", "2026-01-02T01:00:00+00:00"),
    ],
)
def test_what_was_paid_already_is_captured_and_asked_of_nobody(
    clerk: Client, shop: factories.Shop, header: str, value: object, paid_at: str
) -> None:
    content = workbook([*row("A-1", shop.sku.code), value], headers=[*HEADERS, header])

    imported(clerk, shop, content)
    factories.run(requesting.intend, expiring.run, recording.book_collected)

    order = Order.objects.get()
    assert (order.state, order.payment_state, order.pay_by) == ("in_review", "paid", None)
    payment = Payment.objects.get()
    assert (payment.provider, payment.state, str(payment.captured_amount)) == ("external", "captured", "27.00")
    assert payment.captured_at is not None
    assert payment.captured_at.isoformat() == paid_at
    assert steps.broken_invariants() == []


@pytest.mark.parametrize(
    ("headers", "values"),
    [
        (["付款时间", "支付方式"], ["2026-01-02 09:05:00", "货到付款"]),
        (["付款时间", "订单状态"], ["2026-01-02 09:05:00", "等待买家付款"]),
    ],
)
def test_a_row_that_is_paid_and_not_paid_is_refused(
    clerk: Client, shop: factories.Shop, headers: list[str], values: list[object]
) -> None:
    imported(clerk, shop, workbook([*row("A-1", shop.sku.code), *values], headers=[*HEADERS, *headers]))

    assert [text.partition(": The row names a time of payment")[0] for text in told()] == [
        "row 2, Paid at (taken by the channel)"
    ]


@pytest.mark.parametrize("at", ["2099-01-02 09:00:00", "1970-01-01 08:00:00"])
def test_a_time_of_payment_that_cannot_be_is_refused(clerk: Client, shop: factories.Shop, at: str) -> None:
    imported(clerk, shop, workbook([*row("A-1", shop.sku.code), at], headers=[*HEADERS, "付款时间"]))

    assert told() == ["row 2, Paid at (taken by the channel): The time lies in the future or before the year 2000."]


def test_an_order_on_delivery_that_waits_to_be_sent_is_not_paid(clerk: Client, shop: factories.Shop) -> None:
    content = workbook([*row("A-1", shop.sku.code), "待发货", "货到付款"], headers=[*HEADERS, "订单状态", "支付方式"])

    imported(clerk, shop, content)

    order = Order.objects.get()
    assert (order.payment_method, order.payment_state, order.collected_at) == ("cod", "on_delivery", None)


# --- Changes of price, remarks, currency


@pytest.mark.parametrize("header", ["抹零", "改价", "优惠调整", "平台补贴(元)", "卖家改价"])
def test_a_change_of_price_is_taken_with_its_sign_and_kept_with_a_reason(
    clerk: Client, shop: factories.Shop, header: str
) -> None:
    rows = [
        [*row("A-1", shop.sku.code), "-0.09"],
        [*row("A-2", shop.sku.code), "0.00"],
        [*row("A-3", shop.sku.code), ""],
    ]

    imported(clerk, shop, workbook(*rows, headers=[*HEADERS, header]))

    kept = Order.objects.order_by("external_number").values_list(
        "external_number", "adjustment_amount", "adjustment_reason", "adjustment_bearer"
    )
    assert [(number, str(amount), reason, bearer) for number, amount, reason, bearer in kept] == [
        ("A-1", "-0.09", "channel_changed_the_price", "platform"),
        ("A-2", "0.00", "", ""),
        ("A-3", "0.00", "", ""),
    ]
    first, second, _third = Order.objects.order_by("external_number")
    assert second.payable_amount - first.payable_amount == Decimal("0.09")
    assert steps.broken_invariants() == []


def test_changes_of_price_in_several_columns_are_one(clerk: Client, shop: factories.Shop) -> None:
    headers = [*HEADERS, "抹零", "改价"]
    imported(clerk, shop, workbook([*row("A-1", shop.sku.code), "-0.09", "-1.00"], headers=headers))

    assert str(Order.objects.get().adjustment_amount) == "-1.09"


def test_a_change_of_price_that_is_no_amount_is_refused_by_its_column(clerk: Client, shop: factories.Shop) -> None:
    imported(clerk, shop, workbook([*row("A-1", shop.sku.code), "some"], headers=[*HEADERS, "抹零"]))

    (text,) = told()
    assert text.startswith("row 2, Change of price: Give a number such as 12.34.")
    assert not Order.objects.exists()


@pytest.mark.parametrize(
    "remark", ["请放门卫\n谢谢", "请放门卫\r\n谢谢", "请放门卫 \n\n 谢谢", "请放门卫\u2028谢谢", "请放门卫\x0b谢谢"]
)
def test_a_line_break_in_a_remark_is_a_blank(clerk: Client, shop: factories.Shop, remark: str) -> None:
    content = text_file([*HEADERS, "买家留言"], [*row("A-1", shop.sku.code), remark])

    imported(clerk, shop, content)

    assert Order.objects.get().remark == "请放门卫 谢谢"


def test_amounts_in_another_currency_are_refused(clerk: Client, shop: factories.Shop) -> None:
    rows = [[*row("A-1", shop.sku.code), "USD"], [*row("A-2", shop.sku.code), "CNY"]]

    imported(clerk, shop, workbook(*rows, headers=[*HEADERS, "Currency"]))

    assert told() == ["row 2, Currency: Amounts are in yuan (CNY); USD is not taken."]
    assert Order.objects.get().external_number == "A-2"


# --- The table in the file


def page_of(*rows: list[object], encoding: str = "utf-8", meta: str = "") -> bytes:
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells_) + "</tr>" for cells_ in rows)
    return f"<html><head>{meta}</head><body><table border=1>{body}</table></body></html>".encode(encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_a_web_page_under_the_name_of_a_workbook_is_read(clerk: Client, shop: factories.Shop, encoding: str) -> None:
    remark = [*HEADERS, "买家留言"]
    content = page_of(remark, [*row("A-1", shop.sku.code), "请放门卫<br/>谢谢&nbsp;&amp;"], encoding=encoding)

    job = imported(clerk, shop, content)

    assert job.failed == 0, told()
    assert Order.objects.get().remark == "请放门卫 谢谢 &"


def test_a_page_whose_rows_are_headed_and_spanned_is_read() -> None:
    content = (
        "\n<table><caption>x</caption><thead><tr><th>a<th>b<th>c</thead><tbody>"
        "<tr><td colspan=2>1<td>3\n<tr><td>4</td><td><b>5</b></td><td> 6 </td></tr></table>"
    )
    table = tables.read_table(content.encode())

    assert (table.headers, table.rows) == (["a", "b", "c"], [(2, ["1", "", "3"]), (3, ["4", "5", "6"])])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html><body><p>Please log in</p></body></html>", "a web page without a table"),
        (b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"></Workbook>', "2003"),
        (b"MIME-Version: 1.0\r\nContent-Type: multipart/related\r\n\r\n", "a web archive"),
    ],
)
def test_what_is_no_table_says_what_it_is(content: bytes, reason: str) -> None:
    with pytest.raises(tables.UnreadableFile, match=reason):
        tables.read_table(content)


@pytest.mark.parametrize(
    "title",
    [
        [["订单导出"]],
        [["订单导出"], [], ["导出时间：2026-11-20 10:00"], ["店铺", "某某旗舰店"]],
        [["", "", "订单明细表（2026年11月）"]],
    ],
    ids=["one", "several", "in the middle"],
)
@pytest.mark.parametrize("form", ["xlsx", "csv", "html"])
def test_titles_above_the_header_are_stepped_over(
    clerk: Client, shop: factories.Shop, title: list[list[object]], form: str
) -> None:
    first, *others = [*title, HEADERS, row("A-1", shop.sku.code), row("A-2", shop.sku.code, 手机号="12")]
    content = workbook(*others, headers=first)  # type: ignore[arg-type]
    if form == "csv":
        content = "\n".join(",".join(map(str, cells_)) for cells_ in [first, *others]).encode()
    elif form == "html":
        content = page_of(first, *others)

    imported(clerk, shop, content)

    assert Order.objects.get().external_number == "A-1"
    assert [text.partition(":")[0] for text in told()] == [f"row {len(title) + 3}, Recipient's phone"]


def test_without_a_known_header_the_first_row_is_it() -> None:
    table = tables.read_table("甲,乙\n1,2\n".encode(), {"订单号", "数量"})

    assert (table.headers, table.rows) == (["甲", "乙"], [(2, ["1", "2"])])
