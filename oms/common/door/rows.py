"""Bodies of many rows, each of which is taken or refused for itself."""

from collections.abc import Iterator, Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from oms.common.door.api import read_body, unknown_fields
from oms.common.errors import FieldError

# What a row says, by field, or what is wrong with it.
Checked = dict[str, Any] | list[FieldError]


def read_rows(form: type[serializers.Serializer], name: str, request: Request) -> tuple[dict[str, Any], list[Checked]]:
    """The body, checked by the serializer, whose field `name` is a serializer of many rows: its values, that field's as
    the caller wrote them; and of each row what it says, or what is wrong with it. Raises ValidationError and
    InvalidInput where there are no rows, too many, or where another field is wrong or unknown."""
    listed = form().fields[name]
    assert isinstance(listed, serializers.ListSerializer)  # noqa: S101 - for the type checker
    rows = serializers.ListField(allow_empty=False, max_length=listed.max_length)
    values: dict[str, Any] = read_body(type(form.__name__, (form,), {name: rows}), request).validated_data
    row = type(listed.child)
    return values, [_checked(row(data=one)) for one in values[name]]


def as_written(row: Any, *names: str) -> dict[str, str]:
    """These fields of a row as the caller wrote them, as far as it did; cut to 64 characters."""
    given = row if isinstance(row, dict) else {}
    return {name: "" if given.get(name) is None else str(given[name])[:64] for name in names}


def _checked(row: serializers.Serializer) -> Checked:
    if row.is_valid():
        return list(unknown_fields(row, row.initial_data)) or dict(row.validated_data)
    return list(_flat(row.errors))


def _flat(errors: Any, attr: str = "") -> Iterator[FieldError]:
    if isinstance(errors, Mapping):
        for key, inner in errors.items():
            name = "" if key == "non_field_errors" else str(key)
            yield from _flat(inner, ".".join(filter(None, (attr, name))))
        return
    for error in errors:
        if isinstance(error, str):
            yield FieldError(attr, getattr(error, "code", "invalid"), str(error))
        else:
            yield from _flat(error, attr)
