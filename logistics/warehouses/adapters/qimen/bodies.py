"""What we tell a WMS on the 奇门 form. Pure."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from logistics.warehouses.adapters import Request
from logistics.warehouses.adapters.qimen.contents import Article, Line, Order, Person
from logistics.warehouses.adapters.qimen.setup import Setup
from logistics.warehouses.adapters.qimen.wire import written
from oms.common import secrecy

GOOD = "ZP"


def delivery_order(request: Request, order: Order, mine: Setup, item_ids: Mapping[int, str]) -> dict[str, Any]:
    """A warehouse order; `item_ids` are what the warehouse calls SKUs (by id) that it gave a name of its own."""
    owner = mine.owner(order.merchant)
    head = {
        "deliveryOrderCode": request.reference,
        "orderType": mine.order_type(order.follows),
        "preDeliveryOrderCode": order.before or None,
        "preDeliveryOrderId": order.theirs_before if order.theirs_before and "," not in order.theirs_before else None,
        "warehouseCode": mine.warehouse(request.warehouse),
        "ownerCode": owner,
        "orderFlag": "COD" if order.to_collect else None,
        "sourcePlatformCode": mine.options.platforms.get(order.channel, mine.options.other_platform),
        "createTime": written(order.created_at),
        "placeOrderTime": written(order.ordered_at),
        "operateTime": written(order.created_at),
        "shopNick": order.channel,
        "totalAmount": yuan(order.payable),
        "arAmount": yuan(order.to_collect),
        "gotAmount": yuan(order.payable - order.to_collect),
        "logisticsCode": mine.carrier(request.carrier),
        "expressCode": request.waybill,
        "isUrgency": "Y" if order.is_urgent else "N",
        "senderInfo": person(order.sender),
        "receiverInfo": person(order.recipient),
        "remark": order.remark[:500],
    }
    if request.receiver_token:
        head["receiverInfo"] = {**person(order.recipient), "oaid": secrecy.unseal(request.receiver_token)}
        head["oaidOrderSourceCode"] = request.channel_order
    return {
        "deliveryOrder": head,
        "orderLines": {"orderLine": [_line(one, order, mine, item_ids) for one in order.lines]},
    }


def inquiry(reference: str, warehouse: str, merchant: str, mine: Setup) -> dict[str, Any]:
    """The question how far a warehouse order is."""
    return {
        "orderCode": reference,
        "ownerCode": mine.owner(merchant),
        "warehouseCode": mine.warehouse(warehouse),
    }


def _line(line: Line, order: Order, mine: Setup, item_ids: Mapping[int, str]) -> dict[str, Any]:
    return {
        "orderLineNo": line.line,
        "sourceOrderCode": order.external_number,
        "ownerCode": mine.owner(line.merchant),
        "itemCode": line.sku,
        "itemId": item_ids.get(line.sku_id),
        "inventoryType": GOOD,
        "itemName": line.name[:200],
        "planQty": line.quantity,
        "actualPrice": yuan(line.price),
    }


def item(article: Article, mine: Setup, warehouse: str, *, is_new: bool) -> dict[str, Any]:
    """What is told of a SKU before the warehouse may be asked to send it."""
    size = (article.length_mm, article.width_mm, article.height_mm)
    return {
        "actionType": "add" if is_new else "update",
        "warehouseCode": mine.warehouse(warehouse),
        "ownerCode": mine.owner(article.merchant),
        "item": {
            "itemCode": article.code,
            "itemName": article.name[:200],
            "barCode": article.barcodes,
            "itemType": "ZC",
            "stockUnit": article.unit,
            **{name: _tenths(mm) for name, mm in zip(("length", "width", "height"), size, strict=True) if mm},
            "volume": f"{Decimal(size[0] * size[1] * size[2]) / 10**6:f}" if all(size) else None,
            "grossWeight": f"{Decimal(article.weight_g) / 1000:f}" if article.weight_g else None,
            "isBatchMgmt": "Y" if article.keeps_batches else "N",
            "isShelfLifeMgmt": "Y" if article.keeps_batches else "N",
        },
    }


def stop(reference: str, warehouse: str, owner: str, order_type: str, mine: Setup) -> dict[str, Any]:
    """What asks to stop a document."""
    return {
        "warehouseCode": mine.warehouse(warehouse),
        "ownerCode": mine.owner(owner),
        "orderCode": reference,
        "orderType": order_type,
        "cancelReason": "订单取消",
    }


def criteria(warehouse: str, owner: str, items: Sequence[str], mine: Setup) -> dict[str, Any]:
    """What asks how much lies there of an owner's goods, of any quality."""
    wanted = [
        {"warehouseCode": mine.warehouse(warehouse), "ownerCode": mine.owner(owner), "itemCode": code} for code in items
    ]
    return {"criteriaList": {"criteria": wanted}}


def person(one: Person) -> dict[str, Any]:
    """Somebody with an address."""
    return {
        "name": one.name,
        "mobile": one.phone,
        "province": one.province,
        "city": one.city,
        "area": one.district,
        "detailAddress": one.address,
    }


def yuan(amount: Decimal) -> str:
    """An amount as the form has it."""
    return f"{amount:.2f}"


def _tenths(mm: int) -> str:
    return f"{Decimal(mm) / 10:f}"
