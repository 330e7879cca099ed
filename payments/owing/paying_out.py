"""Refunds that a person pays out: cash that a carrier collected, or money that a provider cannot send back."""

import base64

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common import stuck, tickets
from oms.common.errors import OmsError
from oms.common.models import TicketResult, Topic
from oms.common.secrecy import seal
from oms.common.work import facts
from orders.actors import Actor
from orders.telling import timeline
from payments import kinds, troubles
from payments.models import Means, NoticeKind, PayOut, Refund, RefundState
from payments.providers import defaults
from payments.taking.judging import PAID_AT_CHANNEL, PAID_BY_HAND
from payments.taking.transfers import Scan


@transaction.atomic
def confirm_paid_out(refund_id: int, *, note: str, serial: str = "", scan: Scan | None = None, actor: Actor) -> None:
    """Record that the refund, or what of it did not go back, was paid by hand; `note` says how, `serial` is the bank's
    own number, under which its statement is looked for, `scan` the slip.

    It counts as a fact beside those of providers, so the refund succeeds once, whatever else arrives. Raises OmsError
    for an empty note, for a serial number that was recorded before, for a second click, and unless the refund needs a
    person: while a provider is at it, paying by hand would pay twice.
    """
    note = note.strip()
    if not note:
        raise OmsError(_("Say how it was paid, such as the number of the bank transfer."), attr="note")
    refund = Refund.objects.select_for_update(no_key=True, of=("self",)).get(pk=refund_id)
    # What the channel's system was asked for moves no money of ours: staff may know before it says so, once.
    is_at_channel = refund.payment.means == Means.EXTERNAL and refund.state == RefundState.REQUESTED
    if refund.needs_person_since is None and (not is_at_channel or refund.pay_outs.exists()):
        raise OmsError(_("This goes on by itself; paying it by hand could pay it twice."))
    if not refund.rest:
        raise OmsError(_("All of it went back already."))
    _keep_proof(refund, note, serial.strip(), scan, actor)
    news = facts.News(
        # Once for the whole refund, and once more for what another amount left open.
        key=f"{refund.number}:{refund.version}",
        kind=NoticeKind.REFUNDED,
        subject=refund.number,
        occurred_at=timezone.now(),
        body={
            "amount": str(refund.rest),
            # What the channel took itself it gives back itself: no money of ours moves.
            "transaction": PAID_AT_CHANNEL if refund.payment.means == Means.EXTERNAL else PAID_BY_HAND,
        },
    )
    facts.receive(defaults.by_hand().pk, Topic.PAYMENT, [news])
    # Before the mark goes: then nobody would know who closed the ticket.
    closed = [*troubles.OF_REFUNDS, stuck.kind_of(Refund)]
    tickets.close_tickets(closed, [refund_id], result=TicketResult.DONE, closed_by=actor.name)
    Refund.objects.filter(pk=refund_id).update(needs_person_since=None)
    timeline.record(refund.order_id, kinds.PAID_OUT, actor, number=refund.number, amount=str(refund.rest), note=note)


def _keep_proof(refund: Refund, note: str, serial: str, scan: Scan | None, actor: Actor) -> None:
    try:
        with transaction.atomic():
            PayOut.objects.create(
                refund=refund,
                amount=refund.rest,
                serial=serial,
                note=note[:200],
                scan=seal(base64.b64encode(scan.content).decode()) if scan else None,
                scan_type=scan.media_type if scan else "",
                paid_by=actor.name,
            )
    except IntegrityError as error:
        if "pay_out_serial_counts_once" in str(error):
            raise OmsError(_("A payment with this number was recorded before."), attr="serial") from error
        raise
