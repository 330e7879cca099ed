"""Tiles of work on orders, stock and parcels."""

from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.db.models import Count
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from inventory.models import PurchaseOrder, PurchaseState, ReplenishmentSuggestion, SuggestionState
from logistics.admin.floor import FloorFilter
from logistics.models import AlertGroup, ClaimState, LogisticsAlert, ParcelClaim, PickTask
from logistics.watching.lanes import late_lanes
from logistics.watching.shipping import KINDS
from oms.boards.registry import MOST_ROWS, Figure, Tile, counted, register
from oms.common.desk.ticket_list import MINE, NOBODYS, OVERDUE
from oms.common.models import Team, Ticket, TicketState
from oms.common.money import fen_text
from oms.common.states import listed
from oms.merchants import sandboxes
from orders.admin import order_list, part_filters
from orders.models import (
    DeliveryPromise,
    Hold,
    LateRisk,
    Order,
    PromiseOutcome,
    RejectedOrder,
    ReturnRequest,
    ReturnState,
    SubOrder,
    SubOrderState,
    UnmatchedCode,
)
from orders.models.return_request import MoneyState
from orders.models.sub_order import HOLDING_STOCK

_TICKETS, _PARTS, _ORDERS = "common.ticket", "orders.suborder", "orders.order"
_ALERTS, _RETURNS = "logistics.logisticsalert", "orders.returnrequest"


def _my_work(user_id: int) -> list[Figure]:
    mine = Ticket.objects.filter(owner=user_id)
    nobodys = Ticket.objects.waiting().filter(owner=None)
    return [
        counted(_("Mine"), _TICKETS, mine.waiting(), {"owner": MINE}),
        counted(
            pgettext_lazy("tickets", "Overdue"),
            _TICKETS,
            mine.overdue(),
            {"owner": MINE, "which": OVERDUE},
            tone="danger",
        ),
        counted(_("Nobody's"), _TICKETS, nobodys, {"owner": NOBODYS}),
        counted(
            _("Nobody's, overdue"),
            _TICKETS,
            Ticket.objects.overdue().filter(owner=None),
            {"owner": NOBODYS, "which": OVERDUE},
            tone="danger",
        ),
    ]


def _teams(_user_id: int) -> list[Figure]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT team, count(*), count(*) FILTER (WHERE due_at < now()) FROM common_ticket
            WHERE state = '{TicketState.OPEN}' AND (snoozed_until IS NULL OR snoozed_until <= now())
              AND NOT is_test GROUP BY team
            """
        )
        found = {team: (waiting, overdue) for team, waiting, overdue in cursor.fetchall()}
    figures = []
    for team in Team:
        waiting, overdue = found.get(team.value, (0, 0))
        note = (_("%(count)s overdue"), {"count": overdue}) if overdue else None
        tone = "danger" if overdue else "warning"
        figures.append(Figure(team.label, waiting, _TICKETS, {"team": team.value}, tone, note))
    return figures


def _stopped(_user_id: int) -> list[Figure]:
    short = SubOrder.objects.filter(state=SubOrderState.BACKORDERED)
    refused = RejectedOrder.objects.filter(state=RejectedOrder.State.OPEN)
    return [
        counted(_("Held orders"), _ORDERS, order_list.held(Order.objects.all()), {"held": "1"}),
        counted(_("Sub-orders short of stock"), _PARTS, short, {"state__exact": SubOrderState.BACKORDERED.value}),
        counted(_("Codes to match"), "orders.unmatchedcode", UnmatchedCode.objects.waited_for()),
        counted(_("Refused rows"), "orders.rejectedorder", refused, {"state__exact": RejectedOrder.State.OPEN.value}),
    ]


def _holds(_user_id: int) -> list[Figure]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT h.kind, count(*) FROM orders_hold h JOIN orders_order o ON o.id = h.order_id
            WHERE h.released_at IS NULL AND o.channel_id NOT IN {sandboxes.CHANNELS} GROUP BY h.kind
            """
        )
        found = dict(cursor.fetchall())
    return [
        Figure(kind.label, found[kind.value], "orders.hold", {"kind__exact": kind.value})
        for kind in Hold.Kind
        if kind.value in found
    ]


def _to_ship(_user_id: int) -> list[Figure]:
    every = SubOrder.objects.all()
    alerts = LogisticsAlert.objects.filter(closed_at=None)
    near, missed = KINDS
    return [
        counted(_("Leaves today"), _PARTS, part_filters.to_leave_today(every), {"doing": "today"}, tone="info"),
        counted(_("Cut-off missed"), _PARTS, part_filters.past_cutoff(every), {"doing": "late"}, tone="danger"),
        counted(near.label, _ALERTS, alerts.filter(kind=near), {"kind__exact": near.value}),
        counted(missed.label, _ALERTS, alerts.filter(kind=missed), {"kind__exact": missed.value}, tone="danger"),
    ]


def _promise_risk(_user_id: int) -> list[Figure]:
    counts = dict(
        sandboxes.real(DeliveryPromise.objects.filter(outcome=PromiseOutcome.OPEN))
        .exclude(risk="")
        .order_by()
        .values_list("risk")
        .annotate(Count("pk"))
    )
    return [
        Figure(
            risk.label,
            counts[risk.value],
            "orders.deliverypromise",
            {"outcome__exact": PromiseOutcome.OPEN.value, "risk__exact": risk.value},
        )
        for risk in LateRisk
        if risk.value in counts
    ]


def _shortages(_user_id: int) -> list[Figure]:
    """SKUs that sub-orders wait for, by the value of what lacks at list price; the most valuable first."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT k.id, k.code, count(*), sum(lack.units::bigint)::bigint,
                (sum(lack.units::bigint) * k.list_price * 100)::bigint
            FROM orders_suborder s CROSS JOIN LATERAL jsonb_each_text(s.shortage) AS lack(code, units)
            JOIN inventory_sku k ON k.code = lack.code AND k.merchant_id = s.merchant_id
            WHERE s.state = '{SubOrderState.BACKORDERED}' AND jsonb_typeof(s.shortage) = 'object'
              AND s.merchant_id NOT IN {sandboxes.IDS}
            GROUP BY k.id ORDER BY 5 DESC, 4 DESC, k.id LIMIT {MOST_ROWS}
            """
        )
        rows = cursor.fetchall()
    return [
        Figure(code, parts, _PARTS, {"short": str(key)}, note=_worth(units, fen))
        for key, code, parts, units, fen in rows
    ]


def _worth(units: int, fen: int) -> tuple[Any, dict[str, Any]]:
    if not fen:
        return _("%(units)s units lack, list price unknown"), {"units": units}
    return _("%(units)s units lack, worth %(yuan)s yuan"), {"units": units, "yuan": fen_text(fen)}


def _load(_user_id: int) -> list[Figure]:
    """Warehouses by how much of a day's capacity waits to be sent; those without a capacity last."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT w.id, w.name, w.daily_capacity, s.count FROM (
                SELECT warehouse_id, count(*) FROM orders_suborder WHERE state IN ({listed(HOLDING_STOCK)})
                  AND merchant_id NOT IN {sandboxes.IDS}
                GROUP BY warehouse_id
            ) AS s JOIN inventory_warehouse w ON w.id = s.warehouse_id
            ORDER BY s.count::float8 / nullif(w.daily_capacity, 0) DESC NULLS LAST, s.count DESC, w.id LIMIT {MOST_ROWS}
            """
        )
        rows = cursor.fetchall()
    return [
        Figure(
            name,
            count,
            _PARTS,
            {"doing": "in_hand", "warehouse__id__exact": str(key)},
            "danger" if capacity and count > capacity else "info",
            (_("of %(capacity)s a day"), {"capacity": capacity}) if capacity else (_("no capacity is set"), {}),
            capacity or None,
        )
        for key, name, capacity, count in rows
    ]


def _stalls(_user_id: int) -> list[Figure]:
    return [
        Figure(
            lane.carrier,
            lane.count,
            _ALERTS,
            {"shipment__carrier__id__exact": str(lane.carrier_id), "lane": lane.lane},
            "danger" if lane.gravest > 1 else "warning",
            (_("%(origin)s → %(destination)s"), {"origin": lane.origin, "destination": lane.destination}),
        )
        for lane in late_lanes(MOST_ROWS)
    ]


def _alerts(_user_id: int) -> list[Figure]:
    counts = dict(LogisticsAlert.objects.filter(closed_at=None).order_by().values_list("level").annotate(Count("pk")))
    groups = AlertGroup.objects.filter(closed_at=None)
    levels = [
        Figure(level.label, counts.get(level.value, 0), _ALERTS, {"level__exact": str(level.value)}, tone)
        for level, tone in zip(LogisticsAlert.Level, ("warning", "danger", "danger"), strict=True)
    ]
    claims = ParcelClaim.objects.filter(state=ClaimState.OPEN)
    return [
        counted(_("Causes"), "logistics.alertgroup", groups),
        *levels,
        counted(_("Claims to file"), "logistics.parcelclaim", claims, {"state__exact": ClaimState.OPEN.value}),
    ]


def _returns(_user_id: int) -> list[Figure]:
    rows = ReturnRequest.objects.all()
    requested, received = ReturnState.REQUESTED, ReturnState.RECEIVED
    to_grant = MoneyState.TO_GRANT
    return [
        counted(requested.label, _RETURNS, rows.filter(state=requested), {"state__exact": requested.value}),
        counted(_("To be inspected"), _RETURNS, rows.filter(state=received), {"state__exact": received.value}),
        counted(
            _("Money to grant"), _RETURNS, rows.filter(money_state=to_grant), {"money_state__exact": to_grant.value}
        ),
    ]


def _floor(_user_id: int) -> list[Figure]:
    shown = ("waiting", "picking", "checked")
    return [
        counted(title, "logistics.picktask", PickTask.objects.filter(**condition), {"where": code}, tone="info")
        for code, (title, condition) in FloorFilter.CHOICES.items()
        if code in shown
    ]


def _buying(_user_id: int) -> list[Figure]:
    suggestions = ReplenishmentSuggestion.objects.filter(state=SuggestionState.OPEN)
    orders = PurchaseOrder.objects.filter(state=PurchaseState.DRAFT)
    expected = PurchaseOrder.objects.filter(state=PurchaseState.OPEN)
    suggestion, order = "inventory.replenishmentsuggestion", "inventory.purchaseorder"
    return [
        counted(_("Suggestions to decide"), suggestion, suggestions, {"state__exact": SuggestionState.OPEN.value}),
        counted(_("Drafts of purchase orders"), order, orders, {"state__exact": PurchaseState.DRAFT.value}),
        counted(
            _("Expected purchase orders"), order, expected, {"state__exact": PurchaseState.OPEN.value}, tone="info"
        ),
    ]


_TILES: Sequence[Tile] = (
    Tile("my_work", _("My work"), "common.view_ticket", "assignment_turned_in", _my_work, is_personal=True),
    Tile("teams", _("Tickets by team"), "common.view_ticket", "groups", _teams),
    Tile("stopped", _("What stands still"), "orders.view_order", "front_hand", _stopped),
    Tile("holds", _("Open holds"), "orders.view_hold", "rule", _holds, _("No order is held.")),
    Tile("to_ship", _("To ship today"), "orders.view_suborder", "local_shipping", _to_ship),
    Tile(
        "promise_risk",
        _("Promises at risk"),
        "orders.view_deliverypromise",
        "event_busy",
        _promise_risk,
        _("No promise is at risk."),
    ),
    Tile("shortages", _("Shortages by SKU"), "orders.view_suborder", "inventory", _shortages, _("Nothing lacks.")),
    Tile(
        "warehouse_load",
        _("Load of warehouses"),
        "orders.view_suborder",
        "warehouse",
        _load,
        _("No warehouse has anything to send."),
    ),
    Tile(
        "stalls",
        _("Stalls by carrier and lane"),
        "logistics.view_logisticsalert",
        "crisis_alert",
        _stalls,
        _("No parcel is late."),
    ),
    Tile("alerts", _("Late parcels"), "logistics.view_logisticsalert", "notification_important", _alerts),
    Tile("returns", _("Returns"), "orders.view_returnrequest", "assignment_return", _returns),
    Tile("floor", _("On the floor"), "logistics.view_picktask", "shelves", _floor),
    Tile("buying", _("What to buy or move"), "inventory.view_replenishmentsuggestion", "shopping_cart", _buying),
)
for _tile in _TILES:
    register(_tile)
