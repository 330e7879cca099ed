"""Who carries parcels."""

from logistics.models import Carrier
from oms.common.models import Connection, SystemKind
from orders.models.terms import CarrierClass


def install_default_carriers() -> None:
    """Give a new installation carriers to start from, by the names that they call themselves, each with a connection;
    does nothing where there are carriers.
    """
    if Carrier.objects.exists():
        return
    carriers = [
        Carrier(code="SF", name="顺丰速运", priority=1),
        Carrier(code="JD", name="京东物流", priority=2, carrier_class=CarrierClass.OWN),
        Carrier(code="ZTO", name="中通快递", priority=3),
    ]
    for carrier in carriers:
        carrier.connection, _is_new = Connection.objects.get_or_create(
            code=f"carrier-{carrier.code.lower()}",
            defaults={"name": carrier.name, "kind": SystemKind.CARRIER, "protocol": "sandbox"},
        )
    Carrier.objects.bulk_create(carriers)
