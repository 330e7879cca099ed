"""Putting single figures of a stock row right, each with its reason: units, quality, what is frozen.

What would take units away that are promised is refused, with their number: a count does that (`orders.stock`), since
orders lose by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import models, transaction
from django.db.models import F
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from inventory import coded, counting, hosting, lots, reserving
from inventory.lots import LotKey, LotMove
from inventory.models import AdjustmentReason, Quality, Stock, StockAdjustment, StockLot, StockMovement
from oms.common.door.api import check_version
from oms.common.errors import OmsError
from oms.common.work import nudging


class Action(models.TextChoices):
    """What may be done to units of a stock row."""

    ADD = "add", gettext_lazy("Add units")
    REMOVE = "remove", gettext_lazy("Take units away")
    FREEZE = "freeze", gettext_lazy("Freeze units")
    THAW = "thaw", gettext_lazy("Free frozen units")
    WRITE_OFF = "write_off", gettext_lazy("Write frozen units off")


# By one unit: how good units on hand and frozen ones change.
CHANGES = {
    Action.ADD: (1, 0),
    Action.REMOVE: (-1, 0),
    Action.FREEZE: (0, 1),
    Action.THAW: (0, -1),
    Action.WRITE_OFF: (-1, -1),
}


class NotEnough(OmsError):
    """There are not so many units of that kind."""

    code = "not_enough"


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What a person does to units of a stock row and why. `lot_id` names a batch of it, where it is about one."""

    units: int
    reason: AdjustmentReason
    remark: str = ""
    lot_id: int | None = None


@transaction.atomic
def adjust(stock_id: int, action: Action, wanted: Adjustment, *, actor: str, version: int) -> Stock:
    """Do it; returns the row as it is then.

    Raises ChangedMeanwhile where `version` is not the row's any more, NotEnough where fewer units are free (or frozen)
    than named, CountedByCodes where the units are codes, and OmsError for a number below 1 or a batch of another row.
    """
    stock = _locked(stock_id, version)
    _check_units(wanted.units)
    on_hand, frozen = (change * wanted.units for change in CHANGES[action])
    if on_hand:
        coded.require_plain([stock_id])
    if on_hand > 0:
        hosting.require(stock)
    free = stock.on_hand - stock.reserved - stock.frozen
    if action in (Action.REMOVE, Action.FREEZE) and wanted.units > free:
        raise _not_enough(free, gettext_lazy("free"))
    if action in (Action.THAW, Action.WRITE_OFF) and wanted.units > stock.frozen:
        raise _not_enough(stock.frozen, gettext_lazy("frozen"))
    if action == Action.WRITE_OFF and wanted.units > stock.on_hand - stock.reserved:
        raise _not_enough(stock.on_hand - stock.reserved, gettext_lazy("not promised"))
    if stock.on_hand + on_hand > counting.MOST_UNITS:
        raise OmsError(_("A count has at most %(most)d units.") % {"most": counting.MOST_UNITS}, attr="units")
    _book(stock, StockMovement.Kind.ADJUSTMENT, on_hand, frozen, wanted, actor)
    return _record(stock, action, wanted, actor)


@transaction.atomic
def change_quality(stock_id: int, source: str, target: str, wanted: Adjustment, *, actor: str, version: int) -> Stock:
    """Move units from one quality to another; returns the row as it is then. Raises as `adjust` does."""
    stock = _locked(stock_id, version)
    coded.require_plain([stock_id])
    _check_units(wanted.units)
    if source == target:
        raise OmsError(_("The units have that quality already."), attr="target")
    kind = StockMovement.Kind.QUALITY
    named = _lot_of(stock, wanted.lot_id)
    if source == Quality.GOOD:
        free = stock.on_hand - stock.reserved - stock.frozen
        if wanted.units > free:
            raise _not_enough(free, gettext_lazy("free"))
        keys = [
            (LotKey(stock.pk, target, one.lot, one.best_before), units)
            for one, units in _book(stock, kind, -wanted.units, 0, wanted, actor)
        ] or [(LotKey(stock.pk, target), wanted.units)]
        rows = lots.rows_of({key for key, _units in keys})
        lots.book([LotMove(rows[key], units) for key, units in keys], kind, actor=actor, note=wanted.reason)
        return _record(stock, "quality", wanted, actor, units=-wanted.units)
    there = StockLot.objects.filter(stock=stock, quality=source, on_hand__gt=0).order_by("best_before", "pk")
    if named is not None:
        there = there.filter(pk=named.pk)
    taken = lots.spread(wanted.units, [(one.pk, one.on_hand) for one in there])
    if sum(units for _key, units in taken) < wanted.units:
        raise _not_enough(sum(one.on_hand for one in there), Quality(source).label)
    lots.book([LotMove(key, -units) for key, units in taken], kind, actor=actor, note=wanted.reason)
    by_key = {one.pk: LotKey(stock.pk, target, one.lot, one.best_before) for one in there}
    if target == Quality.GOOD:
        _movement(stock, kind, wanted.units, 0, wanted, actor)
        if not stock.keeps_lots:
            return _record(stock, "quality", wanted, actor)
    rows = lots.rows_of({by_key[key] for key, _units in taken})
    lots.book([LotMove(rows[by_key[key]], units) for key, units in taken], kind, actor=actor, note=wanted.reason)
    return _record(stock, "quality", wanted, actor, units=wanted.units if target == Quality.GOOD else 0)


def _locked(stock_id: int, version: int) -> Stock:
    reserving.lock_stock([stock_id])
    stock = Stock.objects.get(pk=stock_id)
    check_version(stock, version)
    return stock


def _check_units(units: int) -> None:
    if not 1 <= units <= counting.MOST_UNITS:
        raise OmsError(_("Give a whole number from 1 to %(most)d.") % {"most": counting.MOST_UNITS}, attr="units")


def _not_enough(units: int, which: object) -> NotEnough:
    text = ngettext("There is only %(units)d unit: %(which)s.", "There are only %(units)d units: %(which)s.", units)
    return NotEnough(text % {"units": max(units, 0), "which": which}, attr="units")


def _lot_of(stock: Stock, lot_id: int | None) -> StockLot | None:
    if lot_id is None:
        return None
    found = StockLot.objects.filter(pk=lot_id, stock=stock).first()
    if found is None:
        raise OmsError(_("This batch does not belong to the stock."), attr="lot")
    return found


def _movement(stock: Stock, kind: str, on_hand: int, frozen: int, wanted: Adjustment, actor: str) -> None:
    StockMovement.objects.create(
        stock=stock, kind=kind, on_hand_change=on_hand, frozen_change=frozen, note=wanted.reason, actor=actor
    )


def _book(
    stock: Stock, kind: str, on_hand: int, frozen: int, wanted: Adjustment, actor: str
) -> Sequence[tuple[StockLot, int]]:
    """Book a change of good units; returns the batches that it was taken from, with the units of each."""
    named = _lot_of(stock, wanted.lot_id)
    _movement(stock, kind, on_hand, frozen, wanted, actor)
    if not stock.keeps_lots:
        return []
    if on_hand > 0:
        row = named.pk if named is not None else next(iter(lots.rows_of([LotKey(stock.pk)]).values()))
        lots.book([LotMove(row, on_hand, frozen=frozen)], kind, actor=actor, note=wanted.reason)
        return []
    there = StockLot.objects.filter(stock=stock, quality=Quality.GOOD)
    rows = [named] if named is not None else list(there.order_by(F("best_before").asc(nulls_last=True), "pk"))
    room = [(one.pk, _room(one, on_hand, frozen)) for one in rows]
    taken = lots.spread(wanted.units, room)
    if sum(units for _key, units in taken) < wanted.units:
        raise _not_enough(sum(units for _key, units in room), gettext_lazy("in this batch"))
    signs = (on_hand // wanted.units, frozen // wanted.units)
    lots.book(
        [LotMove(key, signs[0] * units, frozen=signs[1] * units) for key, units in taken],
        kind,
        actor=actor,
        note=wanted.reason,
    )
    by_key = {one.pk: one for one in rows}
    return [(by_key[key], units) for key, units in taken]


def _room(lot: StockLot, on_hand: int, frozen: int) -> int:
    """Units of the batch that may change like that."""
    if frozen >= 0:
        return lot.on_hand - lot.reserved - lot.frozen
    return min(lot.frozen, lot.on_hand - lot.reserved) if on_hand < 0 else lot.frozen


def _record(stock: Stock, action: str, wanted: Adjustment, actor: str, units: int | None = None) -> Stock:
    StockAdjustment.objects.create(
        stock=stock,
        action=action,
        units=wanted.units if units is None else units,
        reason=wanted.reason,
        remark=wanted.remark,
        actor=actor,
    )
    nudging.nudge("wake")
    return Stock.objects.get(pk=stock.pk)
