"""The staff's pages of warehouses that are run here: waves and their rules, and what lies on the floor."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, F, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from logistics.admin.floor_desk import FloorDesk
from logistics.floor import gathering, waves
from logistics.models import PickTask, Wave, WaveRule
from oms.common.desk import acting
from oms.common.desk.acting import RowAction, RowActions
from oms.common.desk.lists import KeysetAdmin

GATHER = "logistics.gather_wave"


@admin.register(WaveRule)
class WaveRuleAdmin(KeysetAdmin):
    """Which orders are picked together; the lowest priority is asked first."""

    may_add = may_change = may_delete = True
    keyset = ("priority", "id")
    list_display = ("name", "priority", "kind", "warehouse", "carrier", "zone", "at_least", "at_most", "is_active")
    list_select_related = ("warehouse", "carrier")
    fields = (
        ("name", "is_active"),
        ("priority", "kind"),
        ("warehouse", "carrier"),
        ("storage_class", "zone"),
        ("most_skus", "at_least", "at_most"),
        ("waits_minutes", "cut_offs"),
        ("starts_on", "ends_on"),
    )


class OpenWaveFilter(DropdownFilter):
    """Open waves unless those that are over are asked for."""

    title = gettext_lazy("which ones")
    parameter_name = "which"
    all_option = ["", gettext_lazy("Open ones")]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """What else can be asked for."""
        return [("over", gettext_lazy("Those that are over"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Wave]) -> QuerySet[Wave]:
        """Open waves, or the others."""
        return queryset.filter(over_at__isnull=self.value() != "over")


def _start(request: HttpRequest, wave_id: int, data: dict[str, Any]) -> str:
    count = waves.start(wave_id)
    return ngettext("One order is being picked.", "%(count)s orders are being picked.", count) % {"count": count}


def _dissolve(request: HttpRequest, wave_id: int, data: dict[str, Any]) -> str:
    count = waves.dissolve(wave_id)
    text = ngettext("One order waits for another wave.", "%(count)s orders wait for another wave.", count)
    return text % {"count": count}


def _count(rows: Any) -> None:
    """Give waves how many orders they have, and how many of these are checked or dropped. One statement."""
    counts = PickTask.objects.filter(wave__in=[row.pk for row in rows]).order_by().values("wave")
    counts = counts.annotate(
        all=Count("pk"),
        checked=Count("pk", filter=Q(checked_at__isnull=False)),
        dropped=Count("pk", filter=Q(dropped_at__isnull=False)),
    )
    found = {row["wave"]: row for row in counts}
    for row in rows:
        row.counts = found.get(row.pk, {"all": 0, "checked": 0, "dropped": 0})


@admin.register(Wave)
class WaveAdmin(RowActions):
    """Orders that are picked together. Pick lists and labels are printed by the number of the wave."""

    list_before_template = "admin/logistics/waves_head.html"
    search_fields = ("number",)
    search_help_text = gettext_lazy("Wave number")
    list_display = ("number", "kind", "warehouse", "carrier", "progress", "created_at", "picking_at", "over_at")
    list_select_related = ("warehouse", "carrier")
    list_filter = (OpenWaveFilter, ("warehouse", RelatedDropdownFilter), ("kind", ChoicesDropdownFilter))
    fields = readonly_fields = (
        *("number", "kind", "rule", "warehouse", "carrier", "created_at", "picking_at", "over_at"),
        *("progress", "tasks_link", "print_link"),
    )
    row_actions = (
        RowAction("start", GATHER, gettext_lazy("Start picking"), _start, tone="primary", icon="play_arrow"),
        RowAction("dissolve", GATHER, gettext_lazy("Dissolve"), _dissolve, tone="danger-line", icon="undo"),
    )

    def fitting_actions(self, row: Wave) -> list[str]:
        """Nothing once it is over; it is dissolved only before it is picked."""
        if row.over_at is not None:
            return []
        return ["start", "dissolve"] if row.picking_at is None else []

    def get_urls(self) -> list[URLPattern]:
        """With the button that gathers."""
        view = self.admin_site.admin_view(self.gather_view)
        return [path("gather/", view, name="logistics_wave_gather"), *super().get_urls()]

    def gather_view(self, request: HttpRequest) -> HttpResponse:
        """Gather now what can be gathered."""

        def do(_data: dict[str, Any]) -> str:
            count = gathering.gather()
            return ngettext("One new wave.", "%(count)s new waves.", count) % {"count": count}

        page = reverse("admin:logistics_wave_changelist")
        return acting.act(request, do, may=request.user.has_perm(GATHER), page=page)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with why orders wait."""
        shown = {"reasons": gathering.reasons_for_waiting(), "may_gather": request.user.has_perm(GATHER)}
        return super().changelist_view(request, {**shown, **(extra_context or {})})

    def prepare_rows(self, request: HttpRequest, rows: Any) -> None:
        """How far the page's waves are. One statement."""
        _count(rows)

    @display(description=gettext_lazy("checked"))
    def progress(self, wave: Any) -> str:
        """How many of its orders are checked, and how many were dropped."""
        if not hasattr(wave, "counts"):
            _count([wave])
        count = wave.counts
        text = f"{count['checked']} / {count['all'] - count['dropped']}"
        return text + (" " + _("(%(count)s dropped)") % {"count": count["dropped"]} if count["dropped"] else "")

    @display(description=gettext_lazy("orders"))
    def tasks_link(self, wave: Wave) -> str:
        """The way to what is in it."""
        page = reverse("admin:logistics_picktask_changelist")
        return format_html('<a href="{}?q={}">{}</a>', page, wave.number, _("What is in it"))

    @display(description=gettext_lazy("printing"))
    def print_link(self, wave: Wave) -> str:
        """The way to its pick list and labels."""
        page = reverse("admin:logistics_printout_print")
        return format_html('<a href="{}?numbers={}">{}</a>', page, wave.number, _("Pick list, labels, slips"))


class FloorFilter(DropdownFilter):
    """Where on the floor they are; what waits or is picked unless something else is asked for."""

    title = gettext_lazy("where")
    parameter_name = "where"
    all_option = ["", gettext_lazy("All")]
    CHOICES: ClassVar[dict[str, tuple[Any, dict[str, Any]]]] = {
        "waiting": (gettext_lazy("Waits for a wave"), {"wave": None, "checked_at": None, "dropped_at": None}),
        "picking": (
            gettext_lazy("To be checked"),
            {"wave__isnull": False, "checked_at": None, "dropped_at": None},
        ),
        "checked": (
            gettext_lazy("To be handed over"),
            {"checked_at__isnull": False, "handed_over_at": None, "dropped_at": None},
        ),
        "gone": (gettext_lazy("Handed over"), {"handed_over_at__isnull": False}),
        "dropped": (gettext_lazy("Dropped"), {"dropped_at__isnull": False}),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """What can be asked for."""
        return [(code, title) for code, (title, _condition) in self.CHOICES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[PickTask]) -> QuerySet[PickTask]:
        """Those that are there."""
        chosen = self.CHOICES.get(self.value() or "")
        return queryset.filter(**chosen[1]) if chosen else queryset


@admin.register(PickTask)
class PickTaskAdmin(FloorDesk, KeysetAdmin):
    """Every order on the floor, and the desk at which goods are checked and parcels handed over."""

    list_before_template = "admin/logistics/floor_head.html"
    search_fields = ("warehouse_order__number", "wave__number", "warehouse_order__shipments__waybill_number")
    search_help_text = gettext_lazy("Warehouse order, wave or waybill number")
    list_display = (
        *("warehouse_order", "wave", "slot", "created_at", "checking_by", "checked_at", "weight_g", "off_g"),
        *("is_short", "handed_over_at", "dropped_why"),
    )
    list_select_related = ("warehouse_order", "wave")
    list_filter = (FloorFilter,)
    fields = readonly_fields = (
        *("warehouse_order", "wave", "slot", "created_at", "checking_by", "checking_since", "checked_at"),
        *("weight_g", "expected_g", "is_short", "handed_over_at", "dropped_at", "dropped_why"),
    )

    @display(description=gettext_lazy("difference (g)"), ordering=F("weight_g") - F("expected_g"))
    def off_g(self, task: PickTask) -> str:
        """By how much its weight differs from that of its goods."""
        if task.weight_g is None or task.expected_g is None:
            return ""
        return f"{task.weight_g - task.expected_g:+d}"
