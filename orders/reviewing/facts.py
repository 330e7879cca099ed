"""What rules found of orders, in words: figures, and the orders that they count."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from orders.reviewing.conditions import KINDS
from orders.reviewing.conditions.base import figure

Facts = Sequence[Mapping[str, Any]]


def in_words(found: Facts) -> str:
    """The figures, in the active language; where there are none, what the conditions are called."""
    told = [one for one in found if {"not", "found", "limit"} & one.keys()] or found
    return _("; ").join(figure(one, _title(one)) for one in told) or "–"


def _title(found: Mapping[str, Any]) -> str:
    kind = KINDS.get(found.get("is", ""))
    return str(kind.title) if kind else str(found.get("is", ""))


def orders(found: Facts) -> Iterator[tuple[int, str]]:
    """The orders (id, number) that made a limit break, each once."""
    seen = set()
    for one in found:
        for key, number in one.get("orders") or ():
            if key not in seen:
                seen.add(key)
                yield key, number
