"""The API's operations on gift cards and points, for the operator's own systems."""

from typing import Any

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from oms.common.door.api import NewestFirst, read_body, represent
from oms.common.errors import FieldError
from orders.api.scoping import OrderScopedView
from payments.balances import codes, issuing
from payments.balances.issuing import Issued, NewCard
from payments.balances.serializers import (
    BalanceFilter,
    CodeSerializer,
    GiftCardSerializer,
    IssuedSerializer,
    IssueSerializer,
    MemberSerializer,
    MovementFilter,
    MovementSerializer,
    PointsSerializer,
)
from payments.models import BalanceAccount, BalanceKind, BalanceMovement


class _BalancesView(OrderScopedView):
    """A view on the merchant's gift cards or points."""

    scopes = {"GET": "balances.read"}
    kind = BalanceKind.GIFT_CARD

    def get_queryset(self) -> QuerySet[BalanceAccount]:
        """The balances of the kind that the merchant sees."""
        if getattr(self, "swagger_fake_view", False):
            return BalanceAccount.objects.none()
        return BalanceAccount.objects.visible_to(self.merchant).filter(kind=self.kind)


class _BalanceListView(_BalancesView):
    has_sparse_fields = True
    filter_backends = [DjangoFilterBackend]
    filterset_class = BalanceFilter
    pagination_class = NewestFirst
    query_parameters = NewestFirst.query_parameters | BalanceFilter.base_filters.keys()


class GiftCardsView(_BalanceListView):
    """The merchant's gift cards."""

    scopes = {"GET": "balances.read", "POST": "balances.issue"}
    serializer_class = GiftCardSerializer
    answers_a_secret = True

    @extend_schema(
        operation_id="list_gift_cards",
        summary="List gift cards",
        description="The gift cards that were issued here, newest first.",
        tags=["gift cards and points"],
        responses=GiftCardSerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of gift cards."""
        return self.page()

    @extend_schema(
        operation_id="issue_gift_cards",
        summary="Issue gift cards",
        description=(
            "One outcome for each, in order. The codes are secrets: they are told here, and by a copy of this call, and"
            " nowhere else. An order that names a code in `gift_cards` holds its amount at once."
        ),
        tags=["gift cards and points"],
        request=IssueSerializer,
        responses={201: OpenApiResponse(IssuedSerializer, "What became of each card.")},
    )
    def post(self, request: Request) -> Response:
        """Issue them."""
        data = read_body(IssueSerializer, request).validated_data
        wanted = [NewCard(row["amount"], row.get("expires_at"), row.get("reference", "")) for row in data["cards"]]
        outcomes = issuing.issue_cards(
            self.merchant, wanted, is_sold=data["is_sold"], key=data["batch"], actor=self.actor
        )
        return Response({"cards": [_shown(outcome) for outcome in outcomes]}, status.HTTP_201_CREATED)


def _shown(outcome: Issued | FieldError) -> dict[str, Any]:
    if isinstance(outcome, Issued):
        return {"number": outcome.card.number, "code": outcome.code, "error": None}
    return {"number": None, "code": None, "error": outcome.as_dict()}


class GiftCardLookUpView(_BalancesView):
    """The gift card that has a code."""

    scopes = {"POST": "balances.read"}
    error_statuses = {"404": "No card of the merchant has this code."}
    serializer_class = GiftCardSerializer
    requires_idempotency_key = False

    @extend_schema(
        operation_id="look_up_gift_card",
        summary="Find a gift card by its code",
        description="What is left on the card of this code. Nothing is changed.",
        tags=["gift cards and points"],
        request=CodeSerializer,
        responses={200: GiftCardSerializer},
    )
    def post(self, request: Request) -> Response:
        """The card."""
        code = read_body(CodeSerializer, request).validated_data["code"]
        card = get_object_or_404(self.get_queryset(), code_digest=codes.digest(code))
        return Response(represent(GiftCardSerializer, card, request))


class GiftCardView(_BalancesView):
    """One gift card."""

    has_sparse_fields = True
    serializer_class = GiftCardSerializer

    @extend_schema(
        operation_id="read_gift_card",
        summary="Read a gift card",
        description="One gift card, by its number.",
        tags=["gift cards and points"],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The card."""
        return self.one()


class PointsAccountsView(_BalanceListView):
    """The points of the merchant's members."""

    scopes = {"GET": "balances.read", "POST": "balances.issue"}
    kind = BalanceKind.POINTS
    serializer_class = PointsSerializer

    @extend_schema(
        operation_id="list_points_accounts",
        summary="List members' points",
        description="The points of members, newest first; one member's with `member`.",
        tags=["gift cards and points"],
        responses=PointsSerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of members' points."""
        return self.page()

    @extend_schema(
        operation_id="open_points_account",
        summary="Open a member's points",
        description="A member that has points already keeps them. Orders that name a member open them as well.",
        tags=["gift cards and points"],
        request=MemberSerializer,
        responses={201: OpenApiResponse(PointsSerializer, "The member's points.")},
    )
    def post(self, request: Request) -> Response:
        """Open them."""
        member = read_body(MemberSerializer, request).validated_data["member"]
        account = issuing.open_points(self.merchant, [member], actor=self.actor)[member]
        shown = self.get_queryset().get(pk=account.pk)
        return Response(represent(PointsSerializer, shown, request), status.HTTP_201_CREATED)


class PointsAccountView(_BalancesView):
    """One member's points."""

    has_sparse_fields = True
    kind = BalanceKind.POINTS
    serializer_class = PointsSerializer

    @extend_schema(
        operation_id="read_points_account",
        summary="Read a member's points",
        description="The points of one member, by their number.",
        tags=["gift cards and points"],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The points."""
        return self.one()


class MovementsView(OrderScopedView):
    """What happened to one gift card or to one member's points."""

    scopes = {"GET": "balances.read"}
    has_sparse_fields = True
    serializer_class = MovementSerializer
    filter_backends = [DjangoFilterBackend]
    filterset_class = MovementFilter
    pagination_class = NewestFirst
    query_parameters = NewestFirst.query_parameters | MovementFilter.base_filters.keys()
    kind = BalanceKind.GIFT_CARD

    def get_queryset(self) -> QuerySet[BalanceMovement]:
        """The movements of the account that the address names. Raises Http404."""
        if getattr(self, "swagger_fake_view", False):
            return BalanceMovement.objects.none()
        accounts = BalanceAccount.objects.visible_to(self.merchant).filter(kind=self.kind)
        account = get_object_or_404(accounts.only("pk"), number=self.kwargs["number"])
        return MovementSerializer.prepare(BalanceMovement.objects.filter(account=account))

    @extend_schema(
        operation_id="list_gift_card_movements",
        summary="List what happened to a gift card",
        description="When, for which order, how much, and what was left; newest first.",
        tags=["gift cards and points"],
        responses=MovementSerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of movements."""
        return self.page()


class PointsMovementsView(MovementsView):
    """What happened to one member's points."""

    kind = BalanceKind.POINTS

    @extend_schema(
        operation_id="list_points_movements",
        summary="List what happened to a member's points",
        description="When, for which order, how much, and what was left; newest first.",
        tags=["gift cards and points"],
        responses=MovementSerializer(many=True),
        filters=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of movements."""
        return self.page()
