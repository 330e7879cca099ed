"""Working through a queue of tickets: the next one, the ticket beside the list, saved views, what changed."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.db.models.functions import Left
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common import ticketing, tickets
from oms.common.desk.counting import first_id_since
from oms.common.desk.ticket_actions import VIEW, WORK
from oms.common.desk.ticket_words import history_of, words_of
from oms.common.models import QueueLook, Ticket, TicketEvent, TicketState

# Who has never looked, or long ago, is told of what changed in this time, and at most in that.
FIRST_LOOK, LONGEST_LOOK = timedelta(hours=12), timedelta(days=3)
MOST_STEPS = 40
LONGEST_NAME = 80  # of who did a step of a ticket


def list_address(query: str = "") -> str:
    """The queue's address with its filters."""
    return reverse("admin:common_ticket_changelist") + (f"?{query}" if query else "")


def take_next(request: HttpRequest, waiting: Any) -> HttpResponse:
    """Give the person the next of the tickets that the list's filters leave, and show it."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not request.user.has_perms([VIEW, WORK]):
        raise PermissionDenied
    back = list_address(request.GET.urlencode())
    assert request.user.is_authenticated  # noqa: S101 - for the type checker: it has rights
    ticket = ticketing.take_next(waiting, user=request.user)
    if ticket is None:
        messages.info(request, _("Nothing waits here that nobody has."))
        return redirect(back)
    messages.success(request, _("The ticket is yours now."))
    if request.POST.get("pane"):
        return redirect(f"{back}#ticket-{ticket.pk}")
    return redirect("admin:common_ticket_change", ticket.pk)


def summary_of(request: HttpRequest, ticket: Ticket) -> str:
    """The summary of what the ticket belongs to, for its page and beside the list."""
    return tickets.summary_of(request, ticket.about_id) if ticket.about_id else ""


# --- What changed since one looked last


def looked_at(user: Any) -> datetime:
    """Since when the person is told what changed."""
    now = timezone.now()
    look = QueueLook.objects.filter(pk=user.pk).first()
    return max(look.seen_at, now - LONGEST_LOOK) if look else now - FIRST_LOOK


def changes_view(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """What others did at the queues since the person looked last; POST: from now on."""
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    if request.method == "POST":
        QueueLook.objects.update_or_create(pk=request.user.pk, defaults={"seen_at": timezone.now()})
        messages.success(request, _("From now on you are told what changes."))
        return redirect(list_address())
    since = looked_at(request.user)
    opened = Ticket.objects.filter(pk__gte=first_id_since(Ticket, "opened_at", since), opened_at__gt=since)
    by_kind = (
        opened.order_by()
        .values_list("kind")
        .annotate(count=Count("pk"), open=Count("pk", filter=Q(state=TicketState.OPEN)))
    )
    # What systems did stands here only of one's own tickets: they do thousands of things a shift.
    people = get_user_model().objects.filter(is_staff=True).values(name=Left("username", LONGEST_NAME))
    steps = (
        TicketEvent.objects.filter(pk__gte=first_id_since(TicketEvent, "created_at", since), created_at__gt=since)
        .exclude(by=request.user.get_username()[:LONGEST_NAME])
        .filter(Q(by__in=people) | Q(ticket__owner=request.user.pk))
    )
    latest = list(steps.select_related("ticket__owner").order_by("-id")[:MOST_STEPS])
    words = {one.row.pk: one for one in words_of(list({event.ticket_id: event.ticket for event in latest}.values()))}
    kinds = tickets.kinds()
    shown = {
        **context,
        "title": _("What changed"),
        "since": since,
        "opened": sorted(
            (
                {"title": str(kinds[kind].title) if kind in kinds else kind, "kind": kind, "count": count, "open": left}
                for kind, count, left in by_kind
            ),
            key=lambda row: -row["count"],
        ),
        "steps": [
            {"words": words[event.ticket_id], "step": step, "is_mine": event.ticket.owner_id == request.user.pk}
            for event in latest
            for step in list(history_of(event.ticket, [event]))[-1:]
        ],
        "most": MOST_STEPS,
    }
    return TemplateResponse(request, "admin/common/ticket/changes.html", shown)
