"""Who does something, as the timeline names them."""

from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from oms.common.codebook import ACTORS
from orders.models.event import ActorKind


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: a kind, and a name or key."""

    kind: ActorKind
    name: str


def job(name: str) -> Actor:
    """A stage of the pipeline."""
    return Actor(ActorKind.JOB, name)


name_actors, word = ACTORS.add, ACTORS.word


def named(kind: str, name: str) -> str:
    """Who did something, in words: the kind of actor, and the name where it says more."""
    label = str(ActorKind(kind).label) if kind in ActorKind.values else kind
    if not name or name == kind:
        return label
    is_person = kind in (ActorKind.STAFF, ActorKind.MERCHANT, ActorKind.BUYER)
    return f"{label} {name if is_person else word(name)}"


name_actors(
    {
        # Where nothing more is known of who did it than what kind of actor it is.
        **dict(ActorKind.choices),
        "match": _("Let matched orders go on"),
        "promise": _("Make promises"),
        "promise_goods": _("Promise goods on order"),
        "tell_half_bundles": _("Tell of half bundles"),
        "review": _("Review"),
        "do_later": _("Do what was not taken back"),
        "split": _("Split into sub-orders"),
        "wake": _("Wake backorders"),
        "free_holds": _("Give back what is set aside"),
        "allocate": _("Choose warehouse, reserve stock"),
        "expire_stock": _("Take expired batches from sale"),
        "cancel_short": _("Cancel what waited too long"),
        "merge": _("Merge"),
        "gifts": _("Give gifts"),
        "later_gifts": _("Send gifts after completion"),
        "move_late": _("Move what missed its cut-off"),
        "complete": _("Complete"),
        "chase_cancellations": _("Ask after cancellations"),
        "fulfilment": _("Follow the sub-orders"),
        "import_orders": _("Import of a file"),
        "load_data": _("Import of reference data"),
    }
)
