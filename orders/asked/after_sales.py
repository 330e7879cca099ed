"""What speaks against preparing an order's goods now (售后过滤); upper apps add what they know."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from django.db import models
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from orders.models import Order, ReturnKind, ReturnRequest
from orders.models.return_request import OPEN_RETURNS


class Objection(models.TextChoices):
    """Why goods of an order should stay where they are for now."""

    HELD = "held", _("The order is held.")
    CANCELLING = "cancelling", _("The order is being cancelled.")
    RETURNING = "returning", _("The order has an open return.")
    REFUNDING = "refunding", _("A refund of the order is under way.")
    DISPUTED = "disputed", _("The buyer contests the order at the provider or platform.")


# Given ids of orders, finds those that it objects to. One statement.
Find = Callable[[Collection[int]], Collection[int]]


class Part(NamedTuple):
    """A sub-order; an objection without one is to the whole order."""

    order_id: int
    sub_order_id: int | None


# Given ids of orders, finds what of them it objects to. One statement.
FindParts = Callable[[Collection[int]], Iterable[Part]]
_finders: dict[Objection, Find] = {}
_part_finders: dict[Objection, FindParts] = {}


def register(objection: Objection, find: Find, find_parts: FindParts | None = None) -> None:
    """Let the app that knows of it answer; without `find_parts` it is always about the whole order."""
    _finders[objection] = find
    _part_finders[objection] = find_parts or (lambda order_ids: [Part(one, None) for one in find(order_ids)])


def objections(order_ids: Collection[int]) -> Mapping[int, Sequence[Objection]]:
    """The objections to each of the orders that has any, whatever of it they are about. One statement for each sort of
    them."""
    found: dict[int, list[Objection]] = defaultdict(list)
    for objection in Objection:
        for order_id in _finders[objection](order_ids) if objection in _finders else ():
            found[order_id].append(objection)
    return found


def objections_to_parts(order_ids: Collection[int]) -> Mapping[Part, Sequence[Objection]]:
    """The objections to sub-orders of the orders, and to the whole of them. One statement for each sort of them."""
    found: dict[Part, list[Objection]] = defaultdict(list)
    for objection in Objection:
        for part in dict.fromkeys(_part_finders[objection](order_ids)) if objection in _part_finders else ():
            found[part].append(objection)
    return found


def _held(order_ids: Collection[int]) -> Collection[int]:
    return Order.objects.filter(pk__in=order_ids, open_holds__gt=0).order_by().values_list("pk", flat=True)


def _being_cancelled(order_ids: Collection[int]) -> Collection[int]:
    asked = Order.objects.filter(pk__in=order_ids, cancel_requested_at__isnull=False)
    return asked.order_by().values_list("pk", flat=True)


def _returns(order_ids: Collection[int]) -> QuerySet[ReturnRequest]:
    returns = ReturnRequest.objects.filter(order__in=order_ids, state__in=OPEN_RETURNS)
    # Of what was refused at the door the buyer said nothing about the rest of the order.
    return returns.exclude(kind=ReturnKind.REFUSED_AT_DOOR).order_by()


def _coming_back(order_ids: Collection[int]) -> Collection[int]:
    return _returns(order_ids).values_list("order_id", flat=True).distinct()


def _parts_coming_back(order_ids: Collection[int]) -> Iterable[Part]:
    return map(Part._make, _returns(order_ids).values_list("order_id", "sub_order_id"))


register(Objection.HELD, _held)
register(Objection.CANCELLING, _being_cancelled)
register(Objection.RETURNING, _coming_back, _parts_coming_back)
