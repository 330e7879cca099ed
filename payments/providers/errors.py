"""What may go wrong with a provider, and how requests are sent one by one."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

import httpx

from oms.common.errors import OmsError
from oms.common.work.calling import HasReference
from payments.providers import Answer, Charge

logger = logging.getLogger(__name__)
T = TypeVar("T")
I = TypeVar("I", bound=HasReference)  # noqa: E741 - an item


class Unclear(Exception):
    """Nothing is known after a call: the provider is busy, or what it said proves nothing. Ask under the same number
    before anything else."""


class Refused(Exception):
    """The provider refused what was asked, for good; `code` is its own."""

    def __init__(self, code: str, text: str = "") -> None:
        super().__init__(f"{code} {text}".strip())
        self.code = code


class NotReady(Exception):
    """The provider has not made yet what was asked for, and may never: ask again later."""


class NotSetUp(OmsError):
    """A connection lacks what its protocol needs."""

    code = "not_set_up"


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


def charge_each(charges: Sequence[Charge], ask: Callable[[Charge], Answer]) -> dict[str, Answer]:
    """`one_by_one` for charges; one that `ask` raises Refused for is answered so, with the provider's reason."""

    def answer(charge: Charge) -> Answer:
        try:
            return ask(charge)
        except Refused as refusal:
            return Answer(taken=False, reason=str(refusal)[:300])

    return one_by_one(charges, answer)


def secret(link_code: str, secrets: dict[str, T], name: str) -> T:
    """A secret of a connection. Raises NotSetUp where it is missing."""
    if not secrets.get(name):
        raise NotSetUp(f"The connection {link_code} has no {name}.")
    return secrets[name]
