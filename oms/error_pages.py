"""What people see where a page failed, is not there, or is not theirs."""

import sys

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from oms.common.door.requests import request_id
from oms.common.outages import outage_of

# Where people who work on a site begin again.
_SITES = ("/admin/", "/merchant/")


def server_error(request: HttpRequest) -> HttpResponse:
    """503 where the database cannot do it just now, else 500. Asks the database nothing."""
    outage = outage_of(sys.exc_info()[1])
    answer = _page(
        request,
        503 if outage else 500,
        _("Not available just now") if outage else _("Something went wrong"),
        str(outage.text) if outage else _("This is our mistake. Please report the number below."),
        is_ours=True,
    )
    answer["Cache-Control"] = "no-store"
    if outage:
        answer["Retry-After"] = str(outage.retry_after_seconds)
    return answer


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: there is nothing, or nothing that this person may see; which of them is not told."""
    text = _("Nothing is at this address, or it is not yours to see. Look for it by its number.")
    return _page(request, 404, _("Page not found"), text)


def refused(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403: a right is missing."""
    text = _("You do not have the right to this page. Ask an administrator for it.")
    return _page(request, 403, _("Not allowed"), text)


def stale_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: a form was sent without the mark of this browser, as after it was open for long or cookies were deleted."""
    text = _("This form is too old, or your browser keeps no cookies. Load the page anew and send it again.")
    return _page(request, 403, _("The form was not sent"), text)


def _page(request: HttpRequest, status: int, title: str, text: str, *, is_ours: bool = False) -> HttpResponse:
    is_read = request.method in ("GET", "HEAD")
    context = {
        "title": title,
        "text": text,
        "request_id": request_id(request) if is_ours else "",
        "again": request.get_full_path() if is_ours and is_read else None,
        "home": None if is_ours else next((site for site in _SITES if request.path.startswith(site)), None),
        "was_sent": not is_read,
    }
    return HttpResponse(render_to_string("error.html", context), status=status)
