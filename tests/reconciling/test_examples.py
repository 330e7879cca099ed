"""The example bills come out as `expected.csv` says, whatever the order in which they are read, and once."""

import pytest

from tests import factories
from tests.reconciling import world

pytestmark = pytest.mark.django_db


@pytest.fixture
def sources(shop: factories.Shop):
    sources = world.make_sources()
    world.load_books(shop, sources)
    return sources


@pytest.mark.parametrize("is_reversed", [False, True])
def test_every_example_comes_out_as_expected(sources, is_reversed):
    files = list(world.FILES.items())
    for name, form in reversed(files) if is_reversed else files:
        world.read(sources[form], name)

    assert sorted(world.found()) == sorted(world.expected())
