"""Rows that people type, paste from a sheet or scan into one field of a page: a line each, cells apart by tabs, commas,
semicolons or spaces."""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import TypeVar

from django.utils.translation import gettext as _

from inventory.models import Quality
from inventory.purchasing import Bought, Unloaded
from oms.common.errors import FieldError, OmsError

MOST_ROWS = 5_000


Row = TypeVar("Row")


class WrongRow(ValueError):
    """Why a row cannot be read, in words."""


def rows_of(text: str, read: Callable[[Sequence[str]], Row]) -> list[Row]:
    """What `read` makes of each line that is not empty. Raises OmsError that names every line it cannot read."""
    found: list[Row] = []
    wrong: list[str] = []
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise OmsError(_("Give at least one line."))
    if len(lines) > MOST_ROWS:
        raise OmsError(_("Give at most %(most)d lines.") % {"most": MOST_ROWS})
    for number, line in lines:
        try:
            found.append(read([cell for cell in re.split(r"[\t,;，；\s]+", line.strip()) if cell]))
        except WrongRow as error:
            wrong.append(row_text(number, str(error)))
    if wrong:
        raise OmsError(" ".join(wrong))
    return found


def row_text(number: int, detail: str) -> str:
    """What is wrong with a row, by its number."""
    return _("Row %(row)d: %(detail)s") % {"row": number, "detail": detail}


def told(errors: Iterable[FieldError]) -> str:
    """What services found wrong with rows, by their numbers from 1."""
    return " ".join(
        row_text(int(place[1]) + 1, error.detail) if (place := error.attr.split("."))[1:] else error.detail
        for error in errors
    )


def units(text: str) -> int:
    """A whole number; nothing that is negative or broken. Raises WrongRow."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise WrongRow(_("%(text)s is no whole number.") % {"text": text[:40]})
    return int(text)


def day(text: str) -> date:
    """A day as 2026-12-31 or 20261231. Raises WrongRow."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise WrongRow(_("%(text)s is no day such as 2026-12-31.") % {"text": text[:40]}) from error


def bought(cells: Sequence[str]) -> Bought:
    """SKU code, units, and the day on which they are expected, if it is not the order's. Raises WrongRow."""
    if not 2 <= len(cells) <= 3:
        raise WrongRow(_("Give code and units."))
    return Bought(cells[0], units(cells[1]), day(cells[2]) if len(cells) > 2 else None)


def unloaded(cells: Sequence[str]) -> Unloaded:
    """SKU code or barcode, units, and where they matter quality, batch and best-before. Raises WrongRow."""
    if not 2 <= len(cells) <= 5:
        raise WrongRow(_("Give code and units."))
    qualities = {str(label): value for value, label in Quality.choices} | {value: value for value in Quality.values}
    rest = list(cells[2:])
    quality = qualities[rest.pop(0)] if rest and rest[0] in qualities else Quality.GOOD.value
    lot = rest[0] if rest else ""
    return Unloaded(cells[0], units(cells[1]), quality, lot, day(rest[1]) if len(rest) > 1 else None)


def code_and_units(cells: Sequence[str]) -> tuple[str, int]:
    """SKU code or barcode, and units. Raises WrongRow."""
    if len(cells) != 2:
        raise WrongRow(_("Give code and units."))
    return cells[0], units(cells[1])
