"""Telling people that next year's holidays are not known yet: without them promises across the year are provisional."""

from datetime import date, timedelta

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from inventory.models import CalendarDay
from inventory.promising.calendars import gaps_of
from oms.common import tickets
from oms.common.models import Team
from oms.common.tickets import Shown

# The State Council publishes the plan from October to December.
ALARMS_FROM_MONTH = 11
_NAME = "watch_calendar"

CALENDAR_MISSING = tickets.register_kind(
    tickets.TicketKind(
        "calendar_missing",
        _("The holidays of a year are missing"),
        "calendar_year",
        team=Team.LOGISTICS,
        due_within=timedelta(days=14),
        reasons={
            "": _("The calendar has no published holidays of %(year)s; promises into it are provisional."),
            "gaps": _(
                "The calendar of %(year)s has gaps: no published holidays in the months %(months)s; promises into it"
                " are provisional."
            ),
        },
        remedies=_("Enter the State Council's notice: the page of the calendar takes it as a file."),
        can_retry=False,
    )
)
tickets.register_subject("calendar_year", lambda years: {year: Shown(str(year), "") for year in years})


def look(today: date | None = None) -> None:
    """Open a ticket for this year, and from November on for the next one, where its holidays are not all known; close
    those of years that are."""
    today = today or timezone.localdate()
    wanted = {today.year, today.year + 1} if today.month >= ALARMS_FROM_MONTH else {today.year}
    published = CalendarDay.objects.filter(kind=CalendarDay.Kind.HOLIDAY).exclude(basis=CalendarDay.Basis.ESTIMATE)
    gaps = gaps_of(published.values_list("day", flat=True))
    if not gaps:
        return  # No calendar is kept at all: nothing is promised by one.
    missing = [_trouble(year, gaps.get(year)) for year in sorted(wanted) if gaps.get(year) != []]
    tickets.open_tickets(CALENDAR_MISSING, missing, opened_by=_NAME)
    tickets.close_tickets([CALENDAR_MISSING], sorted(year for year in gaps if not gaps[year]), closed_by=_NAME)


def _trouble(year: int, months: list[int] | None) -> tickets.Trouble:
    if months is None:
        return tickets.Trouble(year, "", {"year": year})
    return tickets.Trouble(year, "gaps", {"year": year, "months": ", ".join(map(str, months))})
