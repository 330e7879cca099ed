"""Codes as people give them: pasted, a line each, or as a file. Nothing of it is kept but the codes themselves."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _

from logistics.virtual.stocking import MOST_AT_ONCE, NewCode
from oms.common.errors import FieldError, OmsError
from oms.common.files import tables
from oms.common.files.reader import header_key

# What columns are called; a file or text without any of these has code, password and day in this order.
_HEADERS = {
    "code": "code key number 卡号 激活码 兑换码 序列号 券码 卡券码 cardnumber cardno licensekey license serial",
    "password": "password pin 密码 卡密 卡密码 secret",
    "valid_until": "validuntil expires expireson expiry 有效期 有效期至 截止日期 到期日",
}
_FIELDS = tuple(_HEADERS)
_MEANS = {header_key(word): name for name, words in _HEADERS.items() for word in words.split()}
_DAY = re.compile(r"([0-9]{4})[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?(?:[ T]00:00(?::00)?)?")
_TEXT_FILES = (".txt", ".csv", ".tsv")
_MOST_BYTES = 20_000_000


@dataclass(slots=True)
class Read:
    """The codes with the rows in which they stand, and what is wrong with other rows."""

    rows: list[int] = field(default_factory=list)
    codes: list[NewCode] = field(default_factory=list)
    wrong: dict[int, FieldError] = field(default_factory=dict)


def pasted(text: str) -> Read:
    """The codes of a text: a line each, with password and day behind a tab or comma. Raises OmsError for too many."""
    lines = [line.strip() for line in text.splitlines()]
    apart = "\t" if any("\t" in line for line in lines) else ","
    return _read(
        (number, [cell.strip().strip('"') for cell in line.split(apart)])
        for number, line in enumerate(lines, 1)
        if line
    )


def uploaded(file: UploadedFile) -> Read:
    """The codes of a file: text as `pasted` reads it, else a table. Raises as that, and UnreadableFile."""
    if not (file.name or "").lower().endswith(_TEXT_FILES):
        table = tables.read_upload(file, set(_MEANS))
        return _read([(0, table.headers), *table.rows])
    if (file.size or 0) > _MOST_BYTES:
        raise tables.UnreadableFile(_("The file is too large: at most %(most)d MB. Divide it.") % {"most": 20})
    content = file.read()
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return pasted(content.decode(encoding))
        except UnicodeDecodeError:
            continue
    raise tables.UnreadableFile(_("The file is no text in UTF-8 or GB 18030."))


def _read(lines: Iterable[tuple[int, Sequence[str]]]) -> Read:
    found = Read()
    fields: Sequence[str] | None = None
    for number, cells in lines:
        if fields is None:
            fields = [_MEANS.get(header_key(cell), "") for cell in cells]
            if any(fields):
                # A column of passwords alone is one of codes.
                fields = ["code" if name == "password" and "code" not in fields else name for name in fields]
                continue
            fields = _FIELDS
        values = dict(zip(fields, cells, strict=False))
        if len(found.codes) >= MOST_AT_ONCE:
            raise OmsError(_("At most %(most)s codes at once.") % {"most": MOST_AT_ONCE}, attr="codes")
        try:
            day = _day(values.get("valid_until", ""))
        except ValueError:
            found.wrong[number] = FieldError("valid_until", "invalid", _("Give a day as in 2026-12-31."))
            continue
        found.rows.append(number)
        found.codes.append(NewCode(values.get("code", ""), values.get("password", ""), day))
    return found


def _day(text: str) -> date | None:
    if not text:
        return None
    match = _DAY.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return date(*map(int, match.groups()))
