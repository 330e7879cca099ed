"""What we tell JD Logistics of parcels. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from logistics.carriers.adapters import Booked, Parcel, PickUp, Redirection
from logistics.carriers.adapters.jdl.setup import Setup
from logistics.carriers.contents import Contents


def order(parcel: Parcel, contents: Contents, setup: Setup, pick_up: PickUp | None) -> dict[str, Any]:
    """The body that asks for a waybill. Tracks of the parcel are subscribed to with it."""
    options, sender = setup.options, contents.sender
    name = "、".join(dict.fromkeys(article.name for article in contents.articles))[:50] or "商品"
    body: dict[str, Any] = {
        "orderId": parcel.reference,
        "orderOrigin": options.origin,
        "customerCode": setup.customer_code,
        "settleType": options.settle_type,
        "productsReq": {"productCode": options.product},
        "senderContact": _contact(
            sender.name, sender.phone, sender.province, sender.city, sender.district, sender.address
        ),
        "receiverContact": _contact(
            *(parcel.recipient_name, parcel.recipient_phone),
            *(parcel.province, parcel.city, parcel.district, parcel.address),
        ),
        "cargoes": [
            {
                "name": name,
                "quantity": 1,  # parcels
                "weight": parcel.weight_g / 1000,
                "volume": contents.volume_mm3 / 1000,  # cm³
                "goods": [{"name": one.name[:50], "quantity": one.quantity} for one in contents.articles],
            }
        ],
        "pickupType": 1,
        "deliveryType": 1,
        "extendProps": {"subscribe": "1"},
    }
    if contents.cod_yuan:
        attributes = {options.cod_attribute: str(contents.cod_yuan)}
        body["addedProducts"] = [{"productCode": options.cod_product, "productAttrs": attributes}]
    if pick_up is not None:
        body |= {"pickupStartTime": _milliseconds(pick_up.since), "pickupEndTime": _milliseconds(pick_up.until)}
    if parcel.deliver_from is not None and parcel.deliver_until is not None:
        body["expectDeliveryStartTime"] = _milliseconds(parcel.deliver_from)
        body["expectDeliveryEndTime"] = _milliseconds(parcel.deliver_until)
    return body


def cancelled(parcel: Booked, setup: Setup, *, reason: str) -> dict[str, Any]:
    """The body that cancels an order; once JD has the parcel, it is intercepted by it."""
    return {
        **_named(parcel.waybill, parcel.reference, setup),
        "cancelReason": reason[:30],
        "cancelReasonCode": 1,
        "cancelType": 0 if setup.options.origin == 0 else 1,
        "subscribeIntercept": "1",
    }


def modified(parcel: Redirection, setup: Setup) -> dict[str, Any]:
    """The body that gives an order another recipient."""
    contact = _contact(parcel.name, parcel.phone, parcel.province, parcel.city, parcel.district, parcel.address)
    return {**_named(parcel.waybill, parcel.reference, setup), "receiverContact": contact}


def asked(parcel: Booked, setup: Setup) -> dict[str, Any]:
    """The body that asks where a parcel is."""
    named: dict[str, Any] = dict(_named(parcel.waybill, parcel.reference, setup))
    del named["customerOrderId"]
    return named


def _named(waybill: str, reference: str, setup: Setup) -> Mapping[str, Any]:
    return {
        "waybillCode": waybill,
        "customerOrderId": reference,
        "orderOrigin": setup.options.origin,
        "customerCode": setup.customer_code,
    }


def _contact(name: str, phone: str, province: str, city: str, district: str, address: str) -> dict[str, str]:
    place = "".join(dict.fromkeys((province, city, district)))  # a municipality names itself once
    return {"name": name, "mobile": phone, "fullAddress": f"{place}{address}"}


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
