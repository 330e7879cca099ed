"""The list of tickets: filters, tabs and what its rows show."""

from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display

from oms.common import tickets
from oms.common.codebook import ACTORS
from oms.common.desk.ticket_words import Worded
from oms.common.models import Team, Ticket, TicketState
from oms.common.templatetags.staff import age, badge, when
from oms.common.tickets import Shown

# Of open tickets no more are counted: the tabs then say "at least so many".
MOST_COUNTED = 10_000
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


FILTERS = (WhichFilter, OwnerFilter, KindFilter, TeamFilter)


def tabs(request: HttpRequest) -> list[dict[str, Any]]:
    """The tabs above the list, each with how many tickets it has. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT count(*) FILTER (WHERE awake), count(*) FILTER (WHERE awake AND owner_id = %(user)s),
                count(*) FILTER (WHERE awake AND owner_id IS NULL), count(*) FILTER (WHERE awake AND due_at < now()),
                count(*) FILTER (WHERE NOT awake), count(*)
            FROM (
                SELECT owner_id, due_at, snoozed_until IS NULL OR snoozed_until <= now() AS awake FROM common_ticket
                WHERE state = '{TicketState.OPEN}' ORDER BY due_at, id LIMIT {MOST_COUNTED}
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
                "count": "" if count is None else f"{count}{more}",
                "is_empty": not count,
            }
        )
    return shown


def linked(shown: Shown) -> SafeString:
    """The subject's name, with a link where it has a page."""
    if not shown.url:
        return format_html('<span class="oms-no">{}</span>', shown.text)
    return format_html('<a class="oms-no" href="{}">{}</a>', shown.url, shown.text)


class TicketColumns:
    """What the rows of the list show; each row has its words in `words`."""

    @display(description=gettext_lazy("kind"))
    def kind_label(self, ticket: Any) -> SafeString:
        """The kind; red where the ticket is overdue."""
        words: Worded = ticket.words
        return badge(words.title, "danger" if words.is_overdue else "info")

    @display(description=gettext_lazy("subject"))
    def subject_link(self, ticket: Any) -> SafeString:
        """What it is about, and to which order that belongs."""
        words: Worded = ticket.words
        if words.about is None or words.about.url == words.subject.url:
            return linked(words.subject)
        return format_html('<span class="oms-stacked">{}{}</span>', linked(words.subject), linked(words.about))

    @display(description=gettext_lazy("reason"))
    def reason_text(self, ticket: Any) -> SafeString:
        """Why it is open."""
        return format_html('<span class="oms-reason">{}</span>', ticket.words.reason)

    @display(description=gettext_lazy("age"))
    def age_text(self, ticket: Ticket) -> str:
        """For how long it has been open."""
        return age(ticket.opened_at)

    @display(description=gettext_lazy("due at"))
    def due_text(self, ticket: Any) -> SafeString | str:
        """By when it should be done."""
        if ticket.due_at is None:
            return "–"
        return format_html(
            '<span class="{}">{}</span>',
            "oms-text-danger" if ticket.words.is_overdue else "",
            when(ticket.due_at, "short"),
        )

    @display(description=pgettext_lazy("ticket", "owner"))
    def owner_text(self, ticket: Any) -> SafeString | str:
        """Who has it, and until when it is put off."""
        owner = str(ticket.owner) if ticket.owner else "–"
        if ticket.words.is_snoozed:
            until = _("snoozed until %(until)s") % {"until": when(ticket.snoozed_until, "short")}
            return format_html(
                '<span class="oms-stacked">{}<span class="oms-sub">{}</span></span>', owner, SafeString(until)
            )
        return owner

    @display(description=gettext_lazy("result"))
    def result_text(self, ticket: Ticket) -> str:
        """How it ended, and who said so."""
        return f"{ticket.get_result_display()} · {ACTORS.word(ticket.closed_by) or _('System')}"

    @display(description=gettext_lazy("team"))
    def team_text(self, ticket: Any) -> str:
        """Who sees it first."""
        return ticket.words.team or "–"
