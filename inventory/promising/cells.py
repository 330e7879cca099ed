"""What the cells of the promise's tables mean, and how their values are written."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.translation import gettext as _

from oms.common.errors import FieldError


class WrongCell(ValueError):
    """A cell that means nothing; `error` says why."""

    def __init__(self, attr: str, code: str, detail: str) -> None:
        super().__init__(detail)
        self.error = FieldError(attr, code, detail)


class Misread(ValueError):
    """A cell's text that is not understood; says in words what is."""


# As spreadsheets write days and times, also where they were told none of the form in which a table is exported.
_DAY = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[ T]0{1,2}:00(?::00)?)?")
_TIME = re.compile(r"(\d{1,2})[:：](\d{2})(?::00)?")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a file: the attribute of the row that it fills (or several, which `read` returns by name).

    `read` raises ValueError for what it does not understand; where there is a `lookup`, it is asked once for all values
    by their names, and `read` understands the others.
    """

    header: str
    attr: str
    read: Callable[[str], Any]
    write: Callable[[Any], str] = lambda value: "" if value is None else str(value)
    lookup: Callable[[], Mapping[str, Any]] | None = None

    @property
    def attributes(self) -> list[str]:
        """The attributes that it fills."""
        return self.attr.split()

    def value(self, text: str, known: Mapping[str, Any]) -> dict[str, Any]:
        """The values of the attributes that the cell's text means. Raises WrongCell."""
        try:
            found = known[text] if text in known else self.read(text)
        except (ValueError, InvalidOperation) as error:
            detail = _("“%(text)s” cannot be read.") % {"text": text[:60]}
            if isinstance(error, Misread):
                detail = str(error)
            elif self.lookup is not None:
                detail = _("Nothing is called “%(text)s”.") % {"text": text[:60]}
            raise WrongCell(self.header, "invalid", detail) from error
        return found if isinstance(found, dict) else {self.attr: found}


def nothing_else(text: str) -> Any:
    """Only what the look-up knows. Raises ValueError."""
    raise ValueError(text)


def text(value: str) -> str:
    """As it stands."""
    return value


def whole(value: str) -> int:
    """A whole number, not negative."""
    number = int(value)
    if number < 0 or number > 1_000_000_000:
        raise ValueError(value)
    return number


def number(value: str) -> Decimal:
    """A decimal number, not negative; nothing is 0."""
    found = Decimal(value or "0")
    if not found.is_finite() or found < 0:
        raise ValueError(value)
    return found


def optional(read: Callable[[str], Any], empty: Any = None) -> Callable[[str], Any]:
    """Like `read`, but nothing is `empty`."""
    return lambda value: read(value) if value else empty


def yes(value: str) -> bool:
    """Y or N; nothing is N."""
    known = {"Y": True, "TRUE": True, "1": True, "N": False, "FALSE": False, "0": False, "": False}
    if value.upper() not in known:
        raise ValueError(value)
    return known[value.upper()]


def write_yes(value: bool) -> str:
    """Y or N."""
    return "Y" if value else "N"


def day(value: str) -> date:
    """A day as 2026-11-26, 2026/11/26 or 2026年11月26日. Raises Misread."""
    if found := _DAY.fullmatch(value):
        try:
            return date(*map(int, found.groups()))
        except ValueError:
            pass
    raise Misread(_("“%(text)s” is no day such as 2026-12-31.") % {"text": value[:60]})


def clock_time(value: str) -> time:
    """A time as 23:00 or 9:00. Raises Misread."""
    if found := _TIME.fullmatch(value):
        try:
            return time(int(found[1]), int(found[2]))
        except ValueError:
            pass
    raise Misread(_("“%(text)s” is no time such as 23:00.") % {"text": value[:60]})


def write_time(value: time | None) -> str:
    """As 23:00."""
    return f"{value:%H:%M}" if value is not None else ""


def minutes(value: str) -> int:
    """Minutes after midnight of a time; 24:00 is the end of the day."""
    if re.fullmatch(r"24[:：]00(:00)?", value):
        return 24 * 60
    found = clock_time(value)
    return found.hour * 60 + found.minute


def write_minutes(value: int) -> str:
    """As 23:00 or 24:00."""
    return f"{value // 60:02d}:{value % 60:02d}"


def choice(values: list[str]) -> Callable[[str], str]:
    """One of these values."""

    def read(value: str) -> str:
        if value not in values:
            known = ", ".join(filter(None, values))
            raise Misread(_("There is no “%(text)s”. Known ones: %(known)s.") % {"text": value[:60], "known": known})
        return value

    return read
