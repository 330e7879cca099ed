"""The API's operations on purchase orders and on what came of them."""

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_serializer
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from inventory import hosting, purchase_arrivals, purchasing
from inventory.models import PurchaseOrder, PurchaseOrderLine, PurchaseState, Quality, Receipt, Warehouse
from inventory.models.lots import MOST_OF_A_LOT
from inventory.models.purchasing import MOST_UNITS_OF_A_LINE
from inventory.models.serials import MOST_OF_A_SERIAL
from inventory.purchasing import Bought, Unloaded
from oms.common.door.api import LineField, NewestFirst, etag, read_body, represent
from oms.common.door.schema import ErrorsSerializer
from oms.common.errors import FieldError, WrongFields
from oms.merchants.calls.views import MerchantView

MOST_LINES = 1_000
MOST_SERIALS = 1_000
_PURCHASE = {
    "number": "PO-2026-118",
    "url": "https://oms.example/api/v1/purchase-orders/PO-2026-118",
    "version": 1,
    "warehouse": "POP01-WH",
    "supplier": "Dairy Ltd",
    "expected_on": "2027-12-01",
    "state": "open",
    "created_at": "2026-11-26T02:00:00Z",
    "lines": [{"sku": "P1095275", "quantity": 40, "received": 12, "expected_on": None}],
}
_NEW = {
    "number": "PO-2026-118",
    "warehouse": "POP01-WH",
    "supplier": "Dairy Ltd",
    "expected_on": "2027-12-01",
    "lines": [{"sku": "P1095275", "quantity": 40}],
}
_CAME = {
    "reference": "GRN-7731",
    "lines": [
        {"sku": "P1095275", "quantity": 11, "lot": "B7", "best_before": "2027-03-01"},
        {"sku": "6901234567892", "quantity": 1, "quality": "damaged"},
    ],
}


class BoughtLineSerializer(serializers.ModelSerializer):
    """Units of a SKU that were bought."""

    sku = serializers.CharField(source="sku.code")

    class Meta:
        model = PurchaseOrderLine
        fields = ["sku", "quantity", "received", "expected_on"]


@extend_schema_serializer(examples=[OpenApiExample("A purchase order", _PURCHASE, response_only=True)])
class PurchaseOrderSerializer(serializers.ModelSerializer):
    """Goods that a supplier sends to a warehouse."""

    url = serializers.SerializerMethodField()
    warehouse = serializers.CharField(source="warehouse.code")
    state = serializers.ChoiceField(PurchaseState.choices)
    lines = BoughtLineSerializer(many=True)

    class Meta:
        model = PurchaseOrder
        fields = list(_PURCHASE)

    def get_url(self, order: PurchaseOrder) -> str:
        """The address of the purchase order."""
        return reverse("api:purchase-order", [order.number], request=self.context["request"])


class NewBoughtLineSerializer(serializers.Serializer):
    """Units of a SKU that were bought."""

    sku = LineField(max_length=64)
    quantity = serializers.IntegerField(min_value=1, max_value=MOST_UNITS_OF_A_LINE)
    expected_on = serializers.DateField(
        required=False, allow_null=True, help_text="Where it is another day than the purchase order's."
    )


@extend_schema_serializer(examples=[OpenApiExample("A purchase order", _NEW, request_only=True)])
class NewPurchaseOrderSerializer(serializers.Serializer):
    """What was bought. The same number with the same contents again changes nothing."""

    number = serializers.RegexField(
        r"^[0-9A-Za-z][0-9A-Za-z._:#-]{0,39}\Z", max_length=40, help_text="Unique among the merchant's."
    )
    warehouse = LineField(max_length=32, help_text="One of the merchant's own, or one that keeps its goods.")
    supplier = LineField(max_length=120, required=False, allow_blank=True)
    expected_on = serializers.DateField(required=False, allow_null=True)
    is_draft = serializers.BooleanField(
        default=False, help_text="Nothing of a draft is expected or promised before it is approved."
    )
    lines = NewBoughtLineSerializer(many=True, allow_empty=False, max_length=MOST_LINES)


@extend_schema_serializer(
    examples=[OpenApiExample("From whom and when", {"supplier": "Dairy Ltd", "expected_on": "2027-12-01"})]
)
class ApprovedPurchaseSerializer(serializers.Serializer):
    """From whom a draft is bought, and when all of it should come."""

    supplier = LineField(max_length=120)
    expected_on = serializers.DateField()


class UnloadedLineSerializer(serializers.Serializer):
    """Units that came, of one quality and batch."""

    sku = LineField(max_length=64, help_text="SKU code or barcode.")
    quantity = serializers.IntegerField(min_value=1, max_value=MOST_UNITS_OF_A_LINE)
    quality = serializers.ChoiceField(Quality.choices, required=False, default=Quality.GOOD)
    lot = LineField(
        max_length=MOST_OF_A_LOT, required=False, allow_blank=True, help_text="Batch, where the SKU wants batches."
    )
    best_before = serializers.DateField(required=False, allow_null=True)
    serials = serializers.ListField(
        child=LineField(max_length=MOST_OF_A_SERIAL),
        required=False,
        max_length=MOST_SERIALS,
        help_text="Of SKUs that have serial numbers: one for each unit.",
    )


@extend_schema_serializer(examples=[OpenApiExample("What came", _CAME, request_only=True)])
class NewReceiptSerializer(serializers.Serializer):
    """What came. Told again by the same reference it is booked no second time."""

    reference = LineField(max_length=64, help_text="Unique at the warehouse.")
    note = LineField(max_length=200, required=False, allow_blank=True)
    lines = UnloadedLineSerializer(many=True, allow_empty=False, max_length=MOST_LINES)


class PurchaseScopedView(MerchantView):
    """A view on purchase orders of the calling merchant."""

    serializer_class = PurchaseOrderSerializer
    lookup_field = "number"

    def get_queryset(self) -> QuerySet[PurchaseOrder]:
        """The merchant's purchase orders."""
        if getattr(self, "swagger_fake_view", False):
            return PurchaseOrder.objects.none()
        mine = PurchaseOrder.objects.filter(merchant=self.merchant)
        return mine.select_related("warehouse").prefetch_related("lines__sku")

    def shown(self, order: PurchaseOrder, request: Request, code: int = status.HTTP_200_OK) -> Response:
        """The purchase order as it is now."""
        found = self.get_queryset().get(pk=order.pk)
        return Response(represent(PurchaseOrderSerializer, found, request), code, headers=etag(found.version))


class PurchaseOrdersView(PurchaseScopedView):
    """The merchant's purchase orders."""

    scopes = {"GET": "inventory.read", "POST": "inventory.write"}
    pagination_class = NewestFirst
    query_parameters = NewestFirst.query_parameters

    @extend_schema(
        operation_id="list_purchase_orders",
        summary="List purchase orders",
        description="Goods that suppliers send, newest first, with what came of them.",
        tags=["inventory"],
        responses=PurchaseOrderSerializer(many=True),
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of purchase orders."""
        return self.page()

    @extend_schema(
        operation_id="create_purchase_order",
        summary="Add a purchase order",
        description="What is open of it counts as on order; quotes promise it by its days where nobody has the goods.",
        tags=["inventory"],
        request=NewPurchaseOrderSerializer,
        responses={201: PurchaseOrderSerializer, 409: OpenApiResponse(ErrorsSerializer, "The number is taken.")},
    )
    def post(self, request: Request) -> Response:
        """Note what was bought."""
        body = read_body(NewPurchaseOrderSerializer, request).validated_data
        order = purchasing.order(
            self.merchant,
            body["number"],
            self._warehouse(body["warehouse"]),
            [Bought(line["sku"], line["quantity"], line.get("expected_on")) for line in body["lines"]],
            supplier=body.get("supplier", ""),
            expected_on=body.get("expected_on"),
            is_draft=body["is_draft"],
            actor=self.merchant.code,
        )
        return self.shown(order, request, status.HTTP_201_CREATED)

    def _warehouse(self, code: str) -> Warehouse:
        found = hosting.hosts(self.merchant).filter(code=code).first()
        if found is None:
            detail = _("You have no warehouse %(code)s.") % {"code": code}
            raise WrongFields([FieldError("warehouse", "not_found", detail)])
        return found


class PurchaseOrderView(PurchaseScopedView):
    """One purchase order."""

    scopes = {"GET": "inventory.read"}

    @extend_schema(
        operation_id="read_purchase_order",
        summary="Read a purchase order",
        description="With what came of each line.",
        tags=["inventory"],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The purchase order."""
        return self.one()


class PurchaseApprovalView(PurchaseScopedView):
    """Buying what a draft says."""

    scopes = {"POST": "inventory.write"}

    @extend_schema(
        operation_id="approve_purchase_order",
        summary="Approve a draft",
        description="Drafts are what was suggested; from now on the goods are expected on the day, and promised.",
        tags=["inventory"],
        request=ApprovedPurchaseSerializer,
        responses={200: PurchaseOrderSerializer, 409: OpenApiResponse(ErrorsSerializer, "It is no draft.")},
    )
    def post(self, request: Request, number: str) -> Response:
        """Buy it."""
        order = self.get_object()
        body = read_body(ApprovedPurchaseSerializer, request).validated_data
        approved = purchasing.approve(order.pk, **body, actor=self.merchant.code)
        return self.shown(approved, request)


class ReceiptsView(PurchaseScopedView):
    """What came of a purchase order."""

    scopes = {"POST": "inventory.write"}

    @extend_schema(
        operation_id="create_receipt",
        summary="Book what came",
        description=(
            "More, fewer, damaged or other units than were bought are booked as they came, in the merchant's own"
            " warehouses. Told again by the same `reference` they are booked no second time. An order of which all came"
            " is closed."
        ),
        tags=["inventory"],
        request=NewReceiptSerializer,
        responses={201: PurchaseOrderSerializer, 409: OpenApiResponse(ErrorsSerializer, "The reference is taken.")},
    )
    def post(self, request: Request, number: str) -> Response:
        """Book it."""
        order = self.get_object()
        body = read_body(NewReceiptSerializer, request).validated_data
        if order.warehouse.merchant_id != self.merchant.pk:
            raise purchasing.NotExpected(_("Who keeps the goods books what came."), attr="number")
        self._book(order, body)
        return self.shown(order, request, status.HTTP_201_CREATED)

    def _book(self, order: PurchaseOrder, body: dict[str, Any]) -> Receipt:
        unloaded = [
            Unloaded(
                line["sku"],
                line["quantity"],
                line["quality"],
                line.get("lot", ""),
                line.get("best_before"),
                line.get("serials", ()),
            )
            for line in body["lines"]
        ]
        return purchase_arrivals.receive_goods(
            order.warehouse,
            unloaded,
            reference=body["reference"],
            actor=self.merchant.code,
            merchant=self.merchant,
            purchase_order=order,
            note=body.get("note", ""),
        )
