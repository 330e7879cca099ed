"""Which lines of one merchant and storage class travel together, by split rules; pure.

Lines stay whole. The heaviest is placed first, each into the first bundle in which it fits; what is heavier than the
cap by itself travels alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from inventory.models.sourcing import SplitRule


class Line(NamedTuple):
    """A line of an order, with what all its units weigh and fill (0: not known)."""

    line_id: int
    storage_class: str
    category: str
    weight_g: int
    volume_cm3: int = 0


@dataclass(frozen=True, slots=True)
class Splits:
    """The split rules of a set. None: no cap; `alone` has pairs of class and beginning of a category, of which one may
    be empty; `apart` pairs of beginnings of categories."""

    most_g: int | None = None
    most_cm3: int | None = None
    alone: tuple[tuple[str, str], ...] = ()
    apart: tuple[tuple[str, str], ...] = ()

    def is_alone(self, line: Line) -> bool:
        """Whether the line travels by itself."""
        return any(
            (not storage_class or storage_class == line.storage_class) and line.category.startswith(category)
            for storage_class, category in self.alone
        )

    def sides(self, line: Line) -> frozenset[tuple[int, bool]]:
        """On which side of which pairs the line is."""
        found = set()
        for place, (these, those) in enumerate(self.apart):
            if line.category.startswith(these):
                found.add((place, True))
            elif line.category.startswith(those):
                found.add((place, False))
        return frozenset(found)


@dataclass(slots=True)
class _Bundle:
    lines: list[Line] = field(default_factory=list)
    weight_g: int = 0
    volume_cm3: int = 0
    sides: set[tuple[int, bool]] = field(default_factory=set)
    is_closed: bool = False

    def add(self, line: Line, sides: frozenset[tuple[int, bool]]) -> None:
        self.lines.append(line)
        self.weight_g += line.weight_g
        self.volume_cm3 += line.volume_cm3
        self.sides |= sides


def bundles(lines: Sequence[Line], splits: Splits) -> dict[int, int]:
    """The number of the bundle that each line (by id) travels in, from 0 in the order of the lines."""
    made: list[_Bundle] = []
    for line in sorted(lines, key=lambda one: (-one.weight_g, -one.volume_cm3, one.line_id)):
        sides = splits.sides(line)
        is_alone = splits.is_alone(line)
        found = None if is_alone else next((one for one in made if _fits(one, line, sides, splits)), None)
        if found is None:
            found = _Bundle(is_closed=is_alone)
            made.append(found)
        found.add(line, sides)
    place = {line.line_id: number for number, line in enumerate(lines)}
    made.sort(key=lambda one: min(place[line.line_id] for line in one.lines))
    return {line.line_id: number for number, one in enumerate(made) for line in one.lines}


def _fits(bundle: _Bundle, line: Line, sides: frozenset[tuple[int, bool]], splits: Splits) -> bool:
    if bundle.is_closed or any((place, not side) in bundle.sides for place, side in sides):
        return False
    if splits.most_g is not None and bundle.weight_g + line.weight_g > splits.most_g:
        return False
    return splits.most_cm3 is None or bundle.volume_cm3 + line.volume_cm3 <= splits.most_cm3


def splits_of(rows: Sequence[SplitRule]) -> Splits:
    """The stored rules as the engine takes them; of several caps the smallest counts."""
    kinds = SplitRule.Kind
    caps = {kind: min((row.most for row in rows if row.kind == kind and row.most), default=None) for kind in kinds}
    most_kg, most_litres = caps[kinds.WEIGHT], caps[kinds.VOLUME]
    return Splits(
        most_g=None if most_kg is None else int(most_kg * 1000),
        most_cm3=None if most_litres is None else int(most_litres * 1000),
        alone=tuple((row.storage_class, row.category) for row in rows if row.kind == kinds.ALONE),
        apart=tuple((row.category, row.other_category) for row in rows if row.kind == kinds.APART),
    )
