"""The staff's pages of what promises are made of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from inventory.models import (
    AppointmentSlot,
    CalendarDay,
    CapacityBucket,
    CarrierService,
    Cutoff,
    FreightRate,
    FreightSurcharge,
    Lane,
    Region,
    RemoteArea,
    ServiceLevel,
    Suspension,
    Warehouse,
    WorkSchedule,
)
from inventory.promising import coverage_pages, naming, tables
from inventory.promising.dating import NoArrival, cutoff_of
from inventory.promising.offering import CALENDAR_DAYS
from inventory.promising.sheet_pages import RowForm, SheetAdmin
from inventory.promising.tables import Level, Place, Tables
from oms.common.desk.lists import KeysetAdmin
from oms.common.zones import CHINA


def names_of_areas(areas: Iterable[str]) -> dict[str, str]:
    """What the areas are called: a province, a prefecture or a county. One statement."""
    wanted = set(areas)
    found: dict[str, str] = {}
    regions = Region.objects.order_by("code").values_list("code", "province", "city", "district")
    for code, province, city, district in regions:
        for area, name in ((code[:2], province), (code[:4], f"{province} {city}"), (code, f"{city} {district}")):
            if area in wanted:
                found.setdefault(area, name)
    return found


@admin.register(ServiceLevel)
class ServiceLevelAdmin(SheetAdmin):
    """What delivery is sold."""

    keyset = ("code",)
    search_fields = ("code",)
    list_display = (
        *("code", "name", "cutoff", "within_minutes", "day_offset", "deliver_by", "max_road_km", "same_city_only"),
        *("fee", "is_active"),
    )


@admin.register(Cutoff)
class CutoffAdmin(SheetAdmin):
    """Other cut-offs of warehouses."""

    list_display = ("warehouse", "level", "carrier", "cutoff", "is_cutoff_inclusive")
    list_select_related = ("warehouse", "level")
    list_filter = (("warehouse", RelatedDropdownFilter), ("level", RelatedDropdownFilter))


@admin.register(WorkSchedule)
class WorkScheduleAdmin(SheetAdmin):
    """When warehouses work."""

    list_display = (
        *("warehouse", "storage_class", "opens_at", "closes_at", "works_on_weekends", "works_on_holidays"),
        "picking_minutes",
    )
    list_select_related = ("warehouse",)
    list_filter = (("warehouse", RelatedDropdownFilter),)


@admin.register(CalendarDay)
class CalendarDayAdmin(SheetAdmin):
    """Holidays and make-up workdays."""

    keyset = ("-day",)
    list_display = ("day", "kind", "name", "basis")
    list_filter = (("kind", ChoicesDropdownFilter), ("basis", ChoicesDropdownFilter))


@admin.register(Suspension)
class SuspensionAdmin(SheetAdmin):
    """Days without a warehouse, a carrier or an area."""

    has_file = False
    list_display = ("starts_on", "ends_on", "warehouse", "carrier", "area", "extra_days", "reason")
    list_select_related = ("warehouse",)


class NamesAreas(SheetAdmin):
    """Shows areas by name; `areas` are the columns that hold them."""

    areas: ClassVar[tuple[str, ...]] = ()

    def prepare_rows(self, request: HttpRequest, rows: Any) -> None:
        """What the areas of the page are called. One statement."""
        names = names_of_areas(getattr(row, column) for row in rows for column in self.areas)
        for row in rows:
            row.area_names = names

    @staticmethod
    def _named(row: Any, column: str) -> str:
        area = getattr(row, column)
        return f"{area} {getattr(row, 'area_names', {}).get(area, '')}".strip()


@admin.register(Lane)
class LaneAdmin(NamesAreas):
    """Ways between areas."""

    areas = ("origin", "destination")
    keyset = ("origin", "destination")
    search_fields = ("origin", "destination")
    list_display = (
        *("from_area", "to_area", "road_km", "zone", "premium_days_p50", "premium_days_p95"),
        *("economy_days_p50", "economy_days_p95"),
    )

    @display(description=_("from"))
    def from_area(self, lane: Lane) -> str:
        """The area with its name."""
        return self._named(lane, "origin")

    @display(description=_("to"))
    def to_area(self, lane: Lane) -> str:
        """The area with its name."""
        return self._named(lane, "destination")


@admin.register(RemoteArea)
class RemoteAreaAdmin(NamesAreas):
    """Areas that take longer."""

    areas = ("area",)
    keyset = ("area",)
    search_fields = ("area",)
    list_display = ("area_name", "kind", "extra_days", "surcharge")
    list_filter = (("kind", ChoicesDropdownFilter),)

    @display(description=_("area"))
    def area_name(self, row: RemoteArea) -> str:
        """The area with its name."""
        return self._named(row, "area")


@admin.register(CarrierService)
class CarrierServiceAdmin(SheetAdmin):
    """What carriers take."""

    keyset = ("carrier", "service")
    search_fields = ("carrier",)
    list_display = (
        *("carrier", "service", "volumetric_divisor", "round_up_kg", "max_kg", "max_side_cm", "takes_cod"),
        *("works_on_holiday", "factor", "is_active"),
    )


@admin.register(FreightRate)
class FreightRateAdmin(SheetAdmin):
    """What carriers ask for."""

    keyset = ("service", "carrier", "zone")
    list_display = ("service", "carrier", "zone", "first_kg", "first_fee", "step_kg", "step_fee")
    list_filter = (("service", ChoicesDropdownFilter),)


@admin.register(FreightSurcharge)
class FreightSurchargeAdmin(SheetAdmin):
    """What comes on top of freight."""

    has_file = False
    list_display = ("kind", "carrier", "amount", "rate", "above_side_cm", "starts_on", "ends_on")


class SlotForm(RowForm):
    """Hours of a city, of which no other slot has any."""

    def clean(self) -> dict[str, Any]:
        """Refuse hours that another active slot of the city has."""
        given = super().clean() or self.cleaned_data
        if given.get("is_active") and {"city", "starts_at", "ends_at"} <= given.keys():
            slot = AppointmentSlot(**{name: given[name] for name in ("city", "starts_at", "ends_at")})
            others = AppointmentSlot.objects.filter(city=slot.city).exclude(pk=self.instance.pk)
            if other := naming.overlapping(slot, others):
                self.add_error("starts_at", naming.overlap_words(other))
        return given


@admin.register(AppointmentSlot)
class AppointmentSlotAdmin(SheetAdmin):
    """Hours for appointments. One that was taken is switched off rather than deleted."""

    form = SlotForm
    may_delete = False
    keyset = ("city", "starts_at", "ends_at")
    search_fields = ("city",)
    list_display = ("city", "name", "hours", "capacity", "fee", "is_active")

    @display(description=_("Hours"))
    def hours(self, slot: AppointmentSlot) -> str:
        """From when until when."""
        return slot.hours


@dataclass(frozen=True, slots=True)
class LevelToday:
    """A level at a warehouse today: its cut-off (None: it has none), and whether that is over."""

    level: Level
    cutoff: time | None
    is_over: bool


@dataclass(frozen=True, slots=True)
class WarehouseToday:
    """A warehouse today: the cut-offs of its levels and what was taken of its room (capacity 0: without limit)."""

    place: Place
    levels: tuple[LevelToday, ...]
    taken: int
    capacity: int


def today_of(known: Tables, now: datetime) -> list[WarehouseToday]:
    """Cut-offs and room of every warehouse that sends parcels on the day of `now`. Two statements."""
    local = now.astimezone(CHINA)
    buckets = CapacityBucket.objects.filter(day=local.date(), slot=None)
    room = {row.warehouse_id: (row.taken, row.capacity) for row in buckets}
    sending = Warehouse.objects.filter(is_active=True).exclude(kind=Warehouse.Kind.VIRTUAL)
    used = set(sending.values_list("pk", flat=True))
    found = []
    for place in sorted(known.places.values(), key=lambda place: place.code):
        if place.warehouse_id not in used:
            continue
        levels = tuple(_level_today(known, place, level, local.time()) for level in known.levels.values())
        taken, capacity = room.get(place.warehouse_id, (0, place.daily_capacity))
        found.append(WarehouseToday(place, levels, taken, capacity))
    return found


def _level_today(known: Tables, place: Place, level: Level, now: time) -> LevelToday:
    try:
        cutoff = cutoff_of(known, place, level, "")
    except NoArrival:
        return LevelToday(level, None, is_over=True)
    return LevelToday(level, cutoff.at, not cutoff.met(now))


@dataclass(frozen=True, slots=True)
class SlotDay:
    """What was taken of a slot on a day, over all warehouses that anybody booked at."""

    day: date
    taken: int
    capacity: int


def booked_slots(first: date) -> list[tuple[AppointmentSlot, list[SlotDay]]]:
    """The appointment calendar of the next days: each slot with what is taken. Two statements."""
    days = [first + timedelta(days=number) for number in range(CALENDAR_DAYS)]
    sums: Mapping[tuple[int, date], tuple[int, int]] = {
        (slot, day): (taken, capacity)
        for slot, day, taken, capacity in CapacityBucket.objects.filter(slot__isnull=False, day__in=days)
        .order_by()
        .values_list("slot", "day")
        .annotate(Sum("taken"), Sum("capacity"))
    }
    return [
        (slot, [SlotDay(day, *sums.get((slot.pk, day), (0, slot.capacity))) for day in days])
        for slot in AppointmentSlot.objects.filter(is_active=True).order_by("city", "starts_at")
    ]


class BucketForm(forms.ModelForm):
    """The room of a day: never less than what is taken."""

    def clean_capacity(self) -> int:
        """Refuse what the takes do not fit into."""
        capacity: int = self.cleaned_data["capacity"]
        if capacity < self.instance.taken:
            raise forms.ValidationError(_("%(taken)d are taken already.") % {"taken": self.instance.taken})
        return capacity

    def clean_day(self) -> date:
        """Of a day that is over nothing can be said."""
        day: date = self.cleaned_data["day"]
        if day < timezone.localdate(timezone=CHINA):
            raise forms.ValidationError(_("This day is over."))
        return day

    def clean(self) -> dict[str, Any]:
        """Refuse a limit of a day where there is none at all: nobody counts what such a warehouse sends."""
        given = super().clean() or self.cleaned_data
        warehouse = given.get("warehouse")
        if (
            warehouse is not None
            and given.get("slot") is None
            and not warehouse.daily_capacity
            and given.get("capacity")
        ):
            text = _("Warehouse %(code)s has no limit a day. Give it a daily capacity on its page first.")
            self.add_error("capacity", text % {"code": warehouse.code})
        return given


@admin.register(CapacityBucket)
class CapacityBucketAdmin(KeysetAdmin):
    """Room of days that somebody took of, or of which staff said how much there is; they may change it."""

    form = BucketForm
    may_add = may_change = True
    change_list_template = "admin/inventory/capacity_list.html"
    fields = ("warehouse", "day", "slot", "capacity", "taken")
    list_display = ("warehouse", "day", "slot", "capacity", "taken", "left")
    list_select_related = ("warehouse", "slot")
    list_filter = (("warehouse", RelatedDropdownFilter),)

    def get_readonly_fields(self, request: HttpRequest, obj: CapacityBucket | None = None) -> tuple[str, ...]:
        """Whose room it is never changes."""
        return ("warehouse", "day", "slot", "taken") if obj else ("taken",)

    @display(description=_("left"))
    def left(self, bucket: CapacityBucket) -> int:
        """How much is left."""
        return bucket.left

    def get_urls(self) -> list[URLPattern]:
        """Today's page and the coverage before those of the rows."""
        wrap = self.admin_site.admin_view
        today = path("today/", wrap(self.today_view), name="inventory_capacity_today")
        covered = path("coverage/", wrap(self.coverage_view), name="inventory_coverage")
        return [today, covered, *super().get_urls()]

    def coverage_view(self, request: HttpRequest) -> HttpResponse:
        """Which warehouse sends to which province, and how soon that is there."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {**self.admin_site.each_context(request), **coverage_pages.context(request.GET)}
        return TemplateResponse(request, "admin/inventory/coverage.html", context)

    def today_view(self, request: HttpRequest) -> HttpResponse:
        """Cut-offs and capacity today, and the appointment calendar."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        known, now = tables.current(), timezone.now()
        today = now.astimezone(CHINA).date()
        context = {
            **self.admin_site.each_context(request),
            "title": _("Cut-offs and capacity today"),
            "levels": list(known.levels.values()),
            "warehouses": today_of(known, now),
            "days": [today + timedelta(days=number) for number in range(CALENDAR_DAYS)],
            "slots": booked_slots(today),
        }
        return TemplateResponse(request, "admin/inventory/capacity_today.html", context)
