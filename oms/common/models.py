"""Abstract models that every app's tables share; they know no business."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField, transition

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


def money(verbose_name: "str | _StrPromise", **options: object) -> models.DecimalField:
    """A column for an amount in yuan with two places (fen)."""
    return models.DecimalField(verbose_name, max_digits=12, decimal_places=2, **options)  # type: ignore[arg-type]


class WorkItem(models.Model):
    """A row that a pipeline stage may claim: the state is the queue, these columns say when and by whom.

    `ready_at` is when the row may next be claimed (null: not before something wakes it). A stage that calls another
    system holds the row by `lease_until` and proves it by `lease_token`.
    """

    ready_at = models.DateTimeField(_("ready at"), null=True, blank=True, db_default=Now(), editable=False)
    lease_until = models.DateTimeField(_("leased until"), null=True, blank=True, editable=False)
    lease_token = models.IntegerField(_("lease token"), db_default=0, editable=False)
    attempts = models.SmallIntegerField(_("attempts"), db_default=0, editable=False)
    last_error = models.TextField(_("last error"), db_default="", blank=True, editable=False)
    needs_person_since = models.DateTimeField(_("needs a person since"), null=True, blank=True, editable=False)
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("assigned to"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
    )

    class Meta:
        abstract = True


# Columns that belong to the queue, not to the business: changing them makes no new version of the row.
QUEUE_COLUMNS = frozenset(
    {
        *("ready_at", "lease_until", "lease_token", "attempts", "last_error", "needs_person_since", "assigned_to_id"),
        # How something outside that we call fares.
        *("failures", "failing_since", "paused_until", "last_success_at"),
    }
)


class Versioned(models.Model):
    """A row whose `version` the database counts up at every change of its business columns (see `states`).

    `version_counts` names the columns whose change counts, where not all do.
    """

    version_counts: tuple[str, ...] = ()

    version = models.IntegerField(_("version"), db_default=1, editable=False)

    class Meta:
        abstract = True


class Expectation(models.Model):
    """What should happen next to a row and by when; the watch stage raises an alert when it did not."""

    expected_event = models.CharField(_("expected event"), max_length=20, db_default="", blank=True, editable=False)
    next_event_due = models.DateTimeField(_("expected by"), null=True, blank=True, editable=False)

    class Meta:
        abstract = True


class SandboxJob(models.Model):
    """What the sandbox's pretended outside world will do next, and when. One row a thing that it knows of."""

    class System(models.TextChoices):
        PAYMENT = "payment", _("Payment provider")
        WAREHOUSE = "warehouse", _("Warehouse")
        CARRIER = "carrier", _("Carrier")

    system = models.CharField(_("system"), max_length=12, choices=System.choices)
    reference = models.CharField(_("reference"), max_length=40)
    step = models.SmallIntegerField(_("step"), db_default=0)
    data = models.JSONField(_("data"), default=dict)
    due_at = models.DateTimeField(_("due at"), null=True)
    created_at = models.DateTimeField(_("created at"), db_default=Now())

    class Meta:
        verbose_name = _("sandbox job")
        verbose_name_plural = _("sandbox jobs")
        constraints = [
            models.UniqueConstraint(fields=["reference", "system"], name="sandbox_job_knows_a_thing_once"),
        ]
        indexes = [models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="sandbox_job_queue")]

    def __str__(self) -> str:
        return f"{self.system} {self.reference}"


class Heartbeat(models.Model):
    """When something that must happen all the time happened last, such as beat's sweep of the stages."""

    name = models.CharField(_("name"), max_length=40, primary_key=True)
    seen_at = models.DateTimeField(_("seen at"), db_default=Now())

    class Meta:
        verbose_name = _("heartbeat")
        verbose_name_plural = _("heartbeats")

    def __str__(self) -> str:
        return self.name


class OutboundStop(models.Model):
    """That nothing goes out, from a moment until somebody resumed it; the open one, if there is one, is in force."""

    class Reason(models.TextChoices):
        RESTORED = "restored", _("Restored from a backup")
        BY_HAND = "by_hand", _("By hand")

    reason = models.CharField(_("reason"), max_length=10, choices=Reason.choices, editable=False)
    note = models.CharField(_("note"), max_length=200, db_default="", blank=True, editable=False)
    stopped_at = models.DateTimeField(_("stopped at"), db_default=Now(), editable=False)
    stopped_by = models.CharField(_("stopped by"), max_length=180, editable=False)
    resumed_at = models.DateTimeField(_("resumed at"), null=True, blank=True, editable=False)
    resumed_by = models.CharField(_("resumed by"), max_length=180, db_default="", blank=True, editable=False)

    class Meta:
        verbose_name = _("stop of what goes out")
        verbose_name_plural = _("What goes out")
        ordering = ["-id"]
        default_permissions = ("view",)
        permissions = [("switch_outbound", _("Can stop and resume what goes out"))]
        constraints = [
            models.CheckConstraint(
                condition=Q(reason__in=["restored", "by_hand"]), name="outbound_stop_reason_is_known"
            ),
            models.CheckConstraint(
                condition=Q(resumed_at__isnull=True, resumed_by="") | (Q(resumed_at__isnull=False) & ~Q(resumed_by="")),
                name="outbound_is_resumed_by_somebody",
            ),
            models.UniqueConstraint(
                fields=["resumed_at"],
                condition=Q(resumed_at__isnull=True),
                nulls_distinct=False,
                name="outbound_is_stopped_once_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


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
