"""Telling warehouse systems what to expect of purchase orders, transfers and returns, and what to send for transfers.

A row for each is written as soon as the document asks for it, sent like a warehouse order, and stopped once the
document is over before the goods moved. What comes of it is told by facts (`logistics.warehouses.stock_facts`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db import connection
from django.utils.translation import gettext_lazy as _

from inventory.models import IN_TRANSIT, PurchaseOrderLine, PurchaseState, TransferLine, TransferState
from logistics.models import StockOrder, StockOrderKind, StockOrderState, WarehouseOrder
from logistics.warehouses import adapters
from oms.common import tickets
from oms.common.copying import array, text_array
from oms.common.masking import mask_text
from oms.common.models import Connection, Team
from oms.common.states import listed
from oms.common.work.calling import Call, Outcomes, Unclear, outside_stage
from oms.common.work.claiming import Queue, Stage
from orders.models import ReturnKind, ReturnLine, ReturnRequest, ReturnState
from orders.models.return_request import ENDED_WITHOUT, EXPECTED

S = StockOrderState
QUEUE = Queue(StockOrder, f"(q.state = '{S.INTENDED}' OR q.state = '{S.SENT}' AND q.stop_requested_at IS NOT NULL)")

STOCK_ORDER_TROUBLE = tickets.register_kind(
    tickets.TicketKind(
        "stock_order_trouble",
        _("Warehouse and stock order do not agree"),
        "stock_order",
        team=Team.LOGISTICS,
        due_within=timedelta(days=1),
        reasons={
            "refused": _("Warehouse %(warehouse)s does not take %(number)s: %(text)s"),
            "not_stopped": _("Warehouse %(warehouse)s goes on with %(number)s, which is expected no more: %(text)s"),
            "short": _("Warehouse %(warehouse)s says that nothing more will come of %(number)s; missing: %(goods)s."),
            "sent_other": _(
                "Warehouse %(warehouse)s sent other units for %(number)s than were set aside: %(goods)s. Nothing was"
                " booked."
            ),
            "too_late": _(
                "Of %(number)s, warehouse %(warehouse)s says that more came after the return was inspected: %(goods)s."
                " Nothing was booked."
            ),
            "other_goods": _(
                "Of %(number)s, warehouse %(warehouse)s says that other goods came than can come back: %(goods)s. They"
                " are kept as goods that nobody knows."
            ),
            "foreign_serials": _(
                "Of %(number)s, warehouse %(warehouse)s names serial numbers that were not sold with the order, or came"
                " back before: %(goods)s. Those units are kept as goods that nobody knows."
            ),
            "serials_not_kept": _(
                "Of %(number)s, warehouse %(warehouse)s names serial numbers of which nobody said that they were sold"
                " with the order, or more than units: %(goods)s. The units are booked, the numbers are not kept."
            ),
            "numbers_not_kept": _(
                "Of %(number)s, warehouse %(warehouse)s names serial numbers that are those of other units, are named"
                " twice, or are more than units: %(goods)s. The units are booked, these numbers are not kept."
            ),
            "elsewhere": _(
                "Of %(number)s, warehouse %(warehouse)s says that goods came which another warehouse has already:"
                " %(goods)s. Nothing was booked."
            ),
            "told": _("Of %(number)s, warehouse %(warehouse)s says: %(text)s"),
        },
        remedies=_(
            "Look at the purchase order, transfer or return: receive, send, close or cancel it by hand, as it was."
        ),
        can_retry=False,
    )
)


@dataclass(frozen=True, slots=True)
class Goods:
    """Units of a SKU that are to come or to go."""

    sku_id: int
    code: str
    name: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Back:
    """How the goods of a return come: who sends them (name, phone, province, city, district, address) under which
    waybill of which carrier (as it was told), why, of which of the warehouse's own orders, and by which shop it was
    sold. `was_refused`: the parcel never reached the buyer; `is_exchange`: others go out for them."""

    sender: tuple[str, str, str, str, str, str]
    waybill: str
    carrier: str
    reason: str
    warehouse_order: str
    channel: str
    external_number: str
    was_refused: bool
    is_exchange: bool


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a warehouse is asked: to expect or to send goods of a merchant (both by code), or to stop that (`stops`).
    `document` is the number that people know, `other_place` where a transfer comes from or goes to."""

    reference: str
    kind: StockOrderKind
    warehouse: str
    merchant: str
    document: str
    is_transfer: bool
    created_at: datetime
    supplier: str = ""
    other_place: str = ""
    their_number: str = ""
    stops: bool = False
    back: Back | None = None
    goods: list[Goods] = field(default_factory=list)


# What documents ask for and no row was written for, with the protocol of the warehouse's system.
_ASKED_FOR = f"""
    SELECT n.*, c.id AS connection_id, c.protocol FROM (
        SELECT 'P' || p.id AS number, '{StockOrderKind.IN}' AS kind, p.warehouse_id, p.id AS purchase_order_id,
            NULL::bigint AS transfer_id, NULL::bigint AS return_request_id, '' AS waybill, p.created_at AS due
        FROM inventory_purchaseorder p WHERE p.state = '{PurchaseState.OPEN}'
        UNION ALL
        SELECT 'T' || t.id || '-OUT', '{StockOrderKind.OUT}', t.source_id, NULL, t.id, NULL, '', t.created_at
        FROM inventory_transfer t WHERE t.state = '{TransferState.APPROVED}'
        UNION ALL
        SELECT 'T' || t.id || '-IN', '{StockOrderKind.IN}', t.target_id, NULL, t.id, NULL, '', t.created_at
        FROM inventory_transfer t WHERE t.state IN ({listed(IN_TRANSIT)})
        UNION ALL
        -- A warehouse that is told another waybill, or once more, knows the return by another number.
        SELECT r.number || '-N' || 1 + (SELECT count(*) FROM logistics_stockorder o WHERE o.return_request_id = r.id),
            '{StockOrderKind.IN}', r.warehouse_id, NULL, NULL, r.id, r.waybill_number,
            coalesce(r.handed_over_at, r.decided_at, r.created_at)
        FROM orders_returnrequest r WHERE r.state IN ({listed(EXPECTED)}) AND NOT EXISTS (
            SELECT FROM logistics_stockorder o WHERE o.return_request_id = r.id AND o.warehouse_id = r.warehouse_id
              AND o.waybill = r.waybill_number AND o.state <> '{S.CANCELLED}' AND o.stop_requested_at IS NULL)
    ) AS n JOIN inventory_warehouse h ON h.id = n.warehouse_id JOIN common_connection c ON c.id = h.connection_id
    WHERE NOT EXISTS (SELECT FROM logistics_stockorder o WHERE o.number = n.number)
"""


def write() -> int:
    """Write what documents ask for since the last time, and ask to stop what they ask for no more; returns how many.
    A few statements, over open documents at warehouses whose systems are told."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO logistics_stockorder (number, kind, warehouse_id, connection_id, purchase_order_id, transfer_id,
                return_request_id, waybill)
            SELECT n.number, n.kind, n.warehouse_id, n.connection_id, n.purchase_order_id, n.transfer_id,
                n.return_request_id, n.waybill
            FROM ({_ASKED_FOR}) AS n WHERE n.protocol = ANY(%s::text[]) ORDER BY n.due ON CONFLICT DO NOTHING
            """,
            [text_array(adapters.ANNOUNCING)],
        )
        written = cursor.rowcount
        # What never was sent is nobody's business but ours; a call that is on its way is asked about.
        cursor.execute(
            f"""
            WITH over AS (
                SELECT o.id FROM logistics_stockorder o
                LEFT JOIN inventory_purchaseorder p ON p.id = o.purchase_order_id
                LEFT JOIN inventory_transfer t ON t.id = o.transfer_id
                LEFT JOIN orders_returnrequest r ON r.id = o.return_request_id
                WHERE o.state IN ('{S.INTENDED}', '{S.SENT}') AND o.stop_requested_at IS NULL AND o.reason = ''
                  AND (p.state <> '{PurchaseState.OPEN}'
                    OR t.state IN ('{TransferState.CLOSED}', '{TransferState.CANCELLED}')
                    OR o.kind = '{StockOrderKind.OUT}' AND t.state IN ({listed(IN_TRANSIT)})
                    OR r.state IN ({listed(ENDED_WITHOUT)})
                    OR r.state = '{ReturnState.CLOSED}' AND r.received_at IS NULL
                    OR r.state IN ({listed(EXPECTED)}) AND (o.warehouse_id, o.waybill)
                        IS DISTINCT FROM (r.warehouse_id, r.waybill_number))
                ORDER BY o.id FOR NO KEY UPDATE OF o SKIP LOCKED
            )
            UPDATE logistics_stockorder o SET stop_requested_at = now(), ready_at = now(), attempts = 0,
                last_error = '',
                state = CASE WHEN o.lease_token = 0 THEN '{S.CANCELLED}' ELSE o.state END
            FROM over WHERE o.id = over.id
            """
        )
        return written + cursor.rowcount


def _prepare(keys: Sequence[int]) -> Mapping[int, Announcement]:
    rows = StockOrder.objects.filter(pk__in=keys).select_related(
        *("warehouse", "purchase_order__merchant", "transfer__merchant", "transfer__source", "transfer__target"),
        *("return_request__order__channel", "return_request__order__region", "return_request__sub_order__merchant"),
        "return_request__reason",
    )
    backs = _backs([row.return_request for row in rows if row.return_request is not None])
    found = {row.pk: _announcement(row, backs) for row in rows}
    bought = PurchaseOrderLine.objects.filter(order__in=[row.purchase_order for row in rows if row.purchase_order])
    moved = TransferLine.objects.filter(transfer__in=[row.transfer for row in rows if row.transfer])
    goods: dict[tuple[int | None, int | None, int | None], list[Goods]] = {}
    for line in bought.select_related("sku").order_by("pk"):
        one = Goods(line.sku_id, line.sku.code, line.sku.name, line.quantity)
        goods.setdefault((line.order_id, None, None), []).append(one)
    for part in moved.select_related("sku").order_by("pk"):
        one = Goods(part.sku_id, part.sku.code, part.sku.name, part.shipped or part.quantity)
        goods.setdefault((None, part.transfer_id, None), []).append(one)
    back = ReturnLine.objects.filter(return_request__in=backs).select_related("sub_order_line__order_line__sku")
    for unit in back.order_by("pk"):
        sku = unit.sub_order_line.order_line.sku
        one = Goods(sku.pk, sku.code, sku.name, unit.quantity)
        goods.setdefault((None, None, unit.return_request_id), []).append(one)
    return {
        row.pk: replace(found[row.pk], goods=goods[row.purchase_order_id, row.transfer_id, row.return_request_id])
        for row in rows
    }


def _backs(returns: Sequence[ReturnRequest]) -> dict[int, Back]:
    """How the goods of these returns come, by return. One statement."""
    works = WarehouseOrder.objects.filter(
        lines__sub_order_line__sub_order__in=[row.sub_order_id for row in returns], is_current=True
    )
    numbers = dict(works.order_by("pk").values_list("lines__sub_order_line__sub_order", "number"))
    return {row.pk: _back(row, numbers.get(row.sub_order_id, "")) for row in returns}


def _back(row: ReturnRequest, warehouse_order: str) -> Back:
    order = row.order
    place = order.region
    return Back(
        (
            order.recipient_name,
            order.recipient_phone,
            *((place.province, place.city, place.district) if place else ("", "", "")),
            order.recipient_address,
        ),
        row.waybill_number,
        row.carrier_name,
        str(row.reason),
        warehouse_order,
        order.channel.code,
        order.external_number,
        row.kind == ReturnKind.REFUSED_AT_DOOR,
        row.kind == ReturnKind.EXCHANGE,
    )


def _announcement(row: StockOrder, backs: Mapping[int, Back]) -> Announcement:
    kind = StockOrderKind(row.kind)
    stops = row.stop_requested_at is not None
    if row.purchase_order is not None:
        bought = row.purchase_order
        return Announcement(
            *(row.number, kind, row.warehouse.code, bought.merchant.code, bought.number),
            is_transfer=False,
            created_at=bought.created_at,
            supplier=bought.supplier,
            their_number=row.their_number,
            stops=stops,
        )
    if row.return_request is not None:
        returned = row.return_request
        return Announcement(
            *(row.number, kind, row.warehouse.code, returned.sub_order.merchant.code, returned.number),
            is_transfer=False,
            created_at=returned.created_at,
            their_number=row.their_number,
            stops=stops,
            back=backs[returned.pk],
        )
    assert row.transfer is not None  # noqa: S101 - the database knows no other
    other = row.transfer.target if kind == StockOrderKind.OUT else row.transfer.source
    return Announcement(
        *(row.number, kind, row.warehouse.code, row.transfer.merchant.code, row.transfer.reference),
        is_transfer=True,
        created_at=row.transfer.created_at,
        other_place=other.code,
        their_number=row.their_number,
        stops=stops,
    )


def _ask(link: Connection, wanted: Sequence[Announcement]) -> Mapping[str, adapters.Answer | Unclear]:
    asks = adapters.announcing(link)
    if asks is None:
        return {one.reference: Unclear("its system is not told") for one in wanted}
    return asks.announce(link, wanted)


def _finish(outcomes: Outcomes[adapters.Answer]) -> None:
    rows = StockOrder.objects.in_bulk([*outcomes.taken, *outcomes.refused])
    stopping = {key for key, row in rows.items() if row.stop_requested_at is not None}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE logistics_stockorder o SET ready_at = NULL, lease_until = NULL, attempts = 0, last_error = '',
                state = CASE WHEN n.stops AND n.taken THEN '{S.CANCELLED}' WHEN n.taken OR n.stops THEN '{S.SENT}'
                             ELSE '{S.REFUSED}' END,
                stop_requested_at = CASE WHEN n.stops AND NOT n.taken THEN NULL ELSE o.stop_requested_at END,
                reason = n.reason, their_number = coalesce(nullif(n.their_number, ''), o.their_number)
            FROM unnest(%s::bigint[], %s::bool[], %s::bool[], %s::text[], %s::text[])
                AS n(id, taken, stops, reason, their_number)
            WHERE o.id = n.id AND o.state IN ('{S.INTENDED}', '{S.SENT}')
            """,
            [
                array(rows),
                [key in outcomes.taken for key in rows],
                [key in stopping for key in rows],
                text_array(
                    mask_text(outcomes.refused[key].reason)[:300] or "–" if key in outcomes.refused else ""
                    for key in rows
                ),
                text_array((outcomes.taken | outcomes.refused)[key].their_number[:60] for key in rows),
            ],
        )
    troubles = [
        trouble(rows[key], "not_stopped" if key in stopping else "refused", text=mask_text(answer.reason))
        for key, answer in outcomes.refused.items()
    ]
    tickets.open_tickets(STOCK_ORDER_TROUBLE, troubles, opened_by=STAGE.name)


def trouble(row: StockOrder, reason: str, **values: object) -> tickets.Trouble:
    """What people are told of a stock order."""
    return tickets.Trouble(row.pk, reason, {"number": row.number, "warehouse": row.warehouse.code, **values})


def _backlog() -> str:
    return f"""
        SELECT n.due, false AS needs_person FROM ({_ASKED_FOR}) AS n
        WHERE n.protocol IN ({", ".join(f"'{one}'" for one in adapters.ANNOUNCING)}) ORDER BY n.due
    """


WRITE_STAGE = Stage("announce", lambda _limit: write(), wakes=("send_announcements",), backlog=_backlog)
STAGE = outside_stage("send_announcements", Call(QUEUE, _prepare, _ask, _finish))
run = STAGE.run
