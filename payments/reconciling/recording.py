"""Keeping what came of a bill's rows: matches, their tickets, and what they come to in the ledger."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from django.db import connection
from django.utils import timezone

from oms.common.copying import array, copy_rows, next_ids, text_array
from payments.ledger import posting
from payments.models import BillMatch, BillSale, BillShare, BillSource, Outcome, Resolution
from payments.reconciling import positions, troubles
from payments.reconciling.positions import Matched
from payments.reconciling.verdicts import Verdict

_COLUMNS = (
    *(
        "id",
        "source_id",
        "day",
        "row_id",
        "key",
        "payment_id",
        "refund_id",
        "sub_order_id",
        "missed_by_id",
        "counterpart_id",
        "outcome",
    ),
    *("amount_fen", "difference_fen", "booked_fen", "agreed_fee_fen", "unexplained_fen", "entry_count"),
)
# What comparing finds out.
COMPARED = ("outcome", "difference_fen", "payment", "refund", "counterpart", "booked_fen", "agreed_fee_fen")
# So many entries of the ledger are booked at once.
_AT_ONCE = 5_000


def store(source: BillSource, verdicts: Sequence[Verdict], kinds: dict[int, str]) -> None:
    """Keep the verdicts as matches, book what they come to, and call people. `kinds`: of each row, by its id. A few
    statements, however many verdicts; needs an open transaction."""
    if not verdicts:
        return
    ids = next_ids("payments_billmatch", len(verdicts))
    merchants = _merchants(source, verdicts)
    rows, entries = [], []
    for key, verdict in zip(ids, verdicts, strict=True):
        match = Matched(
            key,
            source.form,
            source.connection.protocol,
            source.connection_id,
            kinds.get(verdict.row_id or 0, ""),
            verdict.outcome,
            Resolution.OPEN,
            verdict.amount_fen,
            verdict.fee_fen,
            verdict.agreed_fee_fen,
            verdict.booked_fen,
            merchant_id=merchants.get(verdict.payment_id or 0),
        )
        lines = positions.of(match)
        entry = positions.entry_of(match, lines, {})
        if entry:
            entries.append(entry)
        rows.append(
            (
                *(key, source.pk, verdict.day, verdict.row_id, verdict.key[:64]),
                *(verdict.payment_id, verdict.refund_id, verdict.sub_order_id, verdict.missed_by_id),
                verdict.counterpart_id,
                verdict.outcome.value,
                *(verdict.amount_fen, verdict.difference_fen, verdict.booked_fen, verdict.agreed_fee_fen),
                *(positions.unexplained_fen(lines), int(entry is not None)),
            )
        )
    copy_rows("payments_billmatch", _COLUMNS, rows)
    link_sales({key: verdict.sales for key, verdict in zip(ids, verdicts, strict=True) if verdict.sales})
    link_shares({key: verdict.shares for key, verdict in zip(ids, verdicts, strict=True) if verdict.shares})
    for start in range(0, len(entries), _AT_ONCE):
        posting.post(entries[start : start + _AT_ONCE])
    troubles.call_people(source, ids, verdicts)


def link_sales(sales: Mapping[int, Collection[int]]) -> None:
    """Note of matches (by id) which sales of gift cards (movements) they paid."""
    if sales:
        BillSale.objects.bulk_create(
            BillSale(match_id=match, movement_id=movement) for match, of in sales.items() for movement in of
        )


def link_shares(shares: Mapping[int, Collection[int]]) -> None:
    """Note of matches (by id) which payments (ids) they are about beside their own."""
    if shares:
        BillShare.objects.bulk_create(
            BillShare(match_id=match, payment_id=payment) for match, of in shares.items() for payment in of
        )


def _merchants(source: BillSource, verdicts: Sequence[Verdict]) -> dict[int, int]:
    """Who took the money of payments that a platform settles, by the payment's id."""
    ids = {verdict.payment_id for verdict in verdicts if verdict.payment_id}
    if not ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT p.id, h.merchant_id FROM payments_payment p JOIN orders_order o ON o.id = p.order_id
            JOIN merchants_channel h ON h.id = o.channel_id
            WHERE p.id = ANY(%s::bigint[]) AND p.connection_id IS NULL AND p.sub_order_id IS NULL
            """,
            [array(ids)],
        )
        return dict(cursor.fetchall())


def loaded(match_ids: Collection[int]) -> list[Matched]:
    """What the ledger has to know of these matches, in the order of their ids. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT m.id, s.form, c.protocol, c.id, coalesce(b.kind, ''), m.outcome, m.resolution, m.amount_fen,
                coalesce(b.fee_fen, 0), m.agreed_fee_fen, m.booked_fen, m.entry_count,
                (SELECT h.merchant_id FROM payments_payment p JOIN orders_order o ON o.id = p.order_id
                    JOIN merchants_channel h ON h.id = o.channel_id
                    WHERE p.id = m.payment_id AND p.connection_id IS NULL AND p.sub_order_id IS NULL),
                m.reason, m.resolved_by
            FROM payments_billmatch m JOIN payments_billsource s ON s.id = m.source_id
            JOIN common_connection c ON c.id = s.connection_id LEFT JOIN payments_billrow b ON b.id = m.row_id
            WHERE m.id = ANY(%s::bigint[]) ORDER BY m.id
            """,
            [array(match_ids)],
        )
        return [Matched(*row) for row in cursor.fetchall()]


def settle(matches: Sequence[BillMatch], resolution: Resolution, *, by: str = "", reason: str = "") -> None:
    """End these matches, which must be locked: what they come to is booked anew, their tickets are closed."""
    now = timezone.now()
    for match in matches:
        match.resolution, match.resolved_at, match.resolved_by, match.reason = resolution, now, by[:80], reason[:200]
    ids = [match.pk for match in matches]
    planned = {match.id: match for match in loaded(ids)}
    changed = [
        replace(
            planned[match.pk],
            outcome=match.outcome,
            resolution=resolution,
            agreed_fee_fen=match.agreed_fee_fen,
            booked_fen=match.booked_fen,
            reason=match.reason,
            actor=match.resolved_by,
        )
        for match in matches
    ]
    for match, plan in zip(matches, changed, strict=True):
        match.unexplained_fen = positions.unexplained_fen(positions.of(plan))
    BillMatch.objects.bulk_update(
        matches,
        [
            *("resolution", "resolved_at", "resolved_by", "reason", "unexplained_fen", *COMPARED),
        ],
        batch_size=1_000,
    )
    positions.book(changed)
    troubles.close(ids, by=by)
    troubles.close_missed({match.missed_by_id for match in matches if match.missed_by_id}, by=by)


def end_missing(payments: Collection[int], refunds: Collection[int] = (), parcels: Collection[str] = ()) -> None:
    """What was missed or expected of these payments and refunds (ids), and parcels (keys of matches), has come."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id FROM payments_billmatch WHERE row_id IS NULL AND resolution = ''
                AND (payment_id = ANY(%s::bigint[]) OR refund_id = ANY(%s::bigint[])
                     OR sub_order_id IS NOT NULL AND key = ANY(%s::text[]))
            """,
            [array(payments), array(refunds), text_array(parcels)],
        )
        ids = [key for (key,) in cursor.fetchall()]
    if ids:
        settle(list(BillMatch.objects.filter(pk__in=ids).order_by("pk")), Resolution.BY_ITSELF)


def miss(source: BillSource, matches: Sequence[BillMatch]) -> None:
    """What was expected in the next bill of the source is missed from now on; a ticket each."""
    for match in matches:
        match.outcome = Outcome.ORDER_WITHOUT_MONEY
    BillMatch.objects.bulk_update(matches, ["outcome"], batch_size=1_000)
    verdicts = [
        Verdict(
            match.day,
            match.key,
            Outcome.ORDER_WITHOUT_MONEY,
            match.amount_fen,
            match.difference_fen,
            about_id=match.order_id,
        )
        for match in matches
    ]
    troubles.call_people(source, [match.pk for match in matches], verdicts)
