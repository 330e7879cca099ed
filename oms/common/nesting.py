"""How deeply JSON may be nested."""

from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from oms.common.door.forms import wrong_json

MOST_NESTED = 50  # levels of a body; nothing here has ten


def check_nesting(value: object) -> None:
    """Raises ParseError for a JSON value of more levels than any body has.

    What walks over it level by level would run out of stack.
    """
    level = [value]
    for _depth in range(MOST_NESTED):
        lists = [item if isinstance(item, list) else item.values() for item in level if isinstance(item, list | dict)]
        level = [item for inner in lists for item in inner]
        if not level:
            return
    raise nested_too_deeply()


def nested_too_deeply() -> ParseError:
    """The refusal of such a body."""
    return ParseError(wrong_json(RecursionError()))


class JsonParser(JSONParser):
    """JSON that is not nested beyond reason."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        """The value. Raises ParseError."""
        try:
            value = super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise nested_too_deeply() from error
        except ParseError as error:
            raise ParseError(wrong_json(error.__context__ or error)) from error
        check_nesting(value)
        return value
