"""Sheets that merchants upload: what left their warehouses (发货回传), and warehouses of their own."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inventory.models import StorageClass
from inventory.serials import split
from logistics.by_merchant import opening, shipping
from logistics.by_merchant.opening import NewWarehouse
from logistics.by_merchant.reported import Leaving
from oms.common.errors import FieldError, WrongFields
from oms.common.files import tables
from oms.common.models import JobResult
from oms.merchants.models import Merchant
from orders.actors import Actor
from orders.intake import cells, importing
from orders.intake.cells import NoValue
from orders.intake.import_kinds import Column, Entry, ImportKind, Texts

# Whoever among staff may look at what these jobs hold.
RIGHT = "logistics.view_warehouseorder"
_FILES = gettext_lazy(
    "Excel (xlsx, xls, ods), a web page's table, or CSV in UTF-8 or GB 18030; one row holds the names of the columns."
)
SHIPPING_COLUMNS = (
    Column(
        "number",
        gettext_lazy("Number of the warehouse order, sub-order or order"),
        "出库单号 出库单 发货单号 子订单号 子单号 单号 系统单号 number warehouseorder suborder suborderno"
        " 订单号 订单编号 外部单号 外部订单号 店铺单号 order orderno ordernumber externalnumber",
        "number",
        is_required=True,
    ),
    Column(
        "carrier",
        gettext_lazy("Carrier"),
        "快递公司 物流公司 承运商 快递 快递公司名称 快递公司编码 carrier logisticscompany express",
        "carrier",
    ),
    Column(
        "waybill",
        gettext_lazy("Waybill number"),
        "运单号 快递单号 物流单号 面单号 运单号码 waybill waybillnumber trackingnumber trackingno",
        "waybill",
    ),
    Column("sku", gettext_lazy("SKU code"), "商品编码 商家编码 货号 sku编码 sku skucode itemcode", "units"),
    Column("units", gettext_lazy("Units in the parcel"), "数量 发货数量 件数 quantity qty units", "units"),
    Column(
        "serials",
        gettext_lazy("Serial numbers"),
        "序列号 商品序列号 串号 SN SN码 序列码 serials serial serialnumber serialnumbers",
        "serials",
    ),
    Column("weight_g", gettext_lazy("weight (g)"), "重量 重量g 重量克 weight weightg grams", "weight_g"),
)
WAREHOUSE_COLUMNS = (
    Column("name", gettext_lazy("Name"), "仓库名称 名称 仓库 name warehousename", "name", is_required=True),
    Column("address", gettext_lazy("Address"), "地址 详细地址 仓库地址 发货地址 address", "address"),
    Column("contact_name", gettext_lazy("Contact person"), "联系人 负责人 contact contactname", "contact_name"),
    Column(
        "contact_phone", gettext_lazy("Contact phone"), "联系电话 电话 手机 手机号 phone contactphone", "contact_phone"
    ),
    Column(
        "storage_classes",
        gettext_lazy("Storage classes"),
        "储存类别 仓储类型 存储类型 温层 storageclasses",
        "storage_classes",
    ),
    Column("code", gettext_lazy("Warehouse code"), "仓库编码 仓库代码 编码 code warehousecode whcode", "code"),
)


def read_shipping(table: tables.Table, fields: Sequence[str]) -> list[Entry]:
    """The parcels of the table: rows of one number, carrier and waybill are one, whose SKUs add up."""
    entries: dict[tuple[str, str, str], Entry] = {}
    for number, values in importing.filled(table, fields):
        key = (values.get("number", ""), values.get("carrier", ""), values.get("waybill", ""))
        if key in entries and not values.get("sku") and not values.get("serials"):
            # The same once more, with nothing new in it: a row of its own, which is refused as such.
            key = (*key[:2], f"{key[2]} #{number}")
        entry = entries.setdefault(key, Entry(key[0], body=None))
        entry.rows.append(number)
        entry.cells.append(values)
    for entry in entries.values():
        _read_parcel(entry)
    return list(entries.values())


def _read_parcel(entry: Entry) -> None:
    first, units, serials = entry.cells[0], dict[str, int](), dict[str, list[str]]()
    if not entry.key:
        entry.errors.append(FieldError("number", "required", _("This field is required.")))
    for values in entry.cells:
        sku, text = values.get("sku", ""), values.get("units", "")
        if not sku and text:
            entry.errors.append(FieldError("units", "required", _("Say of which SKU.")))
        elif sku:
            count = _whole(text or "0")
            if count is None or count < 1:
                entry.errors.append(FieldError("units", "invalid", _("Give a whole number from 1 on.")))
            else:
                units[sku] = units.get(sku, 0) + count
        serials.setdefault(sku, []).extend(split(cells.plain(values.get("serials", ""))))
    weight = _whole(first.get("weight_g", "0"))
    if weight is None:
        entry.errors.append(FieldError("weight_g", "invalid", _("Give a whole number of grams.")))
    if not entry.errors:
        carrier, waybill = first.get("carrier", ""), cells.plain(first.get("waybill", ""))
        named = {sku: told for sku, told in serials.items() if told}
        entry.body = Leaving(entry.key.upper(), carrier, waybill, units, weight or 0, serials=named)


def _whole(text: str) -> int | None:
    try:
        value = cells.number(text)
    except NoValue:
        return None
    return int(value) if value is not None and value == int(value) and 0 <= value <= 1_000_000 else None


def understand(_entries: Sequence[Entry], _now: datetime) -> None:
    """What the rows say is read already."""


def report(entries: Sequence[Entry], merchant: Merchant, actor: Actor) -> list[JobResult]:
    """Report what left; one result for each entry, in order. Needs an open transaction."""
    readable = [entry for entry in entries if entry.body is not None]
    outcomes = iter(shipping.ship(merchant, [entry.body for entry in readable], actor=actor))
    results = []
    for entry in entries:
        outcome = next(outcomes) if entry.body is not None else None
        if outcome is None or outcome.errors:
            errors = outcome.errors if outcome else entry.errors
            results.append(SHIPPING.result(entry, JobResult.Outcome.REFUSED, errors=errors))
            continue
        was = JobResult.Outcome.SKIPPED if outcome.is_known else JobResult.Outcome.DONE
        entry.figures = {"parcels": int(not outcome.is_known)}
        results.append(SHIPPING.result(entry, was, reference=entry.body.waybill))
    return results


_WORDS = {str(word): word for word in StorageClass.values}


def read_warehouses(table: tables.Table, fields: Sequence[str]) -> list[Entry]:
    """The warehouses of the table, a row each."""
    entries = []
    for number, values in importing.filled(table, fields):
        entry = Entry(values.get("name", ""), rows=[number], cells=[values])
        words = _WORDS | {str(label): value for value, label in StorageClass.choices}
        named = [one for one in re.split(r"[\s,;|，；、/]+", values.get("storage_classes", "")) if one]
        said: dict[str, Any] = {name: text for name, text in values.items() if name != "storage_classes"}
        if named:
            said["storage_classes"] = [words.get(one, one) for one in named]
        entry.body = NewWarehouse(**{"name": "", **said})
        entries.append(entry)
    return entries


def open_warehouses(entries: Sequence[Entry], merchant: Merchant, _actor: Actor) -> list[JobResult]:
    """Open them; one result for each entry, in order. One of a name that the merchant has is there already."""
    there = dict(merchant.warehouses.values_list("name", "code"))
    results = []
    for entry in entries:
        if entry.key in there:
            results.append(WAREHOUSES.result(entry, JobResult.Outcome.SKIPPED, reference=there[entry.key]))
            continue
        try:
            made = opening.open_warehouse(merchant, entry.body)
        except WrongFields as refusal:
            results.append(WAREHOUSES.result(entry, JobResult.Outcome.REFUSED, errors=refusal.errors))
            continue
        there[entry.key] = made.code
        entry.figures = {"warehouses": 1}
        results.append(WAREHOUSES.result(entry, JobResult.Outcome.DONE, reference=made.code))
    return results


SHIPPING = importing.register(
    ImportKind(
        name="import_shipping",
        permission=RIGHT,
        columns=SHIPPING_COLUMNS,
        read=read_shipping,
        understand=understand,
        do=report,
        texts=Texts(
            job=gettext_lazy("Report of what left"),
            title=gettext_lazy("Ship by a sheet"),
            hint=gettext_lazy(
                "One row is one parcel: the number, carrier and waybill. Where an order goes in several parcels, say in"
                " rows of their own which units of which SKU are in each. Excel or CSV; one row holds the names of the"
                " columns."
            ),
            whose=gettext_lazy("Whose parcels"),
            found=gettext_lazy("%(rows)s rows, %(entries)s parcels. Nothing has been reported yet."),
            start=gettext_lazy("Report %(entries)s parcels"),
            preview=gettext_lazy("What would become of the parcels"),
            preview_note=gettext_lazy("reported for certain, and taken back"),
            check=gettext_lazy("Check of what left"),
            key=gettext_lazy("number"),
            reference=gettext_lazy("Waybill number"),
            figures={"parcels": gettext_lazy("parcels reported")},
            previews_reference=True,
        ),
    )
)
WAREHOUSES = importing.register(
    ImportKind(
        name="import_warehouses",
        permission=RIGHT,
        columns=WAREHOUSE_COLUMNS,
        read=read_warehouses,
        understand=understand,
        do=open_warehouses,
        texts=Texts(
            job=gettext_lazy("Import of warehouses"),
            title=gettext_lazy("Open warehouses by a sheet"),
            hint=_FILES,
            whose=gettext_lazy("Whose warehouses"),
            found=gettext_lazy("%(rows)s rows. Nothing has been opened yet."),
            start=gettext_lazy("Open %(entries)s warehouses"),
            preview=gettext_lazy("What would become of the warehouses"),
            preview_note=gettext_lazy("opened for certain, and taken back"),
            check=gettext_lazy("Check of warehouses"),
            key=gettext_lazy("Name"),
            reference=gettext_lazy("Warehouse code"),
            figures={"warehouses": gettext_lazy("warehouses opened")},
        ),
    )
)
