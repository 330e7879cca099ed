"""What sub-orders are promised: by when, and what became of it."""

from typing import Any

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from oms.common.door.places import NewestOrByChange
from orders.api.filters import PromiseFilter
from orders.api.scoping import OrderScopedView
from orders.api.serializers.promises import PROMISE, PromiseSerializer
from orders.models import DeliveryPromise


class PromisesView(OrderScopedView):
    """The promises of the sub-orders that the merchant fulfils."""

    scopes = {"GET": "orders.read"}
    has_sparse_fields = True
    serializer_class = PromiseSerializer
    pagination_class = NewestOrByChange
    filter_backends = [DjangoFilterBackend]
    filterset_class = PromiseFilter
    query_parameters = NewestOrByChange.query_parameters | PromiseFilter.base_filters.keys()

    def get_queryset(self) -> QuerySet[DeliveryPromise]:
        """What a page of the list is taken from."""
        return self.delivery_promises().select_related("order", "sub_order", "warehouse")

    @extend_schema(
        operation_id="list_promises",
        summary="List promises",
        description=(
            "By when sub-orders that the merchant fulfils are promised, newest first; of one `sub_order` where that is"
            " named. A promise is made when the warehouse is chosen. Another address or warehouse makes the next one of"
            " the sub-order, and the former is current no more. With `updated_since` in the order of the changes: made,"
            " at risk, kept or broken."
        ),
        tags=["promise"],
        examples=[OpenApiExample("A promise", PROMISE, response_only=True)],
        responses=PromiseSerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of promises."""
        return self.page()
