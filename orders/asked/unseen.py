"""Which virtual goods that were delivered nobody has looked at yet, so that they can be cancelled: asked of the app
that delivers them."""

from collections.abc import Callable, Collection

Unseen = Callable[[Collection[int]], set[int]]

_answerers: list[Unseen] = []


def register(unseen: Unseen) -> None:
    """Let the app that delivers virtual goods answer: of these sub-orders (ids), those whose goods nobody has seen."""
    _answerers[:] = [unseen]


def of(sub_order_ids: Collection[int]) -> set[int]:
    """Of these delivered sub-orders of virtual goods (ids), those that nobody has looked at. Who decides by it holds
    the locks of their orders. One statement; none where there are no sub-orders."""
    if not sub_order_ids:
        return set()
    return {key for answer in _answerers for key in answer(sub_order_ids)}
