"""Sheets of SKUs: a row says name, price, weight, size and barcodes of a SKU, and whether it keeps batches and has
serial numbers.

The list's export has such columns, so that it can be corrected and uploaded again. SKUs are made and changed by the
service that the API and the page of a SKU use. What a row leaves empty stays as it is; a code that is new makes a SKU
where the row says name and storage class.
"""

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.postgres.expressions import ArraySubquery
from django.db import transaction
from django.db.models import OuterRef
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inventory import costing, reserving, selling
from inventory.models import Sku, SkuBarcode, Stock, StorageClass
from inventory.models.catalogue import MOST_BARCODES, MOST_G, MOST_MM, MOST_OF_A_BARCODE
from oms.common.errors import FieldError, OmsError
from oms.common.files import exporting, tables
from oms.common.models import JobResult
from oms.merchants.models import Merchant
from orders.actors import Actor
from orders.intake import cells, importing
from orders.intake.cells import NoValue
from orders.intake.import_kinds import Column, Entry, ImportKind, Texts

RIGHT = "inventory.change_sku"
MOST_YUAN = 10_000_000
_CODE = re.compile(r"[0-9A-Za-z][0-9A-Za-z._:#-]{0,63}")
COLUMNS = (
    Column(
        "sku",
        gettext_lazy("SKU code"),
        "商品编码 商家编码 货号 商品货号 规格编码 sku编码 sku代码 skuid sku skucode productcode item itemcode",
        "sku",
        is_required=True,
    ),
    Column("name", gettext_lazy("name"), "商品名称 名称 品名 商品标题 标题 name title productname", "name"),
    Column(
        "storage_class",
        gettext_lazy("storage class"),
        "储存类别 仓储类型 存储类型 温层 储存条件 storageclass",
        "storage_class",
    ),
    Column("list_price", gettext_lazy("list price"), "价格 售价 单价 零售价 标价 price listprice", "list_price"),
    Column("cost_price", gettext_lazy("cost price"), "成本 成本价 进价 采购价 cost costprice unitcost", "cost_price"),
    Column("cost_from", gettext_lazy("cost price from"), "成本生效日 成本生效日期 costfrom costdate", "cost_from"),
    Column("brand", gettext_lazy("brand"), "品牌 brand", "brand"),
    Column("category", gettext_lazy("category"), "类目 分类 品类 category", "category"),
    Column("weight_g", gettext_lazy("weight (g)"), "重量 重量g 重量克 毛重 克重 weight weightg grams", "weight_g"),
    Column("length_mm", gettext_lazy("length (mm)"), "长 长度 长mm 长度mm length lengthmm", "length_mm"),
    Column("width_mm", gettext_lazy("width (mm)"), "宽 宽度 宽mm 宽度mm width widthmm", "width_mm"),
    Column("height_mm", gettext_lazy("height (mm)"), "高 高度 高mm 高度mm height heightmm", "height_mm"),
    Column("barcodes", gettext_lazy("barcodes"), "条码 条形码 商品条码 69码 barcode barcodes ean gtin upc", "barcodes"),
    Column(
        "wants_batches",
        gettext_lazy("keeps batches"),
        "批次管理 是否批次管理 效期管理 保质期管理 批次 wantsbatches keepsbatches batches",
        "wants_batches",
    ),
    Column(
        "wants_serials",
        gettext_lazy("has serial numbers"),
        "序列号管理 是否序列号管理 sn管理 是否管理序列号 序列号 wantsserials hasserialnumbers serials",
        "wants_serials",
    ),
)
_LABELS = {column.name: column.label for column in COLUMNS}
_YES, _NO = gettext_lazy("Yes"), gettext_lazy("No")
_WORDS = {"yes": True, "true": True, "1": True, "是": True, "no": False, "false": False, "0": False, "否": False}


def read_skus(table: tables.Table, fields: Sequence[str]) -> list[Entry]:
    """What the table says of SKUs, a row each. Which row is meant of several that name the same SKU nobody can tell:
    all but the first are refused."""
    entries: list[Entry] = []
    first: dict[str, int] = {}
    for number, values in importing.filled(table, fields):
        code = values.get("sku", "")
        entry = Entry(code, rows=[number], cells=[values])
        if not code:
            entry.errors.append(FieldError("sku", "required", _("This field is required.")))
        elif first.setdefault(code, number) != number:
            detail = _("This SKU stands in row %(row)d already.") % {"row": first[code]}
            entry.errors.append(FieldError("sku", "named_twice", detail))
        said = {}
        for name, read in _READERS.items():
            if name in values:
                try:
                    said[name] = read(values[name])
                except OmsError as wrong:
                    entry.errors.append(FieldError(name, "invalid", str(wrong)))
        if not entry.errors:
            entry.body = said
        entries.append(entry)
    return entries


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            value = cells.number(text)
        except NoValue:
            value = None
        if value is None or value != int(value) or not least <= value <= most:
            raise OmsError(_("Give a whole number from %(least)d to %(most)d.") % {"least": least, "most": most})
        return int(value)

    return read


def _barcodes(text: str) -> list[str]:
    codes = list(dict.fromkeys(filter(None, re.split(r"[\s,;|，；、]+", cells.plain(text)))))
    if len(codes) > MOST_BARCODES:
        raise OmsError(_("A SKU has at most %(most)d barcodes.") % {"most": MOST_BARCODES})
    if any(len(code) > MOST_OF_A_BARCODE for code in codes):
        raise OmsError(_("A barcode has at most %(most)d characters.") % {"most": MOST_OF_A_BARCODE})
    return codes


def _yes_or_no(text: str) -> bool:
    word = cells.plain(text).lower()
    known = _WORDS | {str(_YES).lower(): True, str(_NO).lower(): False}
    if word not in known:
        raise OmsError(_("Give yes or no."))
    return known[word]


def _text(most: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        if len(text) > most:
            raise OmsError(_("Give at most %(most)d characters.") % {"most": most})
        return text

    return read


def _storage_class(text: str) -> str:
    known = {str(label): value for value, label in StorageClass.choices} | {
        value: value for value in StorageClass.values
    }
    if text not in known:
        raise OmsError(_("Give one of: %(known)s.") % {"known": ", ".join(map(str, StorageClass.labels))})
    return known[text]


def _price(text: str) -> Decimal:
    try:
        value = cells.number(text)
    except NoValue:
        value = None
    if value is None or not 0 <= value < MOST_YUAN or value != round(value, 2):
        raise OmsError(_("Give an amount in yuan with at most two decimals."))
    return Decimal(value)


def _day(text: str) -> date:
    try:
        day = forms.DateField().to_python(cells.plain(text)[:10])
    except forms.ValidationError:
        day = None
    if day is None:
        raise OmsError(_("Give a day, such as 2026-01-31."))
    return day


_READERS: dict[str, Callable[[str], Any]] = {
    "name": _text(200),
    "storage_class": _storage_class,
    "list_price": _price,
    "cost_price": _price,
    "cost_from": _day,
    "brand": _text(80),
    "category": _text(120),
    "weight_g": _whole(0, MOST_G),
    "length_mm": _whole(1, MOST_MM),
    "width_mm": _whole(1, MOST_MM),
    "height_mm": _whole(1, MOST_MM),
    "barcodes": _barcodes,
    "wants_batches": _yes_or_no,
    "wants_serials": _yes_or_no,
}


def understand(_entries: Sequence[Entry], _now: datetime) -> None:
    """What the rows say is read already."""


def change(entries: Sequence[Entry], merchant: Merchant, actor: Actor) -> list[JobResult]:
    """Change the SKUs as the rows say; one result for each entry, in order. Needs an open transaction."""
    codes = {entry.key for entry in entries if entry.body is not None}
    # All of them at once, SKUs before stock: nobody who waits for one of them holds another.
    known = {
        sku.code: sku
        for sku in Sku.objects.visible_to(merchant).filter(code__in=codes).order_by("pk").select_for_update()
    }
    switched = [
        known[entry.key].pk
        for entry in entries
        if entry.body is not None
        and entry.key in known
        and entry.body.get("wants_batches", known[entry.key].wants_batches) != known[entry.key].wants_batches
    ]
    reserving.lock_stock(Stock.objects.filter(sku__in=switched).values_list("pk", flat=True))
    barcodes: dict[int, list[str]] = {}
    for sku_id, code in SkuBarcode.objects.filter(sku__in=known.values()).order_by("pk").values_list("sku_id", "code"):
        barcodes.setdefault(sku_id, []).append(code)
    costs = costing.of_today([sku.pk for sku in known.values()])
    return [
        _change(entry, sku, {"barcodes": barcodes.get(sku.pk, []), "cost_price": costs.get(sku.pk)}, actor)
        if (sku := known.get(entry.key))
        else _make(entry, merchant)
        for entry in entries
    ]


def _change(entry: Entry, sku: Sku, beside: dict[str, Any], actor: Actor) -> JobResult:
    """Change the SKU; `beside` is what it has in other tables."""
    if entry.body is None:
        return KIND.result(entry, JobResult.Outcome.REFUSED, errors=entry.errors)
    if entry.body.pop("storage_class", sku.storage_class) != sku.storage_class:
        error = FieldError("storage_class", "fixed", _("The storage class of a SKU cannot be changed."))
        return KIND.result(entry, JobResult.Outcome.REFUSED, errors=[error])
    had = {name: beside[name] if name in beside else getattr(sku, name, None) for name in entry.body}
    # What a unit costs from another day on is news, whatever it costs today.
    is_dated = "cost_from" in entry.body
    new = {
        name: value for name, value in entry.body.items() if value != had[name] or (is_dated and name == "cost_price")
    }
    if not new:
        return KIND.result(entry, JobResult.Outcome.SKIPPED, reference=_measures(sku))
    try:
        changed = selling.change_sku(sku.pk, dict(new), version=sku.version, actor=actor.name)
    except OmsError as refusal:
        error = FieldError(refusal.attr or "sku", refusal.code, str(refusal))
        return KIND.result(entry, JobResult.Outcome.REFUSED, errors=[error])
    entry.figures = {"skus": 1, "batches": int("wants_batches" in new)}
    return KIND.result(entry, JobResult.Outcome.DONE, reference=_measures(changed))


def _make(entry: Entry, merchant: Merchant) -> JobResult:
    """A new SKU, of a row that says what it takes."""
    if entry.body is None:
        return KIND.result(entry, JobResult.Outcome.REFUSED, errors=entry.errors)
    if not {"name", "storage_class"} <= entry.body.keys():
        text = _("There is no SKU %(sku)s. To make it, give its name and storage class.") % {"sku": entry.key}
        error = FieldError("sku", "not_found", text)
        return KIND.result(entry, JobResult.Outcome.REFUSED, errors=[error])
    if not _CODE.fullmatch(entry.key):
        text = _("A code has at most 64 letters, digits and . _ : # -, and begins with a letter or digit.")
        return KIND.result(entry, JobResult.Outcome.REFUSED, errors=[FieldError("sku", "invalid", text)])
    try:
        with transaction.atomic():
            made = selling.add_sku(merchant, {"code": entry.key, **entry.body})
    except OmsError as refusal:
        error = FieldError(refusal.attr or "sku", refusal.code, str(refusal))
        return KIND.result(entry, JobResult.Outcome.REFUSED, errors=[error])
    entry.figures = {"made": 1}
    return KIND.result(entry, JobResult.Outcome.DONE, reference=_measures(made))


def _measures(sku: Sku) -> str:
    """Weight and size as everybody reads them, in whatever language."""
    size = f", {sku.length_mm} × {sku.width_mm} × {sku.height_mm} mm" if sku.volume_mm3 is not None else ""
    return f"{sku.weight_g} g{size}"


KIND = importing.register(
    ImportKind(
        name="import_skus",
        permission=RIGHT,
        columns=COLUMNS,
        read=read_skus,
        understand=understand,
        do=change,
        texts=Texts(
            job=gettext_lazy("Import of SKUs"),
            title=gettext_lazy("Import SKUs"),
            hint=gettext_lazy(
                "Excel (xlsx, xls, ods), a web page's table, or CSV in UTF-8 or GB 18030; one row holds the names of"
                " the columns. One row says name, price, weight, size, barcodes and whether batches are kept of a SKU;"
                " what is empty stays as it is. A new code makes a SKU where name and storage class are given."
            ),
            whose=gettext_lazy("Whose goods"),
            found=gettext_lazy("%(rows)s rows, %(entries)s SKUs. Nothing has been changed yet."),
            start=gettext_lazy("Change %(entries)s SKUs"),
            preview=gettext_lazy("What would become of the SKUs"),
            preview_note=gettext_lazy("changed for certain, and taken back"),
            check=gettext_lazy("Check of SKUs"),
            key=gettext_lazy("SKU code"),
            reference=gettext_lazy("Weight and size"),
            figures={
                "made": gettext_lazy("SKUs made"),
                "skus": gettext_lazy("SKUs changed"),
                "batches": gettext_lazy("batches switched on or off"),
            },
            previews_reference=True,
        ),
    )
)

EXPORT = exporting.register(
    exporting.Export(
        Sku,
        (
            exporting.Column(gettext_lazy("merchant"), "merchant__code"),
            exporting.Column(_LABELS["sku"], "code"),
            exporting.Column(gettext_lazy("name"), "name"),
            *(exporting.Column(_LABELS[name], name) for name in ("weight_g", "length_mm", "width_mm", "height_mm")),
            exporting.Column(
                _LABELS["barcodes"],
                "codes",
                expression=ArraySubquery(SkuBarcode.objects.filter(sku=OuterRef("pk")).order_by("pk").values("code")),
            ),
            exporting.Column(_LABELS["wants_batches"], "wants_batches", {True: _YES, False: _NO}),
            exporting.Column(_LABELS["wants_serials"], "wants_serials", {True: _YES, False: _NO}),
        ),
        "inventory.view_sku",
        "inventory.view_sku",
    )
)
