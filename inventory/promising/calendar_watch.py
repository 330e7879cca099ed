"""Telling people that next year's holidays are not known yet: without them promises across the year are provisional."""

from datetime import date, timedelta

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from inventory.models import CalendarDay
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
        reasons={"": _("The calendar has no published holidays of %(year)s; promises into it are provisional.")},
        remedies=_("Enter the State Council's notice: the page of the calendar takes it as a file."),
        can_retry=False,
    )
)
tickets.register_subject("calendar_year", lambda years: {year: Shown(str(year), "") for year in years})


def look(today: date | None = None) -> None:
    """Open a ticket for this year, and from November on for the next one, where its holidays are not known; close those
    of years that are."""
    today = today or timezone.localdate()
    wanted = {today.year, today.year + 1} if today.month >= ALARMS_FROM_MONTH else {today.year}
    known = {day.year for day in CalendarDay.objects.exclude(basis=CalendarDay.Basis.ESTIMATE).dates("day", "year")}
    if not known:
        return  # No calendar is kept at all: nothing is promised by one.
    missing = sorted(wanted - known)
    tickets.open_tickets(
        CALENDAR_MISSING, [tickets.Trouble(year, "", {"year": year}) for year in missing], opened_by=_NAME
    )
    tickets.close_tickets([CALENDAR_MISSING], sorted(known), closed_by=_NAME)
