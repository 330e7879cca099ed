"""A peer that speaks as a warehouse system on the 奇门 form does: goods, delivery orders, what is announced to come.

What vendors do differently is a switch here: whether a repetition is a success, whether goods must be known before they
are asked for, whether a cancellation is answered later, into how many orders one is split.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from threading import Event
from typing import Any
from urllib.parse import quote, quote_plus, urlencode
from xml.etree.ElementTree import Element

from oms.common.work import xml
from oms.common.work.xml import text_of
from oms.simulators import notifying
from oms.simulators.depot_work import Content, Workers, written
from oms.simulators.depots import (
    ACCEPTED,
    BACK,
    CANCELED,
    DELIVERY,
    DONE,
    ENTRY,
    OUT,
    PACKED,
    PARTLY,
    PICKING,
    Depot,
    Document,
    Line,
    Push,
)
from oms.simulators.keys import QimenKeys
from oms.simulators.mischief import Mischief, PushTrick, Trick
from oms.simulators.notifying import Post, Posted
from oms.simulators.wsgi import Request, Response, page, tricked

PAUSES = (60.0, 300.0, 600.0)
_HOUR = 3600.0
# By its clock: what it says of a delivery order, and when; then it goes.
_STEPS = [(ACCEPTED, 0.2 * _HOUR), (PICKING, 0.7 * _HOUR), (PACKED, 1.7 * _HOUR)]
_GOES_AFTER = 2 * _HOUR
_ARRIVES_AFTER = 24 * _HOUR
_PREFIX = "taobao.qimen."
# How it calls where a document is, where its book has another word.
_STATUSES = {PARTLY: "PARTDELIVERED", DONE: "DELIVERED"}
_KINDS = {"deliveryOrder": "deliveryOrderCode", "entryOrder": "entryOrderCode", "returnOrder": "returnOrderCode"}


class _Refusal(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.answer: Content = {"flag": "failure", "code": code, "message": message}


class QimenPeer(Workers):
    """A warehouse's system, as seen by the one whose goods it keeps; `notify_url` is where it tells what it did."""

    def __init__(self, keys: QimenKeys, *, book: Depot | None = None, notify_url: str = "", speed: float = 1.0) -> None:
        super().__init__(book or Depot())
        self.keys, self.notify_url, self.speed = keys, notify_url, speed
        self.mischief: Mischief[Trick] = Mischief()
        self.push_mischief: Mischief[PushTrick] = Mischief()
        self.refused_items: set[str] = set()
        self.refuses_cancelling = self.cancels_later = self.repeats_are_failures = self.needs_no_items = False
        self.parts = 1  # into how many orders it splits one
        self._methods: Mapping[str, Callable[[Element], Content]] = {
            "singleitem.synchronize": self._item,
            "deliveryorder.create": self._create,
            "deliveryorder.batchcreate": self._create_many,
            "deliveryorder.query": self._query,
            "orderprocess.query": self._process,
            "order.cancel": self._cancel,
            "stockout.create": lambda root: self._announce(root, "deliveryOrder", OUT, "deliveryOrderId"),
            "returnorder.create": self._expect_back,
            "entryorder.create": lambda root: self._announce(root, "entryOrder", ENTRY, "entryOrderId"),
            "inventory.query": self._inventory,
        }

    def __call__(self, request: Request) -> Response:
        """Answer a call, or a person's browser."""
        if request.method != "POST":
            return self._list()
        busy = _answer({"flag": "failure", "code": "S01", "message": "系统繁忙，请稍后重试"})
        return tricked(
            self.mischief,
            lambda: self._answer(request),
            {
                Trick.SYSTEM_ERROR_AFTER: lambda _done: busy,
                Trick.GARBAGE: lambda _done: Response(b"<html><body>502</body>"),
                Trick.BAD_SIGNATURE: lambda _done: _gateway_refusal("15", "isp.remote-service-timeout"),
            },
        )

    def _answer(self, request: Request) -> Response:
        parameters, body = request.query, request.body.decode()
        expected = sign(parameters, body, self.keys.app_secret)
        if not hmac.compare_digest(expected.encode(), parameters.get("sign", "").encode()):
            return _gateway_refusal("25", "isv.invalid-signature")
        if parameters.get("app_key") != self.keys.app_key:
            return _gateway_refusal("29", "isv.invalid-app-key")
        try:
            if parameters.get("customerId") != self.keys.customer_id:
                raise _Refusal("C01", "customerId不存在")
            do = self._methods.get(parameters.get("method", "").removeprefix(_PREFIX))
            if do is None:
                raise _Refusal("M01", "接口不存在")
            with self.book.locked():
                return _answer({"flag": "success", "code": "1", **do(xml.parse(body))})
        except _Refusal as refusal:
            return _answer(refusal.answer)

    # --- What it does when asked

    def _item(self, root: Element) -> Content:
        owner, code, name = _needed(root, "ownerCode"), _needed(root, "item/itemCode"), _needed(root, "item/itemName")
        _needed(root, "item/barCode"), _needed(root, "item/itemType"), _needed(root, "actionType")
        if code in self.refused_items:
            raise _Refusal("I02", f"商品{code}条码无效")
        self.book.tell_item(owner, code, name)
        return {"itemId": own_id(owner, code)}

    def _create(self, root: Element) -> Content:
        head = _head(root, "deliveryOrder")
        for needed in ("orderType", "createTime", "placeOrderTime", "operateTime", "shopNick", "sourcePlatformCode"):
            _needed(head, needed)
        for needed in ("name", "mobile", "province", "city", "detailAddress"):
            _needed(head, f"receiverInfo/{needed}"), _needed(head, f"senderInfo/{needed}")
        if text_of(head, "orderType") == "HHCK":
            _needed(head, "preDeliveryOrderCode")
        document, is_new = self._enter(root, head, DELIVERY, "deliveryOrderCode")
        if not is_new and self.repeats_are_failures:
            raise _Refusal("D01", f"单号{document.code}已存在")
        answer = {"message": "" if is_new else "单号重复", "createTime": written(document.created_at)}
        if self.parts > 1:
            ids = [f"{document.own_id}-{part}" for part in range(1, self.parts + 1)]
            return {**answer, "deliveryOrders": {"deliveryOrder": [{"deliveryOrderId": one} for one in ids]}}
        return {**answer, "deliveryOrderId": document.own_id}

    def _create_many(self, root: Element) -> Content:
        failed = []
        for order in root.findall("orders/order"):
            try:
                self._create(order)
            except _Refusal as refusal:
                code = text_of(order, "deliveryOrder/deliveryOrderCode")
                failed.append({"deliveryOrderCode": code, "message": str(refusal)})
        return {"orders": {"order": failed}} if failed else {}

    def _announce(self, root: Element, head_name: str, kind: str, id_name: str) -> Content:
        document, _is_new = self._enter(root, _head(root, head_name), kind, _KINDS[head_name])
        return {id_name: document.own_id, "createTime": written(document.created_at)}

    def _expect_back(self, root: Element) -> Content:
        head = _head(root, "returnOrder")
        for needed in (
            "orderType",
            "logisticsCode",
            "senderInfo/name",
            "senderInfo/mobile",
            "senderInfo/detailAddress",
        ):
            _needed(head, needed)
        return self._announce(root, "returnOrder", BACK, "returnOrderId")

    def _enter(self, root: Element, head: Element, kind: str, code_name: str) -> tuple[Document, bool]:
        code = _needed(head, code_name)
        if before := self.book.find(code):
            before.asked += 1
            self.book.keep(before)
            return before, False
        lines, owner = [], text_of(head, "ownerCode")
        for line in root.findall("orderLines/orderLine"):
            sku, owner = _needed(line, "itemCode"), text_of(line, "ownerCode") or owner
            if (owner, sku) not in self.book.items() and not self.needs_no_items:
                raise _Refusal("I01", f"商品不存在: {sku}")
            lines.append(Line(text_of(line, "orderLineNo"), sku, int(_needed(line, "planQty"))))
        if not lines:
            raise _Refusal("L01", "orderLines不能为空")
        document = Document(
            code,
            kind,
            text_of(head, "orderType"),
            f"W{secrets.randbelow(10**9):09d}",
            owner,
            _needed(head, "warehouseCode"),
            text_of(head, "logisticsCode"),
            text_of(head, "expressCode"),
            self.now(),
            lines,
        )
        self.book.keep(document)
        return document, True

    def _query(self, root: Element) -> Content:
        document = self.book.find(_needed(root, "orderCode"))
        if document is None:
            raise _Refusal("Q01", "单号不存在")
        head = {"deliveryOrderCode": document.code, "deliveryOrderId": document.own_id}
        lines = [
            {"orderLineNo": line.number, "itemCode": line.sku, "planQty": line.planned, "actualQty": line.moved}
            for line in document.lines
        ]
        return {
            "deliveryOrder": {**head, "status": _STATUSES.get(document.state, document.state)},
            "packages": {"package": document.packages},
            "orderLines": {"orderLine": lines},
        }

    def _process(self, root: Element) -> Content:
        document = self.book.find(_needed(root, "orderCode"))
        if document is None:
            raise _Refusal("Q01", "单号不存在")
        return {"orderProcess": {"orderCode": document.code, "orderId": document.own_id}}

    def _cancel(self, root: Element) -> Content:
        document = self.book.find(_needed(root, "orderCode"))
        _needed(root, "warehouseCode"), _needed(root, "orderType")
        if document is None or document.state == CANCELED:
            return {}
        if self.refuses_cancelling or document.state in (PACKED, PARTLY, DONE):
            if self.cancels_later:
                self.report(document.code, "CANCELEDFAIL")
                return {}
            raise _Refusal("X01", "当前状态不允许取消")
        document.state = CANCELED
        self.book.keep(document)
        if self.cancels_later:
            self.report(document.code, CANCELED)
        return {}

    def _inventory(self, root: Element) -> Content:
        lying = self.book.lying()
        rows = []
        for criteria in root.findall("criteriaList/criteria"):
            owner, sku = text_of(criteria, "ownerCode"), text_of(criteria, "itemCode")
            rows += [
                {"itemCode": sku, "inventoryType": quality, "quantity": units, "lockQuantity": 0}
                for (whose, code, quality), units in lying.items()
                if (whose, code) == (owner, sku)
            ]
        return {"items": {"item": rows}} if rows else {}

    # --- By its clock

    def step(self, send: Post = notifying.post, pauses: Sequence[float] = PAUSES, *, works: bool = True) -> None:
        """Do what is due (unless it only tells), and tell what was not told yet."""
        if works:
            for document in self.book.open_documents():
                self._work_on(document)
        for push in self.book.pushes(self.now()):
            self._push(push, send, pauses)

    def _work_on(self, document: Document) -> None:
        age = (self.now() - document.created_at) * self.speed
        if document.kind in (ENTRY, BACK):
            if age >= _ARRIVES_AFTER and document.kind == ENTRY:
                self.receive(document.code)
            # What buyers send comes under the waybill that was told, some days later.
            elif age >= 3 * _ARRIVES_AFTER and document.waybill:
                self.take_back(document.code)
            return
        for place, (word, after) in enumerate(_STEPS):
            if document.told == place and age >= after:
                document.told = place + 1
                self.book.keep(document)
                self.report(document.code, word)
                document = self.known(document.code)
        if age >= _GOES_AFTER:
            self.ship(document.code)

    def live(self, stop: Event, send: Post = notifying.post) -> None:
        """Go on until `stop`."""
        while not stop.wait(0.5):
            self.step(send)

    def _push(self, push: Push, send: Post, pauses: Sequence[float]) -> None:
        trick = self.push_mischief.next()
        is_heard = not self.notify_url or trick == PushTrick.LOST
        if not is_heard:
            secret = f"{self.keys.app_secret}x" if trick == PushTrick.BAD_SIGNATURE else self.keys.app_secret
            posted = self.write(push.method, push.content, secret=secret, variant=push.id)
            for _time_told in range(2 if trick == PushTrick.TWICE else 1):
                status, text = send(posted)
            is_heard = trick != PushTrick.NOT_HEARD and is_heard_in(status, text)
            if trick == PushTrick.OUT_OF_ORDER:
                before = [one for one in self.book.pushes(self.now(), again=True) if one.id < push.id]
                for old in before[-2:]:
                    send(self.write(old.method, old.content, variant=old.id + 1))
        self.book.told(push, is_heard=is_heard, pauses=pauses, now=self.now())

    def write(
        self, method: str, content: Mapping[str, Any], *, secret: str = "", variant: int = 0, **parameters: str
    ) -> Posted:
        """A message as it goes over the line: with or without prefix, its address encoded in one or the other way."""
        return self.wrapped(method, xml.write("request", content), secret=secret, variant=variant, **parameters)

    def wrapped(self, method: str, body: str, *, secret: str = "", variant: int = 0, **parameters: str) -> Posted:
        """A body with its signed address; `parameters` replace those that belong there."""
        named = {
            "method": f"{_PREFIX}{method}" if variant % 2 else method,
            # Of the real clock, whatever its own says: messages that seem old are refused.
            "timestamp": written(time.time()),
            "format": "xml",
            "app_key": self.keys.app_key,
            "v": "2.0",
            "sign_method": ("md5", "hmac", "hmac-sha256")[variant % 3],
            "customerId": self.keys.customer_id,
            **parameters,
        }
        named["sign"] = sign(named, body, secret or self.keys.app_secret)
        query = urlencode(named, quote_via=quote if variant % 2 else quote_plus)
        return Posted(f"{self.notify_url}?{query}", body, {"content-type": "text/xml;charset=utf-8"})

    def _list(self) -> Response:
        def row(one: Document) -> str:
            lines = ", ".join(f"{line.sku} {line.moved}/{line.planned}" for line in one.lines)
            return f"<tr><td>{one.code}</td><td>{one.state}</td><td>{lines}</td></tr>"

        rows = "".join(map(row, reversed(self.book.documents()[-100:])))
        head = "<tr><th>单号 · number</th><th></th><th>商品 · goods</th></tr>"
        return page("奇门仓库 (模拟) · Qimen warehouse (simulated)", f"<table>{head}{rows}</table>")


def sign(parameters: Mapping[str, str], body: str, secret: str) -> str:
    """The platform's signature."""
    middle = "".join(f"{name}{parameters[name]}" for name in sorted(parameters) if name != "sign" and parameters[name])
    middle += body
    if parameters.get("sign_method") == "md5":
        return hashlib.md5(f"{secret}{middle}{secret}".encode(), usedforsecurity=False).hexdigest().upper()
    algorithm = "sha256" if parameters.get("sign_method") == "hmac-sha256" else "md5"
    return hmac.new(secret.encode(), middle.encode(), algorithm).hexdigest().upper()


def own_id(owner: str, code: str) -> str:
    """What the warehouse calls an article."""
    return f"I{hashlib.sha256(f'{owner}/{code}'.encode()).hexdigest()[:8]}"


def is_heard_in(status: int, text: str) -> bool:
    """Whether an answer ends the repetitions."""
    try:
        return status == 200 and text_of(xml.parse(text), "flag") == "success"
    except ValueError:
        return False


def _head(root: Element, name: str) -> Element:
    found = root.find(name)
    if found is None:
        raise _Refusal("P01", f"缺少必填项 {name}")
    return found


def _needed(node: Element, path: str) -> str:
    value = text_of(node, path)
    if not value:
        raise _Refusal("P01", f"缺少必填项 {path}")
    return value


def _answer(content: Content) -> Response:
    return Response(xml.write("response", content).encode(), headers={"content-type": "text/xml;charset=utf-8"})


def _gateway_refusal(code: str, sub_code: str) -> Response:
    return Response(xml.write("error_response", {"code": code, "msg": "Remote error", "sub_code": sub_code}).encode())
