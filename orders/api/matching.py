"""SKU matching: the codes that orders wait for, and what codes of the merchant's channels stand for."""

from typing import Any

from django.db.models import Prefetch, QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from oms.common.door.api import NewestFirst, read_body, represent
from oms.common.door.errors import InvalidInput
from orders.api.filters import SkuMatchFilter
from orders.api.scoping import OrderScopedView
from orders.api.serializers.matching import (
    MATCH,
    UNMATCHED,
    NewMatchSerializer,
    SkuMatchSerializer,
    UnmatchedCodeSerializer,
)
from orders.matching import matches
from orders.matching.matches import NewComponent, NewMatch
from orders.matching.queue import queue_of
from orders.models import MatchComponent, SkuMatch
from orders.models.sku_match import SkuMatchQuerySet


class _CodesView(OrderScopedView):
    """A list of codes of the merchant's channels."""

    scopes = {"GET": "skus.read"}
    has_sparse_fields = True
    filter_backends = [DjangoFilterBackend]
    filterset_class = SkuMatchFilter
    pagination_class = NewestFirst
    query_parameters = NewestFirst.query_parameters | SkuMatchFilter.base_filters.keys()


class UnmatchedCodesView(_CodesView):
    """The codes that orders of the merchant wait for."""

    serializer_class = UnmatchedCodeSerializer

    def get_queryset(self) -> QuerySet[SkuMatch]:
        """What a page of the list is taken from."""
        return self.sku_matches().waited_for().select_related("channel")

    @extend_schema(
        operation_id="list_unmatched_codes",
        summary="List codes that orders wait for",
        description=(
            "Codes of goods that came with orders of a channel that matches SKUs, and that nobody has matched, or to"
            " what does not serve the orders; newest first. Their orders are held until they are matched."
        ),
        tags=["SKU matches"],
        examples=[OpenApiExample("A code", UNMATCHED, response_only=True)],
        responses=UnmatchedCodeSerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of codes."""
        rows: Any = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        queued = queue_of([row.pk for row in rows])
        for row in rows:
            row.queued = queued.get(row.pk)
        # Between the two statements the last order may have gone on.
        shown = [represent(self.serializer_class, row, request) for row in rows if row.queued]
        return self.get_paginated_response(shown)


class SkuMatchesView(_CodesView):
    """What the codes of the merchant's channels stand for."""

    serializer_class = SkuMatchSerializer

    def get_queryset(self) -> QuerySet[SkuMatch]:
        """What a page of the list is taken from."""
        return _shown(self.sku_matches().matched())

    @extend_schema(
        operation_id="list_sku_matches",
        summary="List SKU matches",
        description="What codes of the merchant's channels stand for, newest first.",
        tags=["SKU matches"],
        examples=[OpenApiExample("A match", MATCH, response_only=True)],
        responses=SkuMatchSerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of matches."""
        return self.page()


class SkuMatchView(OrderScopedView):
    """What one code of a channel stands for."""

    scopes = {"GET": "skus.read", "PUT": "skus.write", "DELETE": "skus.write"}
    has_sparse_fields = True
    serializer_class = SkuMatchSerializer

    def get_object(self) -> SkuMatch:
        """Raises Http404."""
        found = _shown(self.sku_matches().matched())
        return get_object_or_404(found, channel__code=self.kwargs["channel"], code=self.kwargs["code"])

    @extend_schema(
        operation_id="read_sku_match",
        summary="Read a SKU match",
        description="What one code of a channel stands for.",
        tags=["SKU matches"],
        examples=[OpenApiExample("A match", MATCH, response_only=True)],
    )
    def get(self, request: Request, channel: str, code: str) -> Response:
        """The match."""
        return self.one()

    @extend_schema(
        operation_id="put_sku_match",
        summary="Say what a code stands for",
        description=(
            "One SKU in so many units, or several: a bundle. New orders of the channel have it at once; those that wait"
            " for this code and no other go on a moment later. Orders that went on before stay as they are."
        ),
        tags=["SKU matches"],
        request=NewMatchSerializer,
        examples=[OpenApiExample("A match", MATCH, response_only=True)],
        responses=SkuMatchSerializer,
    )
    def put(self, request: Request, channel: str, code: str) -> Response:
        """Match it."""
        own = get_object_or_404(self.merchant.channels, code=channel)
        body = read_body(NewMatchSerializer, request)
        components = tuple(
            NewComponent(row["sku"], row.get("merchant", ""), row.get("units", 1), row.get("weight"))
            for row in body.validated_data["components"]
        )
        made = matches.put(self.merchant, NewMatch(own.code, code, components), actor=self.actor)
        if not isinstance(made, SkuMatch):
            raise InvalidInput(made)
        return Response(represent(SkuMatchSerializer, self.get_object(), request))

    @extend_schema(
        operation_id="delete_sku_match",
        summary="Let a code stand for nothing",
        description="Orders that went on by it stay as they are; new ones with the code wait.",
        tags=["SKU matches"],
        responses={204: OpenApiResponse(description="It stands for nothing now.")},
    )
    def delete(self, request: Request, channel: str, code: str) -> Response:
        """Take it away."""
        matches.forget(self.get_object().pk)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _shown(found: SkuMatchQuerySet) -> QuerySet[SkuMatch]:
    """With all that is shown, in two statements."""
    components = MatchComponent.objects.select_related("sku__merchant").order_by("pk")
    return found.with_sellable().select_related("channel").prefetch_related(Prefetch("components", components))
