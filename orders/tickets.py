"""Tickets about orders: those that people open by hand, and how orders and their parts are named on tickets."""

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial

from django.contrib.auth.models import AbstractBaseUser
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from oms.common import ticketing, tickets
from oms.common.desk.ticket_words import rows_of
from oms.common.errors import OmsError
from oms.common.models import Team, Ticket
from oms.common.tickets import Shown, TicketKind, register_kind
from orders import retrying
from orders.actors import Actor
from orders.changing import noting
from orders.models import ActorKind, GiftRule, Mention, Order, ReturnRequest, StrayParcel, SubOrder

CALL_BACK = register_kind(
    TicketKind(
        "call_back",
        gettext_lazy("Call the buyer back"),
        tickets.ABOUT,
        team=Team.SERVICE,
        due_within=timedelta(hours=4),
        remedies=gettext_lazy("Call the buyer, note what was said, and close the ticket."),
        by_hand=True,
    )
)
COMPLAINT = register_kind(
    TicketKind(
        "complaint",
        gettext_lazy("Complaint"),
        tickets.ABOUT,
        team=Team.SERVICE,
        due_within=timedelta(days=1),
        remedies=gettext_lazy("Find out what went wrong, agree with the buyer on what is done about it, and note it."),
        by_hand=True,
    )
)
OTHER = register_kind(
    TicketKind(
        "other",
        pgettext_lazy("ticket", "Something else"),
        tickets.ABOUT,
        team=Team.SERVICE,
        due_within=timedelta(days=1),
        by_hand=True,
    )
)
BY_HAND = {kind.code: kind for kind in (CALL_BACK, COMPLAINT, OTHER)}


def _retry(kind: str, row_id: int, by: str) -> None:
    retrying.retry(kind, row_id, actor=Actor(ActorKind.STAFF, by))


def _mentions(ids: Collection[int]) -> dict[int, Shown]:
    """A mention is called by its order, and linked to it."""
    rows = Mention.objects.filter(pk__in=ids).values_list("pk", "order_id", "order__number")
    return {key: Shown(number, reverse("admin:orders_order_change", args=[order_id])) for key, order_id, number in rows}


tickets.register_subject("order", rows_of(Order, "number"))
tickets.register_subject("sub_order", rows_of(SubOrder, "number"))
tickets.register_subject(noting.SUBJECT, _mentions)
tickets.register_subject("gift_rule", rows_of(GiftRule, "name"))
tickets.register_subject("return", rows_of(ReturnRequest, "number"))
tickets.register_subject("stray", rows_of(StrayParcel))
for _kind in ("order", "sub_order"):
    tickets.register_retry(_kind, tickets.Retry("orders.hold_order", partial(_retry, _kind)))


def open_by_hand(
    order_id: int, kind: str, *, text: str, user: AbstractBaseUser, due_at: datetime | None = None
) -> tuple[Ticket, bool]:
    """Open a ticket about the order, of a kind in BY_HAND; see `ticketing.open_by_hand`.

    Raises Order.DoesNotExist and OmsError.
    """
    if kind not in BY_HAND:
        raise OmsError(_("Choose what kind of ticket it is."), attr="kind")
    Order.objects.only("id").get(pk=order_id)
    return ticketing.open_by_hand(BY_HAND[kind], order_id, about_id=order_id, text=text, user=user, due_at=due_at)
