"""Timelines as lists of what changed, for readers that go on where they ended and must miss nothing."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

from oms.common.copying import text_array
from oms.common.door.places import NewestOrByChange, Place
from oms.common.postgresql.horizon import settled_until
from orders import kinds
from orders.models import Order

# So many events are looked through at a time, over a span of time that grows while little is found; and so many a call,
# however few of them are of orders that are wanted.
_EVENTS, _FIRST_SPAN, _LONGEST_SPAN = 2_000, timedelta(minutes=5), timedelta(days=30)
_MOST_EVENTS = 20_000


def events(place: Place, end: datetime, most: int, *, but: Collection[str] = ()) -> Sequence[tuple[datetime, int, int]]:
    """Up to `most` events of timelines after the place and before `end`, without those of some kinds: time, id and
    order's id, in their order."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT created_at, id, order_id FROM orders_orderevent
            WHERE created_at >= %(at)s AND created_at < %(end)s AND (created_at, id) > (%(at)s, %(id)s)
              AND kind <> ALL (%(but)s::text[])
            ORDER BY created_at, id LIMIT %(most)s
            """,
            {"at": place.at, "id": place.row_id, "end": end, "most": most, "but": text_array(but)},
        )
        return cursor.fetchall()


def changed_orders(
    orders: QuerySet[Order], place: Place, limit: int, *, but: Collection[str] = ()
) -> tuple[list[int], Place, bool]:
    """Up to `limit` of the orders (ids) that have events after the place, without those of some kinds, in the order of
    these; the place after the last event that was looked at; and whether there are no more."""
    until = settled_until(settings.AMOUNTS_LAG_SECONDS)
    ids: dict[int, None] = {}
    span, looked_at = _FIRST_SPAN, 0
    while place.at < until and looked_at < _MOST_EVENTS:
        end = min(until, place.at + span)
        found = events(place, end, _EVENTS, but=but)
        looked_at += len(found)
        new = {order_id for _at, _id, order_id in found}
        wanted = set(orders.filter(pk__in=new).order_by().values_list("pk", flat=True)) if new else set()
        for at, event_id, order_id in found:
            if order_id in wanted and order_id not in ids:
                if len(ids) == limit:
                    return list(ids), place, False
                ids[order_id] = None
            place = Place(at, event_id)
        if len(found) < _EVENTS:
            # Nothing more can come before the end of the span.
            place = Place(end)
            span = min(span * 4, _LONGEST_SPAN)
    return list(ids), place, place.at >= until


class OrdersNewestOrByChange(NewestOrByChange):
    """Pages of orders; a change is whatever their timeline tells merchants."""

    def changed(self, queryset: QuerySet[Order], place: Place, limit: int) -> tuple[list[Any], Place, bool]:
        """Orders by their latest events."""
        hidden = kinds.hidden_from_merchants()
        ids, place, is_last = changed_orders(queryset, place, limit, but=hidden)
        found = {order.pk: order for order in queryset.filter(pk__in=ids)}
        return [found[key] for key in ids if key in found], place, is_last
