"""kdniao, pretended: real HTTP on a free port of this machine."""

from collections.abc import Iterator

import pytest

from inventory.models import Warehouse
from oms.common.models import Connection
from tests import factories
from tests.kdniao import world
from tests.kdniao.world import Platform


@pytest.fixture
def platform() -> Iterator[Platform]:
    """The peer, without a site that is registered with it."""
    with world.serving() as serving:
        yield serving


@pytest.fixture
def link(shop: factories.Shop, platform: Platform) -> Connection:
    """The connection over which YTO and ZTO are asked; the shop's warehouse has an address."""
    Warehouse.objects.update(address="物流园3号库", contact_name="王五", contact_phone="13900002222")
    return world.connect(platform, "YTO", "ZTO")
