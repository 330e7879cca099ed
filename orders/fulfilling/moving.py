"""Moving a sub-order to another warehouse (转仓): what each warehouse would make of it, and taking it from where it is.

What no warehouse has yet is sourced anew at once. What a warehouse has is asked back first by the app above
(`logistics.warehouses.moving_away`), so that nothing is ever sent twice.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import F, Func, Value
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _

from inventory import reserving
from inventory.models import MovementNote, Warehouse
from inventory.promising import tables
from inventory.sourcing import rulebook, today
from inventory.sourcing.drawing import by_sku
from inventory.sourcing.rules import Candidate, Want
from oms.common.errors import OmsError
from orders import kinds
from orders.actors import Actor
from orders.fulfilling import decisions, sourcing
from orders.fulfilling.plans import Plan
from orders.intake.terms import carriers_in_use
from orders.models import DeliveryPromise, SubOrder, SubOrderLine, SubOrderState
from orders.models.sub_order import IN_WAREHOUSE
from orders.telling import timeline

MOVABLE = (SubOrderState.ALLOCATED, *IN_WAREHOUSE)


class CannotMove(OmsError):
    """The sub-order cannot be taken from its warehouse now, or not to the warehouse that was named."""

    code = "cannot_move"


@dataclass(frozen=True, slots=True)
class Option:
    """What a warehouse would make of a sub-order: how many of its SKUs it has in full, by when and for how much it
    would bring it (None: not known), whether it refused it, and whether the rules would choose it; `why_not` says in
    words why they would not, where it neither has it nor refused it."""

    warehouse_id: int
    code: str
    km: int
    has: int
    wanted: int
    arrives_at: datetime | None
    freight_fen: int | None
    is_current: bool
    has_refused: bool
    is_chosen: bool
    why_not: str = ""

    @property
    def has_all(self) -> bool:
        """Whether it could send everything."""
        return self.has == self.wanted

    @property
    def is_possible(self) -> bool:
        """Whether a person may choose it."""
        return self.has_all and not self.is_current and not self.has_refused


def obstacle(part: SubOrder) -> str | None:
    """Why the sub-order cannot be moved now, or None."""
    if part.is_virtual or part.state not in MOVABLE:
        return _("Sub-order %(number)s is in no warehouse that could still give it up: %(state)s.") % {
            "number": part.number,
            "state": part.get_state_display(),
        }
    if part.cancel_requested_at is not None:
        return _("Sub-order %(number)s is being cancelled.") % {"number": part.number}
    if part.moving_since is not None:
        return _("Its warehouse was asked to give it up and has not answered yet.")
    return None


def options(part: SubOrder) -> list[Option]:
    """What every warehouse that the rules may ask would make of the sub-order, the preferred first. Reads only."""
    plan = _plan(part)
    book = rulebook.current()
    sourcing.ask(book, [plan])
    stock = sourcing.choose([plan], {})
    chosen = {candidate.warehouse_id for candidate, _takes in plan.choice.parts}
    needed = by_sku(plan.wants)
    everybody = [*plan.candidates, *plan.refusing]
    missing = {(one.warehouse_id, sku) for one in everybody for sku in needed} - stock.keys()
    there = {**stock, **sourcing.read_stock(missing)}
    trips = _Trips(part, plan)
    verdicts = {code: (verdict, figures) for code, _km, verdict, *figures in plan.choice.why}
    found = []
    for one in everybody:
        is_current = one.warehouse_id == part.warehouse_id
        is_plain = is_current or one.warehouse_id in chosen or one.warehouse_id in (part.refused_by or ())
        why_not = "" if is_plain or one.code not in verdicts else decisions.word(*verdicts[one.code])
        has = sum(there.get((one.warehouse_id, sku), (0, 0))[1] >= units for sku, units in needed.items())
        arrives_at, freight_fen = trips.of(one)
        found.append(
            Option(
                warehouse_id=one.warehouse_id,
                code=one.code,
                km=one.km,
                # Its own units are promised to it there.
                has=len(needed) if is_current else has,
                wanted=len(needed),
                arrives_at=arrives_at,
                freight_fen=freight_fen,
                is_current=is_current,
                has_refused=one.warehouse_id in (part.refused_by or ()),
                is_chosen=one.warehouse_id in chosen,
                why_not=why_not,
            )
        )
    return found


def _plan(part: SubOrder) -> Plan:
    wants = [Want(*row) for row in part.lines.order_by("id").values_list("id", "order_line__sku_id", "quantity")]
    here = [part.warehouse_id] if part.warehouse_id is not None else []
    return replace(
        Plan.of(part),
        state=SubOrderState.AWAITING_ALLOCATION,
        channel_id=part.order.channel_id,
        refused_by=part.refused_by,
        avoids=[*(part.avoids or ()), *here],
        wants=wants,
    )


class _Trips:
    """How the sub-order would go from each warehouse, if it left now."""

    def __init__(self, part: SubOrder, plan: Plan) -> None:
        self.known, self.carriers = tables.current(), carriers_in_use()
        self.trip = sourcing.read_trips([plan], timezone.now()).get(part.pk)

    def of(self, one: Candidate) -> tuple[datetime | None, int | None]:
        """When it would arrive, and the freight."""
        way = today.carriage(self.known, self.trip.to(one.warehouse_id), self.carriers) if self.trip else None
        return (way.arrival.latest_at, way.freight.fen) if way else (None, None)


def check_target(part: SubOrder, warehouse_id: int) -> None:
    """Raises CannotMove where the warehouse does not have all of the sub-order, refused it, or has it already."""
    found = next((one for one in options(part) if one.warehouse_id == warehouse_id), None)
    if found is None or not found.is_possible:
        raise CannotMove(_("That warehouse cannot send all of it now. Look at the table again."))


def best_in_time(part: SubOrder) -> int | None:
    """The warehouse (id) that could send all of it earliest, if that is by when it is promised; None where none is."""
    promised_by = (
        DeliveryPromise.objects.filter(order_id=part.order_id, sub_order_id=part.pk, superseded_at=None)
        .values_list("promised_by", flat=True)
        .first()
    )
    if promised_by is None:
        return None
    in_time = [
        (one.arrives_at, one.km, one.warehouse_id)
        for one in options(part)
        if one.is_possible and one.arrives_at is not None and one.arrives_at <= promised_by
    ]
    return min(in_time)[2] if in_time else None


def note_wish(part: SubOrder, warehouse_id: int | None) -> None:
    """Keep for the allocation where a locked sub-order comes from, and where it shall go (None: where rules say)."""
    avoids = Coalesce(F("avoids"), Value([], output_field=SubOrder._meta.get_field("avoids")))
    SubOrder.objects.filter(pk=part.pk).update(
        wished_warehouse_id=warehouse_id,
        avoids=Func(avoids, Value(part.warehouse_id), function="array_append"),
    )


def source_anew(part: SubOrder, *, actor: Actor) -> None:
    """Free the stock of a locked sub-order that no warehouse has yet; it is allocated anew at once."""
    code = Warehouse.objects.filter(pk=part.warehouse_id or 0).values_list("code", flat=True).first()
    SubOrder.objects.filter(pk=part.pk).update(
        state=SubOrderState.AWAITING_ALLOCATION,
        warehouse=None,
        allocated_at=None,
        sourcing=None,
        ready_at=timezone.now(),
        attempts=0,
        last_error="",
    )
    lines = SubOrderLine.objects.filter(sub_order_id=part.pk).values_list("id", flat=True)
    reserving.release(list(lines), actor=actor.name, note=MovementNote.AWAITING_ALLOCATION)
    timeline.record(
        part.order_id,
        kinds.MOVED_AWAY,
        actor,
        sub_order_id=part.pk,
        from_state=part.state,
        to_state=SubOrderState.AWAITING_ALLOCATION,
        number=part.number,
        warehouse=code,
        sourcing=part.sourcing,
    )
