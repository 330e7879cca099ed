"""Everything that webhooks would have told, to be read by programs that were away or have no address of their own."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from oms.common import numbering
from oms.common.door.api import represent
from oms.common.door.errors import InvalidInput
from oms.common.door.places import Place, limit_of, start
from oms.common.errors import FieldError
from oms.common.postgresql.horizon import settled_until
from oms.merchants.webhooks import endpoints
from orders.api import places
from orders.api.scoping import OrderScopedView
from orders.telling import events

KEPT = timedelta(days=30)
MOST = 200
# So many events of all merchants are looked through at a time, in so many steps a call: what a call costs has a limit,
# however little of it is the caller's.
_EVENTS, _STEPS = 2_000, 10

EVENT = {
    "id": "403958221604-0",
    "type": "order.split",
    "occurred_at": "2026-01-02T11:30:00+08:00",
    "data": {"order": "1364935748662587", "external_number": "X-1", "state": "split", "version": 4},
}


@extend_schema_serializer(component_name="News")
class EventSerializer(serializers.Serializer):
    """A piece of news, as webhooks tell it."""

    id = serializers.CharField(help_text="Its own: who reads the same page twice knows it again.")
    type = serializers.CharField()
    occurred_at = serializers.DateTimeField()
    data = serializers.DictField(help_text="As in the webhook; states and versions are those of now.")


@extend_schema_serializer(
    examples=[OpenApiExample("News", {"next": None, "cursor": "0" * 29, "results": [EVENT]}, response_only=True)]
)
class EventsPageSerializer(serializers.Serializer):
    """News in the order in which it happened."""

    next = serializers.CharField(allow_null=True, help_text="The address of the next page; null where nothing is left.")
    cursor = serializers.CharField(help_text="Where to go on later.")
    results = EventSerializer(many=True)


class EventsView(OrderScopedView):
    """What happened to what is the merchant's."""

    scopes = {"GET": "orders.read"}
    serializer_class = EventsPageSerializer
    query_parameters = frozenset({"updated_since", "cursor", "limit", "types"})

    @extend_schema(
        operation_id="list_events",
        summary="Catch up with events",
        description=(
            "What webhooks tell, of the last 30 days, whether or not you have an endpoint. Begin with `updated_since`;"
            " then go on with `cursor`, also after the last page (`next` is null): nothing is left out however"
            " transactions overtake each other, for which the list is some seconds behind. A page may be empty and"
            " have a next one all the same."
        ),
        tags=["self-service"],
        parameters=[
            OpenApiParameter("updated_since", OpenApiTypes.DATETIME, description="Happened then or later."),
            OpenApiParameter("cursor", str, description="Where to go on."),
            OpenApiParameter("limit", int, description="How many at most: 1 to 200, 50 without it."),
            OpenApiParameter(
                "types",
                str,
                description="Only these, apart by commas, as endpoints name them: `order.*,shipment.signed`.",
            ),
        ],
        responses=EventsPageSerializer,
    )
    def get(self, request: Request) -> Response:
        """A page."""
        limit, place = limit_of(request, MOST), start(request)
        if place.at < timezone.now() - KEPT - timedelta(minutes=5):
            detail = _("Events are told for %(days)d days: begin later, and read what you missed from the lists.")
            name = "cursor" if "cursor" in request.query_params else "updated_since"
            raise InvalidInput([FieldError(name, "too_old", detail % {"days": KEPT.days})])
        wanted = _wanted(request)
        until = settled_until(settings.AMOUNTS_LAG_SECONDS)
        rows, place, is_last = _news(self.merchant.pk, place, until, limit, wanted)
        cursor = place.text()
        address = replace_query_param(request.build_absolute_uri(request.path), "cursor", cursor)
        if "types" in request.query_params:
            address = replace_query_param(address, "types", ",".join(wanted))
        following = None if is_last else replace_query_param(address, "limit", str(limit))
        answer = {"next": following, "cursor": cursor, "results": rows}
        return Response(represent(EventsPageSerializer, answer, request))


def _wanted(request: Request) -> list[str]:
    """The types that are asked for, all without. Raises InvalidInput for one that there is not."""
    text = request.query_params.get("types", "*")
    try:
        return endpoints.check_event_types([one.strip() for one in text.split(",")])
    except endpoints.UnknownEventType as error:
        raise InvalidInput([FieldError("types", error.code, str(error))]) from error


def _news(
    merchant_id: int, place: Place, until: datetime, limit: int, wanted: Sequence[str]
) -> tuple[list[dict[str, Any]], Place, bool]:
    """News of the merchant, of the types that are wanted, after the place and before `until`; the place after the last
    event that was looked at; and whether there is no more. All news of one event comes together, so that a page may
    have a few more than `limit`."""
    rows: list[dict[str, Any]] = []
    for _step in range(_STEPS):
        found = places.events(place, until, _EVENTS)
        told: dict[int, list[dict[str, Any]]] = {}
        for key, kind, at, data in events.news_of([event_id for _at, event_id, *_of in found], merchant_id):
            of_event = told.setdefault(key, [])
            own_id = f"{numbering.permute(key):012d}-{len(of_event)}"
            of_event.append({"id": own_id, "type": kind, "occurred_at": at, "data": data})
        told = {key: [one for one in news if endpoints.hears(wanted, one["type"])] for key, news in told.items()}
        for at, event_id, *_of in found:
            if len(rows) >= limit:
                return rows, place, False
            rows += told.get(event_id, ())
            place = Place(at, event_id)
        if len(found) < _EVENTS:
            return rows, Place(max(until, place.at)), True
    return rows, place, False
