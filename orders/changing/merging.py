"""Merging sub-orders of several orders into one parcel (合单), and parting them again, before they are released.

Each order keeps its own lines, money, invoice and state: nothing is moved between orders but the way to the buyer.
Coupons and promotions stay those of each order; gift rules are applied to each order by itself (`orders.gifts`).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from django.db import connection, transaction
from django.db.models import Count
from django.utils.translation import gettext as _

from oms.common.copying import array
from oms.common.errors import OmsError
from oms.common.work import nudging
from orders.actors import Actor, job
from orders.asked import after_sales
from orders.changing import kinds
from orders.changing.merge_fits import Candidate, Fit, fit, read, siblings_of
from orders.changing.merge_guard import ACTOR
from orders.locking import lock_orders_of
from orders.models import MergeGroup, SubOrder, SubOrderState
from orders.telling import timeline

# What goes in one parcel.
MOST = 20


class CannotMerge(OmsError):
    """The sub-orders do not belong into one parcel, or not any more."""

    code = "cannot_merge"


@transaction.atomic
def merge(sub_order_ids: Collection[int], *, actor: Actor) -> MergeGroup:
    """Let these sub-orders of several orders go out together; one that is merged already brings its own company.

    Raises CannotMerge, naming the sub-order and the reason.
    """
    wanted = _with_company(sub_order_ids)
    parts = SubOrder.objects.filter(pk__in=wanted)
    lock_orders_of(parts)
    locked = list(parts.order_by("pk").select_for_update(no_key=True, of=("self",)))
    candidates = _read(locked)
    blocked = obstacle(candidates)
    if blocked:
        raise CannotMerge(blocked)
    if len({part.merge_group_id or -part.pk for part in locked}) == 1:
        # Somebody else did it first: told twice, it would be a merge twice.
        raise CannotMerge(_("These sub-orders go together already."))
    parts.update(goes_alone=False)
    group = _join([[part.pk for part in locked]], actor=actor, is_automatic=False)[0]
    nudging.nudge("release")
    return group


def _with_company(sub_order_ids: Collection[int]) -> list[int]:
    groups = SubOrder.objects.filter(pk__in=sub_order_ids, merge_group__isnull=False).values("merge_group")
    company = SubOrder.objects.filter(merge_group__in=groups, state=SubOrderState.ALLOCATED)
    return sorted({*sub_order_ids, *company.values_list("pk", flat=True)})


def _read(parts: Iterable[SubOrder]) -> list[Candidate]:
    """What decides whether locked sub-orders may be merged."""
    wanted = {part.pk: part.order_id for part in parts}
    return [one for one in read(set(wanted.values())) if one.sub_order_id in wanted]


def obstacle(candidates: Sequence[Candidate]) -> str | None:
    """Why these sub-orders cannot go in one parcel, naming one of them; None where they can."""
    if len({one.order_id for one in candidates}) < 2:
        return _("Choose sub-orders of at least two orders.")
    if len(candidates) > MOST:
        return _("At most %(most)d sub-orders go in one parcel.") % {"most": MOST}
    first = candidates[0]
    against = after_sales.objections({one.order_id for one in candidates})
    for one in candidates:
        why = one.obstacle_text
        if not why and against.get(one.order_id):
            why = str(against[one.order_id][0].label)
        if not why and one.warehouse_id != first.warehouse_id:
            why = _("it is at another warehouse than %(number)s") % {"number": first.number}
        if not why and one.order_id != first.order_id and fit(first, one) != Fit.CERTAIN:
            why = _("it does not go to the recipient of %(number)s in the same way") % {"number": first.number}
        if why:
            return _("%(number)s cannot be merged: %(why)s") % {"number": one.number, "why": why}
    return None


def _join(groups: Sequence[Sequence[int]], *, actor: Actor, is_automatic: bool) -> list[MergeGroup]:
    """Make a merge of each of these groups of locked sub-orders (ids), and tell it. As many statements for many."""
    warehouses = dict(
        SubOrder.objects.filter(pk__in=[key for keys in groups for key in keys]).values_list("pk", "warehouse_id")
    )
    made = MergeGroup.objects.bulk_create(
        MergeGroup(warehouse_id=warehouses[keys[0]], is_automatic=is_automatic, opened_by=actor.name) for keys in groups
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH joined AS (
                UPDATE orders_suborder s SET merge_group_id = n.group_id
                FROM unnest(%(ids)s::bigint[], %(groups)s::bigint[]) AS n(id, group_id) WHERE s.id = n.id
                RETURNING s.id, s.order_id, s.number, n.group_id
            )
            INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, data)
            SELECT j.order_id, j.id, '{kinds.MERGED}', %(actor_kind)s, %(actor)s,
                jsonb_build_object('number', j.number, 'others', (
                    SELECT jsonb_agg(o.number ORDER BY o.id) FROM joined o
                    WHERE o.group_id = j.group_id AND o.id <> j.id))
            FROM joined j ORDER BY j.id
            """,
            {
                "ids": array(key for keys in groups for key in keys),
                "groups": array(group.pk for keys, group in zip(groups, made, strict=True) for _key in keys),
                "actor_kind": actor.kind,
                "actor": actor.name,
            },
        )
    return made


@transaction.atomic
def unmerge(sub_order_id: int, *, actor: Actor) -> SubOrder:
    """Let the sub-order go by itself again; where only one other is left, that one goes by itself, too (by the trigger
    of `merge_guard`).

    Raises CannotMerge where it is not merged, or its warehouse has it already; SubOrder.DoesNotExist.
    """
    company = _with_company([sub_order_id])
    parts = SubOrder.objects.filter(pk__in=company)
    lock_orders_of(parts)
    locked = {part.pk: part for part in parts.order_by("pk").select_for_update(no_key=True, of=("self",))}
    part = locked.get(sub_order_id) or SubOrder.objects.get(pk=sub_order_id)
    if part.merge_group_id is None:
        raise CannotMerge(_("Sub-order %(number)s goes by itself.") % {"number": part.number})
    if part.state != SubOrderState.ALLOCATED:
        raise CannotMerge(
            _("Its warehouse has the parcel already: sub-order %(number)s is part of it.") % {"number": part.number}
        )
    leave([part.pk], "by_hand", actor=actor)
    SubOrder.objects.filter(pk=part.pk).update(goes_alone=True)
    nudging.nudge("release")
    return SubOrder.objects.get(pk=sub_order_id)


def part_from_others(order_id: int, why: str, *, actor: Actor) -> None:
    """Let what a locked order has merged, and no warehouse has yet, go by itself: its recipient is another one now."""
    mine = SubOrder.objects.filter(order=order_id, state=SubOrderState.ALLOCATED, merge_group__isnull=False)
    leave(list(mine.order_by("pk").values_list("pk", flat=True)), why, actor=actor)


def leave(sub_order_ids: Sequence[int], why: str, *, actor: Actor) -> None:
    """Take locked sub-orders out of their merges and tell it; `why` is a code of `orders.telling.story`."""
    if not sub_order_ids:
        return
    SubOrder.objects.filter(pk__in=sub_order_ids).update(merge_group=None)
    timeline.record_of_sub_orders(sub_order_ids, kinds.UNMERGED, actor, why=why)


def together(order_ids: Collection[int]) -> tuple[list[list[Candidate]], list[Candidate]]:
    """Of these orders, the sub-orders that belong into one parcel each and can be merged now, and those that stay
    alone. One statement."""
    found: dict[object, list[Candidate]] = {}
    alone = []
    for one in read(order_ids):
        if one.obstacle is None and one.who is not None:
            found.setdefault((one.who, one.how, one.goods, one.warehouse_id), []).append(one)
        elif one.obstacle != "released":
            alone.append(one)
    groups = [own for own in found.values() if len({one.order_id for one in own}) > 1]
    alone += [one for own in found.values() if len({each.order_id for each in own}) < 2 for one in own]
    return groups, alone


# --- By itself, and with what is released


@dataclass(slots=True)
class Gathered:
    """What a batch of the release stage comes to: who goes with whom (the first one's number is the parcel's), by
    lead; what waits for others of its buyer; and what waits for one of its company that somebody else holds."""

    leads: dict[int, int] = field(default_factory=dict)
    waits: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A locked sub-order that may be released. `group_id`: it is merged. `merges`: its channel merges by itself;
    `is_early`: others of its buyer may still come."""

    id: int
    order_id: int
    group_id: int | None
    merges: bool
    is_early: bool


def gather(claimed: Sequence[Claimed]) -> Gathered:
    """Who of these locked sub-orders is released with whom. Members of merges are locked as far as nobody holds them;
    who does not fit any more leaves; where channels say so, merges are made. No statement where nothing is merged."""
    found = Gathered(leads={one.id: one.id for one in claimed if one.group_id is None and not one.merges})
    asked = [one for one in claimed if one.id not in found.leads]
    if not asked:
        return found
    found.waits += [one.id for one in asked if one.group_id is None and one.is_early]
    asked = [one for one in asked if one.id not in found.waits]
    _add_groups([one for one in asked if one.group_id is not None], found)
    _add_new([one for one in asked if one.group_id is None], found)
    return found


def _lock(where: str, values: Collection[int]) -> list[tuple[int, int, int | None]]:
    """Sub-orders that no warehouse has, as (id, order id, merge); those that others hold are skipped."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT s.id, s.order_id, s.merge_group_id FROM orders_suborder s
            WHERE s.{where} = ANY(%s::bigint[]) AND s.state = '{SubOrderState.ALLOCATED}'
            ORDER BY s.id FOR NO KEY UPDATE SKIP LOCKED
            """,
            [array(values)],
        )
        return cursor.fetchall()


def _add_groups(asked: Sequence[Claimed], found: Gathered) -> None:
    if not asked:
        return
    groups = {one.group_id for one in asked if one.group_id is not None}
    waiting = SubOrder.objects.filter(merge_group__in=groups, state=SubOrderState.ALLOCATED).order_by()
    sizes = dict(waiting.values_list("merge_group").annotate(Count("pk")))
    members: dict[int, list[tuple[int, int]]] = {}
    for key, order_id, group_id in _lock("merge_group_id", groups):
        if group_id is not None:
            members.setdefault(group_id, []).append((key, order_id))
    fitting = _fitting([order_id for own in members.values() for _key, order_id in own])
    for group_id, own in members.items():
        if len(own) < sizes.get(group_id, 0):
            # Somebody changes one of them just now.
            found.waits += [one.id for one in asked if one.group_id == group_id]
            continue
        together, alone = _sorted_out([key for key, _order_id in own], fitting)
        leave(alone, "no_longer_fits", actor=job(ACTOR))
        found.leads |= dict.fromkeys(together, min(together, default=0))
        found.leads |= {one.id: one.id for one in asked if one.id in alone}


def _add_new(asked: Sequence[Claimed], found: Gathered) -> None:
    if not asked:
        return
    own_orders = {one.order_id for one in asked}
    others = {order_id for more in siblings_of(own_orders).values() for order_id in more}
    free = [(key, order_id) for key, order_id, group_id in _lock("order_id", others - own_orders) if group_id is None]
    fitting = {
        key: one for key, one in _fitting(own_orders | {order_id for _key, order_id in free}).items() if one.by_itself
    }
    mine = [one.id for one in asked]
    left = {*mine, *(key for key, _order_id in free)}
    groups = []
    for one in sorted(mine):
        if one not in left:
            continue
        together = [one]
        if one in fitting:
            together = _sorted_out([one, *sorted(left - {one})], fitting)[0][:MOST] or [one]
        left -= set(together)
        found.leads |= dict.fromkeys(together, min(together))
        if len(together) > 1:
            groups.append(together)
    found.waits = [key for key in found.waits if key not in found.leads]
    if groups:
        _join(groups, actor=job(ACTOR), is_automatic=True)


def _fitting(order_ids: Collection[int]) -> dict[int, Candidate]:
    """What may be merged now of the orders' sub-orders, by id."""
    against = after_sales.objections(set(order_ids))
    return {
        one.sub_order_id: one
        for one in read(set(order_ids))
        if one.sub_order_id is not None and one.obstacle is None and not against.get(one.order_id)
    }


def _sorted_out(keys: Sequence[int], fitting: dict[int, Candidate]) -> tuple[list[int], list[int]]:
    """Who of these sub-orders (ids) goes with the first one that may be merged, and who does not; nobody goes with
    others of its own order alone."""
    first = next((fitting[key] for key in keys if key in fitting), None)
    together = [
        key
        for key in keys
        if first is not None
        and key in fitting
        and fitting[key].warehouse_id == first.warehouse_id
        and (fitting[key].order_id == first.order_id or fit(first, fitting[key]) == Fit.CERTAIN)
        and (fitting[key].order_id != first.order_id or fitting[key].goods == first.goods)
    ]
    if len({fitting[key].order_id for key in together}) < 2:
        together = []
    return together, [key for key in keys if key not in together]
