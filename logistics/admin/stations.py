"""The staff's pages of own couriers: stations, vehicles, couriers, their parcels, and what was told from doors."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from inventory.models import Region
from logistics.models import Courier, CourierParcel, DoorReport, Skill, Station, Vehicle
from logistics.routing import access, jobs, planning, working
from oms.common.desk.acting import INPUT, RowAction, RowActions
from oms.common.desk.lists import KeysetAdmin, staff_actor_name
from oms.common.models import Connection
from oms.common.templatetags.staff import state_badge

_DEGREES = {**INPUT, "step": "any"}
PLAN, SCAN, LINK = "logistics.plan_routes", "logistics.scan_courierparcel", "logistics.give_courier_link"


class SkillsForm(forms.ModelForm):
    """Skills are ticked."""

    skills = forms.MultipleChoiceField(
        label=gettext_lazy("skills"),
        choices=Skill.choices,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )


class CourierForm(SkillsForm):
    """The vehicle is one of the courier's station."""

    def clean(self) -> dict[str, Any]:
        """Raises ValidationError naming the field."""
        data = super().clean() or self.cleaned_data
        vehicle, station = data.get("vehicle"), data.get("station")
        if vehicle and station and vehicle.station_id != station.pk:
            self.add_error("vehicle", _("The vehicle belongs to another station."))
        return data


class StationForm(forms.ModelForm):
    """The area names regions that there are."""

    def clean_regions(self) -> list[str]:
        """Raises ValidationError naming the codes that mean nothing."""
        codes = [code.strip() for code in self.cleaned_data["regions"] if code.strip()]
        unknown = [code for code in codes if not Region.objects.filter(code__startswith=code).exists()]
        if unknown:
            text = _("No region begins with %(codes)s.")
            raise forms.ValidationError(text, params={"codes": ", ".join(unknown)})
        return codes


class DayForm(forms.Form):
    """For which day."""

    day = forms.DateField(
        label=gettext_lazy("Day"),
        initial=planning.today,
        widget=forms.DateInput(attrs={**INPUT, "type": "date"}, format="%Y-%m-%d"),
    )


def _plan(request: HttpRequest, station_id: int, data: dict[str, Any]) -> HttpResponse:
    return begin_planning(request, station_id, data["day"])


def begin_planning(request: HttpRequest, station_id: int, day: Any) -> HttpResponse:
    """Plan a day, and show the plan; a long one as a job. Raises as `planning.make`."""
    planning.check_day(day)
    if jobs.is_long(station_id):
        return redirect("admin:common_job_change", jobs.begin(request.user, station_id, day).pk)
    plan = planning.make(station_id, day, by=staff_actor_name(request))
    return redirect("admin:logistics_routeplan_change", plan.pk)


class ScanForm(forms.Form):
    """Parcels at the station."""

    what = forms.ChoiceField(
        label=gettext_lazy("What happened"),
        choices=[
            ("arrived", gettext_lazy("Arrived at the station")),
            ("sent_back", gettext_lazy("Sent back to the warehouse")),
            ("back", gettext_lazy("Back in the warehouse")),
            ("lost", gettext_lazy("Lost")),
        ],
        widget=forms.Select(attrs=INPUT),
    )
    waybills = forms.CharField(
        label=gettext_lazy("Waybills, one a line"),
        max_length=working.MOST_AT_ONCE * 50,
        widget=forms.Textarea(attrs={**INPUT, "rows": 8, "autofocus": True}),
    )

    def clean_waybills(self) -> list[str]:
        """The numbers, in their order."""
        numbers = self.cleaned_data["waybills"].replace(",", " ").upper().split()
        if len(numbers) > working.MOST_AT_ONCE:
            raise forms.ValidationError(_("At most %(most)s at once."), params={"most": working.MOST_AT_ONCE})
        return numbers


@admin.register(Station)
class StationAdmin(RowActions):
    """Where own couriers start from, and which area they serve."""

    may_add = may_change = True
    keyset = ("code",)
    form = StationForm
    list_display = ("code", "name", "connection", "area", "km_an_hour", "is_active")
    list_select_related = ("connection",)
    fields = (
        *(("code", "name"), ("connection", "is_active"), "regions", "address", ("longitude", "latitude")),
        *(("km_an_hour", "detour_percent"), "service_seconds"),
    )
    row_actions = (
        RowAction("plan", PLAN, gettext_lazy("Plan the day"), _plan, DayForm, tone="primary", icon="route"),
        RowAction(
            "scan",
            SCAN,
            gettext_lazy("Scan parcels"),
            lambda request, key, data: redirect("admin:logistics_station_scanning", key),
            icon="barcode_scanner",
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        """With the page on which parcels are scanned."""
        view = self.admin_site.admin_view(self.scanning_view)
        return [path("<int:station_id>/scanning/", view, name="logistics_station_scanning"), *super().get_urls()]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Only accounts of own couriers."""
        if db_field.name == "connection":
            kwargs["queryset"] = Connection.objects.filter(protocol="courier")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @display(description=gettext_lazy("area"))
    def area(self, station: Station) -> str:
        """The beginnings of regions."""
        return ", ".join(station.regions[:8]) + (" …" if len(station.regions) > 8 else "")

    def scanning_view(self, request: HttpRequest, station_id: int) -> HttpResponse:
        """Tell of parcels; each waybill has its result, and those that were refused are left in the form."""
        if not request.user.has_perm(SCAN):
            raise PermissionDenied
        station = Station.objects.filter(pk=station_id).first()
        if station is None:
            raise Http404
        form = ScanForm(request.POST or None)
        rows: list[working.Row] = []
        if form.is_valid():
            what = form.cleaned_data["what"]
            rows = working.scan(station_id, what, form.cleaned_data["waybills"])
            left = "\n".join(row.waybill for row in rows if row.why)
            form = ScanForm(initial={"what": what, "waybills": left})
        context = {
            **self.admin_site.each_context(request),
            "title": _("Scan parcels at %(station)s") % {"station": station.name},
            "form": form,
            "left": [row for row in rows if row.why],
            "done": sum(1 for row in rows if not row.why) if rows else None,
            "list_url": reverse("admin:logistics_station_change", args=[station_id]),
        }
        return TemplateResponse(request, "admin/logistics/station_scan.html", context)


@admin.register(Vehicle)
class VehicleAdmin(KeysetAdmin):
    """What couriers drive."""

    may_add = may_change = True
    form = SkillsForm
    list_display = ("plate", "station", "capacity_g", "capacity_cm3", "skill_words", "is_active")
    list_select_related = ("station",)
    list_filter = (("station", RelatedDropdownFilter),)
    fields = (("station", "plate"), ("capacity_g", "capacity_cm3"), "skills", "is_active")

    @display(description=gettext_lazy("skills"))
    def skill_words(self, row: Any) -> str:
        """What it can carry."""
        return skill_words(row.skills)


def skill_words(skills: list[str]) -> str:
    """Skills in words."""
    return ", ".join(str(Skill(skill).label) for skill in skills) or "–"


def _give_link(request: HttpRequest, courier_id: int, data: dict[str, Any]) -> HttpResponse:
    address, pin = access.give_link(courier_id)
    if address.startswith("/"):
        address = request.build_absolute_uri(address)
    context = {
        **admin.site.each_context(request),
        "title": _("Link and PIN"),
        "courier": Courier.objects.get(pk=courier_id),
        "address": address,
        "pin": pin,
    }
    return TemplateResponse(request, "admin/logistics/courier_link.html", context)


@admin.register(Courier)
class CourierAdmin(RowActions):
    """Who brings parcels."""

    may_add = may_change = True
    form = CourierForm
    list_display = ("name", "station", "phone", "vehicle", "starts", "ends", "skill_words", "is_active")
    list_select_related = ("station", "vehicle")
    list_filter = (("station", RelatedDropdownFilter),)
    fields = (("station", "name"), ("phone", "vehicle"), ("starts", "ends"), "skills", "is_active")
    row_actions = (
        RowAction(
            "link",
            LINK,
            gettext_lazy("New link and PIN"),
            _give_link,
            tone="primary",
            icon="phonelink_lock",
            hint=gettext_lazy("For the courier's page on the phone. The former link opens nothing any more."),
        ),
    )

    @display(description=gettext_lazy("skills"))
    def skill_words(self, row: Any) -> str:
        """What the courier can carry."""
        return skill_words(row.skills)


class DoorForm(forms.Form):
    """Where the door is."""

    longitude = forms.FloatField(
        label=gettext_lazy("longitude"), min_value=-180, max_value=180, widget=forms.NumberInput(attrs=_DEGREES)
    )
    latitude = forms.FloatField(
        label=gettext_lazy("latitude"), min_value=-90, max_value=90, widget=forms.NumberInput(attrs=_DEGREES)
    )


def _put_on_map(request: HttpRequest, parcel_id: int, data: dict[str, Any]) -> str:
    working.put_on_map(parcel_id, data["longitude"], data["latitude"])
    return _("Plans that are made from now on drive to this point.")


@admin.register(CourierParcel)
class CourierParcelAdmin(RowActions):
    """What own couriers bring; where it is stands at the shipment."""

    search_fields = ("waybill", "shipment__number", "shipment__sub_order__order__number")
    search_help_text = gettext_lazy("Waybill, shipment or order number")
    list_display = (
        *("waybill", "state_words", "station", "region", "weight_g", "cod_amount", "skill_words", "is_exact"),
        *("taken_at", "recalled_at", "cancelled_at"),
    )
    list_select_related = ("shipment", "station", "region")
    list_filter = (("station", RelatedDropdownFilter),)
    fields = readonly_fields = (
        *("waybill", "shipment", "station", "region", "longitude", "latitude", "is_exact", "weight_g", "volume_cm3"),
        *("cod_amount", "skill_words", "taken_at", "recalled_at", "cancelled_at"),
    )
    row_actions = (
        RowAction(
            "door",
            SCAN,
            gettext_lazy("Put the door on the map"),
            _put_on_map,
            DoorForm,
            icon="pin_drop",
            hint=gettext_lazy("Until then plans drive to the point that stands for its county."),
            initial=lambda row: {"longitude": row.longitude, "latitude": row.latitude},
        ),
    )

    @display(description=gettext_lazy("state"))
    def state_words(self, parcel: CourierParcel) -> SafeString:
        """Where it is."""
        return state_badge(parcel.shipment)

    @display(description=gettext_lazy("needs"))
    def skill_words(self, parcel: CourierParcel) -> str:
        """What it needs of courier and vehicle."""
        return skill_words(parcel.skills)


@admin.register(DoorReport)
class DoorReportAdmin(KeysetAdmin):
    """What couriers told."""

    search_fields = ("parcel__waybill",)
    search_help_text = gettext_lazy("Waybill number")
    list_display = ("parcel", "courier", "day", "outcome", "signed_by", "reason", "cash", "said_at", "received_at")
    list_select_related = ("parcel", "courier")
    list_filter = (("courier", RelatedDropdownFilter), ("outcome", ChoicesDropdownFilter))
    fields = readonly_fields = (
        *("parcel", "courier", "day", "outcome", "signed_by", "reason", "cash", "photo_link", "said_at", "received_at"),
    )

    def get_urls(self) -> list[URLPattern]:
        """With the photos."""
        view = self.admin_site.admin_view(self.photo_view)
        return [path("<int:report_id>/photo/", view, name="logistics_doorreport_photo"), *super().get_urls()]

    @display(description=gettext_lazy("photo"))
    def photo_link(self, report: DoorReport) -> str:
        """The way to the photo."""
        if not report.photo:
            return "–"
        address = reverse("admin:logistics_doorreport_photo", args=[report.pk])
        return format_html('<a href="{}">{}</a>', address, _("Look at the photo"))

    def photo_view(self, request: HttpRequest, report_id: int) -> HttpResponse:
        """The photo."""
        if not request.user.has_perm("logistics.view_doorreport"):
            raise PermissionDenied
        report = DoorReport.objects.filter(pk=report_id).exclude(photo="").first()
        if report is None:
            raise Http404
        kind = "image/png" if str(report.photo.name).endswith(".png") else "image/jpeg"
        answer: Any = FileResponse(report.photo.open("rb"), content_type=kind)
        answer["X-Content-Type-Options"] = "nosniff"
        return answer  # type: ignore[no-any-return]
