"""Who carries parcels."""

from django.utils.translation import gettext as _

from logistics.models import Carrier
from oms.common.models import Connection, SystemKind


def install_default_carriers() -> None:
    """Give a new installation carriers to start from, each with a connection; does nothing where there are carriers."""
    if Carrier.objects.exists():
        return
    carriers = [
        Carrier(code="SF", name=_("SF Express"), priority=1),
        Carrier(code="JD", name=_("JD Logistics"), priority=2),
        Carrier(code="ZTO", name=_("ZTO Express"), priority=3),
    ]
    for carrier in carriers:
        carrier.connection, _is_new = Connection.objects.get_or_create(
            code=f"carrier-{carrier.code.lower()}",
            defaults={"name": carrier.name, "kind": SystemKind.CARRIER, "protocol": "sandbox"},
        )
    Carrier.objects.bulk_create(carriers)
