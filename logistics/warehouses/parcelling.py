"""Writing the parcels that warehouses report: whatever their number, as many statements."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.utils import timezone

from inventory.models import Warehouse
from logistics.carriers import cancelling, choosing, consigning, following, freight, recognising, waybills, wishing
from logistics.carriers.trouble import CARRIER_UNKNOWN
from logistics.models import Carrier, Direction, Shipment, ShipmentState
from logistics.warehouses import serials
from logistics.warehouses.packing import Box, Packing, Reports
from logistics.warehouses.works import Work
from logistics.watching import planning
from oms.common import tickets
from oms.common.copying import array, copy_rows, next_ids, records, text_array
from orders.models.terms import UnmetWish


@dataclass(slots=True)
class Parcelled:
    """What came of reports: parcels (ids) that left, `filled` those among them that had left before with nothing that
    we know, and by warehouse order units by line that left beyond what was asked for, and troubles (reason, values)."""

    leaving: list[int] = field(default_factory=list)
    filled: list[int] = field(default_factory=list)
    surplus: dict[int, dict[int, int]] = field(default_factory=dict)
    troubles: dict[int, list[tuple[str, dict[str, Any]]]] = field(default_factory=dict)


def take(reports: Mapping[int, Reports], works: Mapping[int, Work]) -> Parcelled:
    """Write the parcels that were reported of each warehouse order; all rows are locked."""
    done = Parcelled()
    if not reports:
        return done
    packings = _read(reports)
    if any(line.sku for told in reports.values() for parcels, _leaves in told for one in parcels for line in one.lines):
        _read_skus(packings)
    for key, told in reports.items():
        for parcels, leaves in told:
            packings[key].take(parcels, leaves=leaves)
    _refuse_shared_waybills(packings)
    _write(packings, works)
    for key, troubles in serials.note(packings).items():
        packings[key].troubles += troubles
    for key, packing in packings.items():
        done.leaving += [box.id for box in packing.leaving if box.id is not None and box.exists]
        done.filled += [box.id for box in packing.filled if box.id is not None]
        done.surplus[key] = packing.surplus
        done.troubles[key] = packing.troubles
    return done


def _read(warehouse_order_ids: Iterable[int]) -> dict[int, Packing]:
    ids = array(warehouse_order_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT warehouse_order_id, sub_order_line_id, quantity FROM logistics_warehouseorderline
            WHERE warehouse_order_id = ANY(%s::bigint[]) ORDER BY warehouse_order_id, sub_order_line_id
            """,
            [ids],
        )
        asked: dict[int, dict[int, int]] = {}
        for key, line, quantity in cursor.fetchall():
            asked.setdefault(key, {})[line] = quantity
        cursor.execute(
            """
            SELECT h.warehouse_order_id, h.id, coalesce(c.code, ''), coalesce(h.waybill_number, ''), h.state,
                h.left_at IS NOT NULL, h.weight_g
            FROM logistics_shipment h LEFT JOIN logistics_carrier c ON c.id = h.carrier_id
            WHERE h.warehouse_order_id = ANY(%s::bigint[]) ORDER BY h.id FOR NO KEY UPDATE OF h
            """,
            [ids],
        )
        packings = {key: Packing(lines) for key, lines in asked.items()}
        boxes: dict[int, Box] = {}
        for key, shipment, carrier, waybill, state, has_left, weight in cursor.fetchall():
            box = boxes[shipment] = Box(shipment, carrier, waybill, ShipmentState(state), has_left, weight)
            packings[key].boxes.append(box)
        cursor.execute(
            """
            SELECT shipment_id, sub_order_line_id, quantity FROM logistics_shipmentline
            WHERE shipment_id = ANY(%s::bigint[])
            """,
            [array(boxes)],
        )
        for shipment, line, quantity in cursor.fetchall():
            boxes[shipment].units[line] = quantity
    return packings


def _read_skus(packings: Mapping[int, Packing]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT wl.warehouse_order_id, k.code, l.id FROM logistics_warehouseorderline wl
            JOIN orders_suborderline l ON l.id = wl.sub_order_line_id
            JOIN orders_orderline ol ON ol.id = l.order_line_id JOIN inventory_sku k ON k.id = ol.sku_id
            WHERE wl.warehouse_order_id = ANY(%s::bigint[]) ORDER BY wl.warehouse_order_id, l.id
            """,
            [array(packings)],
        )
        for key, sku, line in cursor.fetchall():
            packings[key].skus.setdefault(sku, []).append(line)


def _refuse_shared_waybills(packings: Mapping[int, Packing]) -> None:
    """A waybill belongs to one parcel: the first one keeps it."""
    labelled = [(packing, box) for packing in packings.values() for box in packing.boxes if box.is_labelled]
    if not labelled:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT c.code, h.waybill_number, h.id FROM unnest(%s::text[], %s::text[]) AS n(carrier, waybill)
            JOIN logistics_shipment h ON h.waybill_number = n.waybill
            JOIN logistics_carrier c ON c.id = h.carrier_id AND c.code = n.carrier
            """,
            [text_array(box.carrier for _p, box in labelled), text_array(box.waybill for _p, box in labelled)],
        )
        owners = {(carrier, waybill): shipment for carrier, waybill, shipment in cursor.fetchall()}
    taken: set[tuple[str, str]] = set()
    for packing, box in labelled:
        label = (box.carrier, box.waybill)
        if label in taken or owners.get(label, box.id) != box.id:
            packing.troubles.append(("waybill_taken", {"waybill": box.waybill}))
            box.waybill, box.is_labelled = "", False
            if box.state == ShipmentState.WAYBILL_ISSUED:
                box.state = ShipmentState.CREATED
        taken.add(label)


def _write(packings: Mapping[int, Packing], works: Mapping[int, Work]) -> None:
    changed = [
        (works[key], box) for key, packing in packings.items() for box in packing.boxes if box.is_changed or not box.id
    ]
    new = [(work, box) for work, box in changed if box.id is None]
    carriers, unknown = _carriers({box.carrier for _work, box in changed if box.carrier})
    if new:
        _insert(new, carriers)
    # One that still waits for its waybill keeps waiting.
    told = [box for _work, box in changed if box.is_labelled or not box.exists]
    cancelling.give_back({box.id: box.waybill if box.exists else "" for box in told if box.id is not None})
    following.end([box.id for box in told if box.id is not None and not box.exists])
    with_wishes = _update(changed, carriers)
    consigning.put_first([box.id for box in told if box.id is not None])
    choosing.choose(_without_carrier([box.id for _work, box in new if box.id is not None]))
    planning.plan_parcels([box.id for _work, box in changed if box.id is not None])
    labelled = [box.id for _work, box in changed if box.is_labelled and box.id is not None]
    if labelled:
        waybills.tell(labelled)
        following.begin(labelled)
        recognising.wonder([box.id for _w, box in changed if box.id in labelled and box.carrier == recognising.UNNAMED])
    weighed = {box.id: box.weight_g for _work, box in changed if box.weight_g and box.id is not None}
    freight.reckon(labelled, weighed=weighed)
    troubles = [
        tickets.Trouble(box.id, "", {"carrier": box.carrier, "waybill": box.waybill}, about_id=work.order_id)
        for work, box in changed
        if box.carrier in unknown and box.id is not None
    ]
    by_warehouse = {box.id for _work, box in changed if box.carrier}
    wishing.note_unmet([key for key in with_wishes if key in by_warehouse], UnmetWish.WAREHOUSE)
    tickets.open_tickets(CARRIER_UNKNOWN, troubles, opened_by="warehouse_facts")


def _carriers(codes: Collection[str]) -> tuple[dict[str, int], set[str]]:
    """Carriers' ids by code, and the codes that were not known: those are added, not to be asked for waybills."""
    if not codes:
        return {}, set()
    known = dict(Carrier.objects.filter(code__in=codes).values_list("code", "id"))
    unknown = set(codes) - known.keys()
    if unknown:
        added = [Carrier(code=code, name=code, priority=99, is_active=False) for code in sorted(unknown)]
        Carrier.objects.bulk_create(added, ignore_conflicts=True)
        known = dict(Carrier.objects.filter(code__in=codes).values_list("code", "id"))
    return known, unknown


def _update(changed: Sequence[tuple[Work, Box]], carriers: Mapping[str, int]) -> list[int]:
    """Write the boxes to their parcels; returns those (ids) whose orders wish for a carrier."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE logistics_shipment h SET state = p.state, carrier_id = coalesce(p.carrier_id, h.carrier_id),
                waybill_number = p.waybill_number,
                -- A waybill of the warehouse's is none that we bought.
                connection_id = CASE WHEN p.waybill_number IS NOT DISTINCT FROM h.waybill_number
                                     THEN h.connection_id END,
                waybill_issued_at = CASE WHEN p.waybill_number IS DISTINCT FROM h.waybill_number THEN now()
                                         ELSE h.waybill_issued_at END,
                ready_at = CASE WHEN p.state = '{ShipmentState.CREATED}' THEN h.ready_at END,
                needs_person_since = CASE WHEN p.state = '{ShipmentState.CREATED}' THEN h.needs_person_since END
            FROM json_populate_recordset(NULL::logistics_shipment, %s::json) AS p WHERE h.id = p.id
            """,
            [
                records(
                    {
                        "id": box.id,
                        "state": box.state.value,
                        "carrier_id": carriers.get(box.carrier),
                        "waybill_number": box.waybill or None,
                    }
                    for _work, box in changed
                )
            ],
        )
        cursor.execute(
            "DELETE FROM logistics_shipmentline WHERE shipment_id = ANY(%s::bigint[])",
            [array(box.id for _work, box in changed)],
        )
    copy_rows(
        "logistics_shipmentline",
        ("shipment_id", "sub_order_line_id", "quantity"),
        [(box.id, line, units) for _work, box in changed for line, units in box.units.items()],
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE logistics_shipment h SET weight_g = CASE WHEN p.told > 0 THEN p.told ELSE coalesce((
                SELECT sum(x.quantity * k.weight_g) FROM logistics_shipmentline x
                JOIN orders_suborderline l ON l.id = x.sub_order_line_id
                JOIN orders_orderline ol ON ol.id = l.order_line_id JOIN inventory_sku k ON k.id = ol.sku_id
                WHERE x.shipment_id = h.id), 0) END
            FROM unnest(%s::bigint[], %s::int[]) AS p(id, told) WHERE h.id = p.id
            RETURNING h.id, EXISTS (
                SELECT FROM orders_suborder s JOIN {choosing.WISHES} WHERE s.id = h.sub_order_id)
            """,
            [array(box.id for _work, box in changed), array(box.weight_g for _work, box in changed)],
        )
        return [key for key, has_wish in cursor.fetchall() if has_wish]


def _without_carrier(shipment_ids: Collection[int]) -> list[int]:
    """Those of the parcels whose waybill we buy, and that no carrier has."""
    if not shipment_ids:
        return []
    waiting = Shipment.objects.filter(pk__in=shipment_ids, state=ShipmentState.CREATED, carrier=None)
    return list(waiting.filter(ready_at__isnull=False).order_by("pk").values_list("pk", flat=True))


def _insert(new: Sequence[tuple[Work, Box]], carriers: Mapping[str, int]) -> None:
    """New parcels, without their lines; one whose waybill we buy is ready for its carrier."""
    ids = iter(next_ids("logistics_shipment", len(new)))
    now = timezone.now().isoformat()
    rows = []
    for work, box in new:
        box.id = next(ids)
        we_buy = work.waybill_when != Warehouse.WaybillWhen.OWN and work.is_current and not box.waybill
        rows.append(
            {
                "id": box.id,
                "sub_order_id": work.sub_order_id,
                "warehouse_order_id": work.id,
                "carrier_id": carriers.get(box.carrier),
                "ready_at": now if we_buy else None,
            }
        )
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO logistics_shipment (id, number, sub_order_id, warehouse_order_id, direction, state, carrier_id,
                ready_at)
            SELECT p.id, s.number || '-S' || (row_number() OVER (PARTITION BY s.id ORDER BY p.id)
                    + (SELECT count(*) FROM logistics_shipment h WHERE h.sub_order_id = s.id)),
                s.id, p.warehouse_order_id, '{Direction.OUT}', '{ShipmentState.CREATED}', p.carrier_id, p.ready_at
            FROM json_populate_recordset(NULL::logistics_shipment, %(rows)s::json) AS p
            JOIN orders_suborder s ON s.id = p.sub_order_id
            """,
            {"rows": records(rows)},
        )
