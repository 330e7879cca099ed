"""What sub-orders are promised."""

from rest_framework import serializers

from orders.models import DeliveryPromise

PROMISE = {
    "sub_order": "2466333817655446-1",
    "order": "2466333817655446",
    "number": 1,
    "is_current": True,
    "warehouse": "POP01-WH",
    "level": "NEXT_DAY",
    "source": "ours",
    "leaves_at": "2026-01-02T18:00:00+08:00",
    "planned_by": "2026-01-03T23:00:00+08:00",
    "promised_by": "2026-01-03T23:00:00+08:00",
    "is_provisional": False,
    "carrier": "SF",
    "service": "premium",
    "freight": "6.00",
    "outcome": "open",
    "risk": "",
    "decided_at": None,
    "made_at": "2026-01-02T09:20:00+08:00",
    "updated_at": "2026-01-02T09:20:00+08:00",
}


class PromiseSerializer(serializers.ModelSerializer):
    """By when a sub-order is promised, and whether that was kept."""

    sub_order = serializers.CharField(source="sub_order.number")
    order = serializers.CharField(source="order.number")
    number = serializers.IntegerField(help_text="1 is the first promise of the sub-order.")
    is_current = serializers.SerializerMethodField(help_text="False: a later one took its place.")
    warehouse = serializers.CharField(source="warehouse.code")
    leaves_at = serializers.DateTimeField(source="cutoff_at", allow_null=True, help_text="The cut-off it goes with.")
    planned_by = serializers.DateTimeField(allow_null=True, help_text="What the chosen warehouse makes of it.")
    promised_by = serializers.DateTimeField(allow_null=True, help_text="What the buyer was told; null: no date.")
    risk = serializers.CharField(help_text="Why it may be, or was, broken; empty: it is not at risk.")
    updated_at = serializers.DateTimeField(source="changed_at")

    class Meta:
        model = DeliveryPromise
        fields = list(PROMISE)

    def get_is_current(self, promise: DeliveryPromise) -> bool:
        """Whether it counts."""
        return promise.superseded_at is None
