"""What a seller's sandbox begins with: a warehouse that answers by itself, SKUs like the seller's, stock of its own."""

from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext as _

from inventory import counting, reserving
from inventory.models import Region, Sku, Stock, StorageClass, Warehouse
from logistics.models import Carrier
from oms.common.errors import OmsError
from oms.merchants import sandboxes
from oms.merchants.models import Merchant

MOST_SKUS, UNITS = 20, 1000
_COPIED = ("code", "name", "brand", "category", "storage_class", "weight_g", "list_price")


@transaction.atomic
def open_sandbox(seller: Merchant) -> Merchant:
    """The seller's sandbox, made with all that takes an order to the customer where there is none yet.

    Raises OmsError where no region is known, in which its warehouse could stand.
    """
    twin, is_new = sandboxes.twin_of(seller)
    if not is_new:
        return twin
    region = Region.objects.filter(is_served=True).order_by("code").first()
    if region is None:
        raise OmsError(_("A sandbox cannot be opened before the operator has loaded regions."))
    links = sandboxes.links()
    Carrier.objects.get_or_create(
        code=sandboxes.CARRIER_CODE,
        defaults={
            "name": sandboxes.CARRIER_CODE,
            "priority": 99,
            # No rule gives it a real parcel.
            "is_active": False,
            "connection": links[sandboxes.CARRIER],
        },
    )
    warehouse = Warehouse.objects.create(
        merchant=twin,
        code=f"{twin.code[:28]}-WH",
        name=f"{twin.code} WH",
        kind=Warehouse.Kind.MERCHANT,
        storage_classes=[kept for kept in StorageClass.values if kept != StorageClass.VIRTUAL],
        region=region,
        longitude=region.longitude,
        latitude=region.latitude,
        connection=links[sandboxes.WAREHOUSES],
        waybill_when=Warehouse.WaybillWhen.OWN,
    )
    rows = [Stock.objects.create(sku=sku, warehouse=warehouse) for sku in _skus(seller, twin)]
    reserving.lock_stock([row.pk for row in rows])
    counting.book([counting.Count(row.pk, UNITS) for row in rows], actor="sandbox")
    return twin


def _skus(seller: Merchant, twin: Merchant) -> list[Sku]:
    """Copies of the seller's newest SKUs that can be touched and need nothing more than to be counted; two made up ones
    where it has none."""
    known = Sku.objects.visible_to(seller).filter(is_active=True, wants_batches=False, wants_serials=False)
    known = known.exclude(storage_class=StorageClass.VIRTUAL)
    made = [{name: getattr(sku, name) for name in _COPIED} for sku in known.order_by("-pk")[:MOST_SKUS]] or [
        {"code": f"TEST-{number}", "name": f"TEST {number}", "storage_class": StorageClass.GENERAL, "weight_g": 500}
        | {"list_price": Decimal(10 * number)}
        for number in (1, 2)
    ]
    return [Sku.objects.create(merchant=twin, **values) for values in made]
