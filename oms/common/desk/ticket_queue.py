"""Working through a queue of tickets: the next one, the ticket beside the list, saved views, what changed."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common import ticketing, tickets
from oms.common.desk import acting
from oms.common.desk.counting import first_id_since
from oms.common.desk.ticket_actions import ASSIGN, VIEW, WORK
from oms.common.desk.ticket_words import history_of, words_of
from oms.common.models import QueueLook, SavedView, Team, Ticket, TicketEvent, TicketState

PAGE = "common_ticket"
MOST_VIEWS = 30
# Who has never looked, or long ago, is told of what changed in this time, and at most in that.
FIRST_LOOK, LONGEST_LOOK = timedelta(hours=12), timedelta(days=3)
MOST_STEPS = 40


class SaveForm(forms.Form):
    """Asks under which name the filters are kept, and for whom: oneself, or a team."""

    title = forms.CharField(label=gettext_lazy("Name of the view"), max_length=40)
    team = forms.ChoiceField(
        label=gettext_lazy("For"), choices=[("", gettext_lazy("Me alone")), *Team.choices], required=False
    )


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


# --- Saved views


def views_of(user: Any, query: str) -> list[dict[str, Any]]:
    """The views that the person may open: their own, and those of teams. One statement."""
    rows = SavedView.objects.filter(Q(owner=user) | ~Q(team=""), page=PAGE).order_by("team", "title")
    may_assign = user.has_perm(ASSIGN)
    return [
        {
            "row": row,
            "team": str(Team(row.team).label) if row.team in Team.values else "",
            "address": list_address(row.query),
            "is_active": row.query == query,
            "may_delete": row.owner_id == user.pk or (bool(row.team) and may_assign),
        }
        for row in rows[: 2 * MOST_VIEWS]
    ]


def save_view(request: HttpRequest) -> HttpResponse:
    """Keep the list's filters under a name; one of the same name is replaced."""
    query = request.GET.urlencode()[:1000]

    def do(data: dict[str, Any]) -> str:
        if data["team"] and not request.user.has_perm(ASSIGN):
            raise PermissionDenied
        whose: dict[str, Any] = {"owner": None, "team": data["team"]} if data["team"] else {"owner": request.user}
        try:
            with transaction.atomic():
                SavedView.objects.update_or_create(
                    **whose, page=PAGE, title=data["title"].strip(), defaults={"query": query}
                )
        except IntegrityError:
            # Saved at once by somebody else under the same name: theirs is as good.
            return _("There is a view of this name already.")
        return _("The view is kept.")

    may = request.user.has_perm(VIEW)
    return acting.act(request, do, may=may, page=list_address(query), form_class=SaveForm)


def delete_view(request: HttpRequest, view_id: int) -> HttpResponse:
    """Forget a view of one's own, or of a team for who gives tickets to people."""

    def do(_data: dict[str, Any]) -> str:
        allowed = Q(owner=request.user.pk)
        if request.user.has_perm(ASSIGN):
            allowed |= ~Q(team="")
        deleted, _by_model = SavedView.objects.filter(allowed, pk=view_id).delete()
        if not deleted:
            raise Http404
        return _("The view is gone.")

    return acting.act(request, do, may=request.user.has_perm(VIEW), page=list_address())


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
    steps = TicketEvent.objects.filter(
        pk__gte=first_id_since(TicketEvent, "created_at", since), created_at__gt=since
    ).exclude(by__in=["", request.user.get_username()])
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
