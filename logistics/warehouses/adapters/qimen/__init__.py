"""Warehouses whose system speaks the 奇门 form, the XML that most WMS in China have an interface for.

Our number of the warehouse order is the key of everything. What became of a call that was not answered is found out by
the same call under the same number, which a WMS answers as done or as a repetition.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from inventory.models import Warehouse
from logistics.models import WarehouseOrder
from logistics.warehouses.adapters import Answer, Request
from logistics.warehouses.adapters.qimen import announcements, bodies, contents, deliveries, setup, wire, words
from logistics.warehouses.adapters.qimen.contents import Order
from logistics.warehouses.adapters.qimen.items import Goods, known
from logistics.warehouses.adapters.qimen.reading import Message, units
from logistics.warehouses.adapters.qimen.setup import Setup
from logistics.warehouses.adapters.qimen.wire import Said
from oms.common.models import Connection
from oms.common.work.calling import Unclear
from oms.common.work.facts import News
from oms.common.work.singly import one_by_one
from oms.common.work.xml import text_of

CREATE, BATCH, QUERY = "deliveryorder.create", "deliveryorder.batchcreate", "deliveryorder.query"
_MOST_CRITERIA = 50


class QimenWarehouse:
    """See `logistics.warehouses.adapters.WarehouseSystem`."""

    def release(self, link: Connection, requests: Sequence[Request]) -> Mapping[str, Answer | Unclear]:
        """Tell of the goods that the warehouse does not know, then hand over the orders. Those whose goods it does not
        take wait, with its reason."""
        mine, orders = setup.of(link), contents.orders([request.reference for request in requests])
        answers: dict[str, Answer | Unclear] = {}
        for warehouse in sorted({request.warehouse for request in requests}):
            here = [one for one in requests if one.warehouse == warehouse and one.reference in orders]
            goods = Goods(link, mine, warehouse, {line.sku_id for one in here for line in orders[one.reference].lines})
            goods.tell()
            ready = []
            for one in here:
                trouble = goods.trouble_of(_skus(orders[one.reference]))
                if trouble:
                    answers[one.reference] = Unclear(f"goods not taken: {trouble}")
                else:
                    ready.append(one)
            create = _create_many if mine.options.creates_by == BATCH else _create_each
            answers |= create(link, mine, goods, ready, orders)
        return answers

    def cancel(self, link: Connection, references: Sequence[str]) -> Mapping[str, Answer]:
        """Ask to stop warehouse orders, one by one."""
        mine = setup.of(link)

        def ask(one: _Asked) -> Answer:
            body = bodies.stop(one.reference, one.warehouse, one.owner, mine.order_type(one.follows), mine)
            said = wire.ask(link, mine, "order.cancel", {**body, "orderId": _single(one.their_number)})
            if said.is_done:
                return Answer(taken=True, is_later=mine.options.cancels_later)
            # What it never had will not leave.
            return Answer(taken=said.has_any(mine.options.unknown_order), reason=said.reason)

        return one_by_one(_asked(references), ask)

    def query(self, link: Connection, references: Sequence[str]) -> Mapping[str, Sequence[News]]:
        """Ask how far warehouse orders are, one by one: so a lost confirmation is made good."""
        mine = setup.of(link)

        def ask(one: _Asked) -> Sequence[News]:
            said = wire.ask(link, mine, QUERY, bodies.inquiry(one.reference, one.warehouse, one.owner, mine))
            message = Message(QUERY, timezone.now(), said.answer)
            return list(deliveries.answered(message, one.reference, mine)) if said.is_done else ()

        return one_by_one(_asked(references), ask)

    def stock(self, link: Connection, warehouse: str) -> Mapping[str, Any]:
        """Ask how much of the goods that it was told of lies there, owner by owner."""
        mine, items = setup.of(link), []
        place = Warehouse.objects.get(code=warehouse, connection=link)
        for merchant, codes in known(link, place.pk).items():
            for start in range(0, len(codes), _MOST_CRITERIA):
                body = bodies.criteria(warehouse, merchant, codes[start : start + _MOST_CRITERIA], mine)
                said = wire.ask(link, mine, "inventory.query", body)
                if not said.is_done:
                    raise Unclear(f"inventory.query: {said.reason}")
                items += list(_lying(said, merchant))
        return {"complete": False, "items": items}

    def announce(self, link: Connection, wanted: Sequence[Any]) -> Mapping[str, Answer | Unclear]:
        """See `logistics.warehouses.adapters.Announces`."""
        return announcements.announce(link, wanted)


def _skus(order: Order) -> list[int]:
    return sorted({line.sku_id for line in order.lines})


def _create_each(
    link: Connection, mine: Setup, goods: Goods, requests: Sequence[Request], orders: Mapping[str, Order]
) -> Mapping[str, Answer | Unclear]:
    def ask(request: Request) -> Answer | Unclear:
        order = orders[request.reference]
        said = wire.ask(link, mine, CREATE, bodies.delivery_order(request, order, mine, goods.ids))
        if not said.is_done and said.has_any(mine.options.unknown_item):
            # It forgot the goods, or never had them: they are told once more, and the order is.
            goods.tell(again=True)
            trouble = goods.trouble_of(_skus(order))
            if trouble:
                return Unclear(f"goods not taken: {trouble}")
            said = wire.ask(link, mine, CREATE, bodies.delivery_order(request, order, mine, goods.ids))
        return _created(link, mine, request, order, said)

    return one_by_one(requests, ask)


def _created(link: Connection, mine: Setup, request: Request, order: Order, said: Said) -> Answer:
    if said.is_done:
        return Answer(taken=True, their_number=_numbers(said))
    if not said.has_any(mine.options.repeated):
        return Answer(taken=False, reason=said.reason)
    # "It is there already": ours, from a call whose answer was lost, if it knows our number.
    asked = bodies.inquiry(request.reference, request.warehouse, order.merchant, mine)
    found = wire.ask(link, mine, QUERY, asked)
    if found.is_done:
        return Answer(taken=True, their_number=found.text("deliveryOrder/deliveryOrderId"))
    raise Unclear(f"{said.reason}, but it does not know the order: {found.reason}")


def _numbers(said: Said) -> str:
    several = [text_of(one, "deliveryOrderId") for one in said.answer.findall("deliveryOrders/deliveryOrder")]
    return ",".join(filter(None, several)) or said.text("deliveryOrderId")


def _create_many(
    link: Connection, mine: Setup, goods: Goods, requests: Sequence[Request], orders: Mapping[str, Order]
) -> Mapping[str, Answer | Unclear]:
    answers: dict[str, Answer | Unclear] = {}
    for start in range(0, len(requests), max(mine.options.batch, 1)):
        batch = requests[start : start + max(mine.options.batch, 1)]
        asked = [bodies.delivery_order(one, orders[one.reference], mine, goods.ids) for one in batch]
        said = wire.ask(link, mine, BATCH, {"orders": {"order": asked}})
        if not said.is_done:
            raise Unclear(f"{BATCH}: {said.reason}")
        # Only what failed is named.
        failed = {text_of(one, "deliveryOrderCode"): text_of(one, "message") for one in said.answer.iter("order")}
        for one in batch:
            answers[one.reference] = _of_batch(mine, failed.get(one.reference))
            if isinstance(answers[one.reference], Unclear):
                goods.forget(_skus(orders[one.reference]))
    return answers


def _of_batch(mine: Setup, reason: str | None) -> Answer | Unclear:
    def means(phrases: Sequence[str]) -> bool:
        return any(word.lower() in (reason or "").lower() for word in phrases)

    if reason is None or means(mine.options.repeated):
        return Answer(taken=True)
    if means(mine.options.unknown_item) or means(mine.options.busy):
        return Unclear(reason)
    return Answer(taken=False, reason=reason[:300])


@dataclass(frozen=True, slots=True)
class _Asked:
    """A warehouse order that is asked for, or asked to be stopped, as the other side knows it; `follows` as it was told
    (see `contents.Order`)."""

    reference: str
    warehouse: str
    owner: str
    their_number: str
    follows: str


def _single(numbers: str) -> str:
    return "" if "," in numbers else numbers


def _asked(references: Sequence[str]) -> list[_Asked]:
    rows = WarehouseOrder.objects.filter(number__in=references).order_by("pk")
    told = contents.orders(references)
    return [
        _Asked(*row, told[row[0]].follows if row[0] in told else "")
        for row in rows.values_list("number", "warehouse__code", "sub_order__merchant__code", "their_number")
    ]


def _lying(said: Said, merchant: str) -> Iterator[dict[str, Any]]:
    for item in said.answer.findall("items/item"):
        word = text_of(item, "inventoryType")
        if word in words.QUALITIES:
            yield {
                "sku": text_of(item, "itemCode")[:64],
                "merchant": merchant,
                "quality": words.QUALITIES[word].value,
                "quantity": max(units(item, "quantity"), 0),
                "locked": max(units(item, "lockQuantity"), 0),
            }


WAREHOUSE = QimenWarehouse()
