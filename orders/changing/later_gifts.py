"""The later_gifts stage: gifts that rules promised at the review follow some days after the order was completed.

Each is an order of its own, for nothing, as a re-issue. The rule is asked once more, for what the buyer kept: of what
was cancelled, came back or was paid back nothing follows; while a return is open, it waits for its end. An order is
locked while its gift is sent, and the log's row says by which line it was, so that nothing is sent twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from django.db import connection

from oms.common.copying import array
from oms.common.states import listed
from oms.common.work import clock
from oms.common.work.claiming import Stage
from orders import isolating
from orders.actors import job
from orders.changing import followers, gift_rules, gifts, kinds, reissuing
from orders.changing.followers import Following
from orders.changing.gift_rules import Facts, Gift
from orders.changing.reissuing import Told
from orders.intake.bodies import LineBody
from orders.models import GiftGrant, GiftRule, OrderLine, OrderState
from orders.models.charge import BILLED, ChargeComponent
from orders.models.gift_rule import Dropped
from orders.models.order_link import CostBearer, LinkKind, ReissueReason
from orders.models.return_request import OPEN_RETURNS
from orders.telling import timeline

NAME = "later_gifts"
_MARK = "G"
_WAITS = "g.line_id IS NULL AND g.dropped = ''"
# What a buyer pays the goods with, and what is paid beside them.
_NOT_GOODS = (ChargeComponent.FREIGHT, ChargeComponent.POINTS, ChargeComponent.GIFT_CARD)


def _due() -> str:
    """What follows now, as SQL: FROM and what follows. Rules that are off, or that stopped, let theirs wait."""
    return (
        f"FROM orders_giftgrant g JOIN orders_giftrule r ON r.id = g.rule_id AND r.is_active"
        f" WHERE {_WAITS} AND g.ready_at <= {clock.horizon()} AND NOT EXISTS (SELECT FROM orders_returnrequest q"
        f" WHERE q.order_id = g.order_id AND q.state IN ({listed(OPEN_RETURNS)}))"
    )


def run(limit: int) -> int:
    """Send, or drop, up to `limit` gifts; returns how many."""
    with connection.cursor() as cursor:
        # The order is locked before what is its, so this only reads.
        cursor.execute(f"SELECT g.id, g.order_id {_due()} ORDER BY g.ready_at, g.id LIMIT %s", [limit])
        found = cursor.fetchall()
    return isolating.work_on(NAME, found, _follow)


def backlog() -> str:
    """Gifts whose day has come."""
    return f"SELECT g.ready_at AS due, {isolating.needs_person('g.order_id')} AS needs_person {_due()}"


def _follow(grant_ids: list[int], order_ids: list[int]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT g.id {_due()} AND g.id = ANY(%s::bigint[])", [array(grant_ids)])
        mine = [key for (key,) in cursor.fetchall()]
    gifts.lock()
    # Another worker may have stopped a rule meanwhile.
    rows = {
        row.pk: row for row in gifts.with_names(GiftRule.objects.filter(is_active=True, grants__in=mine).distinct())
    }
    found = GiftGrant.objects.select_related("order__channel__merchant").filter(pk__in=mine, rule__in=rows)
    grants = list(found.order_by("ready_at", "pk"))
    facts = {one.order_id: one for one in gifts.read_facts([grant.order_id for grant in grants], split=True)}
    refunded = _refunded([grant.order_id for grant in grants])
    left = dict(gifts.available_of([gifts.as_rule(row) for row in rows.values()]))
    dropped: list[GiftGrant] = []
    sent: list[tuple[GiftGrant, GiftRule]] = []
    missed: dict[int, int] = {}
    for grant in grants:
        gift = _still_given(rows[grant.rule_id], facts.get(grant.order_id))
        why = _against(grant, gift, refunded)
        if why or gift is None:
            grant.dropped = why
            dropped.append(grant)
        elif grant.rule_id in missed or left.get(gift.rule.gift_id, 0) < gift.units:
            missed.setdefault(grant.rule_id, grant.order_id)
        else:
            left[gift.rule.gift_id] -= gift.units
            grant.units, grant.why = gift.units, gifts.why(gift)
            sent.append((grant, rows[grant.rule_id]))
    _drop(dropped, rows)
    _send(sent)
    gifts.stop([rows[key] for key in sorted(missed)], missed)
    return len(dropped) + len(sent)


def _still_given(row: GiftRule, facts: Facts | None) -> Gift | None:
    """What the rule gives for what the buyer kept. Where, when and by which channel it was ordered was looked at when
    it was promised."""
    rule = replace(gifts.as_rule(row), channels=frozenset(), regions=(), starts_at=None, ends_at=None)
    return gift_rules.fits(rule, facts) if facts else None


def _against(grant: GiftGrant, gift: Gift | None, refunded: frozenset[int]) -> str:
    if grant.order.state == OrderState.CANCELLED:
        return Dropped.CANCELLED
    if grant.order.state == OrderState.CLOSED:
        return Dropped.RETURNED
    if grant.order_id in refunded:
        return Dropped.REFUNDED
    return "" if gift else Dropped.TOO_LITTLE


def _refunded(order_ids: Sequence[int]) -> frozenset[int]:
    """Which orders' goods cost something, and nothing any more."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT order_id FROM orders_ordercharge
            WHERE order_id = ANY(%s::bigint[]) AND component NOT IN ({listed(_NOT_GOODS)}) GROUP BY order_id
            HAVING sum(amount) <= 0 AND sum(amount) FILTER (WHERE cause IN ({listed(BILLED)})) > 0
            """,
            [array(set(order_ids))],
        )
        return frozenset(key for (key,) in cursor.fetchall())


def _drop(grants: Sequence[GiftGrant], rows: Mapping[int, GiftRule]) -> None:
    GiftGrant.objects.bulk_update(grants, ["dropped"])
    timeline.record_all(
        timeline.Entry(
            grant.order_id,
            kinds.GIFT_DROPPED,
            job(NAME),
            {
                "sku": rows[grant.rule_id].gift.code,
                "units": grant.units,
                "rule": rows[grant.rule_id].name,
                "why": grant.dropped,
            },
        )
        for grant in grants
    )


def _send(sent: Sequence[tuple[GiftGrant, GiftRule]]) -> None:
    """Place the orders. Raises CannotReissue where one cannot be placed."""
    if not sent:
        return
    wishes = [Following(grant.order, [_line(grant, row)], _link(row)) for grant, row in sent]
    outcomes = followers.place_all(wishes, _MARK, actor=job(NAME))
    placed = [reissuing.placed(outcome) for outcome in outcomes]
    lines = {line.order_id: line for line in OrderLine.objects.filter(order__in=[one.id for one in placed])}
    told = []
    for (grant, row), new in zip(sent, placed, strict=True):
        grant.line = lines[new.id]
        units = {row.gift.code: grant.units}
        told.append(Told(grant.order, new, units, ReissueReason.GIFT, CostBearer.PLATFORM, row.name))
    GiftGrant.objects.bulk_update([grant for grant, _row in sent], ["line", "units", "why"])
    timeline.record_all(reissuing.entries(told, job(NAME)))


def _line(grant: GiftGrant, row: GiftRule) -> LineBody:
    gift = row.gift
    return LineBody(
        sku=gift.code, quantity=grant.units, unit_price=Decimal(0), merchant=gift.merchant.code, name=gift.name
    )


def _link(row: GiftRule) -> Mapping[str, Any]:
    return {
        "kind": LinkKind.REISSUE,
        "reason": ReissueReason.GIFT,
        "note": row.name,
        "bearer": CostBearer.PLATFORM,
        "units": {},
    }


STAGE = Stage(NAME, run, wakes=("review",), backlog=backlog)
