"""A stock-take: what was counted is a fact, also where more was promised than is there."""

from collections.abc import Callable, Collection, Mapping

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from inventory import counting, holding, reserving, transferring
from inventory.models import DemandKind, MovementNote, Reservation, Stock
from oms.common.errors import ChangedMeanwhile, OmsError
from oms.common.work import nudging
from orders import kinds
from orders.actors import Actor
from orders.models import SubOrder, SubOrderLine, SubOrderState
from orders.telling import timeline


class PromisedElsewhere(OmsError):
    """Too many of the units are in the hands of the warehouse already."""

    code = "promised"


def change_stock(stock_id: int, change: int, *, actor: Actor, note: str = "", version: int | None = None) -> Stock:
    """Add units to what is on hand, or take some away. Raises as `count_stock` does."""
    return _count(stock_id, lambda stock: stock.on_hand + change, actor=actor, note=note, version=version)


def count_stock(stock_id: int, counted: int, *, actor: Actor, note: str = "", version: int | None = None) -> Stock:
    """Set the units on hand to what was counted. Promises that it cannot keep are taken away, the youngest first:
    their sub-orders are backordered in the same transaction.

    Raises OmsError for a negative count, and PromisedElsewhere if sub-orders that the warehouse is working on would
    have to lose their goods: those must be cancelled there first. Raises ChangedMeanwhile if a `version` is given and
    is not the row's any more.
    """
    return _count(stock_id, lambda _stock: counted, actor=actor, note=note, version=version)


@transaction.atomic
def _count(stock_id: int, count: Callable[[Stock], int], *, actor: Actor, note: str, version: int | None) -> Stock:
    candidates = lock_for_counting([stock_id])
    stock = Stock.objects.get(pk=stock_id)
    if version is not None and stock.version != version:
        raise ChangedMeanwhile(_("The stock was changed meanwhile. Look at it again and repeat what you wanted."))
    counted = count(stock)
    if counted < 0:
        raise OmsError(_("A count cannot be negative."), attr="counted")
    if counted > counting.MOST_UNITS:
        raise OmsError(_("A count has at most %(most)d units.") % {"most": counting.MOST_UNITS}, attr="counted")
    missing = take_promises(stock, stock.reserved - counted, candidates, actor)
    if missing:
        raise PromisedElsewhere(
            ngettext(
                "%(units)d unit is promised to a sub-order that the warehouse is working on. Cancel that first.",
                "%(units)d units are promised to sub-orders that the warehouse is working on. Cancel those first.",
                missing,
            )
            % {"units": missing}
        )
    counting.book([counting.Count(stock_id, counted, note)], actor=actor.name)
    nudging.nudge("wake")
    return Stock.objects.get(pk=stock_id)


@transaction.atomic
def find_difference(stock_id: int, difference: int, *, actor: Actor, note: str = "") -> int:
    """Book that so many units are there beyond what the books say, or lack (negative), as a fact: nothing is refused.

    Promises that cannot be kept are taken away, the youngest first. Units that lack although sub-orders which the
    warehouse is working on have them promised are frozen, so that nobody else gets them should these be cancelled; how
    many is returned.
    """
    candidates = lock_for_counting([stock_id])
    stock = Stock.objects.get(pk=stock_id)
    counted = _counted(stock, difference)
    missing = take_promises(stock, stock.reserved - counted, candidates, actor)
    counting.book([counting.Count(stock_id, counted + missing, note)], actor=actor.name)
    if missing:
        counting.freeze(stock_id, missing, actor=actor.name, note=note)
    nudging.nudge("wake")
    return missing


@transaction.atomic
def find_differences(differences: Mapping[int, int], *, actor: Actor, note: str = "") -> dict[int, int]:
    """Do as `find_difference` for many stock rows, by id; returns how many units are missing where some are. Those that
    take no promise away are booked together."""
    lock_for_counting(differences)
    wanted: list[counting.Count] = []
    short: list[int] = []
    found = Stock.objects.in_bulk(list(differences))
    for stock_id, difference in differences.items():
        counted = _counted(found[stock_id], difference)
        if counted < found[stock_id].reserved:
            short.append(stock_id)
        else:
            wanted.append(counting.Count(stock_id, counted, note))
    counting.book(wanted, actor=actor.name)
    nudging.nudge("wake")
    missing = {key: find_difference(key, differences[key], actor=actor, note=note) for key in short}
    return {key: units for key, units in missing.items() if units}


def _counted(stock: Stock, difference: int) -> int:
    return min(max(stock.on_hand + difference, 0), counting.MOST_UNITS)


def take_promises(stock: Stock, excess: int, candidates: list[SubOrder], actor: Actor) -> int:
    """Take promises of that many units of a locked stock row away, the youngest first; returns how many the candidates
    do not have. Carts and quotes lose theirs first, then transfers to other warehouses."""
    if excess > 0:
        excess -= holding.give_way(stock.pk, excess, actor=actor.name)
    if excess > 0:
        excess -= transferring.give_way(stock.pk, excess, actor=actor.name)
    losers: list[SubOrder] = []
    for sub_order in sorted(candidates, key=lambda part: -part.pk):
        if excess <= 0:
            break
        promised = Reservation.objects.active_for(sub_order.lines.values("pk")).filter(stock_id=stock.pk)
        excess -= sum(promised.values_list("quantity", flat=True))
        losers.append(sub_order)
    backorder(losers, actor)
    return max(excess, 0)


def lock_for_counting(stock_ids: Collection[int], others: Collection[int] = ()) -> list[SubOrder]:
    """Lock all that counting these stock rows may change, and the `others`, in the one order: sub-orders that can lose
    their promises, which are returned, then stock. Needs an open transaction."""
    lines = SubOrderLine.objects.filter(
        pk__in=Reservation.objects.active()
        .filter(stock_id__in=stock_ids, demand_kind=DemandKind.SUB_ORDER_LINE)
        .values("demand_id"),
        sub_order__state=SubOrderState.ALLOCATED,
    )
    # Sub-orders before stock, here as everywhere; what can lose its promise is known before the stock is locked.
    ids = sorted(set(lines.values_list("sub_order_id", flat=True)))
    free = SubOrder.objects.filter(pk__in=ids, state=SubOrderState.ALLOCATED)
    candidates = list(free.order_by("id").select_for_update(no_key=True, of=("self",)))
    # A loser gives back all of its reservations: their stock is locked along, in the one order.
    theirs = Reservation.objects.active_for(_lines_of(candidates).values("pk"))
    reserving.lock_stock({*stock_ids, *others, *theirs.values_list("stock_id", flat=True)})
    return candidates


def _lines_of(sub_orders: list[SubOrder]) -> QuerySet[SubOrderLine]:
    return SubOrderLine.objects.filter(sub_order_id__in=[sub_order.pk for sub_order in sub_orders])


def backorder(sub_orders: list[SubOrder], actor: Actor) -> None:
    """Their whole reservation goes back, so that they can be sourced anew."""
    ids = [sub_order.pk for sub_order in sub_orders]
    if not ids:
        return
    lines = SubOrderLine.objects.filter(sub_order_id__in=ids).values_list("id", flat=True)
    SubOrder.objects.filter(pk__in=ids).update(
        state=SubOrderState.BACKORDERED, warehouse=None, allocated_at=None, ready_at=Now(), sourcing=None
    )
    reserving.release(list(lines), actor=actor.name, note=MovementNote.STOCK_TAKE)
    timeline.record_of_sub_orders(ids, kinds.BACKORDERED, actor, short={})
    nudging.nudge("allocate")
