"""Values out of messages on the 奇门 form. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from xml.etree.ElementTree import Element, tostring

from inventory.models.serials import MOST_OF_A_SERIAL
from logistics.warehouses.notices import MOST_SERIALS
from oms.common.work.protocols import Unreadable
from oms.common.work.xml import text_of
from oms.common.zones import CHINA

MOST_UNITS = 1_000_000


@dataclass(frozen=True, slots=True)
class Message:
    """A callback: its method without the prefix, when it was sent, and its document."""

    method: str
    sent_at: datetime
    root: Element


def units(node: Element, path: str) -> int:
    """Whole units, maybe written with decimals or a sign; 0 where there are none. Raises Unreadable."""
    told = text_of(node, path)
    try:
        number = Decimal(told or "0")
    except InvalidOperation as error:
        raise Unreadable(f"{path} {told[:20]} is no number.") from error
    if not number.is_finite() or number != number.to_integral_value() or abs(number) > MOST_UNITS:
        raise Unreadable(f"{path} {told[:20]} is no number of units.")
    return int(number)


def serials_of(line: Element) -> list[str]:
    """The serial numbers of a line's units, from either place where they may stand."""
    listed = [(sn.text or "").strip() for sn in line.findall("snList/sn")]
    joined = [] if any(listed) else [part.strip() for part in text_of(line, "qrCode").split(";")]
    return [one[:MOST_OF_A_SERIAL] for one in (*listed, *joined) if one][:MOST_SERIALS]


def grams(node: Element, path: str) -> int:
    """A weight in kilograms as grams; 0 where there is none, or none that can be."""
    try:
        number = Decimal(text_of(node, path) or "0") * 1000
    except InvalidOperation:
        return 0
    return round(number) if number.is_finite() and 0 <= number < 10**9 else 0


def time_of(node: Element, paths: Sequence[str], otherwise: datetime) -> datetime:
    """The first time that is named, of China; `otherwise` where none is, or none that can be read."""
    for path in paths:
        try:
            return datetime.strptime(text_of(node, path), "%Y-%m-%d %H:%M:%S").replace(tzinfo=CHINA)
        except ValueError:
            continue
    return otherwise


def code_of(node: Element, path: str) -> str:
    """The number of the document. Raises Unreadable where there is none."""
    code = text_of(node, path)
    if not code:
        raise Unreadable(f"The message names no {path}.")
    return code


def key_of(message: Message, code: str, node: Element, head: Element | None) -> str:
    """The key of what is said of a document: the sender's own for it, else what it says."""
    own = text_of(head, "outBizCode") if head is not None else ""
    return f"{message.method}:{code}:{own or digest(node)}"


def digest(node: Element) -> str:
    """What stands for all that an element says."""
    return hashlib.sha256(tostring(node)).hexdigest()[:24]


def added_up(lines: Sequence[Mapping[str, str | int]]) -> dict[str, int]:
    """Units by SKU of lines with `sku` and `quantity`, where there are any."""
    found: dict[str, int] = {}
    for line in lines:
        found[str(line["sku"])] = found.get(str(line["sku"]), 0) + int(line["quantity"])
    return {sku: units for sku, units in found.items() if units}
