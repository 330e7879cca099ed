"""Parcels of returns: the app that follows parcels is asked for their scans, for pages, and told what came back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan as people read it."""

    at: datetime
    state: str
    text: str
    place: str


@dataclass(frozen=True, slots=True)
class Track:
    """A parcel that a return came, or should come, back in; `scans` have the newest first. `parcel_id` names its row;
    one that is not `is_current` has another waybill instead."""

    parcel_id: int
    waybill: str
    carrier: str
    state: str
    is_current: bool
    scans: Sequence[Scan]


class Follows(Protocol):
    """The app that follows parcels."""

    def tracks(self, return_id: int) -> Sequence[Track]:
        """The parcels of a return, the newest first, in a fixed number of statements."""

    def state_word(self, code: str) -> str:
        """How the state of a parcel is called."""

    def came_back(self, return_id: int) -> None:
        """The goods of a return that the buyer refused are there: so are their parcels, should no carrier say it."""


_follows: list[Follows] = []


def register(follows: Follows) -> None:
    """Let the app that follows parcels answer."""
    _follows[:] = [follows]


def of(return_id: int) -> Sequence[Track]:
    """See Follows.tracks; none where nobody follows."""
    return _follows[0].tracks(return_id) if _follows else []


def came_back(return_id: int) -> None:
    """See Follows.came_back."""
    if _follows:
        _follows[0].came_back(return_id)


def state_word(code: str) -> str:
    """See Follows.state_word."""
    return _follows[0].state_word(code) if _follows else code
