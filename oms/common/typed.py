"""What somebody typed into a form that came to nothing: the page that is shown next has it in the form again.

It goes there through the session; past a log-in page, in that page, signed. Passwords and files do not go anywhere.
"""

import re
from collections.abc import Collection
from dataclasses import asdict, dataclass

from django.core import signing
from django.http import HttpRequest
from django.urls import get_script_prefix
from django.utils.http import url_has_allowed_host_and_scheme

MOST_CHARACTERS = 20_000
_KEY = "typed"
_SALT = "oms.typed"
_GOOD_FOR_SECONDS = 24 * 3600
# What the page itself knows better, and what nobody may read again.
_LEFT_OUT = re.compile(r"csrfmiddlewaretoken|version|password|secret|token|^_draft$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Typed:
    """The fields of a form that posted to the path `action`, and the path of the page that it stood on."""

    action: str
    page: str
    fields: dict[str, list[str]]


def of(request: HttpRequest, names: Collection[str] | None = None) -> Typed:
    """What the request posted, or of that the fields named; nothing where it is too much."""
    given = {
        name: [str(value) for value in values]
        for name, values in request.POST.lists()
        if not _LEFT_OUT.search(name) and (names is None or name in names)
    }
    if sum(len(name) + sum(map(len, values)) for name, values in given.items()) > MOST_CHARACTERS:
        given = {}
    return Typed(request.path, _page(request), given)


def _page(request: HttpRequest) -> str:
    """The path of this site's page that the request came from."""
    came_from = request.META.get("HTTP_REFERER", "")
    if not url_has_allowed_host_and_scheme(came_from, {request.get_host()}):
        return get_script_prefix()
    return "/" + came_from.split("://", 1)[-1].partition("/")[2]


def keep(request: HttpRequest, typed: Typed) -> None:
    """Have the next page show it."""
    request.form_came_to_nothing = True  # type: ignore[attr-defined]
    if typed.fields:
        request.session[_KEY] = asdict(typed)


def take(request: HttpRequest) -> dict[str, object] | None:
    """What the page that is being made should show, once."""
    if request.method != "GET" or _KEY not in request.session:
        return None
    kept: dict[str, object] = request.session.pop(_KEY)
    return kept


def sign(typed: Typed) -> str:
    """As a text that can be given out and taken back."""
    return signing.dumps(asdict(typed), salt=_SALT, compress=True)


def read_signed(text: str) -> Typed | None:
    """What was signed here within a day, else None."""
    try:
        return Typed(**signing.loads(text, salt=_SALT, max_age=_GOOD_FOR_SECONDS))
    except signing.BadSignature:
        return None
