"""The buyer's word that the virtual goods came, or that they do not work."""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from logistics.models import VirtualDelivery
from logistics.virtual.revealing import NotThere
from logistics.virtual.trouble import DOES_NOT_WORK
from oms.common import tickets
from orders.actors import Actor
from orders.fulfilling import completing
from orders.locking import lock_sub_order
from orders.models import SubOrderState


@transaction.atomic
def confirm(sub_order_id: int, *, actor: Actor) -> None:
    """The buyer has what was delivered: the sub-order is completed. Said again, nothing happens.

    Raises NotThere before the goods were looked at, and NotDelivered.
    """
    lock_sub_order(sub_order_id)
    seen = VirtualDelivery.objects.filter(sub_order=sub_order_id, revealed_at__isnull=False)
    if not seen.exists():
        raise NotThere(_("Look at it first."))
    completing.confirm_receipt(sub_order_id, actor=actor)
    seen.filter(confirmed_at=None).update(confirmed_at=timezone.now())


@transaction.atomic
def deny(sub_order_id: int, *, actor: Actor) -> None:
    """What was delivered does not work: a person is called, and until then the sub-order is not completed by the clock,
    unless it is already. Raises NotThere before the goods were looked at."""
    part = lock_sub_order(sub_order_id)
    if not VirtualDelivery.objects.filter(sub_order=part, revealed_at__isnull=False).exists():
        raise NotThere(_("Look at it first."))
    if part.state == SubOrderState.COMPLETED:
        trouble = tickets.Trouble(part.pk, "", {"number": part.number}, about_id=part.order_id)
        tickets.open_tickets(DOES_NOT_WORK, [trouble], opened_by=actor.name)
    else:
        completing.deny_receipt(part.order_id, actor=actor, sub_order_id=part.pk)
