"""What can be exported of shipments and warehouse orders, and the waybills in the exports of orders."""

from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.db.models import CharField, Exists, Func, OuterRef
from django.utils.translation import gettext_lazy as _

from logistics.carriers import consigning
from logistics.models import Direction, Shipment, ShipmentLine, ShipmentState, WarehouseOrder, WarehouseOrderState
from oms.common.files.exporting import Column, Export, register
from orders.admin import exporting


def _waybills(of_lines: str, of_number: str) -> Func:
    """The numbers of the parcels to the buyer with something of the row, as a list: by what is in them (`of_lines`, a
    path from their lines), or where nobody told what that is by their sub-order (`of_number`, a path from them)."""
    known = Shipment.objects.filter(direction=Direction.OUT, waybill_number__isnull=False)
    known = known.exclude(state=ShipmentState.CANCELLED).order_by("pk")
    unknown = known.filter(~Exists(ShipmentLine.objects.filter(shipment=OuterRef("pk"))))
    parcels = (known.filter(**{f"lines__{of_lines}": OuterRef("pk")}), unknown.filter(**{of_number: OuterRef("pk")}))
    # Two arrays: of a condition with OR no index could be used.
    arrays = [ArraySubquery(of_row.values("waybill_number")) for of_row in parcels]
    return Func(*arrays, function="array_cat", output_field=ArrayField(CharField()))


for _export, _of_lines, _of_number in (
    (exporting.ORDERS, "sub_order_line__sub_order__order", "sub_order__order"),
    (exporting.ORDER_LINES, "sub_order_line__order_line", "sub_order__lines__order_line"),
    (exporting.SUB_ORDERS, "sub_order_line__sub_order", "sub_order"),
):
    _export.added.append(Column(_("waybills"), "waybills", expression=_waybills(_of_lines, _of_number)))

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
            Column(_("mother's waybill number"), "mother__waybill_number"),
            Column(_("piece of its consignment"), "piece", expression=consigning.piece_text()),
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
