"""What people keep for themselves and each other at their lists: saved views and columns, target times, when they last
looked."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from oms.common.models.ticket import Team

# Target times between a minute and four weeks.
MOST_MINUTES = 28 * 24 * 60


class SavedView(models.Model):
    """A list with its filters under a name, of one person (`owner`) or of a team: exactly one of both.

    `page` is the list's address by name (`common_ticket`), `query` its filters as in the address. The one without a
    name is how a person sees the list unasked: the `columns` (names, in the list's order) that they chose.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,
    )
    team = models.CharField(_("team"), max_length=24, choices=Team.choices, blank=True, db_default="")
    page = models.CharField(_("page"), max_length=60)
    title = models.CharField(_("title"), max_length=40, blank=True)
    columns = models.JSONField(_("columns"), default=list, db_default=[], blank=True)
    query = models.CharField(_("filters"), max_length=1000, blank=True, db_default="")

    class Meta:
        verbose_name = _("saved view")
        verbose_name_plural = _("saved views")
        ordering = ["id"]
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(owner__isnull=False, team="") | Q(owner__isnull=True, team__in=Team.values),
                name="saved_view_is_of_a_person_or_a_team",
            ),
            models.CheckConstraint(
                condition=~Q(title="") | Q(owner__isnull=False, query=""),
                name="saved_view_without_a_title_is_a_persons",
            ),
            models.UniqueConstraint(
                fields=["owner", "page", "title"],
                condition=Q(owner__isnull=False),
                name="saved_view_of_a_person_has_its_title_once",
            ),
            models.UniqueConstraint(
                fields=["team", "page", "title"], condition=~Q(team=""), name="saved_view_of_a_team_has_its_title_once"
            ),
        ]

    def __str__(self) -> str:
        return self.title


class TicketTarget(models.Model):
    """Within how many minutes tickets of a kind should be done, where that is not what the kind itself says. It counts
    for tickets that are opened from then on."""

    kind = models.CharField(_("kind"), max_length=40, unique=True)
    minutes = models.IntegerField(
        _("target time in minutes"), validators=[MinValueValidator(1), MaxValueValidator(MOST_MINUTES)]
    )

    class Meta:
        verbose_name = _("target time of tickets")
        verbose_name_plural = _("target times of tickets")
        ordering = ["kind"]
        constraints = [
            models.CheckConstraint(
                condition=Q(minutes__gte=1, minutes__lte=MOST_MINUTES),
                name="ticket_target_is_a_reasonable_time",
                violation_error_message=_("Give from 1 minute to 28 days (40320 minutes)."),
            ),
        ]

    def __str__(self) -> str:
        return self.kind


class QueueLook(models.Model):
    """When a person last said that they have seen what changed at the queues."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="+")
    seen_at = models.DateTimeField(_("seen at"))

    class Meta:
        verbose_name = _("last look at the queues")
        verbose_name_plural = _("last looks at the queues")
        default_permissions = ()

    def __str__(self) -> str:
        return f"#{self.pk}"
