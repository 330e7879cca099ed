"""The database's own guard of state machines, generated from the transitions that the models declare.

For every model with a django-fsm field a trigger refuses any other edge, whoever writes: bulk code, a shell, a form
that went stale; a second one refuses rows that begin elsewhere than in the field's default or in one of the model's
`initial_states`. The first also counts `version` and notes `moved_from` and `changed_at`; rows that have a version
and no states get one that only counts. All are made anew after every `migrate`, so that they can never lag behind the
code.
"""

from collections.abc import Iterable, Iterator

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django_fsm import ANY_OTHER_STATE, ANY_STATE, FSMField, State, Transition

from oms.common import stuck
from oms.common.models import QUEUE_COLUMNS, TellsChanges, TellsMoves, Versioned


def listed(states: Iterable[str]) -> str:
    """The states as an SQL list, such as `'a', 'b'`, to stand in `IN (…)`; names come from enums, never from input."""
    return ", ".join(f"'{state}'" for state in states)


def state_fields() -> Iterator[tuple[type[models.Model], FSMField]]:
    """Every concrete model that has a state machine, with the field that holds the state."""
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, FSMField):
                yield model, field


def counted_models() -> Iterator[type[Versioned]]:
    """Every concrete model that has a version and no state machine."""
    guarded = {model for model, _field in state_fields()}
    for model in apps.get_models():
        if issubclass(model, Versioned) and model not in guarded:
            yield model


def edges(model: type[models.Model], field: FSMField) -> list[tuple[str, str]]:
    """The moves that the model declares, as (from, to), sorted.

    Raises Unguardable for a transition that the trigger could not hold.
    """
    found = set()
    for transition in field.get_all_transitions(model):
        problem = _problem(field, transition)
        if problem:
            raise Unguardable(f"{model.__name__}.{transition.name} cannot be guarded: {problem}")
        found.add((str(transition.source), str(transition.target)))
    return sorted(found)


class Unguardable(ImproperlyConfigured):
    """A model declares something about its states that the database could not hold; the message says what to do."""


def _problem(field: FSMField, transition: Transition) -> str | None:
    """Why a trigger cannot hold the transition, and what to write instead."""
    source, target = transition.source, transition.target
    if source in (ANY_STATE, ANY_OTHER_STATE):
        return f"its source is the wildcard {source!r}, which new states would join unseen. List the states."
    if isinstance(target, State):
        return f"its target {type(target).__name__} is worked out at run time. Declare one transition a target."
    if target is None:
        return "it has no target, so it is no move. Make it a plain method."
    if transition.conditions:
        return (
            "`conditions=` are asked only where the method is called, and bulk statements call none. Declare what the"
            " move needs as a CheckConstraint on the row."
        )
    if transition.on_error is not None:
        return (
            f"`on_error={str(transition.on_error)!r}` is a move of its own. Declare it as a transition, and call it"
            " where the error is caught."
        )
    known = {str(value) for value, _label in field.flatchoices}
    unknown = sorted({str(source), str(target)} - known)
    return f"{', '.join(unknown)} is not among the field's choices." if unknown else None


def initial_states(model: type[models.Model], field: FSMField) -> tuple[str, ...]:
    """The states in which rows of the model may be inserted: the field's default first, then what the model declares.

    Raises Unguardable for a state that the field does not have.
    """
    states = tuple(dict.fromkeys(str(state) for state in (field.default, *getattr(model, "initial_states", ()))))
    unknown = set(states) - {str(value) for value, _label in field.flatchoices}
    if unknown:
        raise Unguardable(
            f"{model.__name__} cannot be guarded: rows begin in {', '.join(sorted(unknown))}, which is not among the"
            f" choices of `{field.name}`. Give the field a default, and name only its states in `initial_states`."
        )
    return states


_NOTE_CHANGE = "NEW.changed_at := clock_timestamp();"


def _noted_in(model: type[models.Model]) -> frozenset[str]:
    """The columns in which a change is noted, so that they are none themselves."""
    return frozenset({"version", "changed_at"} if issubclass(model, TellsChanges) else {"version"})


def trigger_sql(model: type[models.Model], field: FSMField) -> str:
    """The SQL that (re)creates the guards of one table: of its moves, and of where its rows begin."""
    table, column = model._meta.db_table, field.column or field.name
    moves = ",".join(f"{source}>{target}" for source, target in edges(model, field))
    names = [f.column for f in model._meta.concrete_fields if f.column]
    columns = ", ".join(name for name in names if name not in QUEUE_COLUMNS | _noted_in(model))
    count_version = "NEW.version := OLD.version + 1;" if issubclass(model, Versioned) else ""
    note_move = (
        f"NEW.moved_from := CASE WHEN NEW.{column} <> OLD.{column} THEN OLD.{column} ELSE OLD.moved_from END;"
        if issubclass(model, TellsMoves)
        else ""
    )
    note_change = _NOTE_CHANGE if issubclass(model, TellsChanges) else ""
    beginnings = initial_states(model, field)
    # After the row and with its condition in the trigger: a BEFORE trigger would make COPY write row by row, and the
    # function is called only to refuse.
    return f"""
        CREATE OR REPLACE FUNCTION {table}_guard() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.{column} <> OLD.{column}
               AND (OLD.{column} || '>' || NEW.{column}) <> ALL ('{{{moves}}}'::text[]) THEN
                RAISE EXCEPTION '% %: the move from % to % is not declared',
                    TG_TABLE_NAME, OLD.id, OLD.{column}, NEW.{column}
                    USING ERRCODE = 'check_violation', CONSTRAINT = '{table}_makes_declared_moves',
                          TABLE = TG_TABLE_NAME;
            END IF;
            {count_version}
            {note_move}
            {note_change}
            RETURN NEW;
        END $$;
        CREATE OR REPLACE TRIGGER {table}_guard BEFORE UPDATE OF {columns} ON {table}
            FOR EACH ROW EXECUTE FUNCTION {table}_guard();
        CREATE OR REPLACE FUNCTION {table}_begin() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% %: a row may not begin as %, only as {", ".join(beginnings)}',
                TG_TABLE_NAME, NEW.id, NEW.{column}
                USING ERRCODE = 'check_violation', CONSTRAINT = '{table}_begins_as_declared', TABLE = TG_TABLE_NAME;
        END $$;
        CREATE OR REPLACE TRIGGER {table}_begin AFTER INSERT ON {table}
            FOR EACH ROW WHEN (NEW.{column} NOT IN ({listed(beginnings)})) EXECUTE FUNCTION {table}_begin();
    """


def counter_sql(model: type[Versioned]) -> str:
    """The SQL that (re)creates what counts the versions of one table without states."""
    table = model._meta.db_table
    every = [
        str(field.column) for field in model._meta.concrete_fields if field.column not in {"id"} | _noted_in(model)
    ]
    note_change = _NOTE_CHANGE if issubclass(model, TellsChanges) else ""
    counted = [name for name in model.version_counts or every if name not in QUEUE_COLUMNS]
    columns = ", ".join(counted)
    old, new = (", ".join(f"{row}.{name}" for name in counted) for row in ("OLD", "NEW"))
    return f"""
        CREATE OR REPLACE FUNCTION {table}_count() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.version := OLD.version + 1;
            {note_change}
            RETURN NEW;
        END $$;
        CREATE OR REPLACE TRIGGER {table}_count BEFORE UPDATE OF {columns} ON {table}
            FOR EACH ROW WHEN (({old}) IS DISTINCT FROM ({new})) EXECUTE FUNCTION {table}_count();
    """


def install_triggers(connection: BaseDatabaseWrapper, existing: Iterable[str]) -> None:
    """Make the guards of all tables that are in `existing` (a partial migration may not have them all)."""
    tables = set(existing)
    with connection.cursor() as cursor:
        for model, field in state_fields():
            if model._meta.db_table in tables:
                cursor.execute(trigger_sql(model, field))
        for counted in counted_models():
            if counted._meta.db_table in tables:
                cursor.execute(counter_sql(counted))


def missing_triggers(connection: BaseDatabaseWrapper) -> list[str]:
    """Tables whose guard, or trigger of tickets, is absent or disabled; for `check_invariants`."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'")
        present = {name for (name,) in cursor.fetchall()}
    guarded = [model._meta.db_table for model, _field in state_fields()]
    wanted = {f"{table}_{purpose}": table for table in guarded for purpose in ("guard", "begin")}
    wanted |= {f"{model._meta.db_table}_count": model._meta.db_table for model in counted_models()}
    wanted |= stuck.trigger_names()
    return sorted({table for name, table in wanted.items() if name not in present})
