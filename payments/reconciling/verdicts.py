"""What came of a row of a bill, or of a payment or refund of ours that no bill has."""

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from payments.models import BillSource, Outcome
from payments.reconciling.lines import Line


@dataclass(frozen=True, slots=True)
class Fresh:
    """A row of a bill that was not read before; `copies` as in `reading.Read`."""

    id: int
    line: Line
    copies: int
    day: date

    @property
    def key(self) -> str:
        """Under which number people know it."""
        line = self.line
        return line.own_number or line.of_number or line.transaction_number or str(line.line)


@dataclass(frozen=True, slots=True)
class Verdict:
    """See `models.BillMatch`. `about_id` is the order, where it is known; `sales` are sales of gift cards (movements)
    that it paid, `shares` the payments that the row stands for beside `payment_id`; amounts in fen."""

    day: date
    key: str
    outcome: Outcome
    amount_fen: int = 0
    difference_fen: int | None = 0
    row_id: int | None = None
    fee_fen: int = 0
    agreed_fee_fen: int = 0
    booked_fen: int = 0
    payment_id: int | None = None
    refund_id: int | None = None
    counterpart_id: int | None = None
    about_id: int | None = None
    values: tuple[tuple[str, str], ...] = ()
    sales: tuple[int, ...] = ()
    shares: tuple[int, ...] = ()
    # Of freight: the parcel that it is for, whose sub-order no bill has, which bill missed it, and why another amount
    # was billed.
    parcel_id: int | None = None
    sub_order_id: int | None = None
    missed_by_id: int | None = None
    why: str = ""


def of(
    row: Fresh,
    outcome: Outcome,
    difference_fen: int | None = 0,
    **details: Any,
) -> Verdict:
    """The verdict on a row; the fee is taken as agreed unless `details` says otherwise."""
    line = row.line
    return Verdict(
        row.day,
        row.key,
        outcome,
        line.amount_fen,
        difference_fen,
        row.id,
        line.fee_fen,
        **{"agreed_fee_fen": line.fee_fen, **details},
    )


def unreadable_or_repeated(row: Fresh) -> Verdict | None:
    """The verdict on a row that could not be read, or that stood in the file before; None for all others."""
    if row.line.problem:
        return Verdict(
            row.day,
            row.key,
            Outcome.MALFORMED_ROW,
            difference_fen=None,
            row_id=row.id,
            values=(("line", str(row.line.line)), ("column", row.line.problem)),
        )
    if row.copies:
        return of(row, Outcome.DUPLICATE_ROW, abs(row.line.amount_fen))
    return None


def agreed_fee(source: BillSource, amount_fen: int, told_fen: int) -> int:
    """The fee on an amount that we agreed on, in fen, negative where it comes back with a refund; what the bill says
    where none was agreed on."""
    if source.fee_rate is None:
        return told_fen
    if not amount_fen:
        return 0
    share = int((Decimal(abs(amount_fen)) * source.fee_rate).quantize(Decimal(1), ROUND_HALF_UP))
    fee = max(share, source.fee_minimum_fen)
    return fee if amount_fen > 0 else -fee
