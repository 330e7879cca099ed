"""The API's operations by which merchants help themselves: who they are, warehouses, what left these, answers."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from inventory.models import Region, Warehouse
from logistics.by_merchant import answering, opening, shipping, showing, works
from logistics.by_merchant.opening import NewWarehouse
from logistics.by_merchant.reported import Leaving
from logistics.by_merchant.serializers import (
    CarrierSerializer,
    ChannelSerializer,
    MeSerializer,
    NewWarehouseSerializer,
    RegionSerializer,
    RegionWishSerializer,
    ReportedParcelSerializer,
    ReportResultsSerializer,
    ReportSerializer,
    StopAnswerSerializer,
    WarehouseChangeSerializer,
    WarehouseSerializer,
    WorkSerializer,
)
from logistics.models import Carrier, WarehouseOrder
from oms.common.door.api import NewestFirst, read_body, represent
from oms.common.door.rows import as_written, read_rows
from oms.merchants.models import Channel
from orders.api.results import shown
from orders.api.scoping import OrderScopedView


class MeView(OrderScopedView):
    """Who calls."""

    scopes = {"GET": "orders.read"}
    serializer_class = MeSerializer

    @extend_schema(
        operation_id="read_me",
        summary="Read who calls",
        description="The merchant and the credential of the call, with what it may: a first call to try a key with.",
        tags=["self-service"],
    )
    def get(self, request: Request) -> Response:
        """The merchant and its credential."""
        merchant, credential = self.merchant, self.caller.credential
        channels = Channel.objects.filter(merchant=merchant, is_active=True).order_by("code")
        answer = {
            "merchant": merchant.code,
            "name": merchant.name,
            "kind": merchant.kind,
            "is_test": merchant.is_sandbox,
            "status": merchant.status,
            "credential": credential.name,
            "scopes": list(credential.scopes),
            "allowed_networks": [str(network) for network in credential.allowed_networks or ()],
            "channels": list(channels.values_list("code", flat=True)),
            "warehouses": list(merchant.warehouses.order_by("code").values_list("code", flat=True)),
            "server_time": timezone.now(),
        }
        return Response(represent(MeSerializer, answer, request))


class WarehousesView(OrderScopedView):
    """The merchant's own warehouses."""

    scopes = {"GET": "inventory.read", "POST": "inventory.write"}
    serializer_class = WarehouseSerializer
    pagination_class = NewestFirst
    query_parameters = NewestFirst.query_parameters

    def get_queryset(self) -> QuerySet[Warehouse]:
        """What a page of the list is taken from."""
        if getattr(self, "swagger_fake_view", False):
            return Warehouse.objects.none()
        return Warehouse.objects.filter(merchant=self.merchant).select_related("connection")

    @extend_schema(
        operation_id="list_warehouses",
        summary="List warehouses",
        description="The merchant's own warehouses, newest first.",
        tags=["self-service"],
        responses=WarehouseSerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of warehouses."""
        return self.page()

    @extend_schema(
        operation_id="open_warehouse",
        summary="Open a warehouse",
        description=(
            "A warehouse that you run: what it is to send stands in `GET /warehouse-orders`, what left is told by"
            " `POST /shipping-reports`. The region is read from the address."
        ),
        tags=["self-service"],
        request=NewWarehouseSerializer,
        responses={201: WarehouseSerializer},
        filters=False,
    )
    def post(self, request: Request) -> Response:
        """Open it."""
        body = read_body(NewWarehouseSerializer, request)
        made = opening.open_warehouse(self.merchant, NewWarehouse(**body.validated_data))
        return Response(represent(WarehouseSerializer, made, request), status.HTTP_201_CREATED)


class WarehouseView(OrderScopedView):
    """One of the merchant's own warehouses."""

    scopes = {"GET": "inventory.read", "PATCH": "inventory.write"}
    serializer_class = WarehouseSerializer
    lookup_field = "code"

    def get_queryset(self) -> QuerySet[Warehouse]:
        """The merchant's."""
        return Warehouse.objects.filter(merchant=self.merchant).select_related("connection")

    @extend_schema(
        operation_id="read_warehouse",
        summary="Read a warehouse",
        description="One of the merchant's own warehouses.",
        tags=["self-service"],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The warehouse."""
        return self.one()

    @extend_schema(
        operation_id="change_warehouse",
        summary="Change a warehouse",
        description=(
            "Changes what is given. New orders and promises go by it at once; what was promised and sent before stays."
        ),
        tags=["self-service"],
        request=WarehouseChangeSerializer,
        responses=WarehouseSerializer,
    )
    def patch(self, request: Request, code: str) -> Response:
        """Change it."""
        warehouse = self.get_object()
        body = read_body(WarehouseChangeSerializer, request)
        changed = opening.change_warehouse(self.merchant, warehouse.pk, body.validated_data)
        return Response(represent(WarehouseSerializer, changed, request))


class ChannelsView(OrderScopedView):
    """The merchant's channels."""

    scopes = {"GET": "orders.read"}
    serializer_class = ChannelSerializer
    pagination_class = NewestFirst
    query_parameters = NewestFirst.query_parameters

    def get_queryset(self) -> QuerySet[Channel]:
        """What a page of the list is taken from."""
        if getattr(self, "swagger_fake_view", False):
            return Channel.objects.none()
        return Channel.objects.filter(merchant=self.merchant)

    @extend_schema(
        operation_id="list_channels",
        summary="List channels",
        description="Where the merchant's orders come from, newest first: their codes are the `source` of orders.",
        tags=["self-service"],
        responses=ChannelSerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of channels."""
        return self.page()


class CarriersView(OrderScopedView):
    """The carriers that can be named."""

    scopes = {"GET": "shipments.read"}
    serializer_class = CarrierSerializer
    pagination_class = NewestFirst
    query_parameters = NewestFirst.query_parameters

    def get_queryset(self) -> QuerySet[Carrier]:
        """What a page of the list is taken from."""
        return showing.carriers_of(self.merchant)

    @extend_schema(
        operation_id="list_carriers",
        summary="List carriers",
        description="Every carrier with the code by which orders and shipping reports name it.",
        tags=["self-service"],
        responses=CarrierSerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of carriers."""
        return self.page()


class RegionsView(OrderScopedView):
    """The divisions of China."""

    scopes = {"GET": "orders.read"}
    serializer_class = RegionSerializer
    query_parameters = frozenset({"province", "city"})

    @extend_schema(
        operation_id="list_regions",
        summary="List regions",
        description="The county-level divisions (GB/T 2260) with the codes that orders name, all in one answer.",
        tags=["self-service"],
        parameters=[
            OpenApiParameter("province", str, description="Its whole name, such as 上海市."),
            OpenApiParameter("city", str, description="Its whole name."),
        ],
        responses=RegionSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """Those of the province and city, or all."""
        wish = RegionWishSerializer(data=request.query_params)
        wish.is_valid(raise_exception=True)
        rows = Region.objects.filter(**wish.validated_data).order_by("code")
        return Response([represent(RegionSerializer, row, request) for row in rows])


class WorksView(OrderScopedView):
    """What the merchant's own warehouses are to send."""

    scopes = {"GET": "shipments.read"}
    serializer_class = WorkSerializer
    pagination_class = NewestFirst
    query_parameters = NewestFirst.query_parameters | {"which"}

    def get_queryset(self) -> QuerySet[WarehouseOrder]:
        """What a page of the list is taken from."""
        if getattr(self, "swagger_fake_view", False):
            return WarehouseOrder.objects.none()
        find = {"to_ship": works.to_ship, "to_answer": works.to_answer}.get(
            self.request.query_params.get("which", "all"), works.of
        )
        return WorkSerializer.prepare(find(self.merchant))

    @extend_schema(
        operation_id="list_warehouse_orders",
        summary="List what is to be shipped",
        description=(
            "What your own warehouses were asked to send, newest first. `which=to_ship`: of which something is still"
            " here; `which=to_answer`: which are to be stopped, and wait for your answer."
        ),
        tags=["self-service"],
        parameters=[OpenApiParameter("which", str, enum=["all", "to_ship", "to_answer"], default="all")],
        responses=WorkSerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page."""
        return self.page()


class ReportsView(OrderScopedView):
    """What left the merchant's own warehouses."""

    scopes = {"POST": "shipments.write"}
    serializer_class = ReportResultsSerializer

    @extend_schema(
        operation_id="report_shipping",
        summary="Report parcels that left",
        description=(
            f"Up to {shipping.MOST_AT_ONCE} parcels of your own warehouses, each taken or refused for itself; the"
            " parcels of one order go together. A waybill that is another parcel's, an order that is not yours, that"
            " left already, or that something speaks against (a hold, a cancellation, a refund) is refused. What was"
            " reported before, word for word, is `known`."
        ),
        tags=["self-service"],
        request=ReportSerializer,
        responses=ReportResultsSerializer,
    )
    def post(self, request: Request) -> Response:
        """Report them, row by row."""
        body, read = read_rows(ReportSerializer, "parcels", request)
        leaving = [_leaving(row) for row in read if isinstance(row, dict)]
        all_the_same = body.get("left_already", False)
        came = iter(shipping.ship(self.merchant, leaving, actor=self.actor, all_the_same=all_the_same))
        results = []
        for index, (row, written) in enumerate(zip(read, body["parcels"], strict=True)):
            result: dict[str, Any] = {"index": index, **as_written(written, "number", "waybill")}
            outcome = next(came) if isinstance(row, dict) else None
            errors = outcome.errors if outcome else row
            if isinstance(errors, list) and errors:
                result |= {"status": "refused", "errors": [shown(error) for error in errors]}
            else:
                result["status"] = "known" if outcome and outcome.is_known else "shipped"
            results.append(result)
        return Response({"results": results})


def _leaving(row: dict[str, Any]) -> Leaving:
    units: dict[str, int] = {}
    serials: dict[str, list[str]] = {}
    for line in row.get("lines", ()):
        units[line["sku"]] = units.get(line["sku"], 0) + line["quantity"]
        serials.setdefault(line["sku"], []).extend(line.get("serials", ()))
    said = {name: row[name] for name in ReportedParcelSerializer().fields if name in row and name != "lines"}
    return Leaving(**{**said, "units": units, "serials": {sku: told for sku, told in serials.items() if told}})


class StopAnswerView(OrderScopedView):
    """Whether what is to be stopped stays."""

    scopes = {"POST": "shipments.write"}

    @extend_schema(
        operation_id="answer_stop",
        summary="Answer a request to stop",
        description=(
            "The order was cancelled after your warehouse was asked to send it: say whether the goods stay. 409"
            " `not_asked` where it is not to be stopped, or is answered."
        ),
        tags=["self-service"],
        request=StopAnswerSerializer,
        responses={204: None},
    )
    def post(self, request: Request, number: str) -> Response:
        """Answer."""
        get_object_or_404(works.of(self.merchant).only("pk"), number=number)
        body = read_body(StopAnswerSerializer, request).validated_data
        said = {"is_stopped": body["is_stopped"], "text": body.get("text", ""), "actor": self.actor}
        answering.answer_stop(self.merchant, number, **said)
        return Response(status=status.HTTP_204_NO_CONTENT)
