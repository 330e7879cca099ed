"""What carriage of parcels comes to: reckoned when the waybill is there and when the warehouse weighed the parcel, and
compared with what carriers bill. In bulk: as many statements for a thousand parcels as for one."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils import timezone

from logistics.carriers import sharing
from logistics.carriers.rules import reading
from logistics.carriers.rules.judging import Judge
from logistics.carriers.rules.pricing import Priced
from logistics.models import Direction, ParcelFreight, ShipmentState
from oms.common.copying import array, text_array
from orders.asked.freight import Billed, Carried


def reckon(shipment_ids: Collection[int], *, weighed: Mapping[int, int] | None = None) -> None:
    """Work out what these parcels cost with their carriers and keep it; `weighed`: what a warehouse weighed (grams), by
    id. A parcel that has no carrier yet only keeps its weight. Those of a consignment cost what their weight comes to
    together, which is kept with the mother."""
    ids = [*dict.fromkeys([*shipment_ids, *(weighed or ())])]
    if not ids:
        return
    ids += _others(ids)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT h.id, h.mother_id, coalesce(c.code, ''), f.weighed_g,
                coalesce(sum(x.quantity * k.weight_g), 0)::int
            FROM logistics_shipment h LEFT JOIN logistics_carrier c ON c.id = h.carrier_id
            LEFT JOIN logistics_parcelfreight f ON f.shipment_id = h.id
            LEFT JOIN logistics_shipmentline x ON x.shipment_id = h.id
            LEFT JOIN orders_suborderline l ON l.id = x.sub_order_line_id
            LEFT JOIN orders_orderline ol ON ol.id = l.order_line_id LEFT JOIN inventory_sku k ON k.id = ol.sku_id
            WHERE h.id = ANY(%s::bigint[]) GROUP BY h.id, c.code, f.weighed_g
            """,
            [array(ids)],
        )
        known = {key: _Weight(*rest) for key, *rest in cursor.fetchall()}
    for key, grams in (weighed or {}).items():
        known[key].weighed_g = grams or known[key].weighed_g
    children: dict[int | None, list[_Weight]] = defaultdict(list)
    for one in known.values():
        children[one.mother_id].append(one)
    judge = Judge((), (), reading.FreightTables(), timezone.now())
    rows = []
    for goods in reading.parcels(ids):
        one = known[goods.key]
        row = ParcelFreight(shipment_id=goods.key, weighed_g=one.weighed_g)
        rows.append(row)
        if one.mother_id is not None or not one.carrier:
            continue
        together = [one, *children[goods.key]]
        price = judge.price(goods.way.weighing(sum(box.goods_g for box in together)), one.carrier)
        if isinstance(price, Priced):
            row.service, row.estimated_g, row.estimated_fen = price.service, price.freight.billing_g, price.freight.fen
        # One that nobody weighed counts with what its goods should weigh.
        grams = sum(box.weighed_g or box.goods_g for box in together) if any(box.weighed_g for box in together) else 0
        by_weight = judge.price(goods.way.weighing(grams), one.carrier) if grams else None
        if isinstance(by_weight, Priced):
            row.weighed_fen = by_weight.freight.fen
    ParcelFreight.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["shipment"],
        update_fields=["service", "estimated_g", "estimated_fen", "weighed_g", "weighed_fen"],
    )


@dataclass(slots=True)
class _Weight:
    """What is known of a parcel's weight."""

    mother_id: int | None
    carrier: str
    weighed_g: int | None
    goods_g: int


def _others(shipment_ids: Collection[int]) -> list[int]:
    """The other parcels of these parcels' consignments, which are reckoned with them. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH mother AS (
                SELECT DISTINCT coalesce(h.mother_id, h.id) AS id FROM logistics_shipment h
                WHERE h.id = ANY(%(ids)s::bigint[])
            )
            SELECT id FROM mother
            UNION SELECT c.id FROM mother m JOIN logistics_shipment c ON c.mother_id = m.id
            WHERE c.state <> '{ShipmentState.CANCELLED}'
            EXCEPT SELECT unnest(%(ids)s::bigint[])
            """,
            {"ids": array(shipment_ids)},
        )
        return [key for (key,) in cursor.fetchall()]


# Parcels `h` of a carrier `c` that go over the connection %(link)s: that of their waybill, or one of their carrier's.
_OVER = """
    (coalesce(h.connection_id, c.connection_id) = %(link)s OR (h.connection_id IS NULL AND EXISTS (
        SELECT FROM logistics_carrieraccount a WHERE a.carrier_id = c.id AND a.connection_id = %(link)s)))
"""
_CARRIED = """
    h.waybill_number, h.id, h.sub_order_id, s.order_id, c.id, coalesce(f.weighed_fen, f.estimated_fen),
    coalesce(f.weighed_g, f.estimated_g), coalesce(f.billed_fen, 0), h.left_at
    FROM logistics_shipment h JOIN logistics_carrier c ON c.id = h.carrier_id
    JOIN orders_suborder s ON s.id = h.sub_order_id LEFT JOIN logistics_parcelfreight f ON f.shipment_id = h.id
"""


def find(connection_id: int, waybills: Collection[str]) -> Sequence[Carried]:
    """See `orders.asked.freight.Books`."""
    return _read(
        f"SELECT {_CARRIED} WHERE h.waybill_number = ANY(%(waybills)s::text[]) AND {_OVER} ORDER BY h.id",
        {"link": connection_id, "waybills": text_array(waybills)},
    )


def unbilled(connection_id: int, carriers: Collection[int], since: datetime, until: datetime) -> Sequence[Carried]:
    """See `orders.asked.freight.Books`."""
    return _read(
        f"""
        SELECT {_CARRIED} WHERE {_OVER} AND c.id = ANY(%(carriers)s::bigint[]) AND h.left_at >= %(since)s
          AND h.left_at < %(until)s AND h.direction <> '{Direction.TRANSFER}' AND f.billed_rows = 0
          AND h.state <> '{ShipmentState.CANCELLED}' AND coalesce(f.weighed_fen, f.estimated_fen) > 0 ORDER BY h.id
        """,
        {"link": connection_id, "carriers": array(carriers), "since": since, "until": until},
    )


def _read(sql: str, values: Mapping[str, Any]) -> list[Carried]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [Carried(*row) for row in cursor.fetchall()]


def record(billed: Sequence[Billed]) -> None:
    """See `orders.asked.freight.Books`."""
    if not billed:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO logistics_parcelfreight (shipment_id, billed_fen, billed_g, billed_rows)
            SELECT n.id, sum(n.fen), nullif(max(n.grams), 0), count(*)
            FROM unnest(%s::bigint[], %s::bigint[], %s::int[]) AS n(id, fen, grams) GROUP BY n.id ORDER BY n.id
            ON CONFLICT (shipment_id) DO UPDATE SET
                billed_fen = logistics_parcelfreight.billed_fen + excluded.billed_fen,
                billed_g = coalesce(excluded.billed_g, logistics_parcelfreight.billed_g),
                billed_rows = logistics_parcelfreight.billed_rows + excluded.billed_rows
            RETURNING shipment_id, billed_fen
            """,
            [
                array(one.parcel_id for one in billed),
                array(one.fen for one in billed),
                array(one.grams for one in billed),
            ],
        )
        costs = dict(cursor.fetchall())
    sharing.note_freight(costs)
