"""Payment providers, each protocol one module behind one small interface."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib import import_module
from typing import Protocol

from oms.common.metrics import measured
from oms.common.models import Connection


@dataclass(frozen=True, slots=True)
class Charge:
    """Money to ask for or to send back: `reference` is our number, the provider's idempotency key. Amount in yuan."""

    reference: str
    amount: Decimal
    of: str = ""  # for refunds: the reference of the payment that goes back


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider said at once: taken, or refused with a reason. Not being in the answers means: unknown."""

    taken: bool
    reason: str = ""


class Provider(Protocol):
    """What the OMS needs of a payment provider. The result of a charge comes later, as a fact.

    Asking twice with the same reference has the effect of asking once.
    """

    def request(self, charges: Sequence[Charge], link: Connection) -> dict[str, Answer]:
        """Ask buyers for money over the connection; answers by reference."""

    def refund(self, charges: Sequence[Charge], link: Connection) -> dict[str, Answer]:
        """Send money back over the connection; answers by reference."""


def get(protocol: str) -> Provider:
    """The provider that speaks the protocol: the `PROVIDER` of a module of this package."""
    return measured(import_module(f"payments.providers.{protocol}").PROVIDER, system="payment", name=protocol)
