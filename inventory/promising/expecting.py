"""Goods that are on their way: what of them can be promised, and from when. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta

from inventory.purchasing import Expected
from oms.common.zones import CHINA

Place = tuple[int, int]
# What is said to come later, as by 9999-12-31, is said to come on a day that nobody knows.
LONGEST_WAIT = timedelta(days=365)


def ready_at(expected_on: date) -> datetime:
    """From when goods that come on the day can be sent: when it is over, since they are unpacked and counted first."""
    return datetime.combine(expected_on + timedelta(days=1), time.min, CHINA)


def arrivals(
    expected: Iterable[Expected], waited_for: Mapping[Place, int], today: date
) -> Iterator[tuple[date, dict[Place, int]]]:
    """By day, the earliest first: the units that come to each place (warehouse id, SKU id) and are free.

    Who waits already is served first, from what comes first: `waited_for` has their units. What should have come
    before `today`, comes after the LONGEST_WAIT, or on a day that nobody knows, is not counted on.
    """
    owed = Counter(waited_for)
    days: dict[date, dict[Place, int]] = {}
    for one in expected:
        if one.expected_on is None:
            continue
        place = (one.warehouse_id, one.sku_id)
        taken = min(owed[place], one.units)
        owed[place] -= taken
        if today <= one.expected_on <= today + LONGEST_WAIT and one.units > taken:
            free = days.setdefault(one.expected_on, {})
            free[place] = free.get(place, 0) + one.units - taken
    yield from sorted(days.items())
