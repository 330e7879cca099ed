"""What we tell SF of parcels. Pure."""

from collections.abc import Mapping
from typing import Any

from logistics.carriers.adapters import Parcel, PickUp, Redirection, setting_up
from logistics.carriers.adapters.sf.setup import Setup
from logistics.carriers.contents import Contents, Sender

SENDER, RECIPIENT = 1, 2
_MOST_GOODS = 100


def order(parcel: Parcel, contents: Contents, setup: Setup, pick_up: PickUp | None) -> dict[str, Any]:
    """The body that asks for a waybill."""
    options, sender = setup.options, contents.sender
    body: dict[str, Any] = {
        "language": "zh-CN",
        "orderId": parcel.reference,
        "custReferenceNo": parcel.sub_order,
        "expressTypeId": options.express_type,
        "payMethod": options.pay_method,
        "parcelQty": 1 + max((child.place for child in parcel.children), default=0),
        "totalWeight": parcel.weight_g / 1000,
        "totalVolume": round(contents.volume_mm3 / 1000, 3),  # cm³
        "isReturnRoutelabel": 1,
        "isDocall": 1 if pick_up else 0,
        "contactInfoList": [
            {"contactType": SENDER, **_contact(sender.name, sender.phone), **_place(sender)},
            {
                "contactType": RECIPIENT,
                **_contact(parcel.recipient_name, parcel.recipient_phone),
                **_place(parcel),
            },
        ],
        "cargoDetails": [
            {
                "name": article.name[:128],
                "count": article.quantity,
                "unit": "件",
                "weight": article.weight_g / 1000,
                "goodsCode": article.sku[:60],
            }
            for article in contents.articles[:_MOST_GOODS]
        ]
        or [{"name": "商品", "count": 1}],
    }
    if setup.monthly_card:
        body["monthlyCard"] = setup.monthly_card
    if contents.cod_yuan:
        card = options.cod_card or setup.monthly_card
        body["serviceList"] = [{"name": "COD", "value": str(contents.cod_yuan), "value1": card}]
    if pick_up is not None:
        body["sendStartTm"] = setting_up.written(pick_up.since)
        body["pickupAppointEndtime"] = setting_up.written(pick_up.until)
    return body


def returned(waybill: str, sender: Sender, setup: Setup) -> dict[str, Any]:
    """The body that asks to send a parcel back to where it came from (退回)."""
    place = {**_place(sender), "contact": sender.name, "phone": sender.phone}
    return _interception(waybill, "2", place, setup)


def redirected(parcel: Redirection, setup: Setup) -> dict[str, Any]:
    """The body that asks to bring a parcel elsewhere (转寄)."""
    place = {**_place(parcel), "contact": parcel.name, "phone": parcel.phone}
    return _interception(parcel.waybill, "1", place, setup)


def _interception(waybill: str, service: str, place: Mapping[str, str], setup: Setup) -> dict[str, Any]:
    body = {
        "waybillNo": waybill,
        "serviceCode": service,
        "role": "1",  # the sender
        "payMode": setup.options.intercept_pay_mode,
        "newDestAddress": place,
    }
    return body | ({"monthlyCardNo": setup.monthly_card} if setup.monthly_card else {})


def _contact(name: str, phone: str) -> dict[str, str]:
    return {"contact": name, "mobile": phone, "country": "CN"}


def _place(place: Sender | Parcel | Redirection) -> dict[str, str]:
    return {
        "province": place.province,
        "city": place.city,
        "county": place.district,
        "address": place.address,
    }
