"""The forms of bills: each says how its file is framed, what its rows mean, and which totals it must come to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from importlib import import_module

from payments.models import BillForm, BillSource
from payments.reconciling.files import Cells, Sheet
from payments.reconciling.lines import Line, Row


@dataclass(frozen=True, slots=True)
class Total:
    """A total that the file tells of itself: of the lines to which `part` gives a value, how many there are and what
    the values come to, in yuan; None: not told."""

    name: str
    part: Callable[[Line], Decimal | None]
    count: int | None = None
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """What the file says around its rows. An empty `account` or period: it does not say. `totals` are those that it
    tells; without any, of a form that `must_tell_totals`, it was cut off."""

    account: str = ""
    first_day: date | None = None
    last_day: date | None = None
    totals: Sequence[Total] = field(default_factory=list)
    rows: Sequence[Cells] = field(default_factory=list)


class Layout:
    """How the bills of a source are read; each form is a subclass.

    `wanted` is what the name of the file in an archive has; `required` the columns by which the header is known;
    `number_columns` those in which the number stands by which people know a row.
    """

    wanted: str = ""
    required: Sequence[str] = ()
    number_columns: Sequence[str] = ()
    day_column: str = ""
    account_column: str = ""
    is_backticked: bool = False
    must_tell_totals: bool = True
    # Whether the same row a second time counts in the file's totals.
    counts_copies: bool = False

    def ours(self, number: str) -> str:
        """A number that we gave, as we write it."""
        return number

    def allows_earlier(self, _line: Line) -> bool:
        """Whether the row may be of a day before the bill's."""
        return False

    def frame(self, sheet: Sheet) -> Frame:
        """What the file says around its rows, and which of its lines are rows. Raises RefusedBill."""
        raise NotImplementedError

    def read(self, row: Row) -> Line:
        """The row. Raises Malformed."""
        raise NotImplementedError


_MODULES = {
    BillForm.ALIPAY_TRADE: "alipay",
    BillForm.ALIPAY_FUND: "alipay",
    BillForm.WECHAT_TRADE: "wechat",
    BillForm.WECHAT_FUND: "wechat",
    BillForm.COD: "mapped",
    BillForm.BANK: "mapped",
    BillForm.SETTLEMENT: "mapped",
    BillForm.FREIGHT: "mapped",
}


def layout_of(source: BillSource) -> Layout:
    """How the bills of the source are read. Raises OmsError where its mapping names no such columns."""
    form = BillForm(source.form)
    return import_module(f"payments.reconciling.forms.{_MODULES[form]}").layout(form, source)
