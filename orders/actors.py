"""Who does something, as the timeline names them."""

from dataclasses import dataclass

from orders.models.event import ActorKind


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: a kind, and a name or key."""

    kind: ActorKind
    name: str


def job(name: str) -> Actor:
    """A stage of the pipeline."""
    return Actor(ActorKind.JOB, name)
