"""Who is told of what is late, and what they were told."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from logistics.models.alert import AlertGroup
from oms.common.models import Connection, Team, TicketSubject, WorkItem


class AlertReceiver(models.Model):
    """A robot, mailbox or address that is told of groups of alerts from a level on; in its quiet hours it is told
    later. Its connection holds address and secrets."""

    connection = models.OneToOneField(
        Connection, verbose_name=_("connection"), on_delete=models.PROTECT, related_name="alert_receiver"
    )
    min_level = models.SmallIntegerField(_("from level"), default=1, help_text=_("1 warning, 2 exception, 3 critical"))
    quiet_from = models.TimeField(_("quiet from"), null=True, blank=True)
    quiet_until = models.TimeField(_("quiet until"), null=True, blank=True)
    language = models.CharField(_("language"), max_length=10, choices=settings.LANGUAGES, default="zh-hans")
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("receiver of alerts")
        verbose_name_plural = _("receivers of alerts")
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(min_level__in=[1, 2, 3]),
                name="alert_receiver_level_is_known",
                violation_error_message=_("Choose a level from 1 to 3."),
            ),
            models.CheckConstraint(
                condition=Q(quiet_from__isnull=True, quiet_until__isnull=True)
                | Q(quiet_from__isnull=False, quiet_until__isnull=False),
                name="alert_receiver_is_quiet_from_and_until",
                violation_error_message=_("Give both hours between which it is quiet, or neither."),
            ),
        ]

    def __str__(self) -> str:
        return str(self.connection)


class AlertTelling(WorkItem):
    """The intent to tell one receiver of a group at a level, once. Written when the group comes to the level; removed
    where the group ended before it was told."""

    ticket_subject = TicketSubject("alert_telling", "NULL", Team.TECHNICAL)

    connection = models.ForeignKey(
        Connection, verbose_name=_("connection"), on_delete=models.PROTECT, related_name="+", db_index=False
    )
    group = models.ForeignKey(AlertGroup, verbose_name=_("group"), on_delete=models.PROTECT, related_name="tellings")
    level = models.SmallIntegerField(_("level"))
    written_at = models.DateTimeField(_("written at"), db_default=Now(), editable=False)
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("message on alerts")
        verbose_name_plural = _("messages on alerts")
        ordering = ["-id"]
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["connection", "group", "level"], name="alert_telling_once_a_level"),
        ]
        indexes = [
            models.Index(
                fields=["connection", "ready_at"], condition=Q(sent_at__isnull=True), name="alert_telling_queue"
            ),
            models.Index(fields=["connection", "sent_at"], name="alert_telling_sent"),
        ]

    def __str__(self) -> str:
        return f"{self.group_id} {self.level}"
