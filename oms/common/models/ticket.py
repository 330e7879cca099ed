"""What a person has to do."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_fsm import FSMField, transition

from oms.common.models.base import Versioned


class Team(models.TextChoices):
    """Who sees a ticket first."""

    SERVICE = "service", _("Customer service")
    LOGISTICS = "logistics", _("Warehouse and logistics")
    FINANCE = "finance", _("Finance")
    TECHNICAL = "technical", _("Technical operations")


class TicketState(models.TextChoices):
    """Whether there is something left to do."""

    OPEN = "open", pgettext_lazy("ticket", "Open")
    CLOSED = "closed", pgettext_lazy("ticket", "Closed")


class TicketResult(models.TextChoices):
    """How a ticket ended."""

    DONE = "done", pgettext_lazy("ticket", "Done")
    RESOLVED = "resolved", _("Resolved by itself")
    NOT_NEEDED = "not_needed", _("Nothing to do")


class TicketQuerySet(models.QuerySet["Ticket"]):
    """Named queries over tickets."""

    def open(self) -> "TicketQuerySet":
        """Tickets with something left to do, put off or not."""
        return self.filter(state=TicketState.OPEN)

    def waiting(self) -> "TicketQuerySet":
        """Open tickets that somebody should see now: those that are put off come back by themselves."""
        return self.open().filter(Q(snoozed_until__isnull=True) | Q(snoozed_until__lte=Now()))

    def snoozed(self) -> "TicketQuerySet":
        """Open tickets that are put off."""
        return self.open().filter(snoozed_until__gt=Now())

    def overdue(self) -> "TicketQuerySet":
        """Tickets that wait and should be done already."""
        return self.waiting().filter(due_at__lt=Now())


class Ticket(Versioned):
    """Something that a person has to do (待办): one open ticket a kind and subject.

    The subject is a kind and an id of any app's row; `about_id` is the row on whose page staff work on it (the order).
    The reason is a code with values, worded when it is shown. See `oms.common.tickets`.
    """

    kind = models.CharField(_("kind"), max_length=40)
    subject_kind = models.CharField(_("subject"), max_length=24)
    subject_id = models.BigIntegerField(_("subject's id"))
    about_id = models.BigIntegerField(_("belongs to"), null=True, blank=True)
    state = FSMField(_("state"), choices=TicketState.choices, default=TicketState.OPEN, db_default=TicketState.OPEN)
    reason = models.CharField(_("reason"), max_length=60, db_default="", blank=True)
    values = models.JSONField(_("values"), default=dict, db_default={}, blank=True)
    times = models.IntegerField(_("times"), db_default=1, help_text=_("How often it was reported."))
    team = models.CharField(_("team"), max_length=24, db_default="", blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=pgettext_lazy("ticket", "owner"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )
    opened_at = models.DateTimeField(_("since"), db_default=Now(), editable=False)
    opened_by = models.CharField(pgettext_lazy("ticket", "opened by"), max_length=80, db_default="", blank=True)
    reported_at = models.DateTimeField(_("last reported at"), db_default=Now(), editable=False)
    is_test = models.BooleanField(_("of a sandbox"), default=False, db_default=False, editable=False)
    due_at = models.DateTimeField(_("due at"), null=True, blank=True)
    snoozed_until = models.DateTimeField(_("snoozed until"), null=True, blank=True)
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True, editable=False)
    closed_by = models.CharField(_("closed by"), max_length=80, db_default="", blank=True)
    result = models.CharField(_("result"), max_length=12, choices=TicketResult.choices, db_default="", blank=True)

    objects = TicketQuerySet.as_manager()

    class Meta:
        verbose_name = _("ticket")
        verbose_name_plural = _("tickets")
        ordering = ["-id"]
        default_permissions = ("view",)
        permissions = [
            ("work_ticket", _("Can take, snooze, note and close tickets")),
            ("assign_ticket", _("Can give tickets to other people")),
            ("open_ticket", _("Can open tickets by hand")),
            ("retry_stuck", _("Can let what failed be tried again")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["subject_id", "subject_kind", "kind"],
                condition=Q(state=TicketState.OPEN),
                name="ticket_opens_once_for_a_subject",
            ),
            models.CheckConstraint(condition=Q(state__in=TicketState.values), name="ticket_state_is_known"),
            models.CheckConstraint(
                condition=Q(state=TicketState.OPEN, closed_at__isnull=True, result="")
                | Q(state=TicketState.CLOSED, closed_at__isnull=False, result__in=TicketResult.values),
                name="ticket_closed_with_a_result",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at", "id"], condition=Q(state=TicketState.OPEN), name="ticket_open"),
            models.Index(fields=["owner", "due_at"], condition=Q(state=TicketState.OPEN), name="ticket_open_of_owner"),
            models.Index(fields=["about_id", "id"], condition=Q(about_id__isnull=False), name="ticket_about"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"

    @transition(state, source=TicketState.OPEN, target=TicketState.CLOSED)
    def close(self, *, result: TicketResult, by: str) -> None:
        """There is nothing left to do."""
        self.result = result
        self.closed_by = by
        self.closed_at = timezone.now()
        self.snoozed_until = None

    @transition(state, source=TicketState.CLOSED, target=TicketState.OPEN)
    def reopen(self) -> None:
        """There is, after all."""
        self.result = ""
        self.closed_by = ""
        self.closed_at = None


class TicketEventKind(models.TextChoices):
    """What happened to a ticket."""

    OPENED = "opened", pgettext_lazy("what happened to a ticket", "Opened")
    TAKEN = "taken", pgettext_lazy("what happened to a ticket", "Taken")
    GIVEN_BACK = "given_back", pgettext_lazy("what happened to a ticket", "Given back")
    ASSIGNED = "assigned", pgettext_lazy("what happened to a ticket", "Assigned")
    SNOOZED = "snoozed", pgettext_lazy("what happened to a ticket", "Snoozed")
    WOKEN = "woken", pgettext_lazy("what happened to a ticket", "Snoozed no longer")
    NOTED = "noted", pgettext_lazy("what happened to a ticket", "Note")
    RETRIED = "retried", pgettext_lazy("what happened to a ticket", "Tried again")
    CLOSED = "closed", pgettext_lazy("what happened to a ticket", "Closed")
    REOPENED = "reopened", pgettext_lazy("what happened to a ticket", "Reopened")


class TicketEvent(models.Model):
    """One step in a ticket's history: what, who, when. Only ever appended.

    `text` is what a person wrote, `values` what the step's sentence names; an empty `by` is the system.
    """

    ticket = models.ForeignKey(
        Ticket, verbose_name=_("ticket"), on_delete=models.PROTECT, related_name="events", db_index=False
    )
    kind = models.CharField(_("kind"), max_length=12, choices=TicketEventKind.choices)
    by = models.CharField(_("by"), max_length=80, db_default="", blank=True)
    text = models.CharField(_("text"), max_length=2000, db_default="", blank=True)
    values = models.JSONField(_("values"), default=dict, db_default={}, blank=True)
    created_at = models.DateTimeField(_("at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("step of a ticket")
        verbose_name_plural = _("steps of tickets")
        ordering = ["id"]
        default_permissions = ()
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=TicketEventKind.values), name="ticket_event_kind_is_known"),
        ]
        indexes = [models.Index(fields=["ticket", "id"], name="ticket_event_of_ticket")]

    def __str__(self) -> str:
        return self.kind
