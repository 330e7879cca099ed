"""Whether an order is still what somebody looked at: the order, its sub-orders and what is owed, in one short text."""

import hashlib
import json
from collections.abc import Sequence

from django.utils.translation import gettext as _

from oms.common.errors import ChangedMeanwhile
from orders.changing import charging
from orders.models import Order, SubOrder


def stamp_of(order: Order, sub_orders: Sequence[SubOrder]) -> str:
    """What tells later whether a locked order is as it was."""
    known = [order.version, [(part.pk, part.version) for part in sub_orders], str(charging.owed(order.pk))]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:32]


def check_stamp(order: Order, sub_orders: Sequence[SubOrder], stamp: str | None) -> None:
    """Raises ChangedMeanwhile where a stamp is given and the locked order is not what it was then."""
    if stamp is not None and stamp != stamp_of(order, sub_orders):
        raise ChangedMeanwhile(_("The order was changed meanwhile. Look at it again and repeat what you wanted."))
