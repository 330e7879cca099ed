"""Where a parcel stands by its scans: since when it is in its state, where it waits and since when, and its last place.

A pure function of the set of scans: in what order they came, and how often, cannot matter.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from logistics.models import GOING_BACK, MOVING, ShipmentState

# Among scans of the same second, the one further along.
RANK = {state: rank for rank, state in enumerate((*MOVING, *GOING_BACK), 1)}


@dataclass(frozen=True, slots=True)
class Seen:
    """A scan, with the stop at which the parcel waits by it (empty: none), and its place."""

    at: datetime
    state: str
    stop: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """Since when the parcel is in its state (None: no scan says it is); its stop (empty: none) and since when; its
    newest place (empty: none was told)."""

    since: datetime | None = None
    stop: str = ""
    stop_since: datetime | None = None
    place: str = ""


NOWHERE = Standing()


def standing(state: str, scans: Collection[Seen]) -> Standing:
    """Where a parcel stands that is in this state by these scans.

    Of one that goes back, only scans that say so count: what carriers tell of its way back are scans of any kind.
    """
    counts = GOING_BACK if state in GOING_BACK else (*MOVING, *GOING_BACK)
    known = sorted(
        (scan for scan in scans if scan.state in counts),
        key=lambda scan: (scan.at, RANK[ShipmentState(scan.state)], scan.stop),
    )
    placed = max(((scan.at, scan.place) for scan in scans if scan.place), default=None)
    place = placed[1] if placed else ""
    if not known or known[-1].state != state:
        return Standing(place=place)
    since, stop, stop_since, is_run = known[-1].at, known[-1].stop, known[-1].at, True
    for scan in reversed(known):
        if scan.state != state:
            break
        since = scan.at
        is_run = is_run and scan.stop == stop
        if is_run:
            stop_since = scan.at
    return Standing(since, stop, stop_since if stop else None, place)
