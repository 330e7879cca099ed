"""Gifts (赠品) by rules: given along when an order's review is over, in the transaction that splits it.

What was given is a line of the order that costs nothing, and a row of the log; a constraint holds that a rule gives
once an order. What is to follow after completion is only promised here (`later_gifts`). Whether a limit is reached and
whether a gift is there is looked at under one lock, so that orders which are split at once cannot both have the last
one.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Max, Prefetch, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from inventory.availability import available_sql
from inventory.models import Sku
from oms.common import tickets
from oms.common.copying import array
from oms.common.models import Team
from oms.common.money import fen_text, to_fen
from oms.common.states import listed
from oms.common.tickets import TicketKind, Trouble, register_kind
from orders.actors import job
from orders.changing import gift_rules, kinds
from orders.changing.gift_rules import Bought, Facts, Gift, Rule
from orders.models import GiftGrant, GiftRule, Order, OrderLine
from orders.models.gift_rule import TimeKind
from orders.models.order import BEFORE_SPLIT
from orders.models.order_link import ReissueReason
from orders.models.sub_order import UNALLOCATED_STATES, UNDONE
from orders.telling import timeline

ACTOR = "gifts"
_LOCK = 7_305_311  # no other advisory lock has this number

GIFT_GONE = register_kind(
    TicketKind(
        "gift_gone",
        _("A gift is out of stock"),
        "gift_rule",
        team=Team.SERVICE,
        due_within=timedelta(hours=24),
        reasons={"": _("Gift rule “%(rule)s” stopped: there are not enough units of %(sku)s for order %(order)s.")},
        remedies=_(
            "Order more of the gift or choose another one, then switch the rule on again. Orders that went without it"
            " can be sent it afterwards, as a re-issue."
        ),
        can_retry=False,
    )
)


def with_names(rules: QuerySet[GiftRule]) -> QuerySet[GiftRule]:
    """In their order, with channels and goods, which are read by their ids only."""
    goods = Prefetch("goods", Sku.objects.only("pk"))
    return rules.select_related("gift").prefetch_related("channels", goods).order_by("priority", "pk")


def as_rule(row: GiftRule) -> Rule:
    """The rule as the arithmetic takes it."""
    return Rule(
        id=row.pk,
        name=row.name,
        is_exclusive=row.is_exclusive,
        time_kind=row.time_kind,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        channels=frozenset(channel.pk for channel in row.channels.all()),
        regions=tuple(filter(None, row.regions.split(","))),
        goods=frozenset(sku.pk for sku in row.goods.all()),
        min_units=row.min_units,
        min_fen=None if row.min_amount is None else to_fen(row.min_amount),
        min_order_fen=None if row.min_order_amount is None else to_fen(row.min_order_amount),
        per_units=row.per_units,
        per_fen=None if row.per_amount is None else to_fen(row.per_amount),
        most_times=row.most_times,
        most_per_buyer=row.most_per_buyer,
        gift_id=row.gift_id,
        gift_units=row.gift_units,
        after_days=row.after_days,
    )


# How many units of a line `l` of an order `o` the buyer keeps, as SQL: before the order is split, and once it is.
_TO_BE_KEPT = "l.quantity - coalesce((o.units_to_cancel ->> l.position::text)::int, 0)"
_KEPT = f"""coalesce((
    SELECT sum(sl.quantity - sl.returned_quantity) FROM orders_suborderline sl
    JOIN orders_suborder s ON s.id = sl.sub_order_id AND s.state NOT IN ({listed(UNDONE)})
    WHERE sl.order_line_id = l.id), 0)::int"""


def read_facts(order_ids: Collection[int], *, split: bool = False) -> list[Facts]:
    """What rules look at of these orders, by id: the units that are kept, and which rules gave something already.
    Orders that follow from others (re-issues, exchanges) are left out. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT o.id, o.channel_id, c.merchant_id, o.buyer_reference, coalesce(o.region_id, ''), o.ordered_at,
                o.paid_at, o.reviewed_at,
                (SELECT coalesce(array_agg(g.rule_id), '{{}}') FROM orders_giftgrant g WHERE g.order_id = o.id),
                array_agg(l.sku_id), array_agg(l.quantity),
                array_agg({_KEPT if split else _TO_BE_KEPT}),
                array_agg(((l.goods_amount - l.promotion_share - l.coupon_share + l.adjustment_share) * 100)::bigint)
            FROM orders_order o JOIN orders_orderline l ON l.order_id = o.id AND NOT l.is_gift
            JOIN merchants_channel c ON c.id = o.channel_id
            WHERE o.id = ANY(%s::bigint[]) AND NOT EXISTS (SELECT FROM orders_orderlink k WHERE k.order_id = o.id)
            GROUP BY o.id, c.merchant_id ORDER BY o.id
            """,
            [array(order_ids)],
        )
        found = []
        for order_id, channel, merchant, buyer, region, ordered, paid, reviewed, had, *goods in cursor.fetchall():
            times = {TimeKind.CREATED: ordered, TimeKind.PAID: paid, TimeKind.REVIEWED: reviewed}
            facts = Facts(order_id, channel, (merchant, buyer), region, {str(kind): at for kind, at in times.items()})
            facts.had = frozenset(had)
            facts.goods = [
                Bought(sku, kept, fen * kept // units) for sku, units, kept, fen in zip(*goods, strict=True) if kept
            ]
            found.append(facts)
    return found


def apply(order_ids: Sequence[int]) -> None:
    """Give what the rules give to these locked orders, which are about to be split. One statement where no rule is
    active; else as many for many orders as for one."""
    rules = [as_rule(row) for row in with_names(GiftRule.objects.filter(is_active=True))]
    if not rules:
        return
    orders = read_facts(order_ids)
    if not any(gift_rules.fits(rule, facts) for facts in orders for rule in rules):
        return
    lock()
    # Another worker may have stopped one meanwhile.
    rows = {row.pk: row for row in with_names(GiftRule.objects.filter(is_active=True))}
    rules = [as_rule(row) for row in rows.values()]
    given = gift_rules.give(rules, orders, given_before(rows.values(), orders), available_of(rules))
    _write(given.gifts, rows)
    _stop([rows[key] for key in sorted(given.stopped)], orders)


def lock() -> None:
    """Let nobody else give anything until the transaction is over; orders are locked before."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def given_before(
    rows: Collection[GiftRule], orders: Sequence[Facts], now: datetime | None = None
) -> Mapping[tuple[int, tuple[int, str]], int]:
    """To how many orders of these buyers each rule that has a limit gave something within its days."""
    limited = [row for row in rows if row.within_days]
    if not limited or not orders:
        return {}
    now = now or timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT g.rule_id, c.merchant_id, g.buyer_reference, count(*)
            FROM unnest(%s::bigint[], %s::timestamptz[]) AS n(rule_id, since)
            JOIN orders_giftgrant g ON g.rule_id = n.rule_id AND g.granted_at >= n.since
              AND g.buyer_reference = ANY(%s::text[]) AND g.dropped = ''
            JOIN orders_order o ON o.id = g.order_id JOIN merchants_channel c ON c.id = o.channel_id
            GROUP BY g.rule_id, c.merchant_id, g.buyer_reference
            """,
            [
                array(row.pk for row in limited),
                [now - timedelta(days=row.within_days or 0) for row in limited],
                list({facts.buyer[1] for facts in orders}),
            ],
        )
        return {(rule, (merchant, buyer)): count for rule, merchant, buyer, count in cursor.fetchall()}


def available_of(rules: Sequence[Rule]) -> Mapping[int, int]:
    """Units of the rules' gifts that can be promised, less those for which sub-orders, and orders that send such gifts
    afterwards, wait already."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT k.id, coalesce((SELECT sum({available_sql("s")}) FROM inventory_stock s WHERE s.sku_id = k.id), 0)
                - coalesce((
                    SELECT sum(l.quantity) FROM orders_orderline ol
                    JOIN orders_suborderline l ON l.order_line_id = ol.id
                    JOIN orders_suborder p ON p.id = l.sub_order_id AND p.state IN ({listed(UNALLOCATED_STATES)})
                    WHERE ol.sku_id = k.id), 0)
                - coalesce((
                    SELECT sum(ol.quantity) FROM orders_order o
                    JOIN orders_orderlink f ON f.order_id = o.id AND f.reason = '{ReissueReason.GIFT}'
                    JOIN orders_orderline ol ON ol.order_id = o.id AND ol.sku_id = k.id
                    WHERE o.state IN ({listed(BEFORE_SPLIT)})), 0)
            FROM inventory_sku k WHERE k.id = ANY(%s::bigint[])
            """,
            [array({rule.gift_id for rule in rules})],
        )
        return {key: int(units) for key, units in cursor.fetchall()}


def _write(gifts: Sequence[Gift], rows: Mapping[int, GiftRule]) -> None:
    """Write what is given along, and promise what follows."""
    _promise([gift for gift in gifts if gift.rule.after_days is not None], rows)
    gifts = [gift for gift in gifts if gift.rule.after_days is None]
    if not gifts:
        return
    orders = {gift.order_id for gift in gifts}
    last = dict(OrderLine.objects.filter(order__in=orders).order_by().values_list("order").annotate(Max("position")))
    lines = []
    for gift in gifts:
        last[gift.order_id] += 1
        row = rows[gift.rule.id]
        lines.append(_line(gift, row, last[gift.order_id]))
    lines = OrderLine.objects.bulk_create(lines)
    GiftGrant.objects.bulk_create(
        GiftGrant(line=line, **_logged(gift)) for gift, line in zip(gifts, lines, strict=True)
    )
    _count(gifts)
    timeline.record_all(
        timeline.Entry(gift.order_id, kinds.GIFT_GIVEN, job(ACTOR), _told(gift, rows[gift.rule.id])) for gift in gifts
    )


def _promise(gifts: Sequence[Gift], rows: Mapping[int, GiftRule]) -> None:
    if not gifts:
        return
    GiftGrant.objects.bulk_create(
        GiftGrant(after_days=gift.rule.after_days, stated_value=rows[gift.rule.id].stated_value, **_logged(gift))
        for gift in gifts
    )
    timeline.record_all(
        timeline.Entry(
            gift.order_id,
            kinds.GIFT_PROMISED,
            job(ACTOR),
            {**_told(gift, rows[gift.rule.id]), "days": gift.rule.after_days},
        )
        for gift in gifts
    )


def why(gift: Gift) -> dict[str, Any]:
    """By which figures a rule gave, as the log keeps it."""
    return {"units": gift.counted_units, "amount": fen_text(gift.counted_fen), "times": gift.times}


def _logged(gift: Gift) -> dict[str, Any]:
    return {
        "order_id": gift.order_id,
        "rule_id": gift.rule.id,
        "buyer_reference": gift.buyer[1],
        "units": gift.units,
        "why": why(gift),
    }


def _count(gifts: Sequence[Gift]) -> None:
    """The orders have more lines and units now."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE orders_order o SET line_count = o.line_count + n.lines, total_quantity = o.total_quantity + n.units
            FROM (SELECT id, count(*) AS lines, sum(units) AS units
                  FROM unnest(%s::bigint[], %s::int[]) AS g(id, units) GROUP BY id) AS n
            WHERE o.id = n.id
            """,
            [array(gift.order_id for gift in gifts), array(gift.units for gift in gifts)],
        )


def _line(gift: Gift, row: GiftRule, position: int) -> OrderLine:
    nothing = dict.fromkeys(("goods_amount", "freight_share", "coupon_share", "points_share", "gift_card_share"), 0)
    return OrderLine(
        order_id=gift.order_id,
        position=position,
        sku_id=gift.rule.gift_id,
        name=row.gift.name,
        quantity=gift.units,
        unit_price=0,
        line_discount=0,
        is_gift=True,
        stated_value=row.stated_value,
        payable_amount=0,
        **nothing,
    )


def _told(gift: Gift, row: GiftRule) -> dict[str, Any]:
    return {
        "sku": row.gift.code,
        "units": gift.units,
        "rule": row.name,
        "counted": gift.counted_units,
        "amount": fen_text(gift.counted_fen),
    }


def _stop(rows: Sequence[GiftRule], orders: Sequence[Facts]) -> None:
    missed = {row.pk: next(facts.order_id for facts in orders if gift_rules.fits(as_rule(row), facts)) for row in rows}
    stop(rows, missed)


def stop(rows: Sequence[GiftRule], missed: Mapping[int, int]) -> None:
    """Stop rules whose gift is gone, and tell a person: `missed` is, by rule, the order that went without first."""
    if not rows:
        return
    GiftRule.objects.filter(pk__in=[row.pk for row in rows]).update(is_active=False, stopped_at=timezone.now())
    numbers = dict(Order.objects.filter(pk__in=set(missed.values())).values_list("pk", "number"))
    troubles = [
        Trouble(row.pk, "", {"rule": row.name, "sku": row.gift.code, "order": numbers[missed[row.pk]]}) for row in rows
    ]
    tickets.open_tickets(GIFT_GONE, troubles, opened_by=ACTOR)


@transaction.atomic
def switch(rule_id: int, *, on: bool) -> GiftRule:
    """Switch a rule on or off; one that stopped goes on once it is switched on. Raises GiftRule.DoesNotExist."""
    row = GiftRule.objects.select_for_update(no_key=True).get(pk=rule_id)
    GiftRule.objects.filter(pk=row.pk).update(is_active=on, stopped_at=None if on else row.stopped_at)
    if on:
        tickets.close_tickets([GIFT_GONE], [row.pk])
    return GiftRule.objects.get(pk=row.pk)
