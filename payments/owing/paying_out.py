"""Refunds that a person pays out: cash that a carrier collected, or money that a provider cannot send back."""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common import stuck, tickets
from oms.common.errors import OmsError
from oms.common.models import TicketResult, Topic
from oms.common.work import facts
from orders import timeline
from orders.actors import Actor
from payments import kinds, troubles
from payments.models import NoticeKind, Refund
from payments.providers import defaults
from payments.taking.judging import PAID_BY_HAND


@transaction.atomic
def confirm_paid_out(refund_id: int, *, note: str, actor: Actor) -> None:
    """Record that the refund, or what of it did not go back, was paid by hand; `note` says how, such as the number of
    the bank transfer.

    It counts as a fact beside those of providers, so the refund succeeds once, whatever else arrives. Raises OmsError
    for an empty note, and unless the refund needs a person: while a provider is at it, paying by hand would pay twice.
    """
    note = note.strip()
    if not note:
        raise OmsError(_("Say how it was paid, such as the number of the bank transfer."), attr="note")
    refund = Refund.objects.select_for_update(no_key=True, of=("self",)).get(pk=refund_id)
    if refund.needs_person_since is None:
        raise OmsError(_("This goes on by itself; paying it by hand could pay it twice."))
    if not refund.rest:
        raise OmsError(_("All of it went back already."))
    news = facts.News(
        # Once for the whole refund, and once more for what another amount left open.
        key=f"{refund.number}:{refund.version}",
        kind=NoticeKind.REFUNDED,
        subject=refund.number,
        occurred_at=timezone.now(),
        body={"amount": str(refund.rest), "transaction": PAID_BY_HAND},
    )
    facts.receive(defaults.by_hand().pk, Topic.PAYMENT, [news])
    # Before the mark goes: then nobody would know who closed the ticket.
    closed = [*troubles.OF_REFUNDS, stuck.kind_of(Refund)]
    tickets.close_tickets(closed, [refund_id], result=TicketResult.DONE, closed_by=actor.name)
    Refund.objects.filter(pk=refund_id).update(needs_person_since=None)
    timeline.record(refund.order_id, kinds.PAID_OUT, actor, number=refund.number, amount=str(refund.rest), note=note)
