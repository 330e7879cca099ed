"""Tables in files: reading what people upload, writing what they download.

What is read comes from strangers: its size is limited, and workbooks are read by a process of its own (see
`sheet_reader`). What is written is opened in Excel: no cell may become a formula.
"""

import csv
import io
import json
import subprocess
import sys
import tempfile
import zipfile
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Protocol

import xlsxwriter
from django.conf import settings
from django.utils.translation import gettext as _

from oms.common.errors import OmsError

MAX_COLUMNS = 200
MAX_CELL = 4_000
MAX_UNFOLDED_BYTES = 300 * 1024 * 1024
READER_MEMORY_BYTES = 1024 * 1024 * 1024
READER_SECONDS = 60
XLSX_ROWS = 1_000_000
# Excel, WPS and LibreOffice take a cell that begins so for a formula; the wide forms too, in some languages.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
_READER = Path(__file__).with_name("sheet_reader.py")


class UnreadableFile(OmsError):
    """The file cannot be taken; the message says why and what to do."""

    code = "unreadable_file"
    status_code = 400


@dataclass(frozen=True, slots=True)
class Table:
    """A header and rows of text, each with its number in the file; every row has as many cells as the header."""

    headers: list[str]
    rows: list[tuple[int, list[str]]]


def read_table(content: bytes) -> Table:
    """The table in an uploaded file: xlsx, xls, ods, or text with commas, semicolons or tabs, in UTF-8 or GB 18030.

    Raises UnreadableFile for what is too large or no table.
    """
    if len(content) > settings.IMPORT_MAX_BYTES:
        raise UnreadableFile(
            _("The file is too large: at most %(most)d MB. Divide it.")
            % {"most": settings.IMPORT_MAX_BYTES // (1024 * 1024)}
        )
    is_workbook = content.startswith((b"PK", b"\xd0\xcf\x11\xe0"))
    return _table(_sheet(content) if is_workbook else _text(content))


def _table(lines: Iterator[tuple[int, list[str]]]) -> Table:
    most = settings.IMPORT_MAX_ROWS
    headers: list[str] | None = None
    rows: list[tuple[int, list[str]]] = []
    for number, cells in lines:
        if headers is None:
            headers = [cell.strip() for cell in cells]
            if len(headers) > MAX_COLUMNS:
                raise UnreadableFile(_("The file has more than %(most)d columns.") % {"most": MAX_COLUMNS})
            continue
        if len(rows) == most:
            raise UnreadableFile(_("The file has more than %(most)d rows. Divide it.") % {"most": most})
        if any(len(cell) > MAX_CELL for cell in cells):
            raise UnreadableFile(
                _("A cell of row %(row)d has more than %(most)d characters.") % {"row": number, "most": MAX_CELL}
            )
        rows.append((number, [*cells[: len(headers)], *[""] * (len(headers) - len(cells))]))
    if headers is None or not rows:
        raise UnreadableFile(_("The file has no rows. Its first row must hold the names of the columns."))
    return Table(headers, rows)


def _text(content: bytes) -> Iterator[tuple[int, list[str]]]:
    text = _decoded(content)
    if "\0" in text[:10_000]:
        raise UnreadableFile(_("This is neither a workbook nor a text file. Give xlsx, xls, ods or CSV."))
    first_line = text.partition("\n")[0]
    delimiter = max(",;\t", key=first_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, [cell.strip().replace("\0", "") for cell in cells]
    except csv.Error as error:
        raise UnreadableFile(
            _("Row %(row)d cannot be read: %(reason)s.") % {"row": reader.line_num, "reason": error}
        ) from error


def _decoded(content: bytes) -> str:
    if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        encodings = ["utf-16"]
    elif content.startswith(BOM_UTF8):
        encodings = ["utf-8-sig"]
    else:
        encodings = ["utf-8", "gb18030"]  # what is valid UTF-8 and has Chinese in it is never GB 18030 by chance
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise UnreadableFile(_("The text is neither UTF-8 nor GB 18030. Save the file as “CSV UTF-8”."))


def _sheet(content: bytes) -> Iterator[tuple[int, list[str]]]:
    if content.startswith(b"PK"):
        _check_archive(content)
    with tempfile.NamedTemporaryFile(suffix=".sheet") as file:
        file.write(content)
        file.flush()
        limits = (settings.IMPORT_MAX_ROWS + 1, READER_MEMORY_BYTES, READER_SECONDS)
        command = [sys.executable, "-I", str(_READER), file.name, *map(str, limits)]
        try:
            reader = subprocess.run(  # noqa: S603 - our own program
                command, capture_output=True, timeout=2 * READER_SECONDS, env={"PYTHONIOENCODING": "utf-8"}
            )
        except subprocess.TimeoutExpired as error:
            raise UnreadableFile(_unfolds_too_far()) from error
    if reader.returncode < 0 or b"MemoryError" in reader.stderr:
        raise UnreadableFile(_unfolds_too_far())
    if reader.returncode:
        raise UnreadableFile(_("This workbook cannot be read. Save it again as xlsx, without a password."))
    for line in reader.stdout.splitlines():
        number, cells = json.loads(line)
        yield number, cells


def _check_archive(content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unfolded = sum(member.file_size for member in archive.infolist())
    except zipfile.BadZipFile as error:
        raise UnreadableFile(_("This workbook is damaged. Save it again as xlsx.")) from error
    if unfolded > MAX_UNFOLDED_BYTES:
        raise UnreadableFile(_unfolds_too_far())


def _unfolds_too_far() -> str:
    return _("This workbook takes too much memory: copy the rows that are needed into a new one.")


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
        """Add a row: numbers stay numbers, everything else is text."""

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
        self.sheet(headers, title)

    def sheet(self, headers: Sequence[str], title: str = "") -> None:
        """Begin a sheet; the one before it is finished."""
        self._sheet = self._book.add_worksheet(title[:31] or None)
        self._row = 0
        self._sheet.freeze_panes(1, 0)
        for column, header in enumerate(headers):
            self._sheet.set_column(column, column, max(10, min(2 * len(header) + 4, 30)))
            self._sheet.write_string(0, column, header, self._bold)

    def write(self, row: Iterable[Any]) -> None:
        """See TableWriter."""
        self._row += 1
        for column, cell in enumerate(row):
            if isinstance(cell, int | float | Decimal) and not isinstance(cell, bool):
                self._sheet.write_number(self._row, column, cell)
            elif cell not in (None, ""):
                self._sheet.write_string(self._row, column, str(cell))

    def close(self) -> None:
        """See TableWriter."""
        self._book.close()


def writer(form: str, file: IO[bytes], headers: Sequence[str]) -> TableWriter:
    """A writer for "xlsx" or "csv"."""
    return XlsxWriter(file, headers) if form == "xlsx" else CsvWriter(file, headers)
