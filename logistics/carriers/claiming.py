"""Claims on parcels: opened by staff, filed, agreed, paid or refused; each step is told on the order's timeline, and a
ticket stays open until the claim ends."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_fsm import can_proceed

from logistics import kinds
from logistics.models import (
    CLAIM_RUNS,
    AlertKind,
    ClaimNote,
    ClaimState,
    LogisticsAlert,
    ParcelClaim,
    Shipment,
    ShipmentState,
)
from oms.common import tickets
from oms.common.errors import OmsError
from oms.common.models import Team, TicketResult
from orders.actors import Actor
from orders.telling import timeline

CLAIM_RUNNING = tickets.register_kind(
    tickets.TicketKind(
        "claim_running",
        gettext_lazy("Claim at a carrier"),
        "parcel_claim",
        team=Team.LOGISTICS,
        due_within=timedelta(days=7),
        reasons={"": gettext_lazy("Parcel %(waybill)s of %(carrier)s: %(amount)s yuan are claimed until %(due)s.")},
        remedies=gettext_lazy("File it at the carrier, and note on its page what is agreed and paid."),
        can_retry=False,
    )
)
# A parcel of which one of these is open may be lost.
_SPEAK_OF_LOSS = (
    AlertKind.PICKUP_TIMEOUT,
    AlertKind.NO_TRACE,
    AlertKind.DEPART_TIMEOUT,
    AlertKind.STALLED,
    AlertKind.ARRIVED_NOT_OUT,
    AlertKind.DELIVERY_TIMEOUT,
    AlertKind.SIGN_TIMEOUT,
    AlertKind.PROBLEM,
)


@transaction.atomic
def open_claim(
    shipment_id: int,
    kind: str,
    wanted: Decimal,
    *,
    due_on: date,
    text: str,
    actor: Actor,
    although_on_time: bool = False,
) -> ParcelClaim:
    """Claim so many yuan of the parcel's carrier; `text` says what happened and where its papers are. Raises OmsError
    where the carrier never had the parcel, the amount is none, or such a claim runs already; and for a loss of which
    neither scans nor alerts say anything, unless `although_on_time`: the carrier said so otherwise."""
    row = _lock([shipment_id]).get()
    if row.carrier is None or row.waybill_number is None:
        raise OmsError(_("No carrier has had this parcel."))
    if kind == ParcelClaim.Kind.LOST and not although_on_time and not _may_be_lost(row):
        raise OmsError(
            _(
                "Nothing says yet that this parcel is lost: it is “%(state)s”, and its next news are not late. "
                "Tick the box where the carrier told you so."
            )
            % {"state": row.get_state_display()},
            attr="although_on_time",
        )
    opened = _open([row], kind, wanted, due_on=due_on, text=text, actor=actor)
    if not opened:
        raise OmsError(_("Such a claim runs already."))
    return opened[0]


@transaction.atomic
def claim_late(
    group_id: int, kind: str, wanted: Decimal, *, due_on: date, text: str, actor: Actor, waybill: str = ""
) -> list[ParcelClaim]:
    """Claim so many yuan each for the parcels that are late together, or for the one with this waybill; those of which
    such a claim runs already are left alone. A few statements, however many parcels. Raises OmsError where none is
    left."""
    late = LogisticsAlert.objects.filter(group=group_id, closed_at=None, shipment__isnull=False)
    if waybill:
        late = late.filter(shipment__waybill_number=waybill)
    rows = _lock(sorted(late.values_list("shipment", flat=True))).filter(
        carrier__isnull=False, waybill_number__isnull=False
    )
    opened = _open(list(rows), kind, wanted, due_on=due_on, text=text, actor=actor)
    if not opened:
        raise OmsError(_("No parcel of the group is left for which such a claim does not run already."), attr="waybill")
    return opened


def _may_be_lost(row: Shipment) -> bool:
    """Whether the carrier, or its silence, says so. Of what was signed for the buyer may say that it never came."""
    if row.state in (ShipmentState.LOST, ShipmentState.SIGNED):
        return True
    return LogisticsAlert.objects.filter(shipment=row, closed_at=None, kind__in=_SPEAK_OF_LOSS).exists()


def _lock(shipment_ids: Sequence[int]) -> QuerySet[Shipment]:
    rows = Shipment.objects.filter(pk__in=shipment_ids).select_related("carrier", "sub_order").order_by("pk")
    return rows.select_for_update(no_key=True, of=("self",))


def _open(
    rows: Sequence[Shipment], kind: str, wanted: Decimal, *, due_on: date, text: str, actor: Actor
) -> list[ParcelClaim]:
    """Claims on locked parcels of which none of this kind runs."""
    if wanted <= 0:
        raise OmsError(_("Claim more than nothing."), attr="wanted")
    running = set(
        ParcelClaim.objects.filter(shipment__in=rows, kind=kind, state__in=CLAIM_RUNS).values_list(
            "shipment", flat=True
        )
    )
    by = actor.name[:80]
    claims = ParcelClaim.objects.bulk_create(
        ParcelClaim(shipment=row, kind=kind, wanted=wanted, due_on=due_on, opened_by=by)
        for row in rows
        if row.pk not in running
    )
    troubles = [
        tickets.Trouble(
            claim.pk,
            "",
            {
                "waybill": claim.shipment.waybill_number,
                "carrier": claim.shipment.carrier.name if claim.shipment.carrier else "–",
                "amount": str(wanted),
                "due": str(due_on),
            },
            about_id=claim.shipment.sub_order.order_id,
        )
        for claim in claims
    ]
    tickets.open_tickets(CLAIM_RUNNING, troubles, opened_by=by)
    _tell(claims, wanted, text, actor)
    return claims


def file(claim_id: int, *, text: str, actor: Actor) -> ParcelClaim:
    """The carrier has it. All of these raise OmsError where the claim is not as far, or over."""
    return _move(claim_id, ClaimState.FILED, None, text, actor)


def agree(claim_id: int, amount: Decimal, *, text: str, actor: Actor) -> ParcelClaim:
    """The carrier agreed to pay so much: all that is wanted, or less."""
    return _move(claim_id, ClaimState.AGREED, amount, text, actor)


def pay(claim_id: int, amount: Decimal, *, text: str, actor: Actor) -> ParcelClaim:
    """So much came: on its own, or taken off a freight bill."""
    return _move(claim_id, ClaimState.PAID, amount, text, actor)


def refuse(claim_id: int, *, text: str, actor: Actor) -> ParcelClaim:
    """The carrier pays nothing."""
    return _move(claim_id, ClaimState.REFUSED, None, text, actor)


def withdraw(claim_id: int, *, text: str, actor: Actor) -> ParcelClaim:
    """It turned out otherwise."""
    return _move(claim_id, ClaimState.WITHDRAWN, None, text, actor)


@transaction.atomic
def note(claim_id: int, *, text: str, actor: Actor) -> None:
    """What was said or found, and where its papers are."""
    claim = ParcelClaim.objects.select_for_update(no_key=True).get(pk=claim_id)
    ClaimNote.objects.create(claim=claim, text=text, written_by=actor.name[:80])


@transaction.atomic
def remedy(claim_id: int, kind: str, *, text: str, actor: Actor) -> None:
    """What became of the buyer's goods: sent again, or compensated; `text` names the order or refund."""
    claim = ParcelClaim.objects.select_for_update(no_key=True).get(pk=claim_id)
    ParcelClaim.objects.filter(pk=claim.pk).update(remedy=kind, remedy_text=text[:200])
    ClaimNote.objects.create(claim=claim, text=text, written_by=actor.name[:80])


@transaction.atomic
def _move(claim_id: int, state: ClaimState, amount: Decimal | None, text: str, actor: Actor) -> ParcelClaim:
    claims = ParcelClaim.objects.select_for_update(no_key=True, of=("self",)).select_related("shipment__sub_order")
    claim = claims.get(pk=claim_id)
    steps = {
        ClaimState.FILED: claim.file,
        ClaimState.AGREED: claim.agree,
        ClaimState.PAID: claim.pay,
        ClaimState.REFUSED: claim.refuse,
        ClaimState.WITHDRAWN: claim.withdraw,
    }
    if not can_proceed(steps[state]):
        raise OmsError(_("The claim is not as far, or it is over."))
    if amount is not None and amount <= 0:
        raise OmsError(_("Name an amount."), attr="amount")
    if amount is not None and amount > claim.wanted:
        raise OmsError(_("That is more than is wanted."), attr="amount")
    if state == ClaimState.AGREED:
        claim.agreed = amount
    elif state == ClaimState.PAID:
        claim.paid = amount
    steps[state]()
    if state not in CLAIM_RUNS:
        claim.ended_at = timezone.now()
        result = TicketResult.RESOLVED if state == ClaimState.PAID else TicketResult.DONE
        tickets.close_tickets([CLAIM_RUNNING], [claim.pk], result=result, closed_by=actor.name)
    claim.save(update_fields=["state", "agreed", "paid", "ended_at"])
    _tell([claim], amount or claim.agreed or claim.wanted, text, actor)
    return claim


def _tell(claims: Sequence[ParcelClaim], amount: Decimal, text: str, actor: Actor) -> None:
    """Note what was said, and put where claims are on their orders' timelines."""
    if text:
        ClaimNote.objects.bulk_create(
            ClaimNote(claim=claim, text=text[:1000], written_by=actor.name[:80]) for claim in claims
        )
    timeline.record_all(
        timeline.Entry(
            claim.shipment.sub_order.order_id,
            kinds.CLAIM,
            actor,
            {
                "number": claim.shipment.sub_order.number,
                "waybill": claim.shipment.waybill_number or "–",
                "state": claim.state,
                "amount": str(amount),
            },
        )
        for claim in claims
    )
