"""The API's operations on alert lines and on what is suggested."""

from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django_filters import BooleanFilter, CharFilter, ChoiceFilter
from django_filters.rest_framework import DjangoFilterBackend, FilterSet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from inventory.models import (
    LineBasis,
    LineMethod,
    ReplenishmentPolicy,
    ReplenishmentSuggestion,
    RunsBy,
    SuggestionKind,
    SuggestionState,
)
from inventory.models.purchasing import MOST_UNITS_OF_A_LINE
from inventory.models.replenishing import LEAST_SERVICE, MOST_DAYS, MOST_PACK, MOST_SERVICE
from inventory.replenishing import policies
from inventory.replenishing.policies import MOST_ROWS, NewPolicy, Outcome
from oms.common.door.api import LineField, NewestFirst
from oms.common.door.filters import MomentFilter
from oms.common.door.rows import as_written, read_rows
from oms.common.door.schema import ErrorSerializer
from oms.merchants.calls.views import MerchantView

_POLICY = {
    "warehouse": "POP01-WH",
    "sku": "P1095275",
    "version": 1,
    "method": "computed",
    "reorder_point": 60,
    "order_up_to": 130,
    "basis": "demand",
    "mean_per_day": 10.0,
    "deviation_per_day": 3.162,
    "computed_on": "2026-11-26",
    "service_percent": "95.0",
    "lead_days": "3.0",
    "lead_deviation_days": "1.0",
    "cover_days": 7,
    "pack_size": 12,
    "minimum_quantity": 0,
    "runs_by": "approval",
    "snoozed_until": None,
    "is_active": True,
    "below_since": None,
    "changed_at": "2026-11-26T02:00:00Z",
}
_SUGGESTION = {
    "warehouse": "POP01-WH",
    "sku": "P1095275",
    "kind": "buy",
    "source": None,
    "quantity": 84,
    "position": 48,
    "reorder_point": 60,
    "order_up_to": 130,
    "state": "done",
    "reason": "",
    "purchase_order": "RP261126-18",
    "transfer": None,
    "created_at": "2026-11-26T02:00:00Z",
    "decided_at": "2026-11-26T03:00:00Z",
}
_NEW = {
    "policies": [
        {"warehouse": "POP01-WH", "sku": "P1095275", "method": "computed", "service_percent": "95", "lead_days": "3"},
        {"warehouse": "POP01-WH", "sku": "P1095276", "reorder_point": 20, "order_up_to": 60, "pack_size": 12},
    ]
}
_RESULTS = {
    "results": [
        {"index": 0, "warehouse": "POP01-WH", "sku": "P1095275", "status": "changed", "reorder_point": 60}
        | {"order_up_to": 130},
        {
            "index": 1,
            "warehouse": "POP01-WH",
            "sku": "P1095276",
            "status": "refused",
            "errors": [{"code": "not_found", "detail": "There is no SKU P1095276.", "attr": "sku"}],
        },
    ]
}


@extend_schema_serializer(examples=[OpenApiExample("A policy", _POLICY, response_only=True)])
class PolicySerializer(serializers.ModelSerializer):
    """How a SKU is replenished at a warehouse."""

    warehouse = serializers.CharField(source="warehouse.code")
    sku = serializers.CharField(source="sku.code")
    method = serializers.ChoiceField(LineMethod.choices)
    basis = serializers.ChoiceField(LineBasis.choices, help_text="What the line that counts now was made of.")
    runs_by = serializers.ChoiceField(RunsBy.choices)

    class Meta:
        model = ReplenishmentPolicy
        fields = list(_POLICY)


class _DaysField(serializers.DecimalField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=5, decimal_places=1, min_value=0, max_value=MOST_DAYS, **kwargs)


class NewPolicySerializer(serializers.Serializer):
    """How a SKU is to be replenished at a warehouse. What is left out is as in a new policy."""

    warehouse = LineField(max_length=32, help_text="One of your own, or one that keeps your goods.")
    sku = LineField(max_length=64)
    method = serializers.ChoiceField(LineMethod.choices, default=LineMethod.FIXED)
    reorder_point = serializers.IntegerField(
        min_value=0,
        max_value=MOST_UNITS_OF_A_LINE,
        required=False,
        help_text="For a fixed line: ordered when the position is not above it.",
    )
    order_up_to = serializers.IntegerField(
        min_value=1, max_value=MOST_UNITS_OF_A_LINE, required=False, help_text="For a fixed line; above it."
    )
    service_percent = serializers.DecimalField(
        4, 1, min_value=LEAST_SERVICE, max_value=MOST_SERVICE, default=policies.SERVICE_PERCENT
    )
    lead_days = _DaysField(default=policies.LEAD_DAYS)
    lead_deviation_days = _DaysField(default=policies.LEAD_DEVIATION_DAYS)
    cover_days = serializers.IntegerField(
        min_value=1, max_value=MOST_DAYS, default=policies.COVER_DAYS, help_text="How long an order should last."
    )
    pack_size = serializers.IntegerField(min_value=1, max_value=MOST_PACK, default=1)
    minimum_quantity = serializers.IntegerField(min_value=0, max_value=MOST_UNITS_OF_A_LINE, default=0)
    runs_by = serializers.ChoiceField(RunsBy.choices, default=RunsBy.APPROVAL)
    snoozed_until = serializers.DateTimeField(
        required=False, allow_null=True, help_text="Until then nothing is told or suggested."
    )
    is_active = serializers.BooleanField(
        default=True, help_text="False also where your goods are kept no longer: all else of such a line stays refused."
    )
    version = serializers.IntegerField(
        required=False, allow_null=True, help_text="Given, the row is refused unless the line is of this version still."
    )


@extend_schema_serializer(examples=[OpenApiExample("A computed line and a fixed one", _NEW, request_only=True)])
class NewPoliciesSerializer(serializers.Serializer):
    """Many policies; each is taken or refused for itself."""

    policies = NewPolicySerializer(many=True, allow_empty=False, max_length=MOST_ROWS)


class PolicyResultSerializer(serializers.Serializer):
    """What came of one policy: the line that counts now, or why it was refused."""

    index = serializers.IntegerField()
    warehouse = serializers.CharField()
    sku = serializers.CharField()
    status = serializers.ChoiceField(["changed", "refused"])
    reorder_point = serializers.IntegerField(required=False)
    order_up_to = serializers.IntegerField(required=False)
    errors = ErrorSerializer(many=True, required=False)


class PolicyResultsSerializer(serializers.Serializer):
    """One result for each policy, in the same order."""

    results = PolicyResultSerializer(many=True)


@extend_schema_serializer(examples=[OpenApiExample("A suggestion", _SUGGESTION, response_only=True)])
class SuggestionSerializer(serializers.ModelSerializer):
    """Units that should be bought or moved, with the figures of the moment in which they lacked."""

    warehouse = serializers.CharField(source="policy.warehouse.code")
    sku = serializers.CharField(source="policy.sku.code")
    kind = serializers.ChoiceField(SuggestionKind.choices)
    source = serializers.CharField(
        source="source.code", allow_null=True, default=None, help_text="The warehouse from which they are moved."
    )
    state = serializers.ChoiceField(SuggestionState.choices)
    purchase_order = serializers.CharField(source="purchase_order.number", allow_null=True, default=None)
    transfer = serializers.CharField(source="transfer.reference", allow_null=True, default=None)

    class Meta:
        model = ReplenishmentSuggestion
        fields = list(_SUGGESTION)


class PolicyFilter(FilterSet):
    """Narrows the list of policies."""

    sku = CharFilter("sku__code", max_length=64)
    warehouse = CharFilter("warehouse__code", max_length=32)
    is_below = BooleanFilter("below_since", "isnull", exclude=True, help_text="Whether the position is at its line.")
    updated_since = MomentFilter("changed_at", "gte", help_text="Set, computed or told of then or later.")

    class Meta:
        model = ReplenishmentPolicy
        fields: list[str] = []


class SuggestionFilter(FilterSet):
    """Narrows the list of suggestions."""

    sku = CharFilter("policy__sku__code", max_length=64)
    warehouse = CharFilter("policy__warehouse__code", max_length=32)
    state = ChoiceFilter(choices=SuggestionState.choices)
    updated_since = MomentFilter(method="filter_updated", help_text="Suggested or decided then or later.")

    class Meta:
        model = ReplenishmentSuggestion
        fields: list[str] = []

    def filter_updated(
        self, suggestions: QuerySet[ReplenishmentSuggestion], name: str, value: datetime
    ) -> QuerySet[ReplenishmentSuggestion]:
        """Those that came, or were decided, since then: nothing else happens to them."""
        return suggestions.filter(Q(created_at__gte=value) | Q(decided_at__gte=value))


class PoliciesView(MerchantView):
    """The policies of the merchant's SKUs."""

    scopes = {"GET": "inventory.read", "POST": "inventory.write"}
    has_sparse_fields = True
    serializer_class = PolicySerializer
    filter_backends = [DjangoFilterBackend]
    filterset_class = PolicyFilter
    pagination_class = NewestFirst
    query_parameters = NewestFirst.query_parameters | PolicyFilter.base_filters.keys()

    def get_queryset(self) -> QuerySet[ReplenishmentPolicy]:
        """What a page of the list is taken from."""
        if getattr(self, "swagger_fake_view", False):
            return ReplenishmentPolicy.objects.none()
        return ReplenishmentPolicy.objects.visible_to(self.merchant).select_related("warehouse", "sku")

    @extend_schema(
        operation_id="list_replenishment_policies",
        summary="List alert lines",
        description=(
            "How each SKU is replenished at each warehouse, and since when its position is not above its line. The"
            " position is on hand and on order less frozen, reserved, and what orders wait for."
        ),
        tags=["inventory"],
        responses=PolicySerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of policies."""
        return self.page()

    @extend_schema(
        operation_id="change_replenishment_policies",
        summary="Set alert lines",
        description=(
            "Up to 5,000 policies, each taken or refused for itself, also for a figure that is none: a new one, "
            "or another for a SKU and warehouse that have one. A `fixed` line is what you say. A `computed` one "
            "follows from the demand of the last weeks, the lead time and the service level, and is worked out "
            "anew every day. With `runs_by` `rule` what is suggested is acted on at once, else a person approves "
            "it: what is to be bought becomes the draft of a purchase order, of which nothing is expected before "
            "it is approved."
        ),
        tags=["inventory"],
        request=NewPoliciesSerializer,
        examples=[OpenApiExample("One of each", _RESULTS, response_only=True)],
        responses=PolicyResultsSerializer,
        filters=False,
    )
    def post(self, request: Request) -> Response:
        """Set them, row by row."""
        body, read = read_rows(NewPoliciesSerializer, "policies", request)
        wanted = [NewPolicy(**values) for values in read if isinstance(values, dict)]
        came = iter(policies.set_policies(self.merchant, wanted, actor=self.merchant.code))
        outcomes: list[Outcome] = [next(came) if isinstance(values, dict) else values for values in read]
        results: list[dict[str, Any]] = []
        for index, (row, outcome) in enumerate(zip(body["policies"], outcomes, strict=True)):
            result: dict[str, Any] = {"index": index, **as_written(row, "warehouse", "sku")}
            if isinstance(outcome, ReplenishmentPolicy):
                lines = {"reorder_point": outcome.reorder_point, "order_up_to": outcome.order_up_to}
                result |= {"status": "changed", **lines}
            else:
                result |= {"status": "refused", "errors": [error.as_dict() for error in outcome]}
            results.append(result)
        return Response({"results": results})


class SuggestionsView(MerchantView):
    """What is suggested for the merchant's SKUs."""

    scopes = {"GET": "inventory.read"}
    has_sparse_fields = True
    serializer_class = SuggestionSerializer
    filter_backends = [DjangoFilterBackend]
    filterset_class = SuggestionFilter
    pagination_class = NewestFirst
    query_parameters = NewestFirst.query_parameters | SuggestionFilter.base_filters.keys()

    def get_queryset(self) -> QuerySet[ReplenishmentSuggestion]:
        """What a page of the list is taken from."""
        if getattr(self, "swagger_fake_view", False):
            return ReplenishmentSuggestion.objects.none()
        mine = ReplenishmentSuggestion.objects.visible_to(self.merchant)
        return mine.select_related("policy__warehouse", "policy__sku", "source", "purchase_order", "transfer")

    @extend_schema(
        operation_id="list_replenishment_suggestions",
        summary="List what should be bought or moved",
        description=(
            "What was suggested when a position came down to its line, newest first, and what became of it: staff"
            " approve or reject it, or it is done by rule."
        ),
        tags=["inventory"],
        responses=SuggestionSerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of suggestions."""
        return self.page()
