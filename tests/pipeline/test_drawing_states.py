"""`manage.py draw_states`."""

import re
from io import StringIO

import pytest
from django.core.management import call_command
from hypothesis import given
from hypothesis import strategies as st

from oms.common.states import edges, state_fields
from oms.management.commands.draw_states import draw, grouped


def test_every_machine_is_drawn_in_at_most_twelve_lines():
    machines = draw().removeprefix("```text\n").removesuffix("```\n").split("\n\n")

    assert {machine.split()[0] for machine in machines} == {model.__name__ for model, _field in state_fields()}
    assert max(machine.strip().count("\n") + 1 for machine in machines) <= 12
    assert max(map(len, draw().splitlines())) <= 120


@pytest.mark.parametrize(("model", "field"), [pytest.param(m, f, id=m.__name__) for m, f in state_fields()])
def test_what_is_drawn_is_what_is_declared(model, field):
    machine = re.search(rf"^{model.__name__}  begins.*?(?=\n\n|\n```)", draw(), re.MULTILINE | re.DOTALL)
    assert machine
    lines = re.findall(r"^  (\S.*(?:\n      .*)*)", machine[0], re.MULTILINE)
    moves = set()
    for line in lines:
        sources, targets = (re.split(r"\s*\|\s*", part.strip()) for part in line.split("→"))
        moves |= {(source, target) for source in sources for target in targets if source != target}

    assert moves == set(edges(model, field))


@given(st.sets(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef")).filter(lambda move: move[0] != move[1])))
def test_lines_show_each_move_and_nothing_else(moves):
    lines = grouped(moves, "abcdef")

    shown = {(source, target) for line in lines for source in line.sources for target in line.targets}
    assert {(source, target) for source, target in shown if source != target} == moves
    assert len(lines) <= 6


def test_a_readme_that_lags_behind_is_refused(settings, tmp_path):
    readme = tmp_path / "README.md"
    settings.BASE_DIR, original = tmp_path, settings.BASE_DIR
    readme.write_text((original / "README.md").read_text(encoding="utf-8"), encoding="utf-8")
    call_command("draw_states", "--check")

    text = readme.read_text(encoding="utf-8")
    readme.write_text(text.replace("awaiting_payment → in_review", "awaiting_payment → lost"), encoding="utf-8")
    with pytest.raises(SystemExit):
        call_command("draw_states", "--check", stderr=StringIO())

    call_command("draw_states", "--write")
    call_command("draw_states", "--check")
