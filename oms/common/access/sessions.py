"""Sessions that end: after a while without a page, and after so long in any case.

A session notes when it began and when it last asked for a page, the latter once a minute, so that a page costs no
statement of its own. At the same moment it is asked again whether the session's second factor still stands.
"""

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest
from django.utils import timezone

from oms.common.access import log, second_factor
from oms.common.models import SecurityEventKind

BEGAN, SEEN = "began_at", "seen_at"  # in the session: seconds since 1970
NOTED_EVERY_SECONDS = 60


def end_if_over(request: HttpRequest) -> bool:
    """Whether the session of the request is over; it is ended then, and the user logged out."""
    now = int(timezone.now().timestamp())
    session = request.session
    began, seen = session.setdefault(BEGAN, now), session.get(SEEN, now)
    is_idle = now - seen > settings.SESSION_IDLE_SECONDS
    if is_idle or now - began > settings.SESSION_SECONDS:
        values = {"after": "idle" if is_idle else "whole"}
        log.note(SecurityEventKind.SESSION_ENDED, request.user, request=request, values=values)
        logout(request)
        return True
    if SEEN not in session or now - seen >= NOTED_EVERY_SECONDS:
        session[SEEN] = now
        second_factor.look_again(request)
    return False
