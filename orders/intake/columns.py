"""The columns that a sheet of orders may have, and the headers of shops' exports that mean them."""

from collections.abc import Collection, Iterator, Sequence

from django.utils.translation import gettext, gettext_lazy

from oms.common.files.reader import header_key
from orders.intake.import_kinds import Column


def _of_recipient(*words: str) -> str:
    """Headers of these words with what stands before them where they are the recipient's."""
    before = ("收货人", "收件人", "收货者", "收件者", "收货", "收件", "收方", "买家收货", "配送")
    return " ".join(f"{who}{word}" for word in words for who in before)


def _of_billing() -> Iterator[Column]:
    """Who pays and where from: that is who gets the goods where the columns of shipping are empty."""
    for name, label, words, attr in (
        ("first_name", gettext_lazy("Billing: given name"), "firstname", "recipient.name"),
        ("last_name", gettext_lazy("Billing: family name"), "lastname", "recipient.name"),
        ("phone", gettext_lazy("Billing: phone"), "phone", "recipient.phone"),
        ("province", gettext_lazy("Billing: province"), "state statename statecode", "recipient.province"),
        ("city", gettext_lazy("Billing: city"), "city", "recipient.city"),
        ("address", gettext_lazy("Billing: address"), "address1&2 address address1", "recipient.address"),
        ("address_2", gettext_lazy("Billing: address, second line"), "address2", "recipient.address"),
    ):
        headers = " ".join(f"{word}billing billing{word}" for word in words.split())
        yield Column(f"billing_{name}", label, headers, attr)


COLUMNS = (
    Column(
        "external_number",
        gettext_lazy("External order number"),
        "原始订单号 电商单号 电商订单号 外部交易号 来源单号 来源订单号 客户订单号 商城订单号"
        " 渠道单号 订单号 订单编号 外部单号 外部订单号 平台单号 平台订单号 原始单号 交易编号 交易号 主订单编号 主订单号"
        " 订单id 平台订单编号 网店订单号 线上订单号 线上单号 店铺单号 单号 订单编码 交易单号 orderno"
        " ordernumber orderid order externalnumber amazonorderid order#",
        "external_number",
        is_required=True,
    ),
    Column(
        "ordered_at",
        gettext_lazy("Ordered at"),
        "订单生成时间 提交时间 购买时间 purchasedate "
        "下单时间 订单时间 创建时间 订单创建时间 拍下时间 订单提交时间 订单成交时间 成交时间 下单日期"
        " 订单日期 订购日期 订购时间 拼单成功时间 创建日期 orderedat ordertime orderdate createdat datecreated date"
        " 订单下单时间 ordercreationdate",
        "ordered_at",
    ),
    Column(
        "source", gettext_lazy("Channel"), "渠道 店铺 店铺名称 来源 订单来源 平台 channel shop store source", "source"
    ),
    Column(
        "recipient_name",
        gettext_lazy("Recipient"),
        "收货联系人姓名 收件联系人姓名 顾客姓名 联系人 联系人姓名 contactname "
        "收货人 收件人 收货人姓名 收件人姓名 收货姓名 姓名 客户姓名 收件姓名 recipient recipientname"
        " consignee name receiver receivername shiptoname shipname deliveryname shippingname"
        f" 收货联系人 收件联系人 收件者 收货者 收件者姓名 收货者姓名 {_of_recipient('名称')}",
        "recipient.name",
        is_required=True,
        instead=("first_name", "last_name", "billing_first_name", "billing_last_name"),
    ),
    Column(
        "recipient_phone",
        gettext_lazy("Recipient's phone"),
        "顾客电话 联系人电话 联系人手机 contactphone contactnumber phonenumber recipientmobile "
        "收货人电话 收货人手机 收货人手机号 收件人电话 收件人手机 联系电话 联系手机 手机 手机号 手机号码 电话"
        " 电话号码 收货电话 收货人手机号码 收件人手机号 收件人手机号码 收件手机 收件电话 联系方式 固定电话"
        " 移动电话 固话"
        f" {_of_recipient('手机', '手机号', '手机号码', '电话', '电话号码', '联系电话', '联系方式', '固话', '座机')}"
        " recipientphone receiverphone receivermobile phone mobile mobilephone tel telephone"
        " shippingphone phoneshipping shipphonenumber shipphone shiptophone deliveryphone phone# 行动电话",
        "recipient.phone",
        is_required=True,
        instead=("billing_phone",),
        takes_several=True,
    ),
    Column(
        "region_code",
        gettext_lazy("Region code"),
        "区域编码 行政区划代码 区划代码 地区编码 regioncode region adcode",
        "recipient.region_code",
    ),
    Column(
        "province",
        gettext_lazy("Province"),
        f"省 省份 {_of_recipient('省', '省份', '省市')} 所在省 所在省份 省名称 province state"
        " shipstate shiptostate deliverystate shippingprovincename"
        " shippingprovince statenameshipping shippingstatename stateshipping shippingstate statecodeshipping"
        " shippingstatecode",
        "recipient.province",
    ),
    Column(
        "city",
        gettext_lazy("City"),
        f"市 城市 {_of_recipient('市', '城市')} 地市 地级市 所在市 所在城市 城市名称 city"
        " shipcity shiptocity deliverycity shippingcity cityshipping shippingsuburb",
        "recipient.city",
    ),
    Column(
        "district",
        gettext_lazy("District"),
        f"区 区县 县区 县 地区 市区 县市 区市县 {_of_recipient('区', '区县', '县', '地区', '县区')} 所在区"
        " 所在区县 区名称 district county",
        "recipient.district",
    ),
    Column(
        "address",
        gettext_lazy("Address"),
        "街道门牌 收货人收货地址 deliveryaddress fulladdress addressline1 "
        "地址 详细地址 收货地址 收件地址 收货详细地址 收件详细地址 街道地址 客户地址 收货人地址 收件人地址"
        f" 配送地址 完整地址 送货地址 {_of_recipient('详细地址', '地址', '街道地址', '详址')} address street"
        " addressline shippingaddress shippingstreet shippingaddress1 address1&2shipping shippingaddress1&2"
        " address1shipping address1 addressshipping recipientaddress receiveraddress shipaddress1 shiptoaddress1"
        " shippingstreet1 detailaddress 详细收货地址",
        "recipient.address",
        is_required=True,
        instead=("billing_address",),
    ),
    Column(
        "town",
        gettext_lazy("Town, or street district"),
        f"街道 乡镇 镇 镇街 街道乡镇 乡镇街道 {_of_recipient('街道', '乡镇')} town",
        "recipient.town",
    ),
    Column(
        "address_2",
        gettext_lazy("Address, second line"),
        "门牌号 楼号门牌 shippingaddress2 address2shipping addressline2 address2 shipaddress2 shiptoaddress2"
        " shippingstreet2",
        "recipient.address",
    ),
    Column(
        "first_name",
        gettext_lazy("Recipient's given name"),
        "firstnameshipping shippingfirstname recipientfirstname firstname givenname",
        "recipient.name",
    ),
    Column(
        "last_name",
        gettext_lazy("Recipient's family name"),
        "lastnameshipping shippinglastname recipientlastname lastname familyname surname",
        "recipient.name",
    ),
    *_of_billing(),
    Column(
        "sku",
        gettext_lazy("SKU"),
        # The seller's own codes first, which the file may name beside the platform's.
        "商家sku编码 商家skuid 商家sku 商家编码规格维度 sellersku merchantsku 卖家sku sku货号 商家编码 供应商商品编码"
        " 外部编码 规格编码 sku编码 sku skucode productsku itemsku lineitemsku 商品sku 商品sku编码 产品sku 产品sku编码"
        " 物料编码 物料号 物料代码 货号 商品货号 货品编码 货品编号 货品代码 产品编码 产品代码 商品代码 商品编码"
        " productcode itemno itemnumber item itemcode skuid",
        "lines.sku",
        is_required=True,
        is_of_line=True,
        instead=("product_code",),
    ),
    Column(
        "product_code",
        gettext_lazy("SKU, where the column for it is empty"),
        "商家编码商品维度 外部系统编号",
        "lines.sku",
        is_of_line=True,
    ),
    Column(
        "name",
        gettext_lazy("Product name"),
        "产品名称 宝贝名称 "
        "商品名称 商品 品名 宝贝标题 标题 商品标题 选购商品 货品名称 品项 productname product title itemname"
        " lineitemname",
        "lines.name",
        is_of_line=True,
    ),
    Column(
        "quantity",
        gettext_lazy("Quantity"),
        "购买数 购买量 订单数量 订单件数 产品数量 sku数量 qtyordered quantityordered "
        "数量 商品数量 购买数量 订购数量 宝贝数量 件数 下单数量 销售数量 成交数量 货品数量 订货数量 采购数量"
        " 购买件数 商品件数 sku件数 应履约件数 quantity qty count units lineitemquantity quantitypurchased productqty",
        "lines.quantity",
        is_required=True,
        is_of_line=True,
    ),
    Column(
        "unit_price",
        gettext_lazy("Unit price"),
        "含税单价 商品售价 成交价 产品单价 货品售价 "
        "单价 商品单价 价格 商品价格 宝贝单价 销售价 销售单价 成交单价 京东价 售价 unitprice price"
        " lineitemprice itemcost 货品单价 实际单价 productunitprice",
        "lines.unit_price",
        is_required=True,
        is_of_line=True,
        instead=("line_total", "payable_amount"),
    ),
    Column(
        "line_total",
        gettext_lazy("Total of the line"),
        "商品总价 商品总额 货品总价 宝贝总价 商品小计 行总价 小计 orderlinesubtotal lineitemsubtotal linesubtotal"
        " linetotal itemtotal",
        "lines.line_total",
        is_of_line=True,
    ),
    Column(
        "line_discount",
        gettext_lazy("Line discount"),
        "商品优惠 行优惠 单品优惠 商品折扣 linediscount discount lineitemdiscount",
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
        "freight_amount",
        gettext_lazy("Freight"),
        "物流费用 物流费 实收运费 "
        "运费 邮费 邮资 快递费 运费金额 配送费 买家应付邮费 订单运费 freight shipping shippingfee shippingcost"
        " ordershippingamount shippingrate deliveryamount",
        "freight_amount",
    ),
    Column(
        "freight_extra",
        gettext_lazy("Fees beside the freight"),
        "上门安装费 送货入户费 送货入户并安装费",
        "freight_amount",
        takes_several=True,
    ),
    Column(
        "coupon_amount",
        gettext_lazy("Coupon"),
        "商家优惠券 店铺优惠券 优惠 "
        "优惠券 优惠券金额 优惠金额 订单优惠 店铺优惠 店铺优惠折扣 商家优惠 coupon couponamount promotion"
        " cartdiscountamount discountamount",
        "coupon_amount",
    ),
    Column("points_used", gettext_lazy("Points used"), "使用积分 积分 points pointsused", "points"),
    Column("points_amount", gettext_lazy("Points (yuan)"), "积分抵扣 积分金额 pointsamount", "points.amount"),
    Column("gift_card_amount", gettext_lazy("Gift card"), "礼品卡 购物卡 giftcard giftcardamount", "gift_card_amount"),
    Column(
        "payable_amount",
        gettext_lazy("Payable"),
        # What the buyer paid first, before what the order cost.
        "实际付款 实际付款金额 买家实付 买家实付款 买家实付金额 用户实付金额 买家实际支付金额 实付金额 实付款 实付"
        " 订单实付金额 订单实际支付金额 实际支付金额 应付金额 应付款 订单应付金额 用户应付金额 应收 应收金额 应收款"
        " 付款金额 支付金额 订单总金额 订单金额 总金额 payable payableamount total amount ordertotal grandtotal"
        " ordertotalamount 合计 合计金额",
        "payable_amount",
    ),
    Column(
        "payment_method",
        gettext_lazy("Payment method"),
        "收款方式 "
        "支付方式 付款方式 支付类型 付款类型 支付渠道 结算方式 paymentmethod payment paymenttype"
        " paymentmethodtitle paymethod",
        "payment_method",
    ),
    Column("promise", gettext_lazy("Delivery promise"), "时效 配送时效 配送方式 promise delivery", "promise"),
    Column(
        "buyer_id",
        gettext_lazy("Buyer's id"),
        "会员账号 买家旺旺 旺旺 旺旺号 "
        "买家id 客户网名 网名 买家网名 会员id 用户id 买家账号 买家会员名 会员名 买家昵称 下单帐号 下单账号"
        " 用户昵称 buyerid userid customerid buyerusername emailbilling billingemail",
        "buyer.id",
    ),
    Column(
        "buyer_name", gettext_lazy("Buyer"), "买家 买家姓名 下单人 buyer buyername customer customername", "buyer.name"
    ),
    Column(
        "buyer_phone",
        gettext_lazy("Buyer's phone"),
        "买家电话 买家手机 下单人电话 buyerphone buyerphonenumber",
        "buyer.phone",
    ),
    Column(
        "remark",
        gettext_lazy("Remark"),
        "买家要求 订单留言 送货要求 配送要求 "
        "买家留言 买家备注 客户留言 用户备注 客户备注 留言 备注 订单备注 remark note customernote buyernote"
        " comment message customermessage buyermessage notefromcustomer",
        "remark",
    ),
    Column(
        "paid_at",
        gettext_lazy("Paid at (taken by the channel)"),
        "paymentdate "
        "付款时间 支付时间 买家付款时间 买家支付时间 订单付款时间 订单支付时间 支付完成时间 付款确认时间"
        " 付款日期 支付日期 paidat"
        " paymenttime paytime datepaid paiddate paymentsdate orderpaidtime paidtime",
        "paid_at",
    ),
    Column(
        "transaction",
        gettext_lazy("Payment transaction"),
        "支付交易号 支付流水号 交易流水号 支付单号 支付订单号 支付宝交易号 微信支付单号 transactionid"
        " paymentreference paymentid",
        "payment_transaction",
    ),
    Column(
        "order_status",
        gettext_lazy("State of the order in the channel"),
        "发货状态 "
        "订单状态 交易状态 平台状态 状态 订单处理状态 子订单状态 订单行状态 商品状态 status orderstatus orderstate"
        " fulfillmentstatus",
        "channel_state",
        is_of_row=True,
    ),
    Column(
        "payment_status",
        gettext_lazy("State of the payment in the channel"),
        "支付状态 付款状态 收款状态 是否付款 paymentstatus financialstatus",
        "channel_payment_state",
        is_of_row=True,
    ),
    Column(
        "refund_status",
        gettext_lazy("State of the refund in the channel"),
        "售后 退款状态 售后状态 退货状态 退款退货状态 退货退款状态 refundstatus aftersalestatus",
        "channel_refund_state",
        is_of_row=True,
    ),
    Column(
        "cancelled_at",
        gettext_lazy("Cancelled at"),
        "取消时间 关闭时间 订单关闭时间 订单取消时间 交易关闭时间 cancelledat canceledat",
        "channel_cancelled_at",
        is_of_row=True,
    ),
    Column(
        "adjustment",
        gettext_lazy("Change of price"),
        "抹零 抹零金额 改价 改价金额 手工改价 卖家改价 价格调整 调整金额 调价 优惠调整 涨价或减价"
        " adjustment adjustmentamount priceadjustment rounding",
        "adjustment_amount",
        takes_several=True,
    ),
    Column(
        "subsidy",
        gettext_lazy("Discount that the channel gave"),
        "平台承担优惠 平台承担金额 "
        "平台补贴 平台优惠 平台优惠折扣 平台优惠金额 平台优惠券 平台立减 多多支付立减 多多支付立减金额 支付立减"
        " 支付优惠 subsidy platformsubsidy platformdiscount",
        "channel_discount",
        takes_several=True,
    ),
    Column("currency", gettext_lazy("Currency"), "币种 货币 currency currencycode", "currency"),
)
BY_NAME = {column.name: column for column in COLUMNS}

# What the exports that hold orders and no goods have in common, and those that hold goods and nobody to send them to.
_RECIPIENT = ("recipient_name", "first_name", "address", "billing_address")


def advice(headers: Sequence[str], fields: Collection[str]) -> str:
    """What to export instead of a file that holds only half of what an order is; "" where both halves are there."""
    has_goods = "quantity" in fields and not BY_NAME["sku"].is_missing_in(fields)
    has_recipient = any(name in fields for name in _RECIPIENT)
    if has_recipient and not has_goods and _is_of_taobao(headers):
        return gettext(
            "This is Taobao's report of orders, which does not say what goods they are. Upload its report of items"
            " (宝贝报表) of the same time beside it, as the second file; or have the export made with the item's"
            " merchant code, quantity and price in the same file."
        )
    if has_recipient and not has_goods:
        return gettext("The file names orders and no goods. Upload the file that lists their goods beside it.")
    if has_goods and not has_recipient:
        return gettext(
            "The file names goods and nobody to send them to. Upload the file of the orders, and this one as the"
            " second."
        )
    return ""


def _is_of_taobao(headers: Sequence[str]) -> bool:
    keys = {header_key(header) for header in headers}
    return "买家会员名" in keys and bool(keys & {"宝贝总数量", "宝贝种类", "买家应付货款"})
