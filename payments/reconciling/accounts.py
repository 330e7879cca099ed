"""Comparing what moved on an account: with a provider, where only withdrawals and what nobody knows are compared, and
in the bank."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q

from payments.models import MAPPED_FORMS, BillForm, BillMatch, BillRow, BillRowKind, BillSource, Outcome
from payments.reconciling import books
from payments.reconciling.books import Held, Sale
from payments.reconciling.forms.mapped import mapping_of
from payments.reconciling.verdicts import Fresh, Verdict, of, unreadable_or_repeated

# What in a text may be a number of ours or of a provider.
_NUMBERS = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{3,63}")
# A withdrawal reaches the bank within so many days.
_ARRIVES_WITHIN = timedelta(days=3)


def judge_funds(_source: BillSource, rows: Sequence[Fresh]) -> list[Verdict]:
    """What came of those rows of a provider's account that no trade bill explains; no statement. The others count for
    the day only."""
    verdicts = []
    for row in rows:
        verdict = unreadable_or_repeated(row)
        if verdict is None and row.line.kind == BillRowKind.WITHDRAWAL:
            verdict = of(row, Outcome.MATCHED)
        if verdict is None and row.line.kind == BillRowKind.OTHER:
            verdict = of(row, Outcome.UNIDENTIFIED, row.line.amount_fen)
        if verdict:
            verdicts.append(verdict)
    return verdicts


@dataclass(frozen=True, slots=True)
class _Counterpart:
    """What a bank's row may be the other side of: a withdrawal, or a batch of a carrier or platform."""

    row_id: int
    amount_fen: int


@dataclass(frozen=True, slots=True)
class _Known:
    """Everything that the texts of a statement may name, by number."""

    payments: Mapping[str, list[Held]]
    refunds: Mapping[str, list[Held]]
    batches: Mapping[str, _Counterpart]
    withdrawals: Mapping[str, _Counterpart]
    sales: Mapping[str, list[Sale]]


def judge_bank(source: BillSource, rows: Sequence[Fresh]) -> list[Verdict]:
    """What came of each row of a bank statement: looked for by the bank's own serial, then by the numbers in its text.
    A handful of statements, however many rows."""
    words = mapping_of(BillForm.BANK, source.mapping).words
    numbers = {row.id: [row.line.own_number, *_NUMBERS.findall(f"{row.line.state} {row.line.note}")] for row in rows}
    known = _known(source, {number for found in numbers.values() for number in found})
    loose = _loose_withdrawals(rows)
    taken = _taken(known)
    verdicts = []
    for row in rows:
        verdict = unreadable_or_repeated(row)
        if verdict is None:
            verdict = _bank_row(row, numbers[row.id], known, taken)
        if verdict is None and _says(row, words.get("withdrawal", ())):
            verdict = _withdrawal(row, loose, taken)
        verdicts.append(verdict or _by_words(row, words))
    return verdicts


def _known(source: BillSource, numbers: Collection[str]) -> _Known:
    link = source.connection_id
    payments: dict[str, list[Held]] = {}
    for found in (books.payments_by_number(link, numbers), books.payments_by_transaction(link, numbers)):
        for number, held in found.items():
            payments.setdefault(number, []).append(held)
    for held in books.transfers(numbers):
        for number in (held.transaction_number, held.number):
            payments.setdefault(number, []).append(held)
    which = f"({books.over(link)} OR {books.BY_TRANSFER})"
    for number, of_order in books.of_orders(which, numbers).items():
        payments.setdefault(number, []).extend(of_order)
    refunds = books.paid_by_hand(numbers)
    for by_name in (books.refunds_by_number(link, numbers), books.refunds_by_transaction(link, numbers)):
        for number, refund in by_name.items():
            refunds.setdefault(number, []).append(refund)
    rows = BillRow.objects.exclude(source__form=BillForm.BANK).exclude(
        match__outcome__in=[Outcome.DUPLICATE_ROW, Outcome.MALFORMED_ROW]
    )
    batches: dict[str, _Counterpart] = {}
    in_batches = rows.filter(batch__in=numbers).exclude(batch="").filter(source__form__in=MAPPED_FORMS)
    for batch, key, amount, fee in in_batches.order_by("-id").values_list("batch", "pk", "amount_fen", "fee_fen"):
        so_far = batches[batch].amount_fen if batch in batches else 0
        batches[batch] = _Counterpart(key, so_far + amount - fee)
    named = Q(own_number__in=numbers) | Q(transaction_number__in=numbers)
    withdrawals = {}
    for row in rows.filter(kind=BillRowKind.WITHDRAWAL).filter(named):
        withdrawals[row.own_number] = withdrawals[row.transaction_number] = _Counterpart(row.pk, -row.amount_fen)
    return _Known(payments, refunds, batches, withdrawals, books.unpaid_sales(numbers))


def _taken(known: _Known) -> set[tuple[str, int]]:
    """What rows of earlier statements stand for already."""
    others = {other.row_id for other in (*known.batches.values(), *known.withdrawals.values())}
    tied = BillMatch.objects.filter(counterpart__in=others).values_list("counterpart", flat=True)
    payments = books.matched("payment", {held.id for found in known.payments.values() for held in found})
    refunds = books.matched("refund", {held.id for found in known.refunds.values() for held in found})
    return {
        *(("row", key) for key in tied if key),
        *(("payment", key) for key in payments),
        *(("refund", key) for key in refunds),
    }


def _bank_row(row: Fresh, numbers: Sequence[str], known: _Known, taken: set[tuple[str, int]]) -> Verdict | None:
    amount = row.line.amount_fen
    for number in numbers:
        other = known.withdrawals.get(number) or known.batches.get(number)
        if other and ("row", other.row_id) not in taken:
            taken.add(("row", other.row_id))
            return _against(row, other.amount_fen, other.amount_fen, counterpart_id=other.row_id)
    if amount > 0:
        held = _named("payment", known.payments, amount, numbers, taken)
        if held:
            taken.add(("payment", held.id))
            return _against(row, held.asked_fen, held.moved_fen, payment_id=held.id, about_id=held.order_id)
        if sales := _sales(amount, numbers, known, taken):
            taken |= {("sale", key) for key in sales}
            return of(row, Outcome.MATCHED, booked_fen=amount, sales=sales)
    refund = _named("refund", known.refunds, amount, numbers, taken) if amount < 0 else None
    if refund:
        taken.add(("refund", refund.id))
        return _against(row, refund.asked_fen, refund.moved_fen, refund_id=refund.id, about_id=refund.order_id)
    return None


def _sales(amount: int, numbers: Sequence[str], known: _Known, taken: Collection[tuple[str, int]]) -> tuple[int, ...]:
    """The sales of gift cards that the numbers name and the amount pays: one of them, else all together."""
    named = {
        sale.id: sale for number in numbers for sale in known.sales.get(number, ()) if ("sale", sale.id) not in taken
    }
    for sale in named.values():
        if sale.fen == amount:
            return (sale.id,)
    return tuple(named) if sum(sale.fen for sale in named.values()) == amount else ()


def _named(
    column: str,
    known: Mapping[str, list[Held]],
    amount: int,
    numbers: Sequence[str],
    taken: Collection[tuple[str, int]],
) -> Held | None:
    """The payment or refund (`column`) that the numbers name: of several the one of that amount, else the only one."""
    named = {held.id: held for number in numbers for held in known.get(number, ()) if (column, held.id) not in taken}
    fits = [held for held in named.values() if held.asked_fen == amount] or list(named.values())
    return fits[0] if len(fits) == 1 else None


def _against(row: Fresh, expected: int, booked: int, **ours: int | None) -> Verdict:
    """The row against what it should come to. What a second person has still to approve is no difference."""
    amount = row.line.amount_fen
    if amount != expected:
        sign = 1 if amount > 0 else -1
        return of(row, Outcome.AMOUNT_DIFFERS, sign * (amount - expected), booked_fen=booked, **ours)
    return of(row, Outcome.MATCHED, booked_fen=booked, **ours)


def _loose_withdrawals(rows: Sequence[Fresh]) -> list[BillRow]:
    """Withdrawals of these days that no bank's row has been tied to."""
    days = [row.day for row in rows]
    if not days:
        return []
    tied = BillMatch.objects.filter(counterpart__isnull=False).values("counterpart")
    loose = BillRow.objects.filter(
        kind=BillRowKind.WITHDRAWAL, day__gte=min(days) - _ARRIVES_WITHIN, day__lte=max(days)
    ).exclude(pk__in=tied)
    return list(loose.order_by("pk"))


def _withdrawal(row: Fresh, loose: Sequence[BillRow], taken: set[tuple[str, int]]) -> Verdict | None:
    """By amount and day, where the text names no number: the only one that fits."""
    fits = [
        one
        for one in loose
        if -one.amount_fen == row.line.amount_fen
        and one.day <= row.day <= one.day + _ARRIVES_WITHIN
        and ("row", one.pk) not in taken
    ]
    if len(fits) != 1:
        return None
    taken.add(("row", fits[0].pk))
    return _against(row, row.line.amount_fen, row.line.amount_fen, counterpart_id=fits[0].pk)


def _by_words(row: Fresh, words: Mapping[str, Sequence[str]]) -> Verdict:
    amount = row.line.amount_fen
    for name in (Outcome.CARRIER_PAYMENT, Outcome.BANK_CHARGE) if amount < 0 else ():
        if _says(row, words.get(name, ())):
            return of(row, name, amount)
    return of(row, Outcome.UNIDENTIFIED, amount)


def _says(row: Fresh, words: Sequence[str]) -> bool:
    return any(word in row.line.state for word in words)
