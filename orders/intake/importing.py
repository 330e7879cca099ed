"""The import of tables: staff choose a file, say what its columns mean, see what would come of it, and start a job.

What is imported, and how, is the `ImportKind`'s: orders (`order_sheets`), counted stock (`stock_sheets`). What a column
means is guessed from its header, and staff correct it; the merchant's last answer is remembered. A batch's work and
what came of each of its entries are one transaction, so that a worker that dies leaves nothing half done and nothing
is done twice.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils.translation import gettext as _

from oms.common.files import tables
from oms.common.files.reader import header_key, header_keys
from oms.common.models import Job
from oms.common.work import jobs
from oms.merchants.models import Merchant
from orders.intake import reporting, running
from orders.intake.cells import one_line
from orders.intake.import_kinds import KINDS, ImportKind
from orders.intake.joining import joined
from orders.models import ImportMapping

# What exports write where there is nothing.
NOTHING = re.compile(r"[-—–/\\]+|null|none|n/a|nan|无|0000-00-00(?: 00:00:00)?", re.IGNORECASE)
# Of headers that staff gave a meaning, so many help to find the header among a file's first rows.
MOST_SAID = 1_000


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
    places = {key: place for place, key in enumerate(known)}
    guesses: list[tuple[str, int]] = []
    for header in headers:
        found = ((means, key) for key in header_keys(header) for means in (said, dialect, known) if key in means)
        means, key = next(found, ({}, ""))
        name = means.get(key, "")
        # Of several columns for a field the one with the plainer header counts, and before all what staff said.
        guesses.append((name if name in columns else "", places.get(key, 0) if means is known else -1))
    best: dict[str, int] = {}
    for index, (name, place) in enumerate(guesses):
        if name not in best or place < guesses[best[name]][1]:
            best[name] = index
    return [
        name if name and (columns[name].takes_several or best[name] == index) else ""
        for index, (name, _place) in enumerate(guesses)
    ]


def remember(kind: ImportKind, headers: Sequence[str], fields: Sequence[str], merchant: Merchant) -> None:
    """Keep what staff said of these headers for the merchant's next file. Needs an open transaction."""
    said = {header_key(header): name for header, name in zip(headers, fields, strict=True) if header_key(header)}
    ImportMapping.objects.get_or_create(merchant=merchant, kind=kind.name)
    mapping = ImportMapping.objects.select_for_update().get(merchant=merchant, kind=kind.name)
    mapping.fields = {**mapping.fields, **said}
    mapping.save(update_fields=["fields"])


def mapping_errors(kind: ImportKind, headers: Sequence[str], fields: Sequence[str]) -> list[str]:
    """What is wrong with the choice of fields for these columns: required ones that no column holds, with what file to
    give instead where that is known, and fields named twice."""
    wrong = []
    missing = [str(column.label) for column in kind.columns if column.is_missing_in(fields)]
    if missing:
        wrong.append(_("No column holds: %(fields)s.") % {"fields": ", ".join(missing)})
        wrong += filter(None, [kind.advice(headers, fields)])
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


def prepare(
    kind: ImportKind, file: UploadedFile, merchant: Merchant, owner: Any, second: UploadedFile | None = None
) -> Job:
    """Keep an uploaded file as a draft, or two that are `joined_by` a key as one. Raises tables.UnreadableFile."""
    said = [header for header, name in sorted(_said(kind, merchant).items()) if name]
    known = {*_meanings(kind), *said[:MOST_SAID]}
    table = reporting.without_reasons(tables.read_upload(file, known))
    if second and kind.joined_by:
        tables_ = [table, tables.read_upload(second, known)]
        table = joined(kind.joined_by, tables_, lambda headers: suggest(kind, headers, merchant))
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
