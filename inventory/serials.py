"""Serial numbers of units that come in: one for each unit of a SKU that has them, and none that is a unit's already."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from django.db import connection
from django.utils.translation import gettext as _

from inventory.models import Receipt, ReceiptLine, ReceivedSerial, Sku
from inventory.models.serials import MOST_OF_A_SERIAL
from inventory.purchasing import Unloaded
from oms.common.copying import text_array
from oms.common.errors import FieldError, WrongFields

# A unit by its SKU (id) and serial number.
Unit = tuple[int, str]
_Find = Callable[[Collection[Unit]], Mapping[Unit, str]]
_answering: list[tuple[_Find, _Find]] = []


def register(packed: _Find, away: _Find) -> None:
    """Let the app that ships answer which units were packed at any time, and which of them left and are not back, each
    with the number of the warehouse order."""
    _answering[:] = [(packed, away)]


def split(text: str) -> list[str]:
    """The serial numbers in a text that somebody typed, apart by blanks, lines, commas or semicolons."""
    return [one for one in re.split(r"[\s,;，；、]+", text) if one]


def clean(numbers: Iterable[str]) -> list[str]:
    """Each number once, without blanks around it."""
    return list(dict.fromkeys(one for number in numbers if (one := number.strip())))


def lock(numbers: Iterable[str]) -> None:
    """Keep others from naming units with these serial numbers until the running transaction ends: rows of orders and
    warehouse orders are locked before, stock after. One statement; none for no numbers."""
    if wanted := sorted({number.strip() for number in numbers}):
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT pg_advisory_xact_lock(hashtextextended('serial:' || w.serial, 0))
                FROM (
                    SELECT serial FROM unnest(%s::text[]) AS u(serial) ORDER BY hashtextextended('serial:' || serial, 0)
                ) AS w
                """,
                [text_array(wanted)],
            )


def wrong_numbers(skus: Mapping[str, Sku], unloaded: Sequence[Unloaded]) -> list[FieldError]:
    """What is wrong with the serial numbers of rows in themselves; `skus` by what the rows call them."""
    wrong: list[FieldError] = []
    seen: set[Unit] = set()
    for row, one in enumerate(unloaded):
        if (sku := skus.get(one.sku)) is None:
            continue
        numbers = [number.strip() for number in one.serials]
        if numbers and not sku.wants_serials:
            text = _("%(sku)s has no serial numbers: leave them out.") % {"sku": sku.code}
            wrong.append(_error(row, "not_wanted", text))
            continue
        if sku.wants_serials and len(numbers) != one.units:
            text = _("Units: %(units)d, serial numbers: %(named)d. Name one for each unit of %(sku)s.")
            wrong.append(_error(row, "incomplete", text % {"units": one.units, "named": len(numbers), "sku": sku.code}))
        if any(not 1 <= len(number) <= MOST_OF_A_SERIAL for number in numbers):
            text = _("A serial number has 1 to %(most)d characters.") % {"most": MOST_OF_A_SERIAL}
            wrong.append(_error(row, "invalid", text))
        for number in numbers:
            if (sku.pk, number) in seen:
                text = _("%(serial)s is named twice.") % {"serial": number[:MOST_OF_A_SERIAL]}
                wrong.append(_error(row, "named_twice", text))
            seen.add((sku.pk, number))
    return wrong


def known_numbers(
    skus: Mapping[str, Sku], unloaded: Sequence[Unloaded], *, transfer_id: int | None = None
) -> list[FieldError]:
    """The serial numbers of rows that are those of other units; their rows are taken for right in themselves.
    `transfer_id`: they come from another warehouse, so they may be known there, but came not yet and did not leave."""
    rows = {
        (skus[one.sku].pk, number.strip()): row
        for row, one in enumerate(unloaded)
        if one.sku in skus
        for number in one.serials
    }
    found = _known(rows, transfer_id, None)
    return [_error(rows[unit], "known", text) for unit, text in found.items()]


@dataclass(frozen=True, slots=True)
class Kept:
    """What a warehouse told of goods that came, without the numbers that cannot be kept; and these, in words."""

    unloaded: Sequence[Unloaded]
    left_out: str


def keep_what_fits(
    skus: Mapping[str, Sku], unloaded: Sequence[Unloaded], *, reference: str, transfer_id: int | None = None
) -> Kept:
    """For goods that a system told, which cannot be asked: no row is refused for its serial numbers. Those beyond the
    units, named twice or of other units are left out; what `reference` brought itself is none of these. Numbers of SKUs
    that have none are dropped without a word, and which are missing is not asked."""
    told = [(row, skus[one.sku]) for row, one in enumerate(unloaded) if one.sku in skus and one.serials]
    mine = {row: [number.strip() for number in unloaded[row].serials] for row, sku in told if sku.wants_serials}
    units = [(skus[unloaded[row].sku].pk, number) for row, numbers in mine.items() for number in numbers]
    known = _known(dict.fromkeys(units, 0), transfer_id, reference)
    seen: set[Unit] = set()
    rows, left_out = [], []
    for row, one in enumerate(unloaded):
        fitting: list[str] = []
        for number in mine.get(row, ()):
            unit = skus[one.sku].pk, number
            if number and unit not in seen and unit not in known and len(fitting) < one.units:
                fitting.append(number)
            else:
                left_out.append(f"{one.sku} ({number})")
            seen.add(unit)
        rows.append(replace(one, serials=fitting))
    return Kept(rows, ", ".join(left_out))


def keep(lines: Sequence[ReceiptLine], numbers: Sequence[Sequence[str]], *, by_transfer: bool) -> None:
    """Write down the serial numbers of units that came, by line of the receipt. One statement; none for no numbers."""
    ReceivedSerial.objects.bulk_create(
        ReceivedSerial(line=line, sku_id=line.sku_id, serial=number.strip(), by_transfer=by_transfer)
        for line, mine in zip(lines, numbers, strict=True)
        for number in mine
    )


def of_receipt(receipt: Receipt) -> Counter[Unit]:
    """The units that came with the receipt, as far as their numbers were told."""
    return Counter(ReceivedSerial.objects.filter(line__receipt=receipt).values_list("sku_id", "serial"))


def require_unknown(skus: Mapping[str, Sku], unloaded: Sequence[Unloaded], *, transfer_id: int | None = None) -> None:
    """Keeps others from naming the same units until the running transaction ends. Raises WrongFields for numbers of
    other units, see `known_numbers`. Nothing is asked for no numbers."""
    lock(number for one in unloaded for number in one.serials)
    if wrong := known_numbers(skus, unloaded, transfer_id=transfer_id):
        raise WrongFields(wrong)


def _known(units: Collection[Unit], transfer_id: int | None, reference: str | None) -> dict[Unit, str]:
    """Why these are numbers of other units, in words."""
    if not units:
        return {}
    packed, away = _answering[0] if _answering else (_none, _none)
    came = ReceivedSerial.objects.filter(
        sku__in={sku for sku, _number in units}, serial__in={number for _sku, number in units}
    )
    came = came.filter(by_transfer=False) if transfer_id is None else came.filter(line__receipt__transfer=transfer_id)
    if reference is not None:
        came = came.exclude(line__receipt__reference=reference)
    text = _("%(serial)s came already, as %(number)s.")
    had = came.values_list("sku_id", "serial", "line__receipt__reference")
    found = {
        (sku, serial): text % {"serial": serial, "number": number}
        for sku, serial, number in had
        if (sku, serial) in units
    }
    text = _("%(serial)s is a unit that was packed as %(number)s. What comes back is booked as a return.")
    for unit, number in (packed if transfer_id is None else away)(units).items():
        found.setdefault(unit, text % {"serial": unit[1], "number": number})
    return found


def _none(_units: Collection[Unit]) -> Mapping[Unit, str]:
    return {}


def _error(row: int, code: str, text: str) -> FieldError:
    return FieldError(f"lines.{row}.serials", code, text)
