"""Taking in a bill: its rows are kept as they are, compared with our books, booked, and what differs becomes a ticket.

All of it is one transaction; a bill that is refused changes nothing, and one that was read before neither.
"""

import base64
import gzip
import hashlib
from collections.abc import Sequence
from datetime import date, timedelta

from django.db import transaction

from oms.common import secrecy
from oms.common.copying import copy_rows, next_ids
from payments.models import Bill, BillForm, BillMatch, BillRow, BillSource, Outcome, Resolution
from payments.reconciling import carriage, days, judging, missing, recording, refreshing
from payments.reconciling.lines import Line
from payments.reconciling.reading import Read, read_bill
from payments.reconciling.verdicts import Fresh

# What our books have and these have not is missed.
_COMPLETE = (BillForm.ALIPAY_TRADE, BillForm.WECHAT_TRADE, BillForm.COD, BillForm.BANK)
_COLUMNS = (
    *("id", "bill_id", "source_id", "day", "key", "line", "kind", "own_number", "of_number", "transaction_number"),
    *("batch", "amount_fen", "fee_fen", "billed_g", "occurred_at", "state", "note", "problem"),
)


@transaction.atomic
def import_bill(source_id: int, content: bytes, *, file_name: str, by: str, day: date | None = None) -> Bill:
    """Read a file of the source, of `day` as the person says (None: as the file says); returns the bill, which is the
    one from before where the same file was read already.

    Raises RefusedBill (see `reading.read_bill`) and BillSource.DoesNotExist; then nothing was changed.
    """
    # One file of a source at a time: the next one has to see what this one found.
    source = BillSource.objects.select_for_update(of=("self",)).select_related("connection").get(pk=source_id)
    read = read_bill(source, content, day)
    digest = hashlib.sha256(read.content).hexdigest()
    known = Bill.objects.filter(source=source, digest=digest).first()
    if known:
        return known
    bill = Bill.objects.create(
        source=source,
        day=read.first_day,
        last_day=read.last_day,
        file_name=file_name[-200:],
        digest=digest,
        content=_sealed(read.content),
        row_count=len(read.lines),
        read_by=by[:80],
    )
    fresh = _store_rows(bill, read)
    Bill.objects.filter(pk=bill.pk).update(new_row_count=len(fresh))
    _compare(bill, read, fresh)
    return bill


def _compare(bill: Bill, read: Read, fresh: Sequence[Fresh]) -> None:
    source = bill.source
    form = BillForm(source.form)
    verdicts = judging.judge(source, fresh)
    came = [verdict for verdict in verdicts if verdict.row_id]
    recording.end_missing(
        [key for verdict in came for key in (verdict.payment_id, *verdict.shares) if key],
        [verdict.refund_id for verdict in came if verdict.refund_id],
        [verdict.key for verdict in came if verdict.parcel_id],
    )
    _end_unreadable(source, fresh)
    recording.store(source, verdicts, {row.id: row.line.kind for row in fresh})
    if form == BillForm.FREIGHT:
        carriage.record(fresh, verdicts)
        recording.store(source, carriage.missing(bill, fresh, missing.midnight(read.last_day + timedelta(days=1))), {})
    if form in _COMPLETE:
        recording.miss(source, missing.overdue(source, read.first_day))
        recording.store(source, missing.find(source, read.first_day, read.last_day), {})
    refreshing.refresh()
    span = (read.last_day - read.first_day).days + 1
    days.refresh(source.connection_id, [read.first_day + timedelta(days=step) for step in range(span)])


def _sealed(content: bytes) -> bytes:
    """The file as it is kept: who paid stands in it."""
    return secrecy.seal(base64.b64encode(gzip.compress(content, 6)).decode())


def file_of(bill: Bill) -> bytes:
    """The file of the bill, as it was read."""
    return gzip.decompress(base64.b64decode(secrecy.unseal(bill.content)))


def _store_rows(bill: Bill, read: Read) -> list[Fresh]:
    """Keep the rows that no earlier file of these days had; returns them."""
    keyed = [(_day(line, read), _key(line, copies), line, copies) for line, copies in read.lines]
    had = set(
        BillRow.objects.filter(source_id=bill.source_id, day__range=(read.first_day, read.last_day)).values_list(
            "day", "key"
        )
    )
    new = [row for row in keyed if row[:2] not in had]
    ids = next_ids("payments_billrow", len(new)) if new else []
    copy_rows(
        "payments_billrow",
        _COLUMNS,
        (
            (
                *(row_id, bill.pk, bill.source_id, day, key, line.line, line.kind.value, line.own_number[:64]),
                *(line.of_number[:64], line.transaction_number[:64], line.batch[:64], line.amount_fen, line.fee_fen),
                line.billed_g,
                *(line.at, line.state[:40], line.note[:200], line.problem[:80]),
            )
            for row_id, (day, key, line, copies) in zip(ids, new, strict=True)
        ),
    )
    return [Fresh(row_id, line, copies, day) for row_id, (day, _key, line, copies) in zip(ids, new, strict=True)]


def _day(line: Line, read: Read) -> date:
    """The day of the bill that the row counts for: a refund that was taken in before it counts when it is billed."""
    return min(max(line.day or read.first_day, read.first_day), read.last_day)


def _key(line: Line, copies: int) -> str:
    digest = hashlib.sha256("\x1f".join(line.cells).encode()).hexdigest()[:32]
    return f"{digest}#{copies + 1}" if copies else digest


def _end_unreadable(source: BillSource, fresh: Sequence[Fresh]) -> None:
    """Rows that could not be read are there whole now."""
    whole = [row.line.own_number for row in fresh if not row.line.problem and row.line.own_number]
    unread = BillMatch.objects.filter(source=source, outcome=Outcome.MALFORMED_ROW, resolution="")
    matches = list(unread.filter(key__in=whole)) if unread.exists() else []
    if matches:
        recording.settle(matches, Resolution.BY_ITSELF)
