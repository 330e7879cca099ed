"""Sheets of changes: a row says one thing that is to be changed of an order; the rows of one order are one change set.

What has to be looked at order by order (a new recipient, a split, a merge, an invoice, an exchange) is not in sheets.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common.errors import FieldError, OmsError, WrongFields
from oms.common.files import tables
from oms.common.models import JobResult
from oms.merchants.models import Merchant
from orders.actors import Actor
from orders.changing import charging, choosing
from orders.changing.sets import drafting
from orders.intake import cells, importing
from orders.intake.cells import NoValue
from orders.intake.import_kinds import Column, Entry, ImportKind, Texts
from orders.models import ChangeSetState, Order
from orders.models.amounts import Bearer

RIGHT = "orders.price_changeset"
# Each is confirmed by itself under the locks of all of a batch.
_BATCH, _CHECKED_AT_ONCE = 20, 100
WAITS = "waits"

COLUMNS = (
    Column(
        "order",
        gettext_lazy("Order number"),
        "订单号 订单编号 平台单号 外部单号 单号 order ordernumber number",
        "order",
        is_required=True,
    ),
    Column(
        "do",
        gettext_lazy("What is changed"),
        "改什么 变更 变更类型 动作 操作 action change do",
        "actions.do",
        is_required=True,
        is_of_line=True,
    ),
    Column("line", gettext_lazy("Line"), "行号 行 商品行 line position", "actions.line", is_of_line=True),
    Column("sku", gettext_lazy("SKU code"), "商品编码 货号 sku sku编码 skucode", "actions.sku", is_of_line=True),
    Column("quantity", gettext_lazy("Quantity"), "数量 件数 quantity units qty", "actions.quantity", is_of_line=True),
    Column(
        "amount",
        gettext_lazy("Amount or unit price (yuan)"),
        "金额 单价 调价金额 运费 amount price unitprice",
        "actions.amount",
        is_of_line=True,
    ),
    Column("bearer", gettext_lazy("Borne by"), "承担方 承担 bearer", "actions.bearer", is_of_line=True),
    Column(
        "delivery_from",
        gettext_lazy("Deliver from"),
        "预约开始 送达开始 最早送达 deliveryfrom from",
        "actions.delivery_from",
        is_of_line=True,
    ),
    Column(
        "delivery_until",
        gettext_lazy("Deliver until"),
        "预约结束 送达结束 最晚送达 deliveryuntil until",
        "actions.delivery_until",
        is_of_line=True,
    ),
    Column("reason", gettext_lazy("Reason"), "原因 变更原因 备注 reason", "reason", is_required=True),
)
# What people write for each action, and the fields that it has.
_WORDS = {
    "add": "add 加商品 增加商品 添加商品 加货",
    "gift": "gift 赠品 加赠品 送赠品",
    "quantity": "quantity 数量 改数量",
    "remove": "remove 删商品 删除商品 去掉",
    "adjust": "adjust 改价 调价",
    "freight": "freight 运费 改运费",
    "appointment": "appointment 预约 改预约 预约送达",
}
_ACTIONS = {word: name for name, words in _WORDS.items() for word in words.split()}
_FIELDS = {
    "add": ("sku", "quantity", "unit_price"),
    "gift": ("sku", "quantity"),
    "quantity": ("line", "quantity"),
    "adjust": ("amount", "line", "bearer"),
    "freight": ("amount",),
    "appointment": ("delivery_from", "delivery_until"),
}
_BEARERS = {"平台": Bearer.PLATFORM, "商家": Bearer.MERCHANT, **{value: Bearer(value) for value in Bearer.values}}


def read_changes(table: tables.Table, fields: Sequence[str]) -> list[Entry]:
    """The changes of the table: the rows of one order together."""
    entries: dict[str, Entry] = {}
    for number, values in importing.filled(table, fields):
        order = values.get("order", "")
        entry = entries.setdefault(order or f" {number}", Entry(order))
        entry.rows.append(number)
        entry.cells.append(values)
    return list(entries.values())


def understand(entries: Sequence[Entry], _now: datetime) -> None:
    """Make each entry's body, the reason and the actions, or note what is wrong with it."""
    for entry in entries:
        reasons = list(dict.fromkeys(values["reason"] for values in entry.cells if values.get("reason")))
        if not entry.key:
            entry.errors.append(FieldError("order", "required", _("This field is required.")))
        if len(reasons) != 1:
            text = _("The rows of an order give one reason.") if reasons else _("This field is required.")
            entry.errors.append(FieldError("reason", "invalid" if reasons else "required", text))
        wish = [_action(place, values, entry.errors) for place, values in enumerate(entry.cells)]
        if not entry.errors:
            entry.body = (reasons[0], wish)


def _action(place: int, values: dict[str, str], errors: list[FieldError]) -> dict[str, Any]:
    """A row as an action of `sets.actions`, which judges the values; what is no value at all is noted."""

    def take(name: str, read: Any, code: str, text: str) -> Any:
        if name not in values:
            return None
        try:
            return read(values[name])
        except NoValue:
            errors.append(FieldError(f"actions.{place}.{name}", code, text))
            return None

    name = _ACTIONS.get(cells.plain(values.get("do", "")).lower())
    if name is None:
        known = ", ".join(words.split()[0] + " (" + words.split()[1] + ")" for words in _WORDS.values())
        text = _("Give one of: %(choices)s.") % {"choices": known}
        errors.append(FieldError(f"actions.{place}.do", "invalid_choice", text))
        return {}
    whole, money = _("Give a whole number."), _("Give an amount in yuan, such as -10.00.")
    when = _("Give a time such as 2026-01-02 09:00.")
    amount = take("amount", lambda text: str(cells.amount(text)), "invalid_amount", money)
    told = {
        "sku": values.get("sku"),
        "line": take("line", cells.units, "invalid", whole),
        "quantity": 0 if name == "remove" else take("quantity", cells.units, "invalid", whole),
        "amount": amount,
        "unit_price": amount,
        "bearer": _BEARERS.get(values.get("bearer", "").lower(), values.get("bearer")),
        "delivery_from": take("delivery_from", lambda text: cells.moment(text).isoformat(), "invalid", when),
        "delivery_until": take("delivery_until", lambda text: cells.moment(text).isoformat(), "invalid", when),
    }
    name = "quantity" if name == "remove" else name
    return {"do": name, **{field: told[field] for field in _FIELDS[name] if told[field] is not None}}


def change(entries: Sequence[Entry], merchant: Merchant, actor: Actor) -> list[JobResult]:
    """Confirm the changes of orders of the merchant's channels, each by itself; one result for each, in order. Needs an
    open transaction."""
    found = _orders({entry.key for entry in entries if entry.body is not None}, merchant)
    choosing.lock_all({key for keys in found.values() for key in keys})
    return [_change(entry, found.get(entry.key, ()), actor) for entry in entries]


def _orders(numbers: set[str], merchant: Merchant) -> dict[str, list[int]]:
    """The orders (ids) that each number means: ours, or the channel's."""
    rows = Order.objects.filter(channel__merchant=merchant)
    rows = rows.filter(Q(number__in=numbers) | Q(external_number__in=numbers))
    found: dict[str, list[int]] = {}
    for key, number, external in rows.order_by("pk").values_list("pk", "number", "external_number"):
        for one in {number, external} & numbers:
            found.setdefault(one, []).append(key)
    return found


def _change(entry: Entry, order_ids: Sequence[int], actor: Actor) -> JobResult:
    errors = entry.errors
    if entry.body is not None and len(order_ids) != 1:
        text = _("Several orders have this number: give ours.") if order_ids else _("There is no such order.")
        errors = [FieldError("order", "ambiguous" if order_ids else "not_found", text)]
    if errors or entry.body is None:
        return KIND.result(entry, JobResult.Outcome.REFUSED, errors=errors)
    reason, wish = entry.body
    (order_id,) = order_ids
    before = charging.owed(order_id)
    try:
        with transaction.atomic():
            row = drafting.change(order_id, wish, reason=reason, actor=actor)
    except WrongFields as wrong:
        errors = [_in_sheet(error) for error in wrong.errors]
        return KIND.result(entry, JobResult.Outcome.REFUSED, errors=errors)
    except OmsError as refusal:
        error = FieldError(refusal.attr or "", refusal.code, str(refusal))
        return KIND.result(entry, JobResult.Outcome.REFUSED, errors=[error])
    after = charging.owed(order_id)
    entry.figures = {"changed": 1, "more": max(after - before, Decimal(0)), "less": max(before - after, Decimal(0))}
    if row.state == ChangeSetState.AWAITING_BALANCE:
        entry.figures["more"] = row.balance_amount or Decimal(0)
        text = _("The buyer is asked for ¥%(amount)s first; it is changed once that is paid.")
        entry.notes = [FieldError("", WAITS, text % {"amount": row.balance_amount})]
        after = before + (row.balance_amount or Decimal(0))
    return KIND.result(entry, JobResult.Outcome.DONE, reference=f"¥{before} → ¥{after}")


def _in_sheet(error: FieldError) -> FieldError:
    """The error by the sheet's columns: a price stands in that of the amount."""
    return FieldError(error.attr.replace(".unit_price", ".amount"), error.code, error.detail)


KIND = importing.register(
    ImportKind(
        name="import_changes",
        permission=RIGHT,
        columns=COLUMNS,
        read=read_changes,
        understand=understand,
        do=change,
        batch=_BATCH,
        checked_at_once=_CHECKED_AT_ONCE,
        texts=Texts(
            job=gettext_lazy("Changes of orders from a sheet"),
            title=gettext_lazy("Change orders from a sheet"),
            hint=gettext_lazy(
                "Excel (xlsx, xls, ods) or CSV; one row holds the names of the columns. One row is one change: add or"
                " gift (with SKU code and quantity), quantity or remove (with line), adjust (with amount and who bears"
                " it), freight (by how much it changes), appointment (from, until). Rows of the same order are done"
                " together or not at all. Recipients, splits, merges, invoices and exchanges are changed on the order's"
                " page."
            ),
            whose=gettext_lazy("Whose orders"),
            found=gettext_lazy("%(rows)s rows, %(entries)s orders. Nothing has been changed yet."),
            start=gettext_lazy("Change %(entries)s orders"),
            preview=gettext_lazy("What would come of the changes"),
            preview_note=gettext_lazy("changed for certain, and taken back"),
            check=gettext_lazy("Check of changes of orders"),
            key=gettext_lazy("Order"),
            reference=gettext_lazy("Owed before and after"),
            figures={
                "changed": gettext_lazy("orders changed"),
                "more": gettext_lazy("yuan more"),
                "less": gettext_lazy("yuan less"),
            },
            previews_reference=True,
            would=gettext_lazy("Would be changed"),
            done=gettext_lazy("Changed"),
            refused=gettext_lazy("Not changed"),
        ),
    )
)
