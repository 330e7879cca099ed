"""What cells of a sheet say: numbers, times and words as people and shops' exports write them.

Nothing is guessed: a number with a decimal comma, or a date whose day and month could be swapped, is no value.
"""

import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum

from oms.common.files.reader import in_simplified
from oms.common.zones import CHINA

MOST = Decimal(10**12)

_NUMBER = re.compile(r"[+-]?(?:(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.[0-9]+)?|\.[0-9]+)")
_MONEY = re.compile(r"^(?:¥|RMB|CNY|人民币)|(?:元|¥|RMB|CNY)$", re.IGNORECASE)
# Not 打 (a dozen), 斤 and the like, which say how many units there are in it, or none.
_UNITS = re.compile(
    r"(?:[件个只份套箱盒瓶袋包条台双张本支组罐桶把提卷块枚根片对朵株盆听棵颗粒贴幅册辆部顶副盏床杯碗串扎板排]|pcs|pc|ea)$",
    re.IGNORECASE,
)
_TIMES = re.compile(r"^[x×*]\s*(?=\d)", re.IGNORECASE)
_LINE_BREAKS = re.compile(r"\s*[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+\s*")


class NoValue(Exception):
    """The cell does not say what is asked for."""


def plain(text: str) -> str:
    """The text with full-width letters, digits and punctuation as ordinary ones, without outer blanks."""
    return unicodedata.normalize("NFKC", text).strip()


def one_line(text: str) -> str:
    """The text with a blank for each line break."""
    return _LINE_BREAKS.sub(" ", text).strip()


def number(text: str) -> Decimal:
    """The number; a comma only groups thousands, as in 1,234 or 12,345.60. Raises NoValue."""
    text = plain(text).replace("\u2212", "-")
    if not _NUMBER.fullmatch(text):
        raise NoValue
    value = Decimal(text.replace(",", ""))
    if abs(value) > MOST:
        raise NoValue
    return value


def amount(text: str) -> Decimal:
    """The amount, also with ¥ or 元; 0 for no text. Raises NoValue."""
    text = plain(text).replace("\u2212", "-")
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    bare = _MONEY.sub("", digits.strip()).strip()
    return number(sign + bare) if bare else number(text or "0")


def units(text: str) -> int:
    """The number of units, also with 件 behind it; 0 for no text. Raises NoValue."""
    value = number(_TIMES.sub("", _UNITS.sub("", plain(text)).strip()) or "0")
    if value != int(value):
        raise NoValue
    return int(value)


# --- Times

_SERIAL = re.compile(r"([0-9]{5})(?:\.([0-9]+))?")
# 2000 to 2099 as days since the end of 1899, as Excel counts.
_SERIALS = range(36526, 73051)
_EXCEL_BEGINS = datetime(1899, 12, 30, tzinfo=CHINA)
_COMPACT = re.compile(r"(20[0-9]{2})([0-9]{2})([0-9]{2})(?:[ T]?([0-9]{2}):?([0-9]{2})(?::?([0-9]{2}))?)?")
_EPOCH = re.compile(r"1[0-9]{9}(?:[0-9]{3})?")
# Weekdays in front, names of China's time behind: what programs write beside a time.
_DAY_NOISE = re.compile(
    r"^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+(?=\d|[a-z])|\s*\((?:中国标准时间|china standard time|cst)\)$"
    r"|(?<=[+-]0800)\s+CST$|\s*\[?Asia/Shanghai\]?$",
    re.IGNORECASE,
)
_HALF = r"(?:(?P<{0}>上午|下午|中午|晚上|傍晚|早上|早晨|凌晨|am|pm|a\.m\.|p\.m\.)\s*)?"
_TIME = re.compile(
    r"(?P<year>[0-9]{4})\s*[-/.年]\s*(?P<month>[0-9]{1,2})\s*[-/.月]\s*(?P<day>[0-9]{1,2})\s*[日号]?"
    r"(?:\s*\(?(?:星期|周|礼拜)[一二三四五六日天]\)?)?"
    r"(?:(?:\s*[T,_]\s*|\s+|(?<=[日号五六日天一二三四)]))"
    + _HALF.format("before")
    + r"(?P<hour>[0-9]{1,2})\s*(?:[:时点]\s*(?:(?P<minute>[0-9]{1,2})|(?P<half>半)|(?P<quarter>[一三]刻))?\s*分?)"
    r"(?:\s*:?\s*(?P<second>[0-9]{1,2})(?P<fraction>\.[0-9]{1,9})?\s*秒?)?\s*"
    + _HALF.format("after")
    + r"(?P<zone>Z|UTC|GMT|北京时间|\(北京时间\)|\(?(?:UTC|GMT)?[+-][0-9]{1,2}:?(?:[0-9]{2})?\)?)?)?",
    re.IGNORECASE,
)
_LATE = ("下午", "晚上", "傍晚", "pm", "p.m.")


def moment(text: str) -> datetime:
    """The time that the cell says, in China's time unless it names a zone: ISO forms, 年月日 and 时分秒, digits alone,
    seconds since 1970, and the days since 1899 that a date is to Excel. Raises NoValue."""
    text = _with_number(_DAY_NOISE.sub("", plain(text)))
    try:
        return _serial(text) or _epoch(text) or _compact(text) or _written(text)
    except (ValueError, OverflowError) as error:
        raise NoValue from error


def _serial(text: str) -> datetime | None:
    found = _SERIAL.fullmatch(text)
    if not found or int(found[1]) not in _SERIALS:
        return None
    seconds = Decimal(f"0.{found[2] or 0}") * 86400
    # Fewer than five places cannot tell seconds.
    step = 60 if found[2] and len(found[2]) < 5 else 1
    return _EXCEL_BEGINS + timedelta(days=int(found[1]), seconds=round(seconds / step) * step)


def _epoch(text: str) -> datetime | None:
    if not _EPOCH.fullmatch(text):
        return None
    return datetime.fromtimestamp(int(text[:10]), UTC).astimezone(CHINA)


def _compact(text: str) -> datetime | None:
    found = _COMPACT.fullmatch(text)
    if not found:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
    return datetime(year, month, day, hour, minute, second, tzinfo=CHINA)


def _written(text: str) -> datetime:
    found = _TIME.fullmatch(text)
    if not found:
        if not re.match(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}T", text):
            raise NoValue
        iso = datetime.fromisoformat(text)
        return iso if iso.tzinfo else iso.replace(tzinfo=CHINA)
    hour, minute, second = (int(found[name] or 0) for name in ("hour", "minute", "second"))
    minute = 30 if found["half"] else {"一刻": 15, "三刻": 45}.get(found["quarter"] or "", minute)
    half = (found["before"] or found["after"] or "").lower()
    if (half == "晚上" and (hour == 12 or hour < 5)) or (half in ("am", "a.m.") and hour > 12):
        raise NoValue  # midnight of which day, or two that contradict each other
    if (half in _LATE and hour < 12) or (half == "中午" and hour < 3):
        hour += 12
    elif half in ("上午", "凌晨", "早上", "早晨", "am", "a.m.") and hour == 12:
        hour = 0
    day = datetime(int(found["year"]), int(found["month"]), int(found["day"]), tzinfo=_zone(found["zone"] or ""))
    if hour == 24 and not minute and not second:
        return day + timedelta(days=1)
    return day.replace(hour=hour, minute=minute, second=second)


def _zone(text: str) -> tzinfo:
    offset = re.search(r"([+-])([0-9]{1,2}):?([0-9]{2})?\)?$", text)
    if offset:
        sign = -1 if offset[1] == "-" else 1
        return timezone(sign * timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0)))
    return UTC if text.upper() in ("Z", "UTC", "GMT") else CHINA


# --- Words of payment

_ENGLISH_DAY = re.compile(
    r"(?:(?P<day>\d{1,2})(?:st|nd|rd|th)?[\s-]+(?P<month>[A-Za-z]{3,9})\.?|(?P<month2>[A-Za-z]{3,9})\.?\s+(?P<day2>\d{1,2})(?:st|nd|rd|th)?)"
    r"(?:,?\s+|-)(?P<year>\d{4})(?:,?\s+(?:at\s+)?(?P<time>\d.*))?"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = re.compile(
    r"jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?"
)


def _with_number(text: str) -> str:
    """The text, with the month as a number where it is an English word."""
    found = _ENGLISH_DAY.fullmatch(text)
    month = ((found["month"] or found["month2"]) if found else "").lower()
    if found is None or not _MONTH.fullmatch(month):
        return text
    return (
        f"{found['year']}-{_MONTHS.index(month[:3]) + 1}-{found['day'] or found['day2']} {found['time'] or ''}".strip()
    )


_CODE_BEFORE = re.compile(r"^[0-9]{1,3}\s*[-_.:、)]\s*")
_WORD_NOISE = re.compile(r"[\s\-_.,:;/|+()\[\]【】]+")
_BETWEEN = re.compile(r"[\-,:;/|+()\[\]【】]+")
_NO_COD = re.compile(r"(?:非|不是|不支持|无)(?:货到付款|cod)|货到付款(?:已?转|已?改)|^(?:no|not|non)cod")
# Nothing is said of how it is paid.
_NOT_PAID_SO = re.compile(r"支付失败|(?:取消|拒绝|延期|放弃)(?:支付|付款)")
# Of the freight, not of the goods.
_FREIGHT_COLLECT = re.compile(r"(?:运费|邮费|快递费?|物流费?)到付")
_COD = re.compile(r"货到付款|货到刷卡|货到|到付|代收|(?<![a-z])cod(?![a-z])|cashondelivery|payondelivery")
_PREPAID = re.compile(
    r"支付宝|微信|银联|云闪付|网银|在线|线上|网上支付|网付|信用卡|借记卡|储蓄卡|银行卡|花呗|白条|京东支付|京东钱包|抖音支付|多多支付|"
    r"快捷支付|网上银行|组合支付|混合支付|代付|月付|先用后付|信用付|数字货币|积分支付|优惠券支付|礼品卡|购物卡|giftcard|免支付|0元购|"
    r"财付通|快钱|余额|零钱|钱包|预付|预存|款到发货|先款后货|先付|转账|汇款|数字人民币|alipay|wechat|weixin|wxpay|tenpay|"
    r"一网通|亲密付|分期|(?:google|samsung|huawei|amazon|shop|jd|meituan|douyin)pay|"
    # A wallet of whatever name; what is paid at the door, later or nobody knows how is none.
    r"(?<!线下)(?<!现场)(?<!现金)(?<!当面)(?<!到店)(?<!上门)(?<!其他)(?<!其它)(?<!不)(?<!未)(?<!待)(?<!后)(?<!月结)(?<!账期)(?<=..)支付$|"
    r"unionpay|paypal|visa|mastercard|applepay|creditcard|stripe|shopifypayments|online|prepaid|banktransfer"
)


def payment_method(text: str) -> str:
    """prepaid or cod, as the words say it; the text itself where they say neither. Codes and dashes are noise."""
    word = _FREIGHT_COLLECT.sub("", _WORD_NOISE.sub("", _CODE_BEFORE.sub("", in_simplified(plain(text)))).lower())
    if _NOT_PAID_SO.search(word):
        return text
    if _NO_COD.search(word):
        return "prepaid"
    if _COD.search(word):
        return "cod"
    return "prepaid" if _PREPAID.search(word) else text


# --- Words of states


class Standing(Enum):
    """What the channel says became of an order or a row of it."""

    OPEN = "open"
    UNPAID = "unpaid"
    PAID = "paid"
    OVER = "over"
    UNCLEAR = "unclear"


# What says that nothing came of it: within one piece of the text, and across its brackets and commas.
_CALM = re.compile(
    r"^(?:无|没有|暂无|未)(?:申请|发起)?(?:退|换|售后|取消)|^(?:无|没有|暂无|正常)$|(?:取消|撤销|关闭|拒绝)(?:退款|售后|退货)"
    r"|取消(?:申请)?(?:已|被)*(?:失败|拒绝|驳回)|(?:拒绝|驳回)取消|^norefund|^none$|(?:cancel|refund)\w*rejected"
)
_CALM_ACROSS = re.compile(r"(?:退款|售后|退货)(?:申请)?(?:已|被)*(?:关闭|失败|取消|撤销|拒绝|驳回)")
_UNCLEAR = re.compile(
    r"部分(?:退|发|关闭|取消|付款|支付)|partial|(?:cancell?(?:ation)?|return|refund)(?:request|inprogress|pending)|(?:申请|请求|待|等待|正在)(?:退|取消|售后)|(?:退款|退货|售后|取消|关闭)(?:处理)?中"
    r"|退款申请|退款待|取消申请|售后待|申请售后|售后完成|换货|锁定|挂起|暂停|冻结|风控|待成团|拼团中|未成团|拆单|已合并|介入|纠纷|仲裁|投诉|争议|locked|disput|chargeback|onhold|waitselleragree|waitbuyerreturn|forbidconsign|orderpause|退[回件]中|不待发货|等待(?:卖家|商家|买家)(?:同意|处理|退)"
)
_CLOSED = re.compile(
    r"关闭|取消|作废|已删除|交易失败|^不成立|^returned|退款|已退|退货|过期|失效|closed|cancel|expired|refunded|void|trash|^failed$|deleted"
)
# What is over whatever else it says: a deadline of payment ended it.
_ENDED = re.compile(r"(?:订单|交易|超时|已)(?:关闭|取消)|已?作废|撤单|删除")
_SHIPPED = re.compile(
    r"(?<!待)(?:已发货|已出[库货]|已签收|已收货|已妥投|已送达|已完成|交易成功|交易完成|订单完成)|待收货|(?:等待|待)(?:买家)?确认收货|(?:运输|运送|转运|派送|派件|配送)中|在途|已(?:揽收|揽件|取件|派送|派件|寄出)|(?:揽收|揽件)成功|拒收"
    r"|^shipped|^dispatched|^intransit|^faileddelivery|^deliveryfailed|^delivered|^completed?$|^fulfilled|finished|tradesuccess|buyersigned|waitbuyerconfirm|goodsreceiveconfirm|^outfordelivery|^archived"
)
_UNPAID = re.compile(
    r"(?:待|未|等待)(?:买家)?(?:付款|支付|付)|(?:付款|支付)(?:失败|中|超时)|定金|paymentfailed|paymentpending|awaitingpayment|unpaid|notpaid|waitbuyerpay|nocreatepay|^pending|^authori[sz]ed"
)
_PAID = re.compile(
    r"已付|已支付|已收款|(?:买家)?(?:付款|支付|收款)(?:成功|完成)|付清|待发货|(?:等待|待)(?:卖家|商家)?(?:发货|出库|配货|揽收|揽件|取件|拣货|打单|审核发货)|已(?:打单|配货|拣货)"
    r"|备货中|配货中|拣货中|^paid|payment(?:accepted|received)|^processing|waitsellersend|sellerstockout|awaitingshipment|^unshipped"
)


def standing(text: str, *, of_payment: bool = False, of_refund: bool = False) -> Standing:
    """What a word in a column of states says; one that is not known says nothing (OPEN).

    In a column `of_payment` success means paid; in one `of_refund` it means that the money went back.
    """
    text = in_simplified(plain(text))
    word = _WORD_NOISE.sub("", _CODE_BEFORE.sub("", text)).lower()
    if of_payment and re.fullmatch(r"成功|已完成|完成|交易成功|交易完成|success|completed?|paid|是|已付款?", word):
        return Standing.PAID
    if of_refund and re.fullmatch(r"成功|已完成|完成|success|退款成功|已?全额退款?|是", word):
        return Standing.OVER
    if of_payment and re.fullmatch(r"失败|failed", word):
        return Standing.UNPAID
    pieces = (_WORD_NOISE.sub("", piece).lower() for piece in _BETWEEN.split(_CODE_BEFORE.sub("", text)))
    word = _CALM_ACROSS.sub("", "".join(piece for piece in pieces if not _CALM.search(piece)))
    for pattern, meaning in (
        (_ENDED, Standing.OVER),
        (_UNCLEAR, Standing.UNCLEAR),
        (_UNPAID, Standing.UNPAID),
        (_CLOSED, Standing.OVER),
        (_SHIPPED, Standing.OVER),
        (_PAID, Standing.PAID),
    ):
        if pattern.search(word):
            return meaning
    return Standing.OPEN
