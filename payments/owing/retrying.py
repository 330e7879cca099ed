"""What a person decides about a payment or refund: go on with it, it was looked at."""

from django.db import transaction
from django.db.models.functions import Coalesce, Now
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common import stuck, tickets
from oms.common.errors import OmsError
from oms.common.models import TicketResult
from oms.common.tickets import TicketKind
from oms.common.work import nudging
from orders import kinds
from orders.actors import Actor
from orders.locking import lock_order
from orders.models import Order
from orders.telling import timeline
from payments import troubles
from payments.ledger import posting
from payments.models import Means, Payment, Refund, RefundState
from payments.owing import at_channel


@transaction.atomic
def retry(row_kind: str, row_id: int, *, actor: Actor) -> None:
    """Let the stage try the payment or refund ("payment", "refund") again, with a full number of attempts; its tickets
    are closed.

    A refund that failed, or of which its provider says nothing, is sent once more under the same number. One that went
    back in part is done: what is missing becomes a refund of its own. A payment that is captured already only loses its
    mark: somebody looked at it. Raises OmsError if it needs no person, or if nobody can be asked to send it back.
    """
    if row_kind == "payment":
        _retry_payment(row_id, actor)
    else:
        _retry_refund(row_id, actor)


def _retry_payment(payment_id: int, actor: Actor) -> None:
    payment = Payment.objects.select_for_update(no_key=True, of=("self",)).get(pk=payment_id)
    if payment.needs_person_since is None:
        raise _nothing_to_retry()
    _finish(payment, troubles.OF_PAYMENTS, actor)
    Payment.objects.filter(pk=payment_id).update(
        attempts=0, needs_person_since=None, ready_at=payment.ready_at and timezone.now(), lease_until=None
    )
    nudging.nudge("send_payment", "ask_payments", "close_payments")


def _retry_refund(refund_id: int, actor: Actor) -> None:
    lock_order(Refund.objects.values_list("order_id", flat=True).get(pk=refund_id))
    refund = Refund.objects.select_for_update(no_key=True, of=("self",)).get(pk=refund_id)
    if refund.needs_person_since is None:
        raise _nothing_to_retry()
    is_at_channel = refund.payment.means == Means.EXTERNAL and at_channel.listening([refund.order_id]) != set()
    if refund.state != RefundState.SUCCEEDED and refund.connection_id is None and not is_at_channel:
        raise OmsError(_("Nobody can be asked to send this money back: pay it by hand, and record how."))
    _finish(refund, troubles.OF_REFUNDS, actor)
    if refund.state == RefundState.SUCCEEDED:
        Refund.objects.filter(pk=refund_id).update(needs_person_since=None)
        Order.objects.filter(pk=refund.order_id).update(owed_changed_since=Coalesce("owed_changed_since", Now()))
    else:
        Refund.objects.filter(pk=refund_id).update(
            state=RefundState.INTENDED, attempts=0, needs_person_since=None, ready_at=timezone.now(), lease_until=None
        )
        if is_at_channel:
            at_channel.ask([refund], actor=actor)
        posting.post_missing([refund.order_id])
    nudging.nudge("send_refund", "owing")


def _nothing_to_retry() -> OmsError:
    return OmsError(_("This goes on by itself; there is nothing to retry."))


def _finish(row: Payment | Refund, tickets_of: tuple[TicketKind, ...], actor: Actor) -> None:
    # Before the mark goes: then nobody would know who closed the ticket.
    closed = [*tickets_of, stuck.kind_of(type(row))]
    tickets.close_tickets(closed, [row.pk], result=TicketResult.DONE, closed_by=actor.name)
    timeline.record(row.order_id, kinds.RETRIED, actor, number=row.number, error=row.last_error)
