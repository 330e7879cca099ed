"""A program of its own that reads the table in an uploaded file and prints it as JSON lines.

It runs under limits of memory and time, because a file of a few kilobytes can unfold to gigabytes: by its compression,
by one cell in the last row of the last column, by cells that repeat a long text a million times. What it prints is
limited, too, so that whoever reads it knows what that costs at most.

    python -I table_reader.py FILE LIMITS

LIMITS is a JSON object: `rows` below the header, `columns`, `cells` with text, `characters` in all and in one `cell`,
`sheets`, `parts` of a workbook's archive, `unfolded_bytes`, `memory_bytes`, `seconds`. Printed are

    {"sheets": 3}                  the number of a workbook's sheets; only the first is read
    [1, ["SKU", "quantity"]]       a row with its number; rows without any text are left out
    {"refused": "cell", "row": 7}  instead of what follows: the limit that was reached, or what else is wrong

The process ends with OUT_OF_MEMORY where memory did not suffice, and by a signal where time did not.
"""

import csv
import datetime
import io
import json
import resource
import sys
import zipfile
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from typing import Any

NUMBER_IS_EXACT_BELOW = 1e15
OUT_OF_MEMORY = 3
_ZIP = b"PK"
_OLE = b"\xd0\xcf\x11\xe0"


class Refused(Exception):
    """The file is not taken: the name of the reason, and what belongs to it."""

    def __init__(self, reason: str, **details: Any) -> None:
        super().__init__(reason)
        self.line = {"refused": reason, **details}


def text_of(value: object) -> str:
    """A cell as text. A long number comes out with its exponent: Excel has cut off its digits."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        if abs(value) >= NUMBER_IS_EXACT_BELOW:
            return f"{value:.5E}"
        return str(int(value)) if value.is_integer() else str(round(value, 6))
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ", "seconds")
    return str(value).replace("\0", "").strip()


def read_workbook(path: str, limits: dict[str, int]) -> Iterator[tuple[int, list[str]]]:
    """The rows of the first sheet, with their numbers. Raises Refused."""
    from python_calamine import CalamineError, load_workbook

    try:
        book = load_workbook(path)
    except CalamineError as error:
        raise Refused("no_workbook") from error
    if len(book.sheet_names) > limits["sheets"]:
        raise Refused("sheets")
    say({"sheets": len(book.sheet_names)})
    try:
        sheet = book.get_sheet_by_index(0)
        for number, row in enumerate(sheet.iter_rows(), 1):  # begins with the sheet's first row, however empty
            cells = [text_of(cell) for cell in row]
            while cells and not cells[-1]:
                cells.pop()
            yield number, cells
    except CalamineError as error:
        raise Refused("no_workbook") from error


def check_archive(path: str, limits: dict[str, int]) -> None:
    """Raises Refused for an archive that says itself that it unfolds too far."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except zipfile.BadZipFile as error:
        raise Refused("damaged") from error
    if len(parts) > limits["parts"]:
        raise Refused("parts")
    if sum(part.file_size for part in parts) > limits["unfolded_bytes"]:
        raise Refused("unfolded_bytes")


def read_text(content: bytes) -> Iterator[tuple[int, list[str]]]:
    """The rows of a text with commas, semicolons or tabs, with their numbers. Raises Refused."""
    text = decoded(content)
    if "\0" in text[:10_000]:
        raise Refused("no_table")
    first_line = text.partition("\n")[0]
    delimiter = max(",;\t", key=first_line.count)
    reader = csv.reader(io.StringIO(text.replace("\0", ""), newline=""), delimiter=delimiter)
    try:
        for cells in reader:
            yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        if "field limit" in str(error):
            raise Refused("cell", row=reader.line_num) from error
        raise Refused("row", row=reader.line_num, why=str(error)) from error


def decoded(content: bytes) -> str:
    """The text of the bytes. Raises Refused."""
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
    raise Refused("encoding")


def say(line: object) -> None:
    """Print it, whatever the locale."""
    sys.stdout.buffer.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")


def tell(rows: Iterator[tuple[int, list[str]]], limits: dict[str, int]) -> None:
    """Print the rows; what stands beyond the header's last column is left out. Raises Refused."""
    width = told = cells_told = characters = 0
    for number, cells in rows:
        if not any(cells):
            continue
        if not width:
            width = len(cells)
            if width > limits["columns"]:
                raise Refused("columns")
        del cells[width:]
        if told > limits["rows"]:
            raise Refused("rows")
        lengths = [len(cell) for cell in cells if cell]
        if lengths and max(lengths) > limits["cell"]:
            raise Refused("cell", row=number)
        cells_told += len(lengths)
        characters += sum(lengths)
        if cells_told > limits["cells"]:
            raise Refused("cells", row=number)
        if characters > limits["characters"]:
            raise Refused("characters", row=number)
        say([number, cells])
        told += 1


def main(path: str, limits: dict[str, int]) -> None:
    """Print the table in the file."""
    resource.setrlimit(resource.RLIMIT_AS, (limits["memory_bytes"],) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (limits["seconds"],) * 2)
    try:
        with open(path, "rb") as file:
            head = file.read(4)
            text = b"" if head.startswith((_ZIP, _OLE)) else head + file.read()
        if head.startswith(_ZIP):
            check_archive(path, limits)
        tell(read_text(text) if text or not head else read_workbook(path, limits), limits)
    except Refused as refusal:
        say(refusal.line)
    except MemoryError:
        sys.exit(OUT_OF_MEMORY)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
