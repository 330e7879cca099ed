"""The page of scheduled tasks: whether and how often each runs, how its last run ended; switches by right."""

from typing import Any, ClassVar

from django import forms
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from oms.common.desk import acting
from oms.common.desk.acting import RowAction, RowActions
from oms.common.desk.lists import staff_actor_name
from oms.common.models import ScheduledTask
from oms.common.templatetags.staff import badge
from oms.common.work import schedule

RIGHT = "common.change_schedule"
LONGEST_SECONDS = 7 * 86400


class ReasonForm(forms.Form):
    """Why it is changed."""

    reason = forms.CharField(label=gettext_lazy("Why"), max_length=200, widget=forms.TextInput(attrs=acting.INPUT))


class IntervalForm(ReasonForm):
    """How often it is to run, and why."""

    field_order = ("every_seconds", "reason")
    every_seconds = forms.IntegerField(
        label=gettext_lazy("Every so many seconds (0: as it comes)"),
        min_value=0,
        max_value=LONGEST_SECONDS,
        widget=forms.NumberInput(attrs=acting.INPUT),
    )


def _switch(request: HttpRequest, row_id: int, reason: str, *, is_on: bool) -> str:
    schedule.change(row_id, by=staff_actor_name(request), reason=reason, is_on=is_on)
    return _("It is switched on.") if is_on else _("It is switched off until somebody switches it on.")


def _switch_off(request: HttpRequest, row_id: int, data: dict[str, Any]) -> str:
    return _switch(request, row_id, data["reason"], is_on=False)


def _switch_on(request: HttpRequest, row_id: int, data: dict[str, Any]) -> str:
    return _switch(request, row_id, data["reason"], is_on=True)


def _set_interval(request: HttpRequest, row_id: int, data: dict[str, Any]) -> str:
    every = data["every_seconds"]
    task = schedule.change(row_id, by=staff_actor_name(request), reason=data["reason"], every_seconds=every)
    return _("It runs every %(seconds)s seconds.") % {"seconds": f"{schedule.seconds_of(task):g}"}


def _start(request: HttpRequest, row_id: int, data: dict[str, Any]) -> str:
    schedule.start_now(row_id)
    return _("A worker was told to run it.")


class ScheduledTaskAdmin(RowActions):
    """Beat's schedule. Rows are made by the program; nobody adds a task or says what one does."""

    keyset: ClassVar[tuple[str, ...]] = ("name", "id")
    list_per_page = 100
    shown_by = {"every_seconds": "interval"}
    list_display = ("title", "standing", "interval", "ended_at", "took", "result", "failed_at", "error")
    fields = readonly_fields = (  # type: ignore[assignment]
        *("title", "standing", "interval", "ended_at", "took", "result", "failures", "failed_at", "error"),
        *("changed_at", "changed_by", "change_reason"),
    )
    row_actions = (
        RowAction(
            "switch_off",
            RIGHT,
            gettext_lazy("Switch off"),
            _switch_off,
            form=ReasonForm,
            tone="danger-line",
            icon="toggle_off",
            hint=gettext_lazy("What it does is left undone until somebody switches it on; a ticket tells of it."),
        ),
        RowAction(
            "switch_on", RIGHT, gettext_lazy("Switch on"), _switch_on, form=ReasonForm, tone="primary", icon="toggle_on"
        ),
        RowAction(
            "interval",
            RIGHT,
            gettext_lazy("Change how often"),
            _set_interval,
            form=IntervalForm,
            icon="timer",
            initial=lambda task: {"every_seconds": task.every_seconds or 0},
        ),
        RowAction("start", "common.start_scheduledtask", gettext_lazy("Run once now"), _start, icon="play_arrow"),
    )

    def fitting_actions(self, row: ScheduledTask) -> list[str]:
        """Nothing of a task that is none any more."""
        if schedule.usual_seconds(row.name) is None:
            return []
        return ["switch_off" if row.is_on else "switch_on", "interval", "start"]

    @display(description=gettext_lazy("task"))
    def title(self, task: ScheduledTask) -> str:
        """What it does, in words."""
        return schedule.TASKS.word(task.name)

    @display(description=gettext_lazy("state"))
    def standing(self, task: ScheduledTask) -> SafeString:
        """Whether it runs as it should."""
        if schedule.usual_seconds(task.name) is None:
            return badge(_("No longer used"), "muted")
        said = schedule.trouble_of(task, timezone.now())
        words = {"off": _("Switched off"), "late": _("Late"), "failing": _("Failing")}
        return (
            badge(words[said[0]], "danger" if said[0] != "off" else "warning") if said else badge(_("Runs"), "success")
        )

    @display(description=gettext_lazy("every so many seconds"))
    def interval(self, task: ScheduledTask) -> str:
        """How often it runs, and how often it does unless somebody changed that."""
        every, usual = schedule.seconds_of(task), schedule.usual_seconds(task.name)
        if every is None or usual is None:
            return "–"
        return (
            f"{every:g}"
            if every == usual
            else _("%(every)g (as it comes: %(usual)g)") % {"every": every, "usual": usual}
        )

    @display(description=gettext_lazy("took, in seconds"))
    def took(self, task: ScheduledTask) -> str:
        """How long the last run was."""
        return "–" if task.took_ms is None else f"{task.took_ms / 1000:.2f}"
