"""Units that are set aside for the orders of a batch: each sub-order may use its own, and nobody else."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from inventory import holding
from inventory.holding import Piece
from inventory.reserving import SetAside
from inventory.sourcing.choosing import Available, Choice
from inventory.sourcing.drawing import by_sku
from orders.fulfilling.plans import Plan

Own = Mapping[int, Sequence[Piece]]


def of(plans: Sequence[Plan]) -> Own:
    """What of it each plan (by its id) may use: no more than it wants, of its candidates' first. One statement, and
    none where nothing is set aside."""
    hold_ids = {plan.stock_hold_id for plan in plans if plan.stock_hold_id}
    if not hold_ids:
        return {}
    left = holding.pieces(hold_ids)
    return {plan.id: _share(plan, left[plan.stock_hold_id]) for plan in plans if plan.stock_hold_id in left}


def _share(plan: Plan, left: list[Piece]) -> list[Piece]:
    """The plan's part of what is set aside for its order; what is left for the order's others stays in `left`."""
    wanted = Counter(by_sku(plan.wants))
    nearest = {candidate.warehouse_id: place for place, candidate in enumerate(plan.candidates)}
    mine, others = [], []
    for piece in sorted(left, key=lambda one: nearest.get(one.warehouse_id, len(nearest))):
        units = min(piece.quantity, wanted[piece.sku_id])
        wanted[piece.sku_id] -= units
        if units:
            mine.append(_of(piece, units))
        if units < piece.quantity:
            others.append(_of(piece, piece.quantity - units))
    left[:] = others
    return mine


def _of(piece: Piece, units: int) -> Piece:
    return Piece(piece.demand_id, piece.stock_id, piece.warehouse_id, piece.sku_id, units)


def offer(own: Iterable[Piece], available: Available) -> None:
    """Add a plan's own units to what is available, for its choice alone."""
    for piece in own:
        key = (piece.warehouse_id, piece.sku_id)
        available[key] = available.get(key, 0) + piece.quantity


def take_back(own: Sequence[Piece], choice: Choice, available: Available) -> None:
    """Take what the choice left of its own units off what is available again."""
    if not own:
        return
    taken = Counter[tuple[int, int]]()
    for candidate, takes in choice.parts:
        for take in takes:
            taken[candidate.warehouse_id, take.sku_id] += take.quantity
    for piece in own:
        key = (piece.warehouse_id, piece.sku_id)
        used = min(piece.quantity, taken[key])
        taken[key] -= used
        available[key] -= piece.quantity - used


def claims(own: Own) -> dict[int, list[SetAside]]:
    """What the plans give up once they are served, as `reserving` asks for it."""
    return {
        group: [SetAside(piece.demand_id, piece.stock_id, piece.quantity) for piece in pieces]
        for group, pieces in own.items()
    }
