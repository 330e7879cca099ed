"""Rows that need a person and their tickets: the database keeps both in step.

`needs_person_since` keeps a row from being claimed; what people see is a ticket. The mark is set and taken off in bulk
in many places and none may forget the ticket, so a trigger opens it with the mark, about the row, and closes it when
the mark goes. It opens none where the same transaction reported a ticket about the row that says more.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.functions import Now
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common import tickets
from oms.common.copying import array
from oms.common.errors import OmsError
from oms.common.models import TicketEventKind, TicketResult, TicketState, TicketSubject, WorkItem

DUE_WITHIN = timedelta(hours=4)
FAILED, SAID, UNSAID = "failed", "said", ""
_REASONS = {
    FAILED: gettext_lazy("Failed %(attempts)s times, last with “%(error)s”."),
    SAID: gettext_lazy("“%(error)s”"),
    UNSAID: gettext_lazy("It does not go on by itself."),
}
# The right to give back a row whose app asks for no other.
GENERAL_RIGHT = "common.retry_stuck"


def marked_models() -> Iterator[tuple[type[WorkItem], TicketSubject]]:
    """Every table whose rows a person may have to look at, with how tickets name them."""
    for model in apps.get_models():
        if issubclass(model, WorkItem):
            subject = getattr(model, "ticket_subject", None)
            if subject is None:
                raise ImproperlyConfigured(f"{model.__name__} is a WorkItem: say its ticket_subject.")
            yield model, subject


def kind_of(model: type[WorkItem]) -> tickets.TicketKind:
    """The kind of the ticket about a row of the model that its stage gave up."""
    return tickets.kinds()[tickets.stuck_code(model.ticket_subject.kind)]


def register_kinds() -> None:
    """Make the kinds of these tickets known, one a table; called when all models are loaded."""
    for model, subject in marked_models():
        tickets.register_kind(
            tickets.TicketKind(
                tickets.stuck_code(subject.kind),
                format_lazy(gettext_lazy("Stuck: {what}"), what=model._meta.verbose_name),
                subject.kind,
                team=subject.team,
                due_within=DUE_WITHIN,
                reasons=_REASONS,
                remedies=gettext_lazy("Mend what the error names, then let it be tried again."),
            )
        )


def trigger_sql(model: type[WorkItem]) -> str:
    """The SQL that (re)creates the trigger of one table."""
    table, subject = model._meta.db_table, model.ticket_subject
    kind = tickets.stuck_code(subject.kind)
    target = tickets.TARGET.format(f"'{kind}'")
    this = f"""t.subject_id = NEW.id AND t.subject_kind = '{subject.kind}' AND t.state = '{TicketState.OPEN}'"""
    return f"""
        CREATE OR REPLACE FUNCTION {table}_ticket() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.needs_person_since IS NULL THEN
                WITH closed AS (
                    UPDATE common_ticket t SET state = '{TicketState.CLOSED}', closed_at = now(), closed_by = '',
                        result = '{TicketResult.RESOLVED}', snoozed_until = NULL
                    WHERE t.kind = '{kind}' AND {this} RETURNING t.id
                )
                INSERT INTO common_ticketevent (ticket_id, kind, "values")
                SELECT id, '{TicketEventKind.CLOSED}', jsonb_build_object('result', '{TicketResult.RESOLVED}')
                FROM closed;
            ELSE
                -- now(), not the time of the statement: by it tickets of one transaction know each other.
                INSERT INTO common_ticket (kind, subject_kind, subject_id, about_id, team, due_at, opened_at,
                    reported_at, reason, "values")
                SELECT '{kind}', '{subject.kind}', NEW.id, {subject.about}, '{subject.team}',
                    now() + make_interval(secs => coalesce({target}, {DUE_WITHIN.total_seconds()})),
                    now(), now(),
                    CASE WHEN NEW.attempts > 0 THEN '{FAILED}' WHEN NEW.last_error <> '' THEN '{SAID}'
                        ELSE '{UNSAID}' END,
                    jsonb_build_object('attempts', NEW.attempts, 'error', left(NEW.last_error, 500))
                WHERE NOT EXISTS (SELECT FROM common_ticket t WHERE {this} AND t.reported_at = now())
                ON CONFLICT DO NOTHING;
            END IF;
            RETURN NULL;
        END $$;
        CREATE OR REPLACE TRIGGER {table}_ticket AFTER UPDATE OF needs_person_since ON {table}
            FOR EACH ROW WHEN ((OLD.needs_person_since IS NULL) <> (NEW.needs_person_since IS NULL))
            EXECUTE FUNCTION {table}_ticket();
    """


def install_triggers(database: BaseDatabaseWrapper, existing: Iterable[str]) -> None:
    """Make the triggers of all tables that are in `existing` (a partial migration may not have them all)."""
    tables = set(existing)
    with database.cursor() as cursor:
        for model, _subject in marked_models():
            if model._meta.db_table in tables:
                cursor.execute(trigger_sql(model))


def trigger_names() -> dict[str, str]:
    """The trigger of each table."""
    return {f"{model._meta.db_table}_ticket": model._meta.db_table for model, _subject in marked_models()}


def marked(subjects: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
    """Those of the subjects, each a kind and an id, whose row needs a person. One statement at most."""
    by_kind: dict[str, list[int]] = {}
    for kind, key in subjects:
        by_kind.setdefault(kind, []).append(key)
    parts, values = [], []
    for model, subject in marked_models():
        if subject.kind in by_kind:
            parts.append(
                f"SELECT '{subject.kind}', id FROM {model._meta.db_table}"
                " WHERE id = ANY(%s::bigint[]) AND needs_person_since IS NOT NULL"
            )
            values.append(array(by_kind[subject.kind]))
    if not parts:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts), values)
        return set(cursor.fetchall())


def give_back(model: type[WorkItem], row_id: int, *, by: str) -> None:
    """Let the stage try the locked row again at once, with a full number of attempts; its ticket is done."""
    tickets.close_tickets([kind_of(model)], [row_id], result=TicketResult.DONE, closed_by=by)
    model._default_manager.filter(pk=row_id).update(
        attempts=0, needs_person_since=None, ready_at=Now(), lease_until=None
    )


def retry_of(subject_kind: str) -> tickets.Retry | None:
    """How a row of this kind is tried again: as its app says, else `give_back`. None for what no stage works on."""
    for model, subject in marked_models():
        if subject.kind == subject_kind:
            return tickets.retry_of(subject_kind) or tickets.Retry(GENERAL_RIGHT, partial(_retry, model))
    return None


def _retry(model: type[WorkItem], row_id: int, by: str) -> None:
    lock_marked(model, row_id)
    give_back(model, row_id, by=by)


def lock_marked(model: type[WorkItem], row_id: int) -> Any:
    """The row, locked. Needs an open transaction. Raises OmsError if it needs no person."""
    row = model._default_manager.select_for_update(no_key=True, of=("self",)).get(pk=row_id)
    if row.needs_person_since is None:
        raise OmsError(_("This goes on by itself; there is nothing to retry."))
    return row
