"""Parcels that left and are asked back, or are to go elsewhere."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_fsm import FSMField, transition

from logistics.models.shipment import Shipment, ShipmentState
from oms.common import secrecy
from oms.common.models import Connection, Team, TicketSubject, Versioned, WorkItem


class RecallKind(models.TextChoices):
    """What the carrier is to do."""

    RETURN = "return", _("Send it back")
    REDIRECT = "redirect", _("Bring it elsewhere")


class RecallState(models.TextChoices):
    """What became of it."""

    ASKED = "asked", _("Asked")
    ACCEPTED = "accepted", _("The carrier tries")
    SUCCEEDED = "succeeded", _("It succeeded")
    FAILED = "failed", _("It failed")


class RecallAnswer(models.TextChoices):
    """What the carrier said."""

    NONE = "", _("nothing yet")
    TAKEN = "taken", _("It does it")
    REFUSED = "refused", _("It does not")


OPEN_RECALL = (RecallState.ASKED, RecallState.ACCEPTED)


class Recall(WorkItem, Versioned):
    """A parcel that left its warehouse, which its carrier is asked to send back (拦截) or to bring elsewhere (改址).

    Its state is a function of what the carrier answered and of where the parcel is (`carriers.recalling.following`).
    Only a parcel's newest one follows the parcel. Where it is to go instead is kept sealed.
    """

    ticket_subject = TicketSubject(
        "recall",
        "(SELECT s.order_id FROM logistics_shipment h JOIN orders_suborder s ON s.id = h.sub_order_id"
        " WHERE h.id = NEW.shipment_id)",
        Team.LOGISTICS,
    )

    shipment = models.ForeignKey(
        Shipment, verbose_name=_("shipment"), on_delete=models.PROTECT, related_name="recalls", db_index=False
    )
    connection = models.ForeignKey(
        Connection, verbose_name=_("connection"), on_delete=models.PROTECT, related_name="recalls", db_index=False
    )
    kind = models.CharField(_("kind"), max_length=10, choices=RecallKind.choices)
    state = FSMField(_("state"), choices=RecallState.choices, default=RecallState.ASKED, protected=True)
    reason = models.CharField(_("reason"), max_length=200)
    recipient = secrecy.SealedField(_("new recipient"), null=True, blank=True, editable=False)
    parcel_was = models.CharField(
        _("where the parcel was"), max_length=20, choices=ShipmentState.choices, help_text=_("When it was asked for.")
    )
    asked_by = models.CharField(_("asked by"), max_length=80)
    asked_at = models.DateTimeField(_("asked at"), db_default=Now(), editable=False)
    answer = models.CharField(
        pgettext_lazy("carrier", "answer"),
        max_length=10,
        choices=RecallAnswer.choices,
        default=RecallAnswer.NONE,
        db_default="",
        blank=True,
    )
    answer_text = models.CharField(_("carrier's text"), max_length=300, db_default="", blank=True)
    answered_at = models.DateTimeField(_("answered at"), null=True, blank=True, editable=False)
    due_at = models.DateTimeField(_("due at"), help_text=_("By when it should be known what becomes of it."))
    late_at = models.DateTimeField(_("late since"), null=True, blank=True, editable=False)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("recall of a parcel")
        verbose_name_plural = _("recalls of parcels")
        ordering = ["-id"]
        default_permissions = ("view",)
        permissions = [("ask_recall", _("Can ask carriers to send parcels back or elsewhere"))]
        constraints = [
            models.UniqueConstraint(
                fields=["shipment"], condition=Q(state__in=["asked", "accepted"]), name="recall_is_open_once_a_parcel"
            ),
            models.CheckConstraint(condition=Q(kind__in=RecallKind.values), name="recall_kind_is_known"),
            models.CheckConstraint(condition=Q(answer__in=RecallAnswer.values), name="recall_answer_is_known"),
            models.CheckConstraint(
                condition=Q(kind="return", recipient__isnull=True) | Q(kind="redirect", recipient__isnull=False),
                name="recall_elsewhere_says_where",
            ),
            models.CheckConstraint(
                condition=Q(answer="", answered_at__isnull=True) | (~Q(answer="") & Q(answered_at__isnull=False)),
                name="recall_answer_has_a_time",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["asked", "accepted"], ended_at__isnull=True)
                | Q(state__in=["succeeded", "failed"], ended_at__isnull=False),
                name="recall_ends_with_its_state",
            ),
        ]
        indexes = [
            models.Index(fields=["shipment", "-id"], name="recall_of_a_shipment"),
            models.Index(fields=["connection", "ready_at"], condition=Q(state=RecallState.ASKED), name="recall_queue"),
            models.Index(
                fields=["due_at"],
                condition=Q(state__in=["asked", "accepted"], late_at__isnull=True),
                name="recall_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.shipment_id}"

    @transition(state, source=RecallState.ASKED, target=RecallState.ACCEPTED)
    def accept(self) -> None:
        """The carrier tries, as it says or as a scan shows."""

    @transition(
        state, source=[RecallState.ASKED, RecallState.ACCEPTED, RecallState.FAILED], target=RecallState.SUCCEEDED
    )
    def succeed(self) -> None:
        """The parcel comes back, or arrived elsewhere."""

    @transition(
        state, source=[RecallState.ASKED, RecallState.ACCEPTED, RecallState.SUCCEEDED], target=RecallState.FAILED
    )
    def fail(self) -> None:
        """The carrier refuses, or the parcel went its way all the same."""
