"""Actions of change sets that apps above carry out, such as asking for an invoice: they say here how, as they register
panels of the order's page."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orders.actors import Actor
from orders.models import Order

Shown = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Beyond:
    """How an action is read out of its JSON (raising OmsError or WrongFields, with the names of its own fields), how it
    is carried out on a locked order, and how what it comes to, as JSON, is said in sentences."""

    read: Callable[[Order, Mapping[str, Any]], Any]
    carry_out: Callable[[Order, Any, Actor], Shown]
    sentences: Callable[[Shown], list[str]]


@dataclass(frozen=True, slots=True)
class Wish:
    """An action that was read; `value` is what its app made of it."""

    name: str
    value: Any


_KNOWN: dict[str, Beyond] = {}


def register(name: str, how: Beyond) -> None:
    """Make an action of `orders.changing.sets.actions.BEYOND` known."""
    _KNOWN[name] = how


def read(name: str, order: Order, told: Mapping[str, Any]) -> Wish:
    """The action. Raises OmsError and WrongFields."""
    return Wish(name, _KNOWN[name].read(order, told))


def carry_out(order: Order, wish: Wish, *, actor: Actor) -> Shown:
    """Do it; returns what it came to, with the action's name. Raises OmsError."""
    return {"do": wish.name, **_KNOWN[wish.name].carry_out(order, wish.value, actor)}


def sentences(shown: Mapping[str, Any]) -> list[str]:
    """What an action came to."""
    return _KNOWN[shown["do"]].sentences(dict(shown))
