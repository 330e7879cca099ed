"""Connecting an installation with the pretended providers that run beside it."""

from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path

from inventory.models import Warehouse
from logistics.models import Carrier, CarrierCode
from oms.common.models import Connection, SystemKind
from oms.common.tax import TaxMark
from oms.merchants.models import LegalEntity, Merchant
from oms.simulators import bills
from oms.simulators.keys import Keys
from payments.models import BillForm, BillSource

ALIPAY, WECHAT, NUONUO = "alipay-sim", "wechat-sim", "nuonuo-sim"
KDNIAO, KUAIDI100, QIMEN = "kdniao-sim", "kuaidi100-sim", "qimen-sim"
SF, JDL, CAINIAO = "sf-sim", "jdl-sim", "cainiao-sim"


def keys_path(data_dir: Path) -> Path:
    """The file that keeps both sides' keys."""
    return data_dir / "simulators" / "keys.json"


def are_connected() -> bool:
    """Whether this installation pays through the pretended providers."""
    return Connection.objects.filter(code__in=[ALIPAY, WECHAT], kind=SystemKind.PAYMENT).exists()


def may_be_connected() -> bool:
    """Whether they may be: a place that has another way to pay is left alone."""
    return not Connection.objects.filter(kind=SystemKind.PAYMENT).exists()


def connect(keys: Keys, address: str) -> None:
    """Make the connections, or tell them where the peers are now. Orders are paid through both in turn, and the peers'
    bills are read."""
    alipay, wechat = keys.alipay, keys.wechat
    _connect(
        ALIPAY,
        "alipay",
        f"{address}/alipay/gateway.do",
        {
            "app_id": alipay.app_id,
            "seller_id": alipay.seller_id,
            "app_private_key": alipay.app.private,
            "alipay_public_key": alipay.alipay.public,
        },
        dict.fromkeys((BillForm.ALIPAY_TRADE, BillForm.ALIPAY_FUND), bills.alipay_account(alipay)),
    )
    _connect(
        WECHAT,
        "wechat",
        f"{address}/wechat",
        {
            "mchid": wechat.mchid,
            "appid": wechat.appid,
            "merchant_private_key": wechat.merchant.private,
            "merchant_serial": wechat.merchant_serial,
            "api_v3_key": wechat.api_v3_key,
            "platform_public_key": wechat.platform.public,
            "platform_public_key_id": wechat.public_key_id,
        },
        # The account's bill does not name it.
        {BillForm.WECHAT_TRADE: wechat.mchid, BillForm.WECHAT_FUND: ""},
    )
    _connect_invoices(keys, f"{address}/nuonuo/open/v1/services")


def _connect_invoices(keys: Keys, base_url: str) -> None:
    link = Connection.objects.filter(code=NUONUO).first()
    link = link or Connection(code=NUONUO, kind=SystemKind.INVOICE, protocol="nuonuo")
    # Its token is kept with its secrets, and is no good at a peer that was started anew.
    link.base_url = base_url
    link.set_secrets({"app_key": keys.nuonuo.app_key, "app_secret": keys.nuonuo.app_secret}).save()


def connect_carrier(keys: Keys, address: str) -> None:
    """Connect with the pretended carriers. Over kdniao goes 圆通, over Cainiao 韵达, once the others refuse; over those
    of SF and JD goes nothing until staff name them at the carrier."""
    kdniao, cainiao = keys.kdniao, keys.cainiao
    secrets = {"ebusiness_id": kdniao.business_id, "app_key": kdniao.app_key}
    options: dict[str, object] = {"children": ["YTO"]}
    platform = _connect_carrier(KDNIAO, "kdniao", f"{address}/kdniao", secrets, options)
    waybills = _connect_carrier(
        CAINIAO,
        "cainiao",
        f"{address}/cainiao/gateway/link.do",
        {"token": cainiao.token, "app_secret": cainiao.app_secret},
        {"refusals": ["PARAM", "BUSINESS"], "cod_service": "SVC-COD"},
    )
    _connect_carrier(SF, "sf", f"{address}/sf/std/service", asdict(keys.sf))
    options = {"refusals": ["1"], "repeated": ["3001"], "cod_product": "ed-a-0009"}
    _connect_carrier(JDL, "jdl", f"{address}/jdl", asdict(keys.jdl), options)
    for code, name, link in (("YTO", "圆通速递", platform), ("YUNDA", "韵达速递", waybills)):
        last = Carrier.objects.order_by("-priority").values_list("priority", flat=True).first() or 0
        values = {"connection": link, "priority": last + 1, "is_active": True}
        if not Carrier.objects.filter(code=code, connection=None, is_active=False).update(**values):
            Carrier.objects.get_or_create(code=code, defaults={"name": name, **values})


def connect_tracker(keys: Keys, address: str) -> None:
    """Connect with the pretended platform that follows parcels of all carriers; those without a connection, whose
    waybills only warehouses and merchants bring, are followed over it."""
    mine = keys.kuaidi100
    secrets = {"customer": mine.customer, "key": mine.key, "salt": mine.salt}
    link = _connect_carrier(KUAIDI100, "kuaidi100", f"{address}/kuaidi100", secrets)
    known = CarrierCode.objects.filter(protocol=link.protocol).values("carrier")
    Carrier.objects.filter(pk__in=known, connection=None, tracking_connection=None).update(tracking_connection=link)


def _connect_carrier(
    code: str, protocol: str, base_url: str, secrets: Mapping[str, str], options: Mapping[str, object] | None = None
) -> Connection:
    link = Connection.objects.filter(code=code).first()
    link = link or Connection(code=code, kind=SystemKind.CARRIER, protocol=protocol, options=dict(options or {}))
    link.base_url = base_url
    link.set_secrets(dict(secrets)).save()
    return link


def connect_warehouse(keys: Keys, address: str) -> None:
    """Connect with the pretended warehouse system, and let the first of the sample's warehouses that are pretended
    without one be the one that it keeps; or tell where it is now."""
    link = Connection.objects.filter(code=QIMEN).first()
    is_new = link is None
    link = link or Connection(code=QIMEN, kind=SystemKind.WAREHOUSE, protocol="qimen", clock_skew_seconds=600)
    link.base_url = f"{address}/qimen/router/qimen/service"
    link.options = {"customer_id": keys.qimen.customer_id}
    link.set_secrets({"app_key": keys.qimen.app_key, "app_secret": keys.qimen.app_secret}).save()
    place = Warehouse.objects.filter(connection__protocol="sandbox", is_active=True).order_by("code").first()
    if is_new and place is not None:
        place.connection, place.waybill_when = link, Warehouse.WaybillWhen.AT_RELEASE
        place.contact_name = place.contact_name or "仓库值班"
        place.contact_phone = place.contact_phone or "010-88880001"
        place.save(update_fields=["connection", "waybill_when", "contact_name", "contact_phone"])


def issue_invoices(keys: Keys) -> None:
    """Let the sample's merchants without a legal entity sell in the name of a made-up company, which issues invoices
    through the pretended service. Rates and classes are examples."""
    company, _is_new = LegalEntity.objects.get_or_create(
        tax_number=keys.nuonuo.tax_number,
        defaults={
            "code": "sample",
            "name": "示例商贸有限公司",
            "address": "北京市东城区示例路1号",
            "phone": "010-88880000",
            "clerk": "王芳",
            "connection": Connection.objects.get(code=NUONUO),
            **_taxed("goods", "1060408990000000000", "日用杂品", "0.13"),
            **_taxed("freight", "3010502020000000000", "物流辅助服务", "0.06"),
            **_taxed("service", "3040802990000000000", "经纪代理服务", "0.06"),
            **_taxed("card", "6010000000000000000", "预付卡销售和充值", "0"),
            "card_tax_mark": TaxMark.UNTAXED,
        },
    )
    Merchant.objects.filter(legal_entity=None).update(legal_entity=company)


def _taxed(what: str, code: str, name: str, rate: str) -> dict[str, object]:
    return {f"{what}_tax_code": code, f"{what}_tax_name": name, f"{what}_tax_rate": Decimal(rate)}


def _connect(
    code: str, protocol: str, base_url: str, secrets: Mapping[str, str], accounts: Mapping[BillForm, str]
) -> None:
    link = Connection.objects.filter(code=code).first()
    if link is None:
        link = Connection(code=code, kind=SystemKind.PAYMENT, protocol=protocol, options={"in_turn": True})
    if link.base_url != base_url or link.secrets() != secrets:
        link.base_url = base_url
        link.set_secrets(dict(secrets)).save()
    for form, account in accounts.items():
        values = {"account": account, "fee_rate": bills.FEE_RATE}
        BillSource.objects.get_or_create(connection=link, form=form, defaults=values)
