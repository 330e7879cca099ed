"""Watching positions: a dip to the line is told once, by a ticket, with suggestions what to do about it."""

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Mod, Now
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from inventory import hosting
from inventory.models import (
    LineMethod,
    ReplenishmentPolicy,
    ReplenishmentSuggestion,
    RunsBy,
    SuggestionState,
)
from inventory.replenishing import acting
from inventory.replenishing.donors import spare
from inventory.replenishing.formulas import Levels, Standing, quantity_to_order
from inventory.replenishing.standing import standings
from inventory.replenishing.suggesting import Need, moved_out, proposals
from oms.common import tickets
from oms.common.codebook import ACTORS
from oms.common.models import Team
from oms.common.tickets import Shown, Trouble

NAME = "replenish"
ACTORS.add({NAME: _("Watch alert lines")})
BATCH = 2_000
# Each run looks at the warehouses of one part, so that what one of them needs is bought together.
PARTS = 5

STOCK_LOW = tickets.register_kind(
    tickets.TicketKind(
        "stock_low",
        _("Stock is at its alert line"),
        "replenishment_policy",
        team=Team.LOGISTICS,
        due_within=timedelta(days=1),
        reasons={
            "": _("%(sku)s at %(warehouse)s: %(position)d units count, and the line is %(line)d."),
        },
        remedies=_("Decide on its suggestions, or snooze its alert line."),
        can_retry=False,
    )
)


def _shown(policy_ids: Collection[int]) -> dict[int, Shown]:
    policies = ReplenishmentPolicy.objects.filter(pk__in=policy_ids).select_related("warehouse", "sku")
    return {
        one.pk: Shown(str(one), reverse("admin:inventory_replenishmentpolicy_change", args=[one.pk]))
        for one in policies
    }


tickets.register_subject("replenishment_policy", _shown)


def watch(*, part: int, seconds: float) -> int:
    """Look at one part of all policies, batch by batch, until the seconds are over; returns how many dips began."""
    until, after, dips = time.monotonic() + seconds, 0, 0
    while time.monotonic() < until:
        with transaction.atomic():
            policies = _claim(part, after)
            dips += _judge(policies)
        if len(policies) < BATCH:
            break
        after = policies[-1].pk
    return dips


def _claim(part: int, after: int) -> list[ReplenishmentPolicy]:
    """The next policies of the part, locked; those that somebody works on are looked at the next time."""
    found = ReplenishmentPolicy.objects.filter(Q(is_active=True) | Q(below_since__isnull=False), pk__gt=after)
    found = found.annotate(part=Mod(F("warehouse_id"), PARTS)).filter(part=part % PARTS).order_by("pk")
    related = found.select_related("sku__merchant", "warehouse")
    return list(related.select_for_update(no_key=True, skip_locked=True, of=("self",))[:BATCH])


@dataclass(slots=True)
class _Moves:
    """Policies whose position came down to the line, and those with one above it again."""

    down: list[ReplenishmentPolicy] = field(default_factory=list)
    up: list[int] = field(default_factory=list)


def _judge(policies: Sequence[ReplenishmentPolicy]) -> int:
    """Begin and end dips of the locked policies; returns how many began."""
    found = standings([(one.warehouse_id, one.sku_id) for one in policies])
    below = _kept(
        one.pk
        for one in policies
        if _is_watched(one) and found[one.warehouse_id, one.sku_id].position <= one.reorder_point
    )
    moves = _Moves()
    still = []
    for one in policies:
        is_below = one.pk in below
        if is_below and one.below_since is None:
            moves.down.append(one)
        elif one.below_since is not None and not is_below:
            moves.up.append(one.pk)
        elif is_below:
            still.append(one)
    end_dips(moves.up)
    _begin_dips(moves.down, [found[one.warehouse_id, one.sku_id] for one in moves.down])
    more = _acted_on_too_little(still)
    _suggest(more, [found[one.warehouse_id, one.sku_id] for one in more])
    return len(moves.down)


def _acted_on_too_little(policies: Sequence[ReplenishmentPolicy]) -> list[ReplenishmentPolicy]:
    """Those at their line still though all that was suggested is done: more was sold before somebody decided."""
    if not policies:
        return []
    states: dict[int, set[str]] = {}
    made = ReplenishmentSuggestion.objects.filter(policy__in=[one.pk for one in policies])
    since = made.filter(created_at__gte=F("policy__below_since")).order_by()
    for policy_id, state in since.values_list("policy", "state"):
        states.setdefault(policy_id, set()).add(state)
    return [one for one in policies if states.get(one.pk) == {SuggestionState.DONE}]


def _kept(policy_ids: Iterable[int]) -> set[int]:
    """Those whose goods their warehouse still keeps, and which is open: nothing is bought for one that their merchant
    left, or that was closed."""
    # The condition is one on rows of a SKU at a warehouse, as these are.
    kept = ReplenishmentPolicy.objects.filter(hosting.is_kept(), warehouse__is_active=True, pk__in=list(policy_ids))
    return set(kept.values_list("pk", flat=True))


def _is_watched(policy: ReplenishmentPolicy) -> bool:
    is_computed = policy.method == LineMethod.FIXED or policy.computed_on is not None
    return policy.is_active and is_computed and not policy.is_snoozed


def end_dips(policy_ids: Sequence[int], *, by: str = NAME) -> None:
    """Nothing is to be done at the locked policies (ids) any more: their tickets close, their suggestions go."""
    if not policy_ids:
        return
    ReplenishmentPolicy.objects.filter(pk__in=policy_ids).update(below_since=None, changed_at=Now())
    open_ones = ReplenishmentSuggestion.objects.open().filter(policy__in=policy_ids)
    open_ones.update(state=SuggestionState.WITHDRAWN, decided_at=Now(), decided_by=by)
    tickets.close_tickets([STOCK_LOW], policy_ids, closed_by=by)


def _begin_dips(policies: Sequence[ReplenishmentPolicy], found: Sequence[Standing]) -> None:
    if not policies:
        return
    ReplenishmentPolicy.objects.filter(pk__in=[one.pk for one in policies]).update(below_since=Now(), changed_at=Now())
    _suggest(policies, found)


def _suggest(policies: Sequence[ReplenishmentPolicy], found: Sequence[Standing]) -> None:
    """Tell a person how these stand, and say what to do about it."""
    if not policies:
        return
    troubles = [
        Trouble(
            one.pk,
            "",
            {
                "sku": one.sku.code,
                "warehouse": one.warehouse.code,
                "position": standing.position,
                "line": one.reorder_point,
            },
        )
        for one, standing in zip(policies, found, strict=True)
    ]
    tickets.open_tickets(STOCK_LOW, troubles, opened_by=NAME)
    made = ReplenishmentSuggestion.objects.bulk_create(_suggestions(policies, found))
    acting.act([one for one in made if one.policy.runs_by == RunsBy.RULE], actor=NAME)


def _suggestions(policies: Sequence[ReplenishmentPolicy], found: Sequence[Standing]) -> list[ReplenishmentSuggestion]:
    left = spare({one.sku_id for one in policies})
    made = []
    for one, standing in zip(policies, found, strict=True):
        at = Levels(one.reorder_point, one.order_up_to)
        units = quantity_to_order(standing.position, at, pack=one.pack_size, minimum=one.minimum_quantity)
        need = Need(one.warehouse_id, one.sku_id, units, one.pack_size, one.minimum_quantity, float(one.lead_days))
        proposed = proposals(need, left.donors(one.warehouse_id, one.sku_id))
        left.take(one.sku_id, moved_out(proposed))
        made += [
            ReplenishmentSuggestion(
                policy=one,
                kind=proposal.kind,
                source_id=proposal.source_id,
                quantity=proposal.units,
                position=standing.position,
                reorder_point=at.reorder_point,
                order_up_to=at.order_up_to,
            )
            for proposal in proposed
        ]
    return made
