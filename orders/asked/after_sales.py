"""What speaks against preparing an order's goods now (售后过滤); upper apps add what they know."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence

from django.db import models
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
_finders: dict[Objection, Find] = {}


def register(objection: Objection, find: Find) -> None:
    """Let the app that knows of it answer."""
    _finders[objection] = find


def objections(order_ids: Collection[int]) -> Mapping[int, Sequence[Objection]]:
    """The objections to each of the orders that has any. One statement for each sort of them."""
    found: dict[int, list[Objection]] = defaultdict(list)
    for objection in Objection:
        for order_id in _finders[objection](order_ids) if objection in _finders else ():
            found[order_id].append(objection)
    return found


def _held(order_ids: Collection[int]) -> Collection[int]:
    return Order.objects.filter(pk__in=order_ids, open_holds__gt=0).order_by().values_list("pk", flat=True)


def _being_cancelled(order_ids: Collection[int]) -> Collection[int]:
    asked = Order.objects.filter(pk__in=order_ids, cancel_requested_at__isnull=False)
    return asked.order_by().values_list("pk", flat=True)


def _coming_back(order_ids: Collection[int]) -> Collection[int]:
    returns = ReturnRequest.objects.filter(order__in=order_ids, state__in=OPEN_RETURNS)
    # Of what was refused at the door the buyer said nothing about the rest of the order.
    returns = returns.exclude(kind=ReturnKind.REFUSED_AT_DOOR)
    return returns.order_by().values_list("order_id", flat=True).distinct()


register(Objection.HELD, _held)
register(Objection.CANCELLING, _being_cancelled)
register(Objection.RETURNING, _coming_back)
