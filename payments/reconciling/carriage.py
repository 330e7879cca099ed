"""Comparing carriers' freight bills with what parcels should cost: by waybill, all rows of one together.

A charge is negative, as money that leaves us; what the carrier gives back (claims) is positive. The largest row of a
parcel carries its difference.
"""

from collections.abc import Sequence
from datetime import datetime, time, timedelta

from oms.common.zones import CHINA
from orders.asked import freight
from orders.asked.freight import Billed, Carried
from payments.models import Bill, BillMatch, BillSource, Outcome
from payments.reconciling.verdicts import Fresh, Verdict, of, unreadable_or_repeated

# Parcels that left longer ago are not missed any more.
_LONGEST = timedelta(days=90)
# What the reasons of tickets tell apart of another amount.
OTHER_WEIGHT = "other_weight"


def judge(source: BillSource, rows: Sequence[Fresh]) -> list[Verdict]:
    """What came of each row. One statement, however many rows."""
    verdicts = {row.id: verdict for row in rows if (verdict := unreadable_or_repeated(row))}
    charges: dict[str, list[Fresh]] = {}
    for row in rows:
        if row.id in verdicts:
            continue
        if row.line.amount_fen > 0:
            verdicts[row.id] = of(row, Outcome.CREDIT, -row.line.amount_fen, booked_fen=row.line.amount_fen)
        else:
            charges.setdefault(row.line.own_number, []).append(row)
    known = _known(source, charges)
    for waybill, of_parcel in charges.items():
        verdicts.update(_of_parcel(of_parcel, known.get(waybill)))
    return [verdicts[row.id] for row in rows]


def _known(source: BillSource, waybills: dict[str, list[Fresh]]) -> dict[str, Carried]:
    books = freight.books()
    found = books.find(source.connection_id, list(waybills)) if books and waybills else ()
    return {parcel.waybill: parcel for parcel in found}


def _of_parcel(rows: Sequence[Fresh], parcel: Carried | None) -> dict[int, Verdict]:
    if parcel is None:
        return {row.id: of(row, Outcome.NO_SHIPMENT, -row.line.amount_fen) for row in rows}
    cost = -sum(row.line.amount_fen for row in rows)
    ours = {"about_id": parcel.order_id, "parcel_id": parcel.parcel_id}
    if parcel.billed_fen and cost == parcel.billed_fen:
        # An earlier bill has the same.
        return {row.id: of(row, Outcome.DUPLICATE_ROW, -row.line.amount_fen, about_id=parcel.order_id) for row in rows}
    found = {row.id: of(row, Outcome.MATCHED, booked_fen=row.line.amount_fen, **ours) for row in rows}
    difference = 0 if parcel.expected_fen is None else parcel.billed_fen + cost - parcel.expected_fen
    if difference:
        main = min(rows, key=lambda row: (row.line.amount_fen, row.id))
        counted = max(row.line.billed_g for row in rows)
        is_heavier = counted and parcel.counted_g is not None and counted != parcel.counted_g
        found[main.id] = of(
            main,
            Outcome.AMOUNT_DIFFERS,
            difference,
            booked_fen=main.line.amount_fen + difference,
            why=OTHER_WEIGHT if is_heavier else "",
            values=(("told_kg", f"{counted / 1000:g}"), ("our_kg", f"{(parcel.counted_g or 0) / 1000:g}")),
            **ours,
        )
    return found


def record(rows: Sequence[Fresh], verdicts: Sequence[Verdict]) -> None:
    """Note on the parcels what the bill has of them; each row once, when its parcel was found. A few statements."""
    books = freight.books()
    lines = {row.id: row.line for row in rows}
    billed = [
        Billed(verdict.parcel_id, -verdict.amount_fen, lines[verdict.row_id].billed_g)
        for verdict in verdicts
        if verdict.parcel_id and verdict.row_id in lines
    ]
    if books and billed:
        books.record(billed)


def missing(bill: Bill, rows: Sequence[Fresh], last: datetime) -> list[Verdict]:
    """Parcels of the carriers that the bill is about that left longer ago than the carrier has to bill them within, and
    are in no bill. Three statements."""
    source = bill.source
    books = freight.books()
    if books is None:
        return []
    waybills = {row.line.own_number for row in rows}
    carriers = {parcel.carrier_id for parcel in books.find(source.connection_id, waybills)}
    until = last - timedelta(days=source.days_to_remit)
    found = books.unbilled(source.connection_id, carriers, until - _LONGEST, until) if carriers else ()
    had = set(
        BillMatch.objects.filter(source=source, row__isnull=True, key__in=[one.waybill for one in found]).values_list(
            "key", flat=True
        )
    )
    return [_missed(parcel, bill) for parcel in found if parcel.waybill not in had]


def _missed(parcel: Carried, bill: Bill) -> Verdict:
    fen = parcel.expected_fen or 0
    day = (parcel.left_at or datetime.combine(datetime.now(CHINA).date(), time(0), CHINA)).astimezone(CHINA).date()
    return Verdict(
        day,
        parcel.waybill,
        Outcome.ORDER_WITHOUT_MONEY,
        -fen,
        fen,
        about_id=parcel.order_id,
        sub_order_id=parcel.sub_order_id,
        missed_by_id=bill.pk,
    )
