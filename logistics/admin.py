"""The staff's pages of this app, and the parcels' part of the order's page and list."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Max, Prefetch, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter, RelatedDropdownFilter
from unfold.decorators import action, display

from logistics import exporting
from logistics.models import (
    Carrier,
    LogisticsAlert,
    Shipment,
    ShipmentState,
    TrackingEvent,
    VirtualDelivery,
    WarehouseEvent,
)
from oms.common import tickets
from oms.common.desk.job_pages import ExportMixin
from oms.common.desk.lists import KeysetAdmin, NeedsPersonFilter, RowColumns, YesFilter, one_of
from oms.common.desk.ticket_words import rows_of
from oms.common.templatetags.staff import badge
from orders import panels
from orders.admin.remarks import moment
from orders.models import Order
from orders.panels import Note, Remark

LEVEL_TONES = {1: "warning", 2: "danger", 3: "danger"}
# What is no longer on its way needs no sentence at the top of the page: the sub-order's own says it.
_SILENT = (ShipmentState.SIGNED, ShipmentState.RETURNED, ShipmentState.CANCELLED)
# The scans of a parcel that the page shows; the others are on the parcel's own page.
MOST_SCANS = 12


@admin.register(Carrier)
class CarrierAdmin(KeysetAdmin):
    """Who carries parcels, and who is asked first."""

    may_add = may_change = True
    keyset = ("priority", "code")
    list_display = ("code", "name", "adapter", "priority", "is_active")


@admin.register(Shipment)
class ShipmentAdmin(ExportMixin, RowColumns, KeysetAdmin):
    """Parcels. Only the carrier's scans and the pipeline move them."""

    export = exporting.SHIPMENTS

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
        "received_at",
        "applied_at",
    )
    list_select_related = ("shipment",)


@admin.register(WarehouseEvent)
class WarehouseEventAdmin(KeysetAdmin):
    """Notices of warehouse systems as they came."""

    search_fields = ("sub_order__number", "event_key")
    search_help_text = gettext_lazy("Sub-order number, event key")
    list_display = ("sub_order", "kind", "text", "occurred_at", "received_at", "applied_at", "outcome")
    list_select_related = ("sub_order",)
    list_filter = (("kind", ChoicesDropdownFilter),)


@admin.register(VirtualDelivery)
class VirtualDeliveryAdmin(RowColumns, KeysetAdmin):
    """Codes and links that were delivered. What they are is the buyer's business: staff see that, and a hint."""

    search_fields = ("sub_order__number",)
    search_help_text = gettext_lazy("Sub-order number")
    list_display = ("sub_order", "order_link", "kind", "hint", "delivered_at", "confirmed_at")
    list_select_related = ("sub_order__order",)
    fields = readonly_fields = ("sub_order", "kind", "hint", "delivered_at", "confirmed_at")
    list_filter = (("kind", ChoicesDropdownFilter),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[VirtualDelivery]:
        """Without the content, which no page of the staff's opens."""
        return super().get_queryset(request).defer("content")


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


@admin.register(LogisticsAlert)
class LogisticsAlertAdmin(RowColumns, KeysetAdmin):
    """The work queue of what is late: the gravest first, then the oldest. News closes an alert by itself."""

    keyset = ("-level", "opened_at", "id")
    search_fields = ("sub_order__number", "sub_order__order__number", "shipment__waybill_number")
    search_help_text = gettext_lazy("Sub-order, order or waybill number")
    list_display = (
        "level_label",
        "kind",
        "order_link",
        "sub_order",
        "shipment",
        "due_at",
        "opened_at",
        "assigned_to",
        "closed_at",
    )
    list_display_links = ("kind",)
    list_select_related = ("sub_order__order", "shipment", "assigned_to")
    list_filter = (OpenAlertFilter, ("level", ChoicesDropdownFilter), ("kind", ChoicesDropdownFilter))
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


# --- The order's page and list


def _parcels(order: Order) -> Mapping[str, Any] | None:
    scans = TrackingEvent.objects.order_by("-occurred_at", "-id")
    shipments = list(
        Shipment.objects.filter(sub_order__order=order)
        .select_related("carrier", "sub_order")
        .prefetch_related(Prefetch("scans", scans))
        .order_by("id")
    )
    deliveries = list(
        VirtualDelivery.objects.filter(sub_order__order=order)
        .select_related("sub_order")
        .defer("content")
        .order_by("id")
    )
    alerts = list(
        LogisticsAlert.objects.filter(sub_order__order=order)
        .select_related("sub_order", "shipment", "assigned_to")
        .order_by("-id")[:50]
    )
    if not (shipments or deliveries or alerts):
        return None
    return {
        "shipments": [_describe(shipment) for shipment in shipments],
        "deliveries": deliveries,
        "alerts": [{"row": alert, "tone": LEVEL_TONES.get(alert.level, "muted")} for alert in alerts],
        "remarks": [*_alert_remarks(alerts), *_parcel_remarks(shipments)],
    }


def _describe(shipment: Shipment) -> dict[str, Any]:
    scans = list(shipment.scans.all())
    return {"row": shipment, "scans": scans[:MOST_SCANS], "more": len(scans) - MOST_SCANS}


def _alert_remarks(alerts: Iterable[LogisticsAlert]) -> Iterator[Remark]:
    for alert in alerts:
        if alert.closed_at is None:
            yield Remark(
                _("%(number)s: %(alert)s (%(level)s); the next news was due at %(due)s.")
                % {
                    "number": alert.shipment or alert.sub_order,
                    "alert": alert.get_kind_display(),
                    "level": alert.get_level_display(),
                    "due": moment(alert.due_at),
                },
                LEVEL_TONES.get(alert.level, "warning"),
            )


def _parcel_remarks(shipments: Iterable[Shipment]) -> Iterator[Remark]:
    for shipment in shipments:
        values = {
            "number": shipment.sub_order.number,
            "carrier": shipment.carrier.name,
            "waybill": shipment.waybill_number or "–",
            "state": shipment.get_state_display(),
        }
        if shipment.needs_person_since:
            yield Remark(
                _("Sub-order %(number)s: no waybill from %(carrier)s after %(attempts)s attempts: “%(error)s”.")
                % {**values, "attempts": shipment.attempts, "error": shipment.last_error},
                "danger",
            )
        elif shipment.attempts and shipment.last_error and shipment.ready_at:
            yield Remark(
                _("Sub-order %(number)s: %(carrier)s failed to give a waybill (“%(error)s”); next try at %(at)s.")
                % {**values, "error": shipment.last_error, "at": moment(shipment.ready_at)},
                "warning",
            )
        elif shipment.state == ShipmentState.CREATED:
            yield Remark(_("Sub-order %(number)s: %(carrier)s is asked for a waybill.") % values)
        elif shipment.state not in _SILENT:
            scan = next(iter(shipment.scans.all()), None)
            last = (
                _("last scan %(at)s: %(text)s")
                % {
                    "at": moment(scan.occurred_at),
                    "text": " ".join(filter(None, [scan.location, scan.text or scan.get_state_display()])),
                }
                if scan
                else _("no scan yet")
            )
            is_bad = shipment.state in (ShipmentState.LOST, ShipmentState.REJECTED, ShipmentState.FAILED_DELIVERY)
            yield Remark(
                _("Sub-order %(number)s: parcel %(waybill)s of %(carrier)s, %(state)s; %(last)s.")
                % {**values, "last": last},
                "warning" if is_bad else "info",
            )


def _alert_notes(order_ids: Sequence[int]) -> Mapping[int, Iterable[Note]]:
    notes: dict[int, list[Note]] = defaultdict(list)
    counted = (
        LogisticsAlert.objects.filter(closed_at=None, sub_order__order_id__in=order_ids)
        .order_by()
        .values_list("sub_order__order_id", "kind")
        .annotate(count=Count("id"), worst=Max("level"))
    )
    for order_id, kind, count, worst in counted:
        label = str(LogisticsAlert.Kind(kind).label)
        text = label if count == 1 else _("%(count)s × %(state)s") % {"count": count, "state": label}
        notes[order_id].append(Note(text, LEVEL_TONES.get(worst, "warning")))
    return notes


def with_alerts(orders: QuerySet[Order]) -> QuerySet[Order]:
    """Orders that have an open alert."""
    return orders.filter(one_of(LogisticsAlert.objects.filter(closed_at=None).order_by().values("sub_order__order_id")))


class AlertFilter(YesFilter):
    """Whether something is late."""

    title = gettext_lazy("open alerts")
    parameter_name = "alerts"
    condition = staticmethod(with_alerts)


def _looks_like_waybill(text: str) -> bool:
    return 6 <= len(text) <= 40 and text.isascii() and text.isalnum()


def _orders_of_waybill(text: str) -> QuerySet[Any]:
    return Shipment.objects.filter(waybill_number=text.upper()).order_by().values("sub_order__order_id")


panels.register(panels.Panel(gettext_lazy("Parcels"), "admin/logistics/order_panel.html", _parcels, position=20))
panels.register_row_notes(_alert_notes)
panels.register_filter(AlertFilter)
panels.register_tab(
    panels.Tab(gettext_lazy("Alerts"), "alerts", "1", lambda: with_alerts(Order.objects.all()), position=60)
)
panels.register_lookup(panels.Lookup(_looks_like_waybill, _orders_of_waybill))
tickets.register_subject("shipment", rows_of(Shipment, "number"))
