"""The end of a number, by which people name it on the phone."""

from typing import Any

from django.db.models import CharField, Func

LONGEST_TAIL = 4


class Tail(Func):
    """The last four characters. The number stands in the text of the statement, so that the index on this expression
    is found also where the statement is prepared."""

    template = f"RIGHT(%(expressions)s, {LONGEST_TAIL})"
    arity = 1

    def __init__(self, expression: Any, **extra: Any) -> None:
        super().__init__(expression, output_field=CharField(), **extra)
