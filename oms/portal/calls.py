"""Refused calls of the API, and the page on which a call is pasted to see what is wrong with it."""

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from oms.common.desk.acting import INPUT
from oms.common.desk.lists import MomentDayFilter
from oms.merchant_admin import OwnPages, merchant_of, site
from oms.merchants.calls import judging
from oms.merchants.calls.judging import Pasted
from oms.merchants.models import Merchant, RefusedCall

KEYS = "portal.keys"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
LARGEST_BODY = 1024 * 1024


class CallForm(forms.Form):
    """A call as a program sends it."""

    method = forms.ChoiceField(
        label=gettext_lazy("Method"), choices=[(one, one) for one in _METHODS], widget=forms.Select(attrs=INPUT)
    )
    address = forms.CharField(
        label=gettext_lazy("Address"),
        max_length=4000,
        help_text=gettext_lazy("With its query, such as /api/v1/orders?limit=2; with or without the host."),
        widget=forms.TextInput(attrs={**INPUT, "autocomplete": "off"}),
    )
    headers = forms.CharField(
        label=gettext_lazy("Headers, one a line"),
        max_length=20_000,
        required=False,
        widget=forms.Textarea(attrs={**INPUT, "rows": 5, "spellcheck": "false"}),
    )
    body = forms.CharField(
        label=gettext_lazy("Body"),
        max_length=LARGEST_BODY,
        required=False,
        strip=False,
        help_text=gettext_lazy("To the byte, as it is signed: without a line break at the end unless yours has one."),
        widget=forms.Textarea(attrs={**INPUT, "rows": 10, "spellcheck": "false"}),
    )


class OwnRefusedCalls(OwnPages):
    """What the merchant's programs called and was refused, the newest first."""

    sees = KEYS
    search_fields = ("request_id", "code", "path")
    search_help_text = gettext_lazy("Id of the request, error code, or address")
    list_display = ("at", "method", "path", "status", "code", "attr", "detail", "credential_name", "request_id")
    list_select_related = ("credential",)
    list_filter = (("at", MomentDayFilter),)
    list_before_template = "portal/calls_head.html"
    fields = readonly_fields = (
        *("at", "method", "path", "status", "code", "attr", "detail", "errors", "credential_name", "request_id"),
    )

    def own(self, merchant: Merchant) -> QuerySet[RefusedCall]:
        """The merchant's."""
        return RefusedCall.objects.filter(merchant=merchant)

    @display(description=gettext_lazy("credential"))
    def credential_name(self, call: RefusedCall) -> str:
        """Which credential called."""
        return call.credential.name

    def get_urls(self) -> list[URLPattern]:
        """With the page that judges a call."""
        check = path("check/", self.admin_site.admin_view(check_view), name="merchants_refusedcall_check")
        return [check, *super().get_urls()]


def check_view(request: HttpRequest) -> HttpResponse:
    """Paste a call, see what is wrong."""
    merchant = merchant_of(request)
    if merchant is None or not request.user.has_perm(KEYS):
        raise PermissionDenied
    form = CallForm(request.POST or None)
    judgement = None
    if request.method == "POST" and form.is_valid():
        data: dict[str, Any] = form.cleaned_data
        # Browsers send line breaks as CR LF; programs do not.
        body = data["body"].replace("\r\n", "\n")
        judgement = judging.judge(merchant, Pasted(data["method"], data["address"], data["headers"], body))
    context = {
        **site.each_context(request),
        "opts": RefusedCall._meta,
        "title": _("Check a call"),
        "form": form,
        "judgement": judgement,
        "list_url": reverse("merchant:merchants_refusedcall_changelist"),
    }
    response = TemplateResponse(request, "portal/check_call.html", context, status=400 if form.errors else 200)
    response["Cache-Control"] = "no-store"
    return response


site.register(RefusedCall, OwnRefusedCalls)
