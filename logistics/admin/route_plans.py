"""The page of a day's plan: map, tours, what is in none and why; locking, moving, planning anew, publishing."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter, RelatedDropdownFilter
from unfold.decorators import display

from logistics.admin.stations import PLAN, begin_planning
from logistics.models import Courier, DoorReport, PlanState, RoutePlan, Stop, Tour
from logistics.routing import drawing, exporting, publishing, sheet
from oms.common.desk import acting
from oms.common.desk.acting import RowAction, RowActions, VersionForm
from oms.common.desk.job_pages import ExportMixin
from oms.common.desk.lists import staff_actor_name
from oms.common.templatetags.staff import actor, state_badge


def _publish(request: HttpRequest, plan_id: int, data: dict[str, Any]) -> str:
    publishing.publish(plan_id, by=staff_actor_name(request), version=data["version"])
    return _("Couriers see it now.")


def _discard(request: HttpRequest, plan_id: int, data: dict[str, Any]) -> str:
    publishing.discard(plan_id, version=data["version"])
    return _("Nobody will drive by it.")


def _anew(request: HttpRequest, plan_id: int, data: dict[str, Any]) -> HttpResponse:
    plan = RoutePlan.objects.get(pk=plan_id)
    return begin_planning(request, plan.station_id, plan.day)


class StopForm(forms.Form):
    """What is to become of a stop."""

    what = forms.ChoiceField(choices=[("lock", "lock"), ("unlock", "unlock"), ("move", "move")])
    stop = forms.IntegerField(min_value=1, max_value=2**63 - 1)
    courier = forms.IntegerField(label=gettext_lazy("courier"), required=False, min_value=1, max_value=2**63 - 1)
    position = forms.IntegerField(label=gettext_lazy("stop number"), required=False, min_value=1, max_value=1000)

    def clean(self) -> dict[str, Any]:
        """Who moves a stop says to whom."""
        data = super().clean() or self.cleaned_data
        if data.get("what") == "move" and not data.get("courier"):
            self.add_error("courier", _("Choose a courier."))
        return data


@admin.register(RoutePlan)
class RoutePlanAdmin(ExportMixin, RowActions):
    """The plans of all days; the page of each is drawn for itself."""

    export = exporting.STOPS
    list_display = ("plan", "state_words", "kilometres", "saved", "on_time", "made_at", "maker", "published_at")
    list_display_links = ("plan",)
    list_select_related = ("station",)
    list_filter = (
        ("station", RelatedDropdownFilter),
        ("state", ChoicesDropdownFilter),
        ("day", RangeDateFilter),
    )
    row_actions = (
        RowAction("publish", PLAN, gettext_lazy("Publish"), _publish, VersionForm, "primary", "publish"),
        RowAction("anew", PLAN, gettext_lazy("Plan anew"), _anew, icon="refresh"),
        RowAction("discard", PLAN, gettext_lazy("Discard"), _discard, VersionForm, "danger-line", "delete"),
    )

    def fitting_actions(self, row: RoutePlan) -> list[str]:
        """Only drafts are published or discarded; what counts no more is only looked at."""
        if row.state == PlanState.DRAFT:
            return ["publish", "anew", "discard"]
        return ["anew"] if row.state == PlanState.PUBLISHED else []

    def get_urls(self) -> list[URLPattern]:
        """With what is done to stops, and the paper."""
        wrap = self.admin_site.admin_view
        return [
            path("<int:plan_id>/stops/", wrap(self.stops_view), name="logistics_routeplan_stops"),
            path("<int:plan_id>/sheets.pdf", wrap(self.sheets_view), name="logistics_routeplan_sheets"),
            *super().get_urls(),
        ]

    @display(description=gettext_lazy("plan"), ordering="-id")
    def plan(self, row: RoutePlan) -> str:
        """Station, day and number."""
        return f"{row.station} {row.day:%Y-%m-%d} #{row.number}"

    @display(description=gettext_lazy("state"))
    def state_words(self, row: RoutePlan) -> str:
        """In its colour."""
        return state_badge(row)

    @display(description=gettext_lazy("km"))
    def kilometres(self, row: RoutePlan) -> str:
        """How long all tours are."""
        return f"{row.figures.get('metres', 0) / 1000:.1f}"

    @display(description=gettext_lazy("shorter by"))
    def saved(self, row: RoutePlan) -> str:
        """Than driving to the next stop that can begin first."""
        return saved_percent(row.figures)

    @display(description=gettext_lazy("in time"))
    def on_time(self, row: RoutePlan) -> str:
        """Of all stops."""
        return f"{row.figures.get('on_time', 0)} / {row.figures.get('stops', 0)}"

    @display(description=gettext_lazy("made by"))
    def maker(self, row: RoutePlan) -> str:
        """Who, in words."""
        return actor(row.made_by)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The plan. A fixed number of statements."""
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        may_plan = request.user.has_perm(PLAN)
        actions = [
            self._shown(action, row)
            for action in self.row_actions
            if action.name in self.fitting_actions(row) and may_plan
        ]
        context = {
            **self.admin_site.each_context(request),
            **_contents(row),
            "title": str(row),
            "plan": row,
            "row_actions": actions,
            "may_plan": may_plan,
            "is_open": row.state in (PlanState.DRAFT, PlanState.PUBLISHED),
            "is_draft": row.state == PlanState.DRAFT,
            "export_link": reverse("admin:logistics_routeplan_export") + f"?id__exact={row.pk}",
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/logistics/route_plan.html", context)

    def stops_view(self, request: HttpRequest, plan_id: int) -> HttpResponse:
        """Lock, unlock or move a stop of the plan."""

        def do(data: dict[str, Any]) -> str:
            if not Stop.objects.filter(pk=data["stop"], plan=plan_id).exists():
                raise Http404
            if data["what"] == "lock":
                publishing.lock_up_to(data["stop"])
                return _("The stop and those before it stay with their courier.")
            if data["what"] == "unlock":
                publishing.unlock_from(data["stop"])
                return _("The stop and those behind it may go to others when the day is planned anew.")
            publishing.move(data["stop"], courier_id=data["courier"], position=data["position"] or 1)
            return _("The stop is moved, and locked where it is now.")

        page = reverse("admin:logistics_routeplan_change", args=[plan_id])
        may = self.has_view_permission(request) and request.user.has_perm(PLAN)
        return acting.act(request, do, may=may, page=page, form_class=StopForm)

    def sheets_view(self, request: HttpRequest, plan_id: int) -> HttpResponse:
        """The route sheets as PDF."""
        if not request.user.has_perm(PLAN):
            raise PermissionDenied
        row = RoutePlan.objects.select_related("station").filter(pk=plan_id).first()
        if row is None:
            raise Http404
        answer = HttpResponse(sheet.draw(row), content_type="application/pdf")
        answer["Content-Disposition"] = f'inline; filename="routes-{row.station.code}-{row.day}-{row.number}.pdf"'
        return answer


def saved_percent(figures: Mapping[str, int]) -> str:
    """By how much it is shorter than driving to the next stop that can begin first; a dash where the two do not serve
    as many."""
    simple = figures.get("nearest_metres", 0)
    if not simple or figures.get("served", 0) < figures.get("nearest_served", 0):
        return "–"
    return f"{100 * (1 - figures.get('metres', 0) / simple):.0f} %"


def _contents(plan: RoutePlan) -> dict[str, Any]:
    tours = list(Tour.objects.filter(plan=plan).select_related("courier", "vehicle").order_by("id"))
    stops = list(
        Stop.objects.filter(plan=plan).select_related("parcel__region", "parcel__shipment").order_by("tour", "position")
    )
    reports = {
        (row.parcel_id, row.courier_id): row
        for row in DoorReport.objects.filter(day=plan.day, parcel__stops__plan=plan)
    }
    colours = drawing.colours(tours)
    rows = []
    for tour in tours:
        own = [stop for stop in stops if stop.tour_id == tour.pk]
        told = {stop.parcel_id: reports.get((stop.parcel_id, tour.courier_id)) for stop in own}
        rows.append(
            {
                "row": tour,
                "colour": colours[tour.pk],
                "km": f"{tour.metres / 1000:.1f}",
                "grams": sum(stop.parcel.weight_g for stop in own),
                "cash": sum((report.cash for report in told.values() if report), Decimal(0)),
                "stops": [(stop, told[stop.parcel_id], _is_late(stop)) for stop in own],
            }
        )
    couriers = Courier.objects.filter(station=plan.station_id, is_active=True, vehicle__isnull=False)
    gone = {tour.courier_id for tour in tours if tour.gone_at is not None}
    figures = plan.figures
    return {
        "tours": rows,
        "unserved": [stop for stop in stops if stop.tour_id is None],
        "map": drawing.draw(plan.station, tours, stops),
        "couriers": [one for one in couriers.order_by("name", "id") if one.pk not in gone],
        "km": f"{figures.get('metres', 0) / 1000:.1f}",
        "nearest_km": f"{figures.get('nearest_metres', 0) / 1000:.1f}",
        "saved": saved_percent(figures),
    }


def _is_late(stop: Stop) -> bool:
    if stop.begins_at is None:
        return False
    return any(limit is not None and stop.begins_at > limit for limit in (stop.closes_at, stop.due_at))
