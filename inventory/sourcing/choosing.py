"""Following a rule set: what each rule sends, and what becomes of the rest.

Pure. The ordinary order, which the preferred warehouse has whole, is decided by a few look-ups; whom rules ask
(`Asked`) is kept by who calls.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple

import msgspec

from inventory.models.sourcing import Need, OnNone, OnPartial
from inventory.sourcing.asking import Asked, Step, Verdict
from inventory.sourcing.covering import Units
from inventory.sourcing.drawing import best, by_sku, largest, short_of, takes_of
from inventory.sourcing.rules import Candidate, Rule, Take, Want, Way

Available = MutableMapping[tuple[int, int], int]

# Warehouses that a rule leaves out for good are only counted.
_COUNTED = (Verdict.ELSEWHERE, Verdict.NOT_NAMED, Verdict.OTHER_KIND)


class Row(NamedTuple):
    """What became of a warehouse that was looked at; figures of `short`: how many of the wanted SKUs it has in full,
    and how many are wanted."""

    code: str
    km: int
    verdict: str
    figures: tuple[int, ...] = ()

    def as_json(self) -> list[Any]:
        """As it is stored."""
        return [self.code, self.km, self.verdict, *self.figures]


@dataclass(frozen=True, slots=True)
class Choice:
    """Who sends what, what is short (units by SKU) and what becomes of that; `why_text` is the decision as JSON:

    `set` and `rules` that decided, `of` the warehouses that were looked at (code, km, verdict, figures), `out` how many
    were left out for good by verdict, `unproven` where the search for a better set was given up, `ways` where rules
    looked at them, by the warehouse's code: freight (fen), by when it would be there, whether in time, and whether
    before the cut-off of that day.
    """

    parts: list[tuple[Candidate, list[Take]]]
    short: dict[int, int]
    why_text: str
    # A person decides about what is short.
    is_held: bool = False
    # What is short is cancelled so long after it began to wait.
    cancel_after: timedelta | None = None
    # Warehouses (ids) that may send it only if they have a place of their day for it.
    needs_room: tuple[int, ...] = ()

    @property
    def why(self) -> list[list[Any]]:
        """The warehouses that were looked at: code, km, verdict, figures."""
        return list(msgspec.json.decode(self.why_text)["of"])


NOTHING_CHOSEN = Choice([], {}, '{"of":[]}')


def choose(
    wants: Sequence[Want],
    steps: Sequence[Step],
    available: Available,
    *,
    set_id: int = 0,
    values_fen: Mapping[int, int] | None = None,
) -> Choice:
    """Decide by the rules, in their order, who sends what, and take it off `available` (units by warehouse and SKU id).

    `values_fen` (by line, of all its units) are needed where a rule `asks_for_values`.
    """
    return choose_one(wants, steps, available, set_id=set_id) or _Course(
        wants, available, set_id, values_fen or {}
    ).follow(steps)


def choose_one(wants: Sequence[Want], steps: Sequence[Step], available: Available, *, set_id: int = 0) -> Choice | None:
    """As `choose`, where one warehouse that the first rule asks sends everything and nothing else can be better; None,
    and nothing is taken, where it is not so plain."""
    if not steps:
        return None
    rule, asked = steps[0]
    if not asked.is_one_best or rule.asks_for_values:
        return None
    place = whole_at(wants, asked.candidates, available)
    if place is None:
        return None
    text = asked.texts.get((set_id, place))
    if text is None:
        text = asked.texts[set_id, place] = _text_of_one(set_id, rule, asked, place)
    candidate = asked.candidates[place]
    return Choice(
        [(candidate, _take_all(candidate, wants, available))], {}, text, needs_room=_needs_room(rule, [candidate])
    )


def whole_at(
    wants: Sequence[Want], candidates: Sequence[Candidate], available: Mapping[tuple[int, int], int]
) -> int | None:
    """The place of the first candidate that has everything."""
    for place, candidate in enumerate(candidates):
        if _has_all(candidate, wants, available):
            return place
    return None


def _needs_room(rule: Rule, senders: Iterable[Candidate]) -> tuple[int, ...]:
    return tuple(one.warehouse_id for one in senders) if Need.ROOM_TODAY in rule.needs else ()


def put_back(available: Available, choice: Choice) -> None:
    """Take nothing after all: it was only to be known."""
    for candidate, takes in choice.parts:
        for take in takes:
            available[candidate.warehouse_id, take.sku_id] += take.quantity


def _has_all(candidate: Candidate, wants: Sequence[Want], available: Mapping[tuple[int, int], int]) -> bool:
    warehouse = candidate.warehouse_id
    needed: dict[int, int] = {}
    for _line, sku, quantity in wants:
        # Several lines may want the same SKU.
        needed[sku] = units = needed.get(sku, 0) + quantity
        if available.get((warehouse, sku), 0) < units:
            return False
    return True


def _take_all(candidate: Candidate, wants: Sequence[Want], available: Available) -> list[Take]:
    warehouse = candidate.warehouse_id
    for _line, sku, quantity in wants:
        available[warehouse, sku] -= quantity
    return [Take(*want) for want in wants]


def _text_of_one(set_id: int, rule: Rule, asked: Asked, chosen: int) -> str:
    sender = asked.candidates[chosen]
    rows = [
        Row(one.code, one.km, Verdict.SHORT if place < chosen else _beaten(one, sender))
        for place, one in enumerate(asked.candidates)
        if place != chosen
    ]
    rows.insert(chosen, Row(sender.code, sender.km, Verdict.CHOSEN))
    return _text(set_id, [rule.position], rows, asked.out, _ways_of(asked))


def _beaten(one: Candidate, sender: Candidate) -> str:
    return Verdict.FARTHER if one.km >= sender.km else Verdict.WORSE


def _ways_of(asked: Asked) -> dict[str, Way]:
    """The ways that the rule looked at, by the code of the warehouse."""
    if not asked.ways:
        return {}
    everybody = (*asked.candidates, *(one for one, _why in asked.out))
    return {one.code: asked.ways[one.warehouse_id] for one in everybody if one.warehouse_id in asked.ways}


def _text(
    set_id: int,
    positions: Sequence[int],
    rows: Sequence[Row],
    out: Iterable[tuple[Candidate, str]],
    ways: Mapping[str, Way],
    *,
    is_proven: bool = True,
) -> str:
    named, counted = list(rows), Counter[str]()
    for one, verdict in out:
        if verdict in _COUNTED:
            counted[verdict] += 1
        else:
            named.append(Row(one.code, one.km, verdict))
    told: dict[str, Any] = {"set": set_id, "rules": positions, "of": [row.as_json() for row in named]}
    if counted:
        told["out"] = dict(counted)
    if not is_proven:
        told["unproven"] = True
    if ways:
        told["ways"] = {row.code: ways[row.code].as_json() for row in named if row.code in ways}
    return msgspec.json.encode(told).decode()


@dataclass(slots=True)
class _Drawn:
    """What one rule would send: takes by the candidate's place; who was dropped from it, and why."""

    takes: dict[int, list[Take]]
    is_proven: bool
    dropped: dict[int, str] = field(default_factory=dict)


class _Course:
    """One basket on its way through the rules."""

    def __init__(self, wants: Sequence[Want], available: Available, set_id: int, values_fen: Mapping[int, int]) -> None:
        self.all, self.wants, self.needed = wants, list(wants), by_sku(wants)
        self.available, self.set_id, self.values_fen = available, set_id, values_fen
        self.parts: dict[int, tuple[Candidate, list[Take]]] = {}
        self.rows: dict[str, Row] = {}
        self.out: dict[str, tuple[Candidate, str]] = {}
        self.positions: list[int] = []
        self.needs_room: list[int] = []
        self.ways: dict[str, Way] = {}
        self.is_proven = True

    def follow(self, steps: Iterable[Step]) -> Choice:
        is_held, cancel_after = False, None
        lacking: dict[int, int] | None = None
        for rule, asked in steps:
            if not self._is_for(rule):
                continue
            drawn = self._draw(rule, asked)
            short = short_of(self.wants, drawn.takes.values())
            what = self._what_follows(rule, drawn, short)
            self._note(rule, asked, drawn, takes=what in _SENDS, is_last=what not in _GOES_ON)
            if what in _SENDS:
                self._send(rule, asked, drawn)
            if what in _GOES_ON:
                continue
            if what in _KEEPS_ALL:
                lacking = short
            if what == OnPartial.HOLD:
                is_held = True
            elif what == OnPartial.CANCEL:
                cancel_after = rule.cancel_after
            break
        if lacking is None:
            lacking = short_of(self.wants, ())
        text = _text(
            self.set_id, self.positions, self._ordered(), self.out.values(), self.ways, is_proven=self.is_proven
        )
        return Choice(
            list(self.parts.values()), lacking, text, is_held, cancel_after, tuple(dict.fromkeys(self.needs_room))
        )

    def _is_for(self, rule: Rule) -> bool:
        if rule.min_value_fen is None and rule.max_value_fen is None:
            return True
        value = sum(self.values_fen.values())
        return (rule.min_value_fen or 0) <= value and (rule.max_value_fen is None or value <= rule.max_value_fen)

    def _what_follows(self, rule: Rule, drawn: _Drawn, short: Mapping[int, int]) -> str:
        if not short:
            return OnPartial.ALLOCATE
        return rule.on_partial if drawn.takes else rule.on_none

    def _send(self, rule: Rule, asked: Asked, drawn: _Drawn) -> None:
        self.needs_room += _needs_room(rule, (asked.candidates[place] for place in drawn.takes))
        taken: Counter[int] = Counter()
        for place, takes in drawn.takes.items():
            candidate = asked.candidates[place]
            self.parts.setdefault(candidate.warehouse_id, (candidate, []))[1].extend(takes)
            for take in takes:
                self.available[candidate.warehouse_id, take.sku_id] -= take.quantity
                taken[take.line_id] += take.quantity
        self.wants = [
            want._replace(quantity=want.quantity - taken[want.line_id])
            for want in self.wants
            if want.quantity > taken[want.line_id]
        ]
        self.needed = by_sku(self.wants)

    def _note(self, rule: Rule, asked: Asked, drawn: _Drawn, *, takes: bool, is_last: bool) -> None:
        if (takes and drawn.takes) or is_last:
            self.positions.append(rule.position)
        if not drawn.is_proven:
            self.is_proven = False
        self.ways |= _ways_of(asked)
        needed = self.needed
        alone = asked.candidates[next(iter(drawn.takes))] if takes and len(drawn.takes) == 1 else None
        for place, one in enumerate(asked.candidates):
            self.out.pop(one.code, None)
            if one.warehouse_id in self.parts:
                continue
            if takes and place in drawn.takes:
                self.rows[one.code] = Row(one.code, one.km, Verdict.CHOSEN)
            elif place in drawn.dropped:
                self.rows[one.code] = Row(one.code, one.km, drawn.dropped[place])
            else:
                has = self._has_in_full(one, needed)
                if alone is not None and has == len(needed):
                    self.rows[one.code] = Row(one.code, one.km, _beaten(one, alone))
                else:
                    self.rows[one.code] = Row(one.code, one.km, Verdict.SHORT, (has, len(needed)))
        for one, verdict in asked.out:
            if one.code not in self.rows:
                self.out[one.code] = (one, verdict)

    def _has_in_full(self, one: Candidate, needed: Units) -> int:
        return sum(self.available.get((one.warehouse_id, sku), 0) >= units for sku, units in needed.items())

    def _ordered(self) -> list[Row]:
        return list(self.rows.values())

    def _draw(self, rule: Rule, asked: Asked) -> _Drawn:
        """What the rule would send at best; nothing is taken yet."""
        has = [self._units_of(one) for one in asked.candidates]
        places = [place for place, units in enumerate(has) if units]
        most = rule.max_parcels
        if most is not None:
            most -= sum(1 for warehouse in self.parts if all(warehouse != o.warehouse_id for o in asked.candidates))
        dropped: dict[int, str] = {}
        while True:
            chosen, is_proven = best(rule, [has[place] for place in places], places, asked.costs, self.needed)
            if most is not None and len(chosen) > most:
                kept = largest(chosen, has, self.needed, max(most, 0))
                dropped.update((place, Verdict.ONE_TOO_MANY) for place in chosen if place not in kept)
                chosen = kept
            takes = takes_of(chosen, has, asked.costs, self.wants, splits_lines=rule.splits_lines)
            small = self._too_small(rule, takes)
            if small is None:
                return _Drawn(takes, is_proven, dropped)
            if small == _NOTHING_GOES:
                return _Drawn({}, is_proven, dropped | dict.fromkeys(takes, Verdict.TOO_SMALL))
            dropped[small] = Verdict.TOO_SMALL
            places.remove(small)

    def _units_of(self, one: Candidate) -> dict[int, int]:
        available, warehouse = self.available, one.warehouse_id
        return {want.sku_id: units for want in self.wants if (units := available.get((warehouse, want.sku_id), 0)) > 0}

    def _too_small(self, rule: Rule, takes: Mapping[int, Sequence[Take]]) -> int | None:
        """Whose part is worth too little to be sent apart; `_NOTHING_GOES` where what stays would be."""
        if not rule.min_part_fen or not takes:
            return None
        units = {want.line_id: want.quantity for want in self.all}
        worth = {
            place: sum(self.values_fen.get(take.line_id, 0) * take.quantity // units[take.line_id] for take in sent)
            for place, sent in takes.items()
        }
        is_whole = not short_of(self.wants, takes.values())
        if is_whole and len(takes) == 1 and not self.parts:
            return None
        place = min(worth, key=lambda one: (worth[one], -one))
        if worth[place] < rule.min_part_fen:
            return place if len(takes) > 1 else _NOTHING_GOES
        if is_whole:
            return None
        stays = sum(self.values_fen.get(want.line_id, 0) * want.quantity // units[want.line_id] for want in self.wants)
        return None if stays - sum(worth.values()) >= rule.min_part_fen else _NOTHING_GOES


_NOTHING_GOES = -1
_SENDS = (OnPartial.GO_ON, OnPartial.ALLOCATE)
_GOES_ON = (OnPartial.GO_ON, OnPartial.NEXT, OnNone.NEXT)
_KEEPS_ALL = (OnPartial.BACKORDER, OnPartial.HOLD, OnPartial.CANCEL)
