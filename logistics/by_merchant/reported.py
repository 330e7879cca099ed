"""What a merchant reports of parcels that left, and what came of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from oms.common.errors import FieldError


@dataclass(frozen=True, slots=True)
class Leaving:
    """A parcel that left: `number` of the warehouse order or of a sub-order in it, `carrier` by code or name.

    `units` by SKU code; empty: all that is in no other parcel. Without carrier and waybill the parcels go with the
    waybills that they have. `is_last`: what is in no parcel will not leave at all. `weight_g`: 0 where nobody weighed.
    `serials` by SKU code, of SKUs that have serial numbers; the code may be empty where the order has one such SKU.
    """

    number: str
    carrier: str = ""
    waybill: str = ""
    units: Mapping[str, int] = field(default_factory=dict)
    weight_g: int = 0
    is_last: bool = False
    serials: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(slots=True)
class Outcome:
    """What came of a parcel; `errors` say why it was refused. `is_known`: it was reported before, word for word.
    `serials` are the serial numbers of its units, by SKU code."""

    leaving: Leaving
    errors: list[FieldError] = field(default_factory=list)
    is_known: bool = False
    work_id: int | None = None
    serials: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """Whether it counts."""
        return not self.errors

    def refuse(self, attr: str, code: str, detail: str) -> None:
        """Say what is wrong."""
        self.errors.append(FieldError(attr, code, detail))


@dataclass(frozen=True, slots=True)
class Line:
    """Units of a SKU in a warehouse order, and how many of them are in no parcel that left."""

    line: int
    sku: str
    here: int
    sku_id: int
    wants_serials: bool
