"""Messages of connected systems of which nothing is to be said but that they are taken: many at a time.

A carrier tells of thousands of parcels at once, each in a call of its own, and wants its answer within a second. Here
calls that are whole are opened one after the other and stored by one statement, one commit for all. What is not
genuine, not new, not understood or not for here is left to the door itself (`callbacks`), and so is everything while
the database is away.
"""

import io
import logging
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from http.client import responses
from typing import Any

import structlog
from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.db import close_old_connections
from django.http import HttpResponse, QueryDict
from django.http.request import HttpHeaders, split_domain_port, validate_host
from django.middleware.security import SecurityMiddleware
from django.utils import timezone

from oms.common.door.requests import address_in, note_answered, request_id_in
from oms.common.models import SystemKind
from oms.common.work import callbacks, remembering
from oms.content_policy import ContentPolicyMiddleware
from oms.doors.callbacks import link_of, message_of

logger = logging.getLogger(__name__)

# Those that tell much. What payment providers say is little, and their keys may have to be asked for.
KINDS = (SystemKind.CARRIER, SystemKind.WAREHOUSE)
_ADDRESS = re.compile(r"/callbacks/([-a-zA-Z0-9_]+)/")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a call: its status line, headers and body."""

    status: str
    headers: Sequence[tuple[str, str]]
    body: bytes


def take(calls: Sequence[Mapping[str, Any]]) -> list[Answer | None]:
    """Answer calls, WSGI environments with all of their bodies, in their order; None for each that is left to the door.
    What a call says is stored before it is answered."""
    began = time.perf_counter()
    opened = [_opened(environ) for environ in calls]
    is_stored = iter(_stored([one for one in opened if one is not None]))
    return [
        _answer(environ, one, time.perf_counter() - began) if one is not None and next(is_stored) else None
        for environ, one in zip(calls, opened, strict=True)
    ]


def _opened(environ: Mapping[str, Any]) -> callbacks.Opened | None:
    if not _is_plain(environ):
        return None
    address = _ADDRESS.fullmatch(environ["PATH_INFO"])
    if address is None:
        return None
    try:
        with remembering.trusting():
            link = link_of(address[1], KINDS)
            if link is None:
                return None
            query = environ["QUERY_STRING"]
            body = environ["wsgi.input"].read().decode()
            message = message_of(body, HttpHeaders(environ), QueryDict(query) if query else {}, timezone.now())
            return callbacks.opened(link, message, address=address_in(environ))
    except Exception as error:  # whatever it is, the door meets it again and has the words for it
        if not isinstance(error, remembering.Outdated):
            logger.debug("left to the door: %s", type(error).__name__)
        return None


def _stored(opened: Sequence[callbacks.Opened]) -> Sequence[bool]:
    if not opened:
        return ()
    close_old_connections()
    try:
        return callbacks.store_together(opened)
    except Exception as error:  # one of them, or the database: the door finds out which
        logger.warning("%s messages are taken one by one: %s", len(opened), type(error).__name__)
        return [False] * len(opened)
    finally:
        close_old_connections()


def _answer(environ: Mapping[str, Any], opened: callbacks.Opened, seconds: float) -> Answer:
    body = opened.reply.body.encode()
    status = opened.reply.status
    identity = request_id_in(environ)
    with structlog.contextvars.bound_contextvars(request_id=identity):
        note_answered("callback", environ["REQUEST_METHOD"], status, seconds)
    headers = [
        ("Content-Type", opened.reply.content_type),
        ("Content-Length", str(len(body))),
        ("X-Request-ID", identity),
        *_for_everybody(_is_secure(environ)),
    ]
    return Answer(f"{status} {responses[status]}", headers, body)


def _is_plain(environ: Mapping[str, Any]) -> bool:
    """Whether the site would let the call through to the door, without a redirect and without a word."""
    return (
        not environ["SCRIPT_NAME"]
        and "%00" not in environ["QUERY_STRING"]
        and _is_ours(environ.get("HTTP_HOST", ""), tuple(settings.ALLOWED_HOSTS))
        and (_is_secure(environ) or not settings.SECURE_SSL_REDIRECT)
    )


@lru_cache(maxsize=64)
def _is_ours(host: str, allowed: Sequence[str]) -> bool:
    domain, _port = split_domain_port(host)
    return bool(domain) and validate_host(domain, allowed)


def _is_secure(environ: Mapping[str, Any]) -> bool:
    if settings.BEHIND_PROXY:
        name, value = settings.SECURE_PROXY_SSL_HEADER
        return str(environ.get(name, "")).partition(",")[0].strip() == value
    return bool(environ["wsgi.url_scheme"] == "https")


@lru_cache(maxsize=2)
def _for_everybody(is_secure: bool) -> Sequence[tuple[str, str]]:
    """The headers that the middleware gives every answer."""
    blank = {"REQUEST_METHOD": "POST", "wsgi.input": io.BytesIO(), "wsgi.url_scheme": "https" if is_secure else "http"}
    if settings.BEHIND_PROXY and is_secure:
        blank.update([settings.SECURE_PROXY_SSL_HEADER])
    request = WSGIRequest({**blank, "SERVER_NAME": "", "SERVER_PORT": ""})
    policy = ContentPolicyMiddleware(lambda _request: HttpResponse())
    answer = SecurityMiddleware(policy).process_response(request, policy(request))
    return [(name, value) for name, value in answer.headers.items() if name != "Content-Type"]
