"""How merchants change placed orders: several changes at once, what they would do, and many orders in one call."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, PolymorphicProxySerializer, extend_schema
from rest_framework import status
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from oms.common.door.api import read_body, represent, version_of
from oms.common.errors import FieldError, OmsError, WrongFields
from oms.merchants.calls.scopes import INVOICES_REQUEST
from orders.api.examples import ORDER
from orders.api.results import shown
from orders.api.scoping import OrderScopedView
from orders.api.serializers.change_sets import (
    ChangePreviewSerializer,
    ChangeSerializer,
    ManyChangedSerializer,
    ManyToChangeSerializer,
)
from orders.api.serializers.orders import OrderSerializer
from orders.changing import choosing
from orders.changing.sets import drafting, previewing
from orders.models import ChangeSetState

_NO_INVOICES = gettext_lazy("The credential may not ask for invoices: it lacks invoices.request.")


class ChangingView(OrderScopedView):
    """A view by which orders are changed."""

    def may(self, actions: Sequence[Mapping[str, Any]]) -> bool:
        """Whether the credential may do all of them: who asks for invoices needs that scope as well."""
        asks = any(one["do"] == "invoice" for one in actions)
        return not asks or INVOICES_REQUEST in self.caller.credential.scopes


class ChangesView(ChangingView):
    """Changes of one order, all together or not at all."""

    scopes = {"POST": "orders.write", "DELETE": "orders.write"}
    checks_version = frozenset({"POST"})
    serializer_class = OrderSerializer

    @extend_schema(
        operation_id="change_order",
        summary="Change goods, amounts and terms of a placed order",
        description=(
            "All `actions` together, or none. What makes a prepaid order cost more waits until the buyer has paid the"
            " balance: the answer is 202, the order is held meanwhile, and the webhooks `order.change_waits`,"
            " `order.changed` and `order.change_ended` tell what becomes of it. Everything else is done at once, and"
            " what is too much goes back: 200. Units that a warehouse has are refused with the reason. An order has one"
            " open change at most. With `preview` nothing is changed: the answer says what would be."
        ),
        tags=["orders"],
        request=ChangeSerializer,
        examples=[OpenApiExample("The order", ORDER, response_only=True, status_codes=["200"])],
        responses={
            200: OpenApiResponse(
                PolymorphicProxySerializer(
                    component_name="OrderOrChangePreview",
                    serializers=[OrderSerializer, ChangePreviewSerializer],
                    resource_type_field_name=None,
                ),
                "It is done; the order as it is now. With `preview`: what it would do.",
            ),
            202: OpenApiResponse(OrderSerializer, "The buyer is asked for the balance first; the order as it is."),
        },
    )
    def post(self, request: Request, number: str) -> Response:
        """Change, or say what that would do."""
        version = version_of(request)
        order_id = self.order_id(number)
        wish = read_body(ChangeSerializer, request).validated_data
        if not self.may(wish["actions"]):
            raise PermissionDenied(_NO_INVOICES)
        if wish.get("preview"):
            found = previewing.preview(order_id, wish["actions"], reason=wish["reason"], version=version)
            return Response(represent(ChangePreviewSerializer, found, request))
        row = drafting.change(order_id, wish["actions"], reason=wish["reason"], actor=self.actor, version=version)
        waits = row.state == ChangeSetState.AWAITING_BALANCE
        return self.order_response(order_id, status.HTTP_202_ACCEPTED if waits else status.HTTP_200_OK)

    @extend_schema(
        operation_id="discard_change",
        summary="Give up the change that waits for its payment",
        description="The buyer is not asked any more, and the order goes on as it was. 409 where there is none.",
        tags=["orders"],
        responses=OpenApiResponse(OrderSerializer, "The order as it is now."),
    )
    def delete(self, request: Request, number: str) -> Response:
        """Give it up."""
        order_id = self.order_id(number)
        drafting.discard(order_id, actor=self.actor)
        return self.order_response(order_id)


class ChangeManyView(ChangingView):
    """Changes of many orders."""

    scopes = {"POST": "orders.write"}
    serializer_class = ManyChangedSerializer

    @extend_schema(
        operation_id="change_orders",
        summary="Change many orders",
        description=(
            "Each order by itself, as `changes` of one does: what is refused changes nothing, and the others are done"
            " all the same. One result for each, in the same order."
        ),
        tags=["orders"],
        request=ManyToChangeSerializer,
        responses=OpenApiResponse(ManyChangedSerializer, "One result for each order."),
    )
    def post(self, request: Request) -> Response:
        """Change each."""
        rows = read_body(ManyToChangeSerializer, request).validated_data["orders"]
        known = dict(self.orders().filter(number__in={row["number"] for row in rows}).values_list("number", "pk"))
        choosing.lock_all(known.values())
        results = [
            {"index": index, "number": row["number"], **self._change(known.get(row["number"]), row)}
            for index, row in enumerate(rows)
        ]
        return Response({"results": results})

    def _change(self, order_id: int | None, row: Mapping[str, Any]) -> dict[str, Any]:
        if order_id is None:
            return _refused([FieldError("number", "not_found", _("There is no such order."))])
        if not self.may(row["actions"]):
            return _refused([FieldError("actions", "permission_denied", str(_NO_INVOICES))])
        try:
            with transaction.atomic():
                done = drafting.change(
                    order_id, row["actions"], reason=row["reason"], actor=self.actor, version=row.get("version")
                )
        except WrongFields as wrong:
            return _refused(wrong.errors)
        except OmsError as refusal:
            return _refused([FieldError(refusal.attr or "", refusal.code, str(refusal))])
        waits = done.state == ChangeSetState.AWAITING_BALANCE
        balance = {"balance": str(done.balance_amount)} if waits else {}
        return {"status": "waits" if waits else "changed", "change": done.number, **balance}


def _refused(errors: Sequence[FieldError]) -> dict[str, Any]:
    return {"status": "refused", "errors": [shown(error) for error in errors]}
