"""An invoice service to test against: real HTTP on a free port of this machine."""

from collections.abc import Iterator

import pytest
from django.utils.translation import override

from oms.common.models import Connection
from oms.merchants.models import LegalEntity
from oms.simulators.nuonuo import NuonuoPeer
from tests import factories
from tests.invoicing import world


@pytest.fixture(autouse=True)
def _in_english() -> Iterator[None]:
    """Refusals are compared by their words."""
    with override("en"):
        yield


@pytest.fixture
def peer() -> Iterator[NuonuoPeer]:
    """诺诺's peer."""
    with world.serving() as serving:
        yield serving


@pytest.fixture
def link(db: None, peer: NuonuoPeer) -> Connection:
    """The connection to it."""
    return world.connect(peer)


@pytest.fixture
def company(link: Connection, shop: factories.Shop) -> LegalEntity:
    """The company in whose name the shop sells."""
    return world.company_of(shop.merchant, link)
