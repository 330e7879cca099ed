"""Sheets of counted stock: a row says how many units of a SKU of the merchant a warehouse has.

They are booked as stock-takes, by the same service as the API's, in the name of the member of staff who imports them:
the ledger says who, how much and, by the note, why. What was promised and is not there any more is taken from the
youngest sub-orders, unless their warehouses work on them: then the row is refused.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inventory.counting import MOST_UNITS
from inventory.models import Stock
from oms.common.errors import FieldError, OmsError
from oms.common.files import tables
from oms.common.models import JobResult
from oms.merchants.models import Merchant
from orders.actors import Actor
from orders.intake import importing
from orders.intake.importing import Column, Entry, Texts
from orders.stock import changes as stock_changes
from orders.stock.changes import Change

COLUMNS = (
    Column(
        "warehouse",
        gettext_lazy("Warehouse code"),
        "仓库 仓库编码 仓库代码 仓库编号 仓库code 库房 warehouse warehousecode whcode location",
        "warehouse",
        is_required=True,
    ),
    Column(
        "sku",
        gettext_lazy("SKU code"),
        "商品编码 商家编码 货号 商品货号 规格编码 sku编码 sku代码 skuid sku skucode productcode item itemcode",
        "sku",
        is_required=True,
    ),
    Column(
        "counted",
        gettext_lazy("Units counted"),
        "数量 库存 库存数量 实盘数量 盘点数量 实际库存 现有库存 在库数量 实物库存"
        " quantity qty onhand stock counted count units",
        "counted",
        is_required=True,
    ),
    Column("note", gettext_lazy("Note"), "备注 说明 原因 note remark reason comment", "note"),
)
MOST_NOTE = 200


def read_counts(table: tables.Table, fields: Sequence[str], now: datetime) -> list[Entry]:
    """The counts of the table, a row each. Which row is meant of several that name the same place nobody can tell: all
    but the first are refused."""
    entries: list[Entry] = []
    first: dict[tuple[str, str], int] = {}
    for number, cells in table.rows:
        values = {name: cell for name, cell in zip(fields, cells, strict=True) if name and cell}
        place = (values.get("warehouse", ""), values.get("sku", ""))
        entry = Entry(" ".join(filter(None, place)), rows=[number], cells=[values])
        for column in COLUMNS:
            if column.is_required and not values.get(column.name):
                entry.errors.append(FieldError(column.attr, "required", _("This field is required.")))
        counted = _units(values.get("counted", "0"))
        if isinstance(counted, FieldError):
            entry.errors.append(counted)
        if len(values.get("note", "")) > MOST_NOTE:
            detail = _("A note has at most %(most)d characters.") % {"most": MOST_NOTE}
            entry.errors.append(FieldError("note", "too_long", detail))
        if all(place) and first.setdefault(place, number) != number:
            detail = _("This SKU of this warehouse stands in row %(row)d already.") % {"row": first[place]}
            entry.errors.append(FieldError("sku", "named_twice", detail))
        if not entry.errors and not isinstance(counted, FieldError):
            entry.body = Change(sku=place[1], warehouse=place[0], on_hand=counted, note=values.get("note", ""))
        entries.append(entry)
    return entries


def _units(text: str) -> int | FieldError:
    try:
        units = Decimal(importing.ungrouped(text))
    except InvalidOperation:
        units = Decimal("NaN")
    if not units.is_finite() or not 0 <= units <= MOST_UNITS or units != int(units):
        detail = _("Give a whole number from 0 to %(most)d.") % {"most": MOST_UNITS}
        return FieldError("counted", "invalid", detail)
    return int(units)


def book(entries: Sequence[Entry], merchant: Merchant, actor: Actor) -> list[JobResult]:
    """Book the counts that can be read; one result for each entry, in order. Needs an open transaction."""
    changes = [entry.body for entry in entries if entry.body is not None]
    before = _on_hand(changes, merchant)
    outcomes = iter(stock_changes.change_many(merchant, changes, actor=actor, everywhere=True))
    results = []
    for entry in entries:
        outcome = next(outcomes) if entry.body is not None else None
        if isinstance(outcome, Stock):
            units = f"{before.get((entry.body.warehouse, entry.body.sku), 0)} → {outcome.on_hand}"
            result = KIND.result(entry, JobResult.Outcome.DONE, reference=units)
        else:
            errors = [_error(outcome)] if outcome is not None else entry.errors
            result = KIND.result(entry, JobResult.Outcome.REFUSED, errors=errors)
        results.append(result)
    return results


def _error(refusal: OmsError) -> FieldError:
    return FieldError(refusal.attr or "counted", refusal.code, str(refusal))


def _on_hand(changes: Sequence[Change], merchant: Merchant) -> dict[tuple[str, str], int]:
    """The units on hand by (warehouse, SKU), before."""
    rows = Stock.objects.visible_to(merchant).filter(
        sku__code__in={change.sku for change in changes}, warehouse__code__in={change.warehouse for change in changes}
    )
    return {(place, sku): units for place, sku, units in rows.values_list("warehouse__code", "sku__code", "on_hand")}


KIND = importing.register(
    importing.ImportKind(
        name="import_stock",
        permission="inventory.import_stock",
        columns=COLUMNS,
        read=read_counts,
        do=book,
        texts=Texts(
            job=gettext_lazy("Import of counted stock"),
            title=gettext_lazy("Import counted stock"),
            hint=gettext_lazy(
                "Excel (xlsx, xls, ods) or CSV in UTF-8 or GB 18030; the first row holds the names of the columns."
                " One row says how many units of a SKU a warehouse has; what is not named stays as it is."
            ),
            whose=gettext_lazy("Whose goods"),
            found=gettext_lazy("%(rows)s rows, %(entries)s counts. Nothing has been booked yet."),
            start=gettext_lazy("Book %(entries)s counts"),
            preview=gettext_lazy("What would come of the first counts"),
            preview_note=gettext_lazy("booked like a stock-take, and taken back"),
            key=gettext_lazy("Warehouse and SKU"),
            reference=gettext_lazy("Units on hand"),
            previews_reference=True,
        ),
    )
)
