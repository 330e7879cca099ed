"""What became of cancelling an order, read from its timeline: asked for, granted or refused, and by which warehouse."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from oms.common.work import clock
from orders import kinds
from orders.models import OrderEvent, SubOrder


class CancellationState(models.TextChoices):
    """What a cancellation is."""

    ASKED = "asked", _("Asked for")
    GRANTED = "granted", _("Granted")
    REFUSED = "refused", _("Refused")


_OF_ORDERS = {
    kinds.CANCEL_GRANTED.code: CancellationState.GRANTED,
    kinds.CANCEL_NOT_GRANTED.code: CancellationState.REFUSED,
}
_OF_SUB_ORDERS = {
    kinds.SUB_ORDER_CANCELLED.code: CancellationState.GRANTED,
    kinds.CANCEL_REFUSED.code: CancellationState.REFUSED,
}
_STATES = _OF_ORDERS | _OF_SUB_ORDERS
# A request to warehouses, and how it ended.
OF_REQUESTS = (kinds.CANCEL_REQUESTED.code, *_OF_ORDERS)


@dataclass(frozen=True, slots=True)
class Question:
    """What one warehouse was asked: to stop a sub-order. `warehouse` is its code, "" where it is not known any more."""

    sub_order: str
    warehouse: str
    state: CancellationState
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Cancellation:
    """The last cancellation of an order. What no warehouse had was cancelled at once and asked of nobody.

    At the `deadline` staff are called to ask the warehouses that have not answered; None where none was asked.
    """

    state: CancellationState
    asked_at: datetime
    answered_at: datetime | None = None
    deadline: datetime | None = None
    questions: tuple[Question, ...] = ()


def patience() -> timedelta:
    """How long warehouses may take to answer."""
    return clock.scaled(timedelta(seconds=settings.CANCEL_ANSWER_SECONDS))


def read(events: Iterable[OrderEvent], sub_orders: Iterable[SubOrder]) -> Cancellation | None:
    """The cancellation that an order's whole timeline, oldest first, tells of; None where nobody cancelled it."""
    request: OrderEvent | None = None
    after: list[OrderEvent] = []
    at_once: OrderEvent | None = None
    is_answered = True
    for event in events:
        after.append(event)
        if event.kind == kinds.CANCEL_REQUESTED.code:
            request, after, at_once, is_answered = event, [], None, False
        elif event.kind in _OF_ORDERS:
            is_answered = True
        elif event.kind == kinds.CANCELLED.code and is_answered:
            at_once = event
    if at_once is not None:
        return Cancellation(CancellationState.GRANTED, at_once.created_at, at_once.created_at)
    if request is None:
        return None
    answer = next((event for event in after if event.kind in _OF_ORDERS), None)
    return Cancellation(
        _OF_ORDERS[answer.kind] if answer else CancellationState.ASKED,
        request.created_at,
        answer.created_at if answer else None,
        request.created_at + patience(),
        tuple(_questions(request, after, answer, sub_orders)),
    )


def _questions(
    request: OrderEvent, after: Iterable[OrderEvent], end: OrderEvent | None, sub_orders: Iterable[SubOrder]
) -> Iterator[Question]:
    """What was asked. What has no answer of its own has that of the whole order, its `end`, once there is one."""
    warehouses = {part.number: part.warehouse.code for part in sub_orders if part.warehouse}
    answers: dict[str, OrderEvent] = {}
    for event in after:
        if event.kind in _OF_SUB_ORDERS:
            answers.setdefault((event.data or {})["number"], event)
    for number in (request.data or {})["numbers"]:
        answer = answers.get(number, end)
        yield Question(
            number,
            ((answer.data or {}).get("warehouse") if answer else None) or warehouses.get(number, ""),
            _STATES[answer.kind] if answer else CancellationState.ASKED,
            answer.created_at if answer else None,
        )
