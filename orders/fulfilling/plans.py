"""What the allocate stage works out for one sub-order, before anything is written."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from inventory.sourcing import NOTHING_CHOSEN, Candidate, Choice, Want

# Why a warehouse is left out that sourcing would have asked: see `Choice.with_others`.
HAS_REFUSED = "refused"


@dataclass(slots=True)
class Plan:
    """One sub-order of the batch: what it wants, what sourcing chose, and what is short by SKU code."""

    id: int
    order_id: int
    number: str
    state: str
    merchant_id: int
    storage_class: str
    region_code: str | None
    # Warehouses (ids) that refused it and are no candidates any more.
    refused_by: Sequence[int] | None = None
    # What is set aside for its order (an id), if anything is.
    stock_hold_id: int | None = None
    wants: list[Want] = field(default_factory=list)
    candidates: Sequence[Candidate] = ()
    # Candidates that are none because they refused it before.
    refusing: Sequence[Candidate] = ()
    choice: Choice = NOTHING_CHOSEN
    shortage: dict[str, int] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether one warehouse sends all of it."""
        return len(self.choice.parts) == 1 and not self.choice.short
