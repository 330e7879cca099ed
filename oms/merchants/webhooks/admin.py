"""The staff's pages of what merchants are told: endpoints with how they fare, and the log of deliveries."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import action, display

from oms.common import tickets
from oms.common.desk.bulk import run_for_each
from oms.common.desk.connections import shown_json
from oms.common.desk.lists import KeysetAdmin, RowColumns, YesFilter
from oms.common.desk.ticket_words import rows_of
from oms.common.templatetags.staff import badge
from oms.merchants.models import DeliveryState, DisabledBecause, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from oms.merchants.webhooks import endpoints


def _failing(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.filter(failures__gt=0)


class FailingFilter(YesFilter):
    """Endpoints whose last try failed."""

    title = gettext_lazy("failing")
    parameter_name = "failing"
    condition = staticmethod(_failing)


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(RowColumns, KeysetAdmin):
    """Endpoints are the merchants'; staff see how they fare, try them, and switch them off and on."""

    search_fields = ("public_id", "merchant__code", "url")
    search_help_text = gettext_lazy("Endpoint, merchant's code or whole address")
    list_display = ("public_id", "merchant_code", "url", "wants", "state_label", "health", "last_success_at")
    list_select_related = ("merchant",)
    list_filter = (("merchant", RelatedDropdownFilter), ("state", ChoicesDropdownFilter), FailingFilter)
    fields = (
        ("public_id", "merchant"),
        ("url", "wants"),
        ("description", "contact_email"),
        ("state_label", "health"),
        ("disabled_at", "failing_since"),
        ("paused_until", "last_success_at"),
        ("old_secret_until", "created_at"),
        "version",
    )
    readonly_fields = sum(((row,) if isinstance(row, str) else row for row in fields), ())
    actions = ("ping_selected", "disable_selected", "enable_selected")

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookEndpoint]:
        """Without the secrets: no page of the staff's needs them."""
        return super().get_queryset(request).defer("secret", "old_secret")

    @display(description=gettext_lazy("merchant"))
    def merchant_code(self, endpoint: WebhookEndpoint) -> str:
        """Whose it is."""
        return endpoint.merchant.code

    @display(description=gettext_lazy("event types"))
    def wants(self, endpoint: WebhookEndpoint) -> str:
        """The patterns that it subscribed to."""
        return ", ".join(endpoint.event_types)

    @display(description=gettext_lazy("health"))
    def health(self, endpoint: WebhookEndpoint) -> SafeString:
        """Whether the last tries succeeded."""
        if endpoint.failures:
            return badge(_("Failures in a row: %(count)d") % {"count": endpoint.failures}, "danger", "error")
        if endpoint.last_success_at:
            return badge(_("Healthy"), "success", "check_circle")
        return badge(_("Nothing sent yet"))

    @display(description=gettext_lazy("state"))
    def state_label(self, endpoint: WebhookEndpoint) -> SafeString:
        """The state, and why it is disabled."""
        label = super().state_label(endpoint)
        if endpoint.disabled_because:
            return format_html("{} {}", label, endpoint.get_disabled_because_display())
        return label

    @action(description=gettext_lazy("Send a test ping"), permissions=["ping"])
    def ping_selected(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        """Send each a test message; the log of deliveries tells how it went."""
        run_for_each(request, queryset, endpoints.ping, _("A test message is on its way to %(row)s."))

    @action(description=gettext_lazy("Disable the selected endpoints"), permissions=["enable"])
    def disable_selected(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        """Send nothing more there."""

        def disable(key: int) -> object:
            return endpoints.disable(key, because=DisabledBecause.STAFF)

        run_for_each(request, queryset, disable, _("%(row)s is disabled."))

    @action(description=gettext_lazy("Enable the selected endpoints"), permissions=["enable"])
    def enable_selected(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        """Send again, what waited first."""
        run_for_each(request, queryset, endpoints.enable, _("%(row)s is enabled."))

    def has_ping_permission(self, request: HttpRequest) -> bool:
        """Its own right."""
        return request.user.has_perm("merchants.ping_webhookendpoint")

    def has_enable_permission(self, request: HttpRequest) -> bool:
        """Its own right."""
        return request.user.has_perm("merchants.enable_webhookendpoint")


class AttemptInline(TabularInline):
    """The tries of a delivery, oldest first."""

    model = WebhookAttempt
    fields = readonly_fields = ("number", "started_at", "duration_ms", "response_status", "error", "response_excerpt")
    ordering = ("id",)
    extra = max_num = 0
    can_delete = False
    tab = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may see the delivery may see its tries."""
        return request.user.has_perm("merchants.view_webhookdelivery")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only the sender adds tries."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes them."""
        return False


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(RowColumns, KeysetAdmin):
    """The log: what was or is to be sent, and how the tries went."""

    search_fields = ("public_id", "event__message_id", "endpoint__public_id")
    search_help_text = gettext_lazy("Delivery, message or endpoint")
    list_display = (
        *("public_id", "event_type", "endpoint", "merchant_code", "state_label", "attempts", "response_status"),
        *("created_at", "next_try"),
    )
    list_select_related = ("event", "endpoint__merchant")
    list_filter = (("state", ChoicesDropdownFilter), ("endpoint__merchant", RelatedDropdownFilter))
    fields = (
        ("public_id", "message_id"),
        ("event_type", "data"),
        ("endpoint", "merchant_code"),
        ("state_label", "attempts"),
        ("response_status", "response_excerpt"),
        ("last_error", "duration_ms"),
        ("created_at", "next_try"),
        "delivered_at",
    )
    readonly_fields = sum(((row,) if isinstance(row, str) else row for row in fields), ())
    inlines = (AttemptInline,)
    actions = ("resend_selected",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookDelivery]:
        """Without the endpoints' secrets."""
        return super().get_queryset(request).defer("endpoint__secret", "endpoint__old_secret")

    @display(description=gettext_lazy("event"))
    def event_type(self, delivery: WebhookDelivery) -> str:
        """What it tells of."""
        return delivery.event.type

    @display(description=gettext_lazy("message"))
    def message_id(self, delivery: WebhookDelivery) -> str:
        """The id under which it is sent."""
        return delivery.event.message_id

    @display(description=gettext_lazy("data"))
    def data(self, delivery: WebhookDelivery) -> SafeString:
        """What it says, as merchants read it: ids, states and version."""
        return shown_json(delivery.event.data)

    @display(description=gettext_lazy("merchant"))
    def merchant_code(self, delivery: WebhookDelivery) -> str:
        """Whose endpoint it goes to."""
        return delivery.endpoint.merchant.code

    @display(description=gettext_lazy("next try"))
    def next_try(self, delivery: WebhookDelivery) -> Any:
        """When it is tried next, if ever."""
        return delivery.ready_at if delivery.state == DeliveryState.PENDING else None

    @action(description=gettext_lazy("Send the selected messages again"), permissions=["resend"])
    def resend_selected(self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]) -> None:
        """Send each once more, under its own message id."""
        run_for_each(request, queryset, endpoints.resend, _("%(row)s is on its way again."))

    def has_resend_permission(self, request: HttpRequest) -> bool:
        """Its own right."""
        return request.user.has_perm("merchants.resend_webhookdelivery")


tickets.register_subject("webhook_delivery", rows_of(WebhookDelivery, "public_id"))
