"""Acting on suggestions: they become purchase orders and transfers."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now

from inventory import purchasing, reserving, transferring
from inventory.models import (
    ReplenishmentSuggestion,
    Stock,
    SuggestionKind,
    SuggestionState,
)
from inventory.purchasing import Bought
from inventory.replenishing import demand
from inventory.transferring import Moved
from oms.common.errors import OmsError

Group = Sequence[ReplenishmentSuggestion]


def act(suggestions: Sequence[ReplenishmentSuggestion], *, actor: str) -> dict[int, OmsError]:
    """Buy and move what the open, locked suggestions (with `policy`, its SKU and warehouse, and `source`) say, in
    the running transaction: one purchase order for each merchant and warehouse, one transfer for each pair of them.

    Returns why suggestions were refused, by id: those stay open.
    """
    groups: dict[tuple[int, int, int | None], list[ReplenishmentSuggestion]] = defaultdict(list)
    for one in sorted(suggestions, key=lambda one: one.pk):
        groups[one.policy.sku.merchant_id, one.policy.warehouse_id, one.source_id].append(one)
    _lock_donors(suggestions)
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


def _lock_donors(suggestions: Group) -> None:
    """Lock the stock of all moves in the one order: each transfer sets its units aside by itself."""
    moves = {(one.source_id, one.policy.sku_id) for one in suggestions if one.kind == SuggestionKind.MOVE}
    if not moves:
        return
    rows = Stock.objects.filter(warehouse__in={place for place, _sku in moves}, sku__in={sku for _place, sku in moves})
    places = rows.values_list("pk", "warehouse_id", "sku_id")
    reserving.lock_stock([key for key, warehouse, sku in places if (warehouse, sku) in moves])


def _buy(group: Group, actor: str) -> Mapping[str, object]:
    """A draft whose lines have the days on which the policies' lead times are over; whom to buy from, and when it
    should come, is for a person to say."""
    day, first = demand.today(), group[0].policy
    lines = [
        Bought(one.policy.sku.code, one.quantity, day + timedelta(days=math.ceil(one.policy.lead_days)))
        for one in group
    ]
    made = purchasing.order(first.sku.merchant, _reference(group), first.warehouse, lines, is_draft=True, actor=actor)
    return {"purchase_order": made}


def _reference(group: Group) -> str:
    return f"RP{demand.today():%y%m%d}-{group[0].pk}"


def _move(group: Group, actor: str) -> Mapping[str, object]:
    """A transfer whose units are set aside at once, so that nobody else is given them; it waits to be sent."""
    source = group[0].source
    assert source is not None  # noqa: S101 - a constraint says so
    lines = [Moved(one.policy.sku, one.quantity) for one in group]
    made = transferring.draft(source, group[0].policy.warehouse, lines, actor=actor, reference=_reference(group))
    transferring.approve(made.pk, actor=actor)
    return {"transfer": made}
