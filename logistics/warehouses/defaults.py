"""Which system a new warehouse is connected to."""

from django.conf import settings
from django.utils.text import slugify

from inventory.models import Warehouse
from oms.common.models import Connection, SystemKind


def connect_warehouses() -> int:
    """Give each warehouse without one a connection of the protocol `settings.WAREHOUSE_ADAPTER`; returns how many got
    one. Virtual warehouses have nothing to send."""
    alone = Warehouse.objects.filter(connection=None).exclude(kind=Warehouse.Kind.VIRTUAL).order_by("code")
    for warehouse in alone:
        warehouse.connection, _is_new = Connection.objects.get_or_create(
            code=code_of(warehouse),
            defaults={
                "name": warehouse.name[:80],
                "kind": SystemKind.WAREHOUSE,
                "protocol": settings.WAREHOUSE_ADAPTER,
            },
        )
    return Warehouse.objects.bulk_update(alone, ["connection"])


def code_of(warehouse: Warehouse) -> str:
    """The code of a warehouse's connection: as unique as the warehouse's own."""
    slug = slugify(warehouse.code)
    return f"wms-{slug}" if slug == warehouse.code.lower() else f"wms-{slug or 'warehouse'}-{warehouse.pk}"
