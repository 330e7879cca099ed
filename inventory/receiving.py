"""Goods that come in."""

from collections.abc import Collection

from django.db import connection, transaction
from django.utils.translation import gettext as _

from inventory.models import StockMovement
from oms.common.copying import array
from oms.common.errors import OmsError
from oms.common.work import nudging


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
            ORDER BY warehouse_id, sku_id ON CONFLICT (sku_id, warehouse_id) DO NOTHING
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


@transaction.atomic
def receive(
    warehouse_id: int,
    sku_id: int,
    units: int,
    *,
    actor: str,
    note: str = "",
    kind: StockMovement.Kind = StockMovement.Kind.RECEIPT,
) -> int:
    """Book units into a warehouse and wake the sub-orders that wait for them; returns the units on hand now.

    Raises OmsError if `units` is not positive.
    """
    if units <= 0:
        raise OmsError(_("Give the number of units that came in, at least 1."), attr="units")
    with connection.cursor() as cursor:
        stock_id = rows_of([(warehouse_id, sku_id)])[warehouse_id, sku_id]
        cursor.execute(
            "INSERT INTO inventory_stockmovement (stock_id, kind, on_hand_change, actor, note)"
            " VALUES (%s, %s, %s, %s, %s)",
            [stock_id, kind, units, actor, note],
        )
        cursor.execute("SELECT on_hand FROM inventory_stock WHERE id = %s", [stock_id])
        on_hand = cursor.fetchone()[0]
    nudging.nudge("wake")
    return on_hand
