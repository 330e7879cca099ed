"""Making a balance more or less by hand: with a reason, and above a person's limits with a second one."""

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common import tickets
from oms.common.errors import OmsError
from oms.common.models import TicketResult
from oms.common.money import yuan
from oms.common.tickets import Trouble
from orders.actors import Actor
from payments import troubles
from payments.balances import moving
from payments.balances.moving import Move
from payments.granting.deciding import MayNotGrant
from payments.granting.limits import granted_today, limits_of
from payments.models import AdjustmentState, BalanceAccount, BalanceAdjustment, MovementKind


@transaction.atomic
def propose(account_id: int, fen: int, *, reason: str, user: AbstractBaseUser, actor: Actor) -> BalanceAdjustment:
    """Propose to change a balance by so many fen (or points); it is done at once where the person's limits for grants
    cover it. Raises OmsError for an empty reason, for nothing, and for more than is available."""
    reason = reason.strip()[:200]
    if not reason:
        raise OmsError(_("Say why."), attr="reason")
    account = BalanceAccount.objects.locked().get(pk=account_id)
    _check(account, fen)
    amount = yuan(abs(fen))
    may_alone = limits_of(user).covers_alone(amount, granted_today=granted_today(actor.name))
    adjustment = BalanceAdjustment.objects.create(
        account=account, fen=fen, reason=reason, needs_second=not may_alone, proposed_by=actor.name
    )
    if may_alone:
        return _do(adjustment, actor)
    values = {"number": account.number, "amount": str(adjustment.amount)}
    trouble = Trouble(adjustment.pk, "", values)
    tickets.open_tickets(troubles.ADJUSTMENT_TO_APPROVE, [trouble], opened_by=actor.name)
    return adjustment


@transaction.atomic
def approve(adjustment_id: int, *, user: AbstractBaseUser, actor: Actor) -> BalanceAdjustment:
    """Agree to what somebody else proposed, and do it. Raises MayNotGrant for one's own and beyond one's limits,
    OmsError where it is decided already or more than is available by now."""
    adjustment = _locked(adjustment_id)
    if adjustment.needs_second and actor.name == adjustment.proposed_by:
        raise MayNotGrant(_("Somebody else must agree to what you proposed yourself."))
    if not limits_of(user).covers(abs(adjustment.amount), granted_today=granted_today(actor.name)):
        raise MayNotGrant(_("%(amount)s yuan are beyond what you may grant.") % {"amount": abs(adjustment.amount)})
    _check(adjustment.account, adjustment.fen)
    return _do(adjustment, actor)


@transaction.atomic
def decline(adjustment_id: int, *, actor: Actor) -> BalanceAdjustment:
    """Nothing changes. Raises OmsError where it is decided already."""
    adjustment = _locked(adjustment_id)
    adjustment.decline()
    _decide(adjustment, actor)
    return adjustment


def _check(account: BalanceAccount, fen: int) -> None:
    if not fen:
        raise OmsError(_("Say by how much."), attr="amount")
    if account.available + fen < 0:
        detail = _("Only %(left)s yuan are available.") % {"left": account.available_amount}
        raise OmsError(detail, attr="amount")


def _locked(adjustment_id: int) -> BalanceAdjustment:
    account_id = BalanceAdjustment.objects.values_list("account_id", flat=True).get(pk=adjustment_id)
    account = BalanceAccount.objects.locked().get(pk=account_id)
    adjustment = BalanceAdjustment.objects.select_for_update(no_key=True, of=("self",)).get(pk=adjustment_id)
    adjustment.account = account
    if adjustment.state != AdjustmentState.PROPOSED:
        raise OmsError(_("This was decided already: %(state)s.") % {"state": adjustment.get_state_display()})
    return adjustment


def _do(adjustment: BalanceAdjustment, actor: Actor) -> BalanceAdjustment:
    adjustment.approve()
    _decide(adjustment, actor)
    key = f"adjusted:{adjustment.pk}"
    change = Move(adjustment.account, MovementKind.ADJUSTED, adjustment.fen, key, reason=adjustment.reason)
    moving.move([change], actor=actor)
    return adjustment


def _decide(adjustment: BalanceAdjustment, actor: Actor) -> None:
    adjustment.decided_by, adjustment.decided_at = actor.name, timezone.now()
    adjustment.save(update_fields=["state", "decided_by", "decided_at"])
    kinds = [troubles.ADJUSTMENT_TO_APPROVE]
    tickets.close_tickets(kinds, [adjustment.pk], result=TicketResult.DONE, closed_by=actor.name)
