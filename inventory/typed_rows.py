"""Rows that people type, paste from a sheet or scan into one field of a page: a line each, cells apart by tabs, commas
or semicolons, so that one may be empty; else by spaces."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Generic, TypeVar

from django.utils.translation import gettext as _

from inventory.models import Quality
from inventory.models.lots import MOST_OF_A_LOT
from inventory.purchasing import Bought, Unloaded
from inventory.serials import split
from oms.common.errors import FieldError, OmsError

MOST_ROWS = 5_000
_APART = re.compile(r"[\t,;，；]")

Row = TypeVar("Row")


class WrongRow(ValueError):
    """Why a row cannot be read, in words."""


@dataclass(frozen=True, slots=True)
class ReadRow(Generic[Row]):
    """A line by its number, its cells, and what they say; or (`wrong`) why nothing can be made of them."""

    number: int
    cells: Sequence[str]
    value: Row | None
    wrong: str = ""


def rows_of(text: str, read: Callable[[Sequence[str]], Row]) -> list[Row]:
    """What `read` makes of each line that is not empty. Raises OmsError that names every line it cannot read."""
    rows = each_row(text, read)
    if wrong := [row_text(row.number, row.wrong) for row in rows if row.value is None]:
        raise OmsError(" ".join(wrong))
    return [row.value for row in rows if row.value is not None]


def each_row(text: str, read: Callable[[Sequence[str]], Row]) -> list[ReadRow[Row]]:
    """What `read` makes of each line that is not empty, each for itself. Raises OmsError where there are none, or too
    many."""
    found: list[ReadRow[Row]] = []
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise OmsError(_("Give at least one line."))
    if len(lines) > MOST_ROWS:
        raise OmsError(_("Give at most %(most)d lines.") % {"most": MOST_ROWS})
    for number, line in lines:
        cells = _cells(line)
        try:
            found.append(ReadRow(number, cells, read(cells)))
        except WrongRow as error:
            found.append(ReadRow(number, cells, None, str(error)))
    return found


def _cells(line: str) -> list[str]:
    """The cells as far as the last that says something."""
    cells = [cell.strip() for cell in _APART.split(line)] if _APART.search(line) else line.split()
    while cells and not cells[-1]:
        cells.pop()
    return cells


def row_text(number: int, detail: str) -> str:
    """What is wrong with a row, by its number."""
    return _("Row %(row)d: %(detail)s") % {"row": number, "detail": detail}


def told(errors: Iterable[FieldError], text: str = "") -> str:
    """What services found wrong with rows, by the numbers of their lines in the text that they were read from, or where
    there is none by their places from 1."""
    numbers = [number for number, line in enumerate(text.splitlines(), 1) if line.strip()]

    def said(error: FieldError) -> str:
        place = error.attr.split(".")
        if len(place) == 1:
            return error.detail
        row = int(place[1])
        return row_text(numbers[row] if numbers else row + 1, error.detail)

    return " ".join(map(said, errors))


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
    if not 2 <= len(cells) <= 3 or not cells[0]:
        raise WrongRow(_("Give code and units."))
    return Bought(cells[0], units(cells[1]), day(cells[2]) if len(cells) > 2 else None)


def unloaded(cells: Sequence[str]) -> Unloaded:
    """SKU code or barcode, units, and where they matter quality, batch and best-before, each in its place; all that
    follows are serial numbers. Raises WrongRow."""
    if len(cells) < 2 or not cells[0]:
        raise WrongRow(_("Give code and units."))
    qualities = {str(label): value for value, label in Quality.choices} | {value: value for value in Quality.values}
    quality, lot, best_before = (*cells[2:5], "", "", "")[:3]
    if quality and quality not in qualities:
        known = ", ".join(str(label) for label in Quality.labels)
        raise WrongRow(
            _("There is no quality “%(text)s”. Known ones: %(known)s.") % {"text": quality[:40], "known": known}
        )
    if len(lot) > MOST_OF_A_LOT:
        raise WrongRow(_("A batch has at most %(most)d characters.") % {"most": MOST_OF_A_LOT})
    found = qualities[quality] if quality else Quality.GOOD.value
    numbers = split(" ".join(cells[5:]))
    return Unloaded(cells[0], units(cells[1]), found, lot, day(best_before) if best_before else None, numbers)


def code_and_units(cells: Sequence[str]) -> tuple[str, int]:
    """SKU code or barcode, and units. Raises WrongRow."""
    if len(cells) != 2 or not cells[0]:
        raise WrongRow(_("Give code and units."))
    return cells[0], units(cells[1])
