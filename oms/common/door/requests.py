"""Every request has an id, is timed, counted, and leaves one line in the log without personal data."""

import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.functional import SimpleLazyObject

from oms.common import metrics

logger = logging.getLogger("oms.requests")

_REQUEST_ID = re.compile(r"[0-9A-Za-z._:/+=-]{1,128}")


def request_id(request: HttpRequest) -> str:
    """The id of the request: the caller's `X-Request-ID` where it has the form of one, else a new one."""
    known = getattr(request, "oms_request_id", None)
    if known is None:
        known = request_id_in(request.META)
        request.oms_request_id = known  # type: ignore[attr-defined]
    return known


def request_id_in(environ: Mapping[str, Any]) -> str:
    """The caller's id of a request, by its WSGI environment, where it has the form of one, else a new one."""
    given = environ.get("HTTP_X_REQUEST_ID", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid4().hex


def caller_address(request: HttpRequest) -> str:
    """The address that the request came from.

    Behind a proxy it is the last one of X-Forwarded-For, which our own proxy put there; those before it are hearsay.
    """
    return address_in(request.META)


def address_in(environ: Mapping[str, Any]) -> str:
    """The address that a request came from, by its WSGI environment."""
    if settings.BEHIND_PROXY:
        return str(environ.get("HTTP_X_FORWARDED_FOR", "")).rpartition(",")[2].strip()
    return str(environ.get("REMOTE_ADDR", ""))


def _ask_for_no_nul(request: HttpRequest) -> None:
    """Ask for U+FFFD where the address asks for NUL: neither is in any text that is kept, and PostgreSQL cannot even be
    asked for the other. So nothing is found. The API's parameters are fields, which refuse NUL by themselves."""
    if "\0" in request.path_info:
        request.path_info = request.path_info.replace("\0", "\ufffd")
    asked = request.META.get("QUERY_STRING", "")
    if "%00" in asked and not request.path_info.startswith("/api/"):
        request.GET = QueryDict(asked.replace("%00", "%EF%BF%BD"))


def note_answered(
    view: str, method: str, status: int, seconds: float, caller: Callable[[], Mapping[str, object]] = dict
) -> None:
    """Count a request that was answered after so many seconds, and leave its line in the log. No path and no query:
    they may hold phone numbers and addresses. The view's name says what was asked."""
    metrics.count_request(view, method, status, seconds)
    level = logging.ERROR if status >= 500 else logging.INFO
    if logger.isEnabledFor(level):
        said = {"view": view, "method": method, "status": status, "milliseconds": round(seconds * 1000, 1)}
        logger.log(level, "request", extra={**said, **caller()})


class RequestMiddleware:
    """Gives the request its id, which every log line within it carries and the answer repeats."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request; what it leaves behind is a figure and a line."""
        started = time.perf_counter()
        _ask_for_no_nul(request)
        with structlog.contextvars.bound_contextvars(request_id=request_id(request)):
            response = self.get_response(request)
            seconds = time.perf_counter() - started
            response["X-Request-ID"] = request_id(request)
            match = request.resolver_match
            # What no view answers is a static file, or nothing.
            status = response.status_code
            view = (match.view_name or match.route) if match else "static" if status < 400 else "unresolved"
            note_answered(view, request.method or "", status, seconds, lambda: _caller(request))
        return response


def _caller(request: HttpRequest) -> dict[str, object]:
    """Who asks, by ids and codes: the merchant and its credential, or the member of staff."""
    user = getattr(request, "user", None)
    if type(user) is SimpleLazyObject:  # not yet asked for unless it is kept: that would be a statement of its own
        user = getattr(request, "_cached_user", None)
    if user is not None and hasattr(user, "credential"):
        return {"merchant": user.merchant.code, "credential": user.credential.name}
    return {"user": user.pk} if user is not None and user.pk else {}
