"""A protocol that staff may choose for a connection has somebody who asks over it."""

import pytest

from logistics.carriers import adapters as carriers
from logistics.warehouses import adapters as warehouses
from oms.common.messages import services
from oms.common.models import Connection, SystemKind
from oms.common.work import protocols
from payments import providers

ASKS = {
    SystemKind.WAREHOUSE: warehouses.of,
    SystemKind.CARRIER: carriers.of,
    SystemKind.SMS: services.of,
    SystemKind.PAYMENT: lambda link: providers.get(link.protocol),
}
CHOICES = [(known.code, kind) for known in protocols.known().values() for kind in sorted(known.kinds) if kind in ASKS]


@pytest.mark.parametrize(("protocol", "kind"), CHOICES)
def test_a_protocol_has_an_adapter_for_every_kind_of_system_that_speaks_it(protocol, kind):
    assert ASKS[kind](Connection(code="x", name="x", kind=kind, protocol=protocol))


@pytest.mark.parametrize("modules", [warehouses._MODULES, carriers._MODULES], ids=["warehouses", "carriers"])
def test_an_adapter_speaks_a_protocol_that_staff_can_choose(modules):
    """One whose module no app imports would be missing from the form, and its callbacks not found."""
    assert modules.keys() <= protocols.known().keys()


def test_a_connection_of_each_kind_can_be_made():
    assert {kind for _protocol, kind in CHOICES} == set(ASKS)
