"""Splitting a sub-order by hand, before it is sent to its warehouse: ticked units go by themselves.

The new sub-order stays where the old one is: at the same warehouse with the stock that was promised, or waiting for it.
Either can be moved, cancelled or merged by itself from then on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from inventory.promising import tables
from inventory.promising.freight import Measures
from inventory.promising.quoting import MM3_OF_A_CM3, MM_OF_A_CM
from inventory.sourcing import today
from oms.common.errors import OmsError
from oms.common.money import to_fen
from oms.common.work import nudging
from orders.actors import Actor
from orders.fulfilling import sourcing
from orders.fulfilling.parting_off import part_off
from orders.fulfilling.parts import read_sources
from orders.fulfilling.plans import Plan
from orders.intake.terms import carriers_in_use
from orders.locking import lock_order, lock_sub_orders, mark_changed
from orders.models import Order, SubOrder, SubOrderLine, SubOrderState
from orders.models.sub_order import BEFORE_RELEASE

# For the timeline: a person wanted it.
BY_HAND = "by_hand"


class CannotDivide(OmsError):
    """The sub-order cannot be split now, or not in this way."""

    code = "cannot_split"


@dataclass(frozen=True, slots=True)
class Share:
    """What one of two sub-orders would be: units, grams, what the buyer pays for it (fen), by when it would arrive and
    for which freight (fen), as far as that is known. `number` is empty for the new one."""

    number: str
    units: Mapping[int, int]
    weight_g: int
    payable_fen: int
    arrives_at: datetime | None
    freight_fen: int | None

    @property
    def count(self) -> int:
        """Units of all lines."""
        return sum(self.units.values())


@dataclass(frozen=True, slots=True)
class Preview:
    """What stays and what would go by itself, and the freight of the one parcel that it is now (fen)."""

    kept: Share
    new: Share
    freight_fen: int | None

    @property
    def more_freight_fen(self) -> int | None:
        """What the second parcel costs more, as far as that is known."""
        parts = [self.kept.freight_fen, self.new.freight_fen, self.freight_fen]
        if any(fen is None for fen in parts):
            return None
        kept, new, whole = (fen or 0 for fen in parts)
        return kept + new - whole


def obstacle(part: SubOrder) -> str | None:
    """Why the sub-order cannot be split now, or None."""
    if part.is_virtual or part.state not in BEFORE_RELEASE:
        return _("Sub-order %(number)s cannot be split any more: %(state)s.") % {
            "number": part.number,
            "state": part.get_state_display(),
        }
    if part.cancel_requested_at is not None:
        return _("Sub-order %(number)s is being cancelled.") % {"number": part.number}
    if part.total_quantity < 2:
        return _("Sub-order %(number)s has one unit only: there is nothing to split.") % {"number": part.number}
    return None


@transaction.atomic
def divide(sub_order_id: int, units: Mapping[int, int], *, actor: Actor, version: int | None = None) -> SubOrder:
    """Let units of its lines (by sub-order line id) go as a sub-order of their own, which is returned.

    Raises CannotDivide, ChangedMeanwhile (`version` is the order's), SubOrder.DoesNotExist.
    """
    order_id = SubOrder.objects.values_list("order_id", flat=True).get(pk=sub_order_id)
    lock_order(order_id, version=version)
    part = next(one for one in lock_sub_orders(order_id) if one.pk == sub_order_id)
    wanted = _checked(part, units)
    is_allocated = part.state == SubOrderState.ALLOCATED
    state = SubOrderState.ALLOCATED if is_allocated else SubOrderState.AWAITING_ALLOCATION
    new_id = part_off(sub_order_id, wanted, state=state, actor=actor, why=BY_HAND)
    SubOrder.objects.filter(pk__in=[sub_order_id, new_id]).update(goes_alone=True)
    # Its parts are what was looked at: a second press of the same button would split once more.
    mark_changed(order_id)
    nudging.nudge("allocate", "release")
    return SubOrder.objects.get(pk=new_id)


def _checked(part: SubOrder, units: Mapping[int, int]) -> dict[int, int]:
    """The units that are really named. Raises CannotDivide."""
    blocked = obstacle(part)
    if blocked:
        raise CannotDivide(blocked)
    has = dict(SubOrderLine.objects.filter(sub_order=part).values_list("pk", "quantity"))
    wanted = {line: count for line, count in units.items() if count}
    if not wanted:
        raise CannotDivide(_("Say how many units shall go by themselves."), attr="units")
    for line, count in wanted.items():
        if line not in has:
            raise CannotDivide(_("The sub-order has no such line. Look at it again."), attr="units")
        if not 1 <= count <= has[line]:
            message = _("Give a number from 0 to %(most)d: the line has no more units.")
            raise CannotDivide(message % {"most": has[line]}, attr="units")
    if sum(wanted.values()) == sum(has.values()):
        raise CannotDivide(_("Something must stay: leave at least one unit."), attr="units")
    return wanted


def preview(sub_order_id: int, units: Mapping[int, int]) -> Preview:
    """What would come of it. Reads only, by the same arithmetic of money. Raises CannotDivide."""
    part = SubOrder.objects.select_related("order", "warehouse").get(pk=sub_order_id)
    wanted = _checked(part, units)
    lines = list(part.lines.select_related("order_line__sku").order_by("pk"))
    sources = read_sources([part.pk])
    taken_fen = 0
    for line in lines:
        count = wanted.get(line.pk, 0)
        if count:
            source = sources[line.pk]
            taken = source.shares if count == source.quantity else source.shares.take(count, source.quantity)
            taken_fen += taken.payable
    kept = {line.pk: line.quantity - wanted.get(line.pk, 0) for line in lines if line.quantity > wanted.get(line.pk, 0)}
    trips = _Trips(part)
    whole = trips.of(lines, {line.pk: line.quantity for line in lines})
    payable_fen = to_fen(part.payable_amount)
    return Preview(
        kept=_share(part.number, kept, lines, payable_fen - taken_fen, trips),
        new=_share("", wanted, lines, taken_fen, trips),
        freight_fen=whole[1],
    )


def _share(
    number: str, units: Mapping[int, int], lines: Sequence[SubOrderLine], payable_fen: int, trips: "_Trips"
) -> Share:
    arrives_at, freight_fen = trips.of(lines, units)
    return Share(number, units, _measure(lines, units).weight_g, payable_fen, arrives_at, freight_fen)


def _measure(lines: Sequence[SubOrderLine], units: Mapping[int, int]) -> Measures:
    """As `orders.promising.measuring.SIZE` measures what is written."""
    skus = [(line.order_line.sku, units[line.pk]) for line in lines if units.get(line.pk)]
    weight = sum(sku.weight_g * count for sku, count in skus if sku is not None)
    sizes = [
        (sku.length_mm, sku.width_mm, sku.height_mm, count)
        for sku, count in skus
        if sku is not None and sku.length_mm and sku.width_mm and sku.height_mm
    ]
    if len(sizes) < len(skus):
        return Measures(weight)
    volume = sum(length * width * height * count for length, width, height, count in sizes)
    longest = max(max(length, width, height) for length, width, height, _count in sizes)
    return Measures(weight, -(-volume // MM3_OF_A_CM3), -(-longest // MM_OF_A_CM))


class _Trips:
    """How parts of a sub-order would go from where it is now, if they left now."""

    def __init__(self, part: SubOrder) -> None:
        self.warehouse_id = part.warehouse_id
        self.known, self.carriers = tables.current(), carriers_in_use()
        plan = Plan.of(part)
        self.trip = sourcing.read_trips([plan], timezone.now()).get(part.pk) if part.warehouse_id else None

    def of(self, lines: Sequence[SubOrderLine], units: Mapping[int, int]) -> tuple[datetime | None, int | None]:
        """When these units would arrive, and their freight (fen); None where nobody knows."""
        if self.trip is None or self.warehouse_id is None:
            return None, None
        trip = self.trip.to(self.warehouse_id)
        trip = replace(trip, parcel=replace(trip.parcel, measures=_measure(lines, units)))
        way = today.carriage(self.known, trip, self.carriers)
        return (way.arrival.latest_at, way.freight.fen) if way else (None, None)


def divisible(order: Order) -> list[SubOrder]:
    """The loaded order's sub-orders that can be split."""
    return [part for part in order.sub_orders.all() if obstacle(part) is None]
