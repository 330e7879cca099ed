"""Reading uploaded tables: encodings, and what strangers upload, which costs no more than the limits."""

import io
import zipfile
from typing import Any
from unittest import mock

import pytest
import xlsxwriter
from django.test import Client

from oms.common.files import tables
from oms.common.models import Job
from orders.models import Order
from tests import factories
from tests.operations.importing import HEADERS, finish, row, upload, workbook

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_text_is_read_in_its_encoding_and_with_its_delimiter(encoding: str, delimiter: str) -> None:
    text = delimiter.join(HEADERS) + "\r\n" + delimiter.join(map(str, row("A-1", "P1")))

    table = tables.read_table(text.encode(encoding))

    assert table.headers == HEADERS
    assert table.rows[0][1][2] == "张华"


def refusal(content: bytes) -> str:
    with pytest.raises(tables.UnreadableFile) as refused:
        tables.read_table(content)
    return str(refused.value)


def test_a_cell_at_the_end_of_the_sheet_does_not_take_the_memory() -> None:
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file)
    sheet = book.add_worksheet()
    sheet.write(0, 0, "订单号")
    sheet.write(1_048_575, 16_383, "x")
    book.close()

    assert len(file.getvalue()) < 10_000
    assert "more than 1024 MB of memory or 30 seconds" in refusal(file.getvalue())


def test_a_workbook_that_unfolds_too_far_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * (tables.MAX_UNFOLDED_BYTES + 1))

    assert "unfolds to more than 300 MB" in refusal(file.getvalue())


def replaced(content: bytes, part: str, text: bytes) -> bytes:
    """The workbook with another text in one of its parts."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, text if name == part else old.read(name))
    return file.getvalue()


def with_shared_strings(*strings: str, rows: int, columns: int = 1) -> bytes:
    """A workbook whose cells all name the last of the shared strings."""
    content = workbook(["x"], headers=["a"])
    items = "".join(f"<si><t>{text}</t></si>" for text in strings)
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    shared = f'{head}<sst xmlns="{space}">{items}</sst>'
    content = replaced(content, "xl/sharedStrings.xml", shared.encode())
    cell = f'<c t="s"><v>{len(strings) - 1}</v></c>'
    lines = f"<row>{cell * columns}</row>" * rows
    sheet = f'{head}<worksheet xmlns="{space}"><sheetData>{lines}</sheetData></worksheet>'
    return replaced(content, "xl/worksheets/sheet1.xml", sheet.encode())


def test_a_declared_size_that_lies_does_not_help_a_bomb() -> None:
    """The archive says that a part is small; what it really unfolds to is limited all the same."""
    content = bytearray(with_shared_strings("x" * 400_000_000, rows=2))
    size = (400_000_000).to_bytes(4, "little")[1:]
    for place in [place for place in range(len(content)) if content[place : place + 3] == size]:
        content[place - 1 : place + 3] = (1000).to_bytes(4, "little")

    refusal(bytes(content))


@pytest.mark.parametrize(
    ("content", "limit"),
    [
        (lambda: with_shared_strings("x" * 4001, rows=2), "more than 4000 characters"),
        (lambda: with_shared_strings("x" * 3999, rows=6000), "more than 20000000 characters"),
        (lambda: with_shared_strings("x", rows=11_000, columns=199), "more than 2000000 cells"),
        (lambda: with_shared_strings("x", rows=2, columns=201), "more than 200 columns"),
        (lambda: b",".join([b"x"] * 201) + b"\n", "more than 200 columns"),
        (lambda: b"a,b\n" + b"xx,yy\n" * 60_000, "more than 50000 rows"),
    ],
)
def test_a_few_strings_in_many_cells_cost_no_more_than_the_limits(content: Any, limit: str) -> None:
    file = content()

    assert len(file) < 500_000
    assert limit in refusal(file)


def test_many_shared_strings_are_read_or_refused_within_the_readers_limits() -> None:
    many = [f"string {number}" for number in range(1_000_000)]

    assert tables.read_table(with_shared_strings(*many, rows=3)).rows[0][1] == ["string 999999"]


def test_a_text_of_one_endless_row_is_refused() -> None:
    assert "more than 200 columns" in refusal(b'"x\n",' * 4_000_000)


def test_many_sheets_and_many_parts_are_refused() -> None:
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file)
    for _ in range(tables.MAX_SHEETS + 1):
        book.add_worksheet().write_row(0, 0, ["a"])
    book.close()
    assert "more than 50 sheets" in refusal(file.getvalue())

    with zipfile.ZipFile(file, "a") as archive:
        for number in range(tables.MAX_PARTS):
            archive.writestr(f"part{number}", b"")
    assert "more than 2000 parts" in refusal(file.getvalue())


def test_sheets_that_are_not_read_are_told_of(clerk: Client, shop: factories.Shop) -> None:
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file)
    for number in range(3):
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, HEADERS)
        sheet.write_row(1, 0, row(f"A-{number}", shop.sku.code))
    book.close()

    page = clerk.get(upload(clerk, shop, file.getvalue())["Location"]).content.decode()

    assert "Only the first sheet is read: the workbook has 2 more." in page


def test_a_file_that_is_too_large_is_not_loaded(clerk: Client, shop: factories.Shop, settings: Any) -> None:
    settings.IMPORT_MAX_BYTES = 1024 * 1024

    with mock.patch.object(tables, "read_table", side_effect=AssertionError("loaded")):
        answer = upload(clerk, shop, b"x" * (1024 * 1024 + 1))

    assert "too large: at most 1 MB" in answer.content.decode()
    assert f'value="{shop.merchant.pk}" selected' in answer.content.decode()
    assert not Job.objects.exists()


@pytest.mark.parametrize("nul", ["_x0000_", "&#0;", "\0"])
def test_a_nul_in_a_sheet_is_never_stored(nul: str, clerk: Client, shop: factories.Shop) -> None:
    """It is left out, as in a text file, or the workbook is refused: XML knows no such character."""
    content = replaced(
        workbook(row("A-1", shop.sku.code, 详细地址="NUL")),
        "xl/sharedStrings.xml",
        strings_of(workbook(row("A-1", shop.sku.code, 详细地址="NUL")))
        .replace("NUL", f"中山路{nul}861号")
        .replace("订单号", f"订单{nul}号")
        .encode(),
    )

    answer = upload(clerk, shop, content)

    if answer.status_code == 200:
        assert "cannot be read" in answer.content.decode()
        return
    job = Job.objects.get()
    chosen = {f"column-{i}": name for i, name in enumerate(job.params["fields"])}
    assert clerk.post(answer["Location"], {**chosen, "preview": "1"}).status_code == 200
    clerk.post(answer["Location"], {**chosen, "start": "1"})
    finish()
    assert Order.objects.get().recipient_address == "中山路861号"


def strings_of(content: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read("xl/sharedStrings.xml").decode()


def test_a_nul_in_a_text_file_is_left_out() -> None:
    text = "a,b\n" + "1,2\n" * 5000 + "x\0y,2\n"

    assert tables.read_table(text.encode()).rows[-1][1] == ["xy", "2"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no rows"),
        ("订单号\n".encode(), "no rows"),
        (b"PK\x03\x04nonsense", "damaged"),
        (b"\xd0\xcf\x11\xe0nonsense", "cannot be read"),
        (b"\x89PNG\0\0\0", "neither"),
        (b"\xff\xff\xff\xff", "neither UTF-8 nor GB 18030"),
        (b"a,b\n" + b"x" * 5000 + b",1", "more than 4000 characters"),
    ],
)
def test_what_is_no_table_is_refused_in_words(content: bytes, reason: str) -> None:
    assert reason in refusal(content)


def test_a_file_that_is_too_large_or_too_long_is_refused(settings: Any) -> None:
    settings.IMPORT_MAX_ROWS = 2
    assert "more than 2 rows" in refusal(b"a\n1\n2\n3\n")
    assert "more than 2 rows" in refusal(workbook(["1"], ["2"], ["3"], headers=["a"]))
    settings.IMPORT_MAX_BYTES = 3
    assert "too large" in refusal(b"a\n1\n2\n3\n")
