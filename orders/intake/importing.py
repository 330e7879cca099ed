"""The import of tables: staff choose a file, say what its columns mean, see what would come of it, and start a job.

What is imported, and how, is the `ImportKind`'s: orders (`order_sheets`), counted stock (`stock_sheets`). What a column
means is guessed from its header, and staff correct it; the merchant's last answer is remembered. A batch's work and
what came of each of its entries are one transaction, so that a worker that dies leaves nothing half done and nothing
is done twice.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils.translation import gettext as _

from oms.common.errors import FieldError
from oms.common.files import tables
from oms.common.files.reader import header_key, header_keys
from oms.common.models import Job, JobResult
from oms.common.work import jobs
from oms.merchants.models import Merchant
from orders.actors import Actor
from orders.intake import reporting, running
from orders.intake.cells import one_line
from orders.models import ImportMapping

BATCH = 500
# What exports write where there is nothing.
NOTHING = re.compile(r"[-—–/\\]+|null|none|n/a|nan|无|0000-00-00(?: 00:00:00)?", re.IGNORECASE)
# Of headers that staff gave a meaning, so many help to find the header among a file's first rows.
MOST_SAID = 1_000
# Codes of notes on what was imported all the same.
HELD, ROW_LEFT_OUT = "held", "row_left_out"


@dataclass(frozen=True, slots=True)
class Column:
    """A field that a column may hold: its label, the headers that mean it, the path of its errors.

    The rows of an order agree in it unless it `is_of_line` or only `is_of_row`. Where several columns hold a field that
    `takes_several`, the first that is filled counts, or all of them where it is a sum.
    """

    name: str
    label: Any
    headers: str
    attr: str
    is_required: bool = False
    is_of_line: bool = False
    is_of_row: bool = False
    takes_several: bool = False


@dataclass(slots=True)
class Entry:
    """A thing of the file, such as an order: its rows by number, and its body or what is wrong with it.

    `notes` are told though it is imported; `figures` is what the import added, by the names of `Texts.figures`. Of
    an entry that `is_left_out` nothing is imported.
    """

    key: str
    rows: list[int] = field(default_factory=list)
    cells: list[dict[str, str]] = field(default_factory=list)
    body: Any = None
    errors: list[FieldError] = field(default_factory=list)
    notes: list[FieldError] = field(default_factory=list)
    dropped_rows: int = 0
    is_left_out: bool = False
    figures: dict[str, int | Decimal] = field(default_factory=dict)

    def row_of(self, name: str) -> int:
        """The number of the first row that fills the field, else of the first row."""
        return next((row for row, cells in zip(self.rows, self.cells, strict=True) if cells.get(name)), self.rows[0])


@dataclass(frozen=True, slots=True)
class Texts:
    """How the pages and the report speak of a kind of import; `found` and `start` take rows and entries."""

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


@dataclass(frozen=True, slots=True)
class ImportKind:
    """What can be imported. A job of its own, `check_name`, tells beforehand what would come of a long file.

    `read(table, fields)` returns the table's entries, quickly; `understand(entries, now)` makes bodies of their cells;
    `do(entries, merchant, actor)` imports them and returns a result for each, in order. `dialect(headers)` says which
    headers mean something else in a file with these headers.
    """

    name: str
    permission: str
    columns: tuple[Column, ...]
    read: Callable[[tables.Table, Sequence[str]], list[Entry]]
    understand: Callable[[Sequence[Entry], datetime], None]
    do: Callable[[Sequence[Entry], Merchant, Actor], list[JobResult]]
    texts: Texts
    dialect: Callable[[Sequence[str]], dict[str, str]] = lambda _headers: {}

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


def register(kind: ImportKind) -> ImportKind:
    """Let the pages and the workers know the kind."""
    KINDS[kind.name] = KINDS[kind.check_name] = kind
    own = (kind.name, kind.texts.job, kind.permission)
    jobs.register(jobs.JobKind(*own, running.work, stopped=running.tell_stopped))
    jobs.register(jobs.JobKind(kind.check_name, kind.texts.check, kind.permission, running.work))
    return kind


def _meanings(kind: ImportKind) -> dict[str, str]:
    """The field of each header that is known, by its key; those of the template in the running language, too."""
    labels = {header_key(str(column.label)): column.name for column in kind.columns}
    return labels | {header: column.name for column in kind.columns for header in column.headers.split()}


def _said(kind: ImportKind, merchant: Merchant) -> dict[str, str]:
    """What staff said of the headers of the merchant's last files."""
    mappings = ImportMapping.objects.filter(merchant=merchant, kind=kind.name)
    return mappings.values_list("fields", flat=True).first() or {}


def suggest(kind: ImportKind, headers: Sequence[str], merchant: Merchant) -> list[str]:
    """The field that each column most likely holds, or "": what staff said last, else what the header means."""
    said, dialect, known = _said(kind, merchant), kind.dialect(headers), _meanings(kind)
    columns = {column.name: column for column in kind.columns}
    taken: set[str] = set()
    fields = []
    for header in headers:
        meanings = (means[key] for key in header_keys(header) for means in (said, dialect, known) if key in means)
        name = next(meanings, "")
        if name not in columns or (name in taken and not columns[name].takes_several):
            name = ""
        taken.add(name)
        fields.append(name)
    return fields


def remember(kind: ImportKind, headers: Sequence[str], fields: Sequence[str], merchant: Merchant) -> None:
    """Keep what staff said of these headers for the merchant's next file. Needs an open transaction."""
    said = {header_key(header): name for header, name in zip(headers, fields, strict=True) if header_key(header)}
    ImportMapping.objects.get_or_create(merchant=merchant, kind=kind.name)
    mapping = ImportMapping.objects.select_for_update().get(merchant=merchant, kind=kind.name)
    mapping.fields = {**mapping.fields, **said}
    mapping.save(update_fields=["fields"])


def mapping_errors(kind: ImportKind, fields: Sequence[str]) -> list[str]:
    """What is wrong with the choice of fields: required ones that no column holds, and fields named twice."""
    wrong = []
    missing = [str(column.label) for column in kind.columns if column.is_required and column.name not in fields]
    if missing:
        wrong.append(_("No column holds: %(fields)s.") % {"fields": ", ".join(missing)})
    once = [column for column in kind.columns if not column.takes_several]
    twice = [str(column.label) for column in once if list(fields).count(column.name) > 1]
    if twice:
        wrong.append(_("Two columns hold the same: %(fields)s.") % {"fields": ", ".join(sorted(twice))})
    return wrong


def filled(
    table: tables.Table, fields: Sequence[str], sums: Collection[str] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of the table, as number and what each field says; the first column that is filled counts. Of fields that
    are `sums`, what every column says, a line each."""
    for number, cells in table.rows:
        values: dict[str, str] = {}
        for name, cell in zip(fields, cells, strict=True):
            text = one_line(cell) if name else ""
            if not text or NOTHING.fullmatch(text):
                continue
            if name in sums and name in values:
                values[name] += f"\n{text}"
            values.setdefault(name, text)
        yield number, values


def prepare(kind: ImportKind, file: UploadedFile, merchant: Merchant, owner: Any) -> Job:
    """Keep an uploaded file as a draft. Raises tables.UnreadableFile."""
    said = [header for header, name in sorted(_said(kind, merchant).items()) if name]
    known = {*_meanings(kind), *said[:MOST_SAID]}
    table = reporting.without_reasons(tables.read_upload(file, known))
    return jobs.create(
        jobs.KINDS[kind.name],
        owner,
        state=jobs.JobState.DRAFT,
        params={"fields": suggest(kind, table.headers, merchant), "other_sheets": table.other_sheets},
        merchant_code=merchant.code,
        file_name=file.name or "",
        content=tables.dump(table),
    )


@transaction.atomic
def start(kind: ImportKind, job_id: int, headers: Sequence[str], fields: Sequence[str], merchant: Merchant) -> bool:
    """Start a draft with these fields, and remember them for the merchant's next file; False where it is none now."""
    started = jobs.change_draft(job_id, {"fields": list(fields)}, start=True)
    if started:
        remember(kind, headers, fields, merchant)
    return started


def table_of(job: Job) -> tables.Table:
    """The table that was uploaded."""
    with job.input.open("rb") as file:
        return tables.load(file.read())
