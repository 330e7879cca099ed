"""What a hold still stops of parcels that a warehouse works on: the waybill."""

from collections.abc import Collection

from logistics.models import Shipment, ShipmentState


def without_waybill(sub_order_ids: Collection[int]) -> set[int]:
    """Those of the sub-orders of which no parcel has a waybill yet. One statement."""
    labelled = Shipment.objects.filter(sub_order_id__in=sub_order_ids).exclude(
        state__in=[ShipmentState.CREATED, ShipmentState.CANCELLED]
    )
    return set(sub_order_ids) - set(labelled.values_list("sub_order_id", flat=True))
