"""Goods that come in."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

from django.db import connection, transaction
from django.db.models import BooleanField, ExpressionWrapper
from django.utils.translation import gettext as _

from inventory import coded, hosting, lots, reserving
from inventory.lots import LotKey, LotMove
from inventory.models import Quality, Stock, StockMovement, Warehouse
from oms.common.copying import array
from oms.common.errors import OmsError
from oms.common.work import nudging


@dataclass(frozen=True, slots=True)
class Arrived:
    """Units of a SKU that came, of one quality and batch; batches count only where the SKU wants them. `demand_id`
    names what they were on their way for, if anything; serial numbers stand with the receipt."""

    sku_id: int
    units: int
    quality: str = Quality.GOOD
    lot: str = ""
    best_before: date | None = None
    demand_id: int | None = None
    serials: Sequence[str] = ()


def rows_of(places: Collection[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """The stock row (id) of each (warehouse id, SKU id), made with nothing in it where there is none."""
    if not places:
        return {}
    wanted = [array(warehouse for warehouse, _sku in places), array(sku for _warehouse, sku in places)]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO inventory_stock (warehouse_id, sku_id)
            SELECT warehouse_id, sku_id FROM unnest(%s::bigint[], %s::bigint[]) AS w(warehouse_id, sku_id)
            WHERE NOT EXISTS (
                SELECT FROM inventory_stock s WHERE s.sku_id = w.sku_id AND s.warehouse_id = w.warehouse_id
            ) ORDER BY warehouse_id, sku_id ON CONFLICT (sku_id, warehouse_id) DO NOTHING
            """,
            wanted,
        )
        # A statement of its own: the one above does not see what another call made while it waited.
        cursor.execute(
            """
            SELECT s.warehouse_id, s.sku_id, s.id FROM inventory_stock s
            JOIN unnest(%s::bigint[], %s::bigint[]) AS w(warehouse_id, sku_id) USING (warehouse_id, sku_id)
            """,
            wanted,
        )
        return {(warehouse, sku): key for warehouse, sku, key in cursor.fetchall()}


def receive(
    warehouse_id: int,
    sku_id: int,
    units: int,
    *,
    actor: str,
    note: str = "",
    kind: StockMovement.Kind = StockMovement.Kind.RECEIPT,
) -> int:
    """Book good units of one SKU into a warehouse and wake the sub-orders that wait for them; returns the units on hand
    now. Raises as `receive_all` does."""
    receive_all(warehouse_id, [Arrived(sku_id, units)], actor=actor, note=note, kind=kind)
    return Stock.objects.get(warehouse_id=warehouse_id, sku_id=sku_id).on_hand


@transaction.atomic
def receive_all(
    warehouse_id: int,
    arrived: Sequence[Arrived],
    *,
    actor: str,
    note: str = "",
    kind: StockMovement.Kind = StockMovement.Kind.RECEIPT,
    demand_kind: str = "",
) -> None:
    """Book units into a warehouse and wake the sub-orders that wait for them. `demand_kind` is the kind of the demands
    that they name.

    Raises OmsError if units of one are not positive, CountedByCodes where the units are codes, and NotKept where the
    warehouse keeps no goods of their merchant.
    """
    if any(one.units <= 0 for one in arrived):
        raise OmsError(_("Give the number of units that came in, at least 1."), attr="units")
    rows = rows_of({(warehouse_id, one.sku_id) for one in arrived})
    reserving.lock_stock(rows.values())
    is_kept = ExpressionWrapper(hosting.is_kept(), output_field=BooleanField())
    stock = Stock.objects.annotate(may_lie_there=is_kept).in_bulk(list(rows.values()))
    if not all(row.may_lie_there for row in stock.values()):
        raise hosting.not_kept(Warehouse.objects.get(pk=warehouse_id))
    if any(row.keeps_codes for row in stock.values()):
        coded.require_plain(stock)
    moves: list[tuple[LotKey, Arrived]] = []
    good: Counter[tuple[int, int | None]] = Counter()
    for one in arrived:
        row = stock[rows[warehouse_id, one.sku_id]]
        if one.quality == Quality.GOOD:
            good[row.pk, one.demand_id] += one.units
        if row.keeps_lots:
            moves.append((LotKey(row.pk, one.quality, one.lot, one.best_before), one))
        elif one.quality != Quality.GOOD:
            moves.append((LotKey(row.pk, one.quality), one))
    StockMovement.objects.bulk_create(
        [
            StockMovement(
                stock_id=key,
                kind=kind,
                on_hand_change=units,
                demand_kind=demand_kind if demand_id is not None else "",
                demand_id=demand_id,
                actor=actor,
                note=note[:200],
            )
            for (key, demand_id), units in good.items()
        ]
    )
    batches = lots.rows_of({key for key, _one in moves})
    lots.book(
        [LotMove(batches[key], one.units, demand_id=one.demand_id) for key, one in moves],
        kind,
        demand_kind=demand_kind,
        actor=actor,
        note=note,
    )
    nudging.nudge("wake")
