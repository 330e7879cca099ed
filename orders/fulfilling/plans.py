"""What the allocate stage works out for one sub-order, before anything is written."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from inventory.sourcing.asking import Step
from inventory.sourcing.choosing import NOTHING_CHOSEN, Choice
from inventory.sourcing.rules import REGION_FIRST, Candidate, Rules, Want
from orders.models import SubOrder


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
    channel_id: int | None = None
    # Warehouses (ids) that refused it and are no candidates any more.
    refused_by: Sequence[int] | None = None
    # What is set aside for its order (an id), if anything is.
    stock_hold_id: int | None = None
    # Warehouses (ids) that it was taken from, and the one that a person chose.
    avoids: Sequence[int] | None = None
    wished_id: int | None = None
    wants: list[Want] = field(default_factory=list)
    rules: Rules = REGION_FIRST
    # Whom each rule asks, and everybody whom one of them may ask, the preferred first.
    steps: Sequence[Step] = ()
    candidates: Sequence[Candidate] = ()
    # Candidates that are none because they refused it before.
    refusing: Sequence[Candidate] = ()
    choice: Choice = NOTHING_CHOSEN
    shortage: dict[str, int] = field(default_factory=dict)
    # Somebody before it took what was counted on: it is planned anew in the next batch.
    is_overtaken: bool = False

    @classmethod
    def of(cls, part: SubOrder) -> "Plan":
        """What a sub-order (with its order) is, without what it wants."""
        return cls(
            id=part.pk,
            order_id=part.order_id,
            number=part.number,
            state=part.state,
            merchant_id=part.merchant_id,
            storage_class=part.storage_class,
            region_code=part.order.region_id,
        )

    @property
    def is_whole(self) -> bool:
        """Whether one warehouse sends all of it."""
        return len(self.choice.parts) == 1 and not self.choice.short

    @property
    def short_text(self) -> str:
        """What is short, for the staff who read it."""
        return ", ".join(f"{sku} × {units}" for sku, units in self.shortage.items())
