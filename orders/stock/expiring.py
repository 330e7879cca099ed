"""Batches past their day: they are sold no longer, and orders that were promised of them are sourced anew."""

from django.db import transaction
from django.db.models import F

from inventory import lots, reserving
from inventory.lots import LotKey, LotMove
from inventory.models import DemandKind, LotPromise, MovementNote, Quality, StockLot, StockMovement
from orders.actors import job
from orders.models import SubOrderLine
from orders.stock import stocktaking

_ACTOR = job("expire_stock")


def expire(limit: int = 200) -> int:
    """Take what is past its best-before from the good units of up to `limit` batches, a transaction each; returns how
    many units. What is set aside for carts and orders is given back; what sub-orders have that their warehouses
    are working on stays until these are over."""
    due = StockLot.objects.filter(quality=Quality.GOOD, best_before__lt=lots.today(), on_hand__gt=0)
    # What is all in warehouses' hands could block those behind it for days.
    free_first = due.order_by((F("on_hand") - F("reserved")).desc(), "pk").values_list("pk", "stock_id")
    return sum(_expire(lot_id, stock_id) for lot_id, stock_id in list(free_first[:limit]))


@transaction.atomic
def _expire(lot_id: int, stock_id: int) -> int:
    candidates = stocktaking.lock_for_counting([stock_id])
    promises = LotPromise.objects.filter(lot_id=lot_id)
    promised = promises.filter(demand_kind=DemandKind.SUB_ORDER_LINE).values("demand_id")
    lines = SubOrderLine.objects.filter(pk__in=promised)
    holders = set(lines.values_list("sub_order_id", flat=True))
    stocktaking.backorder([one for one in candidates if one.pk in holders], _ACTOR)
    # What is set aside of it could never become an order's: that gets nothing of a batch that is expired.
    held = promises.filter(demand_kind=DemandKind.HOLD).values_list("demand_id", flat=True)
    reserving.release(list(held), kind=DemandKind.HOLD, actor=_ACTOR.name, note=MovementNote.EXPIRED)
    lot = StockLot.objects.get(pk=lot_id)
    units = lot.on_hand - lot.reserved
    if not units:
        return 0
    frozen = min(lot.frozen, units)
    kind = StockMovement.Kind.EXPIRY
    StockMovement.objects.create(
        stock_id=stock_id, kind=kind, on_hand_change=-units, frozen_change=-frozen, actor=_ACTOR.name
    )
    expired = LotKey(stock_id, Quality.EXPIRED, lot.lot, lot.best_before)
    row = lots.rows_of([expired])[expired]
    lots.book([LotMove(lot_id, -units, frozen=-frozen), LotMove(row, units)], kind, actor=_ACTOR.name)
    return units
