"""What a browser may load and run on our pages: a Content-Security-Policy for each kind of page."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

HEADER = "Content-Security-Policy"
# Of everything that has no policy below: the public pages, which need no scripts, and data, which needs nothing.
PLAIN = {
    "default-src": "'none'",
    "style-src": "'self'",
    "img-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
# Unfold's Alpine.js makes functions of the texts in the page's attributes, and sets style attributes. No page has a
# script of its own within.
STAFF = {
    **PLAIN,
    "script-src": "'self' 'unsafe-eval'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
}
DOCUMENTATION = {
    **PLAIN,
    "script-src": "'self'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
}


def _written(policy: dict[str, str]) -> str:
    return "; ".join(f"{name} {sources}" for name, sources in policy.items())


_PLAIN = _written(PLAIN)
_BY_SITE = {"admin": _written(STAFF), "merchant": _written(STAFF)}
_BY_VIEW = {"api:docs": _written(DOCUMENTATION)}


class ContentPolicyMiddleware:
    """Adds the policy to every answer that has none of its own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """The answer with its policy."""
        response = self.get_response(request)
        # Django's own report of an error, for developers, has its scripts within.
        if not (settings.DEBUG and response.status_code >= 400):
            response.headers.setdefault(HEADER, _policy_of(request))
        return response


def _policy_of(request: HttpRequest) -> str:
    match = request.resolver_match
    if match is None:
        return _PLAIN
    site = match.namespaces[0] if match.namespaces else ""
    return _BY_SITE.get(site) or _BY_VIEW.get(match.view_name, _PLAIN)
