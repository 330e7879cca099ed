"""What left a warehouse, whoever proved it: a notice of the warehouse, or a carrier's scan.

The parcels that left say which units did. Units of a current warehouse order are taken out of the stock under their
promise; a sub-order is shipped when all its units left. Where the warehouse says that the rest stays, the rest becomes
a sub-order of its own. What left of a warehouse order that was given up left all the same: its units are taken out of
the stock as far as nobody else was promised them, and its sub-orders stay where they are.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from inventory import reserving
from logistics.models import WarehouseOrderState
from logistics.warehouses import moving
from logistics.warehouses.works import LINES_OF, Part, Work
from logistics.watching import planning
from oms.common.copying import array
from orders.actors import Actor
from orders.fulfilling.parting_off import part_off_all
from orders.models import SubOrderState
from orders.models.sub_order import AT_WAREHOUSE, ShippingProof

# Why units are parted off, for the timeline.
PARTLY_SHIPPED = "partly_shipped"


@dataclass(frozen=True, slots=True)
class Rest:
    """Units of a sub-order that stay although they were asked for: all of it, or what `part_id` is now."""

    work: Work
    part: Part
    units: int
    is_dropped: bool
    part_id: int | None = None


@dataclass(slots=True)
class Departure:
    """What came of parcels that left: states of warehouse orders (by id), sub-orders that are shipped now, what stays,
    and by warehouse order troubles (reason, values) and units that the stock did not have."""

    states: dict[int, WarehouseOrderState] = field(default_factory=dict)
    shipped: list[Part] = field(default_factory=list)
    rests: list[Rest] = field(default_factory=list)
    troubles: dict[int, list[tuple[str, dict[str, Any]]]] = field(default_factory=dict)
    unbooked: dict[int, int] = field(default_factory=dict)

    def trouble(self, key: int, reason: str, **values: Any) -> None:
        """Note a contradiction of a warehouse order."""
        self.troubles.setdefault(key, []).append((reason, values))


@dataclass(frozen=True, slots=True)
class _Gone:
    """Units of a line that left just now."""

    work: Work
    line: int
    units: int

    @property
    def is_promised(self) -> bool:
        """Whether they left under their promise: not so of what was given up, or had said that it stays."""
        return self.work.is_current and self.work.state != WarehouseOrderState.SHIPPED


def leave(
    works: Mapping[int, Work],
    shipment_ids: Sequence[int],
    *,
    proof: ShippingProof,
    actor: Actor,
    finals: Collection[int] = (),
    drops_rest: Collection[int] = (),
    surplus: Mapping[int, Mapping[int, int]] | None = None,
    filled: Collection[int] = (),
) -> Departure:
    """Note that parcels left their warehouse orders, which are locked with all that is theirs; sub-orders are moved on.

    Of warehouse orders in `finals` (ids) nothing more will leave; what stays of those in `drops_rest` is cancelled.
    `surplus` are units by line that left beyond what was asked for, `filled` those of the parcels that had left before,
    when nobody knew what was in them.
    """
    departure = Departure()
    gone = _note(works, shipment_ids, filled)
    extra = [_Gone(works[key], line, units) for key, more in (surplus or {}).items() for line, units in more.items()]
    if extra:
        _add_surplus(extra, departure)
    for key in {one.work.id for one in gone if one.work.is_current and not one.is_promised}:
        departure.trouble(key, "left_after_rest", units=sum(one.units for one in gone if one.work.id == key))
    _withdraw([*(one for one in gone if not one.is_promised), *extra], departure, actor)
    if finals:
        _part_rests({key: works[key] for key in finals}, drops_rest, departure, actor)
    _ship([one for one in gone if one.is_promised], departure, proof, actor)
    _set_states({one.work.id: one.work for one in gone} | {key: works[key] for key in finals}, finals, departure)
    return departure


def _note(works: Mapping[int, Work], shipment_ids: Sequence[int], filled: Collection[int]) -> list[_Gone]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH gone AS (
                UPDATE logistics_shipment h SET left_at = coalesce(h.left_at, now())
                WHERE h.id = ANY(%(ids)s::bigint[]) AND (h.left_at IS NULL OR h.id = ANY(%(filled)s::bigint[]))
                RETURNING h.id, h.warehouse_order_id
            ), units AS (
                SELECT g.warehouse_order_id, x.sub_order_line_id, sum(x.quantity)::int AS units
                FROM gone g JOIN logistics_shipmentline x ON x.shipment_id = g.id
                GROUP BY g.warehouse_order_id, x.sub_order_line_id
            )
            UPDATE logistics_warehouseorderline wl SET left_quantity = wl.left_quantity + u.units
            FROM units u
            WHERE wl.warehouse_order_id = u.warehouse_order_id AND wl.sub_order_line_id = u.sub_order_line_id
            RETURNING wl.warehouse_order_id, wl.sub_order_line_id, u.units
            """,
            {"ids": array(shipment_ids), "filled": array(filled)},
        )
        gone = [_Gone(works[key], line, units) for key, line, units in cursor.fetchall()]
    planning.plan_parcels(shipment_ids)
    return gone


def _add_surplus(extra: Sequence[_Gone], departure: Departure) -> None:
    _add_to_lines("left_quantity", extra)
    for key in {one.work.id for one in extra}:
        departure.trouble(key, "more_than_asked", units=sum(one.units for one in extra if one.work.id == key))


def _add_to_lines(column: str, units: Iterable[_Gone]) -> None:
    rows = list(units)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE logistics_warehouseorderline wl SET {column} = wl.{column} + u.units
            FROM (
                SELECT key, line, sum(units)::int AS units
                FROM unnest(%s::bigint[], %s::bigint[], %s::int[]) AS n(key, line, units) GROUP BY key, line
            ) AS u
            WHERE wl.warehouse_order_id = u.key AND wl.sub_order_line_id = u.line
            """,
            [array(one.work.id for one in rows), array(one.line for one in rows), array(one.units for one in rows)],
        )


def _withdraw(units: Sequence[_Gone], departure: Departure, actor: Actor) -> None:
    """Take what left without a promise out of the stock; what is not there is remembered, and told."""
    if not units:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT l.id, k.id FROM unnest(%s::bigint[], %s::bigint[]) AS n(line_id, warehouse_id)
            JOIN orders_suborderline l ON l.id = n.line_id JOIN orders_orderline ol ON ol.id = l.order_line_id
            JOIN inventory_stock k ON k.sku_id = ol.sku_id AND k.warehouse_id = n.warehouse_id
            """,
            [array(one.line for one in units), array(one.work.warehouse_id for one in units)],
        )
        stock = dict(cursor.fetchall())
    withdrawals = [reserving.Withdrawal(stock[one.line], one.line, one.units) for one in units if one.line in stock]
    numbers = ", ".join(sorted({one.work.number for one in units}))
    missing = reserving.withdraw(withdrawals, actor=actor.name, note=numbers[:200])
    short = [_Gone(one.work, one.line, missing.pop(one.line)) for one in units if one.line in missing]
    if short:
        _add_to_lines("unbooked_quantity", short)
        for one in short:
            departure.unbooked[one.work.id] = departure.unbooked.get(one.work.id, 0) + one.units


def _part_rests(finals: Mapping[int, Work], drops_rest: Collection[int], departure: Departure, actor: Actor) -> None:
    """Part what stays off the sub-orders of which something left; those of which nothing did stay as they are."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT key, sub_order_id, line, rest, anything_left FROM (
                SELECT wl.warehouse_order_id AS key, l.sub_order_id, l.id AS line,
                    l.quantity - wl.left_quantity AS rest,
                    sum(wl.left_quantity) OVER (PARTITION BY wl.warehouse_order_id, l.sub_order_id) > 0 AS anything_left
                FROM {LINES_OF} WHERE wl.warehouse_order_id = ANY(%s::bigint[])
            ) AS lines WHERE rest > 0 ORDER BY line
            """,
            [array(finals)],
        )
        rows = cursor.fetchall()
    cut: dict[bool, dict[int, dict[int, int]]] = {True: {}, False: {}}
    found: dict[int, tuple[Work, Part]] = {}
    units: dict[int, int] = {}
    for key, sub_order_id, line, rest, anything_left in rows:
        part = next(
            (part for part in finals[key].parts if part.id == sub_order_id and part.state in AT_WAREHOUSE), None
        )
        if part is None:
            continue
        found[sub_order_id] = finals[key], part
        units[sub_order_id] = units.get(sub_order_id, 0) + rest
        if anything_left:
            cut[key in drops_rest].setdefault(sub_order_id, {})[line] = rest
    new = {
        **part_off_all(cut[True], state=SubOrderState.CANCELLED, actor=actor, why=PARTLY_SHIPPED),
        **part_off_all(cut[False], state=SubOrderState.AWAITING_ALLOCATION, actor=actor, why=PARTLY_SHIPPED),
    }
    departure.rests += [
        Rest(work, part, units[key], work.id in drops_rest, new.get(key)) for key, (work, part) in found.items()
    ]
    _leave_out([rest for rest in departure.rests if rest.part_id is not None])


def _leave_out(rests: Sequence[Rest]) -> None:
    """A warehouse that did not send the units is not asked for them again."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE orders_suborder s SET refused_by = array_append(coalesce(s.refused_by, '{}'), n.warehouse_id)
            FROM unnest(%s::bigint[], %s::bigint[]) AS n(id, warehouse_id) WHERE s.id = n.id
            """,
            [array(rest.part_id for rest in rests), array(rest.work.warehouse_id for rest in rests)],
        )


def _ship(gone: Sequence[_Gone], departure: Departure, proof: ShippingProof, actor: Actor) -> None:
    """Take what left out of the stock, and move the sub-orders of which all units left: now, or before the rest was
    parted off."""
    cut = {rest.part.id: rest.part for rest in departure.rests if rest.part_id is not None}
    if not gone and not cut:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT l.sub_order_id, bool_and(l.quantity <= coalesce(g.units, 0)), array_agg(l.id)
            FROM orders_suborderline l
            LEFT JOIN LATERAL (
                SELECT sum(wl.left_quantity) AS units FROM logistics_warehouseorderline wl
                JOIN logistics_warehouseorder w ON w.id = wl.warehouse_order_id AND w.is_current
                WHERE wl.sub_order_line_id = l.id
            ) AS g ON true
            WHERE l.sub_order_id = ANY(%s::bigint[])
               OR l.sub_order_id IN (SELECT sub_order_id FROM orders_suborderline WHERE id = ANY(%s::bigint[]))
            GROUP BY l.sub_order_id
            """,
            [array(cut), array(one.line for one in gone)],
        )
        whole = {key: lines for key, is_whole, lines in cursor.fetchall() if is_whole}
    units: dict[int, int | None] = {line: None for lines in whole.values() for line in lines}
    for one in gone:
        if one.line not in units:
            units[one.line] = one.units
    reserving.consume_units(units, actor=actor.name)
    parts = cut | {part.id: part for one in gone for part in one.work.parts}
    departure.shipped = [parts[key] for key in sorted(whole) if key in parts and parts[key].state in AT_WAREHOUSE]
    moving.move_sub_orders(
        [(part.id, part.state, SubOrderState.SHIPPED) for part in departure.shipped], actor, proof=proof
    )


def _set_states(works: Mapping[int, Work], finals: Collection[int], departure: Departure) -> None:
    """Whether warehouse orders are shipped now, or in part."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT warehouse_order_id, bool_and(left_quantity >= quantity) FROM logistics_warehouseorderline
            WHERE warehouse_order_id = ANY(%s::bigint[]) GROUP BY warehouse_order_id
            """,
            [array(key for key, work in works.items() if work.state != WarehouseOrderState.SHIPPED)],
        )
        for key, all_left in cursor.fetchall():
            is_over = all_left or key in finals
            departure.states[key] = WarehouseOrderState.SHIPPED if is_over else WarehouseOrderState.PARTLY_SHIPPED
