"""The API's operations on payments and refunds: merchants read them, providers and the books change them."""

from typing import Any

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from oms.common.door.api import read_body, represent
from oms.common.door.places import NewestOrByChange
from oms.merchants.calls.scopes import REFUNDS_CONFIRM
from orders.api.scoping import OrderScopedView
from payments import serializers
from payments.balances import serializers as balances
from payments.filters import PaymentFilter, RefundFilter
from payments.models import Instalment, OrderTender, Payment, Refund
from payments.owing import at_channel
from payments.serializers import ChannelAnswerSerializer, OrderMoneySerializer, PaymentSerializer, RefundSerializer


class MoneyScopedView(OrderScopedView):
    """A view on payments and refunds of the calling merchant's orders."""

    whose = "order__channel__merchant__code"
    scopes = {"GET": "payments.read"}
    has_sparse_fields = True

    def payments(self) -> QuerySet[Payment]:
        """The payments that the merchant sees."""
        return PaymentSerializer.prepare(self.reach(Payment))

    def refunds(self) -> QuerySet[Refund]:
        """The refunds that the merchant sees."""
        return RefundSerializer.prepare(self.reach(Refund))


class PaymentsView(MoneyScopedView):
    """The payments for the merchant's orders."""

    serializer_class = PaymentSerializer
    filter_backends = [DjangoFilterBackend]
    filterset_class = PaymentFilter
    pagination_class = NewestOrByChange
    query_parameters = NewestOrByChange.query_parameters | PaymentFilter.base_filters.keys()

    def get_queryset(self) -> QuerySet[Payment]:
        """What a page of the list is taken from."""
        return self.payments()

    @extend_schema(
        operation_id="list_payments",
        summary="List payments",
        description="Payments for the merchant's orders, newest first.",
        tags=["payments"],
        responses=PaymentSerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of payments."""
        return self.page()


class PaymentView(MoneyScopedView):
    """One payment."""

    serializer_class = PaymentSerializer

    def get_queryset(self) -> QuerySet[Payment]:
        """The payments that the merchant sees."""
        return self.payments()

    @extend_schema(operation_id="read_payment", summary="Read a payment", description="One payment.", tags=["payments"])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The payment."""
        return self.one()


class RefundsView(MoneyScopedView):
    """The refunds of the merchant's orders."""

    serializer_class = RefundSerializer
    filter_backends = [DjangoFilterBackend]
    filterset_class = RefundFilter
    pagination_class = NewestOrByChange
    query_parameters = NewestOrByChange.query_parameters | RefundFilter.base_filters.keys()

    def get_queryset(self) -> QuerySet[Refund]:
        """What a page of the list is taken from."""
        return self.refunds()

    @extend_schema(
        operation_id="list_refunds",
        summary="List refunds",
        description="Refunds of the merchant's orders, newest first.",
        tags=["payments"],
        responses=RefundSerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of refunds."""
        return self.page()


class RefundView(MoneyScopedView):
    """One refund."""

    serializer_class = RefundSerializer

    def get_queryset(self) -> QuerySet[Refund]:
        """The refunds that the merchant sees."""
        return self.refunds()

    @extend_schema(operation_id="read_refund", summary="Read a refund", description="One refund.", tags=["payments"])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The refund."""
        return self.one()


class RefundAnswerView(OrderScopedView):
    """What a channel says of a refund that it was asked for."""

    scopes = {"POST": REFUNDS_CONFIRM}
    serializer_class = RefundSerializer

    @extend_schema(
        operation_id="answer_refund",
        summary="Confirm or refuse a refund",
        description=(
            "Of money that your channel took itself (the payment's `provider` is `external`). `refund.asked_for` tells"
            " what is to be sent back. Said twice, it counts once; another answer than before is refused"
            " (`answered_before`). Another `amount` than was asked for is booked, and a person looks at it."
        ),
        tags=["payments"],
        request=ChannelAnswerSerializer,
        responses=OpenApiResponse(RefundSerializer, "The refund as it stands now."),
    )
    def post(self, request: Request, number: str) -> Response:
        """Take the answer."""
        refund_id = get_object_or_404(Refund.objects.visible_to(self.merchant).only("pk"), number=number).pk
        data = read_body(ChannelAnswerSerializer, request).validated_data
        if data["result"] == "refunded":
            at_channel.confirm(
                refund_id, amount=data["amount"], transaction_number=data["transaction"], actor=self.actor
            )
        else:
            at_channel.refuse(refund_id, reason=data["reason"], actor=self.actor)
        refund = RefundSerializer.prepare(Refund.objects.all()).get(pk=refund_id)
        return Response(represent(RefundSerializer, refund, request))


class OrderMoneyView(MoneyScopedView):
    """The payments and refunds of one order."""

    has_sparse_fields = False
    serializer_class = OrderMoneySerializer

    @extend_schema(
        operation_id="read_order_payments",
        summary="Read an order's payments and refunds",
        description=(
            "Money that came in for an order and went back, oldest first; gift cards and points of ours that pay it;"
            " and the parts in which it is paid, such as a deposit."
        ),
        tags=["payments"],
        examples=[
            OpenApiExample(
                "Paid",
                {
                    "payments": [serializers.PAYMENT],
                    "refunds": [serializers.REFUND],
                    "tenders": [balances.TENDER],
                    "instalments": [],
                },
                response_only=True,
            )
        ],
    )
    def get(self, request: Request, number: str) -> Response:
        """The order's money."""
        order_id = self.order_id(number)
        payments = self.payments().filter(order=order_id).order_by("pk")
        refunds = self.refunds().filter(order=order_id).order_by("pk")
        tenders = balances.TenderSerializer.prepare(OrderTender.objects.filter(order=order_id)).order_by("pk")
        parts = Instalment.objects.filter(order=order_id).order_by("position")
        return Response(
            {
                "payments": [represent(PaymentSerializer, row, request) for row in payments],
                "refunds": [represent(RefundSerializer, row, request) for row in refunds],
                "tenders": [represent(balances.TenderSerializer, row, request) for row in tenders],
                "instalments": [represent(balances.InstalmentSerializer, row, request) for row in parts],
            }
        )
