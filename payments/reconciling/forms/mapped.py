"""Bills without a common form: cash remitted by carriers, bank statements, settlement bills of platforms, freight.

A source's mapping says what its file calls things; what it leaves out has the usual name. A JSON object with

- `columns`: the columns by our names for them;
- `totals`: `{"label": "合计"}` for a row that has the sums under the columns and perhaps "7笔" somewhere, or
  `{"income": "收入合计", "expense": "支出合计"}` for sums that stand behind such words; `{}` where the file has none;
- `labels`: the words above the table behind which `account` and `period` stand;
- `words`: for bank statements, the words in a row's summary that tell a `carrier_payment`, a `bank_charge`, a
  `withdrawal`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any

from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from payments.models import BillForm, BillRowKind, BillSource
from payments.reconciling.files import Cells, RefusedBill, Sheet
from payments.reconciling.forms import Frame, Layout, Total
from payments.reconciling.lines import Line, Malformed, Row, moment_of

_COUNT = re.compile(r"(\d+)\s*笔")
_DAYS = re.compile(r"\d{4}\s*[-/年]\s*\d{1,2}\s*[-/月]\s*\d{1,2}")

_USUAL: Mapping[BillForm, Mapping[str, Mapping[str, Any]]] = {
    BillForm.COD: {
        "columns": {
            "batch": "返款批次号",
            "day": "返款日期",
            "waybill": "运单号",
            "order": "商家订单号",
            "at": "签收时间",
            "amount": "代收金额",
            "fee": "手续费",
            "net": "实返金额",
            "state": "状态",
            "note": "备注",
        },
        "totals": {"label": "合计"},
        "labels": {},
        "words": {},
    },
    BillForm.BANK: {
        "columns": {
            "day": "交易日期",
            "time": "交易时间",
            "income": "收入金额",
            "expense": "支出金额",
            "summary": "摘要",
            "note": "附言",
            "serial": "流水号",
        },
        "totals": {"income": "收入合计", "expense": "支出合计"},
        "labels": {"account": "账号", "period": "起止日期"},
        "words": {
            "carrier_payment": ["运费", "快递费"],
            "bank_charge": ["手续费", "管理费", "工本费"],
            "withdrawal": ["提现"],
        },
    },
    BillForm.SETTLEMENT: {
        "columns": {
            "number": "结算流水号",
            "day": "结算日期",
            "order": "订单号",
            "amount": "订单金额",
            "fee": "服务费",
            "net": "结算金额",
            "state": "类型",
            "note": "备注",
        },
        "totals": {"label": "合计"},
        "labels": {},
        "words": {},
    },
    BillForm.FREIGHT: {
        "columns": {
            "line": "序号",
            "day": "日期",
            "waybill": "运单号码",
            "order": "订单号",
            "weight": "计费重量",
            "kind": "费用类型",
            "amount": "应付金额",
            "note": "备注",
        },
        "totals": {"label": "合计"},
        "labels": {"account": "月结账号", "period": "账单周期"},
        "words": {},
    },
}
_REQUIRED: Mapping[BillForm, Sequence[str]] = {
    BillForm.COD: ("day", "waybill", "amount", "fee"),
    BillForm.BANK: ("day", "income", "expense", "serial"),
    BillForm.SETTLEMENT: ("number", "day", "order", "amount"),
    BillForm.FREIGHT: ("day", "waybill", "amount"),
}
_NUMBER: Mapping[BillForm, str] = {
    BillForm.COD: "waybill",
    BillForm.BANK: "serial",
    BillForm.SETTLEMENT: "number",
    BillForm.FREIGHT: "waybill",
}


class WrongMapping(OmsError):
    """The mapping of a source names what there is not; the message says what."""

    code = "wrong_mapping"
    status_code = 400


@dataclass(frozen=True, slots=True)
class Mapped:
    """What the file of a source calls things."""

    columns: Mapping[str, str]
    totals: Mapping[str, str]
    labels: Mapping[str, str]
    words: Mapping[str, Sequence[str]]


def mapping_of(form: BillForm, given: object) -> Mapped:
    """The mapping of a source, with the usual names for what it leaves out. Raises WrongMapping."""
    usual = _USUAL[form]
    if not isinstance(given, dict) or not given.keys() <= usual.keys():
        raise WrongMapping(_("The columns are given as an object with: %(names)s.") % {"names": ", ".join(usual)})
    parts = {}
    for part, names in usual.items():
        own = given.get(part, {} if part == "columns" else names)
        if not isinstance(own, dict) or (part == "columns" and not own.keys() <= names.keys()):
            raise WrongMapping(
                _("“%(part)s” is an object with some of: %(names)s.") % {"part": part, "names": ", ".join(names)}
            )
        is_list = part == "words"
        if not all(isinstance(value, list if is_list else str) for value in own.values()):
            raise WrongMapping(_("A value in “%(part)s” has the wrong type.") % {"part": part})
        parts[part] = {**names, **own} if part == "columns" else own
    return Mapped(**parts)


class _Mapped(Layout):
    """See Layout."""

    def __init__(self, form: BillForm, mapping: Mapped) -> None:
        self.form, self.names = form, mapping
        self.required = [mapping.columns[name] for name in _REQUIRED[form]]
        self.number_columns = (mapping.columns[_NUMBER[form]],)
        self.day_column = mapping.columns["day"]
        self.must_tell_totals = bool(mapping.totals)
        # A carrier that bills a row twice wants it paid twice.
        self.counts_copies = form == BillForm.FREIGHT

    def allows_earlier(self, _line: Line) -> bool:
        """See Layout: freight is billed when the carrier comes to it."""
        return self.form == BillForm.FREIGHT

    def frame(self, sheet: Sheet) -> Frame:
        """See Layout."""
        totals, rows = self._by_label(sheet) if "label" in self.names.totals else self._by_word(sheet)
        days = [moment.date() for text in _DAYS.findall(self._above(sheet, "period")) if (moment := moment_of(text))]
        first, last = (days[0], days[-1]) if days else (None, None)
        return Frame(self._above(sheet, "account"), first, last, totals, rows)

    def _above(self, sheet: Sheet, name: str) -> str:
        """What stands behind this label above the table."""
        label = self.names.labels.get(name)
        for line in sheet.above if label else ():
            for cell, following in pairwise((*line.cells, "")):
                word, _colon, told = cell.replace(":", "：").partition("：")
                if word == label:
                    # It may stand in the same cell.
                    return told.strip() or following
        return ""

    def _by_label(self, sheet: Sheet) -> tuple[list[Total], list[Cells]]:
        """A row of sums under their columns."""
        label, rows, totals = self.names.totals["label"], [], []
        for line in sheet.below:
            if line.cells[0].rstrip("：:") != label:
                rows.append(line)
                continue
            totals += self._sums(sheet, line)
        return totals, rows

    def _sums(self, sheet: Sheet, line: Cells) -> list[Total]:
        row = Row(sheet, line)
        counts = [int(found[1]) for cell in line.cells if (found := _COUNT.fullmatch(cell))]
        totals = [Total(label, lambda _line: Decimal(0), counts[0]) for label in [line.cells[0]] if counts]
        parts: dict[str, Callable[[Line], Decimal | None]] = {
            "amount": lambda one: one.amount,
            "fee": lambda one: one.fee,
            "net": lambda one: one.amount - one.fee,
        }
        if self.form == BillForm.FREIGHT:
            parts = {"amount": lambda one: -one.amount}
        try:
            for name, part in parts.items():
                column = self.names.columns[name]
                # In the first one the label itself stands.
                if sheet.column(column) and row.text(column):
                    totals.append(Total(column, part, amount=row.amount(column)))
        except Malformed as problem:
            raise RefusedBill(_("Row %(row)s: the totals cannot be read.") % {"row": line.line}) from problem
        return totals

    def _by_word(self, sheet: Sheet) -> tuple[list[Total], list[Cells]]:
        """Sums behind words for what came in and what went out."""
        words = {word: name for name, word in self.names.totals.items()}
        parts: dict[str, Callable[[Line], Decimal | None]] = {
            "income": lambda line: line.amount if line.amount > 0 else None,
            "expense": lambda line: -line.amount if line.amount < 0 else None,
        }
        totals, rows = [], []
        for line in sheet.below:
            if line.cells[0].rstrip("：:") not in words:
                rows.append(line)
                continue
            for place, cell in enumerate(line.cells):
                name = words.get(cell.rstrip("：:"))
                if name in parts:
                    told = next((text for text in line.cells[place + 1 :] if text), "")
                    totals.append(Total(cell, parts[name], amount=_sum(told, line)))
        return totals, rows

    def read(self, row: Row) -> Line:
        """See Layout."""
        if self.form == BillForm.BANK:
            return self._bank(row)
        return self._freight(row) if self.form == BillForm.FREIGHT else self._collected(row)

    def _freight(self, row: Row) -> Line:
        """A charge of a carrier, or what it gives back (a negative one)."""
        names = self.names.columns
        amount = -row.amount(names["amount"])
        day = row.moment(names["day"])
        kilograms = row.amount(names["weight"], places=3, is_needed=False)
        return Line(
            row.line,
            # Its number in the file is no part of it: the same charge twice is the same row.
            row.cells_without(names["line"]),
            BillRowKind.FEE if amount <= 0 else BillRowKind.OTHER,
            day=day.date(),
            own_number=row.needed(names["waybill"]),
            of_number=row.text(names["order"]),
            amount=amount,
            at=day,
            state=row.text(names["kind"])[:40],
            note=row.text(names["note"]),
            billed_g=int(kilograms * 1000),
        )

    def _bank(self, row: Row) -> Line:
        names = self.names.columns
        income = row.amount(names["income"], is_needed=False)
        expense = abs(row.amount(names["expense"], is_needed=False))
        if (income != 0) == (expense != 0) or income < 0:
            raise Malformed(names["income"])
        at, serial = row.moment(names["day"], names["time"]), row.needed(names["serial"])
        return Line(
            row.line,
            row.cells,
            BillRowKind.PAYMENT if income else BillRowKind.REFUND,
            day=at.date(),
            own_number=serial,
            transaction_number=serial,
            amount=income - expense,
            at=at,
            state=row.text(names["summary"])[:40],
            note=row.text(names["note"]),
        )

    def _collected(self, row: Row) -> Line:
        """A row of what somebody else collected for us, with a fee."""
        names = self.names.columns
        amount = row.amount(names["amount"])
        fee = row.amount(names["fee"], is_needed=False)
        fee = -abs(fee) if amount < 0 else abs(fee)
        day = row.moment(names["day"])
        if row.text(names["net"]) and row.amount(names["net"]) != amount - fee:
            raise Malformed(names["net"])
        at = row.text(names["at"]) if "at" in names else ""
        return Line(
            row.line,
            row.cells,
            BillRowKind.PAYMENT if amount >= 0 else BillRowKind.REFUND,
            day=day.date(),
            own_number=row.needed(self.number_columns[0]),
            of_number=row.text(names["order"]),
            batch=row.text(names.get("batch", "")),
            amount=amount,
            fee=fee,
            at=moment_of(at) or day,
            state=row.text(names["state"])[:40],
            note=row.text(names["note"]),
        )


def _sum(text: str, line: Cells) -> Decimal:
    try:
        return Decimal(text.replace(",", ""))
    except ArithmeticError as error:
        raise RefusedBill(_("Row %(row)s: the totals cannot be read.") % {"row": line.line}) from error


def layout(form: BillForm, source: BillSource) -> Layout:
    """The form's layout with the source's own names. Raises WrongMapping."""
    return _Mapped(form, mapping_of(form, source.mapping))
