"""A shop with 100 units of each of its SKUs in one warehouse of Beijing, and what tests do to its alert lines."""

import pytest

from tests import factories


@pytest.fixture
def shop() -> factories.Shop:
    return factories.make_shop()
