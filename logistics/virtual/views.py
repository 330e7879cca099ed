"""The API's operations on codes for sale."""

from typing import Any

from django.db.models import Count
from django.db.models.query import QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from inventory.models import Sku
from logistics.models import CodeImport, VirtualCode, VirtualSupply
from logistics.virtual import stocking
from logistics.virtual.serializers import (
    STATES,
    CodeResultsSerializer,
    CodeStockSerializer,
    NewCodesSerializer,
    SupplyChangeSerializer,
)
from logistics.virtual.stocking import NewCode
from oms.common.door.api import etag, read_body, version_of
from oms.common.door.schema import ErrorsSerializer
from orders.api.results import shown
from orders.api.scoping import OrderScopedView


class SkuCodesView(OrderScopedView):
    """The codes for sale of one of the merchant's SKUs."""

    scopes = {"GET": "inventory.read", "POST": "inventory.write", "PATCH": "inventory.write"}
    checks_version = frozenset({"PATCH"})
    serializer_class = CodeStockSerializer
    lookup_field = "code"

    def get_queryset(self) -> QuerySet[Sku]:
        """The merchant's SKUs."""
        if getattr(self, "swagger_fake_view", False):
            return Sku.objects.none()
        return Sku.objects.visible_to(self.merchant)

    @extend_schema(
        operation_id="read_sku_codes",
        summary="Count the codes of a SKU",
        description="How many of the codes that were imported are for sale, sold, looked at, withdrawn or expired.",
        tags=["inventory"],
    )
    def get(self, request: Request, code: str) -> Response:
        """The figures."""
        return self._told(get_object_or_404(self.get_queryset(), code=code))

    @extend_schema(
        operation_id="import_sku_codes",
        summary="Import codes of a SKU",
        description=(
            "Up to 5,000 codes (card numbers, licence keys) of a virtual SKU of yours, each added or refused for"
            " itself. From the first on its units are its codes: each is sold once, and what is left is the stock."
            " Codes are kept encrypted and given back to nobody but their buyers."
        ),
        tags=["inventory"],
        request=NewCodesSerializer,
        responses={
            200: CodeResultsSerializer,
            409: OpenApiResponse(ErrorsSerializer, "The SKU is not virtual, or has units that are no codes."),
        },
    )
    def post(self, request: Request, code: str) -> Response:
        """Import them, code by code."""
        sku = get_object_or_404(self.get_queryset(), code=code)
        body = read_body(NewCodesSerializer, request).validated_data
        warehouse = stocking.warehouse_for(sku, body.get("warehouse", ""))
        new = [NewCode(row["code"], row.get("password", ""), row.get("valid_until")) for row in body["codes"]]
        came = stocking.import_codes(sku, warehouse, new, door=CodeImport.Door.API, actor=self.actor)
        results: list[dict[str, Any]] = []
        for index in range(len(new)):
            error = came.refused.get(index)
            told = {"status": "added"} if error is None else {"status": "refused", "errors": [shown(error)]}
            results.append({"index": index, **told})
        return Response({"added": came.added, "results": results})

    @extend_schema(
        operation_id="change_sku_codes",
        summary="Change what goes with the codes of a SKU",
        description="`alert_below` is where the alert line is, null for none; `instructions` are shown to the buyer.",
        tags=["inventory"],
        request=SupplyChangeSerializer,
        responses=CodeStockSerializer,
    )
    def patch(self, request: Request, code: str) -> Response:
        """Change it."""
        version = version_of(request)
        sku = get_object_or_404(self.get_queryset(), code=code)
        given = read_body(SupplyChangeSerializer, request).validated_data
        supply = stocking.begin(sku.pk)
        stocking.change_supply(
            supply.pk,
            alert_below=given.get("alert_below", supply.alert_below),
            instructions=given.get("instructions", supply.instructions),
            version=version,
        )
        return self._told(get_object_or_404(self.get_queryset(), code=code))

    def _told(self, sku: Sku) -> Response:
        supply = VirtualSupply.objects.filter(sku=sku).first() or VirtualSupply(sku=sku, version=1, instructions="")
        codes = VirtualCode.objects.filter(stock__sku=sku).order_by()
        counted = dict(codes.values_list("state").annotate(Count("id")))
        body = {
            "sku": sku.code,
            "sells_codes": sku.sells_codes,
            "version": supply.version,
            **{state: counted.get(state, 0) for state in STATES},
            "alert_below": supply.alert_below,
            "instructions": supply.instructions,
        }
        return Response(body, headers=etag(supply.version))
