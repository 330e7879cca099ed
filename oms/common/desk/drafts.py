"""Drafts: a browser keeps what is typed into a form until the server has confirmed that the form was taken.

The form names its draft (`_draft`), and the answer to a form that was taken gives that name back in a cookie, which the
next page reads and forgets (static/oms/drafts.js). A form that came to nothing confirms none: its draft stays.
"""

import re
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

FIELD, COOKIE = "_draft", "oms_taken"
_NAME = re.compile(r"[0-9a-f-]{8,40}")
# For the page that the answer leads to.
_SECONDS = 600


class DraftMiddleware:
    """Gives back the name of a form's draft once the form was taken."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """The answer, which confirms the draft where something came of the form."""
        response = self.get_response(request)
        if request.method != "POST" or not _is_taken(request, response):
            return response
        name = request.POST.get(FIELD, "")
        if _NAME.fullmatch(name):
            response.set_cookie(
                COOKIE, name, max_age=_SECONDS, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE, httponly=False
            )
        return response


def _is_taken(request: HttpRequest, response: HttpResponse) -> bool:
    if getattr(request, "form_came_to_nothing", False):
        return False
    return response.status_code in (302, 303) or (isinstance(response, JsonResponse) and response.status_code == 200)
