"""Comparing what somebody else collected for us with our books: cash that a carrier remits, and what a platform took
and settles.

Cash is looked for by its waybill first, then by the order's number; a platform's row by the order's number alone.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence

from orders.asked import parcels
from payments.models import BillForm, BillSource, Outcome
from payments.reconciling import books
from payments.reconciling.books import Held
from payments.reconciling.verdicts import Fresh, Verdict, agreed_fee, of, unreadable_or_repeated


def judge(source: BillSource, rows: Sequence[Fresh]) -> list[Verdict]:
    """What came of each row. A handful of statements, however many rows."""
    verdicts = {row.id: verdict for row in rows if (verdict := unreadable_or_repeated(row))}
    rest = [row for row in rows if row.id not in verdicts]
    found = cash(source, rest) if source.form == BillForm.COD else _taken_by_platform(rest)
    taken = books.matched("payment", {held.id for own in found.values() for held in own})
    for row in rest:
        own = found.get(row.id, ())
        free = [held for held in own if held.id not in taken or row.line.amount_fen <= 0]
        verdicts[row.id] = _verdict(source, row, free or own, is_again=bool(own) and not free)
        if row.line.amount_fen > 0:
            taken |= {held.id: row.key for held in own}
    return [verdicts[row.id] for row in rows]


def _verdict(source: BillSource, row: Fresh, own: Sequence[Held], *, is_again: bool) -> Verdict:
    amount = row.line.amount_fen
    agreed = agreed_fee(source, amount, row.line.fee_fen)
    if not own:
        if not amount:
            # Refused at the door: nothing to remit.
            return of(row, Outcome.MATCHED)
        return of(row, Outcome.PAID_WITHOUT_ORDER if amount > 0 else Outcome.REFUND_NOT_OURS, abs(amount))
    ours: dict[str, int | None] = {"payment_id": own[0].id, "about_id": own[0].order_id}
    if is_again:
        return of(row, Outcome.DOUBLE_PAYMENT, amount, **ours)
    if amount < 0:
        return of(row, Outcome.REFUND_NOT_OURS, -amount, **ours)
    if not all(held.is_over for held in own):
        return of(row, Outcome.PAID_BUT_PENDING, amount, **ours)
    booked = sum(held.moved_fen for held in own)
    shares = tuple(held.id for held in own[1:])
    if amount != booked:
        return of(row, Outcome.AMOUNT_DIFFERS, amount - booked, **ours, booked_fen=booked, shares=shares)
    if row.line.fee_fen != agreed:
        difference = row.line.fee_fen - agreed
        return of(
            *(row, Outcome.FEE_DIFFERS, difference), **ours, booked_fen=booked, shares=shares, agreed_fee_fen=agreed
        )
    return of(row, Outcome.MATCHED, **ours, booked_fen=booked, shares=shares)


def cash(source: BillSource, rows: Sequence[Fresh]) -> dict[int, list[Held]]:
    """The cash that each row of a carrier's remittance is of, by the row's id: that of one order, or of all whose goods
    were in the parcel (合单). Without a waybill of ours it is looked for by the order's number."""
    known = parcels.find(waybills={row.line.own_number for row in rows})
    inside: dict[str, set[int]] = defaultdict(set)
    for parcel in known:
        # Another carrier may have given the same number to a parcel of its own.
        if parcel.connection_id in (None, source.connection_id):
            inside[parcel.waybill].add(parcel.sub_order_id)
    by_part = books.cash_of({part for parts in inside.values() for part in parts})
    first = _first_boxes(by_part) if any(len(parts) > 1 for parts in inside.values()) else {}
    found = {}
    for row in rows:
        parts = sorted(part for part in inside.get(row.line.own_number, ()) if part in by_part)
        # What is in several boxes is paid for with the first of them.
        mine = [part for part in parts if first.get(part, row.line.own_number) == row.line.own_number]
        if parts:
            found[row.id] = [by_part[part] for part in mine or parts]
    rest = [row for row in rows if row.id not in found]
    return found | _with_company(rest, _by_order(books.IN_CASH, rest))


def _first_boxes(sub_order_ids: Collection[int]) -> dict[int, str]:
    """The waybill of the first parcel with something of each sub-order."""
    boxes = parcels.find(sub_order_ids=sub_order_ids)
    return {parcel.sub_order_id: parcel.waybill for parcel in reversed(boxes)}


def _with_company(rows: Sequence[Fresh], found: dict[int, list[Held]]) -> dict[int, list[Held]]:
    """Of rows that name an order and come to more than its cash, the cash of all that was in its parcel, where that is
    what they come to."""
    more = [row for row in rows if row.id in found and row.line.amount_fen > found[row.id][0].asked_fen]
    if not more:
        return found
    owners = books.parts_of({found[row.id][0].id for row in more})
    boxes = parcels.find(sub_order_ids=set(owners.values()))
    company = parcels.find(waybills={box.waybill for box in boxes})
    inside: dict[str, set[int]] = defaultdict(set)
    for one in company:
        inside[one.waybill].add(one.sub_order_id)
    by_part = books.cash_of({one.sub_order_id for one in company})
    first = {parcel.sub_order_id: parcel.waybill for parcel in reversed(boxes)}
    for row in more:
        mine = found[row.id][0]
        waybill = first.get(owners.get(mine.id, 0), "")
        others = [by_part[part] for part in sorted(inside[waybill]) if part in by_part and by_part[part].id != mine.id]
        if mine.moved_fen + sum(held.moved_fen for held in others) == row.line.amount_fen:
            found[row.id] = [mine, *others]
    return found


def _taken_by_platform(rows: Sequence[Fresh]) -> dict[int, list[Held]]:
    return _by_order(books.BY_MERCHANT, rows)


def _by_order(which: str, rows: Sequence[Fresh]) -> dict[int, list[Held]]:
    """The payment of each row's order: the only one, or the only one of that amount."""
    payments = books.of_orders(which, {row.line.of_number for row in rows if row.line.of_number})
    found = {}
    for row in rows:
        of_order = payments.get(row.line.of_number, [])
        fits = [held for held in of_order if held.asked_fen == row.line.amount_fen]
        chosen = of_order if len(of_order) == 1 else fits
        if len(chosen) == 1:
            found[row.id] = chosen
    return found
