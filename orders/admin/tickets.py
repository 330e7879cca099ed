"""Tickets on the order's page and list, and opening one by hand."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common import ticketing
from oms.common.desk.lists import one_of, tickets_label
from oms.common.desk.ticket_actions import OPEN, VIEW, WORK
from oms.common.desk.ticket_words import words_of
from oms.common.errors import OmsError
from oms.common.models import Ticket, TicketState
from orders import tickets
from orders.asked.panels import Note
from orders.models import Order

# So many of an order's tickets the page shows.
MOST_OPEN, MOST_CLOSED = 50, 20


def page_context(order: Order, user: Any) -> dict[str, Any]:
    """The order's tickets for its page, the open ones first: fixed statements, and one for each kind of subject."""
    rows = Ticket.objects.filter(about_id=order.pk).select_related("owner").order_by("-state", "-id")
    words = words_of(sorted(rows[: MOST_OPEN + MOST_CLOSED], key=_by_due))
    may_work = user.has_perms([VIEW, WORK])
    return {
        "open_tickets": [
            {"words": item, "may_retry": bool(item.retry_right) and user.has_perms([VIEW, item.retry_right])}
            for item in words
            if item.row.state == TicketState.OPEN
        ],
        "closed_tickets": [item for item in words if item.row.state == TicketState.CLOSED][:MOST_CLOSED],
        "may_work_tickets": may_work,
        "may_view_tickets": user.has_perm(VIEW),
        "ticket_form": OpenForm() if user.has_perm(OPEN) else None,
        "results": ticketing.RESULTS,
        "longest": ticketing.LONGEST_TEXT,
    }


def _by_due(ticket: Ticket) -> tuple[bool, float]:
    """Open tickets come in the order in which they are due."""
    due = ticket.due_at if ticket.state == TicketState.OPEN else None
    return due is None, due.timestamp() if due else 0


class OpenForm(forms.Form):
    """Asks what somebody should do about the order, and by when."""

    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"),
        choices=[(kind.code, kind.title) for kind in tickets.BY_HAND.values()],
        widget=forms.Select(attrs={"class": "oms-input"}),
    )
    due_at = forms.DateTimeField(
        label=gettext_lazy("Due at (empty: as usual for the kind)"),
        required=False,
        widget=forms.DateTimeInput(attrs={"class": "oms-input", "type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    text = forms.CharField(
        label=gettext_lazy("What is to be done"),
        max_length=ticketing.LONGEST_TEXT,
        widget=forms.Textarea(attrs={"class": "oms-input", "rows": 3}),
    )


def open_view(request: HttpRequest, order_id: int) -> HttpResponse:
    """Open a ticket about the order. A form that is refused comes back with what was typed."""
    if not request.user.has_perms(["orders.view_order", OPEN]):
        raise PermissionDenied
    order = Order.objects.filter(pk=order_id).first()
    if order is None:
        raise Http404(_("There is no such order."))
    form = OpenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        data, user = form.cleaned_data, request.user
        assert user.is_authenticated  # noqa: S101 - for the type checker: the site asks for a log-in
        try:
            _ticket, is_new = tickets.open_by_hand(
                order_id, data["kind"], text=data["text"], user=user, due_at=data["due_at"]
            )
        except OmsError as refusal:
            form.add_error(refusal.attr if refusal.attr in form.fields else None, str(refusal))
        else:
            if is_new:
                messages.success(request, _("The ticket is open."))
            else:
                messages.warning(
                    request, _("There is an open ticket of this kind already: what you wrote was added to it.")
                )
            return redirect(reverse("admin:orders_order_change", args=[order_id]))
    context = {
        **admin.site.each_context(request),
        "opts": Order._meta,
        "original": order,
        "title": _("Open a ticket"),
        "order": order,
        "ticket_form": form,
    }
    status = 400 if form.is_bound else 200
    return TemplateResponse(request, "admin/orders/order/ticket_form_page.html", context, status=status)


def with_tickets(orders: QuerySet[Order], most: int | None = None) -> QuerySet[Order]:
    """Orders with a ticket that waits for a person; where they are only counted, those of `most` tickets do."""
    waiting = Ticket.objects.waiting().filter(about_id__isnull=False)
    return orders.filter(one_of(waiting.order_by().values("about_id")[:most]))


def row_notes(order_ids: Sequence[int]) -> Mapping[int, Iterable[Note]]:
    """How many open tickets each of the orders has. One statement."""
    notes: dict[int, list[Note]] = defaultdict(list)
    waiting = Ticket.objects.waiting().filter(about_id__in=order_ids).order_by().values_list("about_id")
    for order_id, count in waiting.annotate(Count("id")):
        assert order_id is not None  # noqa: S101 - for the type checker
        notes[order_id].append(Note(tickets_label(count), "danger"))
    return notes
