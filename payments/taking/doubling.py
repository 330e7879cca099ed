"""Money that a buyer paid once more under the number of one payment: it becomes a payment of its own, and what is too
much of the order goes back by itself.

Whether it is really more money, or the same told twice, a person says: by one click.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from oms.common import tickets
from oms.common.errors import OmsError
from oms.common.models import FactState, InboundFact, Ticket, TicketResult, TicketState, Topic
from oms.common.tickets import TicketKind
from oms.common.work import facts, nudging
from orders.actors import Actor
from orders.locking import lock_order
from orders.telling import timeline
from payments import kinds, troubles
from payments.models import NoticeKind, Payment, PaymentState
from payments.providers import defaults
from payments.taking import noticing, numbering
from payments.taking.judging import CAPTURED_AGAIN


@dataclass(frozen=True, slots=True)
class Again:
    """Money that came once more for a payment (yuan): when, under which number of the provider's, and the `key` of
    what proves it."""

    amount: Decimal
    transaction: str
    at: datetime
    key: str


@transaction.atomic
def send_back(payment_id: int, *, actor: Actor) -> list[Payment]:
    """The payment was really captured more than once: book what its open ticket told of, so that what is too much goes
    back. Returns the payments that were booked.

    Raises OmsError where no such ticket is open (a second click, too), where only the same transaction was told, and
    for cash.
    """
    lock_order(Payment.objects.values_list("order_id", flat=True).get(pk=payment_id))
    payment = Payment.objects.select_for_update(no_key=True, of=("self",)).get(pk=payment_id)
    if payment.sub_order_id is not None:
        raise OmsError(_("Cash at the door is not paid twice: look into the carrier's bill."))
    ticket = open_ticket(payment_id)
    if ticket is None:
        raise OmsError(_("This was settled before: nothing more is sent back."))
    told = list(_told(payment, ticket))
    if not told:
        raise OmsError(_("Only the same transaction was told once more: nothing was paid twice."))
    booked = [book(payment, again, actor=actor) for again in told]
    # Before the mark goes: then nobody would know who closed the ticket.
    tickets.close_tickets(
        [troubles.PAYMENT_CAPTURED_AGAIN], [payment_id], result=TicketResult.DONE, closed_by=actor.name
    )
    # Something else about it may still need a person.
    others = [kind for kind in troubles.OF_PAYMENTS if kind != troubles.PAYMENT_CAPTURED_AGAIN]
    if not _open_tickets(payment_id, others).exists():
        Payment.objects.filter(pk=payment_id).update(needs_person_since=None)
    nudging.nudge("owing")
    return booked


def open_ticket(payment_id: int) -> Ticket | None:
    """The open ticket that says that the payment was captured once more."""
    return _open_tickets(payment_id, [troubles.PAYMENT_CAPTURED_AGAIN]).first()


def _open_tickets(payment_id: int, kinds_of_them: Iterable[TicketKind]) -> QuerySet[Ticket]:
    return Ticket.objects.filter(
        kind__in=[kind.code for kind in kinds_of_them],
        subject_kind=troubles.PAYMENT,
        subject_id=payment_id,
        state=TicketState.OPEN,
    )


def book(payment: Payment, again: Again, *, actor: Actor) -> Payment:
    """The payment by which the money that came once more is known: booked once, whoever tells of it, and captured. The
    order must be locked; `payment` is what its buyer was asked for."""
    known = Payment.objects.filter(doubles=payment).exclude(transaction_number="")
    if again.transaction and (double := known.filter(transaction_number=again.transaction).first()):
        return double
    double = Payment.objects.create(
        number=numbering.next_number(payment.order),
        order_id=payment.order_id,
        means=payment.means,
        connection_id=payment.connection_id,
        doubles=payment,
        state=PaymentState.PENDING,
        amount=again.amount,
        ready_at=None,
    )
    timeline.record(
        payment.order_id, kinds.PAID_TWICE, actor, number=double.number, amount=str(again.amount), of=payment.number
    )
    news = facts.News(
        key=again.key,
        kind=NoticeKind.CAPTURED,
        subject=double.number,
        occurred_at=again.at,
        body={"amount": str(again.amount), "transaction": again.transaction},
    )
    teller = payment.connection_id or defaults.by_hand().pk
    facts.receive(teller, Topic.PAYMENT, [news])
    facts.apply_now(noticing.WORK, facts.stored(teller, [news.key]), [payment.order_id])
    return Payment.objects.get(pk=double.pk)


def _told(payment: Payment, ticket: Ticket) -> Iterator[Again]:
    """What the ticket stands for, each transaction once; another amount of the same transaction is no more money."""
    seen = {payment.transaction_number} - {""}
    rows = InboundFact.objects.filter(
        topic=Topic.PAYMENT,
        kind=NoticeKind.CAPTURED,
        subject=payment.number,
        state=FactState.CONTRADICTED,
        outcome=CAPTURED_AGAIN,
        settled_at__gte=ticket.opened_at,
    )
    for row in rows.order_by("id"):
        number = str(row.body.get("transaction", ""))[:64]
        if number not in seen:
            seen |= {number} - {""}
            yield Again(Decimal(str(row.body["amount"])), number, row.occurred_at, f"again:{row.pk}")
