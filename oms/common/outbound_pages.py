"""The page on which staff stop and resume what goes out."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common import outbound
from oms.common.desk import acting
from oms.common.desk.lists import KeysetAdmin, staff_actor_name

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

        def stop(data: dict[str, Any]) -> str:
            outbound.stop(by=staff_actor_name(request), note=data["note"])
            return _("Nothing goes out any more.")

        return self._act(request, stop, StopForm)

    def resume_view(self, request: HttpRequest) -> HttpResponse:
        """Let everything go out."""

        def resume(_data: dict[str, Any]) -> str:
            outbound.resume(by=staff_actor_name(request))
            return _("What waited goes out now.")

        return self._act(request, resume, forms.Form)

    @staticmethod
    def _act(request: HttpRequest, do: Callable[[dict[str, Any]], str], form_class: type[forms.Form]) -> HttpResponse:
        page = reverse("admin:common_outboundstop_changelist")
        return acting.act(request, do, may=request.user.has_perm(RIGHT), page=page, form_class=form_class)
