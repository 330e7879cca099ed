"""Refunds that a person pays out: cash that a carrier collected, or money that a provider cannot send back."""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from oms.common.work import nudging
from orders import timeline
from orders.actors import Actor
from payments import kinds
from payments.models import PaymentNotice, Refund
from payments.taking import noticing


@transaction.atomic
def confirm_paid_out(refund_id: int, *, note: str, actor: Actor) -> None:
    """Record that the refund was paid by hand; `note` says how, such as the number of the bank transfer.

    It counts as a notice of ours beside those of providers, so the refund succeeds once, whatever else arrives. Raises
    OmsError for an empty note, and unless the refund needs a person: while a provider is at it, paying by hand would
    pay twice.
    """
    note = note.strip()
    if not note:
        raise OmsError(_("Say how it was paid, such as the number of the bank transfer."), attr="note")
    refund = Refund.objects.select_for_update(no_key=True, of=("self",)).get(pk=refund_id)
    if refund.needs_person_since is None:
        raise OmsError(_("This goes on by itself; paying it by hand could pay it twice."))
    notice = noticing.Notice(
        f"by-hand-{refund.number}", PaymentNotice.Kind.REFUNDED, refund.number, refund.amount, timezone.now()
    )
    noticing.receive("by_hand", [notice])
    Refund.objects.filter(pk=refund_id).update(needs_person_since=None)
    timeline.record(refund.order_id, kinds.PAID_OUT, actor, number=refund.number, amount=str(refund.amount), note=note)
    nudging.nudge("apply_notices")
