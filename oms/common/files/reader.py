"""A program of its own that reads the table in an uploaded file and prints it as JSON lines.

It runs under limits of memory and time, because a file of a few kilobytes can unfold to gigabytes: by its compression,
by one cell in the last row of the last column, by cells that repeat a long text a million times. What it prints is
limited, too, so that whoever reads it knows what that costs at most.

    python -I table_reader.py FILE LIMITS

LIMITS is a JSON object: `rows` below the header, `columns`, `cells` with text, `characters` in all and in one `cell`,
`sheets`, `parts` of a workbook's archive, `unfolded_bytes`, `memory_bytes`, `seconds`; and `known`, a list of headers
(`header_key`): the first row that holds several of them is the header, and what stands above it is left out, such as a
title. Where no row does, the first one is the header. Printed are

    {"sheets": 3}                  the number of a workbook's sheets; only the first is read
    [1, ["SKU", "quantity"]]       a row with its number; rows without any text are left out
    {"refused": "cell", "row": 7}  instead of what follows: the limit that was reached, or what else is wrong

The process ends with OUT_OF_MEMORY where memory did not suffice, and by a signal where time did not.
"""

import csv
import datetime
import io
import json
import re
import resource
import sys
import zipfile
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

NUMBER_IS_EXACT_BELOW = 1e15
OUT_OF_MEMORY = 3
HEADER_WITHIN_ROWS = 20
SEVERAL_HEADERS = 2
MOST_ROWS_SPANNED = 1_000
_ZIP = b"PK"
_OLE = b"\xd0\xcf\x11\xe0"
_NOISE = re.compile(r"[\s_\-*()（）【】\[\]:：./]+")
_UNIT = (
    r"元|人民币|件|个|只|支|份|套|箱|盒|瓶|袋|包|条|台|双|张|本|斤|公斤|千克|克|升|毫升|kg|g|ml|l|pcs?|rmb|cny|yuan|¥|￥"
    r"|必填|选填|非必填|可选|required|optional|units?"
)
# What stands behind a header's own words: a unit in brackets, or behind a slash or an underscore.
_UNITS_BEHIND = re.compile(
    rf"\s*(?:[(（\[【]\s*(?:单位\s*[:：]?\s*)?(?:{_UNIT})\s*[)）\]】]|[/／_]\s*(?:{_UNIT}))\s*$", re.IGNORECASE
)
# A remark behind a header that changes nothing of what the column holds.
_REMARK_BEHIND = re.compile(
    r"\s*[(（\[【](?![^)）\]】]*(?:退|积分|原价|税|成本|折|billing|账单))[^)）\]】]{1,20}[)）\]】]\s*[*＊]?$",
    re.IGNORECASE,
)
# Characters of headers and states as they are written in Taiwan and Hong Kong, by those of the mainland.
_SIMPLIFIED = str.maketrans(
    "單號訂編碼貨電話聯繫縣區鎮鄉詳細郵運費優惠積禮購實應總價額狀態時間備註註買賣會員網暱帳戶門幣種類關閉發後數規標題產項"
    "稱顧單條碼遞寄處務機動點選擇組統計當庫倉儲際響應給開刪輸轉攬達簽還敗絕駁銷過無沒請揀結確認現轉辦準",
    "单号订编码货电话联系县区镇乡详细邮运费优惠积礼购实应总价额状态时间备注注买卖会员网昵账户门币种类关闭发后数规标题产项"
    "称顾单条码递寄处务机动点选择组统计当库仓储际响应给开删输转揽达签还败绝驳销过无没请拣结确认现转办准",
)
# Invisible characters that copying from web pages and chats leaves in cells.
_INVISIBLE = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
# What people put around a number so that Excel leaves its digits alone: ="…", and an apostrophe before it.
_AS_FORMULA = re.compile(r'="(.*)"', re.DOTALL)
_APOSTROPHE = re.compile(r"['`‘’](?=[^'`‘’]*$)")


class Refused(Exception):
    """The file is not taken: the name of the reason, and what belongs to it."""

    def __init__(self, reason: str, **details: Any) -> None:
        super().__init__(reason)
        self.line = {"refused": reason, **details}


def in_simplified(text: str) -> str:
    """The text, of a header or a state, in simplified characters."""
    return text.translate(_SIMPLIFIED)


def header_key(header: str) -> str:
    """The header without case, spaces and punctuation, in simplified characters."""
    return in_simplified(_NOISE.sub("", header).lower())


def header_keys(header: str) -> tuple[str, ...]:
    """The header's key, and those of the header without a unit behind it, as in 数量(件), without any remark in
    brackets behind it, as in 手机号(11位), and of its first words alone, as in 收货人/提货人."""
    bare = _REMARK_BEHIND.sub("", header)
    return (
        header_key(header),
        header_key(_UNITS_BEHIND.sub("", header)),
        header_key(bare),
        header_key(re.split(r"[/／|]", bare, maxsplit=1)[0]),
    )


def cleaned(text: str) -> str:
    """The text without NUL, invisible characters, outer blanks and Excel's guards."""
    text = _INVISIBLE.sub("", text.replace("\0", "")).strip()
    guarded = _AS_FORMULA.fullmatch(text)
    if guarded:
        text = guarded[1].replace('""', '"').strip()
    return _APOSTROPHE.sub("", text, count=1) if _APOSTROPHE.match(text) else text


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
    return cleaned(str(value))


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


def read_text(content: bytes, limits: dict[str, int]) -> Iterator[tuple[int, list[str]]]:
    """The rows of a text with commas, semicolons, tabs or bars, with their numbers. Raises Refused."""
    text = decoded(content)
    if "\0" in text[:10_000]:
        raise Refused("no_table")
    if content.startswith(b"MIME-Version:"):
        raise Refused("web_archive")
    if is_page(text):
        yield from read_page(text, limits)
        return
    reader = csv.reader(io.StringIO(text.replace("\0", ""), newline=""), delimiter=_delimiter(text))
    try:
        for cells in reader:
            yield reader.line_num, [cleaned(cell) for cell in cells]
    except csv.Error as error:
        if "field limit" in str(error):
            raise Refused("cell", row=reader.line_num) from error
        raise Refused("row", row=reader.line_num, why=str(error)) from error


class _Page(HTMLParser):
    """Collects the rows of every table of a web page, which shops' back ends give out under the name of a workbook."""

    def __init__(self, columns: int) -> None:
        super().__init__(convert_charrefs=True)
        self.rows: list[list[str]] = []
        self._columns = columns
        self._cell: list[str] | None = None
        self._span = self._down = 1
        # How many rows more each column is filled by a cell from above.
        self._covered: dict[int, int] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self._end_cell()
            if self.rows:
                self._uncover(range(len(self.rows[-1]), self._columns))
            self.rows.append([])
        elif tag in ("td", "th"):
            self._end_cell()
            if not self.rows:
                self.rows.append([])
            self._cell = []
            self._span = _number_in(dict(attrs).get("colspan"), self._columns)
            self._down = _number_in(dict(attrs).get("rowspan"), MOST_ROWS_SPANNED)
        elif tag == "br" and self._cell is not None:
            self._cell.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "tr", "table"):
            self._end_cell()

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(re.sub(r"\s+", " ", data))

    def _uncover(self, columns: range) -> None:
        """The row has passed these columns."""
        for column in columns if self._covered else ():
            if self._covered.get(column):
                self._covered[column] -= 1

    def _end_cell(self) -> None:
        if self._cell is None:
            return
        row = self.rows[-1]
        while self._covered.get(len(row)):
            self._covered[len(row)] -= 1
            row.append("")
        if self._down > 1:
            self._covered |= dict.fromkeys(range(len(row), len(row) + self._span), self._down - 1)
        row += [cleaned("".join(self._cell)), *[""] * max(self._span - 1, 0)]
        self._cell = None


def _number_in(text: str | None, most: int) -> int:
    """The number of columns or rows that a cell spans, as its attribute says."""
    return min(int(text), most) if text and text.isascii() and text.isdigit() and len(text) < 10 else 1


def read_page(text: str, limits: dict[str, int]) -> Iterator[tuple[int, list[str]]]:
    """The rows of the tables of a web page, with their numbers. Raises Refused."""
    if "<workbook" in text[:10_000].lower():
        raise Refused("xml_workbook")
    page = _Page(limits["columns"] + 1)
    page.feed(text)
    page.close()
    if not page.rows:
        raise Refused("no_html_table")
    yield from enumerate(page.rows, 1)


def is_page(text: str) -> bool:
    """Whether the text is a web page or another document in angle brackets."""
    head = text[:10_000].lstrip("\ufeff \t\r\n").lower()
    return head.startswith("<") and any(tag in head for tag in ("<table", "<html", "<workbook", "<!doctype", "<?xml"))


def _delimiter(text: str) -> str:
    """What stands between the cells: the first row that is no title tells."""
    for line in text[:100_000].split("\n")[:HEADER_WITHIN_ROWS]:
        delimiter = max(",;\t|", key=line.count)
        if line.count(delimiter) >= SEVERAL_HEADERS - 1:
            return delimiter
    return ","


def text_encodings(content: bytes) -> list[str]:
    """The encodings in which the text may be, most likely first."""
    if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return ["utf-16"]
    if content.startswith(BOM_UTF8):
        return ["utf-8-sig"]
    return ["utf-8", "gb18030"]  # what is valid UTF-8 and has Chinese in it is never GB 18030 by chance


def decoded(content: bytes) -> str:
    """The text of the bytes. Raises Refused."""
    for encoding in text_encodings(content):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Refused("encoding")


def say(line: object) -> None:
    """Print it, whatever the locale."""
    sys.stdout.buffer.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")


def from_header(rows: Iterator[tuple[int, list[str]]], known: frozenset[str]) -> Iterator[tuple[int, list[str]]]:
    """The header and what follows it, without rows that have no text."""
    filled = ((number, cells) for number, cells in rows if any(cells))
    above = []
    for number, cells in filled:
        above.append((number, cells))
        if sum(not known.isdisjoint(header_keys(cell)) for cell in set(cells)) >= SEVERAL_HEADERS:
            above = above[-1:]
            break
        if len(above) >= HEADER_WITHIN_ROWS:
            break
    yield from above
    yield from filled


def tell(rows: Iterator[tuple[int, list[str]]], limits: dict[str, int]) -> None:
    """Print the rows; what stands beyond the header's last column is left out. Raises Refused."""
    width = told = cells_told = characters = 0
    for number, cells in rows:
        if not width:
            width = len(cells)
            if width > limits["columns"]:
                raise Refused("columns")
        del cells[width:]
        if not any(cells):
            continue
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


def main(path: str, limits: dict[str, int], known: frozenset[str]) -> None:
    """Print the table in the file."""
    resource.setrlimit(resource.RLIMIT_AS, (limits["memory_bytes"],) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (limits["seconds"],) * 2)
    try:
        with open(path, "rb") as file:
            head = file.read(4)
            text = b"" if head.startswith((_ZIP, _OLE)) else head + file.read()
        if head.startswith(_ZIP):
            check_archive(path, limits)
        rows = read_text(text, limits) if text or not head else read_workbook(path, limits)
        tell(from_header(rows, known), limits)
    except Refused as refusal:
        say(refusal.line)
    except MemoryError:
        sys.exit(OUT_OF_MEMORY)


if __name__ == "__main__":
    settings = json.loads(sys.argv[2])
    main(sys.argv[1], settings, frozenset(settings.pop("known", ())))
