"""The protocols that connected systems speak, and what each must know about its callbacks.

An app registers the protocols that it has adapters for. What is asked of a system over them is the app's business; what
a system tells us comes by `oms.doors.callbacks`, whatever its protocol.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol, cast, runtime_checkable

from oms.common.errors import OmsError
from oms.common.models import Connection, SystemKind
from oms.common.work.facts import News


class NotGenuine(OmsError):
    """A message is not signed as it should be, too old, or from somewhere else."""

    code = "not_genuine"
    status_code = 401


class Unreadable(OmsError):
    """A genuine message that the adapter does not understand."""

    code = "unreadable"
    status_code = 400


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it came: what was posted, its headers (names in lower case), the parameters of its address."""

    body: str
    headers: Mapping[str, str]
    parameters: Mapping[str, str]
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Reply:
    """What we answer, in the protocol's own words."""

    body: str
    content_type: str = "application/json"
    status: int = 200


class Speaker(Protocol):
    """How a protocol's messages are told genuine, read and answered."""

    def verify(self, link: Connection, message: Message) -> None:
        """Raises NotGenuine unless the connected system sent the message, just now."""

    def read(self, link: Connection, body: str) -> Sequence[News]:
        """What the message says. Raises Unreadable, or anything else: it is kept and read again later."""

    def accepted(self, link: Connection, message: Message) -> Reply:
        """The answer to a message that is stored."""

    def refused(self, link: Connection, error: OmsError) -> Reply:
        """The answer to a message that was not taken."""

    def test(self, link: Connection) -> None:
        """Ask the system for a sign of life, without any effect. Raises what went wrong."""


@runtime_checkable
class KeepsMore(Protocol):
    """A speaker whose messages say something outside of their body, such as in their address."""

    def kept(self, link: Connection, message: Message) -> str:
        """The text that is kept of a genuine message; what `read` gets for its body."""


@lru_cache
def _keeps_more(kind: type) -> bool:
    return issubclass(kind, KeepsMore)


def kept_text(speaker: Speaker, link: Connection, message: Message) -> str:
    """The text that is kept of a genuine message."""
    # Asked once for each kind of speaker: looking through a protocol's methods takes longer than opening a message.
    return cast(KeepsMore, speaker).kept(link, message) if _keeps_more(type(speaker)) else message.body


@dataclass(frozen=True, slots=True)
class Known:
    """A protocol: the kinds of systems that speak it, its title for staff, and the names of its secrets.

    `refuses_all`: what nobody can read at all is refused in its words, too.
    """

    code: str
    kinds: frozenset[SystemKind]
    title: Any
    speaker: Speaker
    secrets: Sequence[str] = ()
    refuses_all: bool = False


_known: dict[str, Known] = {}


def register(known: Known) -> None:
    """Make a protocol known."""
    _known[known.code] = known


def known() -> Mapping[str, Known]:
    """All protocols by code."""
    return _known


def speaker(link: Connection) -> Speaker:
    """Who reads the messages of this connection. Raises Unreadable where its protocol is not known here."""
    found = _known.get(link.protocol)
    if found is None:
        raise Unreadable(f"The protocol {link.protocol} is not known here.")
    return found.speaker
