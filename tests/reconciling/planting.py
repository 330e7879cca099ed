"""The bills of a source, day by day, with the differences that were planted in them."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from payments.models import BillSource
from payments.reconciling import importing
from tests.reconciling.papers import Form, Paper, Row

CENT = Decimal("0.01")


@dataclass(slots=True)
class Bills:
    """What a source tells of each day. `fee` is the fee that was agreed on, of an amount."""

    source: BillSource
    form: Form
    fee: Callable[[Decimal], Decimal]
    chance: random.Random
    papers: dict[date, Paper] = field(default_factory=dict)
    planted: list[tuple[str, str]] = field(default_factory=list)  # number, and the outcome that must come of it

    def paper(self, day: date) -> Paper:
        """The bill of the day."""
        return self.papers.setdefault(day, Paper(self.form, day))

    def tell(self, row: Row) -> None:
        """The row as our books have it."""
        self.paper(row.at.date()).add(row)

    def plant(self, kind: str, row: Row) -> None:
        """The row, or what a difference of this kind makes of it: what our books do not have, or have otherwise, is as
        it is."""
        paper = self.paper(row.at.date())
        if kind == "amount_differs":
            # None becomes 0 by it.
            step = self.chance.choice([CENT, -CENT]) if abs(row.amount) > CENT else CENT.copy_sign(row.amount)
            paper.add(replace(row, amount=row.amount + step, fee=self.fee(row.amount + step)))
        elif kind == "fee_differs":
            paper.add(replace(row, fee=row.fee + CENT.copy_sign(row.amount)))
        elif kind == "state_differs":
            paper.add(replace(row, state="PROCESSING"))
        elif kind == "double_payment":
            paper.add(row)
            paper.add(replace(row, transaction=f"{row.transaction}X"))
        elif kind == "duplicate_row":
            paper.add(row)
            paper.repeat(row)
        elif kind == "malformed_row":
            paper.add_broken(row)
        elif kind != "order_without_money":
            paper.add(row)
        self.planted.append((row.number, kind))

    def read(self) -> None:
        """Read the bills, the first day first."""
        for day, paper in sorted(self.papers.items()):
            importing.import_bill(self.source.pk, paper.file(), file_name=f"{day}.csv", by="li", day=day)
