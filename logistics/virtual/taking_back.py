"""Taking one sub-order of virtual goods back that nobody has looked at; what was seen a person decides."""

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext as _

from logistics import kinds
from oms.common import tickets
from oms.common.errors import OmsError
from oms.common.work import nudging
from orders.actors import Actor
from orders.asked import unseen
from orders.changing import cancelling, charging
from orders.fulfilling import derived as fulfilment
from orders.fulfilling.trouble import RECEIPT_DENIED
from orders.locking import lock_sub_order
from orders.models import ChargeCause, Order, SubOrder, SubOrderState
from orders.models.sub_order import ARRIVED
from orders.telling import timeline


class CannotTakeBack(OmsError):
    """It was looked at, or is not there to be taken back."""

    code = "cannot_take_back"


@transaction.atomic
def take_back(sub_order_id: int, *, reason: str, actor: Actor) -> None:
    """Take delivered virtual goods back that nobody has looked at: what was ordered is owed no longer, and the code is
    for sale again (`settling`). Raises CannotTakeBack, and OmsError without a reason."""
    reason = " ".join(reason.split())[:200]
    if not reason:
        raise OmsError(_("Say why."), attr="reason")
    part = lock_sub_order(sub_order_id)
    order_id = part.order_id
    if not part.is_virtual or part.state not in ARRIVED:
        text = _("There is nothing to take back of %(number)s: %(state)s.")
        raise CannotTakeBack(text % {"number": part.number, "state": part.get_state_display()})
    if part.pk not in unseen.of([part.pk]):
        text = _("%(number)s was looked at, or delivered by its merchant. Agree with the buyer and grant a refund.")
        raise CannotTakeBack(text % {"number": part.number})
    timeline.record(order_id, kinds.VIRTUAL_TAKEN_BACK, actor, sub_order_id=part.pk, number=part.number, reason=reason)
    if part.state == SubOrderState.DELIVERED:
        cancelling.cancel_sub_orders([part.pk], actor=actor)
    else:
        SubOrder.objects.filter(pk=part.pk).update(state=SubOrderState.RETURNED, needs_person_since=None)
        tickets.close_tickets([RECEIPT_DENIED], [part.pk], closed_by=actor.name)
        timeline.record_of_sub_orders([part.pk], kinds.SUB_ORDER_RETURNED, actor)
        charging.take_back([part.pk], ChargeCause.RETURNED, actor=actor)
    Order.objects.filter(pk=order_id).update(owed_changed_since=Coalesce(F("owed_changed_since"), Now()))
    fulfilment.refresh([order_id])
    nudging.nudge("owing", "settle_codes")
