"""What a person has to do."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from oms.common.models.base import Versioned


class TicketState(models.TextChoices):
    """Whether there is something left to do."""

    OPEN = "open", _("Open")
    CLOSED = "closed", _("Closed")


class TicketResult(models.TextChoices):
    """How a ticket ended."""

    DONE = "done", _("Done")
    RESOLVED = "resolved", _("Resolved by itself")
    NOT_NEEDED = "not_needed", _("Nothing to do")


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
        verbose_name=_("owner"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )
    opened_at = models.DateTimeField(_("since"), db_default=Now(), editable=False)
    opened_by = models.CharField(_("opened by"), max_length=80, db_default="", blank=True)
    due_at = models.DateTimeField(_("due at"), null=True, blank=True)
    snoozed_until = models.DateTimeField(_("snoozed until"), null=True, blank=True)
    closed_at = models.DateTimeField(_("closed at"), null=True, blank=True, editable=False)
    closed_by = models.CharField(_("closed by"), max_length=80, db_default="", blank=True)
    result = models.CharField(_("result"), max_length=12, choices=TicketResult.choices, db_default="", blank=True)

    class Meta:
        verbose_name = _("ticket")
        verbose_name_plural = _("tickets")
        ordering = ["-id"]
        permissions = [("work_ticket", _("Can take, snooze, note and close tickets"))]
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
        return f"{self.kind} {self.subject_kind} {self.subject_id}"

    @transition(state, source=TicketState.OPEN, target=TicketState.CLOSED)
    def close(self) -> None:
        """There is nothing left to do."""

    @transition(state, source=TicketState.CLOSED, target=TicketState.OPEN)
    def reopen(self) -> None:
        """There is, after all."""


class TicketNote(models.Model):
    """What somebody wrote about a ticket. Only ever appended."""

    ticket = models.ForeignKey(Ticket, verbose_name=_("ticket"), on_delete=models.PROTECT, related_name="notes")
    text = models.CharField(_("text"), max_length=2000)
    by = models.CharField(_("by"), max_length=80)
    created_at = models.DateTimeField(_("at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("note on a ticket")
        verbose_name_plural = _("notes on tickets")
        ordering = ["id"]
        default_permissions = ()

    def __str__(self) -> str:
        return self.text[:40]
