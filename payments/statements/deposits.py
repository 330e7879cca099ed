"""What merchants leave as a security: what is due, and every movement of it, booked at once."""

from decimal import Decimal

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from oms.common.money import to_fen
from orders.actors import Actor
from payments.ledger import posting
from payments.ledger.chart import Code
from payments.models import Deposit, DepositKind, DepositMovement, EntryKind, RowKind, SettlementRow
from payments.models.deposit import GROWS, OVER_THE_BANK

# Where the other side of a movement is booked; what is kept back is the merchant's own.
_AGAINST = {
    DepositKind.PAID_IN: Code.BANK,
    DepositKind.KEPT_BACK: Code.MERCHANTS,
    DepositKind.FINE: Code.OTHER_INCOME,
    DepositKind.PAID_BACK: Code.BANK,
}


@transaction.atomic
def move(
    merchant_id: int, kind: DepositKind, amount: Decimal, *, reason: str, actor: Actor, key: str, document: str = ""
) -> DepositMovement:
    """Let the merchant's deposit grow or fall by the amount (yuan, positive); `key` says it once. What is kept back is
    a row of its settlement, due today. What the bank moved names its serial as the `document`.

    Raises OmsError for a merchant that leaves no deposit, no positive amount in whole fen, an empty reason, a missing
    serial, and for more than is held.
    """
    if not reason.strip():
        raise OmsError(_("Give a reason."), attr="reason")
    if amount <= 0 or amount != round(amount, 2):
        raise OmsError(_("Give a positive amount with at most two places."), attr="amount")
    if kind in OVER_THE_BANK and not document.strip():
        raise OmsError(_("Give the bank's serial number."), attr="document")
    deposit = Deposit.objects.select_for_update(no_key=True).filter(merchant=merchant_id).first()
    if deposit is None:
        raise OmsError(_("This merchant leaves no deposit."), attr="merchant")
    known = DepositMovement.objects.filter(key=key).first()
    if known:
        return known
    signed = amount if kind in GROWS else -amount
    if deposit.held_amount + signed < 0:
        raise OmsError(_("Only %(held)s yuan are held.") % {"held": deposit.held_amount}, attr="amount")
    movement = DepositMovement.objects.create(
        key=key,
        deposit=deposit,
        kind=kind,
        amount=signed,
        reason=reason.strip()[:200],
        document=document.strip()[:80],
        actor=actor.name,
    )
    Deposit.objects.filter(pk=deposit.pk).update(held_amount=F("held_amount") + signed)
    party = f"merchant:{merchant_id}"
    if kind == DepositKind.KEPT_BACK:
        SettlementRow.objects.create(
            key=f"deposit:{movement.pk}",
            merchant_id=merchant_id,
            kind=RowKind.DEPOSIT,
            other_amount=-amount,
            net_amount=-amount,
            due_on=timezone.localdate(),
            reason=movement.reason,
            document=movement.document,
            actor=actor.name,
        )
    against = _AGAINST[kind]
    lines = [
        posting.Line(against, to_fen(signed), party if against == Code.MERCHANTS else ""),
        posting.Line(Code.DEPOSITS, -to_fen(signed), party),
    ]
    entry = posting.Entry(
        f"deposit:{movement.pk}", EntryKind.DEPOSIT_MOVED, lines, reason=movement.reason, actor=actor.name
    )
    posting.post([entry])
    return movement


def missing(merchant_id: int) -> Decimal:
    """What is missing of the merchant's deposit while that stops its payments, in yuan."""
    deposit = Deposit.objects.filter(merchant=merchant_id, blocks_payout=True).first()
    return deposit.missing_amount if deposit else Decimal(0)
