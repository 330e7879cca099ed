"""What warehouses on the 奇门 form tell of warehouse orders, in the words of `logistics.warehouses.notices`. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from logistics.warehouses import stock_notices
from logistics.warehouses.adapters.qimen import words
from logistics.warehouses.adapters.qimen.reading import (
    Message,
    added_up,
    code_of,
    digest,
    grams,
    key_of,
    serials_of,
    time_of,
    units,
)
from logistics.warehouses.adapters.qimen.setup import Setup
from logistics.warehouses.notices import Notice
from oms.common.masking import mask_text
from oms.common.work.facts import News
from oms.common.work.protocols import Unreadable
from oms.common.work.xml import text_of

_TIMES = ("deliveryOrder/orderConfirmTime", "deliveryOrder/operateTime")
# In `extendProps/logistics_flag`: the waybill is told before the parcel leaves; it is another one than was told.
_ANNOUNCED, _CORRECTED = "1", "2"


def confirmed(message: Message, mine: Setup) -> Iterator[News]:
    """A confirmation of one document, or of many."""
    orders = message.root.findall("orders/order") or [message.root]
    for order in orders:
        yield from _confirmed(message, order, mine)


def _confirmed(message: Message, order: Element, mine: Setup) -> Iterator[News]:
    head = order.find("deliveryOrder")
    if head is None:
        raise Unreadable("The message has no deliveryOrder.")
    code, status = code_of(head, "deliveryOrderCode"), text_of(head, "status")
    key, at = key_of(message, code, order, head), time_of(order, _TIMES, message.sent_at)
    if status not in words.LEFT:
        notice = words.PROCESSES.get(status, Notice.NOTED)
        yield News(key, notice, code, at, {"text": mask_text(f"{status} {text_of(head, 'remark')}".strip())[:300]})
        return
    flag = text_of(order, "extendProps/logistics_flag") or text_of(head, "extendProps/logistics_flag")
    lines, packages = _lines(order), _packages(order, mine)
    if flag == _CORRECTED:
        told = ", ".join(f"{one['carrier']} {one['waybill']}".strip() for one in packages)
        yield News(key, Notice.TROUBLE, code, at, {"text": f"运单号更正 {told}"[:300]})
        return
    notice = Notice.PACKED if flag == _ANNOUNCED else _how_much(head, status)
    body, differs = _body(lines, packages)
    yield News(key, notice, code, at, body)
    if differs:
        yield News(f"{key}:sums", Notice.TROUBLE, code, at, {"text": differs})


def _how_much(head: Element, status: str) -> Notice:
    """Whether nothing more will leave. A part that says itself final is."""
    told = text_of(head, "confirmType")
    is_part = told == words.INTERMEDIATE or (status == "PARTDELIVERED" and told != words.FINAL)
    return Notice.PARTLY_SHIPPED if is_part else Notice.SHIPPED


def _lines(order: Element) -> list[dict[str, Any]]:
    """Units by line. Without any quantity at all nothing is said of how many."""
    found = order.findall("orderLines/orderLine")
    return [
        {
            "line": text_of(line, "orderLineNo")[:40],
            "sku": text_of(line, "itemCode")[:64],
            "quantity": max(units(line, "actualQty"), 0),
            "serials": serials_of(line),
        }
        for line in found
        if line.find("actualQty") is not None
    ]


def _packages(order: Element, mine: Setup) -> list[dict[str, Any]]:
    return [
        {
            "carrier": mine.our_carrier(text_of(package, "logisticsCode")),
            "waybill": text_of(package, "expressCode")[:40],
            "weight_g": grams(package, "weight"),
            "lines": [
                {"sku": text_of(item, "itemCode")[:64], "quantity": max(units(item, "quantity"), 0)}
                for item in package.findall("items/item")
            ],
        }
        for package in order.findall("packages/package")
    ]


def _body(lines: list[dict[str, Any]], packages: list[dict[str, Any]]) -> tuple[dict[str, Any], str]:
    """The notice's body, and what does not fit together in it, if anything. What the lines say is what left."""
    if not packages:
        return ({"lines": lines} if lines else {}), ""
    told = [line for package in packages for line in package["lines"]]
    if not lines:
        return {"parcels": packages}, ""
    if not told:
        return {"parcels": _spread(lines, packages)}, ""
    by_lines, by_packages = added_up(lines), added_up(told)
    if by_lines == by_packages:
        return {"parcels": packages}, ""
    missing = [
        {"sku": sku, "quantity": more}
        for sku, number in by_lines.items()
        if (more := number - by_packages.get(sku, 0)) > 0
    ]
    packages[0] = {**packages[0], "lines": [*packages[0]["lines"], *missing]}
    shown = ", ".join(
        f"{sku} {by_lines.get(sku, 0)}/{by_packages.get(sku, 0)}"
        for sku in sorted(by_lines.keys() | by_packages.keys())
        if by_lines.get(sku, 0) != by_packages.get(sku, 0)
    )
    return {"parcels": packages}, f"orderLines/packages: {shown}"[:300]


def _spread(lines: Sequence[dict[str, Any]], packages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Packages of which nobody says what is in them, with the units dealt out one after the other: each has some."""
    parcels = [{**package, "lines": []} for package in packages]
    place = 0
    for line in lines:
        share, more = divmod(line["quantity"], len(parcels))
        for offset in range(len(parcels)):
            quantity = share + (offset < more)
            if quantity:
                parcels[(place + offset) % len(parcels)]["lines"].append({**line, "quantity": quantity})
        place += more
    return parcels


def answered(message: Message, code: str, mine: Setup) -> Iterator[News]:
    """What a warehouse answers when it is asked for a document: all that left so far, not only what is new. So nothing
    is taken from it but parcels with waybills, by which they are known however often they are told, and with what is in
    each; without, that all left is for a person."""
    head, key = message.root.find("deliveryOrder"), f"{message.method}:{code}:{digest(message.root)}"
    if head is None or code_of(head, "deliveryOrderCode") != code:
        return
    status = text_of(head, "status")
    if status not in words.LEFT:
        notice = words.PROCESSES.get(status, Notice.NOTED)
        if notice is not Notice.NOTED:
            yield News(key, notice, code, message.sent_at, {"text": status})
        return
    packages = _packages(message.root, mine)
    says_what = len(packages) == 1 or all(one["lines"] for one in packages)
    if status and packages and says_what and all(one["waybill"] for one in packages):
        body, _differs = _body(_lines(message.root), packages)
        yield News(
            key,
            _how_much(head, status),
            code,
            time_of(message.root, _TIMES, message.sent_at),
            {**body, "is_answer": True},
        )
    elif status == "DELIVERED":
        yield News(key, Notice.TROUBLE, code, message.sent_at, {"text": "DELIVERED, packages: –"})


def progressed(message: Message, _mine: Setup) -> Iterator[News]:
    """How far a document is. That it left is only noted: the confirmation says what left in which parcel."""
    order, process = message.root.find("order"), message.root.find("process")
    if order is None or process is None:
        raise Unreadable("The message has no order and process.")
    code, word = code_of(order, "orderCode"), text_of(process, "processStatus")
    at = time_of(process, ("operateTime",), message.sent_at)
    text = mask_text(" ".join(filter(None, [word, text_of(process, "operateInfo"), text_of(process, "remark")])))[:300]
    key = f"{message.method}:{code}:{word}:{text_of(process, 'operateTime') or digest(message.root)}"
    if text_of(order, "orderType") in words.SALES:
        yield News(key, words.PROCESSES.get(word, Notice.NOTED), code, at, {"text": text})
    else:
        yield News(key, stock_notices.DOCUMENT_NOTED, code, at, {"word": word[:40], "text": text})


def lacking(message: Message, _mine: Setup) -> Iterator[News]:
    """Goods that the warehouse does not find, or does not have in its books; the order stays open there."""
    code = code_of(message.root, "deliveryOrderCode")
    lacks = [
        {
            "sku": text_of(item, "itemCode")[:64],
            "quantity": max(units(item, "lackQty"), 0),
            "is_physical": text_of(item, "reason") == words.IS_PHYSICAL,
        }
        for item in message.root.findall("items/item")
    ]
    key = key_of(message, code, message.root, message.root)
    at = time_of(message.root, ("createTime",), message.sent_at)
    yield News(key, Notice.LACKING, code, at, {"lacks": [one for one in lacks if one["quantity"]]})


def batch_taken(message: Message, _mine: Setup) -> Iterator[News]:
    """The late answer to a batch: what it names is taken."""
    for order in message.root.findall("orders/order"):
        info = order.find("orderInfo")
        head = order if info is None else info
        code = text_of(head, "deliveryOrderCode") or text_of(order, "deliveryOrderCode")
        if not code:
            raise Unreadable("An order of the batch names no deliveryOrderCode.")
        yield News(f"{message.method}:{code}", Notice.ACCEPTED, code, time_of(head, ("createTime",), message.sent_at))
