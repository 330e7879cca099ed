"""Differences that a person has to look at: one ticket a match, its remedies on the page of the match; what a bill does
not have of all that it should has one ticket together."""

from collections.abc import Collection, Mapping
from datetime import timedelta

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from oms.common import tickets
from oms.common.models import Team, TicketResult
from oms.common.money import fen_text
from oms.common.tickets import Shown, TicketKind, Trouble, register_kind, register_subject
from payments.models import SETTLED_OUTCOMES, Bill, BillDay, BillMatch, BillSource, Outcome
from payments.reconciling.verdicts import Verdict

MATCH, DAY, BILL = "bill_match", "bill_day", "bill"

BILL_DIFFERENCE = register_kind(
    TicketKind(
        "bill_difference",
        _("A bill and our books differ"),
        MATCH,
        Team.FINANCE,
        timedelta(days=2),
        reasons={
            Outcome.AMOUNT_DIFFERS: _("%(number)s: the bill has %(amount)s yuan, %(difference)s more than our books."),
            Outcome.FEE_DIFFERS: _("%(number)s: the fee is %(difference)s yuan more than was agreed on."),
            Outcome.STATE_DIFFERS: _("%(number)s: the bill and our books have it in different states."),
            Outcome.PAID_WITHOUT_ORDER: _("%(number)s: %(amount)s yuan came in, and no payment of ours has it."),
            Outcome.ORDER_WITHOUT_MONEY: _("%(number)s: our books have %(amount)s yuan, and no bill has them."),
            Outcome.PAID_BUT_PENDING: _("%(number)s: %(amount)s yuan came in, and we have not captured them."),
            Outcome.DOUBLE_PAYMENT: _("%(number)s: %(amount)s yuan were paid though all was paid before."),
            Outcome.REFUND_NOT_OURS: _("%(number)s: %(amount)s yuan went back, and no refund of ours has it."),
            Outcome.DUPLICATE_ROW: _("%(number)s: the bill has the same row of %(amount)s yuan twice; one counts."),
            Outcome.MALFORMED_ROW: _("%(number)s: line %(line)s cannot be read at column “%(column)s”."),
            Outcome.NO_SHIPMENT: _("%(number)s: %(amount)s yuan of freight, and no parcel of ours has it."),
            "other_weight": _(
                "%(number)s: the bill has %(amount)s yuan for %(told_kg)s kg, %(difference)s more than ours for"
                " %(our_kg)s kg."
            ),
            Outcome.UNIDENTIFIED: _("%(number)s: %(amount)s yuan moved, and nobody knows for what."),
        },
        remedies=_(
            "On its page: tie it to a payment, refund or order, accept the fee, write the difference off, or note that"
            " you looked. It closes by itself once our books and the bill agree."
        ),
        can_retry=False,
    )
)

PARCELS_UNBILLED = register_kind(
    TicketKind(
        "parcels_unbilled",
        _("Parcels are in no freight bill"),
        BILL,
        Team.FINANCE,
        timedelta(days=7),
        reasons={
            "unbilled": _(
                "Parcels that %(bill)s (%(first)s to %(last)s) should have, and no bill has: %(parcels)s, which should"
                " cost %(amount)s yuan."
            ),
        },
        remedies=_(
            "Is the file whole? Once a bill has a parcel, it is settled by itself, and this closes with the last one."
            " What the carrier will not bill: write it off or note it, each on its page, or note all of them on the"
            " page of the bill."
        ),
        can_retry=False,
    )
)

BILL_MISSING = register_kind(
    TicketKind(
        "bill_missing",
        _("A bill is not there"),
        DAY,
        Team.FINANCE,
        timedelta(days=1),
        reasons={
            "late": _("The bill of %(connection)s of %(day)s is a day late."),
            "refused": _("The bill of %(connection)s of %(day)s was fetched and refused: %(why)s"),
        },
        remedies=_(
            "It is fetched again every half hour for three days. After that download it at the provider and upload it"
            " here."
        ),
        can_retry=False,
    )
)


def bill_refused(day: BillDay, why: str) -> None:
    """Call a person for a bill that was fetched and not taken."""
    _bill_missing(day, "refused", {"why": why[:300]})


def bill_late(day: BillDay) -> None:
    """Call a person for a bill that should be there."""
    _bill_missing(day, "late", {})


def _bill_missing(day: BillDay, reason: str, values: Mapping[str, str]) -> None:
    shown = {"connection": day.connection.code, "day": day.day.isoformat(), **values}
    tickets.open_tickets(BILL_MISSING, [Trouble(day.pk, reason, shown)], opened_by="download_bills")


def bill_came(day: BillDay) -> None:
    """The bill is there."""
    tickets.close_tickets([BILL_MISSING], [day.pk], result=TicketResult.RESOLVED)


def call_people(source: BillSource, ids: Collection[int], verdicts: Collection[Verdict]) -> None:
    """Open a ticket for each match (by its id) whose verdict is a difference, and one for all that a bill missed. A few
    statements."""
    troubles = [
        Trouble(
            match_id,
            verdict.why or verdict.outcome,
            {
                "number": verdict.key,
                "amount": fen_text(abs(verdict.amount_fen)),
                "difference": fen_text(verdict.difference_fen or 0),
                **dict(verdict.values),
            },
            about_id=verdict.about_id,
        )
        for match_id, verdict in zip(ids, verdicts, strict=True)
        if verdict.outcome not in SETTLED_OUTCOMES and verdict.missed_by_id is None
    ]
    by = f"bills of {source.connection.code}"[:80]
    tickets.open_tickets(BILL_DIFFERENCE, troubles, opened_by=by)
    missed: dict[int, list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.missed_by_id is not None:
            missed.setdefault(verdict.missed_by_id, []).append(verdict)
    bills = Bill.objects.defer("content").in_bulk(missed)
    tickets.open_tickets(PARCELS_UNBILLED, [_missed(bills[key], missed[key]) for key in missed], opened_by=by)


def _missed(bill: Bill, verdicts: Collection[Verdict]) -> Trouble:
    values = {
        "bill": bill.file_name,
        "first": bill.day.isoformat(),
        "last": bill.last_day.isoformat(),
        "parcels": len(verdicts),
        "amount": fen_text(sum(abs(verdict.amount_fen) for verdict in verdicts)),
    }
    return Trouble(bill.pk, "unbilled", values)


def close(match_ids: Collection[int], *, by: str = "") -> None:
    """Close the tickets of these matches; without a person they ended by themselves."""
    result = TicketResult.DONE if by else TicketResult.RESOLVED
    tickets.close_tickets([BILL_DIFFERENCE], match_ids, result=result, closed_by=by)


def close_missed(bill_ids: Collection[int], *, by: str = "") -> None:
    """Close the tickets of those of these bills of which nothing that they missed is open any more."""
    # Whoever ends the last but one at this moment waits for us, or we for it.
    locked = (
        Bill.objects.filter(pk__in=bill_ids).order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True)
    )
    bills = set(locked) if bill_ids else set()
    is_open = BillMatch.objects.filter(missed_by__in=bills, resolution="").values_list("missed_by", flat=True)
    over = bills - set(is_open.distinct().order_by()) if bills else bills
    result = TicketResult.DONE if by else TicketResult.RESOLVED
    tickets.close_tickets([PARCELS_UNBILLED], over, result=result, closed_by=by)


def _show(ids: Collection[int]) -> Mapping[int, Shown]:
    rows = BillMatch.objects.filter(pk__in=ids).values_list("pk", "key")
    return {key: Shown(number, reverse("admin:payments_billmatch_change", args=[key])) for key, number in rows}


def _show_days(ids: Collection[int]) -> Mapping[int, Shown]:
    rows = BillDay.objects.filter(pk__in=ids).select_related("connection")
    return {row.pk: Shown(str(row), reverse("admin:payments_billday_change", args=[row.pk])) for row in rows}


def _show_bills(ids: Collection[int]) -> Mapping[int, Shown]:
    rows = Bill.objects.filter(pk__in=ids).values_list("pk", "file_name")
    return {key: Shown(name, reverse("admin:payments_bill_change", args=[key])) for key, name in rows}


register_subject(MATCH, _show)
register_subject(BILL, _show_bills)
register_subject(DAY, _show_days)
