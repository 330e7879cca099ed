"""The buyer's word that the virtual goods came."""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from logistics.models import VirtualDelivery
from logistics.virtual.revealing import NotThere
from orders.actors import Actor
from orders.fulfilling import completing
from orders.locking import lock_sub_order


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
