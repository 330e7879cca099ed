"""The API's operations on sub-orders."""

from typing import Any

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from orders.api.filters import SubOrderFilter
from orders.api.places import SubOrdersNewestOrByChange
from orders.api.scoping import OrderScopedView
from orders.api.serializers.sub_orders import SubOrderSerializer
from orders.models import SubOrder


class SubOrdersView(OrderScopedView):
    """The sub-orders that the merchant fulfils."""

    whose = "merchant__code"
    scopes = {"GET": "orders.read"}
    has_sparse_fields = True
    serializer_class = SubOrderSerializer
    filter_backends = [DjangoFilterBackend]
    filterset_class = SubOrderFilter
    pagination_class = SubOrdersNewestOrByChange
    query_parameters = SubOrdersNewestOrByChange.query_parameters | SubOrderFilter.base_filters.keys()

    def get_queryset(self) -> QuerySet[SubOrder]:
        """What a page of the list is taken from."""
        return SubOrderSerializer.prepare(self.sub_orders())

    @extend_schema(
        operation_id="list_sub_orders",
        summary="List sub-orders to fulfil",
        description=(
            "The sub-orders that the merchant fulfils, whichever channel sold them, newest first: where they go, and"
            " the merchant's own lines and money."
        ),
        tags=["sub-orders"],
        responses=SubOrderSerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of sub-orders."""
        return self.page()


class SubOrderView(OrderScopedView):
    """One sub-order."""

    whose = "merchant__code"
    scopes = {"GET": "orders.read"}
    has_sparse_fields = True
    serializer_class = SubOrderSerializer

    def get_queryset(self) -> QuerySet[SubOrder]:
        """The sub-orders that the merchant fulfils, with all that is shown."""
        return SubOrderSerializer.prepare(self.sub_orders())

    @extend_schema(
        operation_id="read_sub_order",
        summary="Read a sub-order to fulfil",
        description="A sub-order that the merchant fulfils.",
        tags=["sub-orders"],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The sub-order."""
        return self.one()
