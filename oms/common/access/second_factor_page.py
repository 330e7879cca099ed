"""The page between the password and the work: set up an authenticator app, or give a code of it."""

from collections.abc import Sequence
from typing import Any

import segno
from django import forms
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from oms.common.access import second_factor
from oms.common.access.second_factor import Standing
from oms.common.errors import OmsError


class CodeForm(forms.Form):
    """A code of the app, or a recovery code."""

    code = forms.CharField(
        label=gettext_lazy("One-time code"),
        max_length=20,
        widget=forms.TextInput(
            attrs={"class": "oms-input", "autocomplete": "one-time-code", "inputmode": "text", "autofocus": True}
        ),
    )


def second_factor_view(site: AdminSite, request: HttpRequest) -> HttpResponse:
    """Ask for a code; of who has no app yet, to set one up first. Then on to the page that was asked for (`next`)."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    if not url_has_allowed_host_and_scheme(wanted, {request.get_host()}):
        wanted = reverse(f"{site.name}:index")
    standing = second_factor.standing(request)
    is_new = standing in (Standing.TO_SET_UP, Standing.NOT_NEEDED)
    if standing == Standing.GIVEN:
        return redirect(wanted)
    form = CodeForm(request.POST if request.method == "POST" else None)
    codes: Sequence[str] = ()
    if request.method == "POST" and form.is_valid():
        wait = second_factor.seconds_to_wait(request.user)  # type: ignore[arg-type]
        try:
            if wait:
                form.add_error("code", _wait_text(wait))
            elif is_new:
                codes = second_factor.confirm(request, form.cleaned_data["code"])
            else:
                second_factor.check(request, form.cleaned_data["code"])
                return redirect(wanted)
        except OmsError as refusal:
            form.add_error("code", str(refusal))
    context: dict[str, Any] = {
        **site.each_context(request),
        "title": _("Second factor"),
        "form": form,
        "next": wanted,
        "codes": codes,
        "is_new": is_new,
        "log_out": reverse(f"{site.name}:logout"),
    }
    if is_new and not codes:
        app = second_factor.begin(request.user)  # type: ignore[arg-type]
        drawn = segno.make(app.address, error="m").svg_inline(scale=5, border=2, omitsize=True)
        # What segno draws holds shapes only: the text is no part of it.
        context |= {"picture": SafeString(drawn), "secret": app.typed_secret}
    response = TemplateResponse(request, "admin/second_factor.html", context)
    response["Cache-Control"] = "no-store"
    return response


def _wait_text(seconds: int) -> str:
    text = ngettext(
        "Too many wrong codes. Wait %(seconds)d second.", "Too many wrong codes. Wait %(seconds)d seconds.", seconds
    )
    return text % {"seconds": seconds}
