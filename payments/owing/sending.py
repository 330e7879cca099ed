"""The second step of a refund: what was granted above the operator's limit goes only when finance sends it."""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common import tickets
from oms.common.errors import OmsError
from oms.common.models import TicketResult
from oms.common.work import nudging
from orders.actors import Actor
from orders.locking import lock_order
from orders.telling import timeline
from payments import kinds, troubles
from payments.models import Refund, RefundState


@transaction.atomic
def send(refund_id: int, *, actor: Actor) -> Refund:
    """Let a granted refund go to its provider. Raises OmsError where it does not wait for that."""
    lock_order(Refund.objects.values_list("order_id", flat=True).get(pk=refund_id))
    refund = Refund.objects.select_for_update(no_key=True, of=("self",)).get(pk=refund_id)
    if refund.state != RefundState.GRANTED:
        raise OmsError(_("This refund does not wait to be sent: %(state)s.") % {"state": refund.get_state_display()})
    refund.send()
    refund.ready_at = timezone.now()
    refund.save(update_fields=["state", "ready_at"])
    tickets.close_tickets([troubles.REFUND_TO_SEND], [refund.pk], result=TicketResult.DONE, closed_by=actor.name)
    timeline.record(refund.order_id, kinds.REFUND_SENT, actor, number=refund.number, amount=str(refund.amount))
    nudging.nudge("send_refund")
    return refund
