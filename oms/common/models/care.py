"""What keeps watch over an installation: what was checked and mended of what must always hold, tasks by the clock."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class InvariantCheck(models.Model):
    """An invariant, by its name, and what came of it when it was looked at last."""

    name = models.CharField(_("name"), max_length=80, unique=True, editable=False)
    checked_at = models.DateTimeField(_("looked at last"), db_default=Now(), editable=False)
    took_ms = models.IntegerField(_("took, in milliseconds"), db_default=0, editable=False)
    timed_out = models.BooleanField(_("was not finished in time"), db_default=False, editable=False)
    broken_rows = models.IntegerField(_("rows that break it"), db_default=0, editable=False)
    broken_since = models.DateTimeField(_("broken since"), null=True, blank=True, editable=False)
    examples = models.JSONField(_("the first of them"), default=list, editable=False)

    class Meta:
        verbose_name = _("invariant")
        verbose_name_plural = _("invariants")
        ordering = ["id"]
        default_permissions = ("view",)
        permissions = [
            ("run_invariantcheck", _("Can have the invariants checked")),
            ("repair_invariantcheck", _("Can have broken invariants mended")),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(broken_rows=0, broken_since__isnull=True)
                | Q(broken_rows__gt=0, broken_since__isnull=False),
                name="invariant_check_is_broken_since_it_was_found",
            ),
        ]
        indexes = [models.Index(fields=["checked_at"], name="invariant_check_longest_ago")]

    def __str__(self) -> str:
        return self.name


class InvariantRepair(models.Model):
    """A repair of a broken invariant by a person: rows are only ever added."""

    check_of = models.ForeignKey(
        InvariantCheck, verbose_name=_("invariant"), on_delete=models.PROTECT, related_name="repairs"
    )
    at = models.DateTimeField(_("at"), db_default=Now(), editable=False)
    by = models.CharField(_("by"), max_length=150, editable=False)
    reason = models.CharField(_("reason"), max_length=200, editable=False)
    rows_before = models.IntegerField(_("rows before"), editable=False)
    rows_changed = models.IntegerField(_("rows changed"), editable=False)
    rows_after = models.IntegerField(_("rows after"), editable=False)

    class Meta:
        verbose_name = _("repair of an invariant")
        verbose_name_plural = _("repairs of invariants")
        ordering = ["-id"]
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=~Q(by="") & ~Q(reason="") & Q(rows_before__gt=0, rows_changed__gte=0, rows_after__gte=0),
                name="invariant_repair_says_who_and_why",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.by} {self.at}"


class ScheduledTask(models.Model):
    """A task that beat starts by the clock: whether and how often, and how its last run ended.

    Which tasks there are, and how often they run unless `every_seconds` says otherwise, stands in the settings.
    """

    name = models.CharField(_("name"), max_length=40, unique=True, editable=False)
    is_on = models.BooleanField(_("is on"), default=True, db_default=True, editable=False)
    every_seconds = models.PositiveIntegerField(_("every so many seconds"), null=True, blank=True, editable=False)
    changed_by = models.CharField(_("changed by"), max_length=150, blank=True, db_default="", editable=False)
    changed_at = models.DateTimeField(_("changed at"), null=True, blank=True, editable=False)
    change_reason = models.CharField(
        _("reason of the change"), max_length=200, blank=True, db_default="", editable=False
    )
    known_since = models.DateTimeField(_("known since"), db_default=Now(), editable=False)
    ended_at = models.DateTimeField(_("last run ended at"), null=True, blank=True, editable=False)
    took_ms = models.IntegerField(_("took, in milliseconds"), null=True, blank=True, editable=False)
    result = models.CharField(_("result of the run"), max_length=40, blank=True, db_default="", editable=False)
    failures = models.IntegerField(_("failures in a row"), db_default=0, editable=False)
    failed_at = models.DateTimeField(_("failed last at"), null=True, blank=True, editable=False)
    error = models.CharField(_("last error"), max_length=300, blank=True, db_default="", editable=False)

    class Meta:
        verbose_name = _("scheduled task")
        verbose_name_plural = _("scheduled tasks")
        ordering = ["name"]
        default_permissions = ("view",)
        permissions = [
            ("change_schedule", _("Can switch scheduled tasks and say how often they run")),
            ("start_scheduledtask", _("Can start a scheduled task now")),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(every_seconds__isnull=True) | Q(every_seconds__gte=1, every_seconds__lte=7 * 86400),
                name="scheduled_task_runs_at_least_weekly",
            ),
            models.CheckConstraint(
                condition=Q(is_on=True, every_seconds__isnull=True) | ~Q(changed_by="") & ~Q(change_reason=""),
                name="scheduled_task_change_says_who_and_why",
            ),
        ]

    def __str__(self) -> str:
        return self.name
