"""Bodies of many rows, each of which is taken or refused for itself."""

from collections.abc import Iterator, Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from oms.common.door.api import read_body
from oms.common.errors import FieldError


def read_rows(
    request: Request, name: str, row: type[serializers.Serializer], *, most: int
) -> list[dict[str, Any] | list[FieldError]]:
    """What the rows of the body (its only field, of that name) say, each checked by the serializer: its values, or what
    is wrong with it. Raises ValidationError and InvalidInput where there are no rows, too many, or other fields."""
    rows = serializers.ListField(allow_empty=False, max_length=most)
    body = type("Rows", (serializers.Serializer,), {name: rows})
    given: list[Any] = read_body(body, request).validated_data[name]
    return [_checked(row(data=one)) for one in given]


def _checked(row: serializers.Serializer) -> dict[str, Any] | list[FieldError]:
    if row.is_valid():
        return dict(row.validated_data)
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
