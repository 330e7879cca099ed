"""What a row of a bill comes to in the ledger: whatever our own books do not have of it already.

Payments, refunds and cash are booked when we hear of them (`payments.ledger`). A bill adds the fee, money that reached
the bank, and the difference to what it says, which stands as unexplained until somebody explains it. What a match comes
to follows from its columns; what is booked already from the ledger; the next entry is the difference.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import connection

from oms.common.copying import array
from payments.ledger import posting
from payments.ledger.chart import HELD_OVER, Code
from payments.models import FUND_FORMS, BillForm, BillRowKind, EntryKind, LedgerLine, Outcome, Resolution

# (account, party) → fen, positive in debit.
Lines = Mapping[tuple[Code, str], int]
_NOTHING_MOVED = (Outcome.DUPLICATE_ROW, Outcome.MALFORMED_ROW)


def _moves_nothing(match: "Matched") -> bool:
    # What a carrier charges twice is a cost once somebody accepts it.
    is_accepted = match.form == BillForm.FREIGHT and match.resolution == Resolution.FEE_ACCEPTED
    return match.outcome in _NOTHING_MOVED and not is_accepted


@dataclass(frozen=True, slots=True)
class Matched:
    """What of a match and its row decides what it comes to. Columns as in `models.BillMatch` and `models.BillRow`; a
    match without a row has no `kind`. `merchant_id`: who took the money itself."""

    id: int
    form: str
    protocol: str
    connection_id: int
    kind: str
    outcome: str
    resolution: str
    amount_fen: int
    fee_fen: int
    agreed_fee_fen: int
    booked_fen: int
    entry_count: int = 0
    merchant_id: int | None = None
    reason: str = ""
    actor: str = ""

    @property
    def subject(self) -> str:
        """How the ledger names it."""
        return f"bill_match:{self.id}"


def of(match: Matched) -> Lines:
    """The lines that the match comes to; they add up to 0."""
    lines: dict[tuple[Code, str], int] = defaultdict(int)
    _fill(lines, match)
    unexplained = (Code.UNEXPLAINED, f"connection:{match.connection_id}")
    if match.resolution == Resolution.WRITTEN_OFF:
        lines[Code.WRITTEN_OFF, ""] += lines.pop(unexplained, 0)
    return {account: fen for account, fen in lines.items() if fen}


def unexplained_fen(lines: Lines) -> int:
    """What of it nobody can explain, positive where we have too much."""
    return -sum(fen for (account, _party), fen in lines.items() if account == Code.UNEXPLAINED)


def _fill(lines: dict[tuple[Code, str], int], match: Matched) -> None:
    link = f"connection:{match.connection_id}"
    holder = (_holder(match), _party(match))
    unexplained = (Code.UNEXPLAINED, link)
    amount, is_written_off = match.amount_fen, match.resolution == Resolution.WRITTEN_OFF
    if _moves_nothing(match):
        return
    if not match.kind:
        if is_written_off:
            lines[holder] -= match.booked_fen
            lines[Code.WRITTEN_OFF, ""] += match.booked_fen
        return
    if match.form in FUND_FORMS:
        lines[holder] += amount
        lines[(Code.BANK, "") if match.kind == BillRowKind.WITHDRAWAL else unexplained] -= amount
        return
    if match.form == BillForm.BANK:
        known = {
            # It pays what freight bills say, whichever comes first.
            Outcome.CARRIER_PAYMENT: (Code.CARRIERS_PAYABLE, ""),
            Outcome.BANK_CHARGE: (Code.PROVIDER_FEES, ""),
        }.get(Outcome(match.outcome), unexplained)
        difference = amount - match.booked_fen
        lines[holder] += difference
        lines[known] -= difference
        return
    if match.form == BillForm.FREIGHT:
        cost = amount if match.resolution == Resolution.FEE_ACCEPTED else match.booked_fen
        lines[holder] += amount
        lines[Code.CARRIAGE, ""] -= cost
        lines[unexplained] -= amount - cost
        return
    fee = match.fee_fen
    agreed = fee if match.resolution == Resolution.FEE_ACCEPTED else match.agreed_fee_fen
    lines[Code.COD_FEES if match.form == BillForm.COD else Code.PROVIDER_FEES, ""] += agreed
    lines[unexplained] += fee - agreed
    if match.form in (BillForm.COD, BillForm.SETTLEMENT):
        # Less than was collected stays with whoever collected it.
        settled = min(amount, match.booked_fen) if amount > 0 else 0
        lines[Code.BANK, ""] += amount - fee
        lines[holder] -= settled
        lines[unexplained] -= amount - settled
        if is_written_off and match.booked_fen > settled:
            lines[holder] -= match.booked_fen - settled
            lines[Code.WRITTEN_OFF, ""] += match.booked_fen - settled
        return
    lines[holder] += amount - match.booked_fen - fee
    lines[unexplained] -= amount - match.booked_fen


def _holder(match: Matched) -> Code:
    if match.form == BillForm.COD:
        return Code.CARRIERS
    if match.form == BillForm.SETTLEMENT:
        return Code.MERCHANTS_OWN
    if match.form == BillForm.FREIGHT:
        return Code.CARRIERS_PAYABLE
    if match.form == BillForm.BANK:
        return Code.BANK
    return HELD_OVER.get(match.protocol, Code.OTHER_PROVIDERS)


def _party(match: Matched) -> str:
    """Whose part of the account; as the ledger of payments has it."""
    if match.form in (BillForm.COD, BillForm.FREIGHT):
        return ""
    if match.form == BillForm.SETTLEMENT:
        return f"merchant:{match.merchant_id}" if match.merchant_id else ""
    return f"connection:{match.connection_id}"


def book(matches: Sequence[Matched]) -> None:
    """Book what is missing of these matches in the running transaction, and note it on them. A few statements, however
    many matches."""
    booked = _booked(matches)
    entries, noted = [], []
    for match in matches:
        wanted = of(match)
        entry = entry_of(match, wanted, booked.get(match.id, {}))
        if entry:
            entries.append(entry)
        noted.append((match.id, unexplained_fen(wanted), match.entry_count + bool(entry)))
    posting.post(entries)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE payments_billmatch m SET unexplained_fen = n.fen, entry_count = n.count
            FROM unnest(%s::bigint[], %s::bigint[], %s::int[]) AS n(id, fen, count) WHERE m.id = n.id
            """,
            [array(column) for column in zip(*noted, strict=True)] if noted else ["{}", "{}", "{}"],
        )


def entry_of(match: Matched, wanted: Lines, booked: Lines) -> posting.Entry | None:
    """The next entry of the match; None where all is booked."""
    missing = {
        account: fen for account in {*wanted, *booked} if (fen := wanted.get(account, 0) - booked.get(account, 0))
    }
    if not missing:
        return None
    return posting.Entry(
        key=f"{match.subject}/{match.entry_count + 1}",
        kind=_kind(match),
        lines=[posting.Line(account, fen, party) for (account, party), fen in sorted(missing.items())],
        subject=match.subject,
        reason=match.reason,
        actor=match.actor,
    )


def _kind(match: Matched) -> EntryKind:
    if match.resolution == Resolution.WRITTEN_OFF:
        return EntryKind.WRITTEN_OFF
    if match.entry_count:
        return EntryKind.EXPLAINED
    if match.kind == BillRowKind.WITHDRAWAL:
        return EntryKind.WITHDRAWN
    if match.form == BillForm.FREIGHT:
        return EntryKind.CARRIAGE_BILLED
    if match.outcome == Outcome.CARRIER_PAYMENT:
        return EntryKind.CARRIAGE_PAID
    if match.outcome in (Outcome.MATCHED, Outcome.FEE_DIFFERS, Outcome.BANK_CHARGE):
        return EntryKind.REMITTED if match.form in (BillForm.COD, BillForm.SETTLEMENT) else EntryKind.PROVIDER_FEE
    return EntryKind.UNEXPLAINED


def _booked(matches: Sequence[Matched]) -> dict[int, dict[tuple[Code, str], int]]:
    """What the ledger has of these matches."""
    keys = {f"{match.subject}/{step}": match.id for match in matches for step in range(1, match.entry_count + 1)}
    lines: dict[int, dict[tuple[Code, str], int]] = defaultdict(lambda: defaultdict(int))
    for line in LedgerLine.objects.filter(entry__key__in=keys).select_related("entry"):
        lines[keys[line.entry.key]][Code(line.account_id), line.party] += line.fen
    return lines
