"""Webhook endpoints and what was sent to them: added, tried, switched and removed by the services of the API."""

from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from oms.common.desk.acting import INPUT, RowAction, RowActions, VersionForm
from oms.common.desk.connections import shown_json
from oms.common.errors import OmsError
from oms.common.templatetags.staff import badge, moment_text, state_badge
from oms.merchant_admin import OwnPages, merchant_of, site
from oms.merchants.models import DisabledBecause, EndpointState, Merchant, WebhookDelivery, WebhookEndpoint
from oms.merchants.webhooks import endpoints

KEYS = "portal.keys"


class EndpointForm(forms.Form):
    """Where messages go, and which."""

    url = forms.URLField(
        label=gettext_lazy("Address"),
        max_length=500,
        assume_scheme="https",
        help_text=gettext_lazy("https, and reachable from the Internet."),
        widget=forms.URLInput(attrs=INPUT),
    )
    event_types = forms.CharField(
        label=gettext_lazy("Event types"),
        max_length=2000,
        initial="*",
        help_text=gettext_lazy("Such as order.* or shipment.signed, with blanks between them; * is all of them."),
        widget=forms.TextInput(attrs=INPUT),
    )
    description = forms.CharField(
        label=gettext_lazy("Description"), max_length=200, required=False, widget=forms.TextInput(attrs=INPUT)
    )
    contact_email = forms.EmailField(
        label=gettext_lazy("Contact"),
        required=False,
        help_text=gettext_lazy("Who is told where it is disabled by itself."),
        widget=forms.EmailInput(attrs=INPUT),
    )

    def clean_event_types(self) -> list[str]:
        """Each for itself."""
        return self.cleaned_data["event_types"].replace(",", " ").split()


class ChangeForm(VersionForm, EndpointForm):
    """The same, of the version that the person looked at."""


def _change(_request: HttpRequest, endpoint_id: int, data: dict[str, Any]) -> str:
    endpoints.change(endpoint_id, **data)
    return _("The endpoint is changed.")


def _ping(_request: HttpRequest, endpoint_id: int, _data: dict[str, Any]) -> str:
    endpoints.ping(endpoint_id)
    return _("A test message is on its way; the log says how it went.")


def _enable(_request: HttpRequest, endpoint_id: int, data: dict[str, Any]) -> str:
    endpoints.enable(endpoint_id, version=data["version"])
    return _("It is enabled; what waited is sent first.")


def _disable(_request: HttpRequest, endpoint_id: int, data: dict[str, Any]) -> str:
    endpoints.disable(endpoint_id, because=DisabledBecause.MERCHANT, version=data["version"])
    return _("It is disabled; nothing is sent there.")


def _remove(_request: HttpRequest, endpoint_id: int, data: dict[str, Any]) -> HttpResponse:
    endpoints.remove(endpoint_id, version=data["version"])
    return redirect("merchant:merchants_webhookendpoint_changelist")


def _rotate(request: HttpRequest, endpoint_id: int, data: dict[str, Any]) -> HttpResponse:
    secret = endpoints.rotate_secret(endpoint_id, version=data["version"])
    return _secret(request, WebhookEndpoint.objects.get(pk=endpoint_id), secret)


def _secret(request: HttpRequest, endpoint: WebhookEndpoint, secret: str) -> HttpResponse:
    """The page that shows the signing secret, once."""
    context = {
        **site.each_context(request),
        "title": endpoint.public_id,
        "endpoint": endpoint,
        "secret": secret,
        "back": reverse("merchant:merchants_webhookendpoint_change", args=[endpoint.pk]),
    }
    response = TemplateResponse(request, "portal/webhook_secret.html", context)
    response["Cache-Control"] = "no-store"
    return response


class OwnEndpoints(OwnPages, RowActions):
    """The merchant's endpoints, but for those that it removed."""

    sees = changes = KEYS
    may_add = True
    list_display = ("public_id", "url", "wants", "state_label", "health", "last_success_at")
    list_filter = (("state", ChoicesDropdownFilter),)
    fields = readonly_fields = (
        *("public_id", "url", "wants", "description", "contact_email", "state_label", "health", "disabled_at"),
        *("last_success_at", "created_at", "log"),
    )
    row_actions = (
        RowAction("ping", KEYS, gettext_lazy("Send a test message"), _ping, tone="primary", icon="send"),
        RowAction("enable", KEYS, gettext_lazy("Enable"), _enable, VersionForm, "primary"),
        RowAction(
            *("edit", KEYS, gettext_lazy("Change it"), _change, ChangeForm),
            initial=lambda row: {
                "url": row.url,
                "event_types": " ".join(row.event_types),
                "description": row.description,
                "contact_email": row.contact_email,
            },
        ),
        RowAction(
            *("rotate", KEYS, gettext_lazy("New signing secret"), _rotate, VersionForm),
            icon="key",
            hint=gettext_lazy("Shown once; the old one goes on signing beside it for a day."),
        ),
        RowAction("disable", KEYS, gettext_lazy("Disable"), _disable, VersionForm),
        RowAction("remove", KEYS, gettext_lazy("Remove"), _remove, VersionForm, "danger-line", "delete"),
    )

    def own(self, merchant: Merchant) -> QuerySet[WebhookEndpoint]:
        """As the API."""
        return merchant.webhook_endpoints.exclude(state=EndpointState.REMOVED).defer("secret", "old_secret")

    def fitting_actions(self, row: WebhookEndpoint) -> list[str]:
        """Enabled or disabled, one or the other."""
        names = ["ping", "disable"] if row.state == EndpointState.ENABLED else ["enable"]
        return [*names, "edit", "rotate", "remove"]

    @display(description=gettext_lazy("event types"))
    def wants(self, endpoint: WebhookEndpoint) -> str:
        """The patterns that it subscribed to."""
        return ", ".join(endpoint.event_types)

    @display(description=gettext_lazy("health"))
    def health(self, endpoint: WebhookEndpoint) -> SafeString:
        """Whether the last tries succeeded."""
        if endpoint.failures:
            return badge(_("Failures in a row: %(count)d") % {"count": endpoint.failures}, "danger", "error")
        return badge(_("Healthy"), "success") if endpoint.last_success_at else badge(_("Nothing sent yet"))

    @display(description=gettext_lazy("state"))
    def state_label(self, row: WebhookEndpoint) -> SafeString:
        """The state, and why it is disabled."""
        label = state_badge(row)
        return format_html("{} {}", label, row.get_disabled_because_display()) if row.disabled_because else label

    @display(description=gettext_lazy("log"))
    def log(self, endpoint: WebhookEndpoint) -> SafeString | str:
        """The newest messages, each with the way to its tries."""
        newest = WebhookDelivery.objects.filter(endpoint=endpoint).select_related("event").order_by("-pk")[:10]
        rows = [
            (
                reverse("merchant:merchants_webhookdelivery_change", args=[one.pk]),
                one.event.type,
                state_badge(one),
                moment_text(one.event.occurred_at),
            )
            for one in newest
        ]
        if not rows:
            return "–"
        return format_html_join("", '<p><a class="oms-link" href="{}">{}</a> {} {}</p>', rows)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Add an endpoint; its signing secret is shown once."""
        merchant = merchant_of(request)
        if merchant is None or not self.has_add_permission(request):
            raise PermissionDenied
        form = EndpointForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                endpoint, secret = endpoints.create(merchant, **form.cleaned_data)
                return _secret(request, endpoint, secret)
            except OmsError as refusal:
                form.add_error(refusal.attr if refusal.attr in form.fields else None, str(refusal))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Add an endpoint"),
            "form": form,
            "list_url": reverse("merchant:merchants_webhookendpoint_changelist"),
        }
        return TemplateResponse(request, "portal/form.html", context, status=400 if form.errors else 200)


def _resend(request: HttpRequest, delivery_id: int, _data: dict[str, Any]) -> str:
    if merchant_of(request) is None:
        raise Http404
    endpoints.resend(delivery_id)
    return _("It is sent once more.")


class OwnDeliveries(OwnPages, RowActions):
    """What was or is to be sent to the merchant's endpoints, with its tries."""

    sees = changes = KEYS
    list_display = ("public_id", "kind", "endpoint", "state_label", "attempts", "created_at")
    list_select_related = ("event", "endpoint")
    list_filter = (("state", ChoicesDropdownFilter),)
    fields = readonly_fields = ("public_id", "kind", "endpoint", "state_label", "attempts", "body", "tries_shown")
    row_actions = (RowAction("resend", KEYS, gettext_lazy("Send it again"), _resend, icon="replay"),)

    def own(self, merchant: Merchant) -> QuerySet[WebhookDelivery]:
        """Of the merchant's endpoints."""
        living = merchant.webhook_endpoints.exclude(state=EndpointState.REMOVED)
        return WebhookDelivery.objects.filter(endpoint__in=list(living.values_list("pk", flat=True)))

    @display(description=gettext_lazy("event type"))
    def kind(self, delivery: WebhookDelivery) -> str:
        """Of the message."""
        return delivery.event.type

    @display(description=gettext_lazy("message"))
    def body(self, delivery: WebhookDelivery) -> SafeString:
        """What it says."""
        return shown_json(delivery.event.data)

    @display(description=gettext_lazy("tries"))
    def tries_shown(self, delivery: WebhookDelivery) -> SafeString | str:
        """When it was tried, and what was answered."""
        rows = [
            (moment_text(one.started_at), one.response_status or "–", one.error)
            for one in delivery.tries.order_by("pk")
        ]
        return format_html_join("", "<p>{} · {} {}</p>", rows) if rows else "–"


site.register(WebhookEndpoint, OwnEndpoints)
site.register(WebhookDelivery, OwnDeliveries)
