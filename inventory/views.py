"""The API's operations on SKUs."""

from typing import Any

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from inventory import selling
from inventory.filters import SkuFilter
from inventory.models import Sku
from inventory.serializers import NewSkuSerializer, SkuChangeSerializer, SkuSerializer
from oms.common.door.api import etag, read_body, represent, version_of
from oms.common.door.places import NewestOrByChange
from oms.common.door.schema import ErrorsSerializer
from oms.merchants.calls.views import MerchantView


class SkuScopedView(MerchantView):
    """A view on SKUs of the calling merchant."""

    whose = "merchant__code"
    serializer_class = SkuSerializer
    lookup_field = "code"
    has_sparse_fields = True

    def get_queryset(self) -> QuerySet[Sku]:
        """The merchant's SKUs."""
        return SkuSerializer.prepare(self.reach(Sku))


class SkusView(SkuScopedView):
    """The merchant's SKUs."""

    scopes = {"GET": "skus.read", "POST": "skus.write"}
    filter_backends = [DjangoFilterBackend]
    filterset_class = SkuFilter
    pagination_class = NewestOrByChange
    query_parameters = NewestOrByChange.query_parameters | SkuFilter.base_filters.keys()

    @extend_schema(
        operation_id="list_skus",
        summary="List SKUs",
        description="The merchant's own SKUs, newest first.",
        tags=["skus"],
        responses=SkuSerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of SKUs."""
        return self.page()

    @extend_schema(
        operation_id="create_sku",
        summary="Add a SKU",
        description="`code` is unique among the merchant's SKUs.",
        tags=["skus"],
        request=NewSkuSerializer,
        responses={201: SkuSerializer, 409: OpenApiResponse(ErrorsSerializer, "There is a SKU of that code.")},
        filters=False,
    )
    def post(self, request: Request) -> Response:
        """Add it."""
        body = read_body(NewSkuSerializer, request)
        sku = selling.add_sku(self.merchant, body.validated_data)
        return Response(represent(SkuSerializer, sku, request), status.HTTP_201_CREATED, headers=etag(sku.version))


class SkuView(SkuScopedView):
    """One SKU."""

    scopes = {"GET": "skus.read", "PATCH": "skus.write"}
    checks_version = frozenset({"PATCH"})

    @extend_schema(
        operation_id="read_sku", summary="Read a SKU", description="One of the merchant's own SKUs.", tags=["skus"]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The SKU."""
        return self.one()

    @extend_schema(
        operation_id="change_sku",
        summary="Change a SKU",
        description="Changes what is given. Orders keep the names and prices that they came with.",
        tags=["skus"],
        request=SkuChangeSerializer,
        responses=SkuSerializer,
    )
    def patch(self, request: Request, code: str) -> Response:
        """Change it."""
        version = version_of(request)
        sku = self.get_object()
        body = read_body(SkuChangeSerializer, request)
        sku = selling.change_sku(sku.pk, body.validated_data, version=version)
        return Response(represent(SkuSerializer, sku, request), headers=etag(sku.version))
