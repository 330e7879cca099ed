"""The promise's tables as files: what can be imported and exported, a result for every row.

A row names what it is about by its key; what is there already is changed, what is not is added, nothing is deleted. The
rows that are right are stored though others are wrong.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, models, transaction
from django.utils.translation import gettext as _

from inventory.promising.cells import Column, WrongCell
from oms.common.desk import saving
from oms.common.errors import FieldError

MOST_ROWS = 5_000


class Outcome(StrEnum):
    """What became of a row."""

    ADDED = "added"
    CHANGED = "changed"
    REFUSED = "refused"


@dataclass(slots=True)
class RowResult:
    """What came of one row of a file (its number counts from 1, the header): its key, and what is wrong with it."""

    row: int
    key: str
    outcome: Outcome = Outcome.REFUSED
    errors: list[FieldError] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table of the promise as a file: its columns, the attributes that tell rows apart, and what `check` finds wrong
    with rows beside others (it adds to their results)."""

    name: str
    model: type[models.Model]
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    check: Callable[[Sequence[tuple[RowResult, Any]]], None] | None = None

    @property
    def headers(self) -> list[str]:
        """The names of the columns."""
        return [column.header for column in self.columns]

    @property
    def key_columns(self) -> list[str]:
        """The key as the database names its columns."""
        names = {column.name: column.attname for column in self.model._meta.concrete_fields}
        return [names[name] for name in self.key]


def lacks(sheet: Sheet, headers: Collection[str]) -> list[str]:
    """The columns without which no row of a file says what it is about."""
    named = {one.name for one in sheet.model._meta.concrete_fields if one.name in sheet.key and not one.has_default()}
    return [
        column.header
        for column in sheet.columns
        if column.header not in headers and not named.isdisjoint(column.attributes)
    ]


def import_rows(sheet: Sheet, rows: Iterable[tuple[int, Mapping[str, str]]]) -> list[RowResult]:
    """Store the rows (number and cells by header) that are right; one result for each, in order. Columns that the file
    does not have stay as they are."""
    there: dict[tuple[Any, ...], models.Model] | None = None
    known = {column.header: column.lookup() for column in sheet.columns if column.lookup is not None}
    given: set[str] = set()
    results: list[RowResult] = []
    right: list[tuple[RowResult, models.Model]] = []
    seen: dict[tuple[Any, ...], int] = {}
    for number, cells in rows:
        result = RowResult(number, "")
        results.append(result)
        if len(results) > MOST_ROWS:
            detail = _("A file has at most %(most)d rows. Divide it.") % {"most": MOST_ROWS}
            result.errors.append(FieldError(sheet.headers[0], "too_many", detail))
            continue
        given.update(cells)
        if there is None:
            whole = all(column.header in cells for column in sheet.columns)
            there = {} if whole else {_key(sheet, one): one for one in sheet.model._default_manager.all()}
        instance = _instance(sheet, cells, known, result, there)
        if instance is None:
            continue
        key = _key(sheet, instance)
        if seen.setdefault(key, number) != number:
            detail = _("The same stands in row %(row)d already.") % {"row": seen[key]}
            result.errors.append(FieldError(sheet.headers[0], "named_twice", detail))
            continue
        right.append((result, instance))
    if sheet.check is not None:
        sheet.check(right)
    _store(sheet, [(result, instance) for result, instance in right if not result.errors], given)
    return results


def _instance(
    sheet: Sheet,
    cells: Mapping[str, str],
    known: Mapping[str, Mapping[str, Any]],
    result: RowResult,
    there: Mapping[tuple[Any, ...], models.Model],
) -> models.Model | None:
    values: dict[str, Any] = {}
    for column in sheet.columns:
        if column.header not in cells:
            continue
        try:
            values |= column.value(cells[column.header].strip(), known.get(column.header, {}))
        except WrongCell as wrong:
            result.errors.append(wrong.error)
    result.key = " ".join(str(values[name]) for name in sheet.key if name in values)[:80]
    if result.errors:
        return None
    instance = sheet.model(**values)
    if (former := there.get(_key(sheet, instance))) is not None:
        for column in sheet.columns:
            if column.header not in cells:
                for name in column.attributes:
                    setattr(instance, name, getattr(former, name))
    try:
        instance.clean_fields()
    except ValidationError as error:
        headers = {column.attr: column.header for column in sheet.columns}
        for name, messages in error.message_dict.items():
            result.errors.append(FieldError(headers.get(name, name), "invalid", " ".join(messages)))
        return None
    return instance


def _key(sheet: Sheet, instance: models.Model) -> tuple[Any, ...]:
    return tuple(getattr(instance, name) for name in sheet.key_columns)


def _store(sheet: Sheet, right: Sequence[tuple[RowResult, models.Model]], given: Collection[str]) -> None:
    """Store all at once; where the database refuses one, each for itself."""
    known = _known(sheet)
    for result, instance in right:
        result.outcome = Outcome.CHANGED if _key(sheet, instance) in known else Outcome.ADDED
    try:
        _upsert(sheet, [instance for _result, instance in right], given)
    except (IntegrityError, DataError):
        for result, instance in right:
            instance.pk = None
            try:
                _upsert(sheet, [instance], given)
            except (IntegrityError, DataError) as error:
                result.outcome = Outcome.REFUSED
                told = saving.refusal_of(error, sheet.model)
                detail = told or _("The figures of this row do not fit together.")
                result.errors.append(FieldError(sheet.headers[0], "does_not_fit", detail))


def _known(sheet: Sheet) -> set[tuple[Any, ...]]:
    return set(sheet.model._default_manager.values_list(*sheet.key_columns))


@transaction.atomic
def _upsert(sheet: Sheet, instances: list[models.Model], given: Collection[str]) -> None:
    names = {name for column in sheet.columns if column.header in given for name in column.attributes}
    sheet.model._default_manager.bulk_create(
        instances,
        batch_size=1_000,
        update_conflicts=True,
        unique_fields=list(sheet.key),
        update_fields=sorted(names - set(sheet.key)) or list(sheet.key),
    )


def export_rows(sheet: Sheet) -> Iterator[list[str]]:
    """The table's rows as cells, in the order of `headers`."""
    for instance in sheet.model._default_manager.select_related().order_by(*sheet.key).iterator():
        yield [
            column.write(instance if len(column.attributes) > 1 else getattr(instance, column.attr))
            for column in sheet.columns
        ]
