"""What the API shows and takes of what merchants do by themselves: warehouses, what left them, answers."""

import re
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from inventory.models import Region, StorageClass, Warehouse
from inventory.models.serials import MOST_OF_A_SERIAL
from logistics.by_merchant import opening, shipping, works
from logistics.by_merchant.speaker import PROTOCOL
from logistics.models import Carrier, WarehouseOrder, WarehouseOrderLine
from logistics.warehouses.notices import MOST_SERIALS
from oms.common.door.api import LineField
from oms.common.door.schema import ErrorSerializer
from oms.merchants.models import Channel

WAREHOUSE = {
    "code": "ACME-WH1",
    "name": "上海仓",
    "kind": "merchant",
    "storage_classes": ["ambient", "general"],
    "region_code": "310115",
    "address": "张江路100号",
    "contact_name": "李明",
    "contact_phone": "13800001111",
    "waybill_when": "own",
    "daily_capacity": 500,
    "cutoff_same_day": None,
    "cutoff_next_day": "16:00:00",
    "ships_by_api": True,
    "is_active": True,
}


@extend_schema_serializer(examples=[OpenApiExample("A warehouse", WAREHOUSE, response_only=True)])
class WarehouseSerializer(serializers.ModelSerializer):
    """A warehouse of the merchant. `ships_by_api`: what it sends is reported by `POST /shipping-reports`."""

    region_code = serializers.CharField(source="region_id")
    storage_classes = serializers.ListField(child=serializers.CharField())
    ships_by_api = serializers.SerializerMethodField()

    class Meta:
        model = Warehouse
        fields = list(WAREHOUSE)

    def get_ships_by_api(self, warehouse: Warehouse) -> bool:
        """Whether the merchant reports what left."""
        return warehouse.connection is not None and warehouse.connection.protocol == PROTOCOL


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A warehouse",
            {"name": "上海仓", "address": "上海市浦东新区张江路100号", "storage_classes": ["ambient", "general"]},
            request_only=True,
        )
    ]
)
class NewWarehouseSerializer(serializers.Serializer):
    """A warehouse to be opened."""

    name = LineField(max_length=120)
    address = LineField(
        max_length=300,
        required=False,
        allow_blank=True,
        help_text="Whole, with province, city and district. Not for a warehouse of what is virtual.",
    )
    storage_classes = serializers.ListField(
        child=serializers.ChoiceField(StorageClass.choices), required=False, max_length=len(StorageClass.values)
    )
    contact_name = LineField(max_length=60, required=False, allow_blank=True)
    contact_phone = LineField(max_length=20, required=False, allow_blank=True)
    code = LineField(max_length=32, required=False, allow_blank=True, help_text="Empty: one is made.")
    waybill_when = serializers.ChoiceField(
        [(one.value, one.label) for one in opening.WAYBILLS],
        required=False,
        help_text="`own`: you bring waybills and report them; `at_release`: they are bought before you are asked.",
    )


class _TimeOfDay(serializers.TimeField):
    """A time of China's day. One with an offset is refused: that of another place would be taken for China's."""

    def to_internal_value(self, value: Any) -> Any:
        """The time."""
        if isinstance(value, str) and re.search(r"[zZ+-]", value):
            self.fail("invalid", format="hh:mm[:ss]")
        return super().to_internal_value(value)


@extend_schema_serializer(
    examples=[OpenApiExample("A smaller team", {"daily_capacity": 200, "cutoff_next_day": "15:00"}, request_only=True)]
)
class WarehouseChangeSerializer(serializers.Serializer):
    """What may change of a warehouse. Its address and what it keeps stay: stock and promises were made by them."""

    name = LineField(max_length=120, required=False)
    contact_name = LineField(max_length=60, required=False, allow_blank=True)
    contact_phone = LineField(max_length=20, required=False, allow_blank=True)
    daily_capacity = serializers.IntegerField(
        min_value=0, max_value=opening.MOST_A_DAY, required=False, help_text="Units a day; 0: any number."
    )
    cutoff_same_day = _TimeOfDay(
        required=False, allow_null=True, help_text="China's time; null: as the service level says."
    )
    cutoff_next_day = _TimeOfDay(
        required=False, allow_null=True, help_text="China's time; null: as the service level says."
    )
    is_active = serializers.BooleanField(required=False, help_text="False: it gets no new orders.")

    def to_internal_value(self, data: Any) -> Any:
        """Refuse what cannot be changed rather than pass over it."""
        if isinstance(data, dict) and (fixed := sorted((set(WAREHOUSE) - set(self.fields)) & set(data))):
            raise serializers.ValidationError({name: _("This cannot be changed.") for name in fixed}, "fixed")
        return super().to_internal_value(data)


CHANNEL = {"code": "tmall", "name": "天猫旗舰店", "is_active": True, "matches_skus": False}


@extend_schema_serializer(examples=[OpenApiExample("A channel", CHANNEL)])
class ChannelSerializer(serializers.ModelSerializer):
    """A channel of the merchant: what orders name as their source."""

    class Meta:
        model = Channel
        fields = list(CHANNEL)


CARRIER = {"code": "SF", "name": "顺丰速运", "service_phone": "95338", "is_active": True}


@extend_schema_serializer(examples=[OpenApiExample("A carrier", CARRIER)])
class CarrierSerializer(serializers.ModelSerializer):
    """A carrier, by the code that orders and reports name."""

    class Meta:
        model = Carrier
        fields = list(CARRIER)


REGION = {"code": "310115", "province": "上海市", "city": "上海市", "district": "浦东新区", "is_served": True}


@extend_schema_serializer(examples=[OpenApiExample("A region", REGION)])
class RegionSerializer(serializers.ModelSerializer):
    """A county-level division of China (GB/T 2260)."""

    class Meta:
        model = Region
        fields = list(REGION)


class RegionWishSerializer(serializers.Serializer):
    """Which regions are wanted."""

    province = LineField(max_length=40, required=False)
    city = LineField(max_length=40, required=False)


WORK = {
    "number": "1364935748662587-1-W1",
    "sub_order": "1364935748662587-1",
    "warehouse": "ACME-WH1",
    "state": "sent",
    "is_current": True,
    "asked_to_stop": False,
    "created_at": "2026-01-02T11:30:00+08:00",
    "lines": [{"sku": "P1095275", "quantity": 2, "left_quantity": 0, "wants_serials": False}],
}


class WorkLineSerializer(serializers.ModelSerializer):
    """Units that are to leave, and how many of them left."""

    sku = serializers.CharField(source="sub_order_line.order_line.sku.code")
    wants_serials = serializers.BooleanField(
        source="sub_order_line.order_line.sku.wants_serials",
        help_text="Whether the report of what left has to name the serial number of each unit.",
    )

    class Meta:
        model = WarehouseOrderLine
        fields = ["sku", "quantity", "left_quantity", "wants_serials"]


@extend_schema_serializer(examples=[OpenApiExample("To ship", WORK)])
class WorkSerializer(serializers.ModelSerializer):
    """What a warehouse of the merchant was asked to send; the sub-order says where to."""

    sub_order = serializers.CharField(source="sub_order.number")
    warehouse = serializers.CharField(source="warehouse.code")
    asked_to_stop = serializers.SerializerMethodField(help_text="Whether `POST …/stop-answer` is due.")
    lines = WorkLineSerializer(many=True)

    class Meta:
        model = WarehouseOrder
        fields = list(WORK)

    @staticmethod
    def prepare(rows: QuerySet[WarehouseOrder]) -> QuerySet[WarehouseOrder]:
        """The query with all that is shown, in two statements."""
        return rows.select_related("sub_order", "warehouse").prefetch_related("lines__sub_order_line__order_line__sku")

    def get_asked_to_stop(self, work: WarehouseOrder) -> bool:
        """Whether an answer is due."""
        return works.is_asked_to_stop(work)


class ParcelLineSerializer(serializers.Serializer):
    """Units of a SKU in a parcel."""

    sku = LineField(max_length=64)
    quantity = serializers.IntegerField(min_value=1, max_value=1_000_000)
    serials = serializers.ListField(
        child=LineField(max_length=MOST_OF_A_SERIAL),
        required=False,
        max_length=MOST_SERIALS,
        help_text="Of a SKU that has serial numbers: that of each unit.",
    )


class ReportedParcelSerializer(serializers.Serializer):
    """A parcel that left."""

    number = LineField(
        max_length=40,
        help_text="Of the sub-order or warehouse order; of an order in one part, ours or its `external_number`, too.",
    )
    carrier = LineField(max_length=20, required=False, allow_blank=True, help_text="Code or name; see /carriers.")
    waybill = LineField(
        max_length=40, required=False, allow_blank=True, help_text="Left out with the carrier: as it is labelled."
    )
    lines = ParcelLineSerializer(
        many=True, required=False, max_length=500, help_text="What is in it; left out: all that is in no other."
    )
    weight_g = serializers.IntegerField(min_value=0, max_value=1_000_000, required=False, help_text="Grams.")
    is_last = serializers.BooleanField(required=False, help_text="What is in no parcel will not leave at all.")


REPORT = {
    "parcels": [
        {"number": "1364935748662587-1", "carrier": "SF", "waybill": "SF1700000000017"},
        {
            "number": "1364935748662603-1",
            "carrier": "ZTO",
            "waybill": "75800000000001",
            "lines": [{"sku": "P1095275", "quantity": 1}],
        },
    ]
}


@extend_schema_serializer(examples=[OpenApiExample("Two parcels", REPORT, request_only=True)])
class ReportSerializer(serializers.Serializer):
    """Parcels that left the merchant's own warehouses."""

    parcels = ReportedParcelSerializer(many=True, max_length=shipping.MOST_AT_ONCE)
    left_already = serializers.BooleanField(
        required=False, help_text="They left, whatever speaks against it: kept as it is, and a person is told."
    )


class ReportResultSerializer(serializers.Serializer):
    """What came of a parcel."""

    index = serializers.IntegerField()
    number = serializers.CharField()
    waybill = serializers.CharField()
    status = serializers.ChoiceField(["shipped", "known", "refused"])
    errors = ErrorSerializer(many=True, required=False)


RESULTS = {
    "results": [
        {"index": 0, "number": "1364935748662587-1", "waybill": "SF1700000000017", "status": "shipped"},
        {
            "index": 1,
            "number": "1364935748662603-1",
            "waybill": "75800000000001",
            "status": "refused",
            "errors": [
                {"code": "waybill_taken", "detail": "The waybill is that of another parcel.", "attr": "waybill"}
            ],
        },
    ]
}


@extend_schema_serializer(examples=[OpenApiExample("One of each", RESULTS, response_only=True)])
class ReportResultsSerializer(serializers.Serializer):
    """A result for each parcel, in order."""

    results = ReportResultSerializer(many=True)


@extend_schema_serializer(
    examples=[OpenApiExample("It stays here", {"is_stopped": True, "text": "还没有打包"}, request_only=True)]
)
class StopAnswerSerializer(serializers.Serializer):
    """Whether goods that are to be stopped stay."""

    is_stopped = serializers.BooleanField(help_text="True: they stay, the cancellation is done. False: too late.")
    text = LineField(max_length=300, required=False, allow_blank=True)


ME: dict[str, Any] = {
    "merchant": "ACME",
    "name": "示例贸易",
    "kind": "marketplace",
    "is_test": False,
    "status": "active",
    "credential": "erp",
    "scopes": ["orders.read", "orders.write"],
    "allowed_networks": [],
    "channels": ["tmall"],
    "warehouses": ["ACME-WH1"],
    "server_time": "2026-01-02T11:30:00+08:00",
}


@extend_schema_serializer(examples=[OpenApiExample("A credential", ME)])
class MeSerializer(serializers.Serializer):
    """Who calls, and what it may."""

    merchant = serializers.CharField(help_text="The merchant's code.")
    name = serializers.CharField()
    kind = serializers.CharField()
    is_test = serializers.BooleanField(help_text="Whether it is a key of the sandbox: nothing that it does is real.")
    status = serializers.CharField()
    credential = serializers.CharField(help_text="Its name.")
    scopes = serializers.ListField(child=serializers.CharField())
    allowed_networks = serializers.ListField(child=serializers.CharField(), help_text="Empty: any.")
    channels = serializers.ListField(child=serializers.CharField(), help_text="Codes of those that are open.")
    warehouses = serializers.ListField(child=serializers.CharField(), help_text="Codes of your own.")
    server_time = serializers.DateTimeField(help_text="Signatures are judged by it.")
