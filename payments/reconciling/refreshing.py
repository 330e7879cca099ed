"""Looking again at what differed: our books go on, bills come in any order, and what fits by now ends by itself."""

from collections.abc import Iterable, Sequence
from datetime import date

from django.db import transaction
from django.db.models import Q, QuerySet

from oms.common.money import yuan
from payments.models import (
    SETTLED_OUTCOMES,
    BillForm,
    BillMatch,
    BillRow,
    BillRowKind,
    BillSource,
    Outcome,
    Resolution,
)
from payments.reconciling import books, carriage, collected, days, judging, positions, recording
from payments.reconciling.books import Held
from payments.reconciling.lines import Line
from payments.reconciling.verdicts import Fresh, Verdict

# Rows for which nothing of ours was found.
_LOST = (Outcome.PAID_WITHOUT_ORDER, Outcome.REFUND_NOT_OURS, Outcome.UNIDENTIFIED, Outcome.NO_SHIPMENT)
# Rows whose amount our books may come to have.
_PENDING = (Outcome.PAID_BUT_PENDING, Outcome.STATE_DIFFERS, Outcome.AMOUNT_DIFFERS)


@transaction.atomic
def refresh() -> int:
    """Compare once more what has not ended; returns of how many the outcome changed. A few statements a source."""
    rows = BillMatch.objects.filter(resolution="", row__isnull=False)
    pending = Q(outcome__in=_PENDING) | (Q(outcome=Outcome.MATCHED) & ~Q(unexplained_fen=0))
    changed = [*_find_again(_locked(rows.filter(outcome__in=_LOST))), *_catch_up(_locked(rows.filter(pending)))]
    refresh_days(changed)
    return len(changed)


def refresh_days(matches: Iterable[BillMatch]) -> None:
    """Sum up the days of these matches anew."""
    by_connection: dict[int, set[date]] = {}
    for match in matches:
        by_connection.setdefault(match.source.connection_id, set()).add(match.day)
    for connection_id, touched in by_connection.items():
        days.refresh(connection_id, touched)


def _locked(matches: QuerySet[BillMatch]) -> list[BillMatch]:
    # Of a row that another transaction ends at this moment, that one says how.
    locked = matches.select_for_update(of=("self",), skip_locked=True)
    return list(locked.select_related("row", "source__connection").order_by("pk"))


def _find_again(matches: Sequence[BillMatch]) -> list[BillMatch]:
    """Look for what is ours of rows for which nothing was found."""
    by_source: dict[BillSource, list[BillMatch]] = {}
    for match in matches:
        by_source.setdefault(match.source, []).append(match)
    changed = []
    for source, lost in by_source.items():
        rows = [_fresh(match.row) for match in lost if match.row]
        verdicts = {verdict.row_id: verdict for verdict in judging.judge(source, rows)}
        carriage.record(rows, list(verdicts.values()))
        for match in lost:
            verdict = verdicts.get(match.row_id)
            if verdict and verdict.outcome != match.outcome:
                _take(match, verdict)
                recording.link_sales({match.pk: verdict.sales})
                recording.link_shares({match.pk: verdict.shares} if verdict.shares else {})
                changed.append(match)
    return _keep(changed)


def _fresh(row: BillRow) -> Fresh:
    line = Line(
        row.line,
        (),
        BillRowKind(row.kind),
        row.day,
        own_number=row.own_number,
        of_number=row.of_number,
        transaction_number=row.transaction_number,
        batch=row.batch,
        amount=yuan(row.amount_fen),
        fee=yuan(row.fee_fen),
        at=row.occurred_at,
        state=row.state,
        note=row.note,
        billed_g=row.billed_g,
    )
    return Fresh(row.pk, line, 0, row.day)


def _take(match: BillMatch, verdict: Verdict) -> None:
    match.outcome, match.difference_fen = verdict.outcome, verdict.difference_fen
    match.payment_id, match.refund_id = verdict.payment_id, verdict.refund_id
    match.counterpart_id = verdict.counterpart_id
    match.booked_fen, match.agreed_fee_fen = verdict.booked_fen, verdict.agreed_fee_fen


def _catch_up(matches: Sequence[BillMatch]) -> list[BillMatch]:
    """See what our books have by now of payments and refunds that rows stand for."""
    _add_cash([match for match in matches if match.source.form == BillForm.COD])
    payments = books.payments_of_matches({match.pk for match in matches})
    refunds = books.refunds({match.refund_id for match in matches if match.refund_id})
    changed = []
    for match in matches:
        held = payments.get(match.pk) or refunds.get(match.refund_id or 0)
        if held and held.is_over and held.moved_fen != match.booked_fen:
            compare(match, held)
            changed.append(match)
    return _keep(changed)


def _add_cash(matches: Sequence[BillMatch]) -> None:
    """Tie more payments to rows of remittances that came to more than our books had: other orders of the parcel (合单)
    are known to be delivered by now."""
    by_source: dict[BillSource, list[BillMatch]] = {}
    for match in matches:
        if match.row and match.payment_id and match.amount_fen > match.booked_fen:
            by_source.setdefault(match.source, []).append(match)
    for source, short in by_source.items():
        found = collected.cash(source, [_fresh(match.row) for match in short if match.row])
        taken = books.matched("payment", {held.id for own in found.values() for held in own})
        more: dict[int, list[int]] = {}
        for match in short:
            own = found.get(match.row_id or 0, ())
            if free := [held.id for held in own if held.id not in taken and held.id != match.payment_id]:
                more[match.pk] = free
        recording.link_shares(more)
        recording.end_missing([key for keys in more.values() for key in keys])


def compare(match: BillMatch, held: Held) -> None:
    """Note on the match what our books have, and what follows; does not save."""
    match.booked_fen = held.moved_fen
    if match.amount_fen == held.moved_fen:
        match.outcome, match.difference_fen = Outcome.MATCHED, 0
    else:
        sign = -1 if held.is_refund else 1
        match.outcome, match.difference_fen = Outcome.AMOUNT_DIFFERS, sign * (match.amount_fen - held.moved_fen)


def _keep(matches: list[BillMatch]) -> list[BillMatch]:
    """Store what changed: what fits ends by itself, the rest is booked as it stands now."""
    ended = [match for match in matches if match.outcome in SETTLED_OUTCOMES]
    if ended:
        recording.settle(ended, Resolution.BY_ITSELF)
    rest = [match for match in matches if match.outcome not in SETTLED_OUTCOMES]
    if rest:
        BillMatch.objects.bulk_update(rest, recording.COMPARED, batch_size=1_000)
        positions.book(recording.loaded([match.pk for match in rest]))
    return matches
