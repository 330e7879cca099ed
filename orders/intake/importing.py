"""The import of tables: staff choose a file, say what its columns mean, see what would come of it, and start a job.

What is imported, and how, is the `ImportKind`'s: orders (`order_sheets`), counted stock (`stock_sheets`). What a column
means is guessed from its header, and staff correct it; the merchant's last answer is remembered. A batch's work and
what came of each of its entries are one transaction, so that a worker that dies leaves nothing half done and nothing
is done twice.
"""

import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.files import File
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils.translation import gettext as _

from oms.common.errors import FieldError
from oms.common.files import tables
from oms.common.models import Job, JobResult
from oms.common.work import jobs
from oms.merchants.models import Merchant
from orders.actors import Actor
from orders.models import ActorKind, ImportMapping

BATCH = 500
PREVIEWED = 20
_Outcome = JobResult.Outcome
_NOISE = re.compile(r"[\s_\-*()（）【】\[\]:：./]+")


@dataclass(frozen=True, slots=True)
class Column:
    """A field that a column may hold: its label, the headers that mean it, the path of its errors."""

    name: str
    label: Any
    headers: str
    attr: str
    is_required: bool = False
    is_of_line: bool = False


@dataclass(slots=True)
class Entry:
    """A thing of the file, such as an order: its rows by number, and its body or what is wrong with it."""

    key: str
    rows: list[int] = field(default_factory=list)
    cells: list[dict[str, str]] = field(default_factory=list)
    body: Any = None
    errors: list[FieldError] = field(default_factory=list)


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
    key: Any
    reference: Any
    previews_reference: bool = False


@dataclass(frozen=True, slots=True)
class ImportKind:
    """What can be imported.

    `read(table, fields, now)` returns the table's entries; `do(entries, merchant, actor)` imports them and returns a
    result for each, in order; `wrong(fields)` tells what is wrong with a choice of fields besides what holds for all.
    """

    name: str
    permission: str
    columns: tuple[Column, ...]
    read: Callable[[tables.Table, Sequence[str], datetime], list[Entry]]
    do: Callable[[Sequence[Entry], Merchant, Actor], list[JobResult]]
    texts: Texts
    wrong: Callable[[Sequence[str]], list[str]] = lambda _fields: []

    def field_of(self, attr: str) -> str:
        """The field whose errors have this path, or ""."""
        return next((column.name for column in self.columns if column.attr == attr), "")

    def told(self, error: FieldError, entry: Entry) -> dict[str, Any]:
        """The error as staff see it: the row and the field of the file."""
        parts = error.attr.split(".")
        line = next((int(part) for part in parts if part.isdigit()), None)
        name = self.field_of(".".join(part for part in parts if not part.isdigit()))
        row = entry.rows[line] if line is not None and line < len(entry.rows) else entry.rows[0]
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
            errors=[self.told(error, entry) for error in errors],
        )

    def text_of(self, error: Mapping[str, Any]) -> str:
        """An error of a result in one sentence."""
        label = next((column.label for column in self.columns if column.name == error["field"]), None)
        where = _("row %(row)s") % {"row": error["row"]}
        return f"{where}, {label}: {error['detail']}" if label else f"{where}: {error['detail']}"


KINDS: dict[str, ImportKind] = {}


def register(kind: ImportKind) -> ImportKind:
    """Let the pages and the workers know the kind."""
    KINDS[kind.name] = kind
    jobs.register(jobs.JobKind(kind.name, kind.texts.job, kind.permission, work))
    return kind


def header_key(header: str) -> str:
    """The header without case, spaces and punctuation."""
    return _NOISE.sub("", header).lower()


def ungrouped(text: str) -> str:
    """A number as it was typed, without spaces around it and commas between its digits."""
    return text.strip().replace(",", "").replace("，", "")


def suggest(kind: ImportKind, headers: Sequence[str], merchant: Merchant) -> list[str]:
    """The field that each column most likely holds, or "": what staff said last, else what the header means."""
    mappings = ImportMapping.objects.filter(merchant=merchant, kind=kind.name)
    saved = mappings.values_list("fields", flat=True).first() or {}
    known = {header: column.name for column in kind.columns for header in column.headers.split()}
    labels = {header_key(str(column.label)): column.name for column in kind.columns}  # those of the template
    names = {column.name for column in kind.columns}
    taken: set[str] = set()
    fields = []
    for header in headers:
        key = header_key(header)
        name = saved[key] if key in saved else known.get(key) or labels.get(key, "")
        if name not in names or name in taken:
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
    wrong += kind.wrong(fields)
    twice = [str(column.label) for column in kind.columns if list(fields).count(column.name) > 1]
    if twice:
        wrong.append(_("Two columns hold the same: %(fields)s.") % {"fields": ", ".join(sorted(twice))})
    return wrong


def preview(kind: ImportKind, entries: Sequence[Entry], merchant: Merchant) -> list[JobResult]:
    """What would come of these entries: they are imported for certain, and taken back."""
    with transaction.atomic():
        results = kind.do(entries, merchant, Actor(ActorKind.STAFF, "preview"))
        transaction.set_rollback(True)
    return results


def prepare(kind: ImportKind, file: UploadedFile, merchant: Merchant, owner: Any) -> Job:
    """Keep an uploaded file as a draft. Raises tables.UnreadableFile."""
    table = tables.read_upload(file)
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


def work(turn: jobs.Turn) -> bool:
    """Import the next entries of the file; True once all are in and the report is written."""
    job = turn.job
    kind = KINDS[job.kind]
    merchant = Merchant.objects.get(code=job.merchant_code)
    table = table_of(job)
    entries = kind.read(table, job.params["fields"], job.created_at)
    actor = Actor(ActorKind.STAFF, job.owner.get_username())
    while (start := job.progress.get("next", 0)) < len(entries):
        batch = entries[start : start + BATCH]
        with turn.step():
            results = kind.do(batch, merchant, actor)
            for position, result in enumerate(results, start):
                result.job, result.position = job, position
            JobResult.objects.bulk_create(results)
            counts = job.progress.setdefault("outcomes", {})
            for result in results:
                counts[result.outcome] = counts.get(result.outcome, 0) + 1
            job.total = len(entries)
            job.done = start + len(batch)
            job.failed = counts.get(_Outcome.REFUSED.value, 0)
            job.progress["next"] = start + len(batch)
        # Asked after a step: a file that is long to read still gets on.
        if turn.is_over() and job.progress["next"] < len(entries):
            return False
    _write_report(turn, table)
    return True


def _write_report(turn: jobs.Turn, table: tables.Table) -> None:
    """A workbook: the rows of refused entries with the reason, to be corrected and sent again; then every outcome."""
    job = turn.job
    kind = KINDS[job.kind]
    reasons: dict[int, str] = {}
    for result in JobResult.objects.filter(job=job, outcome=_Outcome.REFUSED):
        reasons.update(dict.fromkeys(result.rows, "; ".join(kind.text_of(error) for error in result.errors)))
    with tempfile.TemporaryFile() as file:
        report = tables.XlsxWriter(file, [*table.headers, _("Reason")], _("Refused rows"))
        for number, cells in table.rows:
            if number in reasons:
                report.write([*cells, reasons[number]])
        headers = [_("Row"), str(kind.texts.key), _("Outcome"), str(kind.texts.reference), _("Reason")]
        report.sheet(headers, _("All outcomes"))
        for result in JobResult.objects.filter(job=job).order_by("position").iterator(2000):
            reason = "; ".join(kind.text_of(error) for error in result.errors)
            report.write([result.rows[0], result.key, result.get_outcome_display(), result.reference, reason])
        report.close()
        file.seek(0)
        jobs.save_result(turn, f"import-{job.pk}.xlsx", File(file))
