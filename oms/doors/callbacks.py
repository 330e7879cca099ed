"""The public door for messages of connected systems: `/callbacks/<connection>/`.

The protocol of the connection says whether a message is genuine and how it is answered; here it only comes in.
Machines ask here, often and at once: what is for people at their pages (static files, sessions, log-ins, forms) is not
gone through.
"""

import logging
from collections.abc import Container, Mapping
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from oms.common.door.requests import caller_address
from oms.common.errors import OmsError
from oms.common.models import Connection
from oms.common.work import callbacks, connected, remembering
from oms.common.work.protocols import Message

MOST_BYTES = 1024 * 1024
logger = logging.getLogger(__name__)


@csrf_exempt
@require_POST
def callback(request: HttpRequest, code: str) -> HttpResponse:
    """Take one message. An unknown connection, or one that gets no callbacks, is no address at all."""
    received_at = timezone.now()
    try:
        with remembering.trusting():
            return _answer(request, code, received_at)
    except remembering.Outdated:
        return _answer(request, code, received_at)


def _answer(request: HttpRequest, code: str, received_at: datetime) -> HttpResponse:
    link = link_of(code, callbacks.TOPICS)
    if link is None:
        remembering.ask_first()
        return HttpResponseNotFound()
    if int(request.headers.get("Content-Length") or 0) > MOST_BYTES:
        return _refused(link, 413, f"A message has at most {MOST_BYTES} bytes; send fewer facts at a time.")
    try:
        body = request.body.decode()
    except UnicodeDecodeError:
        return _refused(link, 400, "A message is text in UTF-8.")
    message = message_of(body, request.headers, request.GET, received_at)
    reply = callbacks.receive(link, message, address=caller_address(request))
    return HttpResponse(reply.body, status=reply.status, content_type=reply.content_type)


def link_of(code: str, kinds: Container[str]) -> Connection | None:
    """The connection of an address, if it is of one of these kinds and speaks a protocol that is known here."""
    link = connected.by_code(code)
    return link if link and link.protocol in callbacks.protocols.known() and link.kind in kinds else None


def message_of(body: str, headers: Mapping[str, str], query: Mapping[str, Any], received_at: datetime) -> Message:
    """A message as protocols read it, of a call's body, headers and the parameters of its address."""
    return Message(
        body=body,
        headers={name.lower(): value for name, value in headers.items()},
        parameters={name: str(value) for name, value in query.items()},
        received_at=received_at,
    )


def _refused(link: Connection, status: int, why: str) -> HttpResponse:
    """The answer to what no protocol reads, for those who look after the other system; in the log for those here."""
    logger.warning("a message for %s was refused: %s", link.code, why)
    known = callbacks.protocols.known()[link.protocol]
    if known.refuses_all:
        reply = known.speaker.refused(link, OmsError(why))
        return HttpResponse(reply.body, status=reply.status, content_type=reply.content_type)
    return HttpResponse(why, status=status, content_type="text/plain; charset=utf-8")
