"""`manage.py draw_states`."""

import re
import sys
import textwrap
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import models
from django_fsm import FSMField

from oms.common.states import edges, initial_states, state_fields

_WIDTH = 118
_FIRST = ("Order", "SubOrder", "WarehouseOrder", "Shipment", "Payment", "Refund")
_BEGIN, _END = "<!-- states: drawn by `manage.py draw_states --write` -->", "<!-- end of states -->"

Move = tuple[str, str]


class Command(BaseCommand):
    """Draws every state machine from the transitions that the models declare, for README.md."""

    help = "Draw the state machines from the code; --write puts them into README.md, --check fails if they differ."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--write", action="store_true", help="Put the drawing into README.md.")
        parser.add_argument("--check", action="store_true", help="Exit 1 if README.md shows another one.")

    def handle(self, *, write: bool, check: bool, **_: object) -> None:
        drawing = draw()
        readme = settings.BASE_DIR / "README.md"
        if not (write or check):
            self.stdout.write(drawing)
            return
        text = readme.read_text(encoding="utf-8")
        wanted = re.sub(
            f"{re.escape(_BEGIN)}.*{re.escape(_END)}", lambda _: f"{_BEGIN}\n{drawing}{_END}", text, flags=re.DOTALL
        )
        if write:
            readme.write_text(wanted, encoding="utf-8")
        elif wanted != text:
            self.stderr.write("README.md shows other states than the code: run `manage.py draw_states --write`.")
            sys.exit(1)


def draw() -> str:
    """All machines, as one block of text."""
    machines = {model.__name__: _machine(model, field) for model, field in state_fields()}
    first = [machines.pop(name) for name in _FIRST]
    return "```text\n" + "\n".join([*first, *(machines[name] for name in sorted(machines))]) + "```\n"


def _machine(model: type[models.Model], field: FSMField) -> str:
    states = [str(value) for value, _label in field.flatchoices]
    lines = [
        f"  {_any_of(line.sources, states)} → {_any_of(line.targets, states)}"
        for line in grouped(edges(model, field), states)
    ]
    first, *others = initial_states(model, field)
    begins = f"begins as {first}" + (f", or inserted as {_any_of(others, states)}" if others else "")
    wrapped = [textwrap.fill(line, _WIDTH, subsequent_indent="      ") for line in lines]
    return "".join(f"{line}\n" for line in [f"{model.__name__}  {begins}", *wrapped])


def _any_of(some: Iterable[str], states: Sequence[str]) -> str:
    return " | ".join(sorted(some, key=states.index))


class Line(NamedTuple):
    """Moves from any of the sources to any of the targets; a state on both sides does not move to itself."""

    sources: frozenset[str]
    targets: frozenset[str]

    def of(self, moves: Iterable[Move]) -> set[Move]:
        """Those of the moves that the line shows."""
        return {move for move in moves if move[0] in self.sources and move[1] in self.targets}


def grouped(moves: Iterable[Move], states: Sequence[str]) -> list[Line]:
    """The moves in few lines, which show nothing else, in the order of the states.

    Each line is one that shows most of what the lines before it do not; then it loses what the others show as well.
    """
    after = {state: frozenset(target for source, target in moves if source == state) for state in states}
    candidates = _candidates(after)
    left, lines = set(moves), []
    while left:
        lines.append(max(candidates, key=lambda line: (len(line.of(left)), -len(line.targets))))
        left -= lines[-1].of(left)
    for i in range(len(lines)):
        own = lines[i].of(moves) - {move for other in lines[:i] + lines[i + 1 :] for move in other.of(moves)}
        lines[i] = Line(frozenset(source for source, _ in own), frozenset(target for _, target in own))
    return sorted((line for line in lines if line.sources), key=lambda line: [_places(part, states) for part in line])


def _candidates(after: dict[str, frozenset[str]]) -> list[Line]:
    """The largest lines that begin with the targets of one state or with those that two states have in common; a state
    may stand among its own targets."""
    moving = [state for state, targets in after.items() if targets]
    seeds = {after[state] | extra for state in moving for extra in (frozenset(), frozenset([state]))}
    seeds |= {one & other for one in seeds for other in seeds if one & other}
    lines = []
    for seed in sorted(seeds, key=sorted):
        sources = [state for state in moving if seed <= after[state] | {state}]
        lines.append(Line(frozenset(sources), frozenset.intersection(*(after[state] | {state} for state in sources))))
    return lines


def _places(some: Iterable[str], states: Sequence[str]) -> list[int]:
    return sorted(map(states.index, some))
