"""Background jobs that staff wait for. A stage of the pipeline works on them, as on everything else.

A worker takes a job up by lease and works on it for some seconds (`SLICE_SECONDS`) in steps. Each step is one
transaction that first locks the job by its lease token, so that a step's work and what the job remembers of it are
committed together or not at all: a killed worker's job goes on with the step that was lost, and nothing is done twice.
"""

import logging
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from oms.common.masking import describe
from oms.common.models import Job, JobResult, JobState
from oms.common.work import nudging
from oms.common.work.claiming import Queue, Stage, lease, put_off

logger = logging.getLogger(__name__)

_OPEN = f"('{JobState.QUEUED}', '{JobState.RUNNING}')"
# Held by who takes a job up until that is committed, so that two at once do not both find room for one more.
_TAKING_UP = 0x6A6F6273


class _JobQueue(Queue):
    """Jobs that wait, as far as the settings let one more of their kind and owner be in hand."""

    def condition(self) -> str:
        """See Queue."""
        of_kind = settings.JOBS_AT_ONCE_OF_KIND
        limits = [f"WHEN '{name}' THEN {int(of_kind[name])}" for name in KINDS if name in of_kind]
        of_this_kind = (
            f"CASE q.kind {' '.join(limits)} ELSE {int(of_kind['default'])} END" if limits else of_kind["default"]
        )
        return f"""{super().condition()} AND (
            SELECT count(*) < {int(settings.JOBS_AT_ONCE)}
               AND count(*) FILTER (WHERE r.owner_id = q.owner_id) < {int(settings.JOBS_AT_ONCE_OF_OWNER)}
               AND count(*) FILTER (WHERE r.kind = q.kind) < {of_this_kind}
            FROM common_job r WHERE r.state IN {_OPEN} AND r.lease_until >= now())"""


QUEUE = _JobQueue(Job, f"q.state IN {_OPEN}")
SLICE_SECONDS = 5.0
# So many take-ups without a step that got anywhere, and the job fails.
MAX_TAKE_UPS = 4
DRAFTS_LIVE_FOR = timedelta(days=1)


class LeaseLost(Exception):
    """Another worker has the job now, or somebody cancelled it."""


@dataclass(frozen=True, slots=True)
class JobKind:
    """What a kind of job does.

    `work` does it in steps of the turn and returns whether it is finished; if not, it is called again later. Whoever
    wants the job's files needs `permission`, the owner too. `may_read` may ask for more. `stopped` is told of a job
    that somebody stopped, once nothing more is done of it.
    """

    name: str
    title: Any
    permission: str
    work: Callable[["Turn"], bool]
    may_read: Callable[[Any, Job], bool] = lambda user, job: True
    stopped: Callable[[Job], None] = lambda job: None


KINDS: dict[str, JobKind] = {}


def register(kind: JobKind) -> JobKind:
    """Let the stage know the kind."""
    KINDS[kind.name] = kind
    return kind


class Turn:
    """A worker's hold on a job. What is changed on `job` within a step is stored with it."""

    def __init__(self, job: Job, token: int) -> None:
        self.job = job
        self._token = token
        self._until = time.monotonic() + SLICE_SECONDS

    def is_over(self) -> bool:
        """Whether others should have the worker now."""
        return time.monotonic() > self._until

    @contextmanager
    def step(self, *, is_lasting: bool = True) -> Iterator[Job]:
        """One transaction that holds the job. Raises LeaseLost before anything is done.

        A step whose work would be lost with the worker, such as the joining of a file, is not lasting: it prolongs the
        lease, but does not clear the count of take-ups.
        """
        with transaction.atomic():
            if not self._lock():
                raise LeaseLost
            yield self.job
            if is_lasting:
                self.job.attempts = 0
            self._store()

    def take_up(self) -> None:
        """Note that a worker has it. Raises LeaseLost."""
        with transaction.atomic():
            if not self._lock():
                raise LeaseLost
            if self.job.state == JobState.QUEUED:
                self.job.start()
                self.job.started_at = timezone.now()
            self.job.attempts += 1
            self._store()

    def put_down(self) -> None:
        """Let any worker go on."""
        with transaction.atomic():
            if self._lock():
                with connection.cursor() as cursor:
                    cursor.execute(
                        "UPDATE common_job SET lease_until = NULL, ready_at = clock_timestamp() WHERE id = %s",
                        [self.job.pk],
                    )

    def finish(self, *, error: str = "") -> None:
        """Close the job, as succeeded unless there is an error."""
        with transaction.atomic():
            if self._lock():
                if error:
                    self.job.fail()
                else:
                    self.job.succeed()
                self.job.error = error
                self.job.finished_at = timezone.now()
                self._store()
                with connection.cursor() as cursor:
                    cursor.execute("UPDATE common_job SET lease_until = NULL WHERE id = %s", [self.job.pk])

    def _lock(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT FROM common_job WHERE id = %s AND lease_token = %s AND state IN {_OPEN} FOR NO KEY UPDATE",
                [self.job.pk, self._token],
            )
            return cursor.rowcount == 1

    def _store(self) -> None:
        """Keep what the job remembers, and the lease: each step is a sign of life."""
        self.job.save(
            update_fields=[
                *("state", "started_at", "finished_at", "total", "done", "failed", "progress"),
                *("attempts", "error", "result"),
            ]
        )
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE common_job SET lease_until = clock_timestamp() + make_interval(secs => %s) WHERE id = %s",
                [settings.LEASE_SECONDS, self.job.pk],
            )


def create(
    kind: JobKind,
    owner: Any,
    *,
    state: JobState = JobState.QUEUED,
    params: dict[str, Any] | None = None,
    merchant_code: str = "",
    file_name: str = "",
    content: bytes | None = None,
) -> Job:
    """Store a job of the owner; the workers are told after the commit."""
    job = Job(
        kind=kind.name,
        state=state,
        owner=owner,
        folder=secrets.token_hex(16),
        merchant_code=merchant_code,
        file_name=file_name[-200:],
        params={"language": translation.get_language(), **(params or {})},
    )
    if content is not None:
        job.input.save("table", ContentFile(content), save=False)
    job.save()
    nudging.nudge(STAGE.name)
    return job


@transaction.atomic
def change_draft(job_id: int, params: dict[str, Any], *, start: bool = False) -> bool:
    """Set these parameters of a draft, and queue it if it is to start; one transaction, under the job's lock.

    Returns False, and changes nothing, where it is no draft any more: somebody started or cancelled it meanwhile.
    """
    job = Job.objects.select_for_update().get(pk=job_id)
    if job.state != JobState.DRAFT:
        return False
    job.params = {**job.params, **params}
    if start:
        job.queue()
        job.ready_at = timezone.now()
        nudging.nudge(STAGE.name)
    job.save(update_fields=["params", "state", "ready_at"])
    return True


def cancel(job_id: int) -> None:
    """Stop a job: what its worker has in hand is the last step. Raises OmsError where it is over already."""
    with transaction.atomic():
        job = Job.objects.select_for_update().get(pk=job_id)
        if job.finished_at is not None:
            raise OmsError(_("This job is over already."))
        job.cancel()
        job.finished_at = timezone.now()
        job.save(update_fields=["state", "finished_at"])
    if job.kind in KINDS:
        KINDS[job.kind].stopped(job)


def run(limit: int) -> int:
    """Take up the job that waits longest and work on it for some seconds; returns 1, or 0 where none may be taken."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_TAKING_UP])
        tokens = lease(QUEUE, 1)
    for job_id, token in tokens.items():
        job = Job.objects.select_related("owner").get(pk=job_id)
        with translation.override(job.params.get("language") or settings.LANGUAGE_CODE):
            _work(Turn(job, token))
    return len(tokens)


def _work(turn: Turn) -> None:
    job = turn.job
    try:
        turn.take_up()
        if job.attempts > MAX_TAKE_UPS:
            turn.finish(error=_("The job was begun %(count)d times and never got anywhere.") % {"count": MAX_TAKE_UPS})
        elif KINDS[job.kind].work(turn):
            turn.finish()
        else:
            turn.put_down()
    except LeaseLost:
        pass
    except OmsError as refusal:
        turn.finish(error=str(refusal))
    except Exception as error:
        logger.exception("job %d (%s) failed", job.pk, job.kind)
        if job.attempts >= MAX_TAKE_UPS - 1:  # a failure counts as two: it will most likely come again
            turn.finish(error=_("Something went wrong here. Please report job %(id)d.") % {"id": job.pk})
        else:
            put_off(QUEUE, {job.pk: describe(error)})


def save_result(turn: Turn, name: str, file: File) -> None:  # type: ignore[type-arg]
    """Keep the job's result, as a step of its own."""
    with turn.step() as job:
        job.result.save(name, file, save=False)


def purge() -> int:
    """Forget the files and results of jobs that were over long ago, and drafts that nobody started; returns how many.

    The job's own row stays, without what it was about.
    """
    now = timezone.now()
    old = now - timedelta(days=settings.JOB_RETENTION_DAYS)
    for job in Job.objects.filter(state=JobState.DRAFT, created_at__lt=now - DRAFTS_LIVE_FOR):
        cancel(job.pk)
    purged = 0
    for job in Job.objects.filter(finished_at__lt=old).exclude(folder="")[:1000]:
        folder = f"jobs/{job.folder}"
        if default_storage.exists(folder):
            for name in default_storage.listdir(folder)[1]:
                default_storage.delete(f"{folder}/{name}")
            default_storage.delete(folder)
        JobResult.objects.filter(job=job).delete()
        Job.objects.filter(pk=job.pk).update(
            folder="", input="", result="", params={}, progress={}, last_error="", file_name=""
        )
        purged += 1
    return purged


STAGE = Stage("jobs", run, queue=QUEUE)
