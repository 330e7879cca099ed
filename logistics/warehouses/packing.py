"""Parcels as warehouses report them, matched with those that we know. Nothing is read or written here.

What the warehouse says is in a parcel, and which waybill it carries, is so. A parcel of ours that turns out not to
exist loses its units; one that has none left is cancelled.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from logistics.carriers.recognising import UNNAMED
from logistics.models import ShipmentState
from logistics.warehouses.notices import ReportedLine, ReportedParcel

# What is told of one warehouse order, and whether it left.
Reports = Sequence[tuple[Sequence[ReportedParcel], bool]]


@dataclass(slots=True)
class Box:
    """A parcel while reports change it; without an id it is new. `units` by sub-order line; what left stays as it is,
    but for a parcel that left with nothing that we know.
    `carrier` is a carrier's code, empty while nobody knows; `weight_g` is 0 where nobody weighed it."""

    id: int | None = None
    carrier: str = ""
    waybill: str = ""
    state: ShipmentState = ShipmentState.CREATED
    has_left: bool = False
    weight_g: int = 0
    units: dict[int, int] = field(default_factory=dict)
    is_changed: bool = False
    is_labelled: bool = False
    is_matched: bool = False

    @property
    def exists(self) -> bool:
        """Whether it is, or will be, a parcel."""
        return self.state != ShipmentState.CANCELLED


@dataclass(slots=True)
class Packing:
    """The parcels of one warehouse order; `asked` are its units by sub-order line, `skus` its lines by SKU code.

    `leaving` are those that reports say left, `filled` those that had left with nothing that we know and of which a
    report says now what it was, `surplus` units by line that left beyond what was asked for, `serials`
    the serial numbers of units by line, each with the parcel that it was told of.
    """

    asked: Mapping[int, int]
    boxes: list[Box] = field(default_factory=list)
    leaving: list[Box] = field(default_factory=list)
    filled: list[Box] = field(default_factory=list)
    surplus: dict[int, int] = field(default_factory=dict)
    troubles: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    skus: dict[str, list[int]] = field(default_factory=dict)
    serials: list[tuple[int, str, Box | None]] = field(default_factory=list)

    def take(self, parcels: Sequence[ReportedParcel], *, leaves: bool) -> None:
        """Take a report into account: parcels, and whether they left."""
        for box in self.boxes:
            box.is_matched = False
        found = list(self._matched(parcels))
        self._note_serials(parcels, {id(parcel): box for parcel, box in found})
        before = [dict(box.units) for _parcel, box in found]
        open_ones = [(parcel, box) for parcel, box in found if not box.has_left or (leaves and not box.units)]
        told = [(parcel, box) for parcel, box in open_ones if parcel.lines]
        for _parcel, box in told:
            box.units = {}
        for parcel, box in told:
            self._fill(box, parcel, leaves=leaves)
        for parcel, box in open_ones:
            if not parcel.lines:
                self._add_the_rest(box)
        self.filled += [box for _parcel, box in open_ones if box.has_left and box.units]
        self._shrink_others()
        for (parcel, box), units in zip(found, before, strict=True):
            if parcel.weight_g or box.units != units:
                box.weight_g = parcel.weight_g
        if leaves:
            self.leaving += [box for _parcel, box in found if box not in self.leaving]

    def _matched(self, parcels: Sequence[ReportedParcel]) -> Iterator[tuple[ReportedParcel, Box]]:
        known = {id(parcel): box for parcel in parcels if (box := self._by_waybill(parcel)) is not None}
        for box in known.values():
            box.is_matched = True
        for parcel in parcels:
            if parcel.lines and not any(line.quantity for line in parcel.lines):
                continue
            box = known.get(id(parcel)) or self._without_waybill(parcel) or self._new(parcel)
            if box is not None:
                box.is_matched = True
                self._label(box, parcel)
                yield parcel, box

    def _by_waybill(self, parcel: ReportedParcel) -> Box | None:
        for box in self.boxes:
            if parcel.waybill and box.waybill == parcel.waybill and parcel.carrier in ("", box.carrier):
                return box
        return None

    def _without_waybill(self, parcel: ReportedParcel) -> Box | None:
        """The parcel of ours that the report means: one that waits for a waybill, or any that is still here."""
        free = [box for box in self.boxes if box.exists and not box.is_matched]
        if parcel.waybill:
            free = [box for box in free if not box.waybill]
        return next((box for box in free if not box.has_left), free[0] if parcel.waybill and free else None)

    def _new(self, parcel: ReportedParcel) -> Box | None:
        """A parcel that we did not know; none where a report without a waybill repeats what left already."""
        if not parcel.waybill and not any(self._room(line) for line in self.asked):
            return None
        box = Box()
        self.boxes.append(box)
        return box

    @staticmethod
    def _label(box: Box, parcel: ReportedParcel) -> None:
        box.is_changed = True
        if parcel.waybill and (box.waybill != parcel.waybill or not box.exists):
            box.waybill, box.is_labelled = parcel.waybill, True
            box.carrier = parcel.carrier or box.carrier or UNNAMED
            if box.state in (ShipmentState.CREATED, ShipmentState.CANCELLED):
                box.state = ShipmentState.WAYBILL_ISSUED

    def _room(self, line: int) -> int:
        """Units of a line that are in no parcel that left or that the report is about."""
        return self.asked[line] - sum(
            box.units.get(line, 0) for box in self.boxes if box.exists and (box.has_left or box.is_matched)
        )

    def _add_the_rest(self, box: Box) -> None:
        """What the report is about is in it, as far as it is in no other parcel."""
        for line in self.asked:
            room = self._room(line)
            if room > 0:
                box.units[line] = box.units.get(line, 0) + room

    def _fill(self, box: Box, parcel: ReportedParcel, *, leaves: bool) -> None:
        unknown = []
        for told in parcel.lines:
            lines = self.meant(told)
            if not lines:
                unknown.append(f"{told.line or told.sku} × {told.quantity}")
                continue
            left = told.quantity
            for line in lines:
                units = min(left, self._room(line))
                if units > 0:
                    box.units[line] = box.units.get(line, 0) + units
                    left -= units
            # Of what left before it was said already.
            if left and leaves and not box.has_left:
                self.surplus[lines[-1]] = self.surplus.get(lines[-1], 0) + left
        if unknown and not box.has_left:
            self.troubles.append(("unknown_line", {"lines": ", ".join(unknown)}))

    def _note_serials(self, parcels: Sequence[ReportedParcel], boxes: Mapping[int, Box]) -> None:
        for parcel in parcels:
            for line in parcel.lines:
                meant = self.meant(line) if line.serials else ()
                named = (serial.strip() for serial in line.serials if meant)
                self.serials += [(meant[0], serial, boxes.get(id(parcel))) for serial in named if serial]

    def meant(self, told: ReportedLine) -> Sequence[int]:
        """The line that is named, or else those of the SKU."""
        line = int(told.line) if told.line.isascii() and told.line.isdigit() else 0
        return [line] if line in self.asked else self.skus.get(told.sku, [])

    def _shrink_others(self) -> None:
        """Units that turned out to be elsewhere leave the parcels that the report was not about."""
        for box in self.boxes:
            if box.is_matched or box.has_left or not box.exists:
                continue
            kept = {line: min(units, max(self._room(line), 0)) for line, units in box.units.items()}
            kept = {line: units for line, units in kept.items() if units}
            box.is_changed |= kept != box.units
            box.units = kept
            # What is in it counts for the next one.
            box.is_matched = True
            if not kept:
                box.state = ShipmentState.CANCELLED
                if box.waybill:
                    self.troubles.append(("other_waybill", {"ours": box.waybill, "waybill": self._newest_waybill()}))

    def _newest_waybill(self) -> str:
        return next((box.waybill for box in reversed(self.boxes) if box.is_labelled), "–")
