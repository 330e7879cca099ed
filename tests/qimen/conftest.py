"""A warehouse on the 奇门 form, pretended: real HTTP on a free port of this machine."""

from collections.abc import Iterator

import pytest

from logistics.models import Carrier
from oms.common.models import Connection
from tests import factories
from tests.qimen import world
from tests.qimen.world import Place


@pytest.fixture
def place() -> Iterator[Place]:
    """The peer, without a site that is registered with it."""
    with world.serving() as serving:
        yield serving


@pytest.fixture
def link(shop: factories.Shop, place: Place) -> Connection:
    """The connection of the shop's warehouse, to which SF comes."""
    Carrier.objects.create(code="SF", name="顺丰速运", is_active=False)
    return world.connect(place, shop.warehouse)
