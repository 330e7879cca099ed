"""The doors at which only machines knock: their messages are answered before what is for people at their pages.

Messages come often and at once, and none has a session, a form, a log-in or a static file. What is for everybody stays:
probes, the request's id and line in the log, HTTPS, the check of the Host header, the language that is asked for.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.utils import translation

from oms.doors import callbacks

PREFIX = "/callbacks/"
VIEWS = (callbacks.callback,)


class MachinesMiddleware:
    """Answers the addresses of VIEWS. After the middleware that is for every request, before that for pages."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """The door's answer, or that of the site."""
        if not request.path_info.startswith(PREFIX):
            return self.get_response(request)
        try:
            match = resolve(request.path_info)
        except Resolver404:
            return self.get_response(request)
        if match.func not in VIEWS:
            return self.get_response(request)
        request.get_host()  # raises DisallowedHost
        request.resolver_match = match
        with translation.override(translation.get_language_from_request(request)):
            response: HttpResponse = match.func(request, *match.args, **match.kwargs)
        response.headers["Content-Length"] = str(len(response.content))
        return response
