"""The API's operations on returns: ask for one, see what becomes of it, decide on it."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django_filters import CharFilter, ChoiceFilter
from django_filters.rest_framework import DjangoFilterBackend, FilterSet
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from oms.common.door.api import etag, read_body, represent, version_of
from oms.common.door.errors import InvalidInput
from oms.common.door.places import NewestOrByChange
from oms.common.door.schema import ErrorsSerializer
from oms.common.errors import FieldError, OmsError
from orders.api.naming import gifts_that_followed
from orders.api.scoping import OrderScopedView
from orders.api.serializers.returns import (
    DecisionSerializer,
    EscalationSerializer,
    ReturnRequestSerializer,
    ReturnSerializer,
    ReturnWaybillSerializer,
)
from orders.models import MoneyState, ReturnRequest, ReturnState, SubOrder, SubOrderLine
from orders.returning import deciding, requesting, travelling
from orders.returning.exchanging import NewGoods


def units_of(part: SubOrder, named: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """The units that are named by the order's lines, by line of the sub-order. Raises InvalidInput."""
    keys = dict(SubOrderLine.objects.filter(sub_order=part).values_list("order_line__position", "pk"))
    unknown = [
        FieldError(
            f"lines.{i}.position",
            "unknown_line",
            _("The sub-order has no line %(position)d.") % {"position": line["position"]},
        )
        for i, line in enumerate(named)
        if line["position"] not in keys
    ]
    if unknown:
        raise InvalidInput(unknown)
    return {keys[line["position"]]: line["quantity"] for line in named}


def goods_of(data: Mapping[str, Any]) -> list[NewGoods]:
    """The new goods of an exchange."""
    return [NewGoods(one["sku"], one["quantity"], one["merchant"]) for one in data["goods"]]


class NotYours(OmsError):
    """Another merchant decides on it."""

    code = "not_yours"
    status_code = 403


class ReturnFilter(FilterSet):
    """Narrows the list of returns."""

    order = CharFilter("order__number", max_length=16)
    sub_order = CharFilter("sub_order__number", max_length=32)
    state = ChoiceFilter(choices=ReturnState.choices)
    money_state = ChoiceFilter(choices=MoneyState.choices)

    class Meta:
        model = ReturnRequest
        fields: list[str] = []


class ReturnScopedView(OrderScopedView):
    """A view on returns of what the merchant sold or fulfils."""

    def returns(self) -> QuerySet[ReturnRequest]:
        """The returns that the merchant sees."""
        return self.reach(ReturnRequest)

    def answer(self, return_id: int, code: int = status.HTTP_200_OK) -> Response:
        """The return as it is now."""
        row = ReturnSerializer.prepare(self.returns()).get(pk=return_id)
        return Response(represent(ReturnSerializer, row, self.request), code, headers=etag(row.version))


class ReturnsView(ReturnScopedView):
    """The merchant's returns."""

    whose = "sub_order__merchant__code"
    scopes = {"GET": "orders.read", "POST": "orders.write"}
    serializer_class = ReturnSerializer
    filter_backends = [DjangoFilterBackend]
    filterset_class = ReturnFilter
    pagination_class = NewestOrByChange
    query_parameters = NewestOrByChange.query_parameters | ReturnFilter.base_filters.keys()

    def get_queryset(self) -> QuerySet[ReturnRequest]:
        """What a page of the list is taken from."""
        return ReturnSerializer.prepare(self.returns())

    @extend_schema(
        operation_id="list_returns",
        summary="List returns",
        description=(
            "Returns of what the merchant's channels sold and of what it fulfils, newest first. The webhooks `return.*`"
            " tell of each change."
        ),
        tags=["returns"],
        responses=ReturnSerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of returns."""
        return self.page()

    @extend_schema(
        operation_id="request_return",
        summary="Ask for a return",
        description=(
            "Units of a delivered sub-order come back, or are to be paid for. It is decided by the terms of who fulfils"
            " it: at once, or by `decide`; what speaks against it stands in `outside_terms`. After an `exchange` was"
            " approved, an order of the new goods follows: `exchange` names it, and `return.exchanged` tells of it."
            " Gifts that followed by orders of their own come back by returns of those; what the buyer keeps of them"
            " stands in `followed_kept`."
        ),
        tags=["returns"],
        request=ReturnRequestSerializer,
        responses={
            201: OpenApiResponse(ReturnSerializer, "It is asked for."),
            404: OpenApiResponse(ErrorsSerializer, "There is no such sub-order, or it is not the merchant's."),
        },
    )
    def post(self, request: Request) -> Response:
        """Ask for it."""
        data = read_body(ReturnRequestSerializer, request).validated_data
        theirs = SubOrder.objects.filter(Q(merchant=self.merchant) | Q(order__channel__merchant=self.merchant))
        part = get_object_or_404(theirs, number=data["sub_order"])
        units, goods = units_of(part, data["lines"]), goods_of(data)
        amount = data.get("agreed_amount")
        kept = gifts_that_followed(data["followed_kept"])
        wanted = requesting.Wanted(data["kind"], units, data["reason"], data["remark"], amount, goods, kept)
        row = requesting.request(part.order_id, wanted, actor=self.actor)
        return self.answer(row.pk, status.HTTP_201_CREATED)


class ReturnView(ReturnScopedView):
    """One return."""

    scopes = {"GET": "orders.read"}
    serializer_class = ReturnSerializer

    def get_queryset(self) -> QuerySet[ReturnRequest]:
        """The returns that the merchant sees, with all that is shown."""
        return ReturnSerializer.prepare(self.returns())

    @extend_schema(
        operation_id="read_return", summary="Read a return", description="A return, with its lines.", tags=["returns"]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The return."""
        return self.one()


class ReturnDecisionView(ReturnScopedView):
    """Deciding on a return."""

    scopes = {"POST": "orders.write"}
    checks_version = frozenset({"POST"})
    serializer_class = ReturnSerializer

    @extend_schema(
        operation_id="decide_return",
        summary="Decide on a return",
        description=(
            "Who fulfils the sub-order approves its return or declines it, until `due_at`: then it is approved, unless"
            " it is outside the terms. What the platform took up it decides itself."
        ),
        tags=["returns"],
        request=DecisionSerializer,
        responses=OpenApiResponse(ReturnSerializer, "It is decided."),
    )
    def post(self, request: Request, number: str) -> Response:
        """Decide on it."""
        version = version_of(request)
        row = get_object_or_404(self.returns().select_related("sub_order"), number=number)
        if row.sub_order.merchant_id != self.merchant.pk:
            raise NotYours(_("Who fulfils the sub-order decides on its returns."))
        data = read_body(DecisionSerializer, request).validated_data
        if data["decision"] == "approve":
            deciding.approve(row.pk, actor=self.actor, version=version)
        else:
            deciding.decline(row.pk, reason=data["reason"], actor=self.actor, version=version)
        return self.answer(row.pk)


class ReturnWaybillView(ReturnScopedView):
    """Telling the waybill of the way back."""

    scopes = {"POST": "orders.write"}
    checks_version = frozenset({"POST"})
    serializer_class = ReturnSerializer

    @extend_schema(
        operation_id="tell_return_waybill",
        summary="Tell the waybill of the way back",
        description=(
            "A carrier has the goods under this waybill; told once more, it puts a wrong one right. The parcel is then"
            " followed, and `return.arrived` tells that its carrier delivered it."
        ),
        tags=["returns"],
        request=ReturnWaybillSerializer,
        responses=OpenApiResponse(ReturnSerializer, "It is on its way."),
    )
    def post(self, request: Request, number: str) -> Response:
        """Tell it."""
        version = version_of(request)
        row = get_object_or_404(self.returns(), number=number)
        data = read_body(ReturnWaybillSerializer, request).validated_data
        travelling.hand_over(
            row.pk, carrier=data["carrier"], waybill=data["waybill"], actor=self.actor, version=version
        )
        return self.answer(row.pk)


class ReturnEscalationView(ReturnScopedView):
    """Asking the platform to decide."""

    scopes = {"POST": "orders.write"}
    checks_version = frozenset({"POST"})
    serializer_class = ReturnSerializer

    @extend_schema(
        operation_id="escalate_return",
        summary="Let the platform decide on a return",
        description="What is to be decided, or was declined, is looked at by the platform; who fulfils it decides no"
        " longer.",
        tags=["returns"],
        request=EscalationSerializer,
        responses=OpenApiResponse(ReturnSerializer, "The platform decides."),
    )
    def post(self, request: Request, number: str) -> Response:
        """Let the platform decide."""
        version = version_of(request)
        row = get_object_or_404(self.returns(), number=number)
        reason = read_body(EscalationSerializer, request).validated_data["reason"]
        deciding.escalate(row.pk, reason=reason, actor=self.actor, version=version)
        return self.answer(row.pk)
