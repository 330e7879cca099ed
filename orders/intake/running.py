"""The work of an import: batch by batch, each with what came of it in one transaction; and its rehearsal, in which the
same is done and taken back."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from oms.common.errors import OmsError
from oms.common.files import tables
from oms.common.models import Job, JobResult
from oms.common.work import jobs
from oms.merchants.models import Merchant
from orders.actors import Actor
from orders.intake import reporting
from orders.intake.import_kinds import HELD, KINDS, Entry, ImportKind, table_of
from orders.models import ActorKind

# So many entries are one transaction.
BATCH = 500
# Up to so many rows are checked while the page waits; for more a worker does it.
CHECKED_AT_ONCE = 1_000
_Outcome = JobResult.Outcome


@dataclass(slots=True)
class Tally:
    """What came of entries in all: how many of each outcome, how many are held by rules or for their address, how many
    rows were left out by their state, and what was added, by the names of `Texts.figures`."""

    outcomes: dict[str, int] = field(default_factory=dict)
    figures: dict[str, Decimal] = field(default_factory=dict)
    held: int = 0
    rows_left_out: int = 0

    @classmethod
    def of_job(cls, job: Job) -> "Tally":
        """What a job remembers."""
        known = job.progress
        figures = {name: Decimal(value) for name, value in known.get("figures", {}).items()}
        return cls(known.get("outcomes", {}), figures, known.get("held", 0), known.get("rows_left_out", 0))

    def remembered(self) -> dict[str, Any]:
        """The form in which a job keeps it."""
        figures = {name: str(value) for name, value in self.figures.items()}
        return {
            "outcomes": self.outcomes,
            "figures": figures,
            "held": self.held,
            "rows_left_out": self.rows_left_out,
        }

    def add(self, entries: Sequence[Entry], results: Sequence[JobResult]) -> None:
        """Count these in."""
        for entry, result in zip(entries, results, strict=True):
            outcome = str(result.outcome)
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
            self.rows_left_out += entry.dropped_rows
            self.held += any(error["code"] == HELD for error in result.errors)
            for name, value in entry.figures.items():
                self.figures[name] = self.figures.get(name, Decimal(0)) + value


def is_checked_at_once(kind: ImportKind, table: tables.Table) -> bool:
    """Whether the page may wait until all rows are checked."""
    return len(table.rows) <= (kind.checked_at_once or CHECKED_AT_ONCE)


def actor_of(job: Job) -> Actor:
    """Who imports: a member of staff, or somebody of the merchant."""
    name = job.owner.get_username()
    if job.owner.is_staff:
        return Actor(ActorKind.STAFF, name)
    return Actor(ActorKind.MERCHANT, f"{job.merchant_code} {name}"[:80])


def rehearse(
    kind: ImportKind, entries: Sequence[Entry], merchant: Merchant, now: datetime, actor: Actor
) -> tuple[Tally, list[JobResult]]:
    """What would come of these entries of the actor: they are imported for certain, and taken back. The results are not
    stored."""
    tally, results, size = Tally(), [], kind.batch or BATCH
    for start in range(0, len(entries), size):
        batch = entries[start : start + size]
        kind.understand(batch, now)
        told = _taken_back(kind, batch, merchant, actor)
        tally.add(batch, told)
        results += told
    return tally, results


def _taken_back(kind: ImportKind, entries: Sequence[Entry], merchant: Merchant, actor: Actor) -> list[JobResult]:
    with transaction.atomic():
        results = kind.do(entries, merchant, actor)
        transaction.set_rollback(True)
    if not kind.texts.previews_reference:
        for result in results:
            if result.outcome == _Outcome.DONE:
                result.reference = ""  # a number that nothing will have
    return results


def check_of(kind: ImportKind, draft: Job, fields: Sequence[str]) -> Job:
    """The job that checks every row of a long draft with these fields: the one that was begun, or a new one."""
    begun = draft.params.get("check", {})
    if begun.get("fields") == list(fields):
        known = Job.objects.filter(pk=begun["job"]).first()
        if known is not None:
            return known
    with draft.input.open("rb") as file:
        job = jobs.create(
            jobs.KINDS[kind.check_name],
            draft.owner,
            params={"fields": list(fields)},
            merchant_code=draft.merchant_code,
            file_name=draft.file_name,
            content=file.read(),
        )
    jobs.change_draft(draft.pk, {"check": {"job": job.pk, "fields": list(fields)}})
    return job


def drop_check(draft: Job) -> None:
    """Stop checking a draft, since it is imported now."""
    check = Job.objects.filter(pk=draft.params.get("check", {}).get("job"), finished_at=None).first()
    if check is not None:
        with suppress(OmsError):  # it ended meanwhile
            jobs.cancel(check.pk)


def work(turn: jobs.Turn) -> bool:
    """Import the next entries of the file, or rehearse it; True once all are through and the report is written."""
    job = turn.job
    kind = KINDS[job.kind]
    is_check = job.kind == kind.check_name
    merchant = Merchant.objects.get(code=job.merchant_code)
    table = table_of(job)
    entries = kind.read(table, job.params["fields"])
    actor = actor_of(job)
    while (start := job.progress.get("next", 0)) < len(entries):
        batch = entries[start : start + (kind.batch or BATCH)]
        kind.understand(batch, job.created_at)
        with turn.step():
            results = _taken_back(kind, batch, merchant, actor) if is_check else kind.do(batch, merchant, actor)
            for position, result in enumerate(results, start):
                result.job, result.position = job, position
            JobResult.objects.bulk_create(results)
            tally = Tally.of_job(job)
            tally.add(batch, results)
            job.progress = {**tally.remembered(), "next": start + len(batch)}
            job.total = len(entries)
            job.done = start + len(batch)
            job.failed = tally.outcomes.get(_Outcome.REFUSED.value, 0)
        # Asked after a step: a file that is long to read still gets on.
        if turn.is_over() and job.progress["next"] < len(entries):
            return False
    with reporting.report(kind, job, table, is_check=is_check) as file:
        jobs.save_result(turn, f"{'check' if is_check else 'import'}-{job.pk}.xlsx", file)
    return True


def tell_stopped(job: Job) -> None:
    """Write the report of an import that was stopped: what went in, and the rows that were not reached."""
    if job.kind not in KINDS or not job.folder or job.started_at is None:
        return
    kind = KINDS[job.kind]
    with reporting.report(kind, job, table_of(job), is_stopped=True) as file:
        job.result.save(f"import-{job.pk}.xlsx", file, save=False)
    Job.objects.filter(pk=job.pk).update(result=job.result.name)
