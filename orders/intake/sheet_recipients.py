"""Who gets an order, where a sheet spreads name and address over columns: given and family name, lines of the address,
a code for the province, and who pays in place of who gets it."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from orders.intake.contacts import is_compound_surname

# WooCommerce's codes of provinces; it gives Hong Kong, Macau and Taiwan as countries.
_WOOCOMMERCE = (
    "云南", "北京", "天津", "河北", "山西", "内蒙古", "辽宁", "吉林", "黑龙江", "上海", "江苏",
    "浙江", "安徽", "福建", "江西", "山东", "河南", "湖北", "湖南", "广东", "广西", "海南",
    "重庆", "四川", "贵州", "陕西", "甘肃", "青海", "宁夏", "澳门", "西藏", "新疆",
)  # fmt: skip
_CODE = re.compile(r"CN-?([0-9]{1,2})", re.IGNORECASE)
# Guangdong / 广东
_IN_TWO_LANGUAGES = re.compile(r"[A-Za-z' ]+[/|]\s*([\u4e00-\u9fff]+)\s*")
_CHINESE = re.compile(r"[\u3400-\u9fff]")
_OF_BILLING = ("first_name", "last_name", "province", "city", "address", "address_2")


@dataclass(frozen=True, slots=True)
class SheetRecipient:
    """The recipient as the columns tell it; `province` and so on may be empty."""

    name: str
    phone: str
    address: str
    region_code: str = ""
    province: str = ""
    city: str = ""
    district: str = ""


def recipient_of(cells: Mapping[str, str]) -> SheetRecipient:
    """The recipient by the fields of an order's rows. Who pays gets it where no column says who does and where: of a
    shipping address that is there nothing is filled up from the billing address but the phone."""
    phone = cells.get("recipient_phone") or cells.get("billing_phone", "")
    if not any(cells.get(name) for name in ("recipient_name", "first_name", "last_name", "address")):
        cells = {**cells, **{name: cells.get(f"billing_{name}", "") for name in _OF_BILLING}}
    return SheetRecipient(
        name=cells.get("recipient_name") or full_name(cells.get("first_name", ""), cells.get("last_name", "")),
        phone=phone,
        address=_address(cells),
        region_code=cells.get("region_code", ""),
        province=province_of(cells.get("province", "")),
        city=cells.get("city", ""),
        district=cells.get("district", ""),
    )


def full_name(given: str, family: str) -> str:
    """王小明, John Smith: in Chinese the family name comes first. Where a column holds the whole name already, or both
    do, the name is there once."""
    for whole, part in ((given, family), (family, given)):
        if _is_whole(whole, part):
            return whole
    if _CHINESE.search(given + family):
        return f"{family}{given}"
    return f"{given} {family}".strip()


def _is_whole(name: str, part: str) -> bool:
    """Whether the name has the part in it as a name has its given or family name. What may be a family name alone is
    not whole: 方 and 方, Li and Li, 欧阳 and 阳 are two names each."""
    words, others = _words(name), _words(part)
    if not others:
        return False
    if _CHINESE.search(name):
        name, part = "".join(words), "".join(others)
        is_family_name = len(name) < 2 or is_compound_surname(name)
        return not is_family_name and (name.startswith(part) or name.endswith(part))
    return len(words) > 1 and (
        words[: len(others)] == others or words[-len(others) :] == others or sorted(words) == sorted(others)
    )


def _words(name: str) -> list[str]:
    """The words of the name, in one spelling: without what capitals, full width and punctuation change."""
    return re.findall(r"\w[\w*'-]*|[*]+", unicodedata.normalize("NFKC", name).replace("’", "'").casefold())


def province_of(text: str) -> str:
    """The province's name for a code of WooCommerce (CN20), and of one in two languages the Chinese one."""
    if code := _CODE.fullmatch(text):
        number = int(code[1])
        return _WOOCOMMERCE[number - 1] if 0 < number <= len(_WOOCOMMERCE) else text
    found = _IN_TWO_LANGUAGES.fullmatch(text)
    return found[1] if found else text


def _address(cells: Mapping[str, str]) -> str:
    """The lines of the address, with the town before them where a column of its own has that."""
    town, address, second = (cells.get(name, "") for name in ("town", "address", "address_2"))
    if second and second not in address:
        address = f"{address} {second}".strip()
    return address if town in address else f"{town}{address}"
