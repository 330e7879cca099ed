"""Comparing a provider's trade bill with our payments and refunds over its connection.

A row is first looked for by our own number, then by the provider's; by amount and time only where it names no number of
ours at all. What names a number that we do not know is nobody's: guessing would hide it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from payments.models import BillForm, BillRowKind, BillSource, Outcome
from payments.reconciling import books
from payments.reconciling.books import Held
from payments.reconciling.verdicts import Fresh, Verdict, agreed_fee, of, unreadable_or_repeated

# So far apart the clocks of a provider and ours may be.
NEAR = timedelta(minutes=10)
_FINAL = frozenset({"", "SUCCESS"})


def judge(source: BillSource, rows: Sequence[Fresh]) -> list[Verdict]:
    """What came of each row. A handful of statements, however many rows."""
    verdicts = {row.id: verdict for row in rows if (verdict := unreadable_or_repeated(row))}
    payments = [row for row in rows if row.id not in verdicts and row.line.kind == BillRowKind.PAYMENT]
    refunds = [row for row in rows if row.id not in verdicts and row.line.kind == BillRowKind.REFUND]
    verdicts |= _judge_payments(source, payments) | _judge_refunds(source, refunds)
    return [verdicts[row.id] for row in rows]


def _judge_payments(source: BillSource, rows: Sequence[Fresh]) -> dict[int, Verdict]:
    found = _payments_of(source, rows)
    ids = {held.id for held in found.values()}
    taken = books.matched("payment", ids)
    again = books.paid_again({held.order_id for held in found.values()})
    verdicts = {}
    # The payment's own transaction first, wherever it stands in the file: what differs from it is the double.
    for row in sorted(rows, key=lambda row: row.id in found and _is_other(row, found[row.id])):
        held = found.get(row.id)
        verdicts[row.id] = _payment(source, row, held, taken, again)
        if held:
            taken.setdefault(held.id, row.line.transaction_number)
    return verdicts


def _payment(
    source: BillSource, row: Fresh, held: Held | None, taken: dict[int, str], again: Collection[int]
) -> Verdict:
    amount = row.line.amount_fen
    if held is None:
        return of(row, Outcome.PAID_WITHOUT_ORDER, amount)
    ours: dict[str, int | None] = {"payment_id": held.id, "about_id": held.order_id}
    if held.id in taken:
        is_other = taken[held.id] != row.line.transaction_number
        return of(row, Outcome.DOUBLE_PAYMENT if is_other else Outcome.DUPLICATE_ROW, amount, **ours)
    agreed = agreed_fee(source, amount, row.line.fee_fen)
    if not held.is_over:
        return of(row, Outcome.PAID_BUT_PENDING, amount, **ours)
    ours["booked_fen"] = held.moved_fen
    if amount != held.moved_fen:
        return of(row, Outcome.AMOUNT_DIFFERS, amount - held.moved_fen, **ours)
    if held.id in again:
        return of(row, Outcome.DOUBLE_PAYMENT, amount, **ours)
    return _with_fee(row, agreed, ours)


def _with_fee(row: Fresh, agreed: int, ours: dict[str, int | None]) -> Verdict:
    """Matched, unless the fee is another one."""
    if row.line.fee_fen != agreed:
        difference = abs(row.line.fee_fen) - abs(agreed)
        return of(row, Outcome.FEE_DIFFERS, difference, **ours, agreed_fee_fen=agreed)
    return of(row, Outcome.MATCHED, **ours)


def _payments_of(source: BillSource, rows: Sequence[Fresh]) -> dict[int, Held]:
    """Our payment for each row that has one, by the row's id."""
    link = source.connection_id
    by_number = books.payments_by_number(link, {row.line.own_number for row in rows if row.line.own_number})
    found = {row.id: by_number[row.line.own_number] for row in rows if row.line.own_number in by_number}
    # What was paid once more under one number of ours is a payment of its own.
    others = [row for row in rows if row.id in found and _is_other(row, found[row.id])]
    rest = [row for row in rows if row.id not in found]
    by_transaction = books.payments_by_transaction(link, {row.line.transaction_number for row in [*others, *rest]})
    found |= {row.id: held for row in [*others, *rest] if (held := by_transaction.get(row.line.transaction_number))}
    return found | _by_amount_and_time(link, [row for row in rest if row.id not in found and not row.line.own_number])


def _is_other(row: Fresh, held: Held) -> bool:
    number = row.line.transaction_number
    return bool(number and held.transaction_number) and number != held.transaction_number


def _by_amount_and_time(connection_id: int, rows: Sequence[Fresh]) -> dict[int, Held]:
    times = [row.line.at for row in rows if row.line.at]
    if not times:
        return {}
    amounts = {row.line.amount_fen for row in rows}
    near: dict[int, list[tuple[datetime, Held]]] = {}
    for held in books.payments_near(connection_id, amounts, min(times) - NEAR, max(times) + NEAR):
        if held.at:
            near.setdefault(held.moved_fen, []).append((held.at, held))
    for of_amount in near.values():
        of_amount.sort(key=_at)
    found = {}
    for row in rows:
        if not row.line.at:
            continue
        of_amount = near.get(row.line.amount_fen, [])
        first = bisect_left(of_amount, row.line.at - NEAR, key=_at)
        # Two that fit are none: a person must choose.
        if bisect_right(of_amount, row.line.at + NEAR, key=_at) == first + 1:
            found[row.id] = of_amount[first][1]
    return found


def _at(timed: tuple[datetime, Held]) -> datetime:
    return timed[0]


def _judge_refunds(source: BillSource, rows: Sequence[Fresh]) -> dict[int, Verdict]:
    link = source.connection_id
    by_number = books.refunds_by_number(link, {row.line.own_number for row in rows})
    rest = {row.line.transaction_number for row in rows if row.line.own_number not in by_number}
    # Alipay's number is that of the payment, whatever the refund.
    by_transaction = books.refunds_by_transaction(link, rest) if source.form == BillForm.WECHAT_TRADE else {}
    found = {
        row.id: held
        for row in rows
        if (held := by_number.get(row.line.own_number) or by_transaction.get(row.line.transaction_number))
    }
    taken = books.matched("refund", {held.id for held in found.values()})
    verdicts = {}
    for row in rows:
        held = found.get(row.id)
        verdicts[row.id] = _refund(source, row, held if held and held.id not in taken else None)
        if held:
            taken.setdefault(held.id, row.line.transaction_number)
    return verdicts


def _refund(source: BillSource, row: Fresh, held: Held | None) -> Verdict:
    amount = row.line.amount_fen
    if held is None:
        return of(row, Outcome.REFUND_NOT_OURS, -amount)
    ours: dict[str, int | None] = {"refund_id": held.id, "about_id": held.order_id, "booked_fen": held.moved_fen}
    expected = held.moved_fen if held.is_over else held.asked_fen
    if amount != expected:
        return of(row, Outcome.AMOUNT_DIFFERS, expected - amount, **ours)
    # What a bill says of a refund's state is how it was when the bill was written.
    if held.is_over != (row.line.state in _FINAL):
        return of(row, Outcome.STATE_DIFFERS, **ours)
    return _with_fee(row, agreed_fee(source, amount, row.line.fee_fen), ours)
