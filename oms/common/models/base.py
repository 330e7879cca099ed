"""Abstract models that every app's tables share; they know no business."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise


def money(verbose_name: "str | _StrPromise", **options: object) -> models.DecimalField:
    """A column for an amount in yuan with two places (fen)."""
    return models.DecimalField(verbose_name, max_digits=12, decimal_places=2, **options)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class TicketSubject:
    """How tickets name the rows of a table: the kind of subject, SQL on the trigger's row `NEW` for the id of the order
    on whose page staff work on it, and the team that sees it first."""

    kind: str
    about: str = "NULL"
    team: str = "technical"


class WorkItem(models.Model):
    """A row that a pipeline stage may claim: the state is the queue, these columns say when and by whom.

    `ready_at` is when the row may next be claimed (null: not before something wakes it). A stage that calls another
    system holds the row by `lease_until` and proves it by `lease_token`. While `needs_person_since` is set, nobody
    claims it and the database keeps a ticket about it open (see `oms.common.stuck`).
    """

    ticket_subject: ClassVar[TicketSubject]

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
        "is_held",
        "ship_looks",
        "waybill_told_at",
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


class ClockTime(models.Func):
    """The database's clock at this very moment, however long the statement and its transaction last."""

    function = "clock_timestamp"
    output_field = models.DateTimeField()


class TellsChanges(models.Model):
    """A row that keeps when its business columns last changed, read off the clock by its guard or counter (see
    `states`), for readers that ask what changed (`oms.common.door.places`)."""

    changed_at = models.DateTimeField(_("changed at"), db_default=ClockTime(), editable=False)

    class Meta:
        abstract = True


class TellsMoves(models.Model):
    """A row that keeps the state that its last move came from, noted by its guard (see `states`): a statement that
    moves rows from several states can tell each one's move (`RETURNING moved_from`). Empty until the first move."""

    moved_from = models.CharField(_("moved from"), max_length=20, db_default="", blank=True, editable=False)

    class Meta:
        abstract = True


class Expectation(models.Model):
    """What should happen next to a row and by when; the watch stage raises an alert when it did not."""

    expected_event = models.CharField(_("expected event"), max_length=20, db_default="", blank=True, editable=False)
    next_event_due = models.DateTimeField(_("expected by"), null=True, blank=True, editable=False)

    class Meta:
        abstract = True
