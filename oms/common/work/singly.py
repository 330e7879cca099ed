"""Requests to systems that take one thing at a time."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

import httpx

from oms.common.work.calling import HasReference, Unclear

__all__ = ["Unclear", "one_by_one"]

logger = logging.getLogger(__name__)
T = TypeVar("T")
I = TypeVar("I", bound=HasReference)  # noqa: E741 - an item


def one_by_one(items: Sequence[I], ask: Callable[[I], T]) -> dict[str, T]:
    """Ask about each item by itself; what `ask` raises Unclear for is left out: unknown.

    A connection that breaks leaves this one and those behind it unknown. Raises what went wrong where nothing at all is
    known, so that the connection counts as failing.
    """
    answers: dict[str, T] = {}
    trouble: Exception | None = None
    for item in items:
        try:
            answers[item.reference] = ask(item)
        except Unclear as unclear:
            trouble = unclear
            logger.warning("what became of %s is unclear: %s", item.reference, unclear)
        except httpx.HTTPError as error:
            trouble = error
            break
    if trouble is not None and not answers:
        raise trouble
    return answers
