"""Whom a new address is asked of once the order alone no longer says where it goes: warehouses and carriers, which the
app above knows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from orders.actors import Actor
from orders.changing.readdressing import Recipient
from orders.models import Order, SubOrder


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody who has a part of the order: its number, their name, and until when they should answer. One with an
    `address` is asked on a page of its own."""

    number: str
    name: str
    until: datetime | None = None
    address: str = ""


@dataclass(frozen=True, slots=True)
class Asker:
    """`who` would be asked for the parts of an order; `ask` asks those without a page of their own, for a reason."""

    who: Callable[[Order, Sequence[SubOrder]], Sequence[Asked]]
    ask: Callable[[int, Recipient, str, Actor], None]


_askers: list[Asker] = []


def register(asker: Asker) -> None:
    """Let an upper app be asked."""
    _askers.append(asker)


def who(order: Order, sub_orders: Sequence[SubOrder]) -> list[Asked]:
    """Everybody who would be asked."""
    return [one for asker in _askers for one in asker.who(order, sub_orders)]


def ask(order_id: int, new: Recipient, reason: str, actor: Actor) -> None:
    """Ask them. Raises what they refuse with."""
    for asker in _askers:
        asker.ask(order_id, new, reason, actor)
