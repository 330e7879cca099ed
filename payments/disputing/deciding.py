"""What people say about disputes: a chargeback that a provider told by letter, how it was answered, how it ended.

While it is open, what the provider keeps is neither spent nor sent back besides. A chargeback that is lost is a refund
of its payment: the buyer has the money, and what is owed stays owed until somebody gives it up.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import Q, Sum
from django.db.models.functions import Coalesce, Now
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from oms.common.models import Topic
from oms.common.work import facts, nudging
from orders.actors import Actor
from orders.locking import lock_order
from orders.models import Order
from payments.disputing import telling
from payments.models import (
    OPEN_DISPUTES,
    Dispute,
    DisputeKind,
    DisputeState,
    NoticeKind,
    Payment,
    PaymentState,
    Refund,
    RefundReason,
)
from payments.owing import derived, refunding
from payments.taking import noticing

DECISIONS = {
    DisputeKind.COMPLAINT: (DisputeState.ANSWERED, DisputeState.ENDED),
    DisputeKind.CHARGEBACK: (DisputeState.ANSWERED, DisputeState.WON, DisputeState.LOST),
}


@dataclass(frozen=True, slots=True)
class Entered:
    """A chargeback as the provider told it: its number there, of which payment (by our number), how much is contested
    and how much the provider keeps until it is decided (yuan), and until when it must be answered."""

    number: str
    payment: str
    amount: Decimal
    held: Decimal
    due_at: datetime


@transaction.atomic
def enter(order_id: int, entered: Entered, *, actor: Actor) -> Dispute:
    """Enter a chargeback of a payment of the order; what is kept is held in the books.

    Raises OmsError for a payment that is none of the order's or was not captured over a provider, for more than it
    has, and for a number that is there already.
    """
    lock_order(order_id)
    payment = Payment.objects.filter(
        number=entered.payment.strip(), order=order_id, state=PaymentState.CAPTURED, connection__isnull=False
    ).first()
    if payment is None:
        raise OmsError(_("The order has no captured payment of this number over a provider."), attr="payment")
    if entered.amount > payment.captured_amount or entered.held > _left(payment):
        raise OmsError(_("The payment has not so much left."), attr="amount")
    dispute = Dispute(
        number=entered.number.strip(),
        connection=payment.connection,
        kind=DisputeKind.CHARGEBACK,
        state=DisputeState.OPEN,
        payment=payment,
        order_id=order_id,
        amount=entered.amount,
        held_amount=entered.held,
        due_at=entered.due_at,
        opened_by=actor.name,
        ready_at=None,
    )
    try:
        with transaction.atomic():
            dispute.save()
    except IntegrityError as error:
        if "dispute_number_is_unique" in str(error):
            raise OmsError(_("A dispute of this number is there already."), attr="number") from error
        raise
    telling.opened(dispute, actor)
    derived.refresh([order_id])
    return dispute


def _left(payment: Payment) -> Decimal:
    """What of the payment neither went back nor is held already."""
    back = payment.refunds.aggregate(sum=Coalesce(Sum("refunded_amount"), Decimal(0)))["sum"]
    held = payment.disputes.aggregate(sum=Coalesce(Sum("held_amount", filter=Q(held_amount__gt=0)), Decimal(0)))["sum"]
    return payment.captured_amount - back - held


@transaction.atomic
def decide(dispute_id: int, decision: DisputeState, *, note: str, actor: Actor) -> Dispute:
    """Say how a dispute was answered, or how it was decided; `note` says it in words.

    Raises OmsError where that cannot be, and for an empty note.
    """
    order_id = Dispute.objects.values_list("order_id", flat=True).get(pk=dispute_id)
    if order_id:
        lock_order(order_id)
    rows = Dispute.objects.select_related("connection", "payment")
    dispute = rows.select_for_update(no_key=True, of=("self",)).get(pk=dispute_id)
    _check(dispute, decision, note)
    held = dispute.held_amount or dispute.amount
    {
        DisputeState.ANSWERED: dispute.answer,
        DisputeState.WON: dispute.win,
        DisputeState.LOST: dispute.lose,
        DisputeState.ENDED: dispute.end,
    }[decision]()
    dispute.note, dispute.decided_by = note.strip()[:200], actor.name
    dispute.save()
    if decision == DisputeState.LOST:
        _went_back(dispute, held)
    telling.went_on(dispute, actor, note=dispute.note)
    if order_id:
        derived.refresh([order_id])
        Order.objects.filter(pk=order_id).update(owed_changed_since=Coalesce("owed_changed_since", Now()))
        nudging.nudge("owing")
    return dispute


def _check(dispute: Dispute, decision: DisputeState, note: str) -> None:
    if not note.strip():
        raise OmsError(_("Say it in a few words."), attr="note")
    if dispute.state not in OPEN_DISPUTES or dispute.state in (DisputeState.REPORTED, decision):
        raise OmsError(_("This dispute is %(state)s.") % {"state": dispute.get_state_display()})
    if decision not in DECISIONS[DisputeKind(dispute.kind)]:
        raise OmsError(_("Such a dispute does not end so."))


def _went_back(dispute: Dispute, amount: Decimal) -> None:
    """What was charged back is a refund that went back, told by the provider under the dispute's number."""
    payment = dispute.payment
    assert payment is not None  # noqa: S101 - a chargeback has one
    refund = Refund.objects.create(
        number=refunding.next_number(payment.order),
        order_id=payment.order_id,
        payment=payment,
        connection_id=payment.connection_id,
        amount=amount,
        reason=RefundReason.CHARGED_BACK,
        ready_at=None,
    )
    news = facts.News(
        key=f"dispute:{dispute.number}",
        kind=NoticeKind.REFUNDED,
        subject=refund.number,
        occurred_at=timezone.now(),
        body={"amount": str(amount), "transaction": dispute.number},
    )
    link_id = dispute.connection_id
    facts.receive(link_id, Topic.PAYMENT, [news])
    facts.apply_now(noticing.WORK, facts.stored(link_id, [news.key]), [payment.order_id])
