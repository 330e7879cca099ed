"""Many orders in one call."""

import json
from contextlib import nullcontext
from typing import Any

import msgspec
from django.db import transaction
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiRequest, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from oms.common.door.api import read_json
from oms.common.door.errors import InvalidInput
from oms.common.door.forms import wrong_json
from oms.common.door.schema import schema_of
from oms.common.errors import FieldError
from orders.api import examples
from orders.api.results import duplicate, shown
from orders.api.scoping import OrderScopedView
from orders.api.serializers.bulk import MAX_BULK, BulkBody, BulkResultsSerializer, HistoricalBulkBody, RawBulkBody
from orders.intake import rejecting
from orders.intake.bodies import HistoricalBody, OrderBody, decode_strictly, field_error
from orders.intake.placing import Duplicate, Placed, Refused, place_orders
from orders.models import RejectedOrder


class BulkView(OrderScopedView):
    """Many orders in one call."""

    scopes = {"POST": "orders.write"}
    query_parameters = frozenset({"on_error", "mode"})
    serializer_class = BulkResultsSerializer

    @extend_schema(
        operation_id="create_orders",
        summary="Send many orders",
        description=(
            f"Up to {MAX_BULK} orders in one call. Each is checked and stored for itself: what is wrong with one does"
            " not stop the others. The answer has one result for each, in the same order. A call may be repeated; what"
            " it stored already comes back as `duplicate`. With `on_error=abort` nothing is stored if any is refused:"
            " 422, and each result says whether it is to blame. Refused rows are kept: see rejected orders."
            " With `mode=historical` (scope `orders.import`) the orders are stored as they ended elsewhere: each has"
            " `state` and `finished_at` beside the usual fields; no stock moves, nothing is asked for or told."
        ),
        parameters=[
            OpenApiParameter(
                "on_error", str, enum=["continue", "abort"], default="continue", description="What one bad row does."
            ),
            OpenApiParameter("mode", str, enum=["live", "historical"], default="live", description="See above."),
        ],
        tags=["orders"],
        request=OpenApiRequest(
            {"oneOf": [schema_of(BulkBody), schema_of(HistoricalBulkBody)]},
            examples=[
                OpenApiExample("Orders", {"orders": [examples.BODY]}),
                OpenApiExample("Orders of the past (mode=historical)", {"orders": [examples.HISTORICAL_BODY]}),
            ],
        ),
        responses={
            200: OpenApiResponse(BulkResultsSerializer, "One result for each order."),
            422: OpenApiResponse(BulkResultsSerializer, "Nothing was stored: `on_error=abort`, and a row is wrong."),
        },
    )
    def post(self, request: Request) -> Response:
        """Store the orders that are right. Raises InvalidInput where the call itself is wrong."""
        aborts = self._choice("on_error", ("continue", "abort")) == "abort"
        is_history = self._choice("mode", ("live", "historical")) == "historical"
        rows = _rows(read_json(request))
        decoded = [decode_strictly(row, HistoricalBody if is_history else OrderBody) for row in rows]
        bodies = [body if isinstance(body, OrderBody) else body[0] for body in decoded]
        with transaction.atomic() if aborts else nullcontext():
            outcomes = place_orders(bodies, self.merchant, actor=self.actor, is_history=is_history)
            is_aborted = aborts and any(isinstance(outcome, Refused) for outcome in outcomes)
            if is_aborted:
                transaction.set_rollback(True)
        # A row that repeats one of this call is undone with it.
        undone = {outcome.number for outcome in outcomes if isinstance(outcome, Placed)} if is_aborted else set()
        refused = []
        url = reverse("api:orders", request=request)
        results = []
        for index, (row, body, outcome) in enumerate(zip(rows, decoded, outcomes, strict=True)):
            external = body.external_number if isinstance(body, OrderBody) else _external_number(row)
            result: dict[str, Any] = {"index": index, "external_number": external}
            match outcome:
                case Placed(number=number) | Duplicate(number) if number in undone:
                    result["status"] = "aborted"
                case Placed(_id, number, _order):
                    result |= {"status": "created", "number": number, "url": f"{url}/{number}"}
                case Duplicate(number):
                    result |= {"status": "duplicate", "number": number, "url": f"{url}/{number}"}
                    result["errors"] = [shown(duplicate(number))]
                case Refused(errors):
                    wrong = errors if isinstance(body, OrderBody) else body
                    result |= {"status": "refused", "errors": [shown(error) for error in wrong]}
                    refused.append(rejecting.RefusedRow(row, external or "", wrong))
            results.append(result)
        if not is_history:
            rejecting.keep(self.merchant, RejectedOrder.Door.BULK, refused)
        return Response({"results": results}, 422 if is_aborted else 200)

    def scope_for(self, method: str) -> str:
        """Orders of the past need a right of their own."""
        return "orders.import" if self.request.query_params.get("mode") == "historical" else super().scope_for(method)

    def _choice(self, name: str, choices: tuple[str, ...]) -> str:
        """The parameter's value; the first choice where it is not given. Raises InvalidInput."""
        given = self.request.query_params.get(name, choices[0])
        if given not in choices:
            detail = _("Give one of: %(choices)s.") % {"choices": ", ".join(choices)}
            raise InvalidInput([FieldError(name, "invalid_choice", detail)])
        return given


def _rows(raw: bytes) -> list[bytes]:
    """The orders of a bulk call, each still as JSON. Raises InvalidInput."""
    try:
        rows = msgspec.json.decode(raw, type=RawBulkBody).orders
    except msgspec.ValidationError as error:
        raise InvalidInput([field_error(error)]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput([FieldError("", "parse_error", wrong_json(error))]) from error
    if raw.count(b'"orders"') > 1 and _repeats_orders(raw):
        raise InvalidInput([FieldError("orders", "repeated_key", _("This object has the key twice."))])
    if not rows:
        raise InvalidInput([FieldError("orders", "empty", _("Send at least one order."))])
    if len(rows) > MAX_BULK:
        detail = _("Send at most %(most)d orders in one call.") % {"most": MAX_BULK}
        raise InvalidInput([FieldError("orders", "too_many", detail)])
    return [bytes(row) for row in rows]


def _repeats_orders(raw: bytes) -> bool:
    """Whether the outermost object has `orders` twice, so that a reader would drop some of them."""
    objects: list[list[tuple[str, Any]]] = []
    try:
        json.loads(raw, object_pairs_hook=objects.append, parse_int=len, parse_float=len)
    except (ValueError, RecursionError):
        return False  # a row is to blame, and is refused by itself
    return [key for key, _value in objects[-1]].count("orders") > 1


class _Head(msgspec.Struct):
    external_number: str | None = None


def _external_number(row: bytes) -> str | None:
    """The external number of a row of wrong form, if it can be read."""
    try:
        return msgspec.json.decode(row, type=_Head).external_number
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
