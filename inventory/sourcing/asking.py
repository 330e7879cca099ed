"""Whom a rule asks for goods of a kind to a place, and what each costs it; pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from inventory.models.sourcing import Need, Sort
from inventory.sourcing.rules import Candidate, Rule, Standing, Way

# Sums of one thing that is sorted by stay below it, so that what is sorted by first counts most.
_RADIX = 10**7
_NO_FREIGHT = 10**5
_ANY_WAY = Way()
_ANYWHERE = Standing()


class Verdict:
    """What became of a warehouse: codes that decisions are stored with."""

    CHOSEN = "chosen"
    FARTHER = "farther"
    WORSE = "worse"
    SHORT = "short"
    REFUSED = "refused"
    AVOIDED = "avoided"
    ELSEWHERE = "elsewhere"
    NOT_NAMED = "not_named"
    OTHER_KIND = "other_kind"
    CLOSED = "closed"
    FULL = "full"
    CUTOFF_OVER = "cutoff_over"
    ONE_TOO_MANY = "one_too_many"
    TOO_SMALL = "too_small"


# Another day, or once it is anew asked for, these may send after all.
PASSING = (Verdict.CLOSED, Verdict.FULL, Verdict.CUTOFF_OVER, Verdict.AVOIDED)


@dataclass(slots=True)
class Asked:
    """Whom a rule asks for goods of a kind to a place: the preferred first, each with what it costs the rule; and who
    was left `out`, with why. `is_one_best`: no two of them are ever better than one that has everything. `ways` (by
    warehouse id) are those that the rule looked at."""

    candidates: tuple[Candidate, ...]
    costs: tuple[int, ...]
    out: tuple[tuple[Candidate, str], ...]
    is_one_best: bool
    ways: Mapping[int, Way] = field(default_factory=dict)
    # What is stored where one of them, by its place, sends everything.
    texts: dict[tuple[int, int], str] = field(default_factory=dict)


Step = tuple[Rule, Asked]


def ask(
    rule: Rule,
    candidates: Sequence[Candidate],
    *,
    province: str,
    standings: Mapping[int, Standing],
    ways: Mapping[int, Way] | None = None,
    refused: Collection[int] = (),
    avoided: Collection[int] = (),
) -> Asked:
    """Whom the rule asks. `ways` are needed where it `asks_about_the_way`; who `refused` or is `avoided` (ids) is
    not asked."""
    ways = ways or {}
    kept: list[tuple[int, Candidate]] = []
    out: list[tuple[Candidate, str]] = []
    for one in candidates:
        standing = standings.get(one.warehouse_id, _ANYWHERE)
        way = ways.get(one.warehouse_id, _ANY_WAY)
        if one.warehouse_id in refused:
            out.append((one, Verdict.REFUSED))
        elif one.warehouse_id in avoided:
            out.append((one, Verdict.AVOIDED))
        elif why := _why_not(rule, one, province, standing, way):
            out.append((one, why))
        else:
            kept.append((_cost(rule, one, standing, way), one))
    kept.sort(key=lambda pair: (pair[0], pair[1].km, pair[1].code))
    costs = tuple(cost for cost, _one in kept)
    is_one_best = len(costs) < 3 or costs[-1] <= costs[0] + costs[1]
    looked_at = ways if rule.asks_about_the_way else {}
    return Asked(tuple(one for _cost, one in kept), costs, tuple(out), is_one_best, looked_at)


def _why_not(rule: Rule, one: Candidate, province: str, standing: Standing, way: Way) -> str:
    """Why the rule does not ask the warehouse; empty: it does."""
    if rule.warehouses and one.code not in rule.warehouses:
        return Verdict.NOT_NAMED
    if rule.kinds and standing.kind not in rule.kinds:
        return Verdict.OTHER_KIND
    if not rule.needs:
        return ""
    if Need.SERVES_REGION in rule.needs and standing.serves and province not in standing.serves:
        return Verdict.ELSEWHERE
    if Need.OPEN_TODAY in rule.needs and not standing.is_open_today:
        return Verdict.CLOSED
    if Need.ROOM_TODAY in rule.needs and not standing.has_room_today:
        return Verdict.FULL
    if Need.CUTOFF_MET in rule.needs and not way.meets_cutoff:
        return Verdict.CUTOFF_OVER
    return ""


def _cost(rule: Rule, one: Candidate, standing: Standing, way: Way) -> int:
    cost = 0
    for sort in rule.sorts:
        match sort:
            case Sort.PARCELS:
                value = 1
            case Sort.DISTANCE:
                value = one.km + rule.parcel_km
            case Sort.PROMISE:
                value = int(not way.keeps_promise)
            case Sort.FREIGHT:
                value = _NO_FREIGHT if way.freight_fen is None else way.freight_fen
            case Sort.BALANCE:
                value = standing.taken_permille
            case _:
                value = rule.warehouses.index(one.code) if one.code in rule.warehouses else len(rule.warehouses)
        cost = cost * _RADIX + value
    return cost
