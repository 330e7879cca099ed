"""The page on which staff stop and resume what goes out."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common import outbound
from oms.common.desk.lists import KeysetAdmin, staff_actor_name
from oms.common.errors import OmsError

RIGHT = "common.switch_outbound"


class StopForm(forms.Form):
    """Why nothing is to go out."""

    note = forms.CharField(
        label=gettext_lazy("Why"), max_length=200, widget=forms.TextInput(attrs={"class": "oms-input"})
    )


class OutboundStopAdmin(KeysetAdmin):
    """When what goes out was stopped and resumed, and by whom; above it the switch."""

    list_display = ("reason", "note", "stopped_at", "stopped_by", "resumed_at", "resumed_by")
    list_before_template = "admin/common/outboundstop/switch.html"

    def get_urls(self) -> list[URLPattern]:
        """The two buttons."""
        wrap = self.admin_site.admin_view
        return [
            path("stop/", wrap(self.stop_view), name="common_outboundstop_stop"),
            path("resume/", wrap(self.resume_view), name="common_outboundstop_resume"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list and the switch."""
        context = {
            "stop": outbound.open_stop(),
            "may_switch": request.user.has_perm(RIGHT),
            "stop_form": StopForm(),
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    def stop_view(self, request: HttpRequest) -> HttpResponse:
        """Let nothing go out any more."""
        return self._switch(request, to_stop=True)

    def resume_view(self, request: HttpRequest) -> HttpResponse:
        """Let everything go out."""
        return self._switch(request, to_stop=False)

    def _switch(self, request: HttpRequest, *, to_stop: bool) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not request.user.has_perm(RIGHT):
            raise PermissionDenied
        form = StopForm(request.POST)
        try:
            if not to_stop:
                outbound.resume(by=staff_actor_name(request))
                messages.success(request, _("What waited goes out now."))
            elif form.is_valid():
                outbound.stop(by=staff_actor_name(request), note=form.cleaned_data["note"])
                messages.success(request, _("Nothing goes out any more."))
            else:
                messages.error(request, _("Say why."))
        except OmsError as refusal:
            messages.error(request, str(refusal))
        return redirect("admin:common_outboundstop_changelist")
