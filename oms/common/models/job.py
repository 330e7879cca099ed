"""Work in the background that staff wait for."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

from oms.common.models.base import TicketSubject, Versioned, WorkItem


class JobState(models.TextChoices):
    """Where a background job is. A draft is an upload whose owner has not yet said "go"."""

    DRAFT = "draft", _("Draft")
    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


def _input_path(job: "Job", name: str) -> str:
    return f"jobs/{job.folder}/input-{name}"


def _result_path(job: "Job", name: str) -> str:
    return f"jobs/{job.folder}/{name}"


class Job(WorkItem, Versioned):
    """Work in the background that a member of staff waits for: an import, an export.

    A worker holds it by lease; each step it takes commits what it did together with `progress` and the counts, so that
    another worker goes on from there. `attempts` counts take-ups since the last step that got anywhere. Its files lie
    in `jobs/<folder>/` of the media folder until they are purged.
    """

    # Uploaded, and waiting for its owner to say what the columns mean.
    initial_states = (JobState.DRAFT,)
    ticket_subject = TicketSubject("job")

    kind = models.CharField(_("kind"), max_length=40, editable=False)
    state = FSMField(_("state"), choices=JobState.choices, default=JobState.QUEUED, editable=False)
    folder = models.CharField(_("folder"), max_length=32, db_default="", blank=True, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("owner"), on_delete=models.PROTECT, related_name="+", db_index=False
    )
    merchant_code = models.CharField(_("merchant"), max_length=32, db_default="", blank=True, editable=False)
    file_name = models.CharField(_("file"), max_length=200, db_default="", blank=True, editable=False)
    params = models.JSONField(_("parameters"), default=dict, editable=False)
    progress = models.JSONField(_("progress"), default=dict, editable=False)
    total = models.IntegerField(_("total"), null=True, blank=True, editable=False)
    done = models.IntegerField(_("done"), db_default=0, editable=False)
    failed = models.IntegerField(_("failed"), db_default=0, editable=False)
    input = models.FileField(_("input"), upload_to=_input_path, max_length=200, blank=True, editable=False)
    result = models.FileField(_("result"), upload_to=_result_path, max_length=200, blank=True, editable=False)
    error = models.TextField(_("error"), db_default="", blank=True, editable=False)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    started_at = models.DateTimeField(_("started at"), null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("background job")
        verbose_name_plural = _("background jobs")
        ordering = ["-id"]
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(condition=Q(state__in=JobState.values), name="job_state_is_known"),
            models.CheckConstraint(
                condition=Q(done__gte=0, failed__gte=0, failed__lte=models.F("done")), name="job_counts_add_up"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["draft", "queued", "running"], finished_at__isnull=True)
                | Q(state__in=["succeeded", "failed", "cancelled"], finished_at__isnull=False),
                name="job_is_finished_in_its_last_states",
            ),
        ]
        indexes = [
            models.Index(fields=["ready_at", "id"], condition=Q(state__in=["queued", "running"]), name="job_queue"),
            models.Index(fields=["owner", "-id"], name="job_of_owner"),
            models.Index(fields=["finished_at"], condition=~Q(folder=""), name="job_with_files"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"

    @transition(state, source=JobState.DRAFT, target=JobState.QUEUED)
    def queue(self) -> None:
        """The owner says go."""

    @transition(state, source=JobState.QUEUED, target=JobState.RUNNING)
    def start(self) -> None:
        """A worker takes it up."""

    @transition(state, source=JobState.RUNNING, target=JobState.SUCCEEDED)
    def succeed(self) -> None:
        """It is done."""

    @transition(state, source=[JobState.QUEUED, JobState.RUNNING], target=JobState.FAILED)
    def fail(self) -> None:
        """It cannot be done."""

    @transition(state, source=[JobState.DRAFT, JobState.QUEUED, JobState.RUNNING], target=JobState.CANCELLED)
    def cancel(self) -> None:
        """Somebody changed their mind."""


class JobResult(models.Model):
    """What came of one thing that a job did, such as one order of an imported file."""

    class Outcome(models.TextChoices):
        DONE = "done", _("Done")
        SKIPPED = "skipped", _("Was there already")
        LEFT_OUT = "left_out", _("Left out by its state")
        REFUSED = "refused", _("Not imported")

    job = models.ForeignKey(Job, verbose_name=_("job"), on_delete=models.CASCADE, related_name="results")
    position = models.IntegerField(_("position"))
    rows = models.JSONField(_("rows"), default=list)
    key = models.CharField(_("key"), max_length=80)
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome.choices)
    reference = models.CharField(_("reference"), max_length=40, db_default="")
    errors = models.JSONField(_("errors"), default=list)

    class Meta:
        verbose_name = _("result of a job")
        verbose_name_plural = _("results of jobs")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["job", "position"], name="job_result_is_told_once"),
        ]

    def __str__(self) -> str:
        return f"{self.key}: {self.outcome}"
