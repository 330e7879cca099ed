"""What we tell Cainiao of parcels. Pure."""

import json
from typing import Any

from logistics.carriers.adapters import Parcel
from logistics.carriers.adapters.cainiao.setup import Setup
from logistics.carriers.contents import Contents

_MOST_GOODS = 100


def order(parcel: Parcel, contents: Contents, carrier: str, setup: Setup) -> dict[str, Any]:
    """The body that asks for the waybill of one parcel; `carrier` is Cainiao's code. A recipient whom only the platform
    knows is named by its token, and by nothing else but where the parcel goes."""
    options, sender = setup.options, contents.sender
    services = {options.cod_service: {"value": str(contents.cod_yuan)}} if contents.cod_yuan else {}
    return {
        "cpCode": carrier,
        "sender": {
            "name": sender.name,
            "mobile": sender.phone,
            "phone": None,
            "address": _address(sender.province, sender.city, sender.district, sender.address),
        },
        "tradeOrderInfoDtos": [
            {
                "objectId": parcel.reference,
                "userId": options.user_id,
                "templateUrl": options.template_urls.get(carrier, options.template_url),
                "logisticsServices": json.dumps(services) if services else None,
                "orderInfo": {
                    "orderChannelsType": options.channel,
                    "tradeOrderList": [contents.trade or parcel.sub_order],
                },
                "packageInfo": {
                    "id": parcel.reference,
                    "weight": parcel.weight_g,
                    "volume": contents.volume_mm3 // 1000,  # ml
                    "items": [
                        {"name": article.name[:100], "count": article.quantity}
                        for article in contents.articles[:_MOST_GOODS]
                    ]
                    or [{"name": "商品", "count": 1}],
                },
                "recipient": _recipient(parcel, setup),
            }
        ],
        "needEncrypt": options.needs_encrypting,
        "dmsSorting": options.sorts,
        "storeCode": None,
        "resourceCode": None,
    }


def _recipient(parcel: Parcel, setup: Setup) -> dict[str, Any]:
    address = _address(parcel.province, parcel.city, parcel.district, parcel.address)
    if parcel.receiver_token:
        return {setup.options.token_field: parcel.receiver_token, "address": address}
    return {"name": parcel.recipient_name, "mobile": parcel.recipient_phone, "phone": None, "address": address}


def _address(province: str, city: str, district: str, detail: str) -> dict[str, Any]:
    return {"province": province, "city": city, "district": district, "town": None, "detail": detail}
