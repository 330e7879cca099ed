"""Sheets of SKU matches: a row says how many units of a SKU one piece of a channel's code has; the rows of one code
are a bundle."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common.errors import FieldError
from oms.common.files import tables
from oms.common.models import JobResult
from oms.merchants.models import Merchant
from orders.actors import Actor
from orders.intake import cells, importing
from orders.intake.cells import NoValue
from orders.intake.import_kinds import Column, Entry, ImportKind, Texts
from orders.matching import matches
from orders.matching.matches import NewComponent, NewMatch
from orders.models import SkuMatch
from orders.models.sku_match import MOST_UNITS

COLUMNS = (
    Column(
        "channel",
        gettext_lazy("Channel code"),
        "渠道 渠道编码 店铺 店铺编码 来源 平台 channel channelcode shop source",
        "channel",
        is_required=True,
    ),
    Column(
        "code",
        gettext_lazy("Caller's code"),
        "平台商品编码 渠道商品编码 外部编码 平台编码 商品id 平台skuid 店铺商品编码"
        " callercode externalcode platformsku code",
        "code",
        is_required=True,
    ),
    Column(
        "sku",
        gettext_lazy("SKU code"),
        "商品编码 商家编码 货号 商品货号 规格编码 系统商品编码 sku编码 sku代码 sku skucode productcode",
        "components.sku",
        is_required=True,
        is_of_line=True,
    ),
    Column(
        "units",
        gettext_lazy("Units a piece"),
        "数量 件数 每件数量 组合数量 quantity units qty",
        "components.units",
        is_of_line=True,
    ),
    Column(
        "weight",
        gettext_lazy("Weight in the price"),
        "分摊权重 权重 分摊金额 拆分金额 weight share",
        "components.weight",
        is_of_line=True,
    ),
    Column(
        "merchant",
        gettext_lazy("Merchant of the goods"),
        "商家 商家代码 货主 merchant merchantcode owner",
        "components.merchant",
        is_of_line=True,
    ),
)
MOST_SHOWN = 40


def read_matches(table: tables.Table, fields: Sequence[str]) -> list[Entry]:
    """The matches of the table: the rows of one code of one channel together."""
    entries: dict[tuple[str, ...], Entry] = {}
    for number, values in importing.filled(table, fields):
        key = (values.get("channel", ""), values.get("code", ""))
        # What names no code belongs to no other row.
        entry = entries.setdefault(key if all(key) else (*key, str(number)), Entry(" ".join(filter(None, key))))
        entry.rows.append(number)
        entry.cells.append(values)
    for entry in entries.values():
        _understand(entry)
    return list(entries.values())


def _understand(entry: Entry) -> None:
    components = []
    for place, values in enumerate(entry.cells):
        for column in COLUMNS:
            if column.is_required and not values.get(column.name):
                attr = column.attr.replace(".", f".{place}.")
                entry.errors.append(FieldError(attr, "required", _("This field is required.")))
        units = _units(values.get("units", "1"), place)
        weight = _weight(values.get("weight"), place)
        entry.errors += [one for one in (units, weight) if isinstance(one, FieldError)]
        if isinstance(units, int) and not isinstance(weight, FieldError):
            components.append(NewComponent(values.get("sku", ""), values.get("merchant", ""), units, weight))
    if not entry.errors:
        first = entry.cells[0]
        entry.body = NewMatch(first["channel"], first["code"], tuple(components))


def _units(text: str, place: int) -> int | FieldError:
    try:
        units = cells.units(text)
    except NoValue:
        units = 0
    if not 1 <= units <= MOST_UNITS:
        detail = _("Give a quantity from 1 to %(most)d.") % {"most": MOST_UNITS}
        return FieldError(f"components.{place}.units", "invalid_quantity", detail)
    return units


def _weight(text: str | None, place: int) -> Decimal | FieldError | None:
    if text is None:
        return None
    try:
        return cells.amount(text)
    except NoValue:
        detail = _("Give an amount in yuan with at most two places, such as 12.34.")
        return FieldError(f"components.{place}.weight", "invalid_amount", detail)


def understand(_entries: Sequence[Entry], _now: datetime) -> None:
    """The matches are read already."""


def say(entries: Sequence[Entry], merchant: Merchant, actor: Actor) -> list[JobResult]:
    """Let the codes stand for what the sheet says; one result for each entry, in order. Needs an open transaction."""
    wanted = [entry.body for entry in entries if entry.body is not None]
    outcomes = iter(matches.put_many(merchant, wanted, actor=actor))
    made = []
    for entry in entries:
        outcome = next(outcomes) if entry.body is not None else entry.errors
        if isinstance(outcome, SkuMatch):
            entry.figures = {"matches": 1, "components": len(entry.body.components)}
            goods = " + ".join(f"{part.sku} × {part.units}" for part in entry.body.components)
            made.append(KIND.result(entry, JobResult.Outcome.DONE, reference=goods[:MOST_SHOWN]))
        else:
            made.append(KIND.result(entry, JobResult.Outcome.REFUSED, errors=outcome))
    return made


KIND = importing.register(
    ImportKind(
        name="import_matches",
        permission="orders.match_skus",
        columns=COLUMNS,
        read=read_matches,
        understand=understand,
        do=say,
        texts=Texts(
            job=gettext_lazy("Import of SKU matches"),
            title=gettext_lazy("Import SKU matches"),
            hint=gettext_lazy(
                "Excel (xlsx, xls, ods), a web page's table, or CSV in UTF-8 or GB 18030; one row holds the names of"
                " the columns. One row says how many units of a SKU a code of a channel stands for; rows of the same"
                " code are a bundle. What is not named stays as it is."
            ),
            whose=gettext_lazy("Whose channels"),
            found=gettext_lazy("%(rows)s rows, %(entries)s codes. Nothing has been matched yet."),
            start=gettext_lazy("Match %(entries)s codes"),
            preview=gettext_lazy("What the codes would stand for"),
            preview_note=gettext_lazy("matched for certain, and taken back"),
            check=gettext_lazy("Check of SKU matches"),
            key=gettext_lazy("Channel and code"),
            reference=gettext_lazy("Stands for"),
            figures={"matches": gettext_lazy("matches"), "components": gettext_lazy("components")},
            previews_reference=True,
        ),
    )
)
