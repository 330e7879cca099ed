"""Where stock should lie before it is ordered: what places are expected to sell decides. Pure.

What a SKU sold at a place is little to go by, so it is mixed with what the place sells of everything: the more of the
SKU was sold, the less that counts.
"""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass

# As many units of a SKU as these weigh as much as everything that the place sells.
PRIOR_UNITS = 5.0


@dataclass(frozen=True, slots=True)
class Share:
    """The share of a SKU's demand, from 0 to 1, that is expected at a place."""

    place: int
    share: float


def shares(sold: Mapping[int, float], usual: Mapping[int, float]) -> list[Share]:
    """What share of a SKU's demand to expect at each of the places of `usual` (how much each sells of everything, in
    any measure), of which it sold these units; all shares add up to 1."""
    all_sold, all_usual = sum(sold.get(place, 0.0) for place in usual), sum(usual.values())
    found = []
    for place, weight in usual.items():
        prior = weight / all_usual if all_usual else 1 / len(usual)
        found.append(Share(place, (sold.get(place, 0.0) + PRIOR_UNITS * prior) / (all_sold + PRIOR_UNITS)))
    return found


def placed(units: int, expected: list[Share]) -> dict[int, int]:
    """Whole units by place, in proportion to the shares (by the odd divisors of Sainte-Laguë), so that small stocks are
    spread as evenly as the demand; they add up to `units`."""
    found = dict.fromkeys((one.place for one in expected), 0)
    queue = [(-one.share, one.place, one.share) for one in expected if one.share > 0]
    heapq.heapify(queue)
    if not queue:
        return found
    for _ in range(units):
        _priority, place, share = queue[0]
        found[place] += 1
        heapq.heapreplace(queue, (-share / (2 * found[place] + 1), place, share))
    return found
