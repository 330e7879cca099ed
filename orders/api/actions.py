"""What merchants do to their orders: change the recipient, mark them, leave notes."""

from django.db import transaction
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from oms.common.door.api import read_body, represent, version_of
from orders import kinds
from orders.api.examples import ORDER
from orders.api.scoping import OrderScopedView
from orders.api.serializers.changing import MarksSerializer, NoteSerializer, RecipientChangeSerializer
from orders.api.serializers.orders import OrderSerializer
from orders.changing import marking, readdressing, wishing
from orders.models import OrderEvent
from orders.telling import timeline

_NOTE = {"at": "2026-01-02T09:20:00+08:00", "text": "The buyer is at home after 18:00."}

_WISHES = {"carrier": wishing.wish_for_carrier, "warehouse": wishing.wish_for_warehouse}


class RecipientView(OrderScopedView):
    """Who gets one order, and where."""

    scopes = {"PATCH": "orders.write"}
    checks_version = frozenset({"PATCH"})
    serializer_class = OrderSerializer

    @extend_schema(
        operation_id="change_recipient",
        summary="Change the recipient",
        description=(
            "Changes name, phone, region or address as long as nothing of the order is in a warehouse's hands; after"
            " that 409 `cannot_change_recipient` says why. In another region the warehouse is chosen anew: sub-orders"
            " go back to `awaiting_allocation` and their stock is given back. The review rules look again."
        ),
        tags=["orders"],
        request=RecipientChangeSerializer,
        examples=[
            OpenApiExample("Another district", {"region_code": "110105", "address": "建国路88号"}, request_only=True),
            OpenApiExample("The order", ORDER, response_only=True),
        ],
        responses=OpenApiResponse(OrderSerializer, "The order as it is now."),
    )
    def patch(self, request: Request, number: str) -> Response:
        """Change the recipient."""
        version = version_of(request)
        order_id = self.order_id(number)
        body = read_body(RecipientChangeSerializer, request)
        new = readdressing.Recipient(**body.validated_data)
        readdressing.change_recipient(order_id, new, actor=self.actor, version=version)
        return self.order_response(order_id)


class MarksView(OrderScopedView):
    """The seller's memo, flag, metadata and wishes on one order."""

    scopes = {"PATCH": "orders.write"}
    checks_version = frozenset({"PATCH"})
    serializer_class = OrderSerializer

    @extend_schema(
        operation_id="mark_order",
        summary="Change the seller's memo, flag, metadata or wishes",
        description=(
            "Staff see them on the order's page. Possible at any time; what is left out stays. `metadata` is merged:"
            " keys that are given are set, those given as null removed, the others stay. `carrier` and `warehouse` are"
            " whom the order wishes for: until it is split, after that 409 `cannot_wish`; the timeline tells them"
            " (`carrier_wished`, `warehouse_wished`)."
        ),
        tags=["orders"],
        request=MarksSerializer,
        responses=OpenApiResponse(OrderSerializer, "The order as it is now."),
    )
    def patch(self, request: Request, number: str) -> Response:
        """Change the marks."""
        version = version_of(request)
        order_id = self.order_id(number)
        marks = dict(read_body(MarksSerializer, request).validated_data)
        wishes = {name: marks.pop(name) for name in _WISHES if name in marks}
        seen: int | None = version
        with transaction.atomic():
            for name, code in wishes.items():
                _WISHES[name](order_id, code, actor=self.actor, version=seen)
                # The version that was looked at is that of the first change; the next one comes upon it.
                seen = None
            if marks or not wishes:
                marking.mark(order_id, **marks, actor=self.actor, version=seen)
        return self.order_response(order_id)


class NotesView(OrderScopedView):
    """The merchant's notes on one order."""

    scopes = {"GET": "orders.read", "POST": "orders.write"}
    serializer_class = NoteSerializer

    @extend_schema(
        operation_id="list_notes",
        summary="List the notes on an order",
        description="The merchant's own notes, oldest first. What staff note for each other is not among them.",
        tags=["orders"],
        examples=[OpenApiExample("A note", _NOTE, response_only=True)],
        responses=NoteSerializer(many=True),
    )
    def get(self, request: Request, number: str) -> Response:
        """The notes."""
        events = OrderEvent.objects.filter(order_id=self.order_id(number), kind=kinds.MERCHANT_NOTE.code).order_by("pk")
        return Response([_note(event, request) for event in events])

    @extend_schema(
        operation_id="add_note",
        summary="Leave a note on an order",
        description="Staff see it in the order's timeline. A note does not change the order, so it needs no version.",
        tags=["orders"],
        examples=[
            OpenApiExample("A note", {"text": _NOTE["text"]}, request_only=True),
            OpenApiExample("The note", _NOTE, response_only=True),
        ],
        responses={201: NoteSerializer},
    )
    def post(self, request: Request, number: str) -> Response:
        """Keep a note."""
        order_id = self.order_id(number)
        body = read_body(NoteSerializer, request)
        timeline.add_note(order_id, text=body.validated_data["text"], actor=self.actor)
        event = OrderEvent.objects.filter(order_id=order_id, kind=kinds.MERCHANT_NOTE.code).latest("pk")
        return Response(_note(event, request), status.HTTP_201_CREATED)


def _note(event: OrderEvent, request: Request) -> dict[str, object]:
    note = {"created_at": event.created_at, "text": (event.data or {}).get("text", "")}
    return represent(NoteSerializer, note, request)
