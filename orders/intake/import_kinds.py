"""What can be imported from tables: the columns, what the rows are made into, and what is done with that.

The wizard (`importing`), the work (`running`) and the report (`reporting`) stand on it.
"""

from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common.errors import FieldError
from oms.common.files import tables
from oms.common.models import Job, JobResult
from oms.merchants.models import Merchant
from orders.actors import Actor
from orders.intake.joining import JoinedBy

# Codes of notes on what was imported all the same.
HELD, ROW_LEFT_OUT = "held", "row_left_out"


@dataclass(frozen=True, slots=True)
class Column:
    """A field that a column may hold: its label, the headers that mean it, the path of its errors.

    The rows of an order agree in it unless it `is_of_line` or only `is_of_row`. Where several columns hold a field that
    `takes_several`, the first that is filled counts, or all of them where it is a sum. Of a required field any of those
    `instead` may be filled in its place.
    """

    name: str
    label: Any
    headers: str
    attr: str
    is_required: bool = False
    is_of_line: bool = False
    is_of_row: bool = False
    takes_several: bool = False
    instead: tuple[str, ...] = ()

    def is_missing_in(self, filled: Container[str]) -> bool:
        """Whether it is required, and neither it nor anything in its place is among these fields."""
        return self.is_required and not any(name in filled for name in (self.name, *self.instead))


@dataclass(slots=True)
class Entry:
    """A thing of the file, such as an order: its rows by number, and its body or what is wrong with it.

    `draft` is the body of one of which something could not be read, to find what else is wrong. `notes` are told though
    it is imported; `figures` is what the import added, by the names of `Texts.figures`. Of
    an entry that `is_left_out` nothing is imported.
    """

    key: str
    rows: list[int] = field(default_factory=list)
    cells: list[dict[str, str]] = field(default_factory=list)
    body: Any = None
    draft: Any = None
    errors: list[FieldError] = field(default_factory=list)
    notes: list[FieldError] = field(default_factory=list)
    dropped_rows: int = 0
    is_left_out: bool = False
    figures: dict[str, int | Decimal] = field(default_factory=dict)

    def row_of(self, name: str) -> int:
        """The number of the first row that fills the field, else of the first row."""
        return next((row for row, cells in zip(self.rows, self.cells, strict=True) if cells.get(name)), self.rows[0])


_WOULD, _DONE, _REFUSED = gettext_lazy("Would be imported"), gettext_lazy("Imported"), gettext_lazy("Not imported")


@dataclass(frozen=True, slots=True)
class Texts:
    """How the pages and the report speak of a kind of import; `found` and `start` take rows and entries. `would`,
    `done` and `refused` are how they call what becomes of an entry."""

    job: Any
    title: Any
    hint: Any
    whose: Any
    found: Any
    start: Any
    preview: Any
    preview_note: Any
    check: Any
    key: Any
    reference: Any
    figures: Mapping[str, Any]
    previews_reference: bool = False
    would: Any = _WOULD
    done: Any = _DONE
    refused: Any = _REFUSED


@dataclass(frozen=True, slots=True)
class ImportKind:
    """What can be imported. A job of its own, `check_name`, tells beforehand what would come of a long file.

    `read(table, fields)` returns the table's entries, quickly; `understand(entries, now)` makes bodies of their cells;
    `do(entries, merchant, actor)` imports them and returns a result for each, in order. `dialect(headers)` says which
    headers mean something else in a file with these headers, `advice(headers, fields)` what file to give instead of one
    whose columns hold these fields, or "". A second file may be given where the kind says what they are `joined_by`.
    What is slow has smaller batches, and is checked by a worker sooner, than `running` says.
    """

    name: str
    permission: str
    columns: tuple[Column, ...]
    read: Callable[[tables.Table, Sequence[str]], list[Entry]]
    understand: Callable[[Sequence[Entry], datetime], None]
    do: Callable[[Sequence[Entry], Merchant, Actor], list[JobResult]]
    texts: Texts
    dialect: Callable[[Sequence[str]], Mapping[str, str]] = lambda _headers: {}
    advice: Callable[[Sequence[str], Collection[str]], str] = lambda _headers, _fields: ""
    joined_by: JoinedBy | None = None
    batch: int | None = None
    checked_at_once: int | None = None

    @property
    def check_name(self) -> str:
        """The name of the job that tells what would come of an import."""
        return f"check_{self.name}"

    def field_of(self, attr: str) -> str:
        """The field whose errors have this path, or ""."""
        return next((column.name for column in self.columns if column.attr == attr), "")

    def told(self, error: FieldError, entry: Entry) -> dict[str, Any]:
        """The error as staff see it: the row and the field of the file."""
        parts = error.attr.split(".")
        place = next((int(part) for part in parts if part.isdigit()), None)
        name = self.field_of(".".join(part for part in parts if not part.isdigit()))
        row = entry.rows[place] if place is not None and place < len(entry.rows) else entry.row_of(name)
        return {"row": row, "field": name, "code": error.code, "detail": error.detail}

    def result(
        self, entry: Entry, outcome: JobResult.Outcome, *, reference: str = "", errors: Sequence[FieldError] = ()
    ) -> JobResult:
        """What came of the entry: what it became, or why it was refused."""
        return JobResult(
            key=entry.key[:80],
            rows=entry.rows,
            outcome=outcome,
            reference=reference,
            errors=[self.told(error, entry) for error in [*errors, *entry.notes]],
        )

    def text_of(self, error: Mapping[str, Any]) -> str:
        """An error of a result in one sentence."""
        label = next((column.label for column in self.columns if column.name == error["field"]), None)
        where = _("row %(row)s") % {"row": error["row"]}
        if label is None:
            return _("%(where)s: %(detail)s") % {"where": where, "detail": error["detail"]}
        return _("%(where)s, %(field)s: %(detail)s") % {"where": where, "field": label, "detail": error["detail"]}


KINDS: dict[str, ImportKind] = {}


def table_of(job: Job) -> tables.Table:
    """The table that was uploaded."""
    with job.input.open("rb") as file:
        return tables.load(file.read())
