"""What a WMS on the 奇门 form is told to expect, and to send, beside orders."""

from collections.abc import Mapping, Sequence
from typing import Any

from logistics.models import StockOrderKind
from logistics.warehouses.adapters import Answer
from logistics.warehouses.adapters.qimen import bodies, setup, wire
from logistics.warehouses.adapters.qimen.contents import Person
from logistics.warehouses.adapters.qimen.items import Goods
from logistics.warehouses.adapters.qimen.setup import Setup
from logistics.warehouses.announcing import Announcement, Back
from oms.common.models import Connection
from oms.common.work.calling import Unclear
from oms.common.work.singly import one_by_one

# What the form calls goods that come back from buyers, and those for which others go out.
_RETURNS, _EXCHANGED = "THRK", "HHRK"
# By what it is and which way it goes: what the form calls it.
_TYPES = {
    (False, StockOrderKind.IN): "CGRK",
    (True, StockOrderKind.IN): "DBRK",
    (True, StockOrderKind.OUT): "DBCK",
}


def announce(link: Connection, wanted: Sequence[Announcement]) -> Mapping[str, Answer | Unclear]:
    """Say what to expect, to send, and what no more, one by one; what the warehouse's goods are not told of waits."""
    mine = setup.of(link)

    def ask(one: Announcement) -> Answer | Unclear:
        if one.stops:
            body = bodies.stop(one.reference, one.warehouse, one.merchant, _type(one), mine)
            said = wire.ask(link, mine, "order.cancel", {**body, "orderId": one.their_number})
            return Answer(said.is_done or said.has_any(mine.options.unknown_order), said.reason)
        goods = Goods(link, mine, one.warehouse, {line.sku_id for line in one.goods})
        goods.tell()
        if trouble := goods.trouble_of([line.sku_id for line in one.goods]):
            return Unclear(f"goods not taken: {trouble}")
        comes = one.kind == StockOrderKind.IN
        if one.back is not None:
            method, body, own_id = "returnorder.create", _return(one, one.back, mine, goods.ids), "returnOrderId"
        elif comes:
            method, body, own_id = "entryorder.create", _body(one, mine, goods.ids), "entryOrderId"
        else:
            method, body, own_id = "stockout.create", _body(one, mine, goods.ids), "deliveryOrderId"
        said = wire.ask(link, mine, method, body)
        if said.is_done:
            return Answer(taken=True, their_number=said.text(own_id))
        # Our numbers are nobody else's: what it has of that number is this.
        return Answer(taken=said.has_any(mine.options.repeated), reason=said.reason)

    return one_by_one(wanted, ask)


def _type(one: Announcement) -> str:
    if one.back is not None:
        return _EXCHANGED if one.back.is_exchange else _RETURNS
    return _TYPES[one.is_transfer, one.kind]


def _body(one: Announcement, mine: Setup, item_ids: Mapping[int, str]) -> dict[str, Any]:
    comes, owner = one.kind == StockOrderKind.IN, mine.owner(one.merchant)
    head = {
        "entryOrderCode" if comes else "deliveryOrderCode": one.reference,
        "orderType": _type(one),
        "warehouseCode": mine.warehouse(one.warehouse),
        "ownerCode": owner,
        "totalOrderLines": len(one.goods),
        "orderCreateTime" if comes else "createTime": wire.written(one.created_at),
        "purchaseOrderCode": None if one.is_transfer else one.document,
        "supplierName": one.supplier,
        "targetWarehouseCode": one.other_place if one.is_transfer and not comes else None,
        "relatedOrders": {"relatedOrder": {"orderType": "DB" if one.is_transfer else "CG", "orderCode": one.document}},
    }
    return {"entryOrder" if comes else "deliveryOrder": head, "orderLines": {"orderLine": _lines(one, mine, item_ids)}}


def _return(one: Announcement, back: Back, mine: Setup, item_ids: Mapping[int, str]) -> dict[str, Any]:
    name, phone, province, city, district, address = back.sender
    head = {
        "returnOrderCode": one.reference,
        "orderType": _type(one),
        "warehouseCode": mine.warehouse(one.warehouse),
        "ownerCode": mine.owner(one.merchant),
        "preDeliveryOrderCode": back.warehouse_order or None,
        "logisticsCode": mine.options.other_carrier,
        "logisticsName": back.carrier or None,
        "expressCode": back.waybill or None,
        "returnReason": back.reason[:200],
        "sourcePlatformCode": mine.options.platforms.get(back.channel, mine.options.other_platform),
        "shopNick": back.channel,
        "senderInfo": bodies.person(Person(name, phone, province, city, district, address)),
        "remark": one.document,
    }
    lines = [{**line, "sourceOrderCode": back.external_number} for line in _lines(one, mine, item_ids)]
    return {"returnOrder": head, "orderLines": {"orderLine": lines}}


def _lines(one: Announcement, mine: Setup, item_ids: Mapping[int, str]) -> list[dict[str, Any]]:
    return [
        {
            "orderLineNo": place,
            "ownerCode": mine.owner(one.merchant),
            "itemCode": line.code,
            "itemId": item_ids.get(line.sku_id),
            "itemName": line.name[:200],
            "inventoryType": bodies.GOOD,
            "planQty": line.quantity,
        }
        for place, line in enumerate(one.goods, 1)
    ]
