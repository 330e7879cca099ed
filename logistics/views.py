"""The API's operations on parcels."""

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from logistics.carriers.recalling import asking
from logistics.filters import ShipmentFilter
from logistics.models import RecallKind, Shipment, WaybillShare
from logistics.serializers import RecallRequestSerializer, RecallSerializer, ShipmentSerializer, WaybillShareSerializer
from oms.common.door.api import NewestFirst, read_body, represent, version_of
from oms.common.door.places import NewestOrByChange
from orders.api.scoping import OrderScopedView
from orders.changing.readdressing import Recipient
from orders.models import SubOrder


class ShipmentScopedView(OrderScopedView):
    """A view on parcels that the calling merchant sold or fulfils."""

    whose = "sub_order__merchant__code"
    scopes = {"GET": "shipments.read"}
    has_sparse_fields = True
    serializer_class = ShipmentSerializer

    def get_queryset(self) -> QuerySet[Shipment]:
        """The parcels that the merchant sees."""
        return ShipmentSerializer.prepare(self.reach(Shipment))


class ShipmentsView(ShipmentScopedView):
    """The merchant's parcels."""

    filter_backends = [DjangoFilterBackend]
    filterset_class = ShipmentFilter
    pagination_class = NewestOrByChange
    query_parameters = NewestOrByChange.query_parameters | ShipmentFilter.base_filters.keys()

    @extend_schema(
        operation_id="list_shipments",
        summary="List parcels",
        description="Parcels of the merchant's orders and of sub-orders that it fulfils, newest first, with scans.",
        tags=["shipments"],
        responses=ShipmentSerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of parcels."""
        return self.page()


class WaybillSharesView(OrderScopedView):
    """What the merchant may buy over accounts with carriers, and used."""

    scopes = {"GET": "shipments.read"}
    serializer_class = WaybillShareSerializer
    pagination_class = NewestFirst
    query_parameters = NewestFirst.query_parameters

    def get_queryset(self) -> QuerySet[WaybillShare]:
        """The merchant's own."""
        if getattr(self, "swagger_fake_view", False):
            return WaybillShare.objects.none()
        rows = WaybillShare.objects.visible_to(self.merchant)
        return rows.select_related("account__carrier", "channel")

    @extend_schema(
        operation_id="list_waybill_shares",
        summary="List shares of carriers' accounts",
        description="What the merchant and its shops may buy over accounts with carriers, and what they used.",
        tags=["shipments"],
        responses=WaybillShareSerializer(many=True),
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of shares."""
        return self.page()


class ShipmentView(ShipmentScopedView):
    """One parcel."""

    @extend_schema(
        operation_id="read_shipment",
        summary="Read a parcel",
        description="A parcel with its waybill number and scans.",
        tags=["shipments"],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The parcel."""
        return self.one()


class RecallsView(OrderScopedView):
    """What the carrier of one parcel was asked: to send it back, or to bring it elsewhere."""

    scopes = {"GET": "shipments.read", "POST": "orders.write"}
    checks_version = frozenset({"POST"})
    serializer_class = RecallSerializer

    @extend_schema(
        operation_id="list_recalls",
        summary="List what a parcel's carrier was asked",
        description="Each time that a parcel that left was asked back or elsewhere, the newest first.",
        tags=["shipments"],
        responses=RecallSerializer(many=True),
    )
    def get(self, request: Request, number: str) -> Response:
        """All of them."""
        shipment = self._shipment(number)
        return Response([represent(RecallSerializer, row, request) for row in shipment.recalls.order_by("-id")])

    @extend_schema(
        operation_id="recall_shipment",
        summary="Have a parcel sent back, or brought elsewhere",
        description=(
            "The carrier of a parcel that left its warehouse is asked to send it back (`return`) or to bring it to"
            " another recipient (`redirect`; what `recipient` leaves out stays). 202: it is asked. `state` and the"
            " webhooks `shipment.recall_accepted`, `shipment.recall_succeeded` and `shipment.recall_failed` tell what"
            " becomes of it; a parcel that comes back is returned and paid back as any other. 409 `cannot_recall`"
            " says why it cannot be asked for: it has not left, is not on its way any more, is asked for already, or"
            " its carrier cannot be asked. Send the parcel's version in If-Match."
        ),
        tags=["shipments"],
        request=RecallRequestSerializer,
        responses={202: RecallSerializer},
    )
    def post(self, request: Request, number: str) -> Response:
        """Ask."""
        version = version_of(request)
        shipment = self._shipment(number)
        body = read_body(RecallRequestSerializer, request).validated_data
        numbers = asking.orders_of(shipment)
        if self.orders().filter(number__in=numbers).count() < len(numbers):
            raise asking.CannotRecall(_("The parcel holds goods of orders that are not yours."))
        told = {"reason": body["reason"], "actor": self.actor, "version": version}
        if body["kind"] == RecallKind.RETURN:
            recall = asking.ask_back(shipment.pk, **told)
        else:
            recall = asking.ask_elsewhere(shipment.pk, Recipient(**body.get("recipient", {})), **told)
        return Response(represent(RecallSerializer, recall, request), status.HTTP_202_ACCEPTED)

    def _shipment(self, number: str) -> Shipment:
        """The parcel, of an order that the merchant's channels sent. Raises Http404."""
        return get_object_or_404(Shipment.objects.filter(sub_order__order__in=self.orders()), number=number)


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
        shipments = ShipmentSerializer.prepare(Shipment.objects.of_order(order.pk))
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
        parcels = Shipment.objects.of_sub_orders(SubOrder.objects.filter(pk=sub_order.pk))
        shipments = ShipmentSerializer.prepare(parcels)
        return Response([represent(ShipmentSerializer, shipment, request) for shipment in shipments])
