"""What people see where a page failed."""

import sys

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from oms.common.door.requests import request_id
from oms.common.outages import outage_of


def server_error(request: HttpRequest) -> HttpResponse:
    """503 where the database cannot do it just now, else 500. Asks the database nothing."""
    outage = outage_of(sys.exc_info()[1])
    context = {
        "title": _("Not available just now") if outage else _("Something went wrong"),
        "text": outage.text if outage else _("This is our mistake. Please report the number below."),
        "request_id": request_id(request),
        "again": request.get_full_path() if request.method in ("GET", "HEAD") else None,
    }
    answer = HttpResponse(render_to_string("error.html", context), status=503 if outage else 500)
    answer["Cache-Control"] = "no-store"
    if outage:
        answer["Retry-After"] = str(outage.retry_after_seconds)
    return answer
