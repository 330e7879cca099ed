"""Which parcel holds what of which order: asked of the app that ships them, for those that do not know it."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Parcel:
    """A parcel under way to the buyer: its waybill, a sub-order of which it holds something, and the carrier's account
    that has it. A parcel of several (合单) is told once for each."""

    waybill: str
    sub_order_id: int
    connection_id: int | None


class Find(Protocol):
    """Finds parcels by their waybills and by what they hold. One statement."""

    def __call__(self, *, waybills: Collection[str], sub_order_ids: Collection[int]) -> Sequence[Parcel]:
        """The parcels with one of these waybills or sub-orders, the oldest first."""


_finders: list[Callable[..., Sequence[Parcel]]] = []


def register(find: Find) -> None:
    """Let the app that ships parcels answer."""
    _finders[:] = [find]


def find(*, waybills: Collection[str] = (), sub_order_ids: Collection[int] = ()) -> list[Parcel]:
    """See Find; none where nobody ships."""
    return [parcel for finder in _finders for parcel in finder(waybills=waybills, sub_order_ids=sub_order_ids)]
