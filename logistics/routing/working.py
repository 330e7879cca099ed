"""What couriers and stations do with parcels. Each step is told as a scan; what it makes of the parcel follows from
that, as for any carrier."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.core.files.base import File
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from logistics.models import (
    CourierParcel,
    DoorReport,
    Outcome,
    PlanState,
    ShipmentState,
    Station,
    Stop,
    Tour,
    Unserved,
)
from logistics.routing import planning
from logistics.routing.telling import Told, tell
from logistics.routing.trouble import CannotPlan, NotYours, WrongReport
from oms.common.zones import CHINA

MOST_AT_ONCE = 500
_GREATEST_ID = 2**63 - 1
MOST_PHOTO_BYTES = 6 * 1024 * 1024
# So long after the tour couriers may still tell what became of it.
TOLD_LATE = timedelta(days=3)
_STATES = {
    Outcome.SIGNED: ShipmentState.SIGNED,
    Outcome.REFUSED: ShipmentState.REJECTED,
    Outcome.MISSED: ShipmentState.FAILED_DELIVERY,
}
# The first bytes of the pictures that phones make, and the ending each is kept under.
_PICTURES = ((b"\xff\xd8\xff", ".jpg"), (b"\x89PNG\r\n\x1a\n", ".png"))


@dataclass(frozen=True, slots=True)
class Report:
    """What a courier tells: `key` is that of the form, `cash` in yuan, `said_at` when it was, not when it is told."""

    key: str
    outcome: Outcome
    said_at: datetime
    signed_by: str = ""
    reason: str = ""
    cash: Decimal = Decimal(0)
    photo: "File[bytes] | None" = None


@transaction.atomic
def set_out(courier_id: int, day: date) -> int:
    """The courier leaves with all parcels of the published tour, which from now on are in the vehicle; returns how
    many. A second time nothing happens. Raises NotYours without a tour."""
    found = Tour.objects.filter(courier=courier_id, plan__day=day, plan__state=PlanState.PUBLISHED)
    tour = found.select_related("plan__station").first()
    if tour is None:
        raise NotYours(_("There is no tour for you on this day."))
    planning.lock(tour.plan.station_id)
    # Meanwhile a newer plan may have been published.
    tour = found.select_related("plan__station").first()
    if tour is None:
        raise NotYours(_("There is no tour for you on this day."))
    if tour.gone_at is not None:
        return 0
    now = timezone.now()
    Tour.objects.filter(pk=tour.pk).update(gone_at=now)
    planning.touch(tour.plan_id)
    stops = list(Stop.objects.filter(tour=tour, is_in_force=True).select_related("parcel").order_by("position"))
    # What is not to be brought any more stays at the station.
    Stop.objects.filter(tour=tour, is_in_force=False).update(
        tour=None, position=None, is_locked=False, why=Unserved.NOT_WANTED
    )
    tell(
        [
            Told(
                tour.plan.station.connection_id,
                stop.parcel.waybill,
                ShipmentState.OUT_FOR_DELIVERY,
                now,
                location=tour.plan.station.name,
                key=f"{stop.parcel.waybill}-out-{day:%m%d}",
            )
            for stop in stops
        ]
    )
    return len(stops)


def find_stop(courier_id: int, stop_id: int) -> Stop:
    """A stop of the courier's, of a plan that was published, today's or of the last days. Raises NotYours."""
    since = timezone.now().astimezone(CHINA).date() - TOLD_LATE
    if stop_id > _GREATEST_ID:
        raise NotYours(_("There is no such stop in your tour."))
    found = Stop.objects.filter(
        pk=stop_id,
        tour__courier=courier_id,
        plan__day__gte=since,
        plan__state__in=[PlanState.PUBLISHED, PlanState.SUPERSEDED],
    )
    stop = found.select_related("plan__station", "tour", "parcel__shipment__sub_order__order").first()
    if stop is None:
        raise NotYours(_("There is no such stop in your tour."))
    return stop


@transaction.atomic
def report(courier_id: int, stop_id: int, told: Report) -> DoorReport:
    """Keep what the courier tells of a stop, and tell it as a scan. Told again under the key of the same form it is
    the first report that counts; something else about the same stop is refused.

    What happened is told late, too, and of a stop that counts no more: it happened. Raises NotYours, and WrongReport
    naming the field.
    """
    stop = find_stop(courier_id, stop_id)
    parcel = CourierParcel.objects.select_for_update(no_key=True).get(pk=stop.parcel_id)
    day = stop.plan.day
    same = DoorReport.objects.filter(parcel=parcel, courier=courier_id, day=day).first()
    if same is not None:
        if same.key == told.key:
            return same
        text = _("It is told already: %(outcome)s. Ring your station if that is wrong.")
        raise WrongReport(text % {"outcome": same.get_outcome_display()})
    _check(parcel, told)
    row = DoorReport(
        parcel=parcel,
        courier_id=courier_id,
        day=day,
        key=told.key,
        outcome=told.outcome,
        signed_by=told.signed_by.strip() if told.outcome == Outcome.SIGNED else "",
        reason=told.reason.strip() if told.outcome != Outcome.SIGNED else "",
        cash=told.cash if told.outcome == Outcome.SIGNED else Decimal(0),
        said_at=min(told.said_at, timezone.now()),
    )
    if told.photo is not None:
        row.photo.save(picture_ending(told.photo), told.photo, save=False)
    row.save()
    connection_id = stop.plan.station.connection_id
    tell(
        [
            Told(
                connection_id,
                parcel.waybill,
                _STATES[told.outcome],
                row.said_at,
                text=row.reason,
                location=stop.plan.station.name,
                key=f"{parcel.waybill}-door-{told.key}",
            )
        ]
    )
    return row


def _check(parcel: CourierParcel, told: Report) -> None:
    """Raises WrongReport."""
    if told.outcome == Outcome.SIGNED:
        if not told.signed_by.strip():
            raise WrongReport(_("Say who signed for it."), attr="signed_by")
        if told.cash != parcel.cod_amount:
            text = _("%(amount)s yuan are to be collected, neither more nor less. Less is a refusal.")
            raise WrongReport(text % {"amount": parcel.cod_amount}, attr="cash")
    elif told.outcome == Outcome.REFUSED and not told.reason.strip():
        raise WrongReport(_("Say why it was refused."), attr="reason")
    if told.photo is not None:
        picture_ending(told.photo)


def picture_ending(photo: "File[bytes]") -> str:
    """How the picture's file ends. Raises WrongReport for what is none, or too large."""
    if photo.size > MOST_PHOTO_BYTES:
        raise WrongReport(_("The photo is larger than %(most)d MB.") % {"most": MOST_PHOTO_BYTES >> 20}, attr="photo")
    photo.seek(0)
    begin = photo.read(16)
    photo.seek(0)
    for mark, ending in _PICTURES:
        if begin.startswith(mark):
            return ending
    raise WrongReport(_("That is no photo: take it as JPEG or PNG."), attr="photo")


def new_key() -> str:
    """The key of a form."""
    return uuid.uuid4().hex


# --- At the station


@dataclass(frozen=True, slots=True)
class Row:
    """What became of a scanned waybill; `why` nothing was told of it, else empty."""

    waybill: str
    why: str = ""


# What is told of a parcel at a station, and the state that says it.
STATION_SCANS = {
    "arrived": ShipmentState.IN_TRANSIT,
    "sent_back": ShipmentState.RETURNING,
    "back": ShipmentState.RETURNED,
    "lost": ShipmentState.LOST,
}


@transaction.atomic
def scan(station_id: int, what: str, waybills: Sequence[str]) -> list[Row]:
    """Tell of parcels that they arrived at the station, were sent back to their warehouse, are back there, or are lost.
    One result for each waybill, in their order."""
    station = Station.objects.get(pk=station_id)
    state = STATION_SCANS[what]
    wanted = list(dict.fromkeys(waybills[:MOST_AT_ONCE]))
    known = {row.waybill: row for row in CourierParcel.objects.filter(station=station, waybill__in=wanted)}
    in_vehicles = set(
        Stop.objects.filter(parcel__in=known.values(), is_in_force=True, tour__gone_at__isnull=False)
        .exclude(parcel__reports__isnull=False)
        .values_list("parcel__waybill", flat=True)
    )
    now = timezone.now()
    rows, news = [], []
    for waybill in wanted:
        parcel = known.get(waybill)
        if parcel is None:
            rows.append(Row(waybill, _("This station has no parcel with this waybill.")))
        elif parcel.cancelled_at is not None:
            rows.append(Row(waybill, _("The waybill was cancelled: send the parcel back.")))
        elif what == "sent_back" and waybill in in_vehicles and parcel.recalled_at is None:
            rows.append(Row(waybill, _("A courier is out with it, who told nothing of it yet.")))
        else:
            rows.append(Row(waybill))
            key = f"{waybill}-{what}-{now.astimezone(CHINA):%m%d}"
            news.append(Told(station.connection_id, waybill, state, now, location=station.name, key=key))
    tell(news)
    return rows


@transaction.atomic
def put_on_map(parcel_id: int, longitude: float, latitude: float) -> None:
    """Put the door of a parcel. Plans that are made later use it. Raises CourierParcel.DoesNotExist and CannotPlan."""
    parcel = CourierParcel.objects.select_for_update(no_key=True).get(pk=parcel_id)
    if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
        raise CannotPlan(_("Degrees are between -180 and 180, and -90 and 90."), attr="longitude")
    parcel.longitude, parcel.latitude, parcel.is_exact = longitude, latitude, True
    parcel.save(update_fields=["longitude", "latitude", "is_exact"])
