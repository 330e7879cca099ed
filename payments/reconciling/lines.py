"""What a line of a bill says, and how its cells are understood."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal

from oms.common.money import MAX_FEN
from oms.common.zones import CHINA
from payments.models import BillRowKind
from payments.reconciling.files import Cells, Sheet

_NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d{1,5})?")
_DAY = re.compile(r"(\d{4})\s*[-/年]\s*(\d{1,2})\s*[-/月]\s*(\d{1,2})\s*日?|(\d{4})(\d{2})(\d{2})")
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
_USUAL = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}")
_NONE = frozenset({"", "-", "--", "\\N"})


class Malformed(Exception):
    """A row that cannot be read: the column at which it broke off."""

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a bill, understood; columns as in `models.BillRow`. `amount` and `fee` are exact, in yuan. `account` is
    ours as the row names it; empty where it does not."""

    line: int
    cells: tuple[str, ...]
    kind: BillRowKind
    day: date | None = None
    own_number: str = ""
    of_number: str = ""
    transaction_number: str = ""
    batch: str = ""
    account: str = ""
    amount: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)
    at: datetime | None = None
    state: str = ""
    note: str = ""
    problem: str = ""
    billed_g: int = 0

    @property
    def amount_fen(self) -> int:
        """The amount in whole fen, positive where money came to us."""
        return fen(self.amount)

    @property
    def fee_fen(self) -> int:
        """The fee in whole fen, rounded half up, positive where it cost us."""
        return fen(self.fee)


def fen(amount: Decimal) -> int:
    """Yuan in whole fen, rounded half up (away from 0)."""
    return int((amount * 100).quantize(Decimal(1), ROUND_HALF_UP))


class Row:
    """A row under its header. The readers raise Malformed with the column's name."""

    def __init__(self, sheet: Sheet, row: Cells) -> None:
        self._sheet = sheet
        self.line = row.line
        self.cells = row.cells

    def text(self, column: str) -> str:
        """The cell of the column; empty where the file has no such column."""
        place = self._sheet.column(column) if column else None
        if place is None:
            return ""
        if place >= len(self.cells):
            raise Malformed(column)
        return self.cells[place]

    def cells_without(self, column: str) -> tuple[str, ...]:
        """All cells, that of the column emptied."""
        place = self._sheet.column(column) if column else None
        return tuple("" if index == place else cell for index, cell in enumerate(self.cells))

    def needed(self, column: str) -> str:
        """The cell of the column, which must not be empty."""
        text = self.text(column)
        if not text:
            raise Malformed(column)
        return text

    def amount(self, column: str, *, places: int = 2, is_needed: bool = True) -> Decimal:
        """The cell as yuan; an empty one is 0 where it is not needed."""
        text = self.text(column).lstrip("¥￥")
        if text in _NONE and not is_needed:
            return Decimal(0)
        if not _NUMBER.fullmatch(text):
            raise Malformed(column)
        amount = Decimal(text.replace(",", ""))
        exponent = amount.as_tuple().exponent
        if not isinstance(exponent, int) or -exponent > places or abs(amount) * 100 > MAX_FEN:
            raise Malformed(column)
        return amount

    def moment(self, column: str, time_column: str = "") -> datetime:
        """The cell as a moment of China's time; the time of day may stand in a column of its own."""
        moment = moment_of(f"{self.needed(column)} {self.text(time_column)}".strip())
        if moment is None:
            raise Malformed(column)
        return moment


def moment_of(text: str) -> datetime | None:
    """The moment that the text begins with, in China's time; midnight where it names no time of day."""
    if _USUAL.fullmatch(text):
        try:
            return datetime.fromisoformat(text).replace(tzinfo=CHINA)
        except ValueError:
            return None
    day = _DAY.match(text)
    if not day:
        return None
    time = _TIME.search(text, day.end())
    hour, minute, second = (int(part or 0) for part in time.groups()) if time else (0, 0, 0)
    year, month, of_month = (int(part) for part in day.groups() if part)
    try:
        return datetime(year, month, of_month, hour, minute, second, tzinfo=CHINA)
    except ValueError:
        return None


def understood(
    sheet: Sheet,
    row: Cells,
    read: Callable[[Row], Line],
    number_columns: Sequence[str],
    ours: Callable[[str], str],
) -> Line:
    """The row, or where it cannot be read a line that says at which column, with the number by which people know it;
    `ours` writes a number as we do."""
    one = Row(sheet, row)
    try:
        if len(row.cells) < len(sheet.headers):
            raise Malformed(sheet.headers[len(row.cells)])
        if any(row.cells[len(sheet.headers) :]):
            raise Malformed(sheet.headers[-1])
        return read(one)
    except Malformed as problem:
        number = ours(_number(one, number_columns))
        return Line(row.line, row.cells, BillRowKind.MALFORMED, own_number=number, problem=problem.column)


def _number(row: Row, columns: Sequence[str]) -> str:
    for column in columns:
        try:
            text = row.text(column)
            if text and text != "0":
                return text[:64]
        except Malformed:
            continue
    return ""
