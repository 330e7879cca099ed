import pytest
from rest_framework.test import APIClient

from tests import factories


@pytest.fixture
def shop(db: None) -> factories.Shop:
    """A self-operated merchant with 100 units of each of two SKUs."""
    return factories.make_shop()


@pytest.fixture
def api(shop: factories.Shop) -> APIClient:
    """The shop's program."""
    return factories.client_of(shop.merchant)
