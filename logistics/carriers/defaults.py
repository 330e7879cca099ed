"""Who carries parcels, and what others call them."""

from logistics.models import Carrier, CarrierCode
from oms.common.models import Connection, SystemKind
from orders.models.terms import CarrierClass

# Those that name carriers without being asked to carry.
OTHER_CODES = {
    "qimen": "奇门 WMS",
    "taobao": "淘宝 · Taobao",
    "pinduoduo": "拼多多 · Pinduoduo",
    "douyin": "抖音 · Douyin",
}
# Our code (kdniao's, but for 韵达), name, and the codes of kdniao, kuaidi100 and 奇门 where they differ from ours.
_KNOWN = (
    ("SF", "顺丰速运", "", "shunfeng", ""),
    ("JD", "京东物流", "", "jd", ""),
    ("ZTO", "中通快递", "", "zhongtong", ""),
    ("YTO", "圆通速递", "", "yuantong", ""),
    ("STO", "申通快递", "", "shentong", ""),
    ("YUNDA", "韵达速递", "YD", "yunda", ""),
    ("JTSD", "极兔速递", "", "jtexpress", ""),
    ("EMS", "EMS", "", "ems", ""),
    ("YZPY", "邮政快递包裹", "", "youzhengguonei", "POSTB"),
    ("DBL", "德邦快递", "", "debangkuaidi", ""),
    ("HTKY", "百世快递", "", "huitongkuaidi", ""),
    ("KYSY", "跨越速运", "", "kuayue", ""),
    ("ZJS", "宅急送", "", "zhaijisong", ""),
    ("ANE", "安能物流", "", "annengwuliu", ""),
)


def install_default_carriers() -> None:
    """Give a new installation carriers to start from, by the names that they call themselves, each with a connection;
    does nothing where there are carriers.
    """
    if Carrier.objects.exists():
        return
    carriers = [
        Carrier(code="SF", name="顺丰速运", priority=1),
        Carrier(code="JD", name="京东物流", priority=2, carrier_class=CarrierClass.OWN),
        Carrier(code="ZTO", name="中通快递", priority=3),
    ]
    for carrier in carriers:
        carrier.connection, _is_new = Connection.objects.get_or_create(
            code=f"carrier-{carrier.code.lower()}",
            defaults={"name": carrier.name, "kind": SystemKind.CARRIER, "protocol": "sandbox"},
        )
    Carrier.objects.bulk_create(carriers)


def install_carrier_codes() -> None:
    """Add the carriers of the country that are missing, switched off, and what kdniao, kuaidi100 and 奇门 call each;
    rows that are there stay as they are."""
    Carrier.objects.bulk_create(
        [Carrier(code=code, name=name, priority=50, is_active=False) for code, name, *_codes in _KNOWN],
        ignore_conflicts=True,
    )
    carriers = dict(Carrier.objects.values_list("code", "pk"))
    CarrierCode.objects.bulk_create(
        [
            CarrierCode(carrier_id=carriers[code], protocol=protocol, code=theirs)
            for code, _name, *codes in _KNOWN
            for protocol, theirs in zip(("kdniao", "kuaidi100", "qimen"), codes, strict=True)
            if theirs
        ],
        ignore_conflicts=True,
    )
