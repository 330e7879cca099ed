"""What the engine knows of goods, warehouses and rules. Frozen, and nothing of it is read from anywhere here."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

from inventory.models.sourcing import Need, OnNone, OnPartial, Sort

USUAL_SORTS: tuple[str, ...] = (Sort.PARCELS, Sort.DISTANCE)


class Candidate(NamedTuple):
    """A warehouse that may send goods of one kind to one region, `km` away as the crow flies."""

    warehouse_id: int
    code: str
    km: int


class Want(NamedTuple):
    """Units of a SKU that a line asks for."""

    line_id: int
    sku_id: int
    quantity: int


class Take(NamedTuple):
    """Units that a warehouse sends for a line."""

    line_id: int
    sku_id: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A warehouse as rules look at it. `serves`: provinces, empty for the whole country; `taken_permille`: of today's
    capacity. What depends on the day is as it was when the batch was read."""

    kind: str = ""
    serves: frozenset[str] = frozenset()
    is_open_today: bool = True
    has_room_today: bool = True
    taken_permille: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; see `inventory.models.SourcingRule`. Amounts are fen; empty collections mean any."""

    position: int
    storage_classes: frozenset[str] = frozenset()
    provinces: frozenset[str] = frozenset()
    min_value_fen: int | None = None
    max_value_fen: int | None = None
    warehouses: tuple[str, ...] = ()
    kinds: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    sorts: tuple[str, ...] = USUAL_SORTS
    parcel_km: int = 0
    max_parcels: int | None = None
    splits_lines: bool = True
    min_part_fen: int = 0
    on_partial: str = OnPartial.GO_ON
    on_none: str = OnNone.NEXT
    cancel_after: timedelta | None = None

    @property
    def asks_about_the_day(self) -> bool:
        """Whether what it chooses depends on how warehouses stand today."""
        return bool(self.needs & {Need.OPEN_TODAY, Need.ROOM_TODAY}) or Sort.BALANCE in self.sorts

    @property
    def asks_about_the_way(self) -> bool:
        """Whether what it chooses depends on when the parcel would arrive or what it would cost."""
        return Need.CUTOFF_MET in self.needs or Sort.PROMISE in self.sorts or Sort.FREIGHT in self.sorts

    @property
    def asks_for_values(self) -> bool:
        """Whether it looks at what the goods are worth."""
        return self.min_value_fen is not None or self.max_value_fen is not None or self.min_part_fen > 0


# Without slots: what follows from the rules is worked out once, and asked for each sub-order.
@dataclass(frozen=True)
class Rules:
    """An active rule set; 0 is the built-in one."""

    set_id: int
    rules: tuple[Rule, ...]
    moves_after_cutoff: bool = False

    @cached_property
    def asks_about_the_day(self) -> bool:
        """See Rule."""
        return any(rule.asks_about_the_day for rule in self.rules)

    @cached_property
    def asks_about_the_way(self) -> bool:
        """See Rule."""
        return any(rule.asks_about_the_way for rule in self.rules)

    @cached_property
    def asks_for_values(self) -> bool:
        """See Rule."""
        return any(rule.asks_for_values for rule in self.rules)

    @cached_property
    def takes_room(self) -> bool:
        """Whether who is chosen must have a place of its day."""
        return any(Need.ROOM_TODAY in rule.needs for rule in self.rules)


REGION_FIRST = Rules(
    0,
    (
        Rule(1, needs=frozenset({Need.SERVES_REGION})),
        Rule(2, on_partial=OnPartial.ALLOCATE, on_none=OnNone.BACKORDER),
    ),
)
WHOLE_COUNTRY = Rules(0, (Rule(1, on_partial=OnPartial.ALLOCATE, on_none=OnNone.BACKORDER),))


@dataclass(frozen=True, slots=True)
class Way:
    """How a parcel would go from a warehouse: whether before its cut-off of today, whether in time, at which freight
    (fen, None: no service goes there), and by when it would be there."""

    meets_cutoff: bool = True
    keeps_promise: bool = True
    freight_fen: int | None = 0
    latest_at: datetime | None = None

    def as_json(self) -> list[Any]:
        """As it is stored with a decision."""
        latest = self.latest_at.isoformat(timespec="seconds") if self.latest_at else None
        return [self.freight_fen, latest, int(self.keeps_promise), int(self.meets_cutoff)]
