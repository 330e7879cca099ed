"""Who does something, as the timeline names them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from orders.models.event import ActorKind


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: a kind, and a name or key."""

    kind: ActorKind
    name: str


def job(name: str) -> Actor:
    """A stage of the pipeline."""
    return Actor(ActorKind.JOB, name)


_words: dict[str, Any] = {}


def name_actors(words: Mapping[str, Any]) -> None:
    """Say how those are called who are no persons: stages of the pipeline, by name, and others, by code."""
    _words.update(words)


def word(code: str) -> str:
    """How a stage or another actor that is no person is called, in the active language; the code, where nobody said."""
    return str(_words.get(code, code))


def named(kind: str, name: str) -> str:
    """Who did something, in words: the kind of actor, and the name where it says more."""
    label = str(ActorKind(kind).label) if kind in ActorKind.values else kind
    if not name or name == kind:
        return label
    is_person = kind in (ActorKind.STAFF, ActorKind.MERCHANT, ActorKind.BUYER)
    return f"{label} {name if is_person else word(name)}"


name_actors(
    {
        "review": _("Review"),
        "split": _("Split into sub-orders"),
        "wake": _("Wake backorders"),
        "allocate": _("Choose warehouse, reserve stock"),
        "complete": _("Complete"),
        "fulfilment": _("Follow the sub-orders"),
    }
)
