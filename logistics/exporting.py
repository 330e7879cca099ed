"""What can be exported of shipments and warehouse orders."""

from django.utils.translation import gettext_lazy as _

from logistics.models import Direction, Shipment, ShipmentState, WarehouseOrder, WarehouseOrderState
from oms.common.files.exporting import Column, Export, register

SHIPMENTS = register(
    Export(
        Shipment,
        (
            Column(_("shipment number"), "number"),
            Column(_("order number"), "sub_order__order__number"),
            Column(_("external number"), "sub_order__order__external_number"),
            Column(_("sub-order number"), "sub_order__number"),
            Column(_("warehouse"), "warehouse_order__warehouse__code"),
            Column(_("warehouse order number"), "warehouse_order__number"),
            Column(_("direction"), "direction", dict(Direction.choices)),
            Column(_("carrier"), "carrier__name"),
            Column(_("waybill number"), "waybill_number"),
            Column(_("state"), "state", dict(ShipmentState.choices)),
            Column(_("carrier's text"), "carrier_text"),
            Column(_("weight (g)"), "weight_g"),
            Column(_("created at"), "created_at"),
            Column(_("waybill issued at"), "waybill_issued_at"),
            Column(_("left the warehouse at"), "left_at"),
            Column(_("collected at"), "collected_at"),
            Column(_("last scan at"), "last_scan_at"),
            Column(_("signed at"), "signed_at"),
        ),
        "orders.export_orders",
        "orders.export_personal_data",
    )
)

WAREHOUSE_ORDERS = register(
    Export(
        WarehouseOrder,
        (
            Column(_("warehouse order number"), "number"),
            Column(_("order number"), "sub_order__order__number"),
            Column(_("sub-order number"), "sub_order__number"),
            Column(_("warehouse"), "warehouse__code"),
            Column(_("state"), "state", dict(WarehouseOrderState.choices)),
            Column(_("reason"), "reason"),
            Column(_("created at"), "created_at"),
            Column(_("sent at"), "sent_at"),
            Column(_("packed at"), "packed_at"),
            Column(_("shipped at"), "shipped_at"),
            Column(_("given up at"), "given_up_at"),
        ),
        "orders.export_orders",
        "orders.export_personal_data",
    )
)
