"""What the API shows of payments and refunds."""

from decimal import Decimal
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from oms.common.door.api import LineField
from orders.api.serializers.money import money_field
from payments.balances.serializers import InstalmentSerializer, TenderSerializer
from payments.models import Payment, Refund

PAYMENT = {
    "number": "1364935748662587-P1",
    "order": "1364935748662587",
    "version": 3,
    "sub_order": None,
    "provider": "sandbox-pay",
    "state": "captured",
    "amount": "23.00",
    "captured_amount": "23.00",
    "refunded_amount": "11.50",
    "transaction_number": "4200001234",
    "currency": "CNY",
    "created_at": "2026-01-02T09:00:02+08:00",
    "captured_at": "2026-01-02T09:00:12+08:00",
}
REFUND = {
    "number": "1364935748662587-R1",
    "order": "1364935748662587",
    "version": 2,
    "payment": "1364935748662587-P1",
    "state": "succeeded",
    "amount": "11.50",
    "refunded_amount": "11.50",
    "currency": "CNY",
    "reason": "overpaid",
    "created_at": "2026-01-02T10:00:02+08:00",
    "succeeded_at": "2026-01-02T16:00:12+08:00",
}


@extend_schema_serializer(examples=[OpenApiExample("A payment", PAYMENT)])
class PaymentSerializer(serializers.ModelSerializer):
    """One way in which money for an order comes in."""

    order = serializers.CharField(source="order.number")
    sub_order = serializers.CharField(
        source="sub_order.number", default=None, allow_null=True, help_text="Set where the carrier collects cash."
    )
    provider = serializers.CharField(
        help_text="Who took the money: a payment provider's code, `cash` for a carrier, `external` for the merchant,"
        " `offline` for a bank transfer."
    )

    refunded_amount = money_field(help_text="What of it went back.")

    class Meta:
        model = Payment
        fields = list(PAYMENT)

    @staticmethod
    def prepare(payments: QuerySet[Payment]) -> QuerySet[Payment]:
        """The query with all that is shown, in one statement."""
        refunds = Refund.objects.filter(payment=OuterRef("pk")).order_by().values("payment")
        refunded = Coalesce(Subquery(refunds.values(amount=Sum("refunded_amount"))), Decimal(0))
        shown = payments.annotate(refunded_amount=refunded).select_related("order", "sub_order", "connection")
        return shown.only(
            *(name for name in PAYMENT if name not in ("order", "sub_order", "provider", "refunded_amount")),
            *("means", "order__number", "sub_order__number", "connection__code"),
        )


@extend_schema_serializer(examples=[OpenApiExample("A refund", REFUND)])
class RefundSerializer(serializers.ModelSerializer):
    """Money of a payment going back to the buyer."""

    order = serializers.CharField(source="order.number")
    payment = serializers.CharField(source="payment.number")

    class Meta:
        model = Refund
        fields = list(REFUND)

    @staticmethod
    def prepare(refunds: QuerySet[Refund]) -> QuerySet[Refund]:
        """The query with all that is shown, in one statement."""
        return refunds.select_related("order", "payment").only(
            *(name for name in REFUND if name not in ("order", "payment")), "order__number", "payment__number"
        )


@extend_schema_serializer(
    examples=[
        OpenApiExample("Sent back", {"result": "refunded", "amount": "11.50", "transaction": "4200009876"}),
        OpenApiExample("Not sent back", {"result": "refused", "reason": "The account is closed."}),
    ]
)
class ChannelAnswerSerializer(serializers.Serializer):
    """What became of a refund that the channel was asked for."""

    result = serializers.ChoiceField(["refunded", "refused"])
    amount = money_field(
        required=False, min_value=Decimal("0.01"), help_text="How much went back, in yuan; needed with `refunded`."
    )
    transaction = LineField(max_length=64, default="", allow_blank=True, help_text="The channel's own number for it.")
    reason = LineField(max_length=200, default="", allow_blank=True, help_text="Why not; needed with `refused`.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Each result with what it needs."""
        needed = "amount" if attrs["result"] == "refunded" else "reason"
        if not attrs.get(needed):
            raise serializers.ValidationError({needed: [_("This is needed for that result.")]}, code="required")
        return attrs


class OrderMoneySerializer(serializers.Serializer):
    """The payments and refunds of an order, oldest first; the gift cards and points of ours that pay it; and the parts
    in which it is paid, where there are any."""

    payments = PaymentSerializer(many=True)
    refunds = RefundSerializer(many=True)
    tenders = TenderSerializer(many=True)
    instalments = InstalmentSerializer(many=True)
