"""The API's operations on sub-orders of several orders that go in one parcel (合单)."""

from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from oms.common.door.api import read_body, represent
from oms.common.door.errors import InvalidInput
from oms.common.errors import FieldError
from orders.api.scoping import OrderScopedView
from orders.api.serializers.following import MergeableSerializer, MergeSerializer, UnmergeSerializer
from orders.api.serializers.orders import OrderSerializer
from orders.changing import merging
from orders.changing.merge_fits import Match, matches_of
from orders.models import SubOrder


class MergeableView(OrderScopedView):
    """What belongs into a parcel with an order."""

    scopes = {"GET": "orders.read"}
    serializer_class = MergeableSerializer

    @extend_schema(
        operation_id="list_mergeable",
        summary="List what could go in one parcel with an order",
        description=(
            "Sub-orders of other orders of yours to the same recipient, in the same way (`certain`), and those of which"
            " only phone and region agree (`suspected`): look at them, they are not merged. What a warehouse has"
            " already is left out."
        ),
        tags=["orders"],
        responses=MergeableSerializer(many=True),
    )
    def get(self, request: Request, number: str) -> Response:
        """The pairs."""
        order_id = self.order_id(number)
        found = matches_of([order_id]).get(order_id, [])
        visible = set(self.orders().filter(pk__in={one.other.order_id for one in found}).values_list("pk", flat=True))
        shown = [_shown(one) for one in found if one.other.order_id in visible]
        return Response([represent(MergeableSerializer, one, request) for one in shown])


def _shown(match: Match) -> dict[str, object]:
    own, other = match.own, match.other
    return {
        "sub_order": own.number or own.order_number,
        "other": other.number or other.order_number,
        "order": other.order_number,
        "fit": match.fit.value,
        "obstacle": own.obstacle_text or other.obstacle_text,
        "is_merged": own.group_id is not None and own.group_id == other.group_id,
    }


class MergesView(OrderScopedView):
    """Merging sub-orders."""

    scopes = {"POST": "orders.write"}
    serializer_class = MergeSerializer

    @extend_schema(
        operation_id="merge_sub_orders",
        summary="Merge sub-orders into one parcel",
        description=(
            "Sub-orders of several of your orders go as one warehouse order and one parcel; each order keeps its money,"
            " invoice and state. One that is merged already brings its company. 409 `cannot_merge` names the one that"
            " does not belong with the others, and why."
        ),
        tags=["orders"],
        request=MergeSerializer,
        responses={201: OpenApiResponse(MergeSerializer, "All that go together now.")},
    )
    def post(self, request: Request) -> Response:
        """Merge them."""
        numbers = read_body(MergeSerializer, request).validated_data["sub_orders"]
        own = SubOrder.objects.filter(order__in=self.orders(), number__in=numbers)
        keys = dict(own.values_list("number", "pk"))
        unknown = [
            FieldError(
                f"sub_orders.{i}", "unknown_sub_order", _("There is no sub-order %(number)s.") % {"number": number}
            )
            for i, number in enumerate(numbers)
            if number not in keys
        ]
        if unknown:
            raise InvalidInput(unknown)
        group = merging.merge(list(keys.values()), actor=self.actor)
        members = SubOrder.objects.filter(merge_group=group).order_by("pk").values_list("number", flat=True)
        return Response(represent(MergeSerializer, {"sub_orders": list(members)}, request), status.HTTP_201_CREATED)


class UnmergeView(OrderScopedView):
    """Parting a sub-order from those with which it goes."""

    scopes = {"POST": "orders.write"}
    serializer_class = OrderSerializer

    @extend_schema(
        operation_id="unmerge_sub_order",
        summary="Let a merged sub-order go by itself again",
        description="Until its warehouse has the parcel: after that 409 `cannot_merge` says so.",
        tags=["orders"],
        request=UnmergeSerializer,
        responses=OpenApiResponse(OrderSerializer, "The order as it is now."),
    )
    def post(self, request: Request, number: str) -> Response:
        """Part it."""
        order_id = self.order_id(number)
        wanted = read_body(UnmergeSerializer, request).validated_data["sub_order"]
        part = SubOrder.objects.filter(order=order_id, number=wanted).first()
        if part is None:
            detail = _("The order has no sub-order %(number)s.") % {"number": wanted}
            raise InvalidInput([FieldError("sub_order", "unknown_sub_order", detail)])
        merging.unmerge(part.pk, actor=self.actor)
        return self.order_response(order_id)
