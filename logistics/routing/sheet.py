"""The route sheets of a plan on paper: one for each courier, with the stops in their order."""

from django.utils import timezone
from django.utils.translation import gettext as _
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm

from logistics.models import RoutePlan, Stop, Tour
from logistics.printing.sheet import Sheet
from logistics.routing import recipients

_SHARES = (0.06, 0.11, 0.15, 0.17, 0.41, 0.10)


def draw(plan: RoutePlan) -> bytes:
    """The PDF, in the language of who prints it. A fixed number of statements."""
    tours = list(Tour.objects.filter(plan=plan).select_related("courier", "vehicle").order_by("id"))
    stops = list(Stop.objects.filter(tour__in=tours).select_related("parcel").order_by("tour", "position"))
    people = recipients.of([stop.parcel_id for stop in stops])
    sheet = Sheet(A4, margin=12 * mm, title=_("Route sheets"))
    for number, tour in enumerate(tours):
        if number:
            sheet.next_page()
        sheet.write_ends(
            f"{tour.courier.name} {tour.vehicle.plate}", f"{plan.station.name} {plan.day:%Y-%m-%d}", 16, 10
        )
        values = {"km": f"{tour.metres / 1000:.1f}", "start": _clock(tour.starts_at), "end": _clock(tour.ends_at)}
        sheet.write(_("%(km)s km, leaves at %(start)s, back at %(end)s") % values, 9)
        _head(sheet)
        for stop in stops:
            if stop.tour_id != tour.pk:
                continue
            if sheet.room < 16 * mm:
                sheet.next_page()
                _head(sheet)
            to, parcel = people[stop.parcel_id], stop.parcel
            cells = (
                str(stop.position),
                f"{_clock(stop.arrives_at)} {_window(stop)}".strip(),
                parcel.waybill,
                f"{to.name} {to.phone}",
                to.place + to.address,
                str(parcel.cod_amount) if parcel.cod_amount else "",
            )
            sheet.write_row([(text, share, False) for text, share in zip(cells, _SHARES, strict=True)], 8, most=4)
            sheet.rule(gap=0.8 * mm)
    return sheet.close()


def _head(sheet: Sheet) -> None:
    heads = (_("No."), _("Arrival"), _("Waybill"), _("Recipient"), _("Address"), _("Collect"))
    sheet.write_row([(text, share, False) for text, share in zip(heads, _SHARES, strict=True)], 8, most=1)
    sheet.rule()


def _clock(moment: object) -> str:
    return f"{timezone.localtime(moment):%H:%M}" if moment is not None else ""  # type: ignore[arg-type]


def _window(stop: Stop) -> str:
    if stop.opens_at is None and stop.closes_at is None:
        return ""
    return f"({_clock(stop.opens_at)}–{_clock(stop.closes_at)})"
