"""What warehouses on the 奇门 form tell of goods beside orders (see `logistics.warehouses.stock_notices`). Pure."""

from collections.abc import Iterator
from datetime import date
from typing import Any
from xml.etree.ElementTree import Element

from logistics.warehouses import stock_notices as notices
from logistics.warehouses.adapters.qimen import words
from logistics.warehouses.adapters.qimen.reading import Message, code_of, digest, key_of, serials_of, time_of, units
from logistics.warehouses.adapters.qimen.setup import Setup
from oms.common.work.facts import News
from oms.common.work.protocols import Unreadable
from oms.common.work.xml import text_of

# Documents of which a status other than these only says how they stand.
_CAME = ("", "NEW", "FULFILLED", "PARTFULFILLED", "DELIVERED", "PARTDELIVERED")
_PARTS = ("PARTFULFILLED", "PARTDELIVERED")


def received(message: Message, _mine: Setup) -> Iterator[News]:
    """What came of what was announced."""
    yield _moved(message, "entryOrder", "entryOrderCode", notices.GOODS_RECEIVED)


def sent(message: Message, _mine: Setup) -> Iterator[News]:
    """What left that is no order's."""
    yield _moved(message, "deliveryOrder", "deliveryOrderCode", notices.GOODS_SENT)


def returned(message: Message, _mine: Setup) -> Iterator[News]:
    """What came back from buyers."""
    yield _moved(message, "returnOrder", "returnOrderCode", notices.GOODS_RETURNED)


def _moved(message: Message, head_name: str, code_name: str, kind: str) -> News:
    head = message.root.find(head_name)
    if head is None:
        raise Unreadable(f"The message has no {head_name}.")
    code, status = code_of(head, code_name), text_of(head, "status")
    key = key_of(message, code, message.root, head)
    at = time_of(head, ("operateTime", "orderConfirmTime"), message.sent_at)
    if status not in _CAME:
        return News(key, notices.DOCUMENT_NOTED, code, at, {"word": status[:40], "text": text_of(head, "remark")[:300]})
    lines = [part for line in message.root.findall("orderLines/orderLine") for part in _parts(line)]
    is_final = text_of(head, "confirmType") != words.INTERMEDIATE and status not in _PARTS
    return News(key, kind, code, at, {"lines": lines, "is_final": is_final})


def _parts(line: Element) -> Iterator[dict[str, Any]]:
    """A line by its batches, where it names any that are all of it. Serial numbers are named for the line: each part
    has as many as it has units, the last one what is more."""
    sku, quality = text_of(line, "itemCode")[:64], _quality(text_of(line, "inventoryType"))
    total, batches = units(line, "actualQty"), line.findall("batchs/batch")
    if batches and sum(units(batch, "actualQty") for batch in batches) == total:
        rows = [(batch, units(batch, "actualQty")) for batch in batches]
    else:
        rows = [(line, total)]
    rows, serials = [(node, quantity) for node, quantity in rows if quantity > 0], serials_of(line)
    for place, (node, quantity) in enumerate(rows):
        mine = serials if place == len(rows) - 1 else serials[:quantity]
        serials = serials[len(mine) :]
        yield {
            "sku": sku,
            "quantity": quantity,
            "quality": _quality(text_of(node, "inventoryType")) if text_of(node, "inventoryType") else quality,
            "lot": text_of(node, "batchCode")[:40],
            "best_before": _day(text_of(node, "expireDate")),
            "serials": mine,
        }


def counted(message: Message, mine: Setup) -> Iterator[News]:
    """A page of a count. `quantity` is the difference; one that only says what lies there cannot be read."""
    root = message.root
    code = code_of(root, "checkOrderCode")
    page, pages = units(root, "currentPage") or 1, units(root, "totalPage") or 1
    items = [
        {
            "sku": text_of(item, "itemCode")[:64],
            "difference": units(item, "quantity"),
            "quality": _quality(text_of(item, "inventoryType")),
        }
        for item in root.findall("items/item")
        if text_of(item, "inventoryType") != words.ON_ITS_WAY
    ]
    body = {
        "warehouse": mine.our_warehouse(code_of(root, "warehouseCode")),
        "merchant": mine.our_merchant(text_of(root, "ownerCode")) if text_of(root, "ownerCode") else "",
        "page": page,
        "pages": pages,
        "items": items,
    }
    key = f"{message.method}:{code}:{text_of(root, 'outBizCode')}:{page}/{pages}"
    yield News(key, notices.STOCK_COUNT, code, time_of(root, ("checkTime",), message.sent_at), body)


def changed(message: Message, mine: Setup) -> Iterator[News]:
    """Changes of stock that have no confirmation of their own."""
    for item in message.root.findall("items/item"):
        if text_of(item, "inventoryType") == words.ON_ITS_WAY:
            continue
        owner, document = text_of(item, "ownerCode"), text_of(item, "orderCode")
        sku = code_of(item, "itemCode")
        body = {
            "sku": sku[:64],
            "difference": units(item, "quantity"),
            "merchant": mine.our_merchant(owner) if owner else "",
            "quality": _quality(text_of(item, "inventoryType")),
            "document": document[:64],
            "moves_stock": mine.options.books_changes,
        }
        place = mine.our_warehouse(code_of(item, "warehouseCode"))
        own = text_of(item, "outBizCode") or digest(item)
        at = time_of(item, ("changeTime",), message.sent_at)
        yield News(f"{message.method}:{document}:{own}:{sku}", notices.STOCK_CHANGED, place, at, body)


def _quality(word: str) -> str:
    if word not in words.QUALITIES:
        raise Unreadable(f"The inventoryType {word[:10]} is not known.")
    return words.QUALITIES[word].value


def _day(text: str) -> str | None:
    try:
        return date.fromisoformat(text[:10]).isoformat()
    except ValueError:
        return None
