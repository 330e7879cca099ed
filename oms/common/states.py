"""The database's own guard of state machines, generated from the transitions that the models declare.

For every model with a django-fsm field a trigger refuses any other edge, whoever writes: bulk code, a shell, a form
that went stale. The same trigger counts `version`; rows that have a version and no states get one that only counts.
Both are made anew after every `migrate`, so that they can never lag behind the code.
"""

from collections.abc import Iterable, Iterator

from django.apps import apps
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django_fsm import FSMField

from oms.common import stuck
from oms.common.models import QUEUE_COLUMNS, Versioned


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
    """The moves that the model declares, as (from, to), sorted."""
    return sorted({(str(t.source), str(t.target)) for t in field.get_all_transitions(model)})


def trigger_sql(model: type[models.Model], field: FSMField) -> str:
    """The SQL that (re)creates the guard of one table."""
    table, column = model._meta.db_table, field.column or field.name
    moves = ",".join(f"{source}>{target}" for source, target in edges(model, field))
    names = [f.column for f in model._meta.concrete_fields if f.column]
    columns = ", ".join(name for name in names if name not in QUEUE_COLUMNS | {"version"})
    count_version = "NEW.version := OLD.version + 1;" if issubclass(model, Versioned) else ""
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
            RETURN NEW;
        END $$;
        CREATE OR REPLACE TRIGGER {table}_guard BEFORE UPDATE OF {columns} ON {table}
            FOR EACH ROW EXECUTE FUNCTION {table}_guard();
    """


def counter_sql(model: type[Versioned]) -> str:
    """The SQL that (re)creates what counts the versions of one table without states."""
    table = model._meta.db_table
    every = [str(field.column) for field in model._meta.concrete_fields if field.column not in {"id", "version"}]
    counted = [name for name in model.version_counts or every if name not in QUEUE_COLUMNS]
    columns = ", ".join(counted)
    old, new = (", ".join(f"{row}.{name}" for name in counted) for row in ("OLD", "NEW"))
    return f"""
        CREATE OR REPLACE FUNCTION {table}_count() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.version := OLD.version + 1;
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
    wanted = {f"{model._meta.db_table}_guard": model._meta.db_table for model, _ in state_fields()}
    wanted |= {f"{model._meta.db_table}_count": model._meta.db_table for model in counted_models()}
    wanted |= stuck.trigger_names()
    return [table for name, table in wanted.items() if name not in present]
