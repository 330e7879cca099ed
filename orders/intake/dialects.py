"""What headers mean in the exports of one platform, where that differs from what they mean elsewhere.

An export is known by headers that only it has. What they mean was read off code that reads such exports; a column that
may mean two things (what is paid for a line or for a unit, with tax or without) means nothing here, so that staff say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oms.common.files.reader import header_key, header_keys
from orders.intake.columns import BY_NAME


@dataclass(frozen=True, slots=True)
class Dialect:
    """The headers (by their keys) of which all stand in an export, and what its headers mean."""

    known_by: frozenset[str]
    meanings: Mapping[str, str]


def _dialect(known_by: str, **headers: str) -> Dialect:
    """A platform's dialect: what it is known by, and of each field the headers that mean it, set apart by `|`; those of
    `nothing` mean none."""
    keys = frozenset(header_key(header) for header in known_by.split("|"))
    meanings = {
        header_key(header): "" if name == "nothing" else name
        for name, words in headers.items()
        for header in words.split("|")
    }
    return Dialect(keys, meanings)


_DIALECTS = (
    # The reference is shared by the parts of a split order; prices without tax are no prices of ours.
    _dialect(
        "id_order",
        external_number="id_order",
        ordered_at="date_add",
        sku="product_reference",
        quantity="product_quantity",
        unit_price="unit_price_tax_incl",
        payable_amount="total_paid",
        freight_amount="total_shipping",
        recipient_phone="phone_mobile",
        nothing="reference|product_price",
    ),
    # Its note is the seller's own.
    _dialect(
        "SKU Reference No.|Parent SKU Reference No.",
        ordered_at="Order Creation Date",
        paid_at="Order Paid Time",
        sku="SKU Reference No.",
        product_code="Parent SKU Reference No.",
        unit_price="Deal Price",
        freight_amount="Buyer Paid Shipping Fee",
        coupon_amount="Seller Voucher",
        subsidy="Shopee Voucher|Shopee Coins Offset|Credit Card Discount Total",
        buyer_id="Username (Buyer)",
        remark="Remark from buyer",
        refund_status="Return / Refund Status",
        nothing="Note|Original Price|Product Subtotal|Username",
    ),
    # The total of the goods is the whole order's, in each of its rows.
    _dialect(
        "主商品貨號|商品選項貨號",
        ordered_at="訂單成立日期",
        sku="商品選項貨號",
        product_code="主商品貨號",
        unit_price="商品活動價格",
        freight_amount="買家支付運費",
        payable_amount="買家總支付金額",
        coupon_amount="賣家負擔優惠券",
        subsidy="蝦皮負擔優惠券|蝦幣折抵|銀行信用卡活動折抵",
        buyer_id="買家帳號",
        city="城市",
        district="行政區",
        refund_status="退貨 / 退款狀態",
        nothing="商品總價|商品原價|備註",
    ),
    # TikTok Shop, and Tokopedia since it belongs to it.
    _dialect(
        "Seller SKU|SKU Subtotal After Discount",
        ordered_at="Created Time",
        paid_at="Paid Time",
        cancelled_at="Cancelled Time",
        sku="Seller SKU",
        line_total="SKU Subtotal After Discount",
        freight_amount="Shipping Fee After Discount",
        subsidy="Payment platform discount",
        payable_amount="Order Amount",
        buyer_id="Buyer Username",
        remark="Buyer Message",
        recipient_phone="Phone #",
        city="Regency and City|Municipality",
        district="Districts",
        address="Detail Address",
        nothing="SKU ID|Seller Note|Region|SKU Unit Original Price",
    ),
    # A row is one unit, with its own part of the freight.
    _dialect(
        "sellerSku|lazadaSku",
        ordered_at="createTime",
        sku="sellerSku",
        buyer_name="customerName",
        payment_method="payMethod",
        nothing="shippingFee|paidPrice|sellerNote",
    ),
    _dialect(
        "涨价或折扣|货品总价",
        adjustment="涨价或折扣",
        sku="单品货号",
        product_code="货号",
        name="货品标题",
        nothing="货品总价|SKU ID|物料编号",
    ),
    # Its transactions are lines; discounts may be the line's or the order's.
    _dialect(
        "Listing ID|Transaction ID",
        ordered_at="Sale Date",
        freight_amount="Order Shipping",
        buyer_id="Buyer",
        nothing="Transaction ID|Discount Amount|Item Total",
    ),
    _dialect(
        "Custom Label|Item Number",
        ordered_at="Sale Date",
        paid_at="Paid On Date",
        sku="Custom Label",
        name="Item Title",
        freight_amount="Shipping And Handling",
        payable_amount="Total Price",
        buyer_id="Buyer Username",
        nothing="Item Number|Sold For",
    ),
    _dialect(
        "Purchase Point|Bill-to Name",
        external_number="ID",
        buyer_name="Bill-to Name",
        freight_amount="Shipping and Handling",
    ),
)
# Where `Lineitem …` columns stand, the file is Shopify's, whose other headers mean less, or something else.
_OF_SHOPIFY = {
    "name": "external_number",
    "email": "buyer_id",
    "phone": "buyer_phone",
    "billingname": "buyer_name",
    "notes": "remark",
    "id": "",
    "vendor": "",
    "source": "",
    "fulfillmentstatus": "order_status",
    "lineitemfulfillmentstatus": "",
}
# In Taiwan 縣市 is a city, of which 鄉鎮市區 is the district.
_OF_TAIWAN = {"县市": "city", "乡镇市区": "district", "乡镇区": "district"}


def dialect(headers: Sequence[str]) -> Mapping[str, str]:
    """What headers mean in a file with these headers, where that differs from what they mean elsewhere."""
    keys = {key for header in headers for key in header_keys(header)}
    if any(key.startswith("lineitem") for key in keys):
        # Its streets hold both lines of the address already.
        return _OF_SHOPIFY | ({"shippingaddress2": ""} if "shippingstreet" in keys else {})
    for known in _DIALECTS:
        if known.known_by <= keys:
            return known.meanings
    meanings: dict[str, str] = {}
    if keys & {"乡镇市区", "乡镇区"}:
        meanings |= _OF_TAIWAN
    if keys.isdisjoint(_headers("address")):
        # Pinduoduo writes the whole address below the word for a street district.
        meanings |= dict.fromkeys(_headers("town"), "address")
    return meanings


def _headers(name: str) -> set[str]:
    return set(BY_NAME[name].headers.split())
