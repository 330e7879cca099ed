"""What of the money of units that are gone does not go back, written as charges: promotions that the kept goods do
not reach any more, gifts and freight.

Each time worked out anew from what is kept (`keeping`); what differs from the charges that are there is added, so that
a lost promotion comes back with the rest of its goods.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from django.conf import settings
from django.db import connection

from oms.common.copying import array
from oms.common.money import to_fen, yuan
from oms.common.states import listed
from orders.actors import Actor
from orders.changing import followed_gifts
from orders.changing.keeping import NO_GOODS, NOTHING, Books, Cause, Extra, Kept, Line, Policy, Promotion, Tenders, keep
from orders.intake.apportionment import Shares
from orders.intake.promotion_rules import Goods, Rule, RuleKind, understand
from orders.models import Exchange, Order, OrderCharge, OrderPromotion, PromotionShare
from orders.models.charge import KEPT, OF_GONE_UNITS, SIGNS, ChargeCause, ChargeComponent
from orders.models.order import OrderState
from orders.models.shares import shares_in_fen
from orders.models.sub_order import UNDONE

_C = ChargeComponent

# Whether more may have to be kept of the order of this alias than the shares of its kept goods.
MAY_KEEP_MORE = f"""(EXISTS (SELECT FROM orders_orderpromotion p WHERE p.order_id = {{0}}.order_id
        AND p.rule->>'kind' IN ({listed(RuleKind)}))
    OR EXISTS (SELECT FROM orders_ordercharge k WHERE k.order_id = {{0}}.order_id AND k.cause IN ({listed(KEPT)})))"""


def may_keep_more(order_id: int) -> bool:
    """Whether more may have to be kept of the order than the shares of its kept goods."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {MAY_KEEP_MORE.format('t')} FROM (VALUES (%s::bigint)) AS t(order_id)", [order_id])
        (may,) = cursor.fetchone()
        return may


_CAUSES = {
    Cause.FREIGHT: (ChargeCause.FREIGHT_KEPT, _C.FREIGHT),
    Cause.FREE_SHIPPING: (ChargeCause.PROMOTION_LOST, _C.FREIGHT),
    Cause.GIFT: (ChargeCause.GIFT_KEPT, _C.GOODS),
    Cause.PROMOTION: (ChargeCause.PROMOTION_LOST, _C.PROMOTION),
    Cause.COUPON: (ChargeCause.PROMOTION_LOST, _C.COUPON),
}


@dataclass(frozen=True, slots=True)
class _Row:
    """What tells apart the charges of what is kept."""

    cause: str
    component: str
    line: int | None
    reference: str


def policy_of(channel: str) -> Policy:
    """The operator's policy for orders of the channel (its code)."""
    told = {**settings.RETURN_POLICIES.get("", {}), **settings.RETURN_POLICIES.get(channel, {})}
    return Policy(
        rechecks_coupon=told.get("rechecks_coupon", False),
        charges_lost_free_shipping=told.get("charges_lost_free_shipping", False),
    )


def correct(
    taken: Mapping[int, Tenders],
    *,
    actor: Actor,
    freight_kept: Mapping[int, int] | None = None,
    gifts_kept: Mapping[int, Mapping[int, int]] | None = None,
) -> dict[int, Kept]:
    """Charge what does not go back for units that were taken back in this transaction; `taken` is what the charges
    said of them, by order. The orders must be locked. Returns what is kept of each.

    `freight_kept` (fen, by order) and `gifts_kept` (fen, by order and line) are what does not go back besides.
    """
    if not taken:
        return {}
    rows: list[OrderCharge] = []
    kept: dict[int, Kept] = {}
    for order_id, found in read(taken).items():
        missing = dict(found.books.gifts_missing)
        for line, amount in (gifts_kept or {}).get(order_id, {}).items():
            missing[line] = missing.get(line, 0) + amount
        # The charges are those after the units went.
        before, left = taken[order_id], found.books.held
        cash = min(left.cash + before.cash, max(found.paid, left.cash))
        books = replace(
            found.books,
            held=Tenders(cash, left.gift_card + before.gift_card, left.points + before.points),
            freight_kept=found.books.freight_kept + (freight_kept or {}).get(order_id, 0),
            gifts_missing=missing,
            gifts_followed=followed_gifts.worth(missing.keys() - {line.key for line in found.books.lines}),
        )
        kept[order_id] = keep(books, policy_of(found.channel))
        wanted = _rows(kept[order_id].extras)
        for row in sorted({*wanted, *found.kept}, key=str):
            amount = wanted.get(row, 0) - found.kept.get(row, 0)
            if amount:
                rows.append(
                    OrderCharge(
                        order_id=order_id,
                        line_id=row.line,
                        component=row.component,
                        cause=row.cause,
                        amount=yuan(amount),
                        reference=row.reference,
                        actor_kind=actor.kind,
                        actor=actor.name,
                    )
                )
    OrderCharge.objects.bulk_create(rows)
    return kept


def _rows(extras: Sequence[Extra]) -> dict[_Row, int]:
    """The charges that say what is kept: the buyer owes so much more, and of that a card or points pay a part."""
    rows: dict[_Row, int] = defaultdict(int)
    for extra in extras:
        cause, component = _CAUSES[extra.cause]
        for part, amount in (
            (component, extra.collected.total),
            (_C.GIFT_CARD, -extra.collected.gift_card),
            (_C.POINTS, -extra.collected.points),
        ):
            if amount:
                rows[_Row(cause, part, extra.line, extra.code)] += amount
    return rows


@dataclass(frozen=True, slots=True)
class Totals:
    """What an order's charges come to, in fen: what is held of each tender, what was given beside the price, the
    freight of units that are gone that does not go back, gifts that are charged (by line), and the charges of what is
    kept."""

    held: Tenders
    given: int
    freight_kept: int
    gifts: Mapping[int, int]
    kept: Mapping[_Row, int]


def totals(order_id: int) -> Totals:
    """What the order's charges come to by now. One statement."""
    return _totals(_charges([order_id]).get(order_id, {}))


def _totals(of_order: Mapping[_Row, int]) -> Totals:
    sums: dict[str, int] = defaultdict(int)
    kept: dict[_Row, int] = {}
    for row, amount in of_order.items():
        # What was used for an exchange went back first.
        if row.cause != ChargeCause.EXCHANGED:
            sums[row.component] += amount
        if row.cause in KEPT:
            kept[row] = amount
    gifts: dict[int, int] = defaultdict(int)
    freight = 0
    for row, amount in kept.items():
        if row.cause == ChargeCause.FREIGHT_KEPT and row.component == _C.FREIGHT:
            freight += amount
        if row.cause == ChargeCause.GIFT_KEPT and row.component == _C.GOODS and row.line is not None:
            gifts[row.line] += amount
    held = Tenders(sum(sums.values()), -sums[_C.GIFT_CARD], -sums[_C.POINTS])
    return Totals(held, -sums[_C.EXTRA], freight, gifts, kept)


@dataclass(frozen=True, slots=True)
class Read:
    """An order's money as it stands: its books (`held` is what its charges say), the charges of what is kept, in fen;
    what was paid in all; and its channel's code."""

    books: Books
    kept: Mapping[_Row, int]
    paid: int
    channel: str


def read(order_ids: Collection[int]) -> dict[int, Read]:
    """The money of the orders, from their own copies; as many statements for many as for one."""
    lines, promotions, charges = _lines(order_ids), _promotions(order_ids), _charges(order_ids)
    instead = _exchanged(order_ids)
    found = {}
    for order_id, paid, channel in (
        Order.objects.filter(pk__in=list(order_ids)).order_by("pk").values_list("pk", "paid_amount", "channel__code")
    ):
        own, sums = lines.get(order_id, []), _totals(charges.get(order_id, {}))
        own = [
            (position, replace(line, instead=instead[line.key]) if line.key in instead else line)
            for position, line in own
        ]
        keys = {position: line.key for position, line in own}
        books = Books(
            lines=[line for _position, line in own],
            promotions=[
                Promotion(code, rule, frozenset(keys[place] for place in covered or keys if place in keys))
                for code, rule, covered in promotions.get(order_id, [])
            ],
            held=sums.held,
            given=sums.given,
            freight_kept=sums.freight_kept,
            gifts_missing=sums.gifts,
        )
        found[order_id] = Read(books, sums.kept, to_fen(paid), channel)
    return found


def _exchanged(order_ids: Collection[int]) -> dict[int, Goods]:
    """By line, what counts for promotions in place of units that were exchanged."""
    rows = Exchange.objects.filter(return_request__order__in=list(order_ids)).exclude(kept={})
    found: dict[int, Goods] = {}
    for kept in rows.order_by().values_list("kept", flat=True):
        for key, (units, worth) in kept.items():
            before = found.get(int(key), NO_GOODS)
            found[int(key)] = Goods(before.units + units, before.worth + worth)
    return found


# Of charges `c` what units took along, as `Shares` takes it but for its last.
_GONE = ", ".join(
    f"coalesce(sum({-sign} * c.amount * 100) FILTER (WHERE c.component = '{component}'), 0)::bigint"
    for component, sign in SIGNS.items()
)


def _lines(order_ids: Collection[int]) -> dict[int, list[tuple[int, Line]]]:
    """The lines of each order with their positions: as ordered, and without the units that are gone."""
    promotions: dict[int, dict[str, int]] = {}
    shares_of = PromotionShare.objects.filter(line__order__in=list(order_ids)).order_by("promotion__position")
    for line_id, code, amount in shares_of.values_list("line_id", "promotion__code", "amount"):
        promotions.setdefault(line_id, {})[code] = to_fen(amount)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH taken AS MATERIALIZED (
                SELECT c.line_id, ARRAY[{_GONE}, 0] AS shares FROM orders_ordercharge c
                WHERE c.order_id = ANY(%(ids)s::bigint[]) AND c.cause IN ({listed(OF_GONE_UNITS)}) GROUP BY c.line_id
            ), gone AS MATERIALIZED (
                SELECT p.order_line_id, sum(CASE WHEN s.state IN ({listed(UNDONE)}) THEN p.quantity
                    ELSE p.returned_quantity END) AS units
                FROM orders_suborderline p JOIN orders_suborder s ON s.id = p.sub_order_id
                WHERE s.order_id = ANY(%(ids)s::bigint[]) GROUP BY p.order_line_id
            )
            SELECT l.order_id, l.position, l.id, l.quantity, (l.stated_value * 100)::bigint,
                ARRAY[{shares_in_fen("l")}], taken.shares,
                CASE WHEN o.split_at IS NULL THEN CASE o.state WHEN '{OrderState.CANCELLED}' THEN l.quantity
                    ELSE coalesce((o.units_to_cancel->>l.position::text)::int, 0) END
                ELSE coalesce(gone.units, 0) END::int
            FROM orders_orderline l JOIN orders_order o ON o.id = l.order_id
            LEFT JOIN taken ON taken.line_id = l.id LEFT JOIN gone ON gone.order_line_id = l.id
            WHERE l.order_id = ANY(%(ids)s::bigint[]) ORDER BY l.order_id, l.position
            """,
            {"ids": array(order_ids)},
        )
        found: dict[int, list[tuple[int, Line]]] = {}
        for order_id, position, key, quantity, stated, ordered, gone_shares, gone_units in cursor:
            whole = Shares(*ordered)
            taken = Shares(*gone_shares) if gone_shares else NOTHING
            kept = whole.less(taken)
            line = Line(key, quantity, whole, quantity - gone_units, kept, promotions.get(key, {}), stated)
            found.setdefault(order_id, []).append((position, line))
    return found


@dataclass(frozen=True, slots=True)
class Part:
    """A line of a sub-order that the buyer has, or is to get: the units that did not come back, with what they still
    carry."""

    id: int
    sub_order_id: int
    state: str
    order_line_id: int
    position: int
    units: int
    shares: Shares


def parts(order_id: int) -> list[Part]:
    """The parts of an order's lines that are not undone, in the order of their sub-orders."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT p.id, s.id, s.state, l.id, l.position, p.quantity - p.returned_quantity,
                ARRAY[{shares_in_fen("p")}],
                (SELECT ARRAY[{_GONE}, 0] FROM orders_ordercharge c WHERE c.order_id = s.order_id
                    AND c.sub_order_id = s.id AND c.line_id = l.id AND c.cause IN ({listed(OF_GONE_UNITS)}))
            FROM orders_suborder s JOIN orders_suborderline p ON p.sub_order_id = s.id
            JOIN orders_orderline l ON l.id = p.order_line_id
            WHERE s.order_id = %s AND s.state NOT IN ({listed(UNDONE)}) ORDER BY s.id, l.position
            """,
            [order_id],
        )
        return [
            Part(key, sub_order_id, state, line_id, position, units, Shares(*stored).less(Shares(*gone)))
            for key, sub_order_id, state, line_id, position, units, stored, gone in cursor
        ]


def by_component(shares: Shares) -> list[tuple[ChargeComponent, int]]:
    """What the buyer pays of each component, in fen."""
    return [(component, sign * amount) for (component, sign), amount in zip(SIGNS.items(), shares, strict=False)]


def _promotions(order_ids: Collection[int]) -> dict[int, list[tuple[str, Rule | None, Sequence[int]]]]:
    """The promotions of each order in their order: code, rule if it is one that is understood, positions covered."""
    found: dict[int, list[tuple[str, Rule | None, Sequence[int]]]] = {}
    rows = OrderPromotion.objects.filter(order__in=list(order_ids)).order_by("order", "position")
    for order_id, code, told, covered in rows.values_list("order_id", "code", "rule", "covered"):
        rule = understand(told)
        found.setdefault(order_id, []).append((code, rule if isinstance(rule, Rule) else None, covered))
    return found


def _charges(order_ids: Collection[int]) -> dict[int, dict[_Row, int]]:
    """The sums of each order's charges, in fen."""
    found: dict[int, dict[_Row, int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT order_id, cause, component, line_id, reference, (sum(amount) * 100)::bigint FROM orders_ordercharge
            WHERE order_id = ANY(%s::bigint[]) GROUP BY order_id, cause, component, line_id, reference
            """,
            [array(order_ids)],
        )
        for order_id, cause, component, line, reference, amount in cursor:
            found.setdefault(order_id, {})[_Row(cause, component, line, reference)] = amount
    return found


def tenders(cash: Decimal, gift_card: Decimal, points: Decimal) -> Tenders:
    """Money by how it was paid, of amounts in yuan."""
    return Tenders(to_fen(cash), to_fen(gift_card), to_fen(points))
