"""Tasks by the clock: what the settings say of them, what people changed, and how their last runs ended.

Beat starts them (`oms.common.work.beat`), workers note how each run ended, and a task of the schedule itself looks for
those that are off, late or failing. Which tasks there are is code: a row only says whether and how often one runs.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common import tickets
from oms.common.codebook import ACTORS, Codebook
from oms.common.errors import OmsError
from oms.common.masking import describe
from oms.common.models import ScheduledTask, Team
from oms.common.tickets import Shown, TicketKind, Trouble, register_kind, register_subject

# How the tasks are called, by name: `oms.shipped_tasks`.
TASKS = Codebook()
BY = "watch_tasks"
ACTORS.add({BY: gettext_lazy("Watch over scheduled tasks")})
FAILURES_TOLD = 3

TROUBLE = register_kind(
    TicketKind(
        "scheduled_task",
        gettext_lazy("A scheduled task does not run as it should"),
        "scheduled_task",
        team=Team.TECHNICAL,
        due_within=timedelta(days=1),
        reasons={
            "off": gettext_lazy("%(person)s switched it off: %(reason)s"),
            "late": gettext_lazy("It should run every %(seconds)s seconds and has not ended for %(minutes)s minutes."),
            "failing": gettext_lazy("It failed %(times)s times in a row, last with “%(error)s”."),
        },
        remedies=gettext_lazy("Its page says what came of the last run, and can switch it on or start it now."),
        can_retry=False,
    )
)


def _show(ids: Collection[int]) -> dict[int, Shown]:
    rows = ScheduledTask.objects.filter(pk__in=ids).values_list("pk", "name")
    return {
        key: Shown(TASKS.word(name), reverse("admin:common_scheduledtask_change", args=[key])) for key, name in rows
    }


register_subject("scheduled_task", _show)


def usual_seconds(name: str) -> float | None:
    """How often it runs unless people say otherwise, in seconds; None for a task that is none any more."""
    entry = settings.CELERY_BEAT_SCHEDULE.get(name)
    return float(entry["schedule"]) if entry else None


def seconds_of(task: ScheduledTask) -> float | None:
    """How often it is to run, in seconds; None for a task that is none any more."""
    usual = usual_seconds(task.name)
    return usual if usual is None or task.every_seconds is None else float(task.every_seconds)


def name_of(celery_name: str) -> str | None:
    """The name in the schedule of a Celery task; None for one that is not in it."""
    for name, entry in settings.CELERY_BEAT_SCHEDULE.items():
        if entry["task"] == celery_name:
            return name
    return None


def read_changes() -> dict[str, tuple[bool, float | None]]:
    """Of every task whether it is on, and every how many seconds it runs where people said so. Makes the rows that
    lack, which is how they come to be known."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO common_scheduledtask (name) SELECT unnest(%s::text[]) ON CONFLICT (name) DO NOTHING",
            [sorted(settings.CELERY_BEAT_SCHEDULE)],
        )
        cursor.execute("SELECT name, is_on, every_seconds FROM common_scheduledtask")
        return {name: (is_on, every) for name, is_on, every in cursor.fetchall()}


def note_end(name: str, *, took_ms: int, result: str = "", error: str = "") -> None:
    """Keep how a run ended: its result, or the error with which it failed. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO common_scheduledtask AS t (name, ended_at, took_ms, result, failures, failed_at, error)
            VALUES (%(name)s, clock_timestamp(), %(took)s, %(result)s, CASE WHEN %(failed)s THEN 1 ELSE 0 END,
                CASE WHEN %(failed)s THEN clock_timestamp() END, %(error)s)
            ON CONFLICT (name) DO UPDATE SET ended_at = excluded.ended_at, took_ms = excluded.took_ms,
                result = excluded.result,
                failures = CASE WHEN %(failed)s THEN t.failures + 1 ELSE 0 END,
                failed_at = coalesce(excluded.failed_at, t.failed_at),
                error = CASE WHEN %(failed)s THEN excluded.error ELSE t.error END
            """,
            {
                "name": name,
                "took": took_ms,
                "result": result[:40],
                "failed": bool(error),
                "error": error[:300],
            },
        )


@transaction.atomic
def change(
    task_id: int, *, by: str, reason: str, is_on: bool | None = None, every_seconds: int | None = None
) -> ScheduledTask:
    """Switch the task on or off, or say every how many seconds it runs (0: as it comes); what is None stays.

    Beat follows within some seconds. Raises OmsError for a task that is none any more.
    """
    task = ScheduledTask.objects.select_for_update().get(pk=task_id)
    if usual_seconds(task.name) is None:
        raise OmsError(_("The program has no such task any more."))
    if is_on is not None:
        task.is_on = is_on
    if every_seconds is not None:
        task.every_seconds = every_seconds or None
    task.changed_by, task.changed_at, task.change_reason = by, timezone.now(), reason
    # What it did before it was switched on again says nothing of whether it is late.
    task.known_since = timezone.now()
    task.save(update_fields=["is_on", "every_seconds", "changed_by", "changed_at", "change_reason", "known_since"])
    _tell([task])
    return task


def start_now(task_id: int) -> None:
    """Have a worker run the task once, off or on. Raises OmsError where no broker takes it."""
    task = ScheduledTask.objects.get(pk=task_id)
    entry = settings.CELERY_BEAT_SCHEDULE.get(task.name)
    if entry is None:
        raise OmsError(_("The program has no such task any more."))
    try:
        current_app.send_task(entry["task"], retry=False, **entry.get("options", {}))
    except Exception as error:
        raise OmsError(_("No worker can be told: %(error)s") % {"error": describe(error)}) from error


def trouble_of(task: ScheduledTask, now: datetime) -> tuple[str, dict[str, Any]] | None:
    """What is wrong with the task as a reason with values: it is off, late, or fails again and again. None if nothing
    is, and for one that the program no longer has."""
    every = seconds_of(task)
    if every is None:
        return None
    if not task.is_on:
        return "off", {"person": task.changed_by, "reason": task.change_reason}
    if task.failures >= FAILURES_TOLD:
        return "failing", {"times": task.failures, "error": task.error}
    silent = (now - max(task.known_since, task.ended_at or task.known_since)).total_seconds()
    if silent > 3 * every + settings.SCHEDULED_TASK_LATE_SECONDS:
        return "late", {"seconds": f"{every:g}", "minutes": round(silent / 60)}
    return None


@transaction.atomic
def watch() -> int:
    """Open tickets on tasks that are off, late or failing, close those on others; returns on how many there is one."""
    read_changes()
    return _tell(list(ScheduledTask.objects.order_by("pk")))


def _tell(tasks: list[ScheduledTask]) -> int:
    now = timezone.now()
    found = {task.pk: trouble_of(task, now) for task in tasks}
    tickets.open_tickets(TROUBLE, [Trouble(key, *said) for key, said in found.items() if said], opened_by=BY)
    tickets.close_tickets([TROUBLE], [key for key, said in found.items() if not said], closed_by=BY)
    return sum(said is not None for said in found.values())
