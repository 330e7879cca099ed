"""The condition of a review rule: a tree of typed conditions under all, any and not.

    {"all": [{"is": "amount_over", "amount": "5000.00"}, {"not": {"is": "on_list", "list": "allow"}}]}

Whatever is wrong with one is named by its place in the tree, such as "2.1", and by what the condition is called.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from orders.reviewing import params
from orders.reviewing.conditions import KINDS
from orders.reviewing.params import Catalogue, Wrong

ALL, ANY, NOT, IS = "all", "any", "not", "is"
MOST_CONDITIONS, MOST_DEPTH = 40, 6


@dataclass(frozen=True, slots=True)
class Leaf:
    """A typed condition with its parameters as they are used."""

    kind: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Group:
    """All or any of its parts."""

    how: str
    parts: Sequence["Node"]


@dataclass(frozen=True, slots=True)
class Not:
    """What does not hold."""

    part: "Node"


Node = Leaf | Group | Not


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a condition. `place` is where it stands in the tree, `field` the parameter, if it is one."""

    place: str
    condition: str
    text: str
    field: str = ""

    def __str__(self) -> str:
        where = _("Condition %(place)s (%(condition)s)") if self.condition else _("Condition %(place)s")
        return f"{where % {'place': self.place or '1', 'condition': self.condition}}: {self.text}"


class Faulty(Exception):
    """The tree cannot be used."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(" ".join(map(str, problems)))
        self.problems = problems


def read(raw: Any, known: Catalogue | None = None) -> Node:
    """The tree of what is stored or was typed. With `known`, what it names must be there, too. Raises Faulty."""
    problems: list[Problem] = []
    node = _read(raw, "", problems, known, 1)
    if not problems and node is not None:
        count = sum(1 for _leaf in leaves(node))
        if count > MOST_CONDITIONS:
            problems.append(Problem("", "", _("A rule has at most %(most)d conditions.") % {"most": MOST_CONDITIONS}))
    if problems or node is None:
        raise Faulty(problems)
    return node


def _read(raw: Any, place: str, problems: list[Problem], known: Catalogue | None, depth: int) -> Node | None:
    if depth > MOST_DEPTH:
        problems.append(Problem(place, "", _("Groups stand in groups at most %(most)d deep.") % {"most": MOST_DEPTH}))
        return None
    if not isinstance(raw, Mapping) or not raw:
        problems.append(Problem(place, "", _("Give a condition, or a group of conditions.")))
        return None
    if IS in raw:
        return _read_leaf(raw, place, problems, known)
    how = next((key for key in (ALL, ANY, NOT) if key in raw), None)
    if how is None or len(raw) != 1:
        problems.append(Problem(place, "", _("A group is one of: all, any, not.")))
        return None
    if how == NOT:
        part = _read(raw[NOT], place, problems, known, depth + 1)
        return Not(part) if part is not None else None
    parts = raw[how]
    if not isinstance(parts, list) or not parts:
        problems.append(Problem(place, "", _("The group is empty: add a condition to it, or remove it.")))
        return None
    found = [
        _read(part, f"{place}.{number}" if place else str(number), problems, known, depth + 1)
        for number, part in enumerate(parts, 1)
    ]
    return Group(how, [part for part in found if part is not None])


def _read_leaf(raw: Mapping[str, Any], place: str, problems: list[Problem], known: Catalogue | None) -> Leaf | None:
    kind = KINDS.get(raw[IS]) if isinstance(raw[IS], str) else None
    if kind is None:
        text = _("There is no condition “%(code)s”.") % {"code": raw[IS]}
        problems.append(Problem(place, "", text))
        return None
    title = str(kind.title)
    values: dict[str, Any] = {}
    sound = True
    for param in kind.params:
        try:
            values[param.name] = params.read(param, raw.get(param.name), known)
        except Wrong as wrong:
            sound = False
            problems.append(Problem(place, title, f"{param.label}: {wrong}", param.name))
    if sound and kind.check is not None and (text := kind.check(values)):
        sound = False
        problems.append(Problem(place, title, text))
    for name in set(raw) - {IS} - {param.name for param in kind.params}:
        sound = False
        problems.append(Problem(place, title, _("It has no parameter “%(name)s”.") % {"name": name}))
    return Leaf(kind.code, values) if sound else None


def leaves(node: Node) -> Iterator[Leaf]:
    """Every condition of the tree."""
    match node:
        case Leaf():
            yield node
        case Not(part):
            yield from leaves(part)
        case Group(_how, parts):
            for part in parts:
                yield from leaves(part)


def in_words(node: Node) -> str:
    """The tree as a sentence, in the active language."""
    return _in_words(node, outermost=True)


def _in_words(node: Node, *, outermost: bool = False) -> str:
    match node:
        case Leaf(kind, values):
            return KINDS[kind].in_words(values)
        case Not(part):
            return _("not (%(condition)s)") % {"condition": _in_words(part, outermost=True)}
        case Group(how, parts):
            joint = _(" and ") if how == ALL else _(" or ")
            text = joint.join(_in_words(part) for part in parts)
            return text if outermost or len(parts) == 1 else _("(%(condition)s)") % {"condition": text}
    raise AssertionError(node)
