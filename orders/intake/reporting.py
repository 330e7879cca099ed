"""The report of an import: a workbook whose first sheet holds the refused rows with the reason, to be corrected and
sent again; then every outcome, and of an import that was stopped the rows that it did not reach."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from django.conf import settings
from django.core.files import File
from django.utils import translation
from django.utils.translation import gettext as _

from oms.common.files import tables
from oms.common.files.reader import header_key
from oms.common.models import Job, JobResult
from orders.intake.import_kinds import ImportKind

_Outcome = JobResult.Outcome


@contextmanager
def report(
    kind: ImportKind, job: Job, table: tables.Table, *, is_check: bool = False, is_stopped: bool = False
) -> Iterator[File]:  # type: ignore[type-arg]
    """The report of the job as a file that is open within the block."""
    with tempfile.TemporaryFile() as file:
        results = JobResult.objects.filter(job=job).order_by("position")
        _write(file, kind, table, results.iterator(2000), is_check=is_check, is_stopped=is_stopped)
        file.seek(0)
        yield File(file)


def faults(kind: ImportKind, table: tables.Table, results: list[JobResult], file: IO[bytes]) -> None:
    """Write the report of a rehearsal whose results are not stored."""
    _write(file, kind, table, iter(results), is_check=True, is_stopped=False)


def _write(
    file: IO[bytes],
    kind: ImportKind,
    table: tables.Table,
    results: Iterator[JobResult],
    *,
    is_check: bool,
    is_stopped: bool,
) -> None:
    reasons: dict[int, str] = {}
    reached: set[int] = set()
    outcomes = []
    for result in results:
        texts = _in_words(kind, result)
        reached.update(result.rows)
        if result.outcome == _Outcome.REFUSED:
            reasons.update(dict.fromkeys(result.rows, texts))
        outcomes.append(
            [result.rows[0], result.key, outcome_label(kind, result, is_check=is_check), result.reference, texts]
        )
    writer = tables.XlsxWriter(file, [*table.headers, _("Reason")], _("Refused rows"))
    for number, cells in table.rows:
        if number in reasons:
            writer.write([*cells, reasons[number]])
    headers = [_("Row"), str(kind.texts.key), _("Outcome"), str(kind.texts.reference), _("Reason")]
    writer.sheet(headers, _("All outcomes"))
    for row in outcomes:
        writer.write(row)
    if is_stopped:
        writer.sheet(table.headers, _("Rows not reached"))
        for number, cells in table.rows:
            if number not in reached:
                writer.write(cells)
    writer.close()


def _in_words(kind: ImportKind, result: JobResult) -> str:
    return "; ".join(kind.text_of(error) for error in result.errors)


def outcome_label(kind: ImportKind, result: JobResult, *, is_check: bool) -> str:
    """The outcome in words, also of what was only rehearsed."""
    if result.outcome == _Outcome.DONE and is_check:
        return str(kind.texts.would)
    if result.outcome == _Outcome.REFUSED:
        return str(kind.texts.refused)
    return result.get_outcome_display()


def without_reasons(table: tables.Table) -> tables.Table:
    """The table without the column that a report added: a corrected report is sent again, and what was wrong with a row
    is no note on it."""
    ours = [i for i, header in enumerate(table.headers) if _holds_reasons(table, i, header)]
    if not ours:
        return table

    def kept(cells: list[str]) -> list[str]:
        return [cell for i, cell in enumerate(cells) if i not in ours]

    return tables.Table(
        kept(table.headers), [(number, kept(cells)) for number, cells in table.rows], table.other_sheets
    )


def _holds_reasons(table: tables.Table, column: int, header: str) -> bool:
    """Whether every filled cell below one of our headers begins as a reason does."""
    headers, beginnings = set(), []
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            headers.add(header_key(_("Reason")))
            beginnings.append(re.escape(_("row %(row)s")).replace(re.escape("%(row)s"), "[0-9]+"))
    if header_key(header) not in headers:
        return False
    begins = re.compile(rf"(?:{'|'.join(beginnings)})\s*[:：,，]")
    texts = [cells[column] for _number, cells in table.rows if cells[column]]
    return bool(texts) and all(begins.match(text) for text in texts)
