"""What may go wrong with a provider, and how charges are sent one by one."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from oms.common.errors import OmsError
from oms.common.work.singly import one_by_one
from payments.providers import Answer, Charge

T = TypeVar("T")


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
