"""Other systems that we are connected to."""

import json
from typing import Any, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from oms.common import secrecy
from oms.common.codebook import ACTORS
from oms.common.models.base import Versioned


class SystemKind(models.TextChoices):
    """What kind of system is connected."""

    WAREHOUSE = "warehouse", _("Warehouse system")
    CARRIER = "carrier", _("Carrier")
    PAYMENT = "payment", _("Payment provider")
    CHANNEL = "channel", _("Shop platform")
    INVOICE = "invoice", _("Invoice service")
    ROBOT = "robot", _("Receiver of messages")
    SMS = "sms", _("SMS service")


# Requests to another system must be over, one by one, before others may take their rows for lost.
LONGEST_TIMEOUT_SECONDS = 12


class Connection(Versioned):
    """One connected system: a warehouse's WMS, a carrier account, a payment provider, a shop.

    `protocol` names the adapter that speaks with it. What it told us is kept as `InboundFact`, what we ask it has an
    intent row of its own in the app that asks. `code` stands in the address of its callbacks.
    """

    # How it fares changes all the time and makes no new version.
    version_counts = (
        *("code", "name", "kind", "protocol", "base_url", "credentials", "options", "is_active"),
        *("batch_size", "calls_at_once", "timeout_seconds", "breaker_failures", "breaker_seconds"),
        *("allowed_addresses", "clock_skew_seconds"),
    )

    code = models.SlugField(_("code"), max_length=40, help_text=_("Stands in the address of its callbacks."))
    name = models.CharField(
        _("name"), max_length=80, blank=True, default="", help_text=_("Empty: it is called by its kind.")
    )
    kind = models.CharField(_("kind"), max_length=12, choices=SystemKind.choices)
    protocol = models.CharField(_("protocol"), max_length=20, default="sandbox")
    base_url = models.URLField(_("base address"), max_length=300, blank=True, default="")
    credentials = secrecy.SealedField(_("credentials"), null=True, blank=True, editable=False)
    options = models.JSONField(
        _("options"), default=dict, blank=True, help_text=_("What else the protocol wants to know; nothing secret.")
    )
    is_active = models.BooleanField(
        _("switched on"), default=True, help_text=_("Switched off, nothing is sent; what it tells us is kept.")
    )

    batch_size = models.PositiveSmallIntegerField(_("rows a call"), default=500)
    calls_at_once = models.PositiveSmallIntegerField(_("calls at once"), default=2)
    timeout_seconds = models.PositiveSmallIntegerField(_("time-out (s)"), default=10)
    breaker_failures = models.PositiveSmallIntegerField(
        _("failures before a pause"), default=5, help_text=_("So many failed calls in a row pause the connection.")
    )
    breaker_seconds = models.PositiveIntegerField(_("pause (s)"), default=60)
    allowed_addresses = ArrayField(
        models.CharField(max_length=50),
        verbose_name=_("allowed addresses"),
        default=list,
        blank=True,
        help_text=_("Networks that callbacks may come from, such as 203.0.113.0/24; empty: any."),
    )
    clock_skew_seconds = models.PositiveIntegerField(
        _("clock skew (s)"), default=300, help_text=_("By how much the clock of the other side may differ.")
    )

    failures = models.IntegerField(_("failures in a row"), db_default=0, editable=False)
    failing_since = models.DateTimeField(_("failing since"), null=True, blank=True, editable=False)
    paused_until = models.DateTimeField(_("paused until"), null=True, blank=True, editable=False)
    last_success_at = models.DateTimeField(_("last answer at"), null=True, blank=True, editable=False)
    last_heard_at = models.DateTimeField(_("last message at"), null=True, blank=True, editable=False)
    last_error = models.TextField(_("last error"), db_default="", blank=True, editable=False)
    row_seconds = models.FloatField(
        _("seconds a row"), null=True, blank=True, editable=False, help_text=_("How long it took to answer lately.")
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("connection")
        verbose_name_plural = _("connections")
        ordering = ["kind", "code"]
        permissions = [("switch_connection", _("Can switch, test and retry connections"))]
        constraints = [
            models.UniqueConstraint(fields=["code"], name="connection_code_is_unique"),
            models.CheckConstraint(condition=Q(kind__in=SystemKind.values), name="connection_kind_is_known"),
            models.CheckConstraint(
                condition=Q(
                    batch_size__gte=1,
                    calls_at_once__gte=1,
                    timeout_seconds__gte=1,
                    timeout_seconds__lte=LONGEST_TIMEOUT_SECONDS,
                    breaker_failures__gte=1,
                ),
                name="connection_limits_are_sensible",
                violation_error_message=_(
                    "Give a time limit of 1 to 12 seconds, and at least 1 for batch size, calls at once and failures."
                ),
            ),
        ]

    def __str__(self) -> str:
        known = ACTORS.word(self.code)
        return self.name or (known if known != self.code else str(self.get_kind_display()))

    def set_secrets(self, secrets: dict[str, Any]) -> Self:
        """Keep the secrets of the protocol, sealed; does not save. Returns itself."""
        self.credentials = secrecy.seal(json.dumps(secrets)) if secrets else None
        return self

    def secrets(self) -> dict[str, Any]:
        """The secrets of the protocol. Raises cryptography.fernet.InvalidToken if no key opens them."""
        if not self.credentials:
            return {}
        # Opened once: a message that comes needs them to be told genuine, and again to be answered.
        sealed, opened = self.__dict__.get("_opened", (None, ""))
        if sealed is not self.credentials:
            opened = secrecy.unseal(self.credentials)
            self.__dict__["_opened"] = (self.credentials, opened)
        return json.loads(opened)


class ConnectionSlot(models.Model):
    """The right to have one call to a connected system on its way; there are as many as it takes `calls_at_once`.

    Held by lease, so that a worker that dies gives it back.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="slots", db_index=False)
    number = models.SmallIntegerField()
    lease_until = models.DateTimeField(null=True)
    lease_token = models.IntegerField(db_default=0)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["connection", "number"], name="connection_slot_is_one"),
        ]

    def __str__(self) -> str:
        return f"{self.connection_id} {self.number}"
