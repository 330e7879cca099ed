"""The accounts that postings name, in Chinese and English; finance may rename them and add others."""

from enum import StrEnum

from payments.models import Account, Side


class Code(StrEnum):
    """The codes of the accounts, by what is booked there."""

    ALIPAY = "1001"
    WECHAT = "1002"
    BANK = "1003"
    CARRIERS = "1004"
    MERCHANTS_OWN = "1005"
    OTHER_PROVIDERS = "1006"
    DISPUTED = "1007"
    RECEIVABLE = "1101"
    EXCHANGES = "1102"
    PREPAID = "2001"
    GIFT_CARDS = "2101"
    POINTS = "2102"
    MERCHANTS = "2201"
    DEPOSITS = "2202"
    CARRIERS_PAYABLE = "2203"
    TO_REFUND = "2301"
    REFUNDS_UNDER_WAY = "2302"
    UNEXPLAINED = "2901"
    OWN_SALES = "4001"
    COMMISSION = "4002"
    FREIGHT = "4003"
    OTHER_INCOME = "4004"
    SERVICES = "4005"
    PLATFORM_OFFERS = "5001"
    POINTS_GRANTED = "5002"
    PROVIDER_FEES = "5003"
    CARRIAGE = "5004"
    COD_FEES = "5005"
    COMPENSATION = "5006"
    WRITTEN_OFF = "6001"


_ACCOUNTS = (
    (Code.ALIPAY, "支付宝待结算", "Alipay, to settle", Side.DEBIT),
    (Code.WECHAT, "微信待结算", "WeChat Pay, to settle", Side.DEBIT),
    (Code.BANK, "银行存款", "Bank", Side.DEBIT),
    (Code.CARRIERS, "承运商代收款", "Cash with carriers", Side.DEBIT),
    (Code.MERCHANTS_OWN, "商家自收", "Taken by merchants", Side.DEBIT),
    (Code.OTHER_PROVIDERS, "其他渠道待结算", "Other providers, to settle", Side.DEBIT),
    (Code.DISPUTED, "争议冻结款", "Held in disputes", Side.DEBIT),
    (Code.RECEIVABLE, "应收买家", "Receivable from buyers", Side.DEBIT),
    (Code.EXCHANGES, "应收换货货款", "Exchanged goods to come back", Side.DEBIT),
    (Code.PREPAID, "预收货款", "Received before completion", Side.CREDIT),
    (Code.GIFT_CARDS, "礼品卡余额", "Gift card balances", Side.CREDIT),
    (Code.POINTS, "积分负债", "Points owed", Side.CREDIT),
    (Code.MERCHANTS, "应付商家", "Payable to merchants", Side.CREDIT),
    (Code.DEPOSITS, "商家保证金", "Deposits of merchants", Side.CREDIT),
    (Code.CARRIERS_PAYABLE, "应付承运商", "Payable to carriers", Side.CREDIT),
    (Code.TO_REFUND, "应退买家", "To refund to buyers", Side.CREDIT),
    (Code.REFUNDS_UNDER_WAY, "退款在途", "Refunds under way", Side.CREDIT),
    (Code.UNEXPLAINED, "待查款项", "Unexplained", Side.CREDIT),
    (Code.OWN_SALES, "自营销售", "Own sales", Side.CREDIT),
    (Code.COMMISSION, "佣金收入", "Commission", Side.CREDIT),
    (Code.FREIGHT, "运费收入", "Freight charged", Side.CREDIT),
    (Code.OTHER_INCOME, "其他收入", "Other income", Side.CREDIT),
    (Code.SERVICES, "仓配服务收入", "Services of our warehouses", Side.CREDIT),
    (Code.PLATFORM_OFFERS, "平台优惠承担", "Offers borne by the platform", Side.DEBIT),
    (Code.POINTS_GRANTED, "积分抵扣", "Points granted", Side.DEBIT),
    (Code.PROVIDER_FEES, "支付手续费", "Provider fees", Side.DEBIT),
    (Code.CARRIAGE, "运费成本", "Carriage", Side.DEBIT),
    (Code.COD_FEES, "COD 手续费", "Fees for cash on delivery", Side.DEBIT),
    (Code.COMPENSATION, "售后补偿", "Compensation after sale", Side.DEBIT),
    (Code.WRITTEN_OFF, "差异核销", "Differences written off", Side.DEBIT),
)

# Where money lies that came over a connection of this protocol, until it reaches the bank; other protocols:
# `Code.OTHER_PROVIDERS`.
HELD_OVER = {"alipay": Code.ALIPAY, "wechat": Code.WECHAT, "offline": Code.BANK}


def install_default_accounts() -> None:
    """Add the accounts that are missing; those that are there keep their names."""
    Account.objects.bulk_create(
        [Account(code=code, name=name, english_name=english, side=side) for code, name, english, side in _ACCOUNTS],
        ignore_conflicts=True,
    )
