"""Review rules as one statement: which of some orders each rule fits, and by which figures."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from oms.common.copying import array
from oms.common.work import clock
from orders.models import ReviewRule, ReviewRuleSet
from orders.models.review import Outcome
from orders.reviewing import tree
from orders.reviewing.conditions import KINDS
from orders.reviewing.conditions.base import SINCE, Builder
from orders.reviewing.conditions.own import of_channels
from orders.reviewing.tree import ALL, Group, Leaf, Node, Not


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as it is compiled; `key` is the same in all versions of it."""

    id: int
    key: UUID
    called: str
    priority: int
    outcome: str
    level: int
    node: Node
    merchants: Sequence[str] = ()
    channels: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that fits an order, with what its conditions found."""

    order_id: int
    rule: Rule
    facts: Sequence[Mapping[str, Any]]


@dataclass(slots=True)
class _Parts:
    """What a rule's branch of the statement consists of."""

    joins: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)


def active_rules() -> list[Rule]:
    """The rules that count now, the strongest first. One statement."""
    return _counting(ReviewRule.objects.filter(rule_set__state=ReviewRuleSet.State.ACTIVE))


def rules_of_version(rule_set: ReviewRuleSet) -> list[Rule]:
    """The rules that would count now if this version were on, the strongest first. One statement."""
    return _counting(ReviewRule.objects.filter(rule_set=rule_set))


def _counting(rules: QuerySet[ReviewRule]) -> list[Rule]:
    now = timezone.now()
    begun = Q(valid_from__isnull=True) | Q(valid_from__lte=now)
    lasts = Q(valid_until__isnull=True) | Q(valid_until__gt=now)
    return rules_of(rules.filter(begun, lasts, is_active=True).order_by("priority", "id"))


def rules_of(rows: Iterable[ReviewRule]) -> list[Rule]:
    """The rules as they are compiled. Raises tree.Faulty for one that was never checked."""
    return [
        Rule(
            row.pk or 0,
            row.key,
            row.called,
            row.priority,
            row.outcome,
            row.level,
            tree.read(row.condition),
            tuple(row.merchants),
            tuple(row.channels),
        )
        for row in rows
    ]


def find(rules: Sequence[Rule], order_ids: Iterable[int], *, only_new: bool = True) -> list[Hit]:
    """Which rules fit which of the orders now; with `only_new` of those alone that were not reviewed yet. One
    statement."""
    speed = 1.0 if clock.waits_are_skipped() else settings.TIME_SPEED
    builder = Builder(delay_seconds=settings.REVIEW_DELAY_SECONDS, speed=speed)
    condition = "f.reviewed_at IS NULL" if only_new else "true"
    return _find(rules, list(order_ids), builder, condition)


def rehearse(rules: Sequence[Rule], order_ids: Iterable[int]) -> list[Hit]:
    """Which rules would have fitted which of the orders, each at the end of its delay. One statement."""
    # A delay of its own channel is left out: it moves the moment by minutes.
    seconds = float(settings.REVIEW_DELAY_SECONDS)
    moment = f"({SINCE.format('o')} + make_interval(secs => {seconds}))"
    builder = Builder(moment=moment, is_rehearsal=True, delay_seconds=seconds)
    return _find(rules, list(order_ids), builder, "true")


def _find(rules: Sequence[Rule], order_ids: Sequence[int], builder: Builder, condition: str) -> list[Hit]:
    if not rules or not order_ids:
        return []
    sql, values = statement(rules, builder, condition)
    by_place = dict(enumerate(rules))
    with connection.cursor() as cursor:
        cursor.execute(sql, {**values, "ids": array(order_ids)})
        return [
            Hit(order_id, by_place[place], [fact for fact in facts if fact]) for order_id, place, facts in _rows(cursor)
        ]


def _rows(cursor: Any) -> list[tuple[int, int, list[Any]]]:
    return [
        (order_id, place, json.loads(facts) if isinstance(facts, str) else facts)
        for order_id, place, facts in cursor.fetchall()
    ]


def statement(rules: Sequence[Rule], builder: Builder, condition: str) -> tuple[str, dict[str, Any]]:
    """The statement over the orders `ids` that fulfil the condition (on `f`), and its parameters but for these."""
    branches = [_branch(rule, place, builder) for place, rule in enumerate(rules)]
    sql = f"""
        WITH fresh AS MATERIALIZED (
            SELECT f.* FROM orders_order f WHERE f.id = ANY(%(ids)s::bigint[]) AND {condition}
        )
        {" UNION ALL ".join(branches)}
        ORDER BY 1, 2
    """
    return sql, builder.values


def _branch(rule: Rule, place: int, builder: Builder) -> str:
    parts = _Parts()
    tests = [_test(rule.node, builder, parts, is_negated=False)]
    if rule.merchants:
        codes = builder.bind(list(rule.merchants), "text[]")
        tests.append(
            "o.channel_id IN (SELECT c.id FROM merchants_channel c JOIN merchants_merchant m ON m.id = c.merchant_id"
            f" WHERE m.code = ANY({codes}))"
        )
    if rule.channels:
        tests.append(of_channels(builder, list(rule.channels)))
    return (
        f"SELECT o.id, {place}, jsonb_build_array({', '.join(parts.facts)}) FROM fresh o {' '.join(parts.joins)}"
        f" WHERE {' AND '.join(tests)}"
    )


def _test(node: Node, builder: Builder, parts: _Parts, *, is_negated: bool) -> str:
    match node:
        case Leaf(kind, values):
            sql = KINDS[kind].sql(builder, values)
            if sql.join:
                parts.joins.append(sql.join)
            named = f"""jsonb_build_object('is', '{kind}'"""
            if is_negated:
                parts.facts.append(f"CASE WHEN NOT ({sql.test}) THEN {named}, 'not', true) END")
            else:
                parts.facts.append(f"CASE WHEN {sql.test} THEN {named}) || {sql.found} END")
            return f"({sql.test})"
        case Not(part):
            return f"NOT {_test(part, builder, parts, is_negated=not is_negated)}"
        case Group(how, among):
            joint = " AND " if how == ALL else " OR "
            return f"({joint.join(_test(part, builder, parts, is_negated=is_negated) for part in among)})"
    raise AssertionError(node)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules make of one order: the outcome, the hits that count (the strongest first), and of these the ones
    that open a hold."""

    outcome: str
    hits: Sequence[Hit]
    holds: Sequence[Hit]


def judge(hits: Iterable[Hit]) -> dict[int, Verdict]:
    """What becomes of each order of which there are hits.

    The strongest rule that lets it pass stops the weaker ones. Of those that are left, all holds open; a rejection
    cancels where no rule of its priority or a stronger one holds, and else is one more hold; it waits only where
    nothing else was found.
    """
    by_order: dict[int, list[Hit]] = {}
    for hit in hits:
        by_order.setdefault(hit.order_id, []).append(hit)
    return {order_id: _judge(found) for order_id, found in by_order.items()}


def _judge(found: list[Hit]) -> Verdict:
    found = sorted(found, key=lambda hit: (hit.rule.priority, hit.rule.id))
    passing = min((hit.rule.priority for hit in found if hit.rule.outcome == Outcome.PASS), default=None)
    counted = [hit for hit in found if passing is None or hit.rule.priority <= passing]
    stopping = [hit for hit in counted if hit.rule.outcome in (Outcome.HOLD, Outcome.APPROVAL)]
    rejecting = [hit for hit in counted if hit.rule.outcome == Outcome.REJECT]
    if rejecting and not any(hit.rule.priority <= rejecting[0].rule.priority for hit in stopping):
        return Verdict(Outcome.REJECT, counted, [])
    holds = [hit for hit in counted if hit in stopping or hit in rejecting]
    if holds:
        needs_approval = any(hit.rule.outcome == Outcome.APPROVAL for hit in holds)
        return Verdict(Outcome.APPROVAL if needs_approval else Outcome.HOLD, counted, holds)
    if any(hit.rule.outcome == Outcome.WAIT for hit in counted) and passing is None:
        return Verdict(Outcome.WAIT, counted, [])
    return Verdict(Outcome.PASS, counted, [])
