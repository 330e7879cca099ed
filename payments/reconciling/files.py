"""From the bytes of a bill to its lines of cells: archives, encodings, and where the table in the file begins.

Lines keep as many cells as the file has, which is how a row that was cut short is known; `oms.common.files.tables`,
which pads them and leaves out what stands above a header, reads workbooks only.
"""

import csv
import gzip
import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings
from django.utils.translation import gettext as _

from oms.common.files import reader, tables
from oms.common.files.reader import Refused
from oms.common.files.tables import UnreadableFile

_HEADER_WITHIN_LINES = 50
# So much may come out of an archive: a provider's day of a million rows.
MOST_UNFOLDED_BYTES = 300 * 1024 * 1024
_BRACKETS = re.compile(r"[（(][^）)]*[）)]\s*$")


class RefusedBill(UnreadableFile):
    """The bill is not taken, nothing was changed; the message says why, with row and column where it is one."""

    code = "refused_bill"


@dataclass(frozen=True, slots=True)
class Cells:
    """A line of the file, counted from 1, with its cells as they are but for blanks around them."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file taken apart: what stands above the header, the header's names, and the lines below it."""

    above: Sequence[Cells]
    headers: Sequence[str]
    below: Sequence[Cells]
    places: Mapping[str, int]

    def column(self, name: str) -> int | None:
        """The place of a column by its name, whatever brackets stand behind it."""
        return self.places.get(bare(name))


@lru_cache(maxsize=1024)
def bare(header: str) -> str:
    """A column's name without blanks and without a unit in brackets behind it, in either width."""
    return _BRACKETS.sub("", header.strip()).strip()


def unpacked(content: bytes, wanted: str = "") -> bytes:
    """The file itself, out of a gzip or zip archive: there the one whose name has `wanted` and is no summary.

    Raises RefusedBill for an archive that is damaged, has no such file, or unfolds too far.
    """
    try:
        if content[:2] == b"\x1f\x8b":
            with gzip.open(io.BytesIO(content)) as file:
                return _bounded(file.read(MOST_UNFOLDED_BYTES + 1))
        if content[:2] == b"PK" and not _is_workbook(content):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                return _bounded(_member(archive, wanted))
    except (OSError, EOFError, zipfile.BadZipFile, zipfile.LargeZipFile, RuntimeError, NotImplementedError) as error:
        raise RefusedBill(_("The archive is damaged or protected by a password.")) from error
    return content


def _bounded(content: bytes) -> bytes:
    if len(content) > MOST_UNFOLDED_BYTES:
        raise RefusedBill(_("The archive unfolds too far."))
    return content


def _is_workbook(content: bytes) -> bool:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return "[Content_Types].xml" in archive.namelist()


def _member(archive: zipfile.ZipFile, wanted: str) -> bytes:
    members = [(_name(info), info) for info in archive.infolist() if not info.is_dir()]
    bills = [info for name, info in members if wanted in name and "汇总" not in name]
    if len(bills) != 1:
        raise RefusedBill(_("The archive has no file “%(wanted)s”, or several.") % {"wanted": wanted})
    if bills[0].file_size > MOST_UNFOLDED_BYTES:
        raise RefusedBill(_("The archive unfolds too far."))
    with archive.open(bills[0]) as file:
        return file.read(MOST_UNFOLDED_BYTES + 1)


def _name(info: zipfile.ZipInfo) -> str:
    """The name; without the flag for UTF-8 it is GBK, which Python took for cp437."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("gb18030")
    except UnicodeError:
        return info.filename


def sheet_of(content: bytes, required: Sequence[str], *, is_backticked: bool = False) -> Sheet:
    """The bill's table: the first line that has all of the columns `required` is its header.

    Raises RefusedBill where there is none, and for what is no text or workbook.
    """
    lines = list(_lines(content, is_backticked, required))
    wanted = {bare(name) for name in required}
    for place, line in enumerate(lines[:_HEADER_WITHIN_LINES]):
        headers = [bare(cell) for cell in line.cells]
        if wanted <= set(headers):
            while headers and not headers[-1]:
                headers.pop()
            # Of two columns of one name the first counts.
            places = {header: at for at, header in reversed(list(enumerate(headers)))}
            return Sheet(lines[:place], headers, lines[place + 1 :], places)
    raise RefusedBill(_("No line of the file has all of these columns: %(names)s.") % {"names": "、".join(required)})


def _lines(content: bytes, is_backticked: bool, required: Sequence[str]) -> Iterator[Cells]:
    if content[:2] == b"PK" or content[:4] == b"\xd0\xcf\x11\xe0":
        table = tables.read_table(content, [reader.header_key(name) for name in required])
        yield Cells(1, tuple(table.headers))
        yield from (Cells(number, tuple(cells)) for number, cells in table.rows)
        return
    try:
        text = reader.decoded(content)
    except Refused as refusal:
        raise RefusedBill(_("The file is neither UTF-8 nor GB 18030.")) from refusal
    if "\0" in text[:10_000]:
        raise RefusedBill(_("The file is no text."))
    if is_backticked:
        yield from _backticked(text)
        return
    rows = csv.reader(io.StringIO(text, newline=""))
    try:
        for cells in rows:
            if any(cells):
                yield Cells(rows.line_num, tuple([cell.strip() for cell in cells]))
    except csv.Error as error:
        raise RefusedBill(_("Row %(row)s cannot be read: %(why)s.") % {"row": rows.line_num, "why": error}) from error


def _backticked(text: str) -> Iterator[Cells]:
    """Lines whose cells begin with a backtick and are not quoted, so that they may hold commas; headers have none."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("`"):
            yield Cells(number, tuple([cell.strip() for cell in line[1:].split(",`")]))
        elif line.strip():
            yield Cells(number, tuple([cell.strip() for cell in line.split(",")]))


def check_size(content: bytes) -> None:
    """Raises RefusedBill for a file that is larger than files may be."""
    if len(content) > settings.BILL_MAX_BYTES:
        most = settings.BILL_MAX_BYTES // (1024 * 1024)
        raise RefusedBill(_("The file is too large: at most %(most)d MB.") % {"most": most})
