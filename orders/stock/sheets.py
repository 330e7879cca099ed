"""Sheets of counted stock: a row says how many units of a SKU of the merchant a warehouse has.

They are booked as stock-takes, by the same service as the API's, in the name of the member of staff who imports them:
the ledger says who, how much and, by the note, why. What was promised and is not there any more is taken from the
youngest sub-orders, unless their warehouses work on them: then the row is refused.
"""

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inventory.counting import MOST_UNITS
from inventory.models import Stock
from oms.common.errors import FieldError, OmsError
from oms.common.files import exporting, tables
from oms.common.models import JobResult
from oms.merchants.models import Merchant
from orders.actors import Actor
from orders.intake import cells, importing
from orders.intake.cells import NoValue
from orders.intake.import_kinds import Column, Entry, ImportKind, Texts
from orders.models import ActorKind
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
        "数量 库存 库存数量 实盘数量 盘点数量 实际库存 现有库存 现货 现货数量 现货库存 在库 在库数量 实物库存"
        " quantity qty onhand stock counted count units",
        "counted",
        is_required=True,
    ),
    Column("note", gettext_lazy("Note"), "备注 说明 原因 note remark reason comment", "note"),
)
MOST_NOTE = 200


def read_counts(table: tables.Table, fields: Sequence[str]) -> list[Entry]:
    """The counts of the table, a row each. Which row is meant of several that name the same place nobody can tell: all
    but the first that can be read are refused."""
    entries: list[Entry] = []
    first: dict[tuple[str, str], int] = {}
    for number, values in importing.filled(table, fields):
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
        # A row that cannot be read says nothing of its place: the next one is not its second.
        if not entry.errors and first.setdefault(place, number) != number:
            detail = _("This SKU of this warehouse stands in row %(row)d already.") % {"row": first[place]}
            entry.errors.append(FieldError("sku", "named_twice", detail))
        if not entry.errors and not isinstance(counted, FieldError):
            entry.body = Change(sku=place[1], warehouse=place[0], on_hand=counted, note=values.get("note", ""))
        entries.append(entry)
    return entries


def _units(text: str) -> int | FieldError:
    try:
        counted = cells.units(text)
    except NoValue:
        counted = -1
    if not 0 <= counted <= MOST_UNITS:
        detail = _("Give a whole number from 0 to %(most)d.") % {"most": MOST_UNITS}
        return FieldError("counted", "invalid", detail)
    return counted


def understand(_entries: Sequence[Entry], _now: datetime) -> None:
    """The counts are read already."""


def book(entries: Sequence[Entry], merchant: Merchant, actor: Actor) -> list[JobResult]:
    """Book the counts that can be read; one result for each entry, in order: of staff everywhere, of the merchant's
    people in its own warehouses. Needs an open transaction."""
    changes = [entry.body for entry in entries if entry.body is not None]
    before = _stock_of(changes, merchant)
    everywhere = actor.kind == ActorKind.STAFF
    outcomes = iter(stock_changes.change_many(merchant, changes, actor=actor, everywhere=everywhere))
    after = _stock_of(changes, merchant)
    results = []
    for entry in entries:
        outcome = next(outcomes) if entry.body is not None else None
        if isinstance(outcome, Stock):
            place = (entry.body.warehouse, entry.body.sku)
            (had, promised), (_has, still_promised) = before.get(place, (0, 0)), after[place]
            entry.figures = {
                "counts": 1,
                "added": max(outcome.on_hand - had, 0),
                "dropped": max(had - outcome.on_hand, 0),
                "promises": max(promised - still_promised, 0),
            }
            result = KIND.result(entry, JobResult.Outcome.DONE, reference=f"{had} → {outcome.on_hand}")
        else:
            errors = [_error(outcome)] if outcome is not None else entry.errors
            result = KIND.result(entry, JobResult.Outcome.REFUSED, errors=errors)
        results.append(result)
    return results


def _error(refusal: OmsError) -> FieldError:
    return FieldError(refusal.attr or "counted", refusal.code, str(refusal))


def _stock_of(changes: Sequence[Change], merchant: Merchant) -> dict[tuple[str, str], tuple[int, int]]:
    """The units on hand and of these those promised, by (warehouse, SKU)."""
    rows = Stock.objects.visible_to(merchant).filter(
        sku__code__in={change.sku for change in changes}, warehouse__code__in={change.warehouse for change in changes}
    )
    columns = ("warehouse__code", "sku__code", "on_hand", "reserved")
    return {(place, sku): (units, promised) for place, sku, units, promised in rows.values_list(*columns)}


_LABELS = {column.name: column.label for column in COLUMNS}
# The columns of an import are among them: what is exported can be corrected and uploaded, merchant by merchant.
EXPORT = exporting.register(
    exporting.Export(
        Stock,
        (
            exporting.Column(gettext_lazy("merchant"), "sku__merchant__code"),
            exporting.Column(_LABELS["warehouse"], "warehouse__code"),
            exporting.Column(_LABELS["sku"], "sku__code"),
            exporting.Column(gettext_lazy("name"), "sku__name"),
            exporting.Column(gettext_lazy("Units on hand"), "on_hand"),
            exporting.Column(gettext_lazy("reserved"), "reserved"),
            exporting.Column(gettext_lazy("frozen"), "frozen"),
            exporting.Column(gettext_lazy("safety stock"), "safety_stock"),
        ),
        "inventory.view_stock",
        "inventory.view_stock",
    )
)

KIND = importing.register(
    ImportKind(
        name="import_stock",
        permission="inventory.import_stock",
        columns=COLUMNS,
        read=read_counts,
        understand=understand,
        do=book,
        texts=Texts(
            job=gettext_lazy("Import of counted stock"),
            title=gettext_lazy("Import counted stock"),
            hint=gettext_lazy(
                "Excel (xlsx, xls, ods), a web page's table, or CSV in UTF-8 or GB 18030; one row holds the names of"
                " the columns. One row says how many units of a SKU a warehouse has; what is not named stays as it is."
            ),
            whose=gettext_lazy("Whose goods"),
            found=gettext_lazy("%(rows)s rows, %(entries)s counts. Nothing has been booked yet."),
            start=gettext_lazy("Book %(entries)s counts"),
            preview=gettext_lazy("What would come of the counts"),
            preview_note=gettext_lazy("booked like a stock-take, and taken back"),
            check=gettext_lazy("Check of counted stock"),
            key=gettext_lazy("Warehouse and SKU"),
            reference=gettext_lazy("Units on hand"),
            figures={
                "counts": gettext_lazy("counts"),
                "added": gettext_lazy("units added"),
                "dropped": gettext_lazy("units dropped"),
                "promises": gettext_lazy("promised units lost"),
            },
            previews_reference=True,
        ),
    )
)
