"""Booking what was counted. What of it can be promised no longer is decided above, where orders are known: see
`orders.stock.stocktaking`."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from django.db import connection

from inventory import coded, lots
from inventory.lots import LotMove
from inventory.models import Quality, Stock, StockLot, StockMovement
from oms.common.copying import array, text_array

MOST_UNITS = 1_000_000_000


class Count(NamedTuple):
    """Units of a stock row that are really there, with a note for the ledger."""

    stock_id: int
    on_hand: int
    note: str = ""


def book(counts: Sequence[Count], *, actor: str) -> None:
    """Set the units on hand of stock rows that are locked; the ledger says by how much they changed, and who waits for
    units is woken. What is promised must be there still: the database refuses the count otherwise. One statement, and
    a few for each note where batches are kept. Raises CountedByCodes where the units are codes.
    """
    if not counts:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH counted AS (
                SELECT c.id, c.on_hand - s.on_hand AS change, c.note, s.keeps_lots, s.keeps_codes
                FROM unnest(%(ids)s::bigint[], %(units)s::int[], %(notes)s::text[]) AS c(id, on_hand, note)
                JOIN inventory_stock s USING (id)
                WHERE c.on_hand <> s.on_hand
            ), booked AS (
                INSERT INTO inventory_stockmovement (stock_id, kind, on_hand_change, actor, note)
                SELECT id, '{StockMovement.Kind.STOCK_TAKE}', change, %(actor)s, note FROM counted
            )
            SELECT id, change, note, keeps_codes FROM counted WHERE keeps_lots OR keeps_codes
            """,
            {
                "ids": array(count.stock_id for count in counts),
                "units": array(count.on_hand for count in counts),
                "notes": text_array(count.note[:200] for count in counts),
                "actor": actor,
            },
        )
        of_lots: dict[str, dict[int, int]] = defaultdict(dict)
        for stock_id, change, note, keeps_codes in cursor.fetchall():
            if keeps_codes:
                coded.require_plain([stock_id])
            of_lots[note][stock_id] = change
    for note, changes in of_lots.items():
        lots.change(changes, StockMovement.Kind.STOCK_TAKE, actor=actor, note=note)


def freeze(stock_id: int, units: int, *, actor: str, note: str = "") -> None:
    """Hold back units of a locked row that are not there although they are promised: nobody else is to get them."""
    row = Stock.objects.get(pk=stock_id)
    kind = StockMovement.Kind.STOCK_TAKE
    StockMovement.objects.create(stock_id=stock_id, kind=kind, frozen_change=units, actor=actor, note=note[:200])
    if row.keeps_lots:
        promised = StockLot.objects.filter(stock=row, quality=Quality.GOOD, reserved__gt=0).order_by("pk")
        taken = lots.spread(units, [(one.pk, one.reserved) for one in promised])
        lots.book([LotMove(key, frozen=some) for key, some in taken], kind, actor=actor, note=note)


def freeze_free(units: Mapping[int, int], *, actor: str, note: str = "") -> None:
    """Hold back units of locked rows, by stock id, that are free by now: nobody is to get them before a person looked
    at them. Codes are passed over. Two statements, and three more where batches are kept."""
    rows = {row.pk: row for row in Stock.objects.filter(pk__in=units, keeps_codes=False)}
    kind = StockMovement.Kind.ADJUSTMENT
    StockMovement.objects.bulk_create(
        StockMovement(stock_id=key, kind=kind, frozen_change=units[key], actor=actor, note=note[:200])
        for key in sorted(rows)
    )
    with_lots = [key for key, row in rows.items() if row.keeps_lots]
    if not with_lots:
        return
    free: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for lot in StockLot.objects.filter(stock__in=with_lots, quality=Quality.GOOD).order_by("best_before", "pk"):
        if lot.on_hand - lot.reserved - lot.frozen > 0:
            free[lot.stock_id].append((lot.pk, lot.on_hand - lot.reserved - lot.frozen))
    moves = [LotMove(lot, frozen=some) for key in with_lots for lot, some in lots.spread(units[key], free[key])]
    lots.book(moves, kind, actor=actor, note=note)
