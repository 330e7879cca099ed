"""What the API shows of parcels."""

from typing import Any

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from logistics.carriers import consigning, sharing
from logistics.models import Recall, RecallKind, Shipment, TrackingEvent, UnitSerial, WaybillShare
from oms.common.door.api import LineField
from orders.api.serializers.changing import RecipientChangeSerializer

EXAMPLE = {
    "number": "1364935748662587-1-S1",
    "version": 4,
    "sub_order": "1364935748662587-1",
    "direction": "out",
    "carrier": "SF",
    "carrier_name": "顺丰速运",
    "waybill_number": "SF1700000000017",
    "state": "in_transit",
    "weight_g": 220,
    "consignment": {
        "mother": "1364935748662587-1-S1",
        "waybill_number": "SF1700000000017",
        "children": ["1364935748662587-1-S2"],
        "piece": 1,
        "pieces": 2,
    },
    "created_at": "2026-01-02T11:30:00+08:00",
    "waybill_issued_at": "2026-01-02T11:30:01+08:00",
    "left_at": "2026-01-02T13:40:00+08:00",
    "collected_at": "2026-01-02T14:02:00+08:00",
    "last_scan_at": "2026-01-02T20:41:00+08:00",
    "signed_at": None,
    "serials": [{"sku": "P1060312", "serial": "SN20260102001"}],
    "scans": [{"at": "2026-01-02T20:41:00+08:00", "state": "in_transit", "text": "离开分拣中心", "location": "北京"}],
}


class ScanSerializer(serializers.ModelSerializer):
    """What the carrier reported."""

    at = serializers.DateTimeField(source="occurred_at")

    class Meta:
        model = TrackingEvent
        fields = ["at", "state", "text", "location"]


class UnitSerialSerializer(serializers.ModelSerializer):
    """A unit in the parcel, by its serial number."""

    sku = serializers.CharField(source="sku.code")

    class Meta:
        model = UnitSerial
        fields = ["sku", "serial"]


class ConsignmentSerializer(serializers.Serializer):
    """Parcels of a warehouse order that go with one order of their carrier (子母件), each with a waybill of its own."""

    mother = serializers.CharField(help_text="Number of the first parcel, for which the carrier took the order.")
    waybill_number = serializers.CharField(allow_null=True, help_text="The mother's (母单号).")
    children = serializers.ListField(child=serializers.CharField(), help_text="Numbers of the other parcels.")
    piece = serializers.IntegerField(help_text="Which of them this parcel is: 2 of 2/3.")
    pieces = serializers.IntegerField(help_text="How many there are: 3 of 2/3.")


@extend_schema_serializer(examples=[OpenApiExample("A parcel", EXAMPLE)])
class ShipmentSerializer(serializers.ModelSerializer):
    """A parcel with its scans."""

    sub_order = serializers.CharField(source="sub_order.number")
    carrier = serializers.CharField(source="carrier.code", allow_null=True, default=None)
    carrier_name = serializers.CharField(source="carrier.name", allow_null=True, default=None)
    consignment = serializers.SerializerMethodField(help_text="Null: it goes by itself.")
    serials = UnitSerialSerializer(many=True, help_text="Of units in it whose SKUs have serial numbers.")
    scans = ScanSerializer(many=True)

    class Meta:
        model = Shipment
        fields = [
            *(
                "number",
                "version",
                "sub_order",
                "direction",
                "carrier",
                "carrier_name",
                "waybill_number",
                "state",
                "weight_g",
                "consignment",
            ),
            *(
                "created_at",
                "waybill_issued_at",
                "left_at",
                "collected_at",
                "last_scan_at",
                "signed_at",
                "serials",
                "scans",
            ),
        ]

    @staticmethod
    def prepare(shipments: QuerySet[Shipment]) -> QuerySet[Shipment]:
        """The query with all that is shown, in three statements."""
        units = Prefetch("serials", UnitSerial.objects.select_related("sku").order_by("pk"))
        scans = Prefetch("scans", TrackingEvent.objects.exclude(state="").order_by("occurred_at", "pk"))
        known = consigning.with_numbers(shipments).select_related("sub_order", "carrier", "mother")
        return known.prefetch_related(units, scans).order_by("pk")

    @extend_schema_field(ConsignmentSerializer(allow_null=True))
    def get_consignment(self, parcel: Shipment) -> dict[str, Any] | None:
        """What goes with the same order of the carrier."""
        found = consigning.consignment_of(parcel)
        return None if found is None else dict(ConsignmentSerializer(found).data)


RECALL = {
    "kind": "return",
    "state": "accepted",
    "reason": "The buyer does not want it any more.",
    "answer": "taken",
    "asked_at": "2026-01-02T21:00:00+08:00",
    "answered_at": "2026-01-02T21:00:04+08:00",
    "due_at": "2026-01-03T21:00:00+08:00",
    "ended_at": None,
}


@extend_schema_serializer(
    examples=[OpenApiExample("A recall", RECALL, response_only=True, status_codes=["200", "202"])]
)
class RecallSerializer(serializers.ModelSerializer):
    """What the carrier of a parcel was asked, and what became of it. `answer` is empty until the carrier answers."""

    class Meta:
        model = Recall
        fields = ("kind", "state", "reason", "answer", "asked_at", "answered_at", "due_at", "ended_at")
        read_only_fields = fields


class RecallRequestSerializer(serializers.Serializer):
    """What the carrier is to do with a parcel, and why."""

    kind = serializers.ChoiceField(choices=RecallKind.choices)
    reason = LineField(max_length=200)
    recipient = RecipientChangeSerializer(required=False, help_text="Where it goes instead; only with `redirect`.")


SHARE_EXAMPLE = {
    "carrier": "SF",
    "account": "月结 0210000001",
    "channel": None,
    "most_a_day": 200,
    "most_in_total": None,
    "most_fen": None,
    "used_that_day": 12,
    "used_in_total": 4031,
    "used_fen": 5812040,
    "left_that_day": 188,
    "left_in_total": None,
    "left_fen": None,
    "is_active": True,
}


@extend_schema_serializer(examples=[OpenApiExample("Waybills of an account", SHARE_EXAMPLE)])
class WaybillShareSerializer(serializers.ModelSerializer):
    """What a merchant, or a shop of it, may buy over an account with a carrier, and what it used. Amounts in fen; null:
    no limit."""

    carrier = serializers.CharField(source="account.carrier.code")
    account = serializers.CharField(source="account.name")
    channel = serializers.CharField(source="channel.code", allow_null=True, default=None, help_text="Null: all of it.")
    used_that_day = serializers.SerializerMethodField(help_text="Today, in China.")
    left_that_day = serializers.SerializerMethodField()
    left_in_total = serializers.SerializerMethodField()
    left_fen = serializers.SerializerMethodField()

    class Meta:
        model = WaybillShare
        fields = [
            *("carrier", "account", "channel", "most_a_day", "most_in_total", "most_fen", "used_that_day"),
            *("used_in_total", "used_fen", "left_that_day", "left_in_total", "left_fen", "is_active"),
        ]

    def get_used_that_day(self, share: WaybillShare) -> int:
        """Waybills of today."""
        return share.used_that_day if share.used_on == sharing.today() else 0

    def get_left_that_day(self, share: WaybillShare) -> int | None:
        """Waybills that are left of today."""
        return sharing.left_of(share).that_day

    def get_left_in_total(self, share: WaybillShare) -> int | None:
        """Waybills that are left."""
        return sharing.left_of(share).in_total

    def get_left_fen(self, share: WaybillShare) -> int | None:
        """Freight that is left."""
        return sharing.left_of(share).fen
