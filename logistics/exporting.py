"""What can be exported of shipments."""

from django.utils.translation import gettext_lazy as _

from logistics.models import Shipment, ShipmentState
from oms.common.files.exporting import Column, Export, register

SHIPMENTS = register(
    Export(
        Shipment,
        (
            Column(_("shipment number"), "number"),
            Column(_("order number"), "sub_order__order__number"),
            Column(_("external number"), "sub_order__order__external_number"),
            Column(_("sub-order number"), "sub_order__number"),
            Column(_("warehouse"), "sub_order__warehouse__code"),
            Column(_("carrier"), "carrier__name"),
            Column(_("waybill number"), "waybill_number"),
            Column(_("state"), "state", dict(ShipmentState.choices)),
            Column(_("carrier's text"), "carrier_text"),
            Column(_("weight (g)"), "weight_g"),
            Column(_("created at"), "created_at"),
            Column(_("waybill issued at"), "waybill_issued_at"),
            Column(_("collected at"), "collected_at"),
            Column(_("last scan at"), "last_scan_at"),
            Column(_("signed at"), "signed_at"),
        ),
        "orders.export_orders",
        "orders.export_personal_data",
    )
)
