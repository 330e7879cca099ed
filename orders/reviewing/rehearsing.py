"""Rehearsing review rules (试算): what the rules make of the last orders with a rule, or by another version, beside
what those in force make of them.

Each order is judged as at the end of its delay, by what is known of it today. Reads only.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from django.db import connection

from orders.models import Outcome, ReviewRule, ReviewRuleSet
from orders.reviewing import compiling
from orders.reviewing.compiling import Hit, Rule


@dataclass(frozen=True, slots=True)
class Found:
    """An order that a rehearsed rule fits, or that ends otherwise because of it: outcomes by the rules in force and by
    the rehearsed ones (empty: nothing fits), and what the rehearsed rules found."""

    order_id: int
    before: str
    after: str
    hits: Sequence[Hit]


@dataclass(slots=True)
class Rehearsal:
    """What came of some orders: how many each rule (by id) fits, how many end how before and after."""

    orders: int = 0
    by_rule: Counter[int] = field(default_factory=Counter)
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)
    found: list[Found] = field(default_factory=list)


def last_orders(count: int, *, below: int | None = None) -> list[int]:
    """The ids of the last orders, the newest first; those before the one with the id `below`, where that is given."""
    older = "WHERE o.id < %(below)s" if below is not None else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT o.id FROM orders_order o {older} ORDER BY o.id DESC LIMIT %(count)s",
            {"count": count, "below": below},
        )
        return [key for (key,) in cursor.fetchall()]


def rehearse(rule: ReviewRule, order_ids: Sequence[int]) -> Rehearsal:
    """What the rules in force make of these orders without the rule and with it, as it stands, switched on. Two
    statements."""
    others = [one for one in compiling.active_rules() if one.key != rule.key]
    (own,) = compiling.rules_of([rule])
    return _compare(others, [*others, own], {own.id}, order_ids)


def rehearse_version(rule_set: ReviewRuleSet, order_ids: Sequence[int]) -> Rehearsal:
    """What the rules in force make of these orders, and what those of the version would. Three statements."""
    in_force = compiling.active_rules()
    proposed, new = [], set()
    for rule in compiling.rules_of_version(rule_set):
        # What both have is looked for once.
        same = next((one for one in in_force if replace(one, id=rule.id) == rule), None)
        proposed.append(same or rule)
        if same is None:
            new.add(rule.id)
    return _compare(in_force, proposed, new, order_ids)


def _compare(before: Sequence[Rule], after: Sequence[Rule], new: set[int], order_ids: Sequence[int]) -> Rehearsal:
    """What both sets make of the orders; found are those that a rule with a `new` id fits or that end otherwise."""
    both = {rule.id: rule for rule in (*before, *after)}
    hits = compiling.rehearse(list(both.values()), order_ids)
    then, now = {rule.id for rule in before}, {rule.id for rule in after}
    were = compiling.judge(hit for hit in hits if hit.rule.id in then)
    would = compiling.judge(hit for hit in hits if hit.rule.id in now)
    result = Rehearsal(orders=len(order_ids), by_rule=Counter(hit.rule.id for hit in hits if hit.rule.id in now))
    by_order: dict[int, list[Hit]] = {}
    for hit in hits:
        if hit.rule.id in new:
            by_order.setdefault(hit.order_id, []).append(hit)
    for order_id in order_ids:
        was = str(were[order_id].outcome) if order_id in were else ""
        would_be = str(would[order_id].outcome) if order_id in would else ""
        result.before[was or str(Outcome.PASS)] += 1
        result.after[would_be or str(Outcome.PASS)] += 1
        if order_id in by_order or was != would_be:
            result.found.append(Found(order_id, was, would_be, by_order.get(order_id, [])))
    return result
