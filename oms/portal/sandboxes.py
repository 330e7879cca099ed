"""The sandbox on the merchants' pages: whoever enters it sees and makes what is the sandbox's, and nothing else, until
they leave it. Its keys are made there, like any others."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _

from logistics.by_merchant.sandboxes import open_sandbox
from oms.common.errors import OmsError
from oms.merchant_admin import IN_SANDBOX, merchant_of, site
from oms.merchants.models import Merchant

KEYS = "portal.keys"
# Where a form may lead after entering.
_PAGES = ("merchant:merchants_apicredential_add",)


def enter_view(request: HttpRequest) -> HttpResponse:
    """Go into the sandbox, which is opened by the first who may make keys."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    merchant = merchant_of(request)
    if merchant is None:
        raise PermissionDenied
    if not merchant.is_sandbox and not Merchant.objects.filter(sandbox_of=merchant).exists():
        if not request.user.has_perm(KEYS) or merchant.status != Merchant.Status.ACTIVE:
            raise PermissionDenied
        try:
            open_sandbox(merchant)
        except OmsError as refusal:
            messages.error(request, str(refusal))
            return redirect("merchant:index")
    request.session[IN_SANDBOX] = True
    messages.success(request, _("You are in the sandbox: nothing here is real."))
    wanted = request.POST.get("page", "")
    return redirect(wanted if wanted in _PAGES and request.user.has_perm(KEYS) else "merchant:index")


def leave_view(request: HttpRequest) -> HttpResponse:
    """Go back to what is real."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    request.session.pop(IN_SANDBOX, None)
    messages.success(request, _("You have left the sandbox."))
    return redirect("merchant:index")


def urls() -> list[Any]:
    """The ways in and out."""
    return [
        path("sandbox/enter/", site.admin_view(enter_view), name="sandbox_enter"),
        path("sandbox/leave/", site.admin_view(leave_view), name="sandbox_leave"),
    ]


site.more_urls.append(urls)
