"""What programs of the platform's own read of all merchants is noted for whoever looks after the data. What is personal
they do not see: `oms.common.door.hiding`."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from rest_framework.request import Request

from oms.common.access import log
from oms.common.access.log import Subject
from oms.common.models import SecurityEvent, SecurityEventKind

# One entry for each credential, list and merchant in so long; every single call is in the log of requests.
NOTED_EVERY = timedelta(hours=1)


def note(request: Request, view: str) -> None:
    """Keep in the security log that the credential reads this, once an hour."""
    credential = request.user.credential
    whose = request.query_params.get("merchant", "")[:40]
    values: Mapping[str, Any] = {"merchant": whose} if whose else {}
    http: HttpRequest = request._request
    name = f"{request.method} {http.path}"[:150] if not request.parser_context.get("kwargs") else view
    since = timezone.now() - NOTED_EVERY
    noted = SecurityEvent.objects.filter(
        kind=SecurityEventKind.PLATFORM_READ, person=str(credential)[:150], subject=name, values=values, at__gte=since
    )
    if not noted.exists():
        about = Subject("merchants.apicredential", credential.pk, name)
        log.note(
            SecurityEventKind.PLATFORM_READ, None, request=http, person=str(credential), about=about, values=values
        )
