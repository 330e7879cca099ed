"""What carriers' accounts are asked about parcels beside their waybills: where they are, to tell of them, to take a
waybill back, whose a waybill is, and how many are left."""

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from logistics.models.carrier import Carrier
from logistics.models.shipment import Shipment
from oms.common.models import Connection, Team
from oms.common.models.base import TicketSubject, WorkItem

_ORDER_OF_PARCEL = """(SELECT s.order_id FROM logistics_shipment h JOIN orders_suborder s ON s.id = h.sub_order_id
    WHERE h.id = NEW.shipment_id)"""


class AccountSettings(models.Model):
    """How we use the account of a carrier, or of a platform before several, to follow parcels; made when the first of
    its parcels is followed. The last columns count the calls of the running minute and day (China's)."""

    connection = models.OneToOneField(
        Connection,
        verbose_name=_("connection"),
        on_delete=models.CASCADE,
        related_name="account_settings",
        primary_key=True,
        limit_choices_to={"kind": "carrier"},
    )
    subscribes = models.BooleanField(
        _("subscribes"), default=True, db_default=True, help_text=_("The account is asked to tell of each parcel.")
    )
    polls = models.BooleanField(
        _("asks for silent parcels"), default=True, db_default=True, help_text=_("Switched off, pushes alone tell.")
    )
    silent_minutes = models.PositiveIntegerField(
        _("silent for (min)"),
        default=360,
        db_default=360,
        validators=[MinValueValidator(30)],
        help_text=_("A parcel without news for so long is asked for, and again after as long."),
    )
    calls_a_minute = models.PositiveIntegerField(_("calls a minute"), default=300, db_default=300)
    calls_a_day = models.PositiveIntegerField(_("calls a day"), default=20_000, db_default=20_000)
    tries_of_unknown = models.PositiveSmallIntegerField(
        _("tries for an unknown waybill"),
        default=4,
        db_default=4,
        validators=[MinValueValidator(1)],
        help_text=_("A parcel that left and that the carrier does not know so often is shown to a person."),
    )
    least_waybills = models.PositiveIntegerField(
        _("fewest waybills"), default=200, db_default=200, help_text=_("With fewer left, a person is told; 0: never.")
    )
    minute = models.DateTimeField(_("minute"), null=True, blank=True, editable=False)
    calls_of_minute = models.IntegerField(_("calls of the minute"), db_default=0, editable=False)
    day = models.DateField(_("day"), null=True, blank=True, editable=False)
    calls_of_day = models.IntegerField(_("calls of the day"), db_default=0, editable=False)

    class Meta:
        verbose_name = _("use of a carrier's account")
        verbose_name_plural = _("uses of carriers' accounts")
        ordering = ["connection"]
        constraints = [
            models.CheckConstraint(
                condition=Q(silent_minutes__gte=30, tries_of_unknown__gte=1),
                name="account_settings_are_sensible",
                violation_error_message=_(
                    "Parcels are silent for at least 30 minutes, and unknown ones are asked for at least once."
                ),
            ),
            models.CheckConstraint(
                condition=Q(calls_of_minute__gte=0, calls_of_day__gte=0), name="account_calls_are_counted"
            ),
        ]

    def __str__(self) -> str:
        return str(self.connection)


class Polling(WorkItem):
    """A parcel of which an account can be asked where it is; `ask_at` is when it is asked next, unless it is heard of
    before. One that arrived, came back or will not leave is over."""

    ticket_subject = TicketSubject("polling", _ORDER_OF_PARCEL, Team.TECHNICAL)

    shipment = models.OneToOneField(
        Shipment, verbose_name=_("shipment"), on_delete=models.CASCADE, related_name="polling", primary_key=False
    )
    connection = models.ForeignKey(
        Connection, verbose_name=_("connection"), on_delete=models.PROTECT, related_name="+", db_index=False
    )
    subscribed_at = models.DateTimeField(
        _("told by itself since"), null=True, blank=True, help_text=_("Since when the account tells of it unasked.")
    )
    silent_since = models.DateTimeField(_("silent since"), db_default=Now())
    ask_at = models.DateTimeField(_("asked next at"))
    asked_at = models.DateTimeField(_("last asked at"), null=True, blank=True)
    asked = models.IntegerField(_("times asked"), db_default=0)
    nothing_known = models.SmallIntegerField(
        _("tries without a scan"), db_default=0, help_text=_("Since it left, and in a row.")
    )
    is_over = models.BooleanField(_("over"), default=False, db_default=False)

    class Meta:
        verbose_name = _("followed parcel")
        verbose_name_plural = _("followed parcels")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["connection", "ask_at"], condition=Q(is_over=False), name="polling_queue"),
        ]

    def __str__(self) -> str:
        return str(self.shipment)


class ErrandKind(models.TextChoices):
    """What an account is asked once about a waybill."""

    SUBSCRIBE = "subscribe", _("Tell of its scans")
    CANCEL = "cancel", _("Take the waybill back")
    RECOGNISE = "recognise", _("Say whose waybill it is")
    URGE = "urge", _("Hurry the parcel on")


class ErrandOutcome(models.TextChoices):
    """What an account said to it."""

    DONE = "done", _("Done")
    REFUSED = "refused", _("Refused by the carrier")


class WaybillErrand(WorkItem):
    """Something that an account is asked once about a waybill; without an outcome it is still to be asked, or nobody
    knows what became of it and it is asked again. `reference` is the number under which the waybill was bought. Who
    urges a parcel on once more asks the same question anew."""

    ticket_subject = TicketSubject("waybill_errand", _ORDER_OF_PARCEL, Team.LOGISTICS)

    shipment = models.ForeignKey(
        Shipment, verbose_name=_("shipment"), on_delete=models.CASCADE, related_name="errands", db_index=False
    )
    kind = models.CharField(_("what is asked"), max_length=10, choices=ErrandKind.choices)
    connection = models.ForeignKey(
        Connection, verbose_name=_("connection"), on_delete=models.PROTECT, related_name="+", db_index=False
    )
    carrier = models.ForeignKey(
        Carrier, verbose_name=_("carrier"), on_delete=models.PROTECT, related_name="+", db_index=False
    )
    waybill = models.CharField(
        _("waybill number"), max_length=40, blank=True, default="", db_default="", help_text=_("Empty: never heard of.")
    )
    reference = models.CharField(_("number"), max_length=32)
    asked_by = models.CharField(
        _("asked for by"), max_length=80, blank=True, default="", db_default="", help_text=_("Empty: by itself.")
    )
    reason = models.CharField(_("reason"), max_length=300, blank=True, default="", db_default="")
    outcome = models.CharField(
        _("outcome"), max_length=10, choices=ErrandOutcome.choices, blank=True, default="", db_default=""
    )
    answer = models.CharField(_("what was answered"), max_length=300, blank=True, default="", db_default="")
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    answered_at = models.DateTimeField(_("answered at"), null=True, blank=True)

    class Meta:
        verbose_name = _("question about a waybill")
        verbose_name_plural = _("questions about waybills")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["shipment", "kind", "waybill", "carrier"], name="errand_is_asked_once_about_a_waybill"
            ),
            models.CheckConstraint(condition=Q(kind__in=ErrandKind.values), name="errand_kind_is_known"),
            models.CheckConstraint(
                condition=Q(outcome="", answered_at__isnull=True)
                | Q(outcome__in=ErrandOutcome.values, answered_at__isnull=False),
                name="errand_with_an_outcome_was_answered",
            ),
        ]
        indexes = [
            models.Index(fields=["connection", "kind", "ready_at"], condition=Q(outcome=""), name="errand_queue"),
        ]

    def __str__(self) -> str:
        return self.waybill or self.reference


class WaybillBalance(WorkItem):
    """How many waybills of a carrier an account has left, asked now and then."""

    ticket_subject = TicketSubject("waybill_balance", team=Team.TECHNICAL)

    connection = models.ForeignKey(
        Connection, verbose_name=_("connection"), on_delete=models.CASCADE, related_name="balances", db_index=False
    )
    carrier = models.ForeignKey(
        Carrier, verbose_name=_("carrier"), on_delete=models.CASCADE, related_name="+", db_index=False
    )
    left = models.IntegerField(_("waybills left"), null=True, blank=True)
    ask_at = models.DateTimeField(_("asked next at"), db_default=Now())
    answered_at = models.DateTimeField(_("answered at"), null=True, blank=True)

    class Meta:
        verbose_name = _("balance of waybills")
        verbose_name_plural = _("balances of waybills")
        ordering = ["connection", "carrier"]
        constraints = [
            models.UniqueConstraint(fields=["connection", "carrier"], name="balance_is_one_for_a_carrier"),
        ]

    def __str__(self) -> str:
        return f"{self.connection} {self.carrier}"
