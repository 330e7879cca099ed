"""SMS services, each one module behind a small protocol, found by the protocol of its connection.

A call is answered for each message with taken or refused; no answer means unknown: the same number is sent again later,
which every service must recognise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from oms.common.metrics import measured
from oms.common.models import Connection


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service said of one message."""

    taken: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """A message to be sent: `reference` is our number for it. `template` is the service's own code of the text, whose
    values it fills in, where it wants one."""

    reference: str
    phone: str
    text: str
    template: str
    values: Mapping[str, str]


class SmsService(Protocol):
    """What the OMS needs of an SMS service."""

    def send(self, link: Connection, texts: Sequence[Text]) -> Mapping[str, Answer]:
        """Send these; answers by reference."""


# The module of each protocol that SMS services speak.
_MODULES = {"sandbox": "sandbox", "json": "signed_json"}


def of(link: Connection) -> SmsService:
    """The adapter that speaks the connection's protocol. Raises LookupError where there is none."""
    if link.protocol not in _MODULES:
        raise LookupError(f"no SMS service is asked by the protocol {link.protocol}")
    module = import_module(f"{__name__}.{_MODULES[link.protocol]}")
    return measured(module.SMS, system="sms", name=link.protocol)
