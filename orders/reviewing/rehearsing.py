"""Rehearsing a review rule (试算): what the rules make of the last orders with it, beside what they do without.

Each order is judged as at the end of its delay, by what is known of it today. Reads only.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import connection

from orders.models import Outcome, ReviewRule
from orders.reviewing import compiling
from orders.reviewing.compiling import Hit


@dataclass(frozen=True, slots=True)
class Found:
    """An order that the rule fits, or that ends otherwise because of it: outcomes without and with it (empty: nothing
    fits), and what the rule found."""

    order_id: int
    before: str
    after: str
    hits: Sequence[Hit]


@dataclass(slots=True)
class Rehearsal:
    """What came of some orders: how many each rule (by id) fits, how many end how without and with the rule."""

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
    others = [one for one in compiling.active_rules() if one.id != rule.pk]
    (own,) = compiling.rules_of([rule])
    hits = compiling.rehearse([*others, own], order_ids)
    before = compiling.judge(hit for hit in hits if hit.rule.id != own.id)
    after = compiling.judge(hits)
    result = Rehearsal(orders=len(order_ids), by_rule=Counter(hit.rule.id for hit in hits))
    by_order: dict[int, list[Hit]] = {}
    for hit in hits:
        if hit.rule.id == own.id:
            by_order.setdefault(hit.order_id, []).append(hit)
    for order_id in order_ids:
        was = str(before[order_id].outcome) if order_id in before else ""
        now = str(after[order_id].outcome) if order_id in after else ""
        result.before[was or str(Outcome.PASS)] += 1
        result.after[now or str(Outcome.PASS)] += 1
        if order_id in by_order or was != now:
            result.found.append(Found(order_id, was, now, by_order.get(order_id, [])))
    return result
