"""Who else looks at a page right now, and who is changing something: short-lived, in Valkey, and never in the way.

Each open page says so every some seconds; who has not for longer is gone. Without Valkey nobody sees anybody.
"""

import logging
import time
from dataclasses import dataclass

import redis
from django.http import HttpRequest, JsonResponse

from oms.common.valkey import connect

logger = logging.getLogger(__name__)
# A page says that it is open three times in this time.
GONE_AFTER_SECONDS = 45
_TIMEOUT_SECONDS = 0.3
LOOKS, CHANGES = "looks", "changes"


@dataclass(frozen=True, slots=True)
class Present:
    """Somebody else on the page."""

    name: str
    is_changing: bool


def note(page: str, name: str, *, is_changing: bool) -> list[Present]:
    """Say that `name` is on the page (such as `order:17`); returns who else is, who changes something first."""
    key, now = f"oms:present:{page}", time.time()
    try:
        client = connect(_TIMEOUT_SECONDS)
        with client.pipeline(transaction=False) as pipeline:
            pipeline.hset(key, name, f"{CHANGES if is_changing else LOOKS} {int(now)}")
            pipeline.expire(key, GONE_AFTER_SECONDS)
            pipeline.hgetall(key)
            found = pipeline.execute()[-1]
        client.close()
    except redis.RedisError as error:
        logger.info("nobody knows who looks at %s: %s", page, error)
        return []
    present = []
    for other, said in found.items():
        what, _space, since = said.decode().partition(" ")
        if other.decode() != name and now - float(since) < GONE_AFTER_SECONDS:
            present.append(Present(other.decode(), what == CHANGES))
    return sorted(present, key=lambda one: (not one.is_changing, one.name))


def answer(request: HttpRequest, page: str) -> JsonResponse:
    """What an open page is told when it says that it is open (`?changing=1`: that something is being typed)."""
    name = request.user.get_username()
    others = note(page, name, is_changing=request.GET.get("changing") == "1")
    reply = JsonResponse({"others": [{"name": one.name, "is_changing": one.is_changing} for one in others]})
    reply["Cache-Control"] = "no-store"
    return reply
