"""The API's operations on settlements: a merchant reads what it is owed, row by row and statement by statement, and
says where a statement is wrong."""

from typing import Any

from django.db.models import QuerySet
from django_filters import BooleanFilter, CharFilter, ChoiceFilter, DateFilter
from django_filters.rest_framework import DjangoFilterBackend, FilterSet
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from oms.common.door.api import read_body, represent
from oms.common.door.places import NewestOrByChange
from oms.merchants.calls.scopes import SETTLEMENTS_DISPUTE, SETTLEMENTS_READ
from orders.api.scoping import OrderScopedView
from payments.models import RowKind, SettlementRow, Statement, StatementState
from payments.statements import disputing
from payments.statements.serializers import (
    DisputeSerializer,
    RemarkSerializer,
    SettlementRowSerializer,
    StatementSerializer,
)


class SettlementFilter(FilterSet):
    """Narrows the list of settlement rows."""

    order = CharFilter("order__number", max_length=16, help_text="The number of the order.")
    sub_order = CharFilter("sub_order__number", max_length=32, help_text="The number of the sub-order.")
    statement = CharFilter("statement__number", max_length=40, help_text="The number of the statement.")
    kind = ChoiceFilter(choices=RowKind.choices)
    open = BooleanFilter("statement", lookup_expr="isnull", help_text="Whether it is in no statement yet.")
    due_after = DateFilter("due_on", lookup_expr="gte", help_text="Due on that day (China's) or later.")
    due_before = DateFilter("due_on", lookup_expr="lt", help_text="Due before that day.")

    class Meta:
        model = SettlementRow
        fields: list[str] = []


class StatementFilter(FilterSet):
    """Narrows the list of statements."""

    state = ChoiceFilter(choices=StatementState.choices)
    ends_after = DateFilter("ends_on", lookup_expr="gt", help_text="Whose last day is that day or later.")
    starts_before = DateFilter("starts_on", lookup_expr="lt", help_text="That begin before that day.")

    class Meta:
        model = Statement
        fields: list[str] = []


class SettlementScopedView(OrderScopedView):
    """A view on what the calling merchant is owed."""

    whose = "merchant__code"
    scopes = {"GET": SETTLEMENTS_READ}
    has_sparse_fields = True

    def rows(self) -> QuerySet[SettlementRow]:
        """The rows that the merchant sees."""
        return SettlementRowSerializer.prepare(self.reach(SettlementRow))

    def statements(self) -> QuerySet[Statement]:
        """The statements that the merchant sees."""
        return self.reach(Statement).prefetch_related("remarks")


class SettlementsView(SettlementScopedView):
    """What the merchant is owed, row by row."""

    serializer_class = SettlementRowSerializer
    filter_backends = [DjangoFilterBackend]
    filterset_class = SettlementFilter
    pagination_class = NewestOrByChange
    query_parameters = NewestOrByChange.query_parameters | SettlementFilter.base_filters.keys()

    def get_queryset(self) -> QuerySet[SettlementRow]:
        """What a page of the list is taken from."""
        return self.rows()

    @extend_schema(
        operation_id="list_settlements",
        summary="List settlement rows",
        description=(
            "What the merchant is owed for what it fulfilled, one signed row a line and fact, newest first. A row never"
            " changes but for getting its statement; what comes later about it is a row of its own that `corrects` it."
        ),
        tags=["settlements"],
        responses=SettlementRowSerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of rows."""
        return self.page()


class StatementsView(SettlementScopedView):
    """The merchant's statements."""

    serializer_class = StatementSerializer
    filter_backends = [DjangoFilterBackend]
    filterset_class = StatementFilter
    pagination_class = NewestOrByChange
    query_parameters = NewestOrByChange.query_parameters | StatementFilter.base_filters.keys()

    def get_queryset(self) -> QuerySet[Statement]:
        """What a page of the list is taken from."""
        return self.statements()

    @extend_schema(
        operation_id="list_statements",
        summary="List statements",
        description="The merchant's settlements, period by period, newest first.",
        tags=["settlements"],
        responses=StatementSerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of statements."""
        return self.page()


class StatementView(SettlementScopedView):
    """One statement."""

    serializer_class = StatementSerializer

    def get_queryset(self) -> QuerySet[Statement]:
        """The statements that the merchant sees."""
        return self.statements()

    @extend_schema(
        operation_id="read_statement",
        summary="Read a statement",
        description="One statement; its rows are `/settlements?statement=NUMBER`.",
        tags=["settlements"],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The statement."""
        return self.one()


class StatementRemarksView(SettlementScopedView):
    """What is said about a statement."""

    scopes = {"POST": SETTLEMENTS_DISPUTE}
    has_sparse_fields = False
    serializer_class = RemarkSerializer

    @extend_schema(
        operation_id="dispute_statement",
        summary="Say what is wrong with a statement",
        description=(
            "Finance is told and answers in the statement's `remarks`. The statement itself never changes: where"
            " something was wrong, a correction in the open period says so."
        ),
        tags=["settlements"],
        request=DisputeSerializer,
        responses={201: OpenApiResponse(RemarkSerializer, "Finance is told.")},
    )
    def post(self, request: Request, number: str) -> Response:
        """Dispute it."""
        statement = get_object_or_404(self.statements(), number=number)
        text = read_body(DisputeSerializer, request).validated_data["text"]
        remark = disputing.dispute(statement.pk, text, actor=self.actor)
        remark.refresh_from_db()
        return Response(represent(RemarkSerializer, remark, request), status.HTTP_201_CREATED)
