"""Proposing a grant, agreeing to it, declining it. What is granted becomes charges; the books then send the money."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common import tickets
from oms.common.errors import ChangedMeanwhile, OmsError
from oms.common.models import TicketResult
from oms.common.money import yuan
from oms.common.tickets import Trouble
from oms.common.work import nudging
from orders.actors import Actor
from orders.changing import charging
from orders.kinds import EventKind
from orders.locking import lock_order
from orders.models import ActorKind, Order, OrderLine
from orders.models.amounts import Bearer
from orders.returning import counting, paying
from orders.telling import timeline
from payments import kinds, troubles
from payments.exchanging import setting_off
from payments.granting import previewing
from payments.granting.limits import granted_today, limits_of
from payments.granting.previewing import Calculation, Chosen, Wanted
from payments.models import CAUSE_OF, GrantKind, GrantReason, GrantState, RefundGrant, RefundGrantLine


class MayNotGrant(OmsError):
    """The person's limits do not allow it, or it takes another person."""

    code = "may_not_grant"
    status_code = 403


@dataclass(frozen=True, slots=True)
class Seen:
    """What somebody was shown before confirming, in yuan."""

    cash: Decimal
    gift_card: Decimal
    points: Decimal


@transaction.atomic
def propose(
    order_id: int,
    wanted: Wanted,
    *,
    reason: str,
    note: str,
    actor: Actor,
    bearer: Bearer | None = None,
    seen: Seen | None = None,
    user: AbstractBaseUser | None = None,
    version: int | None = None,
) -> RefundGrant:
    """Propose a grant; where a member of staff (`user`) may grant it alone, or all of it pays for
    goods in exchange, it is granted at once.

    `reason` is the code of a GrantReason of the same kind; `seen` what the proposer was shown. Raises OmsError for an
    unknown reason, an empty note, units that cannot come back and more than is left; ChangedMeanwhile where it comes
    out otherwise than it was shown.
    """
    note = note.strip()[:200]
    if not note:
        raise OmsError(_("Say why."), attr="note")
    why = GrantReason.objects.filter(code=reason, kind=wanted.kind, is_active=True).first()
    if why is None:
        known = ", ".join(GrantReason.objects.filter(kind=wanted.kind, is_active=True).values_list("code", flat=True))
        raise OmsError(_("Give one of: %(choices)s.") % {"choices": known}, attr="reason")
    lock_order(order_id, version=version)
    calculation, chosen = previewing.work_out(order_id, wanted, why)
    if seen is not None and seen != _as_seen(calculation):
        raise _changed()
    line = OrderLine.objects.filter(order=order_id, position=wanted.line).first() if wanted.line else None
    amount = yuan(calculation.amount)
    is_nothing = bool(calculation.exchanged) and not amount
    may_alone = is_nothing or (
        user is not None and limits_of(user).covers_alone(amount, granted_today=granted_today(actor.name))
    )
    order = Order.objects.get(pk=order_id)
    grant = RefundGrant.objects.create(
        number=f"{order.number}-G{RefundGrant.objects.filter(order=order_id).count() + 1}",
        order=order,
        kind=wanted.kind,
        reason=why,
        note=note,
        bearer=bearer or why.bearer,
        line=line,
        return_request_id=wanted.return_id,
        amount=amount,
        cash_amount=yuan(calculation.cash),
        gift_card_amount=yuan(calculation.gift_card),
        points_amount=yuan(calculation.points),
        calculation=calculation.as_json(),
        rules_version=calculation.rules_version,
        needs_second=not may_alone,
        proposed_by_kind=actor.kind,
        proposed_by=actor.name,
    )
    RefundGrantLine.objects.bulk_create(
        [RefundGrantLine(grant=grant, sub_order_line_id=key, quantity=count) for key, count in chosen.units.items()]
        + [
            RefundGrantLine(grant=grant, sub_order_line_id=key, quantity=count, is_missing=True)
            for key, count in chosen.missing.items()
        ]
    )
    _tell(grant, kinds.GRANT_PROPOSED, actor, note=note)
    if may_alone:
        return _grant(grant, chosen, actor)
    if grant.return_request_id is not None:
        paying.proposed(grant.return_request_id)
    trouble = Trouble(grant.pk, "", {"number": grant.number, "amount": str(amount)}, about_id=order_id)
    tickets.open_tickets(troubles.GRANT_TO_APPROVE, [trouble], opened_by=actor.name)
    return grant


@transaction.atomic
def approve(grant_id: int, *, user: AbstractBaseUser, actor: Actor) -> RefundGrant:
    """Agree to a proposed grant. Raises MayNotGrant for one's own and beyond one's limits, OmsError where it is decided
    already, ChangedMeanwhile where it comes out otherwise by now than it was shown: decline it, and propose it anew."""
    grant = _locked(grant_id)
    if grant.needs_second and (actor.kind, actor.name) == (grant.proposed_by_kind, grant.proposed_by):
        raise MayNotGrant(_("Somebody else must agree to what you proposed yourself."))
    if not limits_of(user).covers(grant.amount, granted_today=granted_today(actor.name)):
        raise MayNotGrant(_("%(amount)s yuan are beyond what you may grant.") % {"amount": grant.amount})
    calculation, chosen = previewing.work_out_again(grant)
    if _as_seen(calculation) != Seen(grant.cash_amount, grant.gift_card_amount, grant.points_amount):
        raise _changed()
    return _grant(grant, chosen, actor)


@transaction.atomic
def decline(grant_id: int, *, reason: str, actor: Actor) -> RefundGrant:
    """Decline a proposed grant; what it reserved is free again. Raises OmsError for an empty reason, and where it is
    decided already."""
    reason = reason.strip()[:200]
    if not reason:
        raise OmsError(_("Say why."), attr="reason")
    grant = _locked(grant_id)
    grant.decline_reason = reason
    grant.decline()
    _decide(grant, actor)
    _tell(grant, kinds.GRANT_DECLINED, actor, why=reason)
    if grant.return_request_id is not None:
        paying.free_again(grant.return_request_id)
    return grant


def _locked(grant_id: int) -> RefundGrant:
    lock_order(RefundGrant.objects.values_list("order_id", flat=True).get(pk=grant_id))
    grants = RefundGrant.objects.select_related("reason", "line", "order")
    grant = grants.select_for_update(no_key=True, of=("self",)).get(pk=grant_id)
    if grant.state != GrantState.PROPOSED:
        raise OmsError(_("This was decided already: %(state)s.") % {"state": grant.get_state_display()})
    return grant


def _grant(grant: RefundGrant, chosen: Chosen, actor: Actor) -> RefundGrant:
    """The grant becomes charges; the books send what was paid beyond them."""
    if grant.kind == GrantKind.RETURN:
        if grant.return_request_id is not None:
            counting.let_go(grant.return_request_id, chosen.units)
        taken = setting_off.take_back(
            grant.order_id,
            chosen.units,
            return_id=grant.return_request_id,
            freight=previewing.freight_of(grant.reason),
            gifts_kept=chosen.gifts_kept,
            reference=grant.number,
            actor=actor,
            bearer=Bearer(grant.bearer),
        )
        exchange = setting_off.of_return(grant.return_request_id)
        if exchange is not None:
            setting_off.settle(exchange, taken, actor=actor)
    else:
        charging.give(
            grant.order_id,
            grant.amount,
            CAUSE_OF[GrantKind(grant.kind)],
            reason=grant.note,
            actor=actor,
            bearer=Bearer(grant.bearer),
            line_id=grant.line_id,
            reference=grant.number,
        )
    grant.approve()
    _decide(grant, actor)
    Order.objects.filter(pk=grant.order_id).update(owed_changed_since=Coalesce(F("owed_changed_since"), Now()))
    _tell(grant, kinds.GRANTED, actor)
    if grant.return_request_id is not None:
        paying.granted(grant.return_request_id, actor)
    nudging.nudge("owing")
    return grant


def _decide(grant: RefundGrant, actor: Actor) -> None:
    grant.decided_by, grant.decided_at = actor.name, timezone.now()
    grant.save()
    by = actor.name if actor.kind == ActorKind.STAFF else ""
    tickets.close_tickets([troubles.GRANT_TO_APPROVE], [grant.pk], result=TicketResult.DONE, closed_by=by)


def _tell(grant: RefundGrant, kind: EventKind, actor: Actor, **more: str) -> None:
    data: dict[str, Any] = {"number": grant.number, "amount": str(grant.amount), "grant": grant.kind, **more}
    timeline.record(grant.order_id, kind, actor, **data)


def _as_seen(calculation: Calculation) -> Seen:
    return Seen(yuan(calculation.cash), yuan(calculation.gift_card), yuan(calculation.points))


def _changed() -> ChangedMeanwhile:
    return ChangedMeanwhile(_("It comes out otherwise by now. Look at it again and repeat what you wanted."))
