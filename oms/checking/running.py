"""Looking at the invariants: one after the other, each within its time, with what was found kept and told."""

import time
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy
from psycopg.errors import QueryCanceled

from oms.checking import known
from oms.common import tickets
from oms.common.codebook import ACTORS
from oms.common.invariants import Finding, Invariant
from oms.common.models import InvariantCheck, Team
from oms.common.tickets import Shown, TicketKind, Trouble, register_kind, register_subject
from oms.common.work import jobs
from oms.common.work.jobs import JobKind, Turn

BY = "check_invariants"
ACTORS.add({BY: gettext_lazy("Check of invariants")})
RIGHT = "common.run_invariantcheck"

VIOLATION = register_kind(
    TicketKind(
        "invariant_violation",
        gettext_lazy("Something does not hold that must"),
        "invariant",
        team=Team.TECHNICAL,
        due_within=timedelta(days=1),
        reasons={
            "broken": gettext_lazy("%(rows)s rows break it."),
            "timed_out": gettext_lazy("It could not be looked at within %(seconds)s seconds."),
        },
        remedies=gettext_lazy(
            "Its page names the rows. Where a safe repair exists it is offered there; else tell those who build the"
            " system, with the rows."
        ),
        can_retry=False,
    )
)


def sentence(name: str) -> str:
    """What must hold, in the reader's language; the name of one that the program no longer has."""
    invariant = known.BY_NAME.get(name)
    return gettext(invariant.sentence) if invariant else name


def _show(ids: Collection[int]) -> dict[int, Shown]:
    rows = InvariantCheck.objects.filter(pk__in=ids).values_list("pk", "name")
    return {key: Shown(sentence(name), reverse("admin:common_invariantcheck_change", args=[key])) for key, name in rows}


register_subject("invariant", _show)


def check(invariant: Invariant) -> InvariantCheck:
    """Look at one and keep what came of it; a ticket opens where it does not hold, or could not be looked at within
    INVARIANT_TIMEOUT_SECONDS, and closes where it holds again. One transaction."""
    started = time.monotonic()
    timed_out, finding = False, None
    with transaction.atomic():
        try:
            finding = find(invariant)
        except OperationalError as error:
            if not isinstance(error.__cause__, QueryCanceled):
                raise
            timed_out = True
        took_ms = round((time.monotonic() - started) * 1000)
        row = _keep(invariant, finding, timed_out=timed_out, took_ms=took_ms)
        _tell(row)
    return row


def find(invariant: Invariant) -> Finding | None:
    """What breaks it. Raises OperationalError where that takes longer than INVARIANT_TIMEOUT_SECONDS."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout')")
        usual = cursor.fetchone()[0]
        cursor.execute(
            "SELECT set_config('statement_timeout', %s, true)", [f"{settings.INVARIANT_TIMEOUT_SECONDS * 1000:.0f}ms"]
        )
        found = known.look([invariant])
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [usual])
    return found[0] if found else None


def _keep(invariant: Invariant, finding: Finding | None, *, timed_out: bool, took_ms: int) -> InvariantCheck:
    now = timezone.now()
    row = InvariantCheck.objects.select_for_update().filter(name=invariant.name).first()
    row = row or InvariantCheck(name=invariant.name)
    row.checked_at, row.took_ms, row.timed_out = now, took_ms, timed_out
    # Of one that was not finished nothing new is known.
    if not timed_out:
        row.broken_rows = finding.count if finding else 0
        row.examples = finding.examples if finding else []
        row.broken_since = (row.broken_since or now) if finding else None
    row.save()
    return row


def _tell(row: InvariantCheck) -> None:
    if row.timed_out:
        trouble = Trouble(row.pk, "timed_out", {"seconds": f"{settings.INVARIANT_TIMEOUT_SECONDS:.0f}"})
    elif row.broken_rows:
        trouble = Trouble(row.pk, "broken", {"rows": row.broken_rows})
    else:
        tickets.close_tickets([VIOLATION], [row.pk], closed_by=BY)
        return
    tickets.open_tickets(VIOLATION, [trouble], opened_by=BY)


def waiting_since(moment: datetime) -> list[Invariant]:
    """Those that were not looked at since the moment, the longest ago first."""
    seen = dict(InvariantCheck.objects.values_list("name", "checked_at"))
    late = [one for one in known.BY_NAME.values() if one.name not in seen or seen[one.name] < moment]
    return sorted(late, key=lambda one: (one.name in seen, seen.get(one.name)) if one.name in seen else (False, moment))


def check_by_night(*, now: datetime | None = None) -> int:
    """Within the hours of INVARIANT_HOURS, look at those that were not looked at tonight, for INVARIANT_SLICE_SECONDS
    at most; returns at how many."""
    moment = timezone.localtime(now)
    first, last = settings.INVARIANT_HOURS
    if not first <= moment.hour < last:
        return 0
    begin = moment.replace(hour=first, minute=0, second=0, microsecond=0)
    until = time.monotonic() + settings.INVARIANT_SLICE_SECONDS
    done = 0
    for invariant in waiting_since(begin):
        if time.monotonic() >= until:
            break
        check(invariant)
        done += 1
    return done


def _work(turn: Turn) -> bool:
    names: Sequence[str] = turn.job.params.get("names") or list(known.BY_NAME)
    while turn.job.done < len(names):
        with turn.step() as job:
            job.total = len(names)
            invariant = known.BY_NAME.get(names[job.done])
            row = check(invariant) if invariant else None
            job.failed += bool(row and (row.broken_rows or row.timed_out))
            job.done += 1
        if turn.is_over():
            return False
    return True


KIND = jobs.register(JobKind(BY, gettext_lazy("Check of invariants"), RIGHT, _work))
