"""What a pretended warehouse on the 奇门 form does by itself, and tells. See `oms.simulators.qimen`."""

import secrets
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from oms.common.zones import CHINA
from oms.simulators.depots import ACCEPTED, CANCELED, DONE, OUT, OVER, PACKED, PARTLY, PICKING, Depot, Document

Content = dict[str, Any]
# Who comes for what it sends by nobody in particular.
_OWN_CARRIER = "SF"


class Workers:
    """Who works in the warehouse of a book; what they tell is put into it."""

    def __init__(self, book: Depot) -> None:
        self.book = book
        self.turned = 0.0

    def now(self) -> float:
        """Its own time."""
        return time.time() + self.turned

    def turn(self, seconds: float) -> None:
        """Let time pass."""
        self.turned += seconds

    def report(self, code: str, word: str) -> None:
        """Tell how far a document is."""
        document = self.known(code)
        if word in (ACCEPTED, PICKING, PACKED) and document.state not in (*OVER, PARTLY):
            document.state = word
            self.book.keep(document)
        order = {"orderCode": code, "orderId": document.own_id, "orderType": document.order_type}
        process = {"processStatus": word, "operateTime": written(self.now()), "operatorName": "仓管"}
        self.book.say(
            code,
            "orderprocess.report",
            {"order": {**order, "warehouseCode": document.warehouse}, "process": process},
            self.now(),
        )

    def ship(
        self, code: str, units: Mapping[str, int] | None = None, *, is_final: bool = True, names_items: bool = True
    ) -> None:
        """Send units by article (None: all that is left) in a parcel, whatever it said before; `is_final`: nothing more
        will go."""
        document = self.known(code)
        wanted = dict(document.left if units is None else units)
        sent = _move(document, wanted)
        document.state = DONE if is_final else PARTLY
        document.confirms += 1
        carrier = _OWN_CARRIER if document.carrier in ("", "OTHER") else document.carrier
        waybill = document.waybill or f"{carrier}8{secrets.randbelow(10**12):012d}"
        if document.confirms > 1:
            waybill = f"{waybill}-{document.confirms}"
        document.waybills.append(waybill)
        for sku, some in wanted.items():
            self.book.take(document.owner, sku, some)
        items = [{"itemCode": sku, "quantity": some} for sku, some in wanted.items() if some]
        package: Content = {"logisticsCode": carrier, "expressCode": waybill, "weight": "0.52"}
        if names_items:
            package["items"] = {"item": items}
        document.packages += [package] if items else []
        self.book.keep(document)
        head = {
            **self._head_of(document, "deliveryOrderCode", "deliveryOrderId"),
            "status": "DELIVERED" if is_final else "PARTDELIVERED",
            "confirmType": 0 if is_final else 1,
            "orderConfirmTime": written(self.now()),
        }
        content = {
            "deliveryOrder": head,
            "packages": {"package": [package] if items else []},
            "orderLines": {"orderLine": sent},
        }
        method = "stockout.confirm" if document.kind == OUT else "deliveryorder.confirm"
        self.book.say(code, method, content, self.now())

    def lack(self, code: str, sku: str, units: int, *, is_physical: bool = True) -> None:
        """Tell that goods are missing; the document stays as it is."""
        document = self.known(code)
        item = {
            "itemCode": sku,
            "planQty": document.left.get(sku, 0),
            "lackQty": units,
            "reason": "实物报缺" if is_physical else "系统报缺",
        }
        content = {
            "warehouseCode": document.warehouse,
            "deliveryOrderCode": code,
            "createTime": written(self.now()),
            "outBizCode": secrets.token_hex(8),
            "items": {"item": [item]},
        }
        self.book.say(code, "itemlack.report", content, self.now())

    def drop(self, code: str, word: str = "REJECT") -> None:
        """Refuse a document after all, or give it up by itself."""
        document = self.known(code)
        document.state = CANCELED
        self.book.keep(document)
        self.report(code, word)

    def receive(
        self,
        code: str,
        units: Mapping[str, int] | None = None,
        *,
        is_final: bool = True,
        quality: str = "ZP",
        serials: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Goods came of what was announced: units by article (None: all that is left), with their serial numbers."""
        document = self.known(code)
        wanted = dict(document.left if units is None else units)
        for sku, some in wanted.items():
            self.book.put(document.owner, sku, some, quality)
        lines = [
            {
                **line,
                **_numbers((serials or {}).get(str(line["itemCode"]), ()) if line["actualQty"] else ()),
                "inventoryType": quality,
            }
            for line in _move(document, wanted)
        ]
        document.state, document.confirms = (DONE if is_final else PARTLY), document.confirms + 1
        self.book.keep(document)
        head = {
            **self._head_of(document, "entryOrderCode", "entryOrderId"),
            "ownerCode": document.owner,
            "status": "FULFILLED" if is_final else "PARTFULFILLED",
            "confirmType": 0 if is_final else 1,
            "operateTime": written(self.now()),
        }
        content = {"entryOrder": head, "orderLines": {"orderLine": lines}}
        self.book.say(code, "entryorder.confirm", content, self.now())

    def take_back(
        self,
        code: str,
        units: Mapping[tuple[str, str], int] | None = None,
        *,
        is_final: bool = True,
        serials: Mapping[tuple[str, str], Sequence[str]] | None = None,
    ) -> None:
        """Goods came back of a return: units by article and quality (None: all that is left, good), with their serial
        numbers, and were looked at; `is_final`: nothing more will come."""
        document = self.known(code)
        came = {(sku, "ZP"): some for sku, some in document.left.items()} if units is None else dict(units)
        lines = []
        for (sku, quality), some in came.items():
            self.book.put(document.owner, sku, some, quality)
            told = _numbers((serials or {}).get((sku, quality), ()))
            moved = [line for line in _move(document, {sku: some}) if line["actualQty"]]
            lines += [{**line, **told, "inventoryType": quality} for line in moved]
        document.state, document.confirms = (DONE if is_final else PARTLY), document.confirms + 1
        self.book.keep(document)
        head = {
            **self._head_of(document, "returnOrderCode", "returnOrderId"),
            "confirmType": 0 if is_final else 1,
            "orderConfirmTime": written(self.now()),
            "expressCode": document.waybill,
        }
        self.book.say(
            code, "returnorder.confirm", {"returnOrder": head, "orderLines": {"orderLine": lines}}, self.now()
        )

    def count(
        self, warehouse: str, owner: str, differences: Mapping[str, int], *, pages: int = 1, quality: str = "ZP"
    ) -> str:
        """Find units more or fewer (by article), and tell it in so many pages; returns the count's number."""
        number, rows = f"PD{secrets.randbelow(10**8):08d}", list(differences.items())
        for sku, units in rows:
            self.book.put(owner, sku, units, quality)
        for number_of_page in range(1, pages + 1):
            items = [
                {"itemCode": sku, "inventoryType": quality, "quantity": units}
                for sku, units in rows[number_of_page - 1 :: pages]
            ]
            content = {
                "totalPage": pages,
                "currentPage": number_of_page,
                "pageSize": len(rows),
                "warehouseCode": warehouse,
                "checkOrderCode": number,
                "ownerCode": owner,
                "checkTime": written(self.now()),
                "outBizCode": f"{number}-{number_of_page}",
                "items": {"item": items},
            }
            self.book.say(number, "inventory.report", content, self.now())
        return number

    def change(self, warehouse: str, owner: str, sku: str, units: int, *, quality: str = "ZP") -> None:
        """Units of an article came or went by a document of its own."""
        self.book.put(owner, sku, units, quality)
        number = f"TZ{secrets.randbelow(10**8):08d}"
        item = {
            "ownerCode": owner,
            "warehouseCode": warehouse,
            "itemCode": sku,
            "orderCode": number,
            "orderType": "TZ",
            "outBizCode": number,
            "quantity": units,
            "inventoryType": quality,
            "changeTime": written(self.now()),
        }
        self.book.say(number, "stockchange.report", {"items": {"item": [item]}}, self.now())

    def _head_of(self, document: Document, code_name: str, id_name: str) -> Content:
        return {
            code_name: document.code,
            id_name: document.own_id,
            "warehouseCode": document.warehouse,
            "orderType": document.order_type,
            "outBizCode": f"{document.own_id}-{document.confirms}",
        }

    def known(self, code: str) -> Document:
        """The document of that number. Raises LookupError."""
        document = self.book.find(code)
        if document is None:
            raise LookupError(f"there is no document {code}")
        return document


def _numbers(serials: Sequence[str]) -> Content:
    return {"snList": {"sn": list(serials)}} if serials else {}


def _move(document: Document, wanted: Mapping[str, int]) -> list[Content]:
    """Count units by article as moved; returns the lines of the confirmation. More than was asked for goes to the last
    line of the article, and an article that nobody asked for to a line of its own."""
    told = []
    left = dict(wanted)
    for place, line in enumerate(document.lines):
        is_last = all(other.sku != line.sku for other in document.lines[place + 1 :])
        units = left.get(line.sku, 0) if is_last else min(left.get(line.sku, 0), line.planned - line.moved)
        left[line.sku] = left.get(line.sku, 0) - units
        line.moved += units
        told.append({"orderLineNo": line.number, "itemCode": line.sku, "planQty": line.planned, "actualQty": units})
    told += [{"itemCode": sku, "planQty": 0, "actualQty": units} for sku, units in left.items() if units]
    return told


def written(at: float) -> str:
    """A time as the form has it."""
    return datetime.fromtimestamp(at, CHINA).strftime("%Y-%m-%d %H:%M:%S")
