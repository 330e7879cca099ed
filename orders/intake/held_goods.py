"""Orders that name a reservation: the units that are set aside for them become theirs."""

from collections import Counter
from collections.abc import Sequence

from django.utils.translation import gettext as _

from inventory import holding
from inventory.models import StockHold
from oms.common.errors import FieldError
from oms.merchants.models import Merchant
from orders.actors import Actor
from orders.intake.checking import CheckedOrder
from orders.intake.storing import StoredOrder


def refuse(orders: Sequence[CheckedOrder], merchant: Merchant, *, is_history: bool) -> dict[int, FieldError]:
    """What is wrong with the reservations that the orders name, by their place. Those without anything wrong stay the
    orders' until the end of the transaction. No statement where none names any."""
    places = {place: StockHold.id_of(order.body.reservation) for place, order in enumerate(orders) if _names(order)}
    if not places:
        return {}
    if is_history:
        error = FieldError("reservation", "not_of_the_past", _("An order of the past takes over no reservation."))
        return dict.fromkeys(places, error)
    usable = holding.lock_usable(set(places.values()), merchant.pk)
    errors = {}
    for place, hold_id in places.items():
        if hold_id not in usable:
            detail = _("You have no such reservation, or it is over: expired, given back or another order's.")
            errors[place] = FieldError("reservation", "reservation_over", detail)
        usable.discard(hold_id)
    return errors


def take(orders: Sequence[StoredOrder], actor: Actor) -> None:
    """Let the stored orders have the reservations that they name and that were locked for them."""
    wanted = {
        StockHold.id_of(order.checked.body.reservation): _units(order) for order in orders if _names(order.checked)
    }
    if wanted:
        holding.hand_over(wanted, actor=actor.name)


def _names(order: CheckedOrder) -> bool:
    return bool(order.body.reservation)


def _units(order: StoredOrder) -> Counter[int] | None:
    """The units of each SKU (id) that the order wants; None while nobody has said what its codes stand for."""
    if order.checked.missing:
        return None
    units = Counter[int]()
    for line in order.checked.lines:
        units[line.sku.id] += line.quantity
    return units
