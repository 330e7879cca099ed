"""The person who is logged in, as an actor."""

from django.http import HttpRequest

from oms.common.desk.lists import staff_actor_name
from orders.actors import Actor
from orders.models import ActorKind


def staff_actor(request: HttpRequest) -> Actor:
    """The person who is logged in, as the timeline names staff."""
    return Actor(ActorKind.STAFF, staff_actor_name(request)[:80])
