"""Taking sub-orders from their warehouses, so that others send them (转仓): by staff, or where a cut-off was missed.

What was never sent to the warehouse is taken back at once. Else the warehouse is asked to stop first; what it answers
decides, and only then another one is chosen and told (`giving_up.source_anew`): nothing is ever sent twice.
"""

from collections.abc import Collection

from django.db import connection, transaction
from django.utils import timezone

from inventory.models import SourcingRuleSet
from logistics.models import WarehouseOrderState
from logistics.warehouses import giving_up, stopping, works
from logistics.warehouses.works import GivenUp
from oms.common.copying import array
from oms.common.states import listed
from oms.common.work import clock, nudging
from oms.common.work.claiming import Stage
from orders import actors, isolating, kinds
from orders.actors import Actor
from orders.fulfilling import moving
from orders.fulfilling.moving import CannotMove
from orders.locking import lock_order, lock_sub_orders, mark_changed
from orders.models import PromiseOutcome, SubOrder, SubOrderState
from orders.promising.keeping import MISSED_AFTER
from orders.telling import timeline

NAME = "move_late"
_LATE = (SubOrderState.ALLOCATED, SubOrderState.RELEASED)


@transaction.atomic
def move(sub_order_id: int, *, to: int | None = None, actor: Actor, version: int | None = None) -> SubOrder:
    """Take the sub-order from its warehouse; `to` (id) sends it then if it still has everything, else whom the rules
    choose. Returns it, awaiting allocation or being moved.

    Raises CannotMove, ChangedMeanwhile (`version` is the order's), SubOrder.DoesNotExist.
    """
    order_id = SubOrder.objects.values_list("order_id", flat=True).get(pk=sub_order_id)
    order = lock_order(order_id, version=version)
    part = next(one for one in lock_sub_orders(order_id) if one.pk == sub_order_id)
    part.order = order
    if blocked := moving.obstacle(part):
        raise CannotMove(blocked)
    if to is not None:
        moving.check_target(part, to)
    take_away(part, to, actor)
    return SubOrder.objects.get(pk=sub_order_id)


def take_away(part: SubOrder, to: int | None, actor: Actor) -> None:
    """As `move`, of a locked sub-order of a locked order that may be moved."""
    moving.note_wish(part, to)
    # Where its parts lie is what was looked at: who presses a button of an older page would take it away once more.
    mark_changed(part.order_id)
    if part.state == SubOrderState.ALLOCATED:
        moving.source_anew(part, actor=actor)
        nudging.nudge("allocate")
        return
    ask_to_give_up([part.pk], actor)


def ask_to_give_up(sub_order_ids: Collection[int], actor: Actor) -> None:
    """Ask the warehouses of locked sub-orders, which they have, to give them up; they are sourced anew then."""
    SubOrder.objects.filter(pk__in=sub_order_ids).update(moving_since=timezone.now())
    timeline.record_of_sub_orders(sub_order_ids, kinds.MOVE_ASKED, actor)
    held = works.lock(stopping.current_works(list(sub_order_ids)))
    unsent = [work for work in held.values() if work.state == WarehouseOrderState.INTENDED and not work.was_sent]
    giving_up.give_up([GivenUp(work, WarehouseOrderState.CANCELLED) for work in unsent])
    stopping.ask_to_stop([key for key, work in held.items() if work not in unsent and not work.is_asked_to_stop])
    nudging.nudge("allocate")


def _missed() -> str:
    """SQL for the sub-orders `s` with their promises `p` that missed their cut-off; none where no rules ask for it."""
    return f"""
        orders_deliverypromise p JOIN orders_suborder s ON s.id = p.sub_order_id AND s.order_id = p.order_id
        JOIN orders_order o ON o.id = s.order_id
        -- Asked once: where nobody wants it, nothing is looked at.
        WHERE EXISTS (SELECT FROM inventory_sourcingruleset
                      WHERE state = '{SourcingRuleSet.State.ACTIVE}' AND moves_after_cutoff)
          AND p.superseded_at IS NULL AND p.outcome = '{PromiseOutcome.OPEN}' AND p.warehouse_id = s.warehouse_id
          AND {_due()} < now()
          AND s.state IN ({listed(_LATE)}) AND s.moving_since IS NULL AND s.cancel_requested_at IS NULL
          AND NOT s.is_held AND coalesce(s.ship_not_before, '-infinity') <= now()
          -- Once from each warehouse.
          AND s.warehouse_id <> ALL (coalesce(s.avoids, '{{}}'))
          -- The rules that count for it, as `Book.rules_for` finds them.
          AND (SELECT r.moves_after_cutoff FROM inventory_sourcingruleset r
               WHERE r.state = '{SourcingRuleSet.State.ACTIVE}'
                 AND (r.merchant_id IS NULL OR r.merchant_id = s.merchant_id)
                 AND (r.channel_id IS NULL OR r.channel_id = o.channel_id)
               ORDER BY r.merchant_id IS NULL, r.channel_id IS NULL LIMIT 1)
    """


def _due() -> str:
    return f"p.cutoff_at + make_interval(secs => {clock.scaled(MISSED_AFTER).total_seconds()})"


def backlog() -> str:
    """What missed its cut-off."""
    return f"SELECT {_due()} AS due, {isolating.needs_person('s.order_id')} AS needs_person FROM {_missed()}"


def run(limit: int) -> int:
    """Move up to `limit` sub-orders that missed their cut-off, where rules say so and another warehouse keeps the
    promise; returns how many."""
    with connection.cursor() as cursor:
        # The order is locked before its sub-orders, so this only reads.
        cursor.execute(f"SELECT s.id, s.order_id FROM {_missed()} ORDER BY p.cutoff_at LIMIT %s", [limit])
        found = cursor.fetchall()
    return isolating.work_on(NAME, found, _move_late)


def _move_late(sub_order_ids: list[int], _order_ids: list[int]) -> int:
    moved = 0
    actor = actors.job(NAME)
    with connection.cursor() as cursor:
        # All of it is looked at again, now that it cannot change.
        cursor.execute(
            f"SELECT s.id FROM {_missed()} AND s.id = ANY(%s::bigint[]) ORDER BY s.id FOR NO KEY UPDATE OF s",
            [array(sub_order_ids)],
        )
        mine = [key for (key,) in cursor.fetchall()]
    for part in SubOrder.objects.select_related("order").filter(pk__in=mine).order_by("pk"):
        better = moving.best_in_time(part)
        if better is not None:
            take_away(part, better, actor)
            moved += 1
        else:
            # It is not looked at again: its warehouse is one that it avoids now, and nobody would be faster.
            moving.note_wish(part, None)
    return moved


STAGE = Stage(NAME, run, wakes=("allocate", "send_stop"), backlog=backlog)
