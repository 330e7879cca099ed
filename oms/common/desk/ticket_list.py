"""The list of tickets: filters, tabs, causes, and what was written last."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy
from unfold.contrib.filters.admin import DropdownFilter

from oms.common import tickets
from oms.common.models import Team, Ticket, TicketEvent, TicketState

# Of open tickets no more are counted, the most urgent ones: the tabs then say "at least so many".
MOST_COUNTED = 3_000
# SQL: a ticket that is not put off.
_AWAKE = "(snoozed_until IS NULL OR snoozed_until <= now())"
OVERDUE, SNOOZED, CLOSED = "overdue", "snoozed", "closed"
MINE, NOBODYS = "mine", "nobody"


class WhichFilter(DropdownFilter):
    """Tickets that wait, unless others are asked for."""

    title = gettext_lazy("which ones")
    parameter_name = "which"
    all_option = ["", gettext_lazy("Waiting ones")]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """What else can be asked for."""
        return [
            (OVERDUE, gettext_lazy("Overdue ones")),
            (SNOOZED, gettext_lazy("Snoozed ones")),
            (CLOSED, pgettext_lazy("tickets", "Closed ones")),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Tickets that wait, are overdue, put off or closed."""
        match self.value():
            case "overdue":
                return queryset.overdue()
            case "snoozed":
                return queryset.snoozed()
            case "closed":
                return queryset.filter(state=TicketState.CLOSED)
        return queryset.waiting()


class OwnerFilter(DropdownFilter):
    """Whose tickets."""

    title = pgettext_lazy("ticket", "owner")
    parameter_name = "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Mine, and those that anybody may take."""
        return [(MINE, gettext_lazy("Mine")), (NOBODYS, gettext_lazy("Nobody's"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Ticket]) -> QuerySet[Ticket]:
        """The reader's own, nobody's, or all."""
        match self.value():
            case "mine":
                return queryset.filter(owner=request.user.pk)
            case "nobody":
                return queryset.filter(owner=None)
        return queryset


class KindFilter(DropdownFilter):
    """Of which kind."""

    title = gettext_lazy("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """All kinds, by title."""
        return sorted(((kind.code, str(kind.title)) for kind in tickets.kinds().values()), key=lambda pair: pair[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet[Ticket]) -> QuerySet[Ticket]:
        """Those of the kind."""
        return queryset.filter(kind=self.value()) if self.value() in tickets.kinds() else queryset


class TeamFilter(DropdownFilter):
    """Of which team."""

    title = gettext_lazy("team")
    parameter_name = "team"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """All teams."""
        return list(Team.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Ticket]) -> QuerySet[Ticket]:
        """Those of the team."""
        return queryset.filter(team=self.value()) if self.value() in Team.values else queryset


class ReasonFilter(DropdownFilter):
    """For which reason; offered by the causes above the list, of which there are too many for a menu."""

    title = gettext_lazy("reason")
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The one that was asked for."""
        asked = request.GET.get("reason", "")
        return [(asked, cause_text(request.GET.get("kind", ""), asked))] if asked else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Ticket]) -> QuerySet[Ticket]:
        """Those with the reason."""
        return queryset.filter(reason=self.value()) if self.value() else queryset


FILTERS = (WhichFilter, OwnerFilter, KindFilter, TeamFilter, ReasonFilter)
# So many causes are offered; beyond them it is quicker to filter by kind.
MOST_CAUSES = 10
_PLACEHOLDER = re.compile(r"%\(\w+\)[-+0-9.]*[a-z]")


def cause_text(kind_code: str, reason: str) -> str:
    """A kind with a reason, in words without the values of any one ticket."""
    kind = tickets.kinds().get(kind_code)
    if kind is None:
        return kind_code
    if reason in kind.causes:
        return f"{kind.title}: {kind.causes[reason]}"
    sentence = kind.reasons.get(reason)
    if sentence is None or not reason:
        return str(kind.title)
    return f"{kind.title}: {_PLACEHOLDER.sub('…', str(sentence)).replace('%%', '%')}"


def causes(rows: QuerySet[Ticket], request: HttpRequest) -> list[dict[str, Any]]:
    """The listed tickets (at most MOST_COUNTED of them) by cause, the most frequent first; of closed ones nobody asks.
    One statement."""
    if request.GET.get("which") == CLOSED:
        return []
    try:
        # As SQL: of what is cut off after so many rows Django counts no groups.
        listed, values = rows.order_by().values("kind", "reason")[:MOST_COUNTED].query.sql_with_params()
    except EmptyResultSet:
        return []
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT kind, reason, count(*) FROM ({listed}) AS listed GROUP BY kind, reason", values)
        counted = cursor.fetchall()
    found = sorted(counted, key=lambda row: (-row[2], row[0], row[1]))[:MOST_CAUSES]
    if len(found) < 2 and not request.GET.get("reason"):
        return []
    of_kind = Counter(kind for kind, _reason, _count in found)
    shown = []
    for kind, reason, count in found:
        query = request.GET.copy()
        for name in ("older", "newer", "kind", "reason"):
            query.pop(name, None)
        is_active = request.GET.get("kind") == kind and request.GET.get("reason", "") == reason
        if not is_active:
            query.update({"kind": kind, **({"reason": reason} if reason else {})})
        shown.append(
            {
                # The title alone says enough where the kind has one cause.
                "text": cause_text(kind, reason if of_kind[kind] > 1 else ""),
                "count": count,
                "query": f"?{query.urlencode()}",
                "is_active": is_active,
            }
        )
    return shown


def last_notes(ticket_ids: Sequence[int]) -> dict[int, TicketEvent]:
    """The last thing that a person wrote on each ticket. One statement."""
    written = TicketEvent.objects.filter(ticket__in=ticket_ids).exclude(text="")
    rows = written.order_by("ticket_id", "-id").distinct("ticket_id")
    return {event.ticket_id: event for event in rows}


def tabs(request: HttpRequest) -> list[dict[str, Any]]:
    """The tabs above the list, each with how many tickets it has. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT count(*) FILTER (WHERE awake),
                -- One's own are few, and may all be less urgent than those that are counted.
                (SELECT count(*) FROM common_ticket
                 WHERE state = '{TicketState.OPEN}' AND NOT is_test AND owner_id = %(user)s AND {_AWAKE}),
                count(*) FILTER (WHERE awake AND owner_id IS NULL), count(*) FILTER (WHERE awake AND due_at < now()),
                count(*) FILTER (WHERE NOT awake), count(*)
            FROM (
                SELECT owner_id, due_at, {_AWAKE} AS awake FROM common_ticket
                WHERE state = '{TicketState.OPEN}' AND NOT is_test ORDER BY due_at, id LIMIT {MOST_COUNTED}
            ) AS t
            """,
            {"user": request.user.pk},
        )
        *counts, counted = cursor.fetchone()
    more = "+" if counted == MOST_COUNTED else ""
    chosen = {key: value for key, value in request.GET.items() if value}
    named: tuple[tuple[str, dict[str, str]], ...] = (
        (pgettext("tickets", "Waiting"), {}),
        (_("Mine"), {"owner": MINE}),
        (_("Nobody's"), {"owner": NOBODYS}),
        (pgettext("tickets", "Overdue"), {"which": OVERDUE}),
        (pgettext("tickets", "Snoozed"), {"which": SNOOZED}),
        (pgettext("tickets", "Closed"), {"which": CLOSED}),
    )
    shown: list[dict[str, Any]] = []
    for (title, parameters), count in zip(named, [*counts, None], strict=True):
        shown.append(
            {
                "title": title,
                "query": "?" + "&".join(f"{key}={value}" for key, value in parameters.items()),
                "is_active": chosen == parameters,
                "count": "" if count is None else f"{count}{'' if parameters == {'owner': MINE} else more}",
                "is_empty": not count,
            }
        )
    return shown
