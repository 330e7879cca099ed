"""What the tests of bills share."""

import pytest

from payments.models import BillSource
from tests import factories
from tests.reconciling import world


@pytest.fixture
def sources(shop: factories.Shop) -> dict[str, BillSource]:
    """The sources of the example bills, by form, and the books of their day; nothing is read yet."""
    sources = world.make_sources()
    world.load_books(shop, sources)
    return sources
