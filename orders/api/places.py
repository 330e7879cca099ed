"""Timelines as lists of what changed, for readers that go on where they ended and must miss nothing."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

from oms.common.copying import array, text_array
from oms.common.door.places import NewestOrByChange, Place
from oms.common.postgresql.horizon import settled_until
from orders import kinds
from orders.models import Order, SubOrder

# So many events are looked through at a time, over a span of time that grows while little is found; and so many a call,
# however few of them are of orders that are wanted.
_EVENTS, _FIRST_SPAN, _LONGEST_SPAN = 2_000, timedelta(minutes=5), timedelta(days=30)
_MOST_EVENTS = 20_000


# Time, id, order's id, and that of the sub-order that the event is about, where it is about one.
Event = tuple[datetime, int, int, int | None]


def events(place: Place, end: datetime, most: int, *, but: Collection[str] = ()) -> Sequence[Event]:
    """Up to `most` events of timelines after the place and before `end`, without those of some kinds, in their
    order."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT created_at, id, order_id, sub_order_id FROM orders_orderevent
            WHERE created_at >= %(at)s AND created_at < %(end)s AND (created_at, id) > (%(at)s, %(id)s)
              AND kind <> ALL (%(but)s::text[])
            ORDER BY created_at, id LIMIT %(most)s
            """,
            {"at": place.at, "id": place.row_id, "end": end, "most": most, "but": text_array(but)},
        )
        return cursor.fetchall()


# By order and by sub-order (None: of the whole order), the last event: time, id.
Last = Mapping[tuple[int, int | None], tuple[datetime, int]]


def _last_events(order_ids: Collection[int], end: datetime, but: Collection[str]) -> Last:
    """The last events of these orders and of each sub-order before `end`, without those of some kinds."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT ON (order_id, sub_order_id) order_id, sub_order_id, created_at, id FROM orders_orderevent
            WHERE order_id = ANY (%(orders)s::bigint[]) AND created_at < %(end)s AND kind <> ALL (%(but)s::text[])
            ORDER BY order_id, sub_order_id, created_at DESC, id DESC
            """,
            {"orders": array(order_ids), "end": end, "but": text_array(but)},
        )
        return {(order_id, part): (at, key) for order_id, part, at, key in cursor.fetchall()}


def changed_orders(
    orders: QuerySet[Order], place: Place, limit: int, *, but: Collection[str] = ()
) -> tuple[list[int], Place, bool]:
    """Up to `limit` of the orders (ids) that have events after the place, without those of some kinds, in the order of
    the last one of each; the place after the last event that was looked at; and whether there are no more."""

    def seen(found: Sequence[Event], last: Last) -> list[Sequence[int]]:
        new = {order_id for _at, _id, order_id, _part in found}
        wanted = set(orders.filter(pk__in=new).order_by().values_list("pk", flat=True)) if new else set()
        of_order: dict[int, tuple[datetime, int]] = {}
        for (order_id, _part), event in last.items():
            of_order[order_id] = max(event, of_order.get(order_id, event))
        return [
            [order_id] if order_id in wanted and of_order[order_id] == (at, key) else []
            for at, key, order_id, _part in found
        ]

    return _changed(seen, place, limit, but)


def _changed_parts(
    parts: QuerySet[SubOrder], place: Place, limit: int, *, but: Collection[str]
) -> tuple[list[int], Place, bool]:
    """The same of sub-orders. What happens to an order happens to all of its sub-orders; these come together, also
    where they are more than `limit`."""

    def seen(found: Sequence[Event], last: Last) -> list[Sequence[int]]:
        new = {order_id for _at, _id, order_id, _part in found}
        of_order: dict[int, list[int]] = {}

        def is_last(event: Event, part: int) -> bool:
            at, key, order_id, _part = event
            return all(last.get((order_id, one), (at, key)) <= (at, key) for one in (None, part))

        if new:
            for key, order_id in parts.filter(order__in=new).order_by("pk").values_list("pk", "order_id"):
                of_order.setdefault(order_id, []).append(key)
        return [
            [key for key in of_order.get(event[2], ()) if event[3] in (None, key) and is_last(event, key)]
            for event in found
        ]

    return _changed(seen, place, limit, but)


def _changed(
    seen: Callable[[Sequence[Event], Last], list[Sequence[int]]], place: Place, limit: int, but: Collection[str]
) -> tuple[list[int], Place, bool]:
    until = settled_until(settings.AMOUNTS_LAG_SECONDS)
    ids: dict[int, None] = {}
    span, looked_at = _FIRST_SPAN, 0
    while place.at < until and looked_at < _MOST_EVENTS:
        end = min(until, place.at + span)
        found = events(place, end, _EVENTS, but=but)
        looked_at += len(found)
        # What happens again before `until` is told then.
        last = _last_events({event[2] for event in found}, until, but) if found else {}
        for (at, event_id, _order_id, _part), keys in zip(found, seen(found, last), strict=True):
            new = [key for key in keys if key not in ids]
            if new and ids and len(ids) + len(new) > limit:
                return list(ids), place, False
            ids |= dict.fromkeys(new)
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


class SubOrdersNewestOrByChange(NewestOrByChange):
    """Pages of sub-orders; a change is whatever the timeline of their order tells merchants of them."""

    def changed(self, queryset: QuerySet[SubOrder], place: Place, limit: int) -> tuple[list[Any], Place, bool]:
        """Sub-orders by their latest events."""
        ids, place, is_last = _changed_parts(queryset, place, limit, but=kinds.hidden_from_merchants())
        found = {part.pk: part for part in queryset.filter(pk__in=ids)}
        return [found[key] for key in ids if key in found], place, is_last
