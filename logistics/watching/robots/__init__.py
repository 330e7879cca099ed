"""Those who can be told of what is late, each by its protocol; an adapter is a function that sends one message."""

from dataclasses import dataclass
from typing import Protocol

from oms.common.models import Connection


class NotTold(Exception):
    """The other side did not take the message, and why."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One message: `key` is the same however often it is sent, `text` has a line for each thing said."""

    key: str
    title: str
    text: str


class Robot(Protocol):
    """How a message is sent over a connection. Raises NotTold, or anything that the network raises."""

    def __call__(self, link: Connection, notice: Notice) -> None: ...
