"""Acting on suggestions: they become purchase orders and transfers."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from inventory import purchasing
from inventory.models import (
    ReplenishmentSuggestion,
    Sku,
    SuggestionKind,
    SuggestionState,
    Warehouse,
)
from inventory.purchasing import Bought
from inventory.replenishing import demand
from oms.common.errors import OmsError


class CannotMove(OmsError):
    """Nothing moves goods between warehouses by itself."""

    code = "cannot_move"


Group = Sequence[ReplenishmentSuggestion]


def act(suggestions: Sequence[ReplenishmentSuggestion], *, actor: str) -> dict[int, OmsError]:
    """Buy and move what the open, locked suggestions (with `policy`, its SKU and warehouse, and `source`) say, in
    the running transaction: one purchase order for each merchant and warehouse, one transfer for each pair of them.

    Returns why suggestions were refused, by id: those stay open.
    """
    groups: dict[tuple[int, int, int | None], list[ReplenishmentSuggestion]] = defaultdict(list)
    for one in sorted(suggestions, key=lambda one: one.pk):
        groups[one.policy.sku.merchant_id, one.policy.warehouse_id, one.source_id].append(one)
    refused: dict[int, OmsError] = {}
    for group in groups.values():
        way = _buy if group[0].kind == SuggestionKind.BUY else _move
        try:
            with transaction.atomic():
                made = way(group, actor)
                ids = [one.pk for one in group]
                ReplenishmentSuggestion.objects.filter(pk__in=ids).update(
                    state=SuggestionState.DONE, decided_at=Now(), decided_by=actor, **made
                )
        except OmsError as error:
            refused |= dict.fromkeys([one.pk for one in group], error)
    return refused


def _buy(group: Group, actor: str) -> Mapping[str, object]:
    """A purchase order whose lines are expected when the policies' lead times are over; whom to buy from is for a
    person to say."""
    day, first = demand.today(), group[0].policy
    lines = [
        Bought(one.policy.sku.code, one.quantity, day + timedelta(days=math.ceil(one.policy.lead_days)))
        for one in group
    ]
    made = purchasing.order(first.sku.merchant, _reference(group), first.warehouse, lines, actor=actor)
    return {"purchase_order": made}


def _reference(group: Group) -> str:
    return f"RP{demand.today():%y%m%d}-{group[0].pk}"


def _move(group: Group, actor: str) -> Mapping[str, object]:
    source = group[0].source
    assert source is not None  # noqa: S101 - a constraint says so
    lines = [(one.policy.sku, one.quantity) for one in group]
    move(source, group[0].policy.warehouse, lines, actor=actor, reason=_reference(group))
    return {}


def move(source: Warehouse, target: Warehouse, lines: Sequence[tuple[Sku, int]], *, actor: str, reason: str) -> None:
    """Have the units (SKU and how many) moved from one warehouse to the other.

    Raises CannotMove: there are no transfers between warehouses yet, so a person has to move the goods.
    """
    units = sum(count for _sku, count in lines)
    text = _("A person has to move the %(units)d units from %(source)s to %(target)s.")
    raise CannotMove(text % {"units": units, "source": source.code, "target": target.code})
