"""The API's operations on transfers between warehouses that keep the merchant's goods."""

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django_filters import CharFilter, ChoiceFilter
from django_filters.rest_framework import DjangoFilterBackend, FilterSet
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_serializer
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from inventory import hosting, purchasing, transferring
from inventory.models import Transfer, TransferLine, TransferState, Warehouse
from inventory.models.purchasing import MOST_UNITS_OF_A_LINE
from inventory.transferring import Moved
from oms.common.door.api import LineField, NewestFirst, etag, read_body, represent, version_of
from oms.common.door.schema import ErrorsSerializer
from oms.common.errors import FieldError, WrongFields
from oms.merchants.calls.views import MerchantView

MOST_LINES = 1_000
_NEW = {
    "reference": "TR-2026-31",
    "source": "POP01-WH",
    "target": "POP01-WH2",
    "note": "For the sale in December",
    "lines": [{"sku": "P1095275", "quantity": 40}],
}
_TRANSFER = {
    "reference": "TR-2026-31",
    "url": "https://oms.example/api/v1/transfers/TR-2026-31",
    "version": 3,
    "source": "POP01-WH",
    "target": "POP01-WH2",
    "state": "shipped",
    "note": "For the sale in December",
    "expected_on": "2026-11-29",
    "created_at": "2026-11-26T02:00:00Z",
    "lines": [{"sku": "P1095275", "quantity": 40, "shipped": 40, "received": 0}],
}


class MovedLineSerializer(serializers.ModelSerializer):
    """Units of a SKU that are moved: how many were wanted, left, and arrived."""

    sku = serializers.CharField(source="sku.code")

    class Meta:
        model = TransferLine
        fields = ["sku", "quantity", "shipped", "received"]


@extend_schema_serializer(examples=[OpenApiExample("A transfer", _TRANSFER, response_only=True)])
class TransferSerializer(serializers.ModelSerializer):
    """Goods that go from one warehouse to another."""

    url = serializers.SerializerMethodField()
    source = serializers.CharField(source="source.code")
    target = serializers.CharField(source="target.code")
    state = serializers.ChoiceField(TransferState.choices)
    lines = MovedLineSerializer(many=True)

    class Meta:
        model = Transfer
        fields = list(_TRANSFER)

    def get_url(self, transfer: Transfer) -> str:
        """The address of the transfer."""
        return reverse("api:transfer", [transfer.reference], request=self.context["request"])


class NewMovedLineSerializer(serializers.Serializer):
    """Units of a SKU that are to be moved."""

    sku = LineField(max_length=64, help_text="SKU code or barcode.")
    quantity = serializers.IntegerField(min_value=1, max_value=MOST_UNITS_OF_A_LINE)


@extend_schema_serializer(examples=[OpenApiExample("A transfer", _NEW, request_only=True)])
class NewTransferSerializer(serializers.Serializer):
    """What is to be moved. The same reference with the same contents again changes nothing."""

    reference = serializers.RegexField(
        r"^[0-9A-Za-z][0-9A-Za-z._:#-]{0,63}\Z", max_length=64, help_text="Unique among the merchant's."
    )
    source = LineField(max_length=32, help_text="One of the merchant's own, or one that keeps its goods.")
    target = LineField(max_length=32, help_text="Another of these.")
    note = LineField(max_length=200, required=False, allow_blank=True)
    expected_on = serializers.DateField(
        required=False, allow_null=True, help_text="When it should arrive; else the day of its lane, once it is sent."
    )
    lines = NewMovedLineSerializer(many=True, allow_empty=False, max_length=MOST_LINES)


class TransferReasonSerializer(serializers.Serializer):
    """Why it is called off."""

    reason = LineField(max_length=200)


class TransferFilter(FilterSet):
    """Narrows the list of transfers."""

    sku = CharFilter("lines__sku__code", max_length=64)
    source = CharFilter("source__code", max_length=32)
    target = CharFilter("target__code", max_length=32)
    state = ChoiceFilter(choices=TransferState.choices)

    class Meta:
        model = Transfer
        fields: list[str] = []


class _TransferScopedView(MerchantView):
    """A view on transfers of the calling merchant's goods."""

    serializer_class = TransferSerializer
    lookup_field = "reference"

    def get_queryset(self) -> QuerySet[Transfer]:
        """Transfers of the merchant's goods."""
        if getattr(self, "swagger_fake_view", False):
            return Transfer.objects.none()
        mine = Transfer.objects.filter(merchant=self.merchant)
        return mine.select_related("source", "target").prefetch_related("lines__sku")

    def shown(self, transfer: Transfer, request: Request, code: int = status.HTTP_200_OK) -> Response:
        """The transfer as it is now."""
        found = self.get_queryset().get(pk=transfer.pk)
        return Response(represent(TransferSerializer, found, request), code, headers=etag(found.version))


class TransfersView(_TransferScopedView):
    """Transfers of the merchant's goods."""

    scopes = {"GET": "inventory.read", "POST": "inventory.write"}
    filter_backends = [DjangoFilterBackend]
    filterset_class = TransferFilter
    pagination_class = NewestFirst
    query_parameters = NewestFirst.query_parameters | TransferFilter.base_filters.keys()

    @extend_schema(
        operation_id="list_transfers",
        summary="List transfers",
        description="Goods that go from one warehouse to another, newest first, with what left and what arrived.",
        tags=["inventory"],
        responses=TransferSerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of transfers."""
        return self.page()

    @extend_schema(
        operation_id="create_transfer",
        summary="Ask for a transfer",
        description=(
            "Between two warehouses that keep your goods. It is a draft until our staff approve it: then the units are"
            " set aside at the source, and leave it when they are sent."
        ),
        tags=["inventory"],
        request=NewTransferSerializer,
        responses={201: TransferSerializer, 409: OpenApiResponse(ErrorsSerializer, "The reference is taken.")},
        filters=False,
    )
    def post(self, request: Request) -> Response:
        """Write it down."""
        body = read_body(NewTransferSerializer, request).validated_data
        source, target = self._warehouse("source", body["source"]), self._warehouse("target", body["target"])
        transfer = transferring.draft(
            source,
            target,
            self._lines(body["lines"]),
            actor=self.merchant.code,
            note=body.get("note", ""),
            reference=body["reference"],
            expected_on=body.get("expected_on"),
        )
        return self.shown(transfer, request, status.HTTP_201_CREATED)

    def _warehouse(self, attr: str, code: str) -> Warehouse:
        found = hosting.hosts(self.merchant).filter(code=code).first()
        if found is None:
            detail = _("You have no warehouse %(code)s.") % {"code": code}
            raise WrongFields([FieldError(attr, "not_found", detail)])
        return found

    def _lines(self, lines: list[dict[str, Any]]) -> list[Moved]:
        known = purchasing.by_code_or_barcode(self.merchant, {line["sku"] for line in lines})
        unknown = [row for row, line in enumerate(lines) if line["sku"] not in known]
        if unknown:
            raise WrongFields([purchasing.unknown_sku(row, lines[row]["sku"]) for row in unknown])
        return [Moved(known[line["sku"]], line["quantity"]) for line in lines]


class TransferView(_TransferScopedView):
    """One transfer."""

    scopes = {"GET": "inventory.read"}

    @extend_schema(
        operation_id="read_transfer",
        summary="Read a transfer",
        description="With what left and what arrived of each line.",
        tags=["inventory"],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The transfer."""
        return self.one()


class TransferCancelView(_TransferScopedView):
    """The end of a transfer before anything left."""

    scopes = {"POST": "inventory.write"}
    checks_version = frozenset({"POST"})

    @extend_schema(
        operation_id="cancel_transfer",
        summary="Cancel a transfer",
        description="Before anything left; what is set aside for it goes back.",
        tags=["inventory"],
        request=TransferReasonSerializer,
        responses={200: TransferSerializer, 409: OpenApiResponse(ErrorsSerializer, "It left, or is over.")},
    )
    def post(self, request: Request, reference: str) -> Response:
        """Call it off."""
        version = version_of(request)
        transfer = self.get_object()
        reason = read_body(TransferReasonSerializer, request).validated_data["reason"]
        ended = transferring.cancel(transfer.pk, actor=self.merchant.code, reason=reason, version=version)
        return self.shown(ended, request)
