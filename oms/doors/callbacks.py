"""The public door for messages of connected systems: `/callbacks/<connection>/`.

The protocol of the connection says whether a message is genuine and how it is answered; here it only comes in.
"""

from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from oms.common.door.requests import caller_address
from oms.common.models import Connection
from oms.common.work import callbacks
from oms.common.work.protocols import Message

MOST_BYTES = 1024 * 1024


@csrf_exempt
@require_POST
def callback(request: HttpRequest, code: str) -> HttpResponse:
    """Take one message. An unknown connection, or one that gets no callbacks, is no address at all."""
    link = Connection.objects.filter(code=code).first()
    if link is None or link.protocol not in callbacks.protocols.known() or link.kind not in callbacks.TOPICS:
        return HttpResponseNotFound()
    if int(request.headers.get("Content-Length") or 0) > MOST_BYTES:
        return HttpResponse(status=413)
    try:
        body = request.body.decode()
    except UnicodeDecodeError:
        return HttpResponse(status=400)
    message = Message(
        body=body,
        headers={name.lower(): value for name, value in request.headers.items()},
        parameters={name: str(value) for name, value in request.GET.items()},
        received_at=timezone.now(),
    )
    reply = callbacks.receive(link, message, address=caller_address(request))
    return HttpResponse(reply.body, status=reply.status, content_type=reply.content_type)
