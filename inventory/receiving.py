"""Goods that come in."""

from django.db import connection, transaction
from django.utils.translation import gettext as _

from inventory.models import StockMovement
from oms.common.errors import OmsError
from oms.common.work import nudging


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
        cursor.execute(
            """
            WITH stored AS (
                INSERT INTO inventory_stock AS s (warehouse_id, sku_id, on_hand, wakes_backorders_since)
                VALUES (%(warehouse)s, %(sku)s, %(units)s, clock_timestamp())
                ON CONFLICT (sku_id, warehouse_id) DO UPDATE
                    SET on_hand = s.on_hand + EXCLUDED.on_hand,
                        wakes_backorders_since = clock_timestamp()
                RETURNING id, on_hand
            ), booked AS (
                INSERT INTO inventory_stockmovement (stock_id, kind, on_hand_change, actor, note)
                SELECT id, %(kind)s, %(units)s, %(actor)s, %(note)s FROM stored
            )
            SELECT on_hand FROM stored
            """,
            {"warehouse": warehouse_id, "sku": sku_id, "units": units, "kind": kind, "actor": actor, "note": note},
        )
        on_hand = cursor.fetchone()[0]
    nudging.nudge("wake")
    return on_hand
