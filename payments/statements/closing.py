"""Closing a period, approving and paying a statement, and what people add to a settlement by hand.

A closed statement never changes: the database refuses it. What comes later about old orders is a row in the open
period. There is no reopening.
"""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Max, Min
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from oms.common.money import to_fen
from oms.merchants.models import Merchant
from orders.actors import Actor
from payments.ledger import posting
from payments.ledger.chart import Code
from payments.models import EntryKind, RowKind, SettlementRow, Statement, StatementState
from payments.models.settlement import BY_HAND
from payments.statements import deposits

logger = logging.getLogger(__name__)

_FROZEN = "payments_settlementrow_frozen"
# What makes a row of a statement; the hash is over these, in the order of the rows.
HASHED = (
    *("key", "kind", "order_id", "sub_order_id", "line_id", "quantity", "goods_amount", "platform_amount"),
    *("freight_amount", "rate", "commission_amount", "other_amount", "net_amount", "due_on"),
)


@dataclass(frozen=True, slots=True)
class Span:
    """The days [`starts_on`, `ends_on`) of a period."""

    starts_on: date
    ends_on: date


def span_of(period: str, day: date) -> Span:
    """The period in which the day lies: a day, a week from Monday on, or a month."""
    if period == Merchant.SettlementPeriod.MONTHLY:
        first = day.replace(day=1)
        return Span(first, (first + timedelta(days=32)).replace(day=1))
    if period == Merchant.SettlementPeriod.WEEKLY:
        monday = day - timedelta(days=day.weekday())
        return Span(monday, monday + timedelta(days=7))
    return Span(day, day + timedelta(days=1))


def close_over(merchant: Merchant, today: date, *, actor: Actor) -> list[Statement]:
    """Close every period of the merchant that is over, the oldest first; returns the statements made. Raises OmsError
    where somebody else closed one meanwhile."""
    return [close(merchant.pk, span, actor=actor) for span in list(_spans_to_close(merchant, today))]


def close_due(*, actor: Actor) -> int:
    """Close what is over of all merchants, each by its own term; returns how many statements were made.

    Safe at any time and however often: a period is closed once. After a stop of days each missing period gets a
    statement of its own, the oldest first.
    """
    today, made = timezone.localdate(), 0
    waiting = SettlementRow.objects.filter(statement=None, due_on__lt=today).order_by().values("merchant")
    for merchant in Merchant.objects.filter(pk__in=waiting).order_by("pk"):
        try:
            made += len(close_over(merchant, today, actor=actor))
        except OmsError as refusal:
            # Somebody else closes them just now; what is left is closed the next time.
            logger.info("periods of merchant %s were not closed: %s", merchant.code, refusal)
    return made


def _spans_to_close(merchant: Merchant, today: date) -> Iterator[Span]:
    """The periods of the merchant that are over and have something to close, the oldest first."""
    open_rows = SettlementRow.objects.filter(merchant=merchant, statement=None)
    last_end = Statement.objects.filter(merchant=merchant).aggregate(last=Max("ends_on"))["last"]
    first = open_rows.aggregate(first=Min("due_on"))["first"]
    while first is not None:
        # What is due on a day whose period is closed already belongs to the next one.
        span = span_of(merchant.settlement_period, max(first, last_end) if last_end else first)
        if span.ends_on > today:
            return
        yield span
        first = open_rows.filter(due_on__gte=span.ends_on).aggregate(first=Min("due_on"))["first"]
        last_end = span.ends_on


@transaction.atomic
def close(merchant_id: int, span: Span, *, actor: Actor) -> Statement:
    """Make the statement of the period: all open rows due before its end are frozen in it. What is below 0 of the one
    before is carried over.

    Raises OmsError for a period that is not over, that begins before the last statement ends, or that has no rows.
    """
    merchant = Merchant.objects.select_for_update(no_key=True).get(pk=merchant_id)
    if span.ends_on > timezone.localdate():
        raise OmsError(_("The period is not over yet."))
    before = Statement.objects.filter(merchant=merchant).order_by("-ends_on").first()
    if before and span.starts_on < before.ends_on:
        raise OmsError(_("Statement %(number)s covers days of this period already.") % {"number": before.number})
    rows = SettlementRow.objects.filter(merchant=merchant, statement=None, due_on__lt=span.ends_on)
    rows = rows.order_by("id").select_for_update(no_key=True, of=("self",))
    frozen = list(rows.values_list("pk", "net_amount", *HASHED))
    if not frozen:
        raise OmsError(_("Nothing is due in this period."))
    opening = before.carried_amount if before else Decimal(0)
    total = sum((net for _pk, net, *_rest in frozen), Decimal(0))
    statement = Statement.objects.create(
        number=f"ST-{merchant.code}-{span.starts_on:%Y%m%d}",
        merchant=merchant,
        starts_on=span.starts_on,
        ends_on=span.ends_on,
        opening_amount=opening,
        rows_amount=total,
        total_amount=opening + total,
        row_count=len(frozen),
        row_hash=hash_of([rest for _pk, _net, *rest in frozen]),
        closed_by=actor.name,
    )
    SettlementRow.objects.filter(pk__in=[pk for pk, *_rest in frozen]).update(statement=statement)
    return statement


def hash_of(rows: Sequence[Sequence[object]]) -> str:
    """The hash (SHA-256, hexadecimal) of a statement's rows, each as its values of `HASHED`."""
    text = "\n".join("|".join("" if value is None else str(value) for value in row) for row in rows)
    return hashlib.sha256(text.encode()).hexdigest()


def rederived(statement: Statement) -> bool:
    """Whether the statement's rows still make its totals and its hash."""
    rows = list(SettlementRow.objects.filter(statement=statement).order_by("id").values_list("net_amount", *HASHED))
    total = sum((net for net, *_rest in rows), Decimal(0))
    return (total, len(rows), hash_of([rest for _net, *rest in rows])) == (
        statement.rows_amount,
        statement.row_count,
        statement.row_hash,
    )


@transaction.atomic
def approve(statement_id: int, *, actor: Actor) -> Statement:
    """A second person approves the statement. Raises OmsError for the one who closed it, and in any other state."""
    statement = Statement.objects.select_for_update(no_key=True).get(pk=statement_id)
    if statement.state != StatementState.CLOSED:
        raise OmsError(_("Only a closed statement is approved."))
    if statement.closed_by == actor.name:
        raise OmsError(_("Who closed the period does not approve it: a second person must."))
    statement.approve()
    statement.approved_by, statement.approved_at = actor.name, timezone.now()
    statement.save(update_fields=["state", "approved_by", "approved_at"])
    return statement


@transaction.atomic
def pay(statement_id: int, *, bank_serial: str, actor: Actor) -> Statement:
    """Record that the bank paid the statement, and book it. One that pays nothing needs no serial.

    Raises OmsError unless it is approved, for a missing serial or one where nothing is paid, and where something is
    missing of the merchant's deposit.
    """
    statement = Statement.objects.select_for_update(no_key=True).get(pk=statement_id)
    serial = bank_serial.strip()
    if statement.state != StatementState.APPROVED:
        raise OmsError(_("Only an approved statement is paid."))
    if bool(serial) != (statement.payable_amount > 0):
        text = _("Give the bank's serial number.") if not serial else _("Nothing is paid: leave the serial empty.")
        raise OmsError(text, attr="bank_serial")
    lacking = deposits.missing(statement.merchant_id) if serial else Decimal(0)
    if lacking:
        detail = _(
            "%(amount)s yuan are missing of the merchant's deposit: keep them back, or have them paid in, first."
        )
        raise OmsError(detail % {"amount": lacking})
    statement.pay()
    statement.bank_serial, statement.paid_at = serial, timezone.now()
    statement.save(update_fields=["state", "bank_serial", "paid_at"])
    if statement.payable_amount:
        fen = to_fen(statement.payable_amount)
        posting.post(
            [
                posting.Entry(
                    f"statement:{statement.pk}",
                    EntryKind.STATEMENT_PAID,
                    [
                        posting.Line(Code.MERCHANTS, fen, f"merchant:{statement.merchant_id}"),
                        posting.Line(Code.BANK, -fen),
                    ],
                    reason=statement.number,
                    actor=actor.name,
                )
            ]
        )
    return statement


# Against which account a row by hand is booked.
_AGAINST = {RowKind.FEE: Code.OTHER_INCOME, RowKind.FINE: Code.OTHER_INCOME, RowKind.CORRECTION: Code.CARRIAGE}


@transaction.atomic
def add_by_hand(
    merchant_id: int,
    kind: RowKind,
    amount: Decimal,
    *,
    reason: str,
    actor: Actor,
    key: str,
    document: str = "",
    corrects_id: int | None = None,
) -> SettlementRow:
    """A fee, fine or correction (yuan; below 0 the merchant pays), due today, booked at once; `key` says it once.

    Raises OmsError for an empty reason and an amount of 0 or with part of a fen.
    """
    if kind not in BY_HAND:
        raise ValueError(f"{kind} is not added by hand")
    if not reason.strip():
        raise OmsError(_("Give a reason."), attr="reason")
    if not amount or amount != round(amount, 2):
        raise OmsError(_("Give an amount other than 0, with at most two places."), attr="amount")
    row, is_new = SettlementRow.objects.get_or_create(
        key=f"hand:{key}",
        defaults={
            "merchant_id": merchant_id,
            "kind": kind,
            "other_amount": amount,
            "net_amount": amount,
            "due_on": timezone.localdate(),
            "corrects_id": corrects_id,
            "reason": reason.strip()[:200],
            "document": document.strip()[:80],
            "actor": actor.name,
        },
    )
    if is_new:
        fen = to_fen(amount)
        lines = [posting.Line(_AGAINST[kind], fen), posting.Line(Code.MERCHANTS, -fen, f"merchant:{merchant_id}")]
        posting.post([posting.Entry(f"settlement:{row.pk}", EntryKind.CORRECTED, lines, reason=row.reason)])
    return row


def trigger_sql() -> str:
    """The SQL that (re)creates the trigger by which rows never change, but for getting their statement once."""
    return f"""
        CREATE OR REPLACE FUNCTION {_FROZEN}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'UPDATE' AND OLD.statement_id IS NULL
                AND to_jsonb(NEW) - 'statement_id' = to_jsonb(OLD) - 'statement_id' THEN
                NEW.changed_at := clock_timestamp();
                RETURN NEW;
            END IF;
            RAISE EXCEPTION 'settlement row % is never changed', OLD.id
                USING ERRCODE = 'check_violation', CONSTRAINT = '{_FROZEN}', TABLE = TG_TABLE_NAME,
                    HINT = 'Add a correction to the open period.';
        END $$;
        CREATE OR REPLACE TRIGGER {_FROZEN} BEFORE UPDATE OR DELETE ON payments_settlementrow
            FOR EACH ROW EXECUTE FUNCTION {_FROZEN}();
    """
