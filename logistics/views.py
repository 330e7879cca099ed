"""The API's operations on parcels."""

from drf_spectacular.utils import extend_schema
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from logistics.models import Shipment
from logistics.serializers import ShipmentSerializer
from oms.common.api import represent
from orders.views.scoping import OrderScopedView


class OrderShipmentsView(OrderScopedView):
    """The parcels of one order."""

    scopes = {"GET": "shipments.read"}
    serializer_class = ShipmentSerializer

    @extend_schema(
        operation_id="list_order_shipments",
        summary="List an order's parcels",
        description="The parcels of an order with their waybill numbers and scans.",
        tags=["orders"],
        responses=ShipmentSerializer(many=True),
    )
    def get(self, request: Request, number: str) -> Response:
        """The order's parcels."""
        order = get_object_or_404(self.orders().only("pk"), number=number)
        shipments = ShipmentSerializer.prepare(Shipment.objects.filter(sub_order__order=order))
        return Response([represent(ShipmentSerializer, shipment, request) for shipment in shipments])


class SubOrderShipmentsView(OrderScopedView):
    """The parcels of one sub-order."""

    scopes = {"GET": "shipments.read"}
    serializer_class = ShipmentSerializer

    @extend_schema(
        operation_id="list_sub_order_shipments",
        summary="List a sub-order's parcels",
        description="The parcels of a sub-order that the merchant fulfils.",
        tags=["sub-orders"],
        responses=ShipmentSerializer(many=True),
    )
    def get(self, request: Request, number: str) -> Response:
        """The sub-order's parcels."""
        sub_order = get_object_or_404(self.sub_orders().only("pk"), number=number)
        shipments = ShipmentSerializer.prepare(Shipment.objects.filter(sub_order=sub_order))
        return Response([represent(ShipmentSerializer, shipment, request) for shipment in shipments])
