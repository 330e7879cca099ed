"""The order list: filters, queue tabs, and what its rows show besides the order's own columns."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from django.core.cache import cache
from django.db.models import Count, QuerySet, Sum
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter

from oms.common.desk.counting import capped_count
from oms.common.desk.lists import DayRangeFilter, YesFilter, one_of
from oms.common.templatetags.staff import tone
from oms.merchants import sandboxes
from orders.admin import tickets
from orders.asked.panels import MOST_LOOKED_AT, QUEUE_CAP, Note, Tab, registry
from orders.models import Order, OrderCharge, OrderState, SubOrder, SubOrderState

QUEUE_SECONDS = 10


def held(orders: QuerySet[Order]) -> QuerySet[Order]:
    """Orders that a hold stops."""
    return orders.filter(open_holds__gt=0)


def short_of_stock(orders: QuerySet[Order], most: int | None = None) -> QuerySet[Order]:
    """Orders with a sub-order that waits for stock; where they are only counted, those of `most` sub-orders do."""
    short = SubOrder.objects.filter(state=SubOrderState.BACKORDERED).order_by().values("order_id")
    return orders.filter(one_of(short[:most]))


class HeldFilter(YesFilter):
    """Whether a hold is open."""

    title = gettext_lazy("held")
    parameter_name = "held"
    condition = staticmethod(held)


class TicketFilter(YesFilter):
    """Whether somebody has something to do."""

    title = gettext_lazy("open tickets")
    parameter_name = "tickets"
    condition = staticmethod(tickets.with_tickets)


class ShortageFilter(YesFilter):
    """Whether something is backordered."""

    title = gettext_lazy("short of stock")
    parameter_name = "shortage"
    condition = staticmethod(short_of_stock)


FILTERS: tuple[Any, ...] = (
    ("state", ChoicesDropdownFilter),
    ("payment_state", ChoicesDropdownFilter),
    ("fulfilment_state", ChoicesDropdownFilter),
    ("payment_method", ChoicesDropdownFilter),
    ("channel", RelatedDropdownFilter),
    HeldFilter,
    TicketFilter,
    ShortageFilter,
    ("created_at", DayRangeFilter),
)


def _in_state(state: OrderState) -> Callable[[], QuerySet[Order]]:
    return lambda: Order.objects.filter(state=state)


QUEUES = (
    Tab(gettext_lazy("Held"), "held", "1", lambda: held(Order.objects.all()), 10),
    Tab(gettext_lazy("Tickets"), "tickets", "1", lambda: tickets.with_tickets(Order.objects.all(), MOST_LOOKED_AT), 20),
    Tab(
        gettext_lazy("Short of stock"), "shortage", "1", lambda: short_of_stock(Order.objects.all(), MOST_LOOKED_AT), 30
    ),
    Tab(
        gettext_lazy("Awaiting payment"),
        "state__exact",
        OrderState.AWAITING_PAYMENT.value,
        _in_state(OrderState.AWAITING_PAYMENT),
        40,
    ),
    Tab(
        gettext_lazy("In review"),
        "state__exact",
        OrderState.IN_REVIEW.value,
        _in_state(OrderState.IN_REVIEW),
        50,
    ),
)


def queue_tabs(parameters: dict[str, str]) -> list[dict[str, Any]]:
    """The tabs above the list, each with how many orders are in it; the figures are up to ten seconds old."""
    queues = sorted((*QUEUES, *registry.tabs), key=lambda queue: queue.position)
    counts = cache.get("oms.order_queues")
    if counts is None:
        counts = [capped_count(sandboxes.real(queue.orders()), QUEUE_CAP) for queue in queues]
        cache.set("oms.order_queues", counts, QUEUE_SECONDS)
    chosen = {key: value for key, value in parameters.items() if value}
    tabs = [{"title": _("All"), "query": "?", "is_active": not chosen, "count": "", "is_empty": True}]
    for queue, count in zip(queues, counts, strict=True):
        tabs.append(
            {
                "title": queue.title,
                "query": f"?{queue.parameter}={queue.value}",
                "is_active": chosen == {queue.parameter: queue.value},
                "count": f"{QUEUE_CAP}+" if count > QUEUE_CAP else str(count),
                "is_empty": not count,
            }
        )
    return tabs


def add_summaries(orders: Sequence[Order]) -> None:
    """Give each order of a page `summary`: its tickets, its sub-orders' states and the notes of upper apps; `owed`,
    what is owed for it by now, where that is not what it cost; and `has_tickets`. Fixed statements."""
    ids = [order.pk for order in orders]
    notes: dict[int, list[Note]] = defaultdict(list)
    with_tickets = tickets.row_notes(ids)
    for order_id, own in with_tickets.items():
        notes[order_id] += own
    states = SubOrder.objects.filter(order_id__in=ids).order_by("order_id").values_list("order_id", "state")
    for order_id, state, count in states.annotate(Count("id")):
        label = str(SubOrderState(state).label)
        text = label if count == 1 else _("%(count)s × %(state)s") % {"count": count, "state": label}
        notes[order_id].append(Note(text, tone(state)))
    charges = OrderCharge.objects.filter(order__in=ids).order_by().values("order_id")
    owed = dict(charges.annotate(owed=Sum("amount")).values_list("order_id", "owed"))
    for order in orders:
        by_now = owed.get(order.pk, order.payable_amount)
        order.owed = by_now if by_now != order.payable_amount else None  # type: ignore[attr-defined]
        cancelled = sum((order.units_to_cancel or {}).values())
        if cancelled:
            text = ngettext("one unit cancelled", "%(units)s units cancelled", cancelled) % {"units": cancelled}
            notes[order.pk].append(Note(text, "warning"))
    for row_notes in registry.row_notes:
        for order_id, more in row_notes(ids).items():
            notes[order_id] += more
    for order in orders:
        order.summary = notes[order.pk]  # type: ignore[attr-defined]
        order.has_tickets = order.pk in with_tickets  # type: ignore[attr-defined]
