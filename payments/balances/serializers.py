"""What the API shows and takes of gift cards, points and instalments."""

from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django_filters import CharFilter, ChoiceFilter
from django_filters.rest_framework import FilterSet
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from oms.common.door.api import LineField
from oms.common.door.filters import MomentFilter
from orders.api.serializers.money import money_field
from payments.balances.issuing import MOST_CARDS
from payments.models import BalanceAccount, BalanceMovement, Instalment, MovementKind, OrderTender

GIFT_CARD = {
    "number": "GC0000000012",
    "code_end": "7QXM",
    "available": "80.00",
    "held": "20.00",
    "expires_at": "2029-01-01T09:00:00+08:00",
    "is_blocked": False,
    "reference": "New Year 2026",
    "created_at": "2026-01-01T09:00:00+08:00",
}
POINTS = {
    "number": "PT0000000013",
    "member": "M1",
    "available": 1280,
    "held": 0,
    "short": 0,
    "expires_at": "2027-01-02T09:00:00+08:00",
    "created_at": "2026-01-01T09:00:00+08:00",
}
MOVEMENT = {
    "kind": "captured",
    "order": "1364935748662587",
    "available_change": "0.00",
    "held_change": "-20.00",
    "available_after": "80.00",
    "held_after": "0.00",
    "reason": "",
    "created_at": "2026-01-02T09:00:12+08:00",
}
TENDER = {"kind": "gift_card", "number": "GC0000000012", "amount": "20.00"}
INSTALMENT = {
    "position": 1,
    "amount": "50.00",
    "opens_at": None,
    "due_at": "2026-01-03T09:00:00+08:00",
    "if_missed": "ask",
}


@extend_schema_serializer(examples=[OpenApiExample("A gift card", GIFT_CARD, response_only=True)])
class GiftCardSerializer(serializers.ModelSerializer):
    """A gift card. Its code is a secret and told once, when it is issued."""

    available = money_field(source="available_amount", help_text="What can be spent.")
    held = money_field(source="held_amount", help_text="What orders hold that are not paid yet.")

    class Meta:
        model = BalanceAccount
        fields = list(GIFT_CARD)


@extend_schema_serializer(examples=[OpenApiExample("A member's points", POINTS, response_only=True)])
class PointsSerializer(serializers.ModelSerializer):
    """The points of a member; 100 are worth one yuan."""

    available = serializers.IntegerField(help_text="What can be spent.")
    held = serializers.IntegerField(help_text="What orders hold that are not paid yet.")
    short = serializers.IntegerField(help_text="What a refund took back and was spent already: the next points pay it.")

    class Meta:
        model = BalanceAccount
        fields = list(POINTS)


@extend_schema_serializer(examples=[OpenApiExample("Spent", MOVEMENT, response_only=True)])
class MovementSerializer(serializers.Serializer):
    """A change of a balance: when, for which order, how much, and what was left. In yuan, points at their worth."""

    kind = serializers.ChoiceField(MovementKind.choices)
    order = serializers.CharField(source="order.number", default=None, allow_null=True)
    available_change = money_field()
    held_change = money_field()
    available_after = money_field()
    held_after = money_field()
    reason = serializers.CharField()
    created_at = serializers.DateTimeField()

    def to_representation(self, instance: BalanceMovement) -> dict[str, Any]:
        """The amounts in yuan."""
        shown: dict[str, Any] = super().to_representation(instance)
        for name in ("available_change", "held_change", "available_after", "held_after"):
            shown[name] = f"{Decimal(getattr(instance, name)).scaleb(-2):.2f}"
        return shown

    @staticmethod
    def prepare(movements: QuerySet[BalanceMovement]) -> QuerySet[BalanceMovement]:
        """The query with all that is shown, in one statement."""
        return movements.select_related("order")


class NewCardSerializer(serializers.Serializer):
    """A gift card to issue."""

    amount = money_field(min_value=Decimal("0.01"))
    expires_at = serializers.DateTimeField(required=False, help_text="Three years from now unless said.")
    reference = LineField(max_length=80, required=False, help_text="For whom or what it is.")


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Two cards",
            {
                "batch": "NY2026-1",
                "is_sold": True,
                "cards": [{"amount": "100.00", "reference": "New Year 2026"}, {"amount": "200.00"}],
            },
            request_only=True,
        )
    ]
)
class IssueSerializer(serializers.Serializer):
    """Gift cards to issue."""

    batch = LineField(max_length=40, help_text="Your name for these cards; the same batch is issued once.")
    is_sold = serializers.BooleanField(help_text="Whether somebody paid for them; else they are given away.")
    cards = NewCardSerializer(many=True, allow_empty=False, max_length=MOST_CARDS)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "One of two",
            {
                "cards": [
                    {"number": "GC0000000012", "code": "ABCD-EFGH-JKLM-7QXM", "error": None},
                    {
                        "number": None,
                        "code": None,
                        "error": {
                            "code": "invalid_amount",
                            "detail": "Give an amount of 0.01 to 5000 yuan.",
                            "attr": "cards.1.amount",
                        },
                    },
                ]
            },
            response_only=True,
        )
    ]
)
class IssuedSerializer(serializers.Serializer):
    """What became of each card, in order."""

    class Outcome(serializers.Serializer):
        """A card with its secret code, which is told nowhere else, or what is wrong."""

        @extend_schema_serializer(component_name="CardError")
        class Error(serializers.Serializer):
            """What is wrong with a card."""

            code = serializers.CharField()
            detail = serializers.CharField()
            attr = serializers.CharField()

        number = serializers.CharField(allow_null=True)
        code = serializers.CharField(allow_null=True)
        error = Error(allow_null=True)

    cards = Outcome(many=True)


class CodeSerializer(serializers.Serializer):
    """The secret code of a gift card."""

    code = LineField(max_length=40)


class MemberSerializer(serializers.Serializer):
    """A member, as the channel calls it."""

    member = LineField(max_length=64)


class TenderSerializer(serializers.Serializer):
    """A balance of ours that paid a part of the order, or that it earns points for."""

    kind = serializers.CharField(source="account.kind")
    number = serializers.CharField(source="account.number")
    amount = money_field()

    @staticmethod
    def prepare(tenders: QuerySet[OrderTender]) -> QuerySet[OrderTender]:
        """The query with all that is shown, in one statement."""
        return tenders.select_related("account")


class InstalmentSerializer(serializers.ModelSerializer):
    """A part of what is payable, with its own due date."""

    class Meta:
        model = Instalment
        fields = list(INSTALMENT)


class BalanceFilter(FilterSet):
    """Narrows the list of balances."""

    reference = CharFilter(max_length=80, help_text="For whom or what it was issued.")
    member = CharFilter(max_length=64)
    created_after = MomentFilter("created_at", "gte", help_text="Issued then or later.")
    created_before = MomentFilter("created_at", "lt", help_text="Issued earlier.")

    class Meta:
        model = BalanceAccount
        fields: list[str] = []


class MovementFilter(FilterSet):
    """Narrows the list of movements."""

    kind = ChoiceFilter(choices=MovementKind.choices)
    order = CharFilter("order__number", max_length=16, help_text="The number of the order.")

    class Meta:
        model = BalanceMovement
        fields: list[str] = []
