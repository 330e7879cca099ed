"""What merchants are told: where to, which news, and every try to deliver them."""

import secrets
from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from oms.common.models import TicketSubject, Versioned, WorkItem
from oms.common.secrecy import SealedField
from oms.merchants.models.merchant import Merchant


def new_endpoint_id() -> str:
    """A random name that tells nothing about how many endpoints there are."""
    return f"ep_{secrets.token_hex(10)}"


def new_delivery_id() -> str:
    """A random name that tells nothing about how many deliveries there are."""
    return f"dlv_{secrets.token_hex(12)}"


class EndpointState(models.TextChoices):
    """Whether an endpoint is told anything."""

    ENABLED = "enabled", _("Enabled")
    DISABLED = "disabled", _("Disabled")
    REMOVED = "removed", _("Removed")


class DisabledBecause(models.TextChoices):
    """Why an endpoint is told nothing."""

    GONE = "gone", _("It answered 410 Gone")
    FAILING = "failing", _("Nothing but failures for days")
    MERCHANT = "merchant", _("By the merchant")
    STAFF = "staff", _("By staff")


class WebhookEndpoint(Versioned):
    """An address of a merchant that is told news of the chosen types. Its secrets are kept sealed.

    How it fares (`failures` in a row, `failing_since`, `paused_until`) is the sender's knowledge and makes no version.
    """

    public_id = models.CharField(_("endpoint"), max_length=30, default=new_endpoint_id, editable=False)
    merchant = models.ForeignKey(
        Merchant, verbose_name=_("merchant"), on_delete=models.PROTECT, related_name="webhook_endpoints"
    )
    url = models.CharField(_("address"), max_length=500)
    description = models.CharField(_("description"), max_length=200, db_default="", blank=True)
    event_types = ArrayField(models.CharField(max_length=60), verbose_name=_("event types"))
    contact_email = models.EmailField(
        _("contact e-mail"), db_default="", blank=True, help_text=_("Who is told when the endpoint is disabled.")
    )
    secret = SealedField(_("secret"))
    old_secret = SealedField(_("old secret"), null=True, blank=True)
    old_secret_until = models.DateTimeField(_("old secret signs until"), null=True, blank=True, editable=False)
    state = FSMField(_("state"), choices=EndpointState.choices, default=EndpointState.ENABLED, protected=True)
    disabled_because = models.CharField(
        _("disabled because"), max_length=10, choices=DisabledBecause.choices, db_default="", blank=True
    )
    disabled_at = models.DateTimeField(_("disabled at"), null=True, blank=True, editable=False)
    notice_due = models.BooleanField(_("merchant is to be told"), db_default=False, editable=False)
    failures = models.IntegerField(_("failures in a row"), db_default=0, editable=False)
    failing_since = models.DateTimeField(_("failing since"), null=True, blank=True, editable=False)
    paused_until = models.DateTimeField(_("paused until"), null=True, blank=True, editable=False)
    last_success_at = models.DateTimeField(_("last success"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("webhook endpoint")
        verbose_name_plural = _("webhook endpoints")
        ordering = ["-id"]
        permissions = [
            ("enable_webhookendpoint", _("Can enable and disable webhook endpoints")),
            ("ping_webhookendpoint", _("Can send test pings to webhook endpoints")),
        ]
        constraints = [
            models.UniqueConstraint(fields=["public_id"], name="webhook_endpoint_id_is_unique"),
            models.CheckConstraint(condition=Q(state__in=EndpointState.values), name="webhook_endpoint_state_is_known"),
            models.CheckConstraint(
                condition=Q(disabled_because__in=["", *DisabledBecause.values]),
                name="webhook_endpoint_reason_is_known",
            ),
            models.CheckConstraint(
                condition=~Q(state=EndpointState.DISABLED) | Q(disabled_at__isnull=False) & ~Q(disabled_because=""),
                name="webhook_endpoint_disabled_has_time_and_reason",
            ),
            models.CheckConstraint(condition=Q(event_types__len__gte=1), name="webhook_endpoint_wants_something"),
            models.CheckConstraint(
                condition=Q(old_secret__isnull=True, old_secret_until__isnull=True)
                | Q(old_secret__isnull=False, old_secret_until__isnull=False),
                name="webhook_endpoint_old_secret_has_an_end",
            ),
            models.CheckConstraint(
                condition=Q(failures=0, failing_since__isnull=True) | Q(failures__gt=0, failing_since__isnull=False),
                name="webhook_endpoint_failures_have_a_start",
            ),
        ]
        indexes = [
            # What every batch of news looks at first.
            models.Index(fields=["merchant"], condition=Q(state="enabled"), name="webhook_endpoint_enabled"),
            models.Index(fields=["id"], condition=Q(notice_due=True), name="webhook_endpoint_queue_notice"),
        ]

    def __str__(self) -> str:
        return self.public_id

    @transition(state, source=EndpointState.ENABLED, target=EndpointState.DISABLED)
    def disable(self, because: str, *, at: datetime | None = None) -> None:
        """Nothing is sent any more; what waits goes on waiting."""
        self.disabled_because = because
        self.disabled_at = at or timezone.now()

    @transition(state, source=EndpointState.DISABLED, target=EndpointState.ENABLED)
    def enable(self) -> None:
        """A new start: past failures do not count."""
        self.disabled_because = ""
        self.disabled_at = self.failing_since = self.paused_until = None
        self.failures = 0
        self.notice_due = False

    @transition(state, source=[EndpointState.ENABLED, EndpointState.DISABLED], target=EndpointState.REMOVED)
    def remove(self) -> None:
        """The merchant wants it no more; the row stays until its log is purged."""
        self.notice_due = False


class WebhookEvent(models.Model):
    """A piece of news for one merchant: ids, states and version only. Written with the change that it tells of."""

    message_id = models.CharField(_("message"), max_length=40, editable=False)
    merchant = models.ForeignKey(
        Merchant,
        verbose_name=_("merchant"),
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        # Taken from rows that the same statement reads; a check would lock the same few merchants in every worker.
        db_constraint=False,
    )
    type = models.CharField(_("type"), max_length=60)
    occurred_at = models.DateTimeField(_("at"))
    data = models.JSONField(_("data"))
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("webhook event")
        verbose_name_plural = _("webhook events")
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["message_id"], name="webhook_event_message_id_is_unique")]
        indexes = [models.Index(fields=["created_at"], name="webhook_event_by_age")]

    def __str__(self) -> str:
        return f"{self.type} {self.message_id}"


class DeliveryState(models.TextChoices):
    """What became of a piece of news for an endpoint."""

    PENDING = "pending", _("Waiting to be sent")
    DELIVERED = "delivered", _("Delivered")
    FAILED = "failed", _("Failed")


class WebhookDelivery(WorkItem):
    """A piece of news on its way to one endpoint; the columns say how the last try went.

    `leased_by` is the number under which the sender that has it is present, if it is (`webhooks.presence`).
    """

    ticket_subject = TicketSubject("webhook_delivery")

    public_id = models.CharField(_("delivery"), max_length=30, default=new_delivery_id, editable=False)
    event = models.ForeignKey(
        WebhookEvent, verbose_name=_("event"), on_delete=models.PROTECT, related_name="deliveries", db_index=False
    )
    endpoint = models.ForeignKey(
        WebhookEndpoint,
        verbose_name=_("endpoint"),
        on_delete=models.PROTECT,
        related_name="deliveries",
        db_index=False,
        db_constraint=False,
    )
    state = FSMField(_("state"), choices=DeliveryState.choices, default=DeliveryState.PENDING, protected=True)
    leased_by = models.IntegerField(_("leased by"), null=True, blank=True, editable=False)
    response_status = models.SmallIntegerField(_("answer"), null=True, blank=True, editable=False)
    response_excerpt = models.TextField(_("beginning of the answer"), db_default="", blank=True, editable=False)
    duration_ms = models.IntegerField(_("duration (ms)"), null=True, blank=True, editable=False)
    last_attempt_at = models.DateTimeField(_("last tried at"), null=True, blank=True, editable=False)
    delivered_at = models.DateTimeField(_("delivered at"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("webhook delivery")
        verbose_name_plural = _("webhook deliveries")
        ordering = ["-id"]
        permissions = [("resend_webhookdelivery", _("Can send webhook deliveries again"))]
        constraints = [
            models.UniqueConstraint(
                fields=["event", "endpoint"], name="webhook_delivery_is_one_per_event_and_endpoint"
            ),
            models.UniqueConstraint(fields=["public_id"], name="webhook_delivery_id_is_unique"),
            models.CheckConstraint(condition=Q(state__in=DeliveryState.values), name="webhook_delivery_state_is_known"),
            models.CheckConstraint(
                condition=~Q(state=DeliveryState.DELIVERED) | Q(delivered_at__isnull=False),
                name="webhook_delivery_delivered_at_set_once_delivered",
            ),
            models.CheckConstraint(
                condition=~Q(state=DeliveryState.PENDING) | Q(ready_at__isnull=False),
                name="webhook_delivery_pending_has_a_next_try",
            ),
        ]
        indexes = [
            # The queue, endpoint by endpoint; and what each endpoint has in flight.
            models.Index(
                fields=["endpoint", "ready_at", "id"], condition=Q(state="pending"), name="webhook_delivery_queue"
            ),
            models.Index(
                fields=["endpoint"],
                condition=Q(state="pending", lease_until__isnull=False),
                name="webhook_delivery_in_flight",
            ),
            models.Index(fields=["endpoint", "-id"], name="webhook_delivery_of_endpoint"),
        ]

    def __str__(self) -> str:
        return self.public_id

    @transition(state, source=DeliveryState.PENDING, target=DeliveryState.DELIVERED)
    def deliver(self) -> None:
        """The endpoint answered 2xx."""

    @transition(state, source=DeliveryState.PENDING, target=DeliveryState.FAILED)
    def give_up(self) -> None:
        """The last try of the schedule failed, or the endpoint is gone for good."""

    @transition(state, source=[DeliveryState.DELIVERED, DeliveryState.FAILED], target=DeliveryState.PENDING)
    def send_again(self) -> None:
        """Somebody asks for it once more, under the same message id."""


class WebhookAttempt(models.Model):
    """One try to deliver. Only ever appended."""

    delivery = models.ForeignKey(
        WebhookDelivery, verbose_name=_("delivery"), on_delete=models.PROTECT, related_name="tries", db_index=False
    )
    number = models.SmallIntegerField(_("number"))
    started_at = models.DateTimeField(_("at"))
    duration_ms = models.IntegerField(_("duration (ms)"))
    response_status = models.SmallIntegerField(_("answer"), null=True, blank=True)
    response_excerpt = models.TextField(_("beginning of the answer"), db_default="", blank=True)
    error = models.CharField(_("error"), max_length=300, db_default="", blank=True)

    class Meta:
        verbose_name = _("webhook attempt")
        verbose_name_plural = _("webhook attempts")
        ordering = ["id"]
        indexes = [models.Index(fields=["delivery", "id"], name="webhook_attempt_of_delivery")]

    def __str__(self) -> str:
        return f"{self.delivery_id} {self.number}"
