"""The staff's pages on connected systems: how each fares, testing it, switching it off and on."""

import json
from collections.abc import Callable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from oms.common import tickets
from oms.common.codebook import ACTORS
from oms.common.desk import acting
from oms.common.desk.fields import NetworksField
from oms.common.desk.lists import KeysetAdmin
from oms.common.errors import OmsError
from oms.common.masking import describe
from oms.common.models import Connection, FactState
from oms.common.templatetags.staff import badge
from oms.common.work import connections, protocols


class ConnectionForm(forms.ModelForm):
    """What may be chosen of a connection. Its secrets are written here and never shown again."""

    allowed_addresses = NetworksField(
        label=gettext_lazy("Allowed addresses"),
        required=False,
        help_text=gettext_lazy("Addresses or networks that may call, such as 203.0.113.0/24, one a line; empty: any."),
    )
    new_secrets = forms.CharField(
        label=gettext_lazy("New secrets"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy(
            "One a line, as name=value; they are kept sealed and never shown. Empty: those that are known stay."
        ),
    )

    base_url = forms.URLField(label=gettext_lazy("base address"), required=False, assume_scheme="https")

    class Meta:
        model = Connection
        fields = (
            *("code", "name", "kind", "protocol", "base_url", "options", "batch_size", "calls_at_once"),
            *("timeout_seconds", "breaker_failures", "breaker_seconds", "allowed_addresses", "clock_skew_seconds"),
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "protocol" in self.fields:
            known = [(one.code, one.title) for one in protocols.known().values()]
            self.fields["protocol"] = forms.ChoiceField(label=_("Protocol"), choices=known)

    def clean_new_secrets(self) -> dict[str, str]:
        """The lines by name. Raises ValidationError for a line that is none, or a name that the protocol has not."""
        secrets: dict[str, str] = {}
        for line in self.cleaned_data["new_secrets"].splitlines():
            name, found, value = line.partition("=")
            if line.strip() and not (found and value.strip()):
                raise ValidationError(_("Write each secret as name=value, one a line."))
            if line.strip():
                secrets[name.strip()] = value.strip()
        return secrets

    def clean(self) -> dict[str, Any]:
        """Protocol, kind and names of secrets must fit each other."""
        cleaned = super().clean() or {}
        known = protocols.known().get(cleaned.get("protocol", ""))
        if known is None:
            return cleaned
        if cleaned.get("kind") and cleaned["kind"] not in known.kinds:
            self.add_error("protocol", _("This protocol is not one of that kind of system."))
        unknown = [name for name in cleaned.get("new_secrets") or {} if name not in known.secrets]
        if unknown:
            detail = _("The protocol has no secret %(name)s. It has: %(known)s.")
            names = ", ".join(known.secrets) or "–"
            self.add_error("new_secrets", detail % {"name": unknown[0], "known": names})
        return cleaned

    def save(self, commit: bool = True) -> Connection:
        """Keep what was chosen, and new secrets beside those that stay."""
        if self.cleaned_data.get("new_secrets"):
            self.instance.set_secrets({**self.instance.secrets(), **self.cleaned_data["new_secrets"]})
        return super().save(commit)


class ConnectionAdmin(KeysetAdmin):
    """Connected systems. What is sent waits while one is switched off; what it tells us is kept all the same."""

    form = ConnectionForm
    may_add = may_change = True
    keyset = ("code",)
    search_fields = ("code",)
    search_help_text = gettext_lazy("Code")
    list_display = (
        "code",
        "__str__",
        "kind",
        "protocol_title",
        "health",
        "last_success_at",
        "last_heard_at",
        "waiting",
    )
    list_filter = (("kind", ChoicesDropdownFilter),)
    change_form_outer_after_template = "admin/common/connection/row_actions.html"
    fields = (
        ("code", "name"),
        ("kind", "protocol"),
        "base_url",
        "new_secrets",
        "options",
        ("batch_size", "calls_at_once"),
        ("timeout_seconds", "clock_skew_seconds"),
        ("breaker_failures", "breaker_seconds"),
        "allowed_addresses",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connection]:
        """With the number of messages that wait."""
        waiting = Count("facts", filter=Q(facts__state=FactState.PENDING))
        return super().get_queryset(request).defer("credentials").annotate(waiting_count=waiting)

    def get_readonly_fields(self, request: HttpRequest, obj: Connection | None = None) -> tuple[str, ...]:
        """The code stands in the other side's settings, and the kind decides where its messages go."""
        return ("code", "kind") if obj else ()

    @display(description=gettext_lazy("protocol"))
    def protocol_title(self, link: Connection) -> str:
        """Which protocol it speaks."""
        known = protocols.known().get(link.protocol)
        return str(known.title) if known else ACTORS.word(link.protocol)

    @display(description=gettext_lazy("health"))
    def health(self, link: Connection) -> SafeString:
        """Whether it answers."""
        return health_badge(link)

    @display(description=gettext_lazy("messages waiting"))
    def waiting(self, link: Any) -> int:
        """How many of its messages are not settled."""
        return link.waiting_count

    def has_switch_permission(self, request: HttpRequest) -> bool:
        """Its own right."""
        return request.user.has_perm("common.switch_connection")

    def get_urls(self) -> list[URLPattern]:
        """Each action has its own address."""
        wrap, name = self.admin_site.admin_view, "common_connection"
        return [
            path("<int:row_id>/test/", wrap(self.test_view), name=f"{name}_test"),
            path("<int:row_id>/switch/", wrap(self.switch_view), name=f"{name}_switch"),
            path("<int:row_id>/resume/", wrap(self.resume_view), name=f"{name}_resume"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The connection, how it fares, and what may be done with it."""
        link = self.get_object(request, object_id)
        shown: dict[str, Any] = {}
        if link is not None:
            known = protocols.known().get(link.protocol)
            shown = {
                "link": link,
                "health": health_badge(link),
                "may_switch": self.has_switch_permission(request),
                "secret_names": ", ".join(known.secrets) if known else "",
                "callback_url": request.build_absolute_uri(reverse("callback", args=[link.code])),
                "newest": list(link.facts.defer("raw", "body").order_by("-id")[:10]),
            }
        return super().change_view(request, object_id, form_url, {**shown, **(extra_context or {})})

    def test_view(self, request: HttpRequest, row_id: int) -> HttpResponse:
        """Ask the system for a sign of life."""

        def test(link: Connection) -> str:
            try:
                protocols.speaker(link).test(link)
            except OmsError:
                raise
            except Exception as error:
                raise OmsError(_("It does not answer: %(error)s") % {"error": describe(error)}) from error
            return _("It answers.")

        return self._act(request, row_id, test)

    def switch_view(self, request: HttpRequest, row_id: int) -> HttpResponse:
        """Switch it off or on."""

        def switch(link: Connection) -> str:
            link.is_active = request.POST.get("to") == "on"
            link.save(update_fields=["is_active"])
            self.log_change(request, link, "switched on" if link.is_active else "switched off")
            return _("It is switched on.") if link.is_active else _("It is switched off: what is to be sent waits.")

        return self._act(request, row_id, switch)

    def resume_view(self, request: HttpRequest, row_id: int) -> HttpResponse:
        """Call it again now, instead of when its pause is over."""

        def resume(link: Connection) -> str:
            Connection.objects.filter(pk=link.pk).update(paused_until=None, failures=0)
            tickets.close_tickets([connections.CONNECTION_DOWN], [link.pk], closed_by=request.user.get_username())
            return _("It is called again now.")

        return self._act(request, row_id, resume)

    def _act(self, request: HttpRequest, row_id: int, do: Callable[[Connection], str]) -> HttpResponse:
        return acting.act(
            request,
            lambda _data: do(Connection.objects.get(pk=row_id)),
            may=self.has_view_permission(request) and self.has_switch_permission(request),
            page=reverse("admin:common_connection_change", args=[row_id]),
        )


def health_badge(link: Connection) -> SafeString:
    """How a connection fares, in a word."""
    if not link.is_active:
        return badge(_("Switched off"), "muted", "power_settings_new")
    if link.paused_until and link.paused_until > timezone.now():
        return badge(_("Resting after failures"), "danger", "cloud_off")
    if link.failures:
        text = _("%(failures)d failed calls") % {"failures": link.failures}
        return badge(text, "warning", "warning")
    if link.last_success_at or link.last_heard_at:
        return badge(_("Answers"), "success", "check_circle")
    return badge(_("Not used yet"), "muted")


def shown_json(value: object) -> SafeString:
    """JSON set out for reading."""
    return format_html('<pre class="oms-pre" tabindex="0">{}</pre>', json.dumps(value, ensure_ascii=False, indent=2))
