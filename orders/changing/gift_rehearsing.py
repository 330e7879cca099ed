"""Rehearsing gift rules: what a rule would have given to the last orders, beside the rules that are active.

Stock is taken as enough; a buyer's limits count the orders that were looked at, by when they were ordered.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from django.db.models import Q

from orders.changing import gift_rules, gifts
from orders.changing.gift_rules import Facts, Rule
from orders.models import GiftRule, Order
from orders.models.gift_rule import TimeKind

MOST_ORDERS = 10_000
_SHOWN = 20
_ENOUGH = 10**9
_BATCH = 2_000


@dataclass(slots=True)
class Rehearsed:
    """What a rule would have given: to how many of the orders that were looked at, units in all, and the newest orders
    (ids, with units)."""

    orders: int = 0
    served: int = 0
    units: int = 0
    newest: list[tuple[int, int]] = field(default_factory=list)
    numbers: dict[int, str] = field(default_factory=dict)

    @property
    def examples(self) -> list[tuple[int, str, int]]:
        """Order id, number and units of the newest ones."""
        return [(key, self.numbers[key], units) for key, units in self.newest]


def rehearse(rule_id: int, count: int) -> Rehearsed:
    """What the rule would have given to the last `count` orders (at most MOST_ORDERS) whose review is over. Reads only;
    a fixed number of statements for each 2,000 orders. Raises GiftRule.DoesNotExist."""
    GiftRule.objects.only("pk").get(pk=rule_id)
    rows = list(gifts.with_names(GiftRule.objects.filter(Q(is_active=True) | Q(pk=rule_id))))
    rules = [gifts.as_rule(row) for row in rows]
    days = {row.pk: row.within_days for row in rows if row.within_days}
    reviewed = Order.objects.filter(reviewed_at__isnull=False, is_historical=False).order_by("-pk")
    ids = sorted(reviewed.values_list("pk", flat=True)[: min(count, MOST_ORDERS)])
    found = Rehearsed()
    given: dict[tuple[int, tuple[int, str]], list[datetime]] = {}
    for start in range(0, len(ids), _BATCH):
        for facts in gifts.read_facts(ids[start : start + _BATCH]):
            facts.had = frozenset()
            found.orders += 1
            _one(facts, rules, days, given, rule_id, found)
    found.newest = list(islice(reversed(found.newest), _SHOWN))
    shown = [key for key, _units in found.newest]
    found.numbers = dict(Order.objects.filter(pk__in=shown).values_list("pk", "number"))
    return found


def _one(
    facts: Facts,
    rules: Sequence[Rule],
    days: dict[int, int],
    given: dict[tuple[int, tuple[int, str]], list[datetime]],
    rule_id: int,
    found: Rehearsed,
) -> None:
    at = facts.times[TimeKind.CREATED]
    before = {}
    for key, within in days.items():
        if at is not None and (moments := given.get((key, facts.buyer))):
            before[key, facts.buyer] = sum(moment > at - timedelta(days=within) for moment in moments)
    enough = {rule.gift_id: _ENOUGH for rule in rules}
    for gift in gift_rules.give(rules, [facts], before, enough).gifts:
        if gift.rule.id in days and at is not None:
            given.setdefault((gift.rule.id, facts.buyer), []).append(at)
        if gift.rule.id == rule_id:
            found.served += 1
            found.units += gift.units
            found.newest.append((facts.order_id, gift.units))
