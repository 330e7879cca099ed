"""Tables in files: reading what people upload, writing what they download.

What is read comes from strangers: a process of its own reads it under limits (see `table_reader`), so that what a file
may cost this one is known. What is written is opened in Excel: no cell may become a formula.
"""

import csv
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Protocol

import xlsxwriter
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from oms.common.files import reader as table_reader

MAX_COLUMNS = 200
MAX_CELL = 4_000
MAX_CELLS = 2_000_000
MAX_CHARACTERS = 20_000_000
MAX_SHEETS = 50
# Files within a workbook's archive: a few, and one for each sheet, picture and chart.
MAX_PARTS = 2_000
MAX_UNFOLDED_BYTES = 300 * 1024 * 1024
READER_MEMORY_BYTES = 1024 * 1024 * 1024
READER_SECONDS = 30
# Excel keeps fifteen digits of a number.
MOST_EXACT = 10**15
# Excel, WPS and LibreOffice take a cell that begins so for a formula; the wide forms too, in some languages.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


class UnreadableFile(OmsError):
    """The file cannot be taken; the message says why and what to do."""

    code = "unreadable_file"
    status_code = 400


@dataclass(frozen=True, slots=True)
class Table:
    """A header and rows of text, each with its number in the file; every row has as many cells as the header.
    `other_sheets` of the workbook were not read."""

    headers: list[str]
    rows: list[tuple[int, list[str]]]
    other_sheets: int = 0


def read_upload(file: UploadedFile, known: Collection[str] = (), *, needs_rows: bool = True) -> Table:
    """The table in a file as it was uploaded, as `read_table` reads it. Raises UnreadableFile; one that is too large is
    not even loaded."""
    _check_size(file.size or 0)
    return read_table(file.read(), known, needs_rows=needs_rows)


def read_table(content: bytes, known: Collection[str] = (), *, needs_rows: bool = True) -> Table:
    """The table in an uploaded file: xlsx, xls, ods, a web page's <table> (often named .xls), or text with commas,
    semicolons or tabs, in UTF-8 or GB 18030.

    The first row with several of the headers `known` (by `reader.header_key`) is the header, else the first row. Raises
    UnreadableFile for what is too large or no table, and, if it `needs_rows`, where nothing follows the header.
    """
    _check_size(len(content))
    headers: list[str] | None = None
    rows: list[tuple[int, list[str]]] = []
    sheets = 1
    for line in _lines(content, known):
        if isinstance(line, dict):
            if "refused" in line:
                raise UnreadableFile(_refusal(**line))
            sheets = line["sheets"]
        elif headers is None:
            headers = line[1]
        else:
            number, cells = line
            rows.append((number, [*cells, *[""] * (len(headers) - len(cells))]))
    if headers is None or (needs_rows and not rows):
        raise UnreadableFile(_("The file has no rows. Its first row must hold the names of the columns."))
    return Table(headers, rows, sheets - 1)


def _check_size(size: int) -> None:
    if size > settings.IMPORT_MAX_BYTES:
        raise UnreadableFile(
            _("The file is too large: at most %(most)d MB. Divide it.")
            % {"most": settings.IMPORT_MAX_BYTES // (1024 * 1024)}
        )


def _lines(content: bytes, known: Collection[str]) -> Iterator[Any]:
    """What the reader prints of the file: rows, the number of sheets, or why it refuses."""
    limits = {
        "rows": settings.IMPORT_MAX_ROWS,
        "columns": MAX_COLUMNS,
        "cells": MAX_CELLS,
        "characters": MAX_CHARACTERS,
        "cell": MAX_CELL,
        "sheets": MAX_SHEETS,
        "parts": MAX_PARTS,
        "unfolded_bytes": MAX_UNFOLDED_BYTES,
        "memory_bytes": READER_MEMORY_BYTES,
        "seconds": READER_SECONDS,
    }
    with tempfile.NamedTemporaryFile(suffix=".sheet") as file, tempfile.TemporaryFile() as printed:
        file.write(content)
        file.flush()
        program = str(Path(table_reader.__file__))
        try:
            reader = subprocess.run(  # noqa: S603 - our own program
                [sys.executable, "-I", program, file.name, json.dumps({**limits, "known": sorted(known)})],
                stdout=printed,
                stderr=subprocess.DEVNULL,
                timeout=2 * READER_SECONDS,
                env={},
            )
        except subprocess.TimeoutExpired as error:
            raise UnreadableFile(_refusal("seconds")) from error
        if reader.returncode < 0 or reader.returncode == table_reader.OUT_OF_MEMORY:
            raise UnreadableFile(_refusal("memory_bytes"))
        if reader.returncode:
            raise UnreadableFile(_refusal("no_workbook"))
        printed.seek(0)
        yield from map(json.loads, printed)


def _refusal(refused: str, row: int = 0, why: str = "") -> str:
    """Why the reader refused the file, in words: the limit and what to do."""
    texts = {
        "rows": _("The file has more than %(rows)d rows. Divide it."),
        "columns": _("The file has more than %(columns)d columns."),
        "cell": _("A cell of row %(row)d has more than %(cell)d characters."),
        "cells": _("Up to row %(row)d the file has more than %(cells)d cells with text. Divide it."),
        "characters": _("Up to row %(row)d the file has more than %(characters)d characters of text. Divide it."),
        "sheets": _("The workbook has more than %(sheets)d sheets. Copy the one that is needed into a new one."),
        "parts": _("The workbook has more than %(parts)d parts. Copy the rows that are needed into a new one."),
        "unfolded_bytes": _(
            "This workbook unfolds to more than %(megabytes)d MB. Copy the rows that are needed into a new one."
        ),
        "memory_bytes": _(
            "This file takes more than %(memory)d MB of memory or %(seconds)d seconds to read."
            " Copy the rows that are needed into a new one."
        ),
        "no_workbook": _("This workbook cannot be read. Save it again as xlsx, without a password."),
        "damaged": _("This workbook is damaged. Save it again as xlsx."),
        "no_table": _("This is neither a workbook nor a text file. Give xlsx, xls, ods or CSV."),
        "no_html_table": _("This is a web page without a table. Open it in Excel and save it as xlsx."),
        "xml_workbook": _("This is an “XML spreadsheet 2003”. Open it in Excel and save it as xlsx."),
        "web_archive": _("This is a web archive (MHT). Open it in Excel and save it as xlsx."),
        "encoding": _("The text is neither UTF-8 nor GB 18030. Save the file as “CSV UTF-8”."),
        "row": _("Row %(row)d cannot be read: %(why)s."),
    }
    texts["seconds"] = texts["memory_bytes"]
    return texts[refused] % {
        "row": row,
        "why": why,
        "rows": settings.IMPORT_MAX_ROWS,
        "columns": MAX_COLUMNS,
        "cell": MAX_CELL,
        "cells": MAX_CELLS,
        "characters": MAX_CHARACTERS,
        "sheets": MAX_SHEETS,
        "parts": MAX_PARTS,
        "megabytes": MAX_UNFOLDED_BYTES // (1024 * 1024),
        "memory": READER_MEMORY_BYTES // (1024 * 1024),
        "seconds": READER_SECONDS,
    }


def dump(table: Table) -> bytes:
    """The table in the form in which a job keeps it."""
    lines = [table.headers, *[[number, cells] for number, cells in table.rows]]
    return "\n".join(json.dumps(line, ensure_ascii=False) for line in lines).encode()


def load(content: bytes) -> Table:
    """The table that `dump` kept."""
    headers, *rows = [json.loads(line) for line in content.decode().split("\n")]
    return Table(headers, [(number, cells) for number, cells in rows])


class TableWriter(Protocol):
    """Writes rows to a file one after the other, keeping none in memory."""

    def write(self, row: Iterable[Any]) -> None:
        """Add a row: numbers stay numbers, times without a zone are times, everything else is text."""

    def close(self) -> None:
        """Finish the file."""


class CsvWriter:
    """CSV in UTF-8 with the mark that Excel needs to see it. A text that looks like a formula gets a ' before it."""

    def __init__(self, file: IO[bytes], headers: Sequence[str]) -> None:
        self._text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="", write_through=True)
        self._writer = csv.writer(self._text)
        self.write(headers)

    def write(self, row: Iterable[Any]) -> None:
        """See TableWriter."""
        self._writer.writerow([_harmless(cell) for cell in row])

    def close(self) -> None:
        """See TableWriter."""
        self._text.flush()
        self._text.detach()


def _harmless(cell: object) -> object:
    if isinstance(cell, str) and cell.lstrip(" ").startswith(_FORMULA):
        return f"'{cell}"
    return "" if cell is None else cell


class XlsxWriter:
    """A workbook; what is text stays text whatever it begins with. `sheet` begins another sheet."""

    def __init__(self, file: IO[bytes], headers: Sequence[str], title: str = "") -> None:
        self._book = xlsxwriter.Workbook(
            file,
            {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False},
        )
        self._bold = self._book.add_format({"bold": True})
        self._money = self._book.add_format({"num_format": "0.00"})
        self._moment = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self.sheet(headers, title)

    def sheet(self, headers: Sequence[str], title: str = "") -> None:
        """Begin a sheet; the one before it is finished."""
        self._sheet = self._book.add_worksheet(title[:31] or None)
        self._row = 0
        self._sheet.freeze_panes(1, 0)
        # Order numbers are text on purpose: as numbers, Excel would cut off their digits.
        self._sheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})
        for column, header in enumerate(headers):
            self._sheet.set_column(column, column, max(10, min(2 * len(header) + 4, 30)))
            self._sheet.write_string(0, column, header, self._bold)

    def write(self, row: Iterable[Any]) -> None:
        """See TableWriter."""
        self._row += 1
        for column, cell in enumerate(row):
            if isinstance(cell, Decimal):
                self._sheet.write_number(self._row, column, cell, self._money)
            elif isinstance(cell, int | float) and not isinstance(cell, bool) and abs(cell) < MOST_EXACT:
                self._sheet.write_number(self._row, column, cell)
            elif isinstance(cell, datetime):
                self._sheet.write_datetime(self._row, column, cell, self._moment)
            elif cell not in (None, ""):
                self._sheet.write_string(self._row, column, str(cell))

    def close(self) -> None:
        """See TableWriter."""
        self._book.close()


def writer(form: str, file: IO[bytes], headers: Sequence[str]) -> TableWriter:
    """A writer for "xlsx" or "csv"."""
    return XlsxWriter(file, headers) if form == "xlsx" else CsvWriter(file, headers)
