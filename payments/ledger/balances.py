"""What the accounts have: balances, the trial balance of a day, and vouchers for a finance system."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import F, Q, Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from oms.common.money import yuan
from payments.models import Account, LedgerLine, Side

VOUCHER_HEADERS = (
    *(_("Entry"), _("Time"), _("Fact"), _("Order"), _("Subject"), _("Ledger account"), _("Account name"), _("Party")),
    *(_("Debit"), _("Credit"), _("Reason")),
)


@dataclass(frozen=True, slots=True)
class TrialRow:
    """An account on a day (yuan): before it, what moved in debit and credit, and after it, on its normal side."""

    account: Account
    before: Decimal
    debit: Decimal
    credit: Decimal
    after: Decimal


def balances_of(codes: Collection[str]) -> Mapping[str, Decimal]:
    """What each of the accounts has, on its normal side, in yuan. One statement."""
    sums: Iterable[Mapping[str, Any]] = (
        LedgerLine.objects.filter(account__in=codes)
        .order_by()
        .values("account", "account__side")
        .annotate(balance=Sum(F("debit_fen") - F("credit_fen")))
    )
    return {row["account"]: yuan(_on_side(row["account__side"], row["balance"])) for row in sums}


def _on_side(side: str, fen: int) -> int:
    return fen if side == Side.DEBIT else -fen


def _bounds(day: date) -> tuple[datetime, datetime]:
    start = timezone.make_aware(datetime.combine(day, time()))
    return start, start + timedelta(days=1)


def trial_balance(day: date) -> list[TrialRow]:
    """Every account on the day (a China date), by code. One statement."""
    start, end = _bounds(day)
    before = Q(lines__entry__occurred_at__lt=start)
    on_day = Q(lines__entry__occurred_at__gte=start, lines__entry__occurred_at__lt=end)
    accounts = Account.objects.order_by("code").annotate(
        before=Sum(F("lines__debit_fen") - F("lines__credit_fen"), filter=before, default=0),
        debit=Sum("lines__debit_fen", filter=on_day, default=0),
        credit=Sum("lines__credit_fen", filter=on_day, default=0),
    )
    return [
        TrialRow(
            account,
            yuan(_on_side(account.side, account.before)),
            yuan(account.debit),
            yuan(account.credit),
            yuan(_on_side(account.side, account.before + account.debit - account.credit)),
        )
        for account in accounts
    ]


def vouchers(day: date) -> Iterator[list[object]]:
    """The lines booked on the day, for a finance system: a row each, by entry."""
    start, end = _bounds(day)
    lines = LedgerLine.objects.filter(entry__occurred_at__gte=start, entry__occurred_at__lt=end)
    for line in lines.select_related("entry__order", "account").order_by("entry_id", "id").iterator(2000):
        entry = line.entry
        yield [
            entry.key,
            timezone.localtime(entry.occurred_at).strftime("%Y-%m-%d %H:%M:%S"),
            entry.get_kind_display(),
            entry.order.number if entry.order else "",
            entry.subject,
            line.account_id,
            line.account.shown_name,
            line.party,
            yuan(line.debit_fen),
            yuan(line.credit_fen),
            entry.reason,
        ]
