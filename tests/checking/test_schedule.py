"""Scheduled tasks: how each ended, switches and intervals that beat follows, tickets on what is off or late."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from celery import current_app
from django.conf import settings as site
from django.db import OperationalError
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

import oms.merchants.tasks
import oms.tasks  # noqa: F401 - the tasks
from oms import shipped_tasks  # noqa: F401 - their words
from oms.common.errors import OmsError
from oms.common.models import ScheduledTask, Ticket
from oms.common.work import schedule
from oms.common.work.beat import RowScheduler
from tests.admin.conftest import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def task() -> ScheduledTask:
    """The row of a task."""
    schedule.read_changes()
    return ScheduledTask.objects.get(name="purge-jobs")


@pytest.fixture
def beat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Beat's scheduler, with what it sends in `sent`."""
    current_app.conf.beat_schedule = site.CELERY_BEAT_SCHEDULE
    beat = RowScheduler(app=current_app, schedule_filename=str(tmp_path / "beat"), lazy=True)
    beat.setup_schedule()
    beat.__dict__["producer"] = None  # no broker
    sent: list[str] = []
    monkeypatch.setattr(beat, "apply_async", lambda entry, **_: sent.append(entry.name))
    beat.sent = sent
    yield beat
    beat.close()


def turn(beat: Any, seconds: float = 0) -> set[str]:
    """Let beat start all that is due so many seconds from now; what it sent."""
    beat.sent.clear()
    beat._read_at = 0.0
    with time_machine.travel(timezone.now() + timedelta(seconds=seconds), tick=True):
        beat._heap = None
        for _ in range(2 * len(site.CELERY_BEAT_SCHEDULE)):
            if beat.tick() > 0:
                break
    return set(beat.sent)


def test_every_task_of_the_schedule_is_called_by_a_word_and_exists() -> None:
    for name, entry in site.CELERY_BEAT_SCHEDULE.items():
        assert entry["task"] in current_app.tasks, name
        with translation.override("zh-hans"):
            assert not schedule.TASKS.word(name).isascii(), name
    assert schedule.TASKS._words.keys() == site.CELERY_BEAT_SCHEDULE.keys()


def test_beat_leaves_out_what_is_switched_off_and_starts_it_again_when_it_is_on(beat: Any, task: ScheduledTask) -> None:
    assert "purge-jobs" in turn(beat, 4000)
    schedule.change(task.pk, by="li", reason="the disk is slow", is_on=False)
    sent = turn(beat, 8000)
    assert "purge-jobs" not in sent
    assert "sweep" in sent
    schedule.change(task.pk, by="li", reason="mended", is_on=True)
    assert "purge-jobs" in turn(beat, 12000)


def test_beat_follows_a_changed_interval(beat: Any, task: ScheduledTask) -> None:
    turn(beat, 4000)
    assert "purge-jobs" not in turn(beat, 4100)
    schedule.change(task.pk, by="li", reason="more often", every_seconds=60)
    assert "purge-jobs" in turn(beat, 4200)
    schedule.change(task.pk, by="li", reason="as before", every_seconds=0)
    assert "purge-jobs" not in turn(beat, 4400)


def test_beat_goes_on_with_what_it_knows_while_the_database_is_away(
    beat: Any, task: ScheduledTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule.change(task.pk, by="li", reason="x", is_on=False)
    turn(beat, 4000)

    def away() -> None:
        raise OperationalError("no answer")

    monkeypatch.setattr(schedule, "read_changes", away)
    sent = turn(beat, 8000)
    assert "sweep" in sent
    assert "purge-jobs" not in sent


def test_runs_are_kept_with_result_time_and_error(task: ScheduledTask) -> None:
    current_app.tasks["oms.purge_jobs"].apply()
    task.refresh_from_db()
    assert task.ended_at
    assert (task.failures, task.error) == (0, "")
    schedule.note_end("purge-jobs", took_ms=5, error="Broken: x")
    schedule.note_end("purge-jobs", took_ms=5, error="Broken: y")
    task.refresh_from_db()
    assert (task.failures, task.error, task.result) == (2, "Broken: y", "")
    schedule.note_end("purge-jobs", took_ms=7, result="3")
    task.refresh_from_db()
    assert (task.failures, task.error, task.result, task.took_ms) == (0, "Broken: y", "3", 7)


def test_a_run_that_fails_is_kept_as_one(task: ScheduledTask, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("no room")

    monkeypatch.setattr("oms.tasks.jobs.purge", fail)
    current_app.tasks["oms.purge_jobs"].apply()
    task.refresh_from_db()
    assert (task.failures, "no room" in task.error) == (1, True)


def test_what_is_off_late_or_failing_has_a_ticket_until_it_is_not(task: ScheduledTask) -> None:
    assert schedule.watch() == 0
    schedule.change(task.pk, by="li", reason="the disk is slow", is_on=False)
    assert Ticket.objects.get().reason == "off"
    schedule.change(task.pk, by="li", reason="mended", is_on=True)
    assert Ticket.objects.get().state == "closed"

    for _ in range(3):
        schedule.note_end("purge-jobs", took_ms=1, error="Broken: x")
    assert schedule.watch() == 1
    assert Ticket.objects.filter(state="open").get().reason == "failing"
    schedule.note_end("purge-jobs", took_ms=1)
    assert schedule.watch() == 0

    ScheduledTask.objects.exclude(pk=task.pk).update(known_since=timezone.now() + timedelta(days=1))
    with time_machine.travel(timezone.now() + timedelta(seconds=3 * 3600 + 200)):
        assert schedule.watch() == 0
    with time_machine.travel(timezone.now() + timedelta(seconds=3 * 3600 + 400)):
        assert schedule.watch() == 1
        assert Ticket.objects.filter(state="open").get().reason == "late"


def test_nothing_is_changed_of_a_task_that_is_none_any_more(task: ScheduledTask) -> None:
    gone = ScheduledTask.objects.create(name="gone")
    with pytest.raises(OmsError):
        schedule.change(gone.pk, by="li", reason="x", is_on=False)
    with pytest.raises(OmsError):
        schedule.start_now(gone.pk)
    assert schedule.watch() == 0


def test_the_page_switches_by_right_with_a_reason(task: ScheduledTask, boss: Client) -> None:
    page = reverse("admin:common_scheduledtask_change", args=[task.pk])
    off = reverse("admin:common_scheduledtask_switch_off", args=[task.pk])
    every = reverse("admin:common_scheduledtask_interval", args=[task.pk])
    reader = client_of("view_scheduledtask")
    assert reader.get(page).status_code == 200
    for path in (off, every, reverse("admin:common_scheduledtask_start", args=[task.pk])):
        assert reader.post(path, {"reason": "x", "every_seconds": "60"}).status_code == 403
    boss.post(off, {"reason": ""})
    boss.post(every, {"reason": "x", "every_seconds": "9999999"})
    task.refresh_from_db()
    assert (task.is_on, task.every_seconds) == (True, None)
    boss.post(off, {"reason": "the disk is slow"})
    boss.post(every, {"reason": "rarely", "every_seconds": "7200"})
    task.refresh_from_db()
    assert (task.is_on, task.every_seconds, task.change_reason) == (False, 7200, "rarely")
    shown = boss.get(page).content.decode()
    assert "Switched off" in shown
    assert "7200 (as it comes: 3600)" in shown
