"""Lists of what warehouses and carriers do."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter, RelatedDropdownFilter
from unfold.decorators import action, display

from logistics import exporting, retrying
from logistics.admin import again
from logistics.admin.moving import MovingPages
from logistics.admin.parcels import ParcelActions
from logistics.admin.printouts import Printable
from logistics.admin.recalls import RecallPages
from logistics.models import LogisticsAlert, Shipment, TrackingEvent, WarehouseOrder
from logistics.tickets import RETRY
from logistics.watching import lanes
from logistics.watching.steps import WORDS
from oms.common.desk.acting import RowActions
from oms.common.desk.job_pages import ExportMixin
from oms.common.desk.lists import KeysetAdmin, NeedsPersonFilter, RowColumns, staff_actor_name
from oms.common.models import Expectation
from oms.common.templatetags.staff import badge
from orders.actors import Actor
from orders.models import ActorKind

LEVEL_TONES = {1: "warning", 2: "danger", 3: "danger"}


class Expecting:
    """Rows of which news is expected; mix it into a KeysetAdmin."""

    shown_by: ClassVar[Mapping[str, str]] = {"expected_event": "expected_words"}

    @display(description=gettext_lazy("expected event"))
    def expected_words(self, row: Expectation) -> str:
        """What should happen next."""
        return str(WORDS.get(row.expected_event, row.expected_event or "–"))


def _retry_of(model: type[WarehouseOrder] | type[Shipment]) -> again.Retry:
    return lambda request, key: retrying.retry(model, key, actor=Actor(ActorKind.STAFF, staff_actor_name(request)))


class Retryable:
    """Rows that a stage gave up can be tried again, one on its page and many in the list; mix it into RowActions with
    `again.button`."""

    def fitting_actions(self, row: Any) -> Any:
        """Only what needs a person is tried again by one."""
        names = super().fitting_actions(row)  # type: ignore[misc]
        return [name for name in names if name != "retry" or row.needs_person_since is not None]

    actions: ClassVar[Sequence[str]] = ("retry_selected",)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Its own right."""
        return request.user.has_perm(RETRY)

    @action(description=gettext_lazy("Try again what needs a person"), permissions=["retry"])
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """With a full number of attempts."""
        waiting = queryset.order_by("pk").filter(needs_person_since__isnull=False).values_list("pk", flat=True)
        again.each(request, list(waiting), _retry_of(queryset.model))


@admin.register(WarehouseOrder)
class WarehouseOrderAdmin(MovingPages, Printable, Expecting, Retryable, ExportMixin, RowColumns, RowActions):
    """What warehouses were asked to send, each attempt for itself. Only their news and the pipeline move it."""

    export = exporting.WAREHOUSE_ORDERS
    row_actions = (again.button(_retry_of(WarehouseOrder)),)
    actions = (*Retryable.actions, "print_selected")

    search_fields = ("number", "sub_order__number", "sub_order__order__number")
    search_help_text = gettext_lazy("Warehouse order, sub-order or order number")
    list_display = (
        "number",
        "order_link",
        "warehouse",
        "state_label",
        "stop_label",
        "created_at",
        "next_event_due",
        "error_text",
    )
    list_select_related = ("warehouse", "sub_order__order")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("warehouse", RelatedDropdownFilter),
        ("connection", RelatedDropdownFilter),
        NeedsPersonFilter,
    )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The columns, and the lines."""
        return [*super().get_fields(request, obj), "contents"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """All of it."""
        return [*super().get_readonly_fields(request, obj), "contents"]

    @display(description=gettext_lazy("asked to stop"))
    def stop_label(self, work: WarehouseOrder) -> str:
        """Whether it was asked to stop, and what it said."""
        return stop_badge(work)

    @display(description=gettext_lazy("lines"))
    def contents(self, work: WarehouseOrder) -> SafeString:
        """What was asked for, and how much of it left."""
        lines = work.lines.select_related("sub_order_line__order_line__sku").order_by("sub_order_line")
        rows = (
            (
                line.sub_order_line.order_line.sku.code,
                line.sub_order_line.order_line.name,
                line.quantity,
                line.left_quantity,
            )
            for line in lines
        )
        return format_html_join("", "<p>{} {} × {} → {}</p>", rows)


def stop_badge(work: WarehouseOrder) -> str:
    """The request to stop and its answer in a coloured word; nothing where there is none."""
    if work.stop_requested_at is None:
        return ""
    if work.stop_answered_at is None:
        return badge(_("Asked to stop"), "warning", "block")
    return badge(work.get_stop_answer_display(), "muted", "block")


@admin.register(Shipment)
class ShipmentAdmin(RecallPages, Printable, Expecting, Retryable, ExportMixin, RowColumns, ParcelActions):
    """Parcels. Only the carrier's scans and the pipeline move them; staff may give one to another carrier before it has
    a waybill."""

    export = exporting.SHIPMENTS
    row_actions = (again.button(_retry_of(Shipment)), *ParcelActions.row_actions)
    actions = (*Retryable.actions, "print_selected")

    search_fields = ("waybill_number", "number", "sub_order__number", "sub_order__order__number")
    search_help_text = gettext_lazy("Waybill, shipment, sub-order or order number")
    list_display = (
        "number",
        "waybill_number",
        "carrier",
        "order_link",
        "state_label",
        "carrier_text",
        "last_scan_at",
        "next_event_due",
        "error_text",
    )
    list_select_related = ("carrier", "sub_order__order")
    list_filter = (("state", ChoicesDropdownFilter), ("carrier", RelatedDropdownFilter), NeedsPersonFilter)


@admin.register(TrackingEvent)
class TrackingEventAdmin(KeysetAdmin):
    """Scans as the carriers sent them."""

    search_fields = ("shipment__waybill_number", "shipment__number")
    search_help_text = gettext_lazy("Waybill or shipment number")
    list_display = (
        "shipment",
        "state",
        "text",
        "location",
        "carrier_code",
        "occurred_at",
        "said_at",
        "received_at",
    )
    list_select_related = ("shipment",)


class OpenAlertFilter(DropdownFilter):
    """Open alerts unless others are asked for."""

    title = gettext_lazy("which ones")
    parameter_name = "which"
    all_option = ["", gettext_lazy("Open ones")]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """What else can be asked for."""
        return [("mine", gettext_lazy("Open ones of mine")), ("closed", gettext_lazy("Closed ones"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[LogisticsAlert]) -> QuerySet[LogisticsAlert]:
        """Alerts that are open, open and the reader's own, or closed."""
        if self.value() == "closed":
            return queryset.filter(closed_at__isnull=False)
        rows = queryset.filter(closed_at__isnull=True)
        return rows.filter(assigned_to=request.user.pk) if self.value() == "mine" else rows


class LaneFilter(DropdownFilter):
    """From which province to which; offered by the dashboard, there are too many for a menu."""

    title = gettext_lazy("lane")
    parameter_name = "lane"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The one that was asked for."""
        asked = request.GET.get("lane", "")
        return [(asked, asked)] if asked else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[LogisticsAlert]) -> QuerySet[LogisticsAlert]:
        """Alerts on parcels in the carrier's hands on that way, such as `33-11` (codes of provinces)."""
        return lanes.on_lane(queryset, self.value()) if self.value() else queryset


@admin.register(LogisticsAlert)
class LogisticsAlertAdmin(RowColumns, KeysetAdmin):
    """The work queue of what is late: the gravest first, then the oldest. News closes an alert by itself."""

    keyset = ("-level", "opened_at", "id")
    search_fields = ("sub_order__number", "sub_order__order__number", "shipment__waybill_number")
    search_help_text = gettext_lazy("Sub-order, order or waybill number")
    list_display = (
        *("level_label", "kind", "order_link", "sub_order", "warehouse_order", "shipment", "group", "due_at"),
        *("opened_at", "assigned_to", "closed_at"),
    )
    list_display_links = ("kind",)
    list_select_related = (
        *("sub_order__order", "warehouse_order", "shipment", "assigned_to", "group__carrier", "group__warehouse"),
    )
    list_filter = (
        OpenAlertFilter,
        ("level", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("shipment__carrier", RelatedDropdownFilter),
        LaneFilter,
    )
    actions = ("assign_to_me", "give_back")

    @display(description=gettext_lazy("level"))
    def level_label(self, alert: LogisticsAlert) -> str:
        """The level in its colour."""
        return badge(alert.get_level_display(), LEVEL_TONES.get(alert.level, "muted"), "notification_important")

    def has_assign_permission(self, request: HttpRequest) -> bool:
        """Whether the person works on alerts."""
        return request.user.has_perm("logistics.change_logisticsalert")

    @action(description=gettext_lazy("Assign the selected alerts to me"), permissions=["assign"])
    def assign_to_me(self, request: HttpRequest, queryset: QuerySet[LogisticsAlert]) -> None:
        """Who takes an alert is seen by the others."""
        count = queryset.order_by().filter(closed_at=None).update(assigned_to=request.user.pk)
        text = ngettext("One alert is yours now.", "%(count)s alerts are yours now.", count)
        messages.success(request, text % {"count": count})

    @action(description=gettext_lazy("Give the selected alerts back"), permissions=["assign"])
    def give_back(self, request: HttpRequest, queryset: QuerySet[LogisticsAlert]) -> None:
        """Somebody else may take them."""
        count = queryset.order_by().update(assigned_to=None)
        text = ngettext("One alert is nobody's now.", "%(count)s alerts are nobody's now.", count)
        messages.success(request, text % {"count": count})
