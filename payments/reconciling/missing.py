"""Payments and refunds that our books have, and no bill: what is missed, and what is only expected in the next one."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import connection

from oms.common.desk.counting import first_id_since
from oms.common.money import to_fen
from oms.common.zones import CHINA
from orders.asked import parcels
from payments.models import (
    BillForm,
    BillMatch,
    BillRow,
    BillSource,
    Means,
    Outcome,
    Payment,
    PaymentState,
    Refund,
    RefundState,
)
from payments.reconciling import books
from payments.reconciling.trades import NEAR
from payments.reconciling.verdicts import Verdict

# Nobody pays, and no carrier remits, later than so after we asked.
_LONGEST = timedelta(days=90)
_HAS_MATCH = "EXISTS (SELECT FROM payments_billmatch m WHERE m.{column}_id = {alias}.id)"
_HAS_SHARE = "EXISTS (SELECT FROM payments_billshare x WHERE x.payment_id = p.id)"
# Cut short, it stands in a bill all the same.
_IS_UNREADABLE = """EXISTS (SELECT FROM payments_billrow b WHERE b.source_id = %(source)s
    AND b.own_number = {alias}.number AND b.problem <> '')"""


def find(source: BillSource, first: date, last: date) -> list[Verdict]:
    """What of these days is in our books only. Two statements."""
    if source.form == BillForm.COD:
        return _cash(source, last)
    start, end = midnight(first), midnight(last + timedelta(days=1))
    # What the provider's clock had after midnight is in the next bill.
    late = end - NEAR
    values = {
        "source": source.pk,
        "start": start,
        "end": end,
        "payment": first_id_since(Payment, "created_at", start - _LONGEST),
        "refund": first_id_since(Refund, "created_at", start - _LONGEST),
    }
    which, paid = books.over(source.connection_id), f"r.connection_id = {int(source.connection_id)}"
    if source.form == BillForm.BANK:
        which = f"({which} OR {books.BY_TRANSFER})"
        # What finance paid by a transfer, whose number it recorded.
        paid += " OR EXISTS (SELECT FROM payments_payout u WHERE u.refund_id = r.id AND u.serial <> '')"
    payments = _rows(
        f"""
        SELECT p.id, p.number, p.order_id, p.captured_amount, p.captured_at, p.captured_amount FROM payments_payment p
        WHERE p.id >= %(payment)s AND {which} AND p.state = '{PaymentState.CAPTURED}'
          AND p.captured_at >= %(start)s AND p.captured_at < %(end)s
          AND NOT {_HAS_MATCH.format(column="payment", alias="p")} AND NOT {_IS_UNREADABLE.format(alias="p")}
        ORDER BY p.id
        """,
        values,
    )
    refunds = _rows(
        f"""
        SELECT r.id, r.number, r.order_id, -r.amount, moved.at, -r.refunded_amount FROM payments_refund r
        CROSS JOIN LATERAL (SELECT coalesce(r.succeeded_at, r.requested_at, r.created_at) AS at) AS moved
        WHERE r.id >= %(refund)s AND ({paid})
          AND r.state IN ('{RefundState.SUCCEEDED}', '{RefundState.REQUESTED}')
          AND moved.at >= %(start)s AND moved.at < %(end)s
          AND NOT {_HAS_MATCH.format(column="refund", alias="r")} AND NOT {_IS_UNREADABLE.format(alias="r")}
        ORDER BY r.id
        """,
        values,
    )
    return [
        *(_missed(row, late, payment_id=row[0]) for row in payments),
        *(_missed(row, late, refund_id=row[0]) for row in refunds),
    ]


def _missed(
    row: Sequence[Any], late: datetime, *, payment_id: int | None = None, refund_id: int | None = None
) -> Verdict:
    _key, number, order_id, amount, at, booked = row
    outcome = Outcome.NOT_YET_DUE if at >= late else Outcome.ORDER_WITHOUT_MONEY
    day = at.astimezone(CHINA).date()
    return Verdict(
        day,
        number,
        outcome,
        to_fen(amount),
        abs(to_fen(amount)),
        booked_fen=to_fen(booked),
        payment_id=payment_id,
        refund_id=refund_id,
        about_id=order_id,
    )


def _cash(source: BillSource, last: date) -> list[Verdict]:
    """Cash that the carrier collected longer ago than it has to remit it within."""
    until = midnight(last + timedelta(days=1)) - timedelta(days=source.days_to_remit)
    rows = _rows(
        f"""
        SELECT p.id, p.number, p.order_id, p.captured_amount, p.captured_at, p.captured_amount, p.sub_order_id
        FROM payments_payment p
        WHERE p.id >= %(payment)s AND p.means = '{Means.CASH}' AND p.state = '{PaymentState.CAPTURED}'
          AND p.captured_at < %(until)s AND p.captured_at >= %(since)s
          AND NOT {_HAS_MATCH.format(column="payment", alias="p")} AND NOT {_HAS_SHARE}
        ORDER BY p.id
        """,
        {
            "payment": first_id_since(Payment, "created_at", until - _LONGEST),
            "until": until,
            "since": until - _LONGEST,
        },
    )
    waybills = {
        parcel.sub_order_id: parcel.waybill
        for parcel in parcels.find(sub_order_ids={row[6] for row in rows})
        if parcel.connection_id == source.connection_id
    }
    # Cut short, they stand in a bill all the same.
    unreadable = set(
        BillRow.objects.filter(source=source, own_number__in=waybills.values())
        .exclude(problem="")
        .values_list("own_number", flat=True)
    )
    return [
        _missed([row[0], waybill, *row[2:6]], until, payment_id=row[0])
        for row in rows
        if (waybill := waybills.get(row[6])) and waybill not in unreadable
    ]


def overdue(source: BillSource, first: date) -> list[BillMatch]:
    """What was expected in the next bill and is not in it: bills of `first` and the day before were read."""
    waiting = BillMatch.objects.filter(source=source, outcome=Outcome.NOT_YET_DUE, day__lt=first, resolution="")
    return list(waiting.select_related("payment", "refund").order_by("pk"))


def midnight(day: date) -> datetime:
    """When the day begins in China."""
    return datetime.combine(day, time.min, tzinfo=CHINA)


def _rows(sql: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()
