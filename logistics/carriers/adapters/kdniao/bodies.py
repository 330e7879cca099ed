"""What we tell kdniao of a parcel. Pure."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from logistics.carriers.adapters import Parcel, PickUp, setting_up
from logistics.carriers.adapters.kdniao.setup import Setup
from logistics.carriers.contents import Contents

# kdniao refuses these in texts, and emoji: all that is beyond the basic plane.
_REFUSED = re.compile("['\"#&+<>%\\\\\U00010000-\U0010ffff]")
_MUNICIPALITIES = {"北京市": "北京", "上海市": "上海", "天津市": "天津", "重庆市": "重庆"}
_MOST_GOODS = 100


def plain(text: str) -> str:
    """The text without what kdniao refuses in texts."""
    return " ".join(_REFUSED.sub(" ", text).split())


def order(parcel: Parcel, contents: Contents, carrier: str, setup: Setup, pick_up: PickUp | None) -> dict[str, Any]:
    """The body that asks for a waybill (1007) or a courier (1801); `carrier` is kdniao's code."""
    options, sender = setup.options, contents.sender
    body: dict[str, Any] = {
        "OrderCode": parcel.reference,
        "ShipperCode": carrier,
        "PayType": options.pay_type,
        "ExpType": options.exp_types.get(carrier, options.exp_type),
        "Receiver": {
            "Name": plain(parcel.recipient_name),
            "Mobile": parcel.recipient_phone,
            **_place(parcel.province, parcel.city, parcel.district, parcel.address),
        },
        "Sender": {
            "Name": plain(sender.name),
            "Mobile": sender.phone,
            **_place(sender.province, sender.city, sender.district, sender.address),
        },
        "Commodity": [
            {
                "GoodsName": plain(article.name)[:100],
                "GoodsCode": plain(article.sku),
                "Goodsquantity": article.quantity,
                "GoodsWeight": article.weight_g / 1000,
                "GoodsVol": article.volume_mm3 / 10**9,
            }
            for article in contents.articles[:_MOST_GOODS]
        ]
        or [{"GoodsName": "商品", "Goodsquantity": 1}],
        "Weight": parcel.weight_g / 1000,
        "Volume": round(contents.volume_mm3 / 10**9, 6),
        "Quantity": 1 + len(parcel.children),
        "IsNotice": 0 if options.notifies_courier else 1,
        "IsSubscribe": "1",
        "IsReturnPrintTemplate": "1" if options.with_template else "0",
        **setup.accounts.get(carrier, {}),
    }
    if contents.cod_yuan:
        service = {"Name": options.cod_service, "Value": str(contents.cod_yuan)}
        account = options.cod_accounts.get(carrier)
        body["AddService"] = [{**service, "CustomerID": account} if account else service]
    if options.template_size:
        body["TemplateSize"] = options.template_size
    if pick_up is not None:
        body |= {"StartDate": setting_up.written(pick_up.since), "EndDate": setting_up.written(pick_up.until)}
    return body


def next_pick_up(setup: Setup, now: datetime) -> PickUp:
    """The next window in which a courier comes. Raises ValueError for hours of the connection that are none."""
    return setting_up.next_pick_up(setup.options.pick_up_from, setup.options.pick_up_until, now)


def _place(province: str, city: str, district: str, address: str) -> Mapping[str, str]:
    return {
        "ProvinceName": _MUNICIPALITIES.get(province, province),
        "CityName": city,
        "ExpAreaName": district,
        "Address": plain(address),
    }
