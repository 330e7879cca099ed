"""Sheets of orders: a row a line, rows of the same external number are one order.

Orders go in by the same service as the API's, so the checks are the same ones, and an external number that is there
already is skipped: importing a file twice adds nothing.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inventory.models import Region
from oms.common.errors import FieldError
from oms.common.files import tables
from oms.common.models import JobResult
from oms.merchants.models import Merchant
from orders.actors import Actor
from orders.intake import importing
from orders.intake.bodies import OrderBody, convert
from orders.intake.importing import Column, Entry, Texts, header_key
from orders.intake.placing import Duplicate, Placed, Refused, place_orders
from orders.models import PaymentMethod
from orders.models.order import Promise

COLUMNS = (
    Column(
        "external_number",
        gettext_lazy("External order number"),
        "订单号 订单编号 外部单号 外部订单号 平台单号 平台订单号 原始单号"
        " 交易编号 主订单编号 orderno ordernumber orderid order externalnumber",
        "external_number",
        is_required=True,
    ),
    Column(
        "ordered_at",
        gettext_lazy("Ordered at"),
        "下单时间 订单时间 创建时间 订单创建时间 拍下时间 付款时间 orderedat ordertime orderdate createdat date",
        "ordered_at",
    ),
    Column(
        "source", gettext_lazy("Channel"), "渠道 店铺 店铺名称 来源 订单来源 平台 channel shop store source", "source"
    ),
    Column(
        "recipient_name",
        gettext_lazy("Recipient"),
        "收货人 收件人 收货人姓名 收件人姓名 收货姓名 姓名 recipient recipientname consignee name receiver shiptoname",
        "recipient.name",
        is_required=True,
    ),
    Column(
        "recipient_phone",
        gettext_lazy("Recipient's phone"),
        "收货人电话 收货人手机 收货人手机号 收件人电话 收件人手机 联系电话 联系手机 手机 手机号"
        " 手机号码 电话 收货电话 recipientphone phone mobile tel telephone",
        "recipient.phone",
        is_required=True,
    ),
    Column(
        "region_code",
        gettext_lazy("Region code"),
        "区域编码 行政区划代码 区划代码 地区编码 regioncode region adcode",
        "recipient.region_code",
    ),
    Column("province", gettext_lazy("Province"), "省 省份 收货省份 收件省 province state", "recipient.province"),
    Column("city", gettext_lazy("City"), "市 城市 收货城市 收件市 city", "recipient.city"),
    Column(
        "district", gettext_lazy("District"), "区 区县 县区 地区 收货区县 收件区 district county", "recipient.district"
    ),
    Column(
        "address",
        gettext_lazy("Address"),
        "地址 详细地址 收货地址 收件地址 收货详细地址 街道地址 address street addressline shippingaddress",
        "recipient.address",
        is_required=True,
    ),
    Column(
        "sku",
        gettext_lazy("SKU"),
        "商品编码 商家编码 货号 商品货号 规格编码 sku编码 skuid sku skucode productcode item itemcode",
        "lines.sku",
        is_required=True,
        is_of_line=True,
    ),
    Column(
        "name",
        gettext_lazy("Product name"),
        "商品名称 商品 品名 宝贝标题 商品标题 productname product title itemname",
        "lines.name",
        is_of_line=True,
    ),
    Column(
        "quantity",
        gettext_lazy("Quantity"),
        "数量 商品数量 购买数量 件数 quantity qty count units",
        "lines.quantity",
        is_required=True,
        is_of_line=True,
    ),
    Column(
        "unit_price",
        gettext_lazy("Unit price"),
        "单价 商品单价 价格 销售价 unitprice price",
        "lines.unit_price",
        is_required=True,
        is_of_line=True,
    ),
    Column(
        "line_discount",
        gettext_lazy("Line discount"),
        "商品优惠 行优惠 单品优惠 商品折扣 linediscount discount",
        "lines.line_discount",
        is_of_line=True,
    ),
    Column(
        "merchant",
        gettext_lazy("Merchant of the goods"),
        "商家 商家代码 供应商 merchant vendor seller",
        "lines.merchant",
        is_of_line=True,
    ),
    Column(
        "freight_amount", gettext_lazy("Freight"), "运费 邮费 快递费 freight shipping shippingfee", "freight_amount"
    ),
    Column(
        "coupon_amount",
        gettext_lazy("Coupon"),
        "优惠券 优惠金额 订单优惠 coupon couponamount promotion",
        "coupon_amount",
    ),
    Column("points_used", gettext_lazy("Points used"), "使用积分 积分 points pointsused", "points"),
    Column("points_amount", gettext_lazy("Points (yuan)"), "积分抵扣 积分金额 pointsamount", "points.amount"),
    Column("gift_card_amount", gettext_lazy("Gift card"), "礼品卡 购物卡 giftcard giftcardamount", "gift_card_amount"),
    Column(
        "payable_amount",
        gettext_lazy("Payable"),
        "应付金额 实付金额 实付 订单金额 付款金额 payable payableamount total amount",
        "payable_amount",
    ),
    Column(
        "payment_method", gettext_lazy("Payment method"), "支付方式 付款方式 paymentmethod payment", "payment_method"
    ),
    Column("promise", gettext_lazy("Delivery promise"), "时效 配送时效 配送方式 promise delivery", "promise"),
    Column(
        "buyer_id",
        gettext_lazy("Buyer's id"),
        "买家id 会员id 用户id 买家账号 会员名 买家昵称 buyerid userid customerid",
        "buyer.id",
    ),
    Column("buyer_name", gettext_lazy("Buyer"), "买家 买家姓名 下单人 buyer buyername customer", "buyer.name"),
    Column("buyer_phone", gettext_lazy("Buyer's phone"), "买家电话 买家手机 下单人电话 buyerphone", "buyer.phone"),
    Column(
        "remark", gettext_lazy("Remark"), "备注 买家留言 买家备注 订单备注 留言 remark note comment message", "remark"
    ),
)
BY_NAME = {column.name: column for column in COLUMNS}
_LOST_DIGITS = re.compile(r"[0-9](?:\.[0-9]+)?[Ee]\+?[0-9]+")
_PAYMENT = {"货到付款": "cod", "到付": "cod", "cashondelivery": "cod", "在线支付": "prepaid", "online": "prepaid"}


def region_errors(fields: Sequence[str]) -> list[str]:
    """What is wrong with the fields of the region."""
    if "region_code" in fields or {"province", "city"} <= set(fields):
        return []
    return [_("No column holds the region: choose province, city and district, or the region code.")]


def read_orders(table: tables.Table, fields: Sequence[str], now: datetime) -> list[Entry]:
    """The orders of the table, in the order of their first rows. `now` is the time of orders that name none."""
    entries: dict[tuple[str, str], Entry] = {}
    for number, cells in table.rows:
        values = {name: cell for name, cell in zip(fields, cells, strict=True) if name and cell}
        external = values.get("external_number", "")
        # A row without a number is an order by itself, which is refused.
        key = (values.get("source", ""), external or f"\0{number}")
        entry = entries.setdefault(key, Entry(external))
        entry.rows.append(number)
        entry.cells.append(values)
    regions = Regions()
    for entry in entries.values():
        _fill(entry, regions, now)
    return list(entries.values())


class Regions:
    """Finds the county-level code of a province, city and district, also written without 省, 市, 区."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str, str], str] = {}
        for code, *names in Region.objects.values_list("code", "province", "city", "district"):
            province, city, district = (_short(name) for name in names)
            self._codes.setdefault((province, city, district), code)
            self._codes.setdefault((province, "", district), code)

    def find(self, province: str, city: str, district: str) -> str:
        """The code, or ""."""
        short = (_short(province), _short(city), _short(district))
        # 北京市 is province and city at once; files name it once or twice.
        return self._codes.get(short) or self._codes.get((short[0], "", short[2] or short[1])) or ""


_SUFFIX = re.compile(r"(?:特别行政区|维吾尔自治区|壮族自治区|回族自治区|自治区|省|市|区|县)$")


def _short(name: str) -> str:
    name = name.strip()
    short = _SUFFIX.sub("", name)
    return short if len(short) > 1 else name


def _fill(entry: Entry, regions: Regions, now: datetime) -> None:
    """Make the entry's body out of its rows; what cannot be read is an error."""
    head: dict[str, str] = {}
    for values in entry.cells:
        for name, value in values.items():
            if not BY_NAME[name].is_of_line and head.setdefault(name, value) != value:
                detail = _("The rows of this order have different values here.")
                entry.errors.append(FieldError(BY_NAME[name].attr, "rows_differ", detail))
    for name in ("external_number", "recipient_phone", "buyer_phone", "buyer_id"):
        if _LOST_DIGITS.fullmatch(head.get(name, "")):
            detail = _("Excel has cut off digits of this number: give the column the format “text” and enter it again.")
            entry.errors.append(FieldError(BY_NAME[name].attr, "digits_lost", detail))
    for column in COLUMNS:
        for i, values in enumerate(entry.cells if column.is_of_line else [head]):
            if column.is_required and not values.get(column.name):
                attr = column.attr.replace("lines.", f"lines.{i}.")
                entry.errors.append(FieldError(attr, "required", _("This field is required.")))
    ordered_at = _moment(head.get("ordered_at", ""), now)
    if ordered_at is None:
        detail = _("Give a time such as 2026-01-02 09:00:00.")
        entry.errors.append(FieldError("ordered_at", "invalid", detail))
    region = head.get("region_code") or regions.find(*(head.get(n, "") for n in ("province", "city", "district")))
    if not region:
        detail = _("There is no such province, city and district. Write them as in the list of regions.")
        entry.errors.append(FieldError("recipient.district", "unknown_region", detail))
    try:
        body = _body(entry, head, region, ordered_at or now)
    except InvalidOperation:
        body = FieldError("lines.0.quantity", "invalid", _("Give amounts and quantities as numbers."))
    if isinstance(body, FieldError):
        if not entry.errors:
            entry.errors.append(body)
    elif not entry.errors:
        entry.body = body


def _body(entry: Entry, head: Mapping[str, str], region: str, ordered_at: datetime) -> OrderBody | FieldError:
    amounts = {
        name: _amount(head.get(name, ""))
        for name in ("freight_amount", "coupon_amount", "points_amount", "gift_card_amount")
    }
    lines, goods = [], Decimal(0)
    for i, values in enumerate(entry.cells):
        quantity = _amount(values.get("quantity", ""))
        if quantity != int(quantity):
            return FieldError(f"lines.{i}.quantity", "invalid", _("Give a whole number."))
        unit_price, line_discount = _amount(values.get("unit_price", "")), _amount(values.get("line_discount", ""))
        goods += unit_price * int(quantity) - line_discount
        lines.append(
            {
                "sku": values.get("sku", ""),
                "quantity": int(quantity),
                "unit_price": unit_price,
                "line_discount": line_discount,
                "merchant": values.get("merchant", ""),
                "name": values.get("name", ""),
            }
        )
    due = goods + amounts["freight_amount"]
    due -= amounts["coupon_amount"] + amounts["points_amount"] + amounts["gift_card_amount"]
    name, phone = head.get("recipient_name", ""), head.get("recipient_phone", "")
    payment = head.get("payment_method", "")
    return convert(
        {
            "external_number": entry.key,
            "ordered_at": ordered_at,
            "source": head.get("source", ""),
            "buyer": {
                "id": head.get("buyer_id") or head.get("buyer_phone") or phone,
                "name": head.get("buyer_name") or name,
                "phone": head.get("buyer_phone") or phone,
            },
            "recipient": {
                "name": name,
                "phone": phone,
                "region_code": region,
                "address": head.get("address", ""),
            },
            "lines": lines,
            "payment_method": _choice(payment, PaymentMethod.choices, _PAYMENT) or "prepaid",
            "promise": _choice(head.get("promise", ""), Promise.choices, {}) or "standard",
            "freight_amount": amounts["freight_amount"],
            "coupon_amount": amounts["coupon_amount"],
            "points": {"used": int(_amount(head.get("points_used", ""))), "amount": amounts["points_amount"]},
            "gift_card_amount": amounts["gift_card_amount"],
            "payable_amount": _amount(head["payable_amount"]) if head.get("payable_amount") else due,
            "remark": head.get("remark", ""),
        }
    )


def _amount(text: str) -> Decimal:
    """The number that the text says, also with ¥, 元 and grouped digits. Raises InvalidOperation."""
    amount = Decimal(importing.ungrouped(text.strip().lstrip("¥￥").rstrip("元")) or 0)
    if not amount.is_finite() or abs(amount) > 10**12:
        raise InvalidOperation
    return amount


def _moment(text: str, now: datetime) -> datetime | None:
    """The time that the text says, in the server's zone unless it names one; `now` for no text."""
    if not text:
        return now
    text = text.strip().replace("/", "-").replace("年", "-").replace("月", "-").replace("日", "")
    text = re.sub(r"(?<![0-9])([0-9])(?=[-: T]|$)", r"0\1", text)
    try:
        moment = parse_datetime(text)
        day = parse_date(text) if moment is None else None
    except ValueError:
        return None
    if moment is None:
        if day is None:
            return None
        moment = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - made aware below
    return timezone.make_aware(moment) if timezone.is_naive(moment) else moment


def _choice(text: str, choices: Iterable[tuple[str, Any]], synonyms: Mapping[str, str]) -> str:
    """The value that the text means, by itself or by its label; the text itself where it means none."""
    key = header_key(text)
    for value, label in choices:
        if key in (header_key(value), header_key(str(label))):
            return value
    return synonyms.get(key, text)


def place(entries: Sequence[Entry], merchant: Merchant, actor: Actor) -> list[JobResult]:
    """Place the orders that can be read; one result for each entry, in order."""
    readable = [entry.body for entry in entries if entry.body is not None]
    outcomes = iter(place_orders(readable, merchant, actor=actor) if readable else [])
    results = []
    for entry in entries:
        match next(outcomes) if entry.body is not None else Refused(entry.errors):
            case Placed(_id, number):
                result = KIND.result(entry, JobResult.Outcome.DONE, reference=number)
            case Duplicate(number):
                result = KIND.result(entry, JobResult.Outcome.SKIPPED, reference=number)
            case Refused(errors):
                told = [error for error in errors if not _is_repeated(error, entry)]
                result = KIND.result(entry, JobResult.Outcome.REFUSED, errors=told)
        results.append(result)
    return results


def _is_repeated(error: FieldError, entry: Entry) -> bool:
    """Whether the error is about a buyer whom the file does not name: the same is said of the recipient."""
    name = KIND.field_of(error.attr)
    return name in ("buyer_name", "buyer_phone") and not any(name in values for values in entry.cells)


KIND = importing.register(
    importing.ImportKind(
        name="import_orders",
        permission="orders.import_orders",
        columns=COLUMNS,
        read=read_orders,
        do=place,
        wrong=region_errors,
        texts=Texts(
            job=gettext_lazy("Import of orders"),
            title=gettext_lazy("Import orders"),
            hint=gettext_lazy(
                "Excel (xlsx, xls, ods) or CSV in UTF-8 or GB 18030; the first row holds the names of the columns."
                " One row is one line of an order; rows with the same external number become one order."
            ),
            whose=gettext_lazy("Whose orders"),
            found=gettext_lazy("%(rows)s rows, %(entries)s orders. Nothing has been imported yet."),
            start=gettext_lazy("Import %(entries)s orders"),
            preview=gettext_lazy("What would come of the first orders"),
            preview_note=gettext_lazy("checked like an order of the API, and not stored"),
            key=gettext_lazy("External order number"),
            reference=gettext_lazy("Order"),
        ),
    )
)
