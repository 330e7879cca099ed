"""What the order's page and list show of warehouses and parcels."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.db.models import Count, Max, Prefetch, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inventory.models.serials import MOST_OF_A_SERIAL
from logistics.admin.lists import LEVEL_TONES, stop_badge
from logistics.buyer import links
from logistics.carriers import words
from logistics.models import (
    Direction,
    LogisticsAlert,
    Shipment,
    ShipmentLine,
    ShipmentState,
    TrackingEvent,
    UnitSerial,
    VirtualDelivery,
    WarehouseOrder,
    WarehouseOrderLine,
    WarehouseOrderState,
)
from logistics.models.warehouse_order import GIVEN_UP
from oms.common.desk.lists import YesFilter, one_of
from oms.common.postgresql.tails import LONGEST_TAIL, Tail
from orders.admin.remarks import moment
from orders.admin.searching import CAP
from orders.asked import panels
from orders.asked.panels import MOST_LOOKED_AT, Note, Remark
from orders.models import Order

# What is no longer on its way needs no sentence at the top of the page: the sub-order's own says it.
_SILENT = (ShipmentState.SIGNED, ShipmentState.RETURNED, ShipmentState.CANCELLED)
# The scans of a parcel that the page shows; the others are on the parcel's own page.
MOST_SCANS = 12


def _parcels(order: Order) -> Mapping[str, Any] | None:
    scans = TrackingEvent.objects.select_related("connection").order_by("-occurred_at", "-id")
    works = list(
        WarehouseOrder.objects.filter(pk__in=_works_of(order))
        .select_related("warehouse", "connection")
        .prefetch_related(Prefetch("lines", _with_articles(WarehouseOrderLine.objects.all())))
        .order_by("id")
    )
    shipments = list(
        Shipment.objects.of_order(order.pk)
        .exclude(direction=Direction.RETURN)
        .select_related("carrier", "sub_order", "polling__connection")
        .prefetch_related(
            "errands__connection",
            Prefetch("scans", scans),
            Prefetch("lines", _with_articles(ShipmentLine.objects.all())),
        )
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
        .select_related("sub_order", "warehouse_order", "shipment", "assigned_to")
        .order_by("-id")[:50]
    )
    if not (works or shipments or deliveries or alerts):
        return None
    known = words.tables().words if shipments else {}
    in_parcels = _add_serials(works)
    return {
        "order_id": order.pk,
        "works": [{"row": work, "lines": list(work.lines.all()), "stop": stop_badge(work)} for work in works],
        "shipments": [_describe(shipment, known, in_parcels.get(shipment.pk, ())) for shipment in shipments],
        "deliveries": deliveries,
        "alerts": [{"row": alert, "tone": LEVEL_TONES.get(alert.level, "muted")} for alert in alerts],
        "remarks": [*_alert_remarks(alerts), *_work_remarks(works), *_parcel_remarks(shipments)],
    }


def _add_serials(works: Sequence[WarehouseOrder]) -> Mapping[int | None, Sequence[str]]:
    """Put to each line the serial numbers that were told of its units, and return those of parcels (ids). One
    statement, where a SKU has such numbers."""
    lines = [line for work in works for line in work.lines.all() if line.sub_order_line.order_line.sku.wants_serials]
    told: dict[tuple[int, int], list[str]] = defaultdict(list)
    in_parcels: dict[int | None, list[str]] = defaultdict(list)
    if lines:
        rows = UnitSerial.objects.filter(warehouse_order__in=[work.pk for work in works]).order_by("pk")
        columns = ("warehouse_order_id", "sub_order_line_id", "shipment_id", "serial")
        for work, line_id, parcel, serial in rows.values_list(*columns):
            told[work, line_id].append(serial)
            in_parcels[parcel].append(serial)
    for line in lines:
        line.told_serials = told[line.warehouse_order_id, line.sub_order_line_id]  # type: ignore[attr-defined]
    return in_parcels


def _works_of(order: Order) -> QuerySet[Any]:
    lines = WarehouseOrderLine.objects.filter(sub_order_line__sub_order__order=order)
    return lines.order_by().values("warehouse_order")


def _with_articles(lines: QuerySet[Any]) -> QuerySet[Any]:
    related = ("sub_order_line__order_line__sku", "sub_order_line__sub_order")
    return lines.select_related(*related).order_by("sub_order_line")


def _describe(shipment: Shipment, known: Mapping[str, words.Words], serials: Sequence[str]) -> dict[str, Any]:
    scans = list(shipment.scans.all())
    for scan in scans[:MOST_SCANS]:
        word = words.word_of(scan, known)
        scan.told = word.shown if word is not None else scan.get_state_display()  # type: ignore[attr-defined]
    return {
        "row": shipment,
        "lines": list(shipment.lines.all()),
        "serials": serials,
        "scans": scans[:MOST_SCANS],
        "more": len(scans) - MOST_SCANS,
        "polling": getattr(shipment, "polling", None),
        "errands": sorted(shipment.errands.all(), key=lambda errand: errand.pk),
    }


def _alert_remarks(alerts: Iterable[LogisticsAlert]) -> Iterator[Remark]:
    # The gravest first: one of them may be the one sentence of the page.
    for alert in sorted(alerts, key=lambda alert: -alert.level):
        if alert.closed_at is None:
            yield Remark(
                _("%(number)s: %(alert)s (%(level)s); the next news was due at %(due)s.")
                % {
                    "number": alert.shipment or alert.warehouse_order or alert.sub_order,
                    "alert": alert.get_kind_display(),
                    "level": alert.get_level_display(),
                    "due": moment(alert.due_at),
                },
                LEVEL_TONES.get(alert.level, "warning"),
            )


def _work_remarks(works: Iterable[WarehouseOrder]) -> Iterator[Remark]:
    """What a warehouse order waits for, where that is not its warehouse's usual work."""
    for work in works:
        values = {
            "number": work.number,
            "warehouse": work.warehouse,
            "attempts": work.attempts,
            "error": work.last_error,
        }
        is_asked = work.stop_requested_at is not None and work.stop_answered_at is None
        if work.needs_person_since:
            text = (
                _("Warehouse %(warehouse)s does not answer whether it stops %(number)s: “%(error)s”.")
                if is_asked
                else _("%(number)s could not be sent to warehouse %(warehouse)s: “%(error)s”.")
            )
            yield Remark(text % values, "danger")
        elif work.attempts and work.last_error and work.ready_at:
            yield Remark(
                _("%(number)s: warehouse %(warehouse)s did not answer (“%(error)s”); next try at %(at)s.")
                % {**values, "at": moment(work.ready_at)},
                "warning",
            )
        elif is_asked:
            yield Remark(
                _("%(number)s: warehouse %(warehouse)s was asked at %(at)s to stop it and has not answered yet.")
                % {**values, "at": moment(work.stop_requested_at)},
                "warning",
            )
        elif work.state == WarehouseOrderState.INTENDED:
            yield Remark(_("%(number)s waits to be sent to warehouse %(warehouse)s.") % values)
        elif not work.is_current and work.state not in GIVEN_UP:
            yield Remark(
                _("%(number)s was given up, but warehouse %(warehouse)s goes on with it: %(state)s.")
                % {**values, "state": work.get_state_display()},
                "danger",
            )


def _parcel_remarks(shipments: Iterable[Shipment]) -> Iterator[Remark]:
    for shipment in shipments:
        values = {
            "number": shipment.sub_order.number,
            "carrier": shipment.carrier.name if shipment.carrier else _("no carrier"),
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


def with_alerts(orders: QuerySet[Order], most: int | None = None) -> QuerySet[Order]:
    """Orders that have an open alert; where they are only counted, those of `most` alerts do."""
    late = LogisticsAlert.objects.filter(closed_at=None).order_by().values("sub_order__order_id")
    return orders.filter(one_of(late[:most]))


class AlertFilter(YesFilter):
    """Whether something is late."""

    title = gettext_lazy("open alerts")
    parameter_name = "alerts"
    condition = staticmethod(with_alerts)


def _looks_like_work(text: str) -> bool:
    return len(text) <= 40 and text.rpartition("-W")[2].isdigit() and text[:16].isdigit()


def _orders_of_work(text: str) -> QuerySet[Any]:
    of_works = WarehouseOrderLine.objects.filter(warehouse_order__number=text.upper())
    return of_works.order_by().values("sub_order_line__sub_order__order_id").distinct()


def _looks_like_serial(text: str) -> bool:
    return 4 <= len(text) <= MOST_OF_A_SERIAL and text.isascii() and any(map(str.isdigit, text))


def _orders_of_serial(text: str) -> QuerySet[Any]:
    return UnitSerial.objects.filter(serial=text).order_by("-pk").values("sub_order_line__sub_order__order_id")[:CAP]


def _looks_like_waybill(text: str) -> bool:
    return 6 <= len(text) <= 40 and text.isascii() and text.isalnum()


def _orders_of_waybill(text: str) -> QuerySet[Any]:
    return Shipment.objects.filter(waybill_number=text.upper()).order_by().values("sub_order__order_id")


def _looks_like_waybill_tail(text: str) -> bool:
    return LONGEST_TAIL <= len(text) <= 40 and text.isascii() and text.isalnum() and any(map(str.isdigit, text))


def _orders_of_waybill_tail(text: str) -> QuerySet[Any]:
    tail = text.upper()
    rows = Shipment.objects.annotate(tail=Tail("waybill_number")).filter(tail=tail[-LONGEST_TAIL:])
    rows = rows.filter(waybill_number__isnull=False, waybill_number__endswith=tail)
    return rows.order_by("-id").values("sub_order__order_id")[:CAP]


def _orders_in_parcel(text: str) -> QuerySet[Any]:
    """All those that have something in it: with the others that it was merged with."""
    lines = ShipmentLine.objects.filter(shipment__waybill_number=text.upper())
    return lines.order_by().values("sub_order_line__sub_order__order_id").distinct()


panels.register(
    panels.Panel(gettext_lazy("Warehouse and parcels"), "admin/logistics/order_panel.html", _parcels, position=20)
)
panels.register(
    panels.Panel(
        gettext_lazy("Buyer's page"),
        "admin/logistics/buyer_panel.html",
        lambda order: None if order.is_historical else {"link": links.address_of(order)},
        position=95,
    )
)
panels.register_row_notes(_alert_notes)
panels.register_filter(AlertFilter)
panels.register_tab(
    panels.Tab(
        gettext_lazy("Alerts"),
        "alerts",
        "1",
        lambda: with_alerts(Order.objects.all(), most=MOST_LOOKED_AT),
        position=60,
    )
)
panels.register_lookup(panels.Lookup(_looks_like_work, _orders_of_work, gettext_lazy("warehouse order")))
panels.register_lookup(panels.Lookup(_looks_like_serial, _orders_of_serial, gettext_lazy("serial number")))
panels.register_lookup(panels.Lookup(_looks_like_waybill, _orders_of_waybill, gettext_lazy("waybill number")))
panels.register_lookup(
    panels.Lookup(_looks_like_waybill_tail, _orders_of_waybill_tail, gettext_lazy("end of a waybill"), is_loose=True)
)
panels.register_lookup(panels.Lookup(_looks_like_waybill, _orders_in_parcel, gettext_lazy("waybill number")))
