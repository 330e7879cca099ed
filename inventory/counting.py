"""Booking what was counted. What of it can be promised no longer is decided above, where orders are known: see
`orders.stock.stocktaking`."""

from collections.abc import Sequence
from typing import NamedTuple

from django.db import connection

from inventory.models import StockMovement
from oms.common.copying import array, text_array

MOST_UNITS = 1_000_000_000


class Count(NamedTuple):
    """Units of a stock row that are really there, with a note for the ledger."""

    stock_id: int
    on_hand: int
    note: str = ""


def book(counts: Sequence[Count], *, actor: str) -> None:
    """Set the units on hand of stock rows that are locked; the ledger says by how much they changed, and who waits for
    units is woken. What is promised must be there still: the database refuses the count otherwise. One statement.
    """
    if not counts:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH counted AS (
                SELECT c.id, c.on_hand - s.on_hand AS change, c.note
                FROM unnest(%(ids)s::bigint[], %(units)s::int[], %(notes)s::text[]) AS c(id, on_hand, note)
                JOIN inventory_stock s USING (id)
                WHERE c.on_hand <> s.on_hand
            )
            INSERT INTO inventory_stockmovement (stock_id, kind, on_hand_change, actor, note)
            SELECT id, '{StockMovement.Kind.STOCK_TAKE}', change, %(actor)s, note FROM counted
            """,
            {
                "ids": array(count.stock_id for count in counts),
                "units": array(count.on_hand for count in counts),
                "notes": text_array(count.note[:200] for count in counts),
                "actor": actor,
            },
        )
