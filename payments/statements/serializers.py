"""What the API shows of settlements."""

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from oms.common.door.api import TextField
from orders.api.serializers.money import money_field
from payments.models import SettlementRow, Statement, StatementRemark

ROW = {
    "id": 4711,
    "kind": "sale",
    "order": "1364935748662587",
    "sub_order": "1364935748662587-1",
    "sku": "P1095275",
    "quantity": 2,
    "goods_amount": "99.90",
    "platform_amount": "0.00",
    "freight_amount": "6.00",
    "rate": "0.0500",
    "commission_amount": "-5.00",
    "other_amount": "0.00",
    "net_amount": "100.90",
    "due_on": "2026-01-16",
    "statement": None,
    "corrects": None,
    "reason": "",
    "document": "",
    "created_at": "2026-01-09T09:00:02+08:00",
}
REMARK = {"text": "The weight fee is wrong", "is_answer": False, "created_at": "2026-02-03T10:00:00+08:00"}
STATEMENT = {
    "number": "ST-POP01-20260101",
    "version": 1,
    "state": "closed",
    "starts_on": "2026-01-01",
    "ends_on": "2026-02-01",
    "opening_amount": "0.00",
    "rows_amount": "112.45",
    "total_amount": "112.45",
    "payable_amount": "112.45",
    "row_count": 5,
    "row_hash": "5f0c1f9e5d0a4a558a340f2b9f3f8f115f0c1f9e5d0a4a558a340f2b9f3f8f11",
    "closed_at": "2026-02-01T00:10:00+08:00",
    "approved_at": None,
    "paid_at": None,
    "bank_serial": "",
    "remarks": [REMARK],
}


@extend_schema_serializer(examples=[OpenApiExample("A sale", ROW)])
class SettlementRowSerializer(serializers.ModelSerializer):
    """One signed row of what a merchant is owed (yuan)."""

    order = serializers.CharField(source="order.number", default=None, allow_null=True)
    sub_order = serializers.CharField(source="sub_order.number", default=None, allow_null=True)
    sku = serializers.CharField(source="line.sku.code", default=None, allow_null=True)
    statement = serializers.CharField(
        source="statement.number", default=None, allow_null=True, help_text="None while its period is open."
    )
    corrects = serializers.IntegerField(
        source="corrects_id", allow_null=True, help_text="The `id` of the row that it takes back or corrects."
    )

    class Meta:
        model = SettlementRow
        fields = list(ROW)

    @staticmethod
    def prepare(rows: QuerySet[SettlementRow]) -> QuerySet[SettlementRow]:
        """The query with all that is shown, in one statement."""
        return rows.select_related("order", "sub_order", "line__sku", "statement").only(
            *(name for name in ROW if name not in ("order", "sub_order", "sku", "statement")),
            *("order__number", "sub_order__number", "line__sku__code", "statement__number"),
        )


@extend_schema_serializer(examples=[OpenApiExample("A remark", REMARK)])
class RemarkSerializer(serializers.ModelSerializer):
    """What the merchant said about a statement, or was answered."""

    class Meta:
        model = StatementRemark
        fields = list(REMARK)


@extend_schema_serializer(examples=[OpenApiExample("A statement", STATEMENT)])
class StatementSerializer(serializers.ModelSerializer):
    """What a merchant is owed for a period, [`starts_on`, `ends_on`)."""

    payable_amount = money_field(help_text="What is paid: the total, where it is above 0; else it is carried over.")
    remarks = RemarkSerializer(many=True)

    class Meta:
        model = Statement
        fields = list(STATEMENT)


@extend_schema_serializer(examples=[OpenApiExample("A remark", {"text": "The weight fee is wrong"}, request_only=True)])
class DisputeSerializer(serializers.Serializer):
    """What is wrong."""

    text = TextField(max_length=1000)
