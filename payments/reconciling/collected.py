"""Comparing what somebody else collected for us with our books: cash that a carrier remits, and what a platform took
and settles.

Cash is looked for by its waybill first, then by the order's number; a platform's row by the order's number alone.
"""

from collections.abc import Sequence

from orders.asked import parcels
from payments.models import BillForm, BillSource, Outcome
from payments.reconciling import books
from payments.reconciling.books import Held
from payments.reconciling.verdicts import Fresh, Verdict, agreed_fee, of, unreadable_or_repeated


def judge(source: BillSource, rows: Sequence[Fresh]) -> list[Verdict]:
    """What came of each row. A handful of statements, however many rows."""
    verdicts = {row.id: verdict for row in rows if (verdict := unreadable_or_repeated(row))}
    rest = [row for row in rows if row.id not in verdicts]
    found = _cash(source, rest) if source.form == BillForm.COD else _taken_by_platform(rest)
    taken = books.matched("payment", {held.id for held in found.values()})
    for row in rest:
        held = found.get(row.id)
        is_again = held is not None and held.id in taken and row.line.amount_fen > 0
        verdicts[row.id] = _verdict(source, row, held, is_again=is_again)
        if held and row.line.amount_fen > 0:
            taken.setdefault(held.id, row.key)
    return [verdicts[row.id] for row in rows]


def _verdict(source: BillSource, row: Fresh, held: Held | None, *, is_again: bool) -> Verdict:
    amount = row.line.amount_fen
    agreed = agreed_fee(source, amount, row.line.fee_fen)
    if held is None:
        if not amount:
            # Refused at the door: nothing to remit.
            return of(row, Outcome.MATCHED)
        return of(row, Outcome.PAID_WITHOUT_ORDER if amount > 0 else Outcome.REFUND_NOT_OURS, abs(amount))
    ours: dict[str, int | None] = {"payment_id": held.id, "about_id": held.order_id}
    if is_again:
        return of(row, Outcome.DOUBLE_PAYMENT, amount, **ours)
    if amount < 0:
        return of(row, Outcome.REFUND_NOT_OURS, -amount, **ours)
    if not held.is_over:
        return of(row, Outcome.PAID_BUT_PENDING, amount, **ours)
    ours["booked_fen"] = held.moved_fen
    if amount != held.moved_fen:
        return of(row, Outcome.AMOUNT_DIFFERS, amount - held.moved_fen, **ours)
    if row.line.fee_fen != agreed:
        return of(row, Outcome.FEE_DIFFERS, row.line.fee_fen - agreed, **ours, agreed_fee_fen=agreed)
    return of(row, Outcome.MATCHED, **ours)


def _cash(source: BillSource, rows: Sequence[Fresh]) -> dict[int, Held]:
    """The cash of each row, by the row's id."""
    known = parcels.find(waybills={row.line.own_number for row in rows})
    # Another carrier may have given the same number to a parcel of its own.
    sub_orders = {
        parcel.waybill: parcel.sub_order_id for parcel in known if parcel.connection_id in (None, source.connection_id)
    }
    cash = books.cash_of(set(sub_orders.values()))
    found = {row.id: held for row in rows if (held := cash.get(sub_orders.get(row.line.own_number, 0)))}
    return found | _by_order(books.IN_CASH, [row for row in rows if row.id not in found])


def _taken_by_platform(rows: Sequence[Fresh]) -> dict[int, Held]:
    return _by_order(books.BY_MERCHANT, rows)


def _by_order(which: str, rows: Sequence[Fresh]) -> dict[int, Held]:
    """The payment of each row's order: the only one, or the only one of that amount."""
    payments = books.of_orders(which, {row.line.of_number for row in rows if row.line.of_number})
    found = {}
    for row in rows:
        of_order = payments.get(row.line.of_number, [])
        fits = [held for held in of_order if held.asked_fen == row.line.amount_fen]
        chosen = of_order if len(of_order) == 1 else fits
        if len(chosen) == 1:
            found[row.id] = chosen[0]
    return found
