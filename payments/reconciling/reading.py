"""A bill's file, read and checked against itself: its account, its days, its own totals."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.utils.translation import gettext as _

from payments.models import BillForm, BillRowKind, BillSource
from payments.reconciling.files import RefusedBill, check_size, sheet_of, unpacked
from payments.reconciling.forms import Frame, Layout, Total, layout_of
from payments.reconciling.lines import Line, understood

# Of a bill without a period of its own; bank statements and collected cash may be of several days.
ONE_DAY = frozenset({BillForm.ALIPAY_TRADE, BillForm.ALIPAY_FUND, BillForm.WECHAT_TRADE, BillForm.WECHAT_FUND})


@dataclass(frozen=True, slots=True)
class Read:
    """A bill that was read: the file out of its archive, its days, and its rows. A row whose `copies` is above 0 is the
    same, cell by cell, as so many before it."""

    content: bytes
    first_day: date
    last_day: date
    lines: Sequence[tuple[Line, int]]


def read_bill(source: BillSource, content: bytes, day: date | None = None) -> Read:
    """The bill in a file of the source; `day` is what the person says that it is of.

    Rows that cannot be read are in it as what they are. Raises RefusedBill for a bill of another account or day, for
    one that does not come to its own totals, and for what is no bill of this form.
    """
    check_size(content)
    layout = layout_of(source)
    content = unpacked(content, layout.wanted)
    sheet = sheet_of(content, layout.required, is_backticked=layout.is_backticked)
    frame = layout.frame(sheet)
    lines = [understood(sheet, row, layout.read, layout.number_columns, layout.ours) for row in frame.rows]
    _check_account(source, layout, frame, lines)
    first, last = _days(source, layout, frame, lines, day)
    seen: Counter[tuple[str, ...]] = Counter()
    counted = []
    for line in lines:
        counted.append((line, seen[line.cells]))
        seen[line.cells] += 1
    _check_totals(layout, frame, [line for line, copies in counted if layout.counts_copies or not copies])
    return Read(content, first, last, counted)


def _check_account(source: BillSource, layout: Layout, frame: Frame, lines: Sequence[Line]) -> None:
    if not source.account:
        return
    if frame.account and frame.account != source.account:
        raise RefusedBill(
            _("The bill is of account %(told)s, not of %(expected)s.")
            % {"told": frame.account, "expected": source.account}
        )
    other = next((line for line in lines if line.account and line.account != source.account), None)
    if other:
        raise RefusedBill(
            _("Row %(row)s, column “%(column)s”: the bill is of account %(told)s, not of %(expected)s.")
            % {
                "row": other.line,
                "column": layout.account_column,
                "told": other.account,
                "expected": source.account,
            }
        )


def _days(
    source: BillSource, layout: Layout, frame: Frame, lines: Sequence[Line], said: date | None
) -> tuple[date, date]:
    """The first and the last day of the bill."""
    first, last = frame.first_day, frame.last_day
    told = [line.day for line in lines if line.day]
    if first is None or last is None:
        certain = [line.day for line in lines if line.day and not layout.allows_earlier(line)]
        certain = certain or (told[-1:] if source.form in ONE_DAY else told)
        if said:
            first = last = said
        elif certain:
            first, last = (certain[0],) * 2 if source.form in ONE_DAY else (min(certain), max(certain))
        else:
            raise RefusedBill(_("The file does not say of which day it is: name the day."))
    if said and not first <= said <= last:
        raise RefusedBill(_("The bill is of %(told)s, not of %(expected)s.") % {"told": first, "expected": said})
    for line in lines:
        if line.day and not (first <= line.day <= last or (line.day < first and layout.allows_earlier(line))):
            raise RefusedBill(
                _("Row %(row)s, column “%(column)s”: %(told)s is no day of a bill of %(expected)s.")
                % {"row": line.line, "column": layout.day_column, "told": line.day, "expected": first}
            )
    return first, last


def _check_totals(layout: Layout, frame: Frame, lines: Sequence[Line]) -> None:
    """Raises RefusedBill unless the rows come to what the file says. Rows that cannot be read count in its totals, and
    the same row once; so what is missing must be as many as those that cannot be read."""
    if layout.must_tell_totals and not frame.totals:
        raise RefusedBill(_("The file has no totals at its end: it was cut off."))
    unread = sum(line.kind == BillRowKind.MALFORMED for line in lines)
    missing = 0
    for total in frame.totals:
        values = [
            value for line in lines if line.kind != BillRowKind.MALFORMED and (value := total.part(line)) is not None
        ]
        lacks = (total.count or 0) - len(values) if total.count is not None else 0
        missing += lacks
        # Without a count nobody knows whether a row that cannot be read belongs to it.
        is_partial = unread and (lacks or total.count is None)
        if lacks < 0 or (lacks and not unread) or (not is_partial and _differs(total, values)):
            raise _other_total(total, values)
    counted = [total for total in frame.totals if total.count is not None]
    if counted and missing != unread:
        raise RefusedBill(
            _("The file's totals lack %(missing)s rows, and %(unread)s rows cannot be read.")
            % {"missing": missing, "unread": unread}
        )


def _differs(total: Total, values: Sequence[Decimal]) -> bool:
    return total.amount is not None and sum(values, Decimal(0)) != total.amount


def _other_total(total: Total, values: Sequence[Decimal]) -> RefusedBill:
    found = sum(values, Decimal(0))
    return RefusedBill(
        _("“%(name)s” says %(told_count)s rows and %(told)s yuan; the rows come to %(count)s and %(found)s.")
        % {
            "name": total.name,
            "told_count": "–" if total.count is None else total.count,
            "told": "–" if total.amount is None else total.amount,
            "count": len(values),
            "found": found,
        }
    )
