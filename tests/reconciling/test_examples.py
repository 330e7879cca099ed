"""The example bills come out as `expected.csv` says, whatever the order in which they are read, and once."""

import pytest

from tests.reconciling import world

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("is_reversed", [False, True])
def test_every_example_comes_out_as_expected(sources, is_reversed):
    files = list(world.FILES.items())
    for name, form in reversed(files) if is_reversed else files:
        world.read(sources[form], name)

    assert sorted(world.found()) == sorted(world.expected())


def test_what_must_hold_of_bills_holds(sources):
    world.read_all(sources)

    assert world.broken() == []
