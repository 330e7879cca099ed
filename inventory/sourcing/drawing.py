"""What warehouses would send together: the best set of them, and who of it sends what; pure."""

from collections.abc import Iterable, Sequence

from inventory.sourcing.covering import Units, cover, gather
from inventory.sourcing.rules import Rule, Take, Want


def by_sku(wants: Iterable[Want]) -> dict[int, int]:
    """Units by SKU; several lines may want the same one."""
    needed: dict[int, int] = {}
    for want in wants:
        needed[want.sku_id] = needed.get(want.sku_id, 0) + want.quantity
    return needed


def short_of(wants: Iterable[Want], takes: Iterable[Sequence[Take]]) -> dict[int, int]:
    """Units by SKU that nobody sends."""
    left = by_sku(wants)
    for sent in takes:
        for take in sent:
            left[take.sku_id] -= take.quantity
    return {sku: units for sku, units in left.items() if units > 0}


def best(
    rule: Rule, has: Sequence[Units], places: Sequence[int], costs: Sequence[int], needed: Units
) -> tuple[list[int], bool]:
    """The cheapest of these places that have between them what any of them have; whether that is proven."""
    own = [costs[place] for place in places]
    if rule.splits_lines and any(units < needed[sku] for one in has for sku, units in one.items()):
        can_have = {sku: min(units, sum(one.get(sku, 0) for one in has)) for sku, units in needed.items()}
        found = gather(has, own, can_have)
    else:
        bits = {sku: 1 << i for i, sku in enumerate(needed)}
        masks = [sum(bits[sku] for sku, units in one.items() if units >= needed[sku]) for one in has]
        wanted = 0
        for mask in masks:
            wanted |= mask
        if not wanted:
            return [], True
        found = cover(masks, own, wanted)
    return [places[i] for i in found.places], found.is_proven


def largest(chosen: Sequence[int], has: Sequence[Units], needed: Units, most: int) -> list[int]:
    """So many of the chosen ones, whoever has most of what is open first."""
    kept: list[int] = []
    left, rest = dict(needed), list(chosen)
    while rest and len(kept) < most:
        place = max(rest, key=lambda one: (sum(min(units, has[one].get(sku, 0)) for sku, units in left.items()), -one))
        kept.append(place)
        rest.remove(place)
        left = {sku: units - has[place].get(sku, 0) for sku, units in left.items() if units > has[place].get(sku, 0)}
    return kept


def takes_of(
    chosen: Sequence[int], has: Sequence[Units], costs: Sequence[int], wants: Sequence[Want], *, splits_lines: bool
) -> dict[int, list[Take]]:
    """Who of the chosen sends what: a SKU whole from the cheapest that has it whole, else in the fewest pieces."""
    found: dict[int, list[Take]] = {}
    open_units: dict[int, int] = {}
    lines: dict[int, list[Want]] = {}
    for want in wants:
        open_units[want.line_id] = want.quantity
        lines.setdefault(want.sku_id, []).append(want)
    for sku, of_sku in lines.items():
        units = sum([want.quantity for want in of_sku])
        whole = [place for place in chosen if has[place].get(sku, 0) >= units]
        if whole:
            givers = [min(whole, key=costs.__getitem__)]
        elif splits_lines:
            givers = sorted(chosen, key=lambda place: (-has[place].get(sku, 0), costs[place]))
        else:
            givers = []
        for place in givers:
            left = has[place].get(sku, 0)
            for want in of_sku:
                count = min(open_units[want.line_id], left)
                if count:
                    left -= count
                    open_units[want.line_id] -= count
                    found.setdefault(place, []).append(Take(want.line_id, sku, count))
    return {place: found[place] for place in chosen if place in found}
