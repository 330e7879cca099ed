"""Orders that are paid with more than money at once: balances that the operator keeps, and instalments.

Whoever keeps them is above this app and registers here; `orders` only says what an order asks for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from django.utils.translation import gettext as _

from oms.common.errors import FieldError
from oms.merchants.models import Merchant
from orders.actors import Actor
from orders.intake.bodies import OrderBody
from orders.intake.checking import CheckedOrder
from orders.intake.storing import StoredOrder


class Purse(Protocol):
    """What keeps the balances and instalments of orders."""

    def check(self, orders: Sequence[CheckedOrder], merchant: Merchant) -> Mapping[int, Sequence[FieldError]]:
        """What is wrong with what the orders ask for, by their place; what is asked for stays theirs until the end of
        the transaction."""

    def take(self, orders: Sequence[StoredOrder], merchant: Merchant, actor: Actor) -> None:
        """Let the orders, which were checked and are stored, have what they ask for."""


@dataclass(slots=True)
class _Registry:
    purse: Purse | None = None


_registry = _Registry()


def register(purse: Purse) -> None:
    """Ask this one about orders from now on."""
    _registry.purse = purse


def has_any(body: OrderBody) -> bool:
    """Whether the order asks for balances or instalments."""
    return bool(body.gift_cards or body.points.member or body.instalments)


def refuse(orders: Sequence[CheckedOrder], merchant: Merchant, *, is_history: bool) -> dict[int, list[FieldError]]:
    """What is wrong with what the orders ask for, by their place. Those without anything wrong can be given it until
    the end of the transaction."""
    places = [place for place, order in enumerate(orders) if has_any(order.body)]
    if not places:
        return {}
    if is_history:
        detail = _("An order of the past takes no gift cards, points or instalments of ours.")
        return {place: [FieldError("", "not_of_the_past", detail)] for place in places}
    purse = _registry.purse
    assert purse is not None  # noqa: S101 - `payments` registers when it is ready
    found = purse.check([orders[place] for place in places], merchant)
    return {places[index]: list(errors) for index, errors in found.items()}


def take(orders: Sequence[StoredOrder], merchant: Merchant, actor: Actor) -> None:
    """Let those of the stored orders that ask for balances and instalments have them."""
    asking = [order for order in orders if has_any(order.checked.body)]
    if asking and _registry.purse:
        _registry.purse.take(asking, merchant, actor)
