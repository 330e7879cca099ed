"""What a buyer owes: rows of charges, written in the transaction of what causes them.

The database itself writes those of placing, from the order's amounts. Units that go take the shares of their lines
back. Money beside the price (goodwill, price protection, compensation) is a row of its own; where the units that it was
for come back after all, it is netted, so that nobody gets back more than was paid.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from django.db import connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Sum
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext as _

from inventory.models import UNKNOWN_GOODS
from oms.common.copying import array
from oms.common.errors import OmsError
from oms.common.money import to_fen, yuan
from oms.common.postgresql.appending import append_only
from oms.common.states import listed
from oms.common.work import nudging
from orders.actors import Actor
from orders.changing import correcting, followed_gifts
from orders.changing.keeping import FreightBack, Kept, Tenders
from orders.intake.apportionment import Shares
from orders.locking import lock_order
from orders.models import Order, OrderLine, SubOrderLine
from orders.models.amounts import Bearer
from orders.models.charge import GIVEN, OF_GONE_UNITS, SIGNS, ChargeCause, ChargeComponent, OrderCharge
from orders.models.order import OrderState
from orders.models.shares import SHARES

_PLACES = "orders_charge_placed"
# The reference of what a sub-order took over at the split.
MOVED = "split"
_C = ChargeComponent
# Of the rows `taken` by orders with more to look at than their shares: the order, whether it was given money beside the
# price, whether more may be kept, and what was taken of each tender.
_SPECIAL = f"""
    SELECT * FROM (
        SELECT t.order_id,
            EXISTS (SELECT FROM orders_ordercharge g
                    WHERE g.order_id = t.order_id AND g.cause IN ({listed(GIVEN)})) AS given,
            {correcting.MAY_KEEP_MORE.format("t")} AS may_keep_more, -sum(t.amount) AS cash,
            coalesce(sum(t.amount) FILTER (WHERE t.component = '{_C.GIFT_CARD}'), 0) AS gift_card,
            coalesce(sum(t.amount) FILTER (WHERE t.component = '{_C.POINTS}'), 0) AS points
        FROM taken t GROUP BY t.order_id
    ) AS of_order WHERE given OR may_keep_more ORDER BY order_id
"""


def of_order(alias: str) -> str:
    """SQL of the rows (component, amount) that an order of this alias comes to."""
    return _values(alias, (column.replace("_share", "_amount") for column in SHARES))


def of_line(alias: str) -> str:
    """SQL of the rows (component, amount) that a line, or a part of one, of this alias comes to."""
    return _values(alias, SHARES)


def _values(alias: str, columns: Iterable[str]) -> str:
    signed = zip(SIGNS.items(), columns, strict=False)
    rows = [f"('{component}', {sign} * {alias}.{column})" for (component, sign), column in signed]
    return f"(VALUES {', '.join(rows)})"


def trigger_sql() -> str:
    """The SQL that (re)creates the triggers: an order is charged as it comes in, and no charge is changed."""
    return f"""
        CREATE OR REPLACE FUNCTION {_PLACES}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO orders_ordercharge (order_id, component, cause, amount)
            SELECT o.id, c.component, '{ChargeCause.PLACED}', c.amount
            FROM placed o CROSS JOIN LATERAL {of_order("o")} AS c(component, amount)
            WHERE c.amount <> 0 AND NOT o.is_historical;
            RETURN NULL;
        END $$;
        CREATE OR REPLACE TRIGGER {_PLACES} AFTER INSERT ON orders_order
            REFERENCING NEW TABLE AS placed FOR EACH STATEMENT EXECUTE FUNCTION {_PLACES}();
        {append_only("orders_ordercharge")}
    """


def install_triggers(connection: BaseDatabaseWrapper, existing: Iterable[str]) -> None:
    """Make the triggers anew; does nothing before their table is in `existing`."""
    if "orders_ordercharge" in existing:
        with connection.cursor() as cursor:
            cursor.execute(trigger_sql())


def take_back(sub_order_ids: Iterable[int], cause: ChargeCause, *, actor: Actor) -> None:
    """What was ordered of these sub-orders is owed no longer; `cause` is one of `OF_GONE_UNITS`.

    The orders must be locked, and the sub-orders' lines be those that they keep.
    """
    ids = list(sub_order_ids)
    if not ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH part AS MATERIALIZED (
                SELECT s.order_id, s.id, l.order_line_id AS line_id, c.component, r.amount
                FROM orders_suborder s JOIN orders_suborderline l ON l.sub_order_id = s.id
                CROSS JOIN LATERAL {of_line("l")} AS c(component, amount)
                -- Less what went with units that came back before.
                CROSS JOIN LATERAL (SELECT c.amount + CASE WHEN l.returned_quantity = 0 THEN 0 ELSE (
                    SELECT coalesce(sum(b.amount), 0) FROM orders_ordercharge b
                    WHERE b.order_id = s.order_id AND b.sub_order_id = s.id AND b.line_id = l.order_line_id
                      AND b.component = c.component AND b.cause IN ({listed(OF_GONE_UNITS)})) END AS amount) AS r
                WHERE s.id = ANY(%(ids)s::bigint[]) AND r.amount <> 0
            ), taken AS (
                INSERT INTO orders_ordercharge
                    (order_id, sub_order_id, line_id, component, cause, amount, reference, actor_kind, actor)
                SELECT t.*, %(kind)s, %(actor)s FROM (
                    SELECT order_id, id, line_id, component, %(cause)s, -amount, '' FROM part
                    UNION ALL
                    -- What was taken back before the split is the sub-order's now.
                    SELECT c.order_id, NULL, c.line_id, c.component, c.cause, -sum(c.amount), '{MOVED}'
                    FROM orders_ordercharge c
                    WHERE c.order_id = ANY(SELECT order_id FROM part) AND c.line_id = ANY(SELECT line_id FROM part)
                      AND c.sub_order_id IS NULL AND c.cause = '{ChargeCause.CANCELLED}'
                    GROUP BY c.order_id, c.line_id, c.component, c.cause HAVING sum(c.amount) <> 0
                ) AS t ORDER BY 2, 3
                RETURNING order_id, component, amount
            ) {_SPECIAL}
            """,
            {"ids": array(ids), "cause": cause.value, "kind": actor.kind, "actor": actor.name},
        )
        special = cursor.fetchall()
    _settle(special, actor)


def take_back_unsplit(order_id: int, *, actor: Actor) -> None:
    """A locked order that was never split is cancelled: nothing of it is owed any longer."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH taken AS (
                INSERT INTO orders_ordercharge (order_id, line_id, component, cause, amount, actor_kind, actor)
                SELECT l.order_id, l.id, c.component, '{ChargeCause.CANCELLED}', -r.amount, %s, %s
                FROM orders_orderline l JOIN orders_order o ON o.id = l.order_id AND o.split_at IS NULL
                CROSS JOIN LATERAL {of_line("l")} AS c(component, amount)
                -- Less what went with units that were cancelled before.
                CROSS JOIN LATERAL (SELECT c.amount + coalesce(sum(b.amount), 0) AS amount FROM orders_ordercharge b
                    WHERE b.order_id = o.id AND b.line_id = l.id AND b.component = c.component
                      AND b.cause = '{ChargeCause.CANCELLED}') AS r
                WHERE l.order_id = %s AND r.amount <> 0
                RETURNING order_id, component, amount
            ) {_SPECIAL}
            """,
            [actor.kind, actor.name, order_id],
        )
        special = cursor.fetchall()
    _settle(special, actor)


def take_back_unsent(order_id: int, *, actor: Actor) -> None:
    """The units that are to be cancelled of a locked order that is not split yet are owed no longer.

    They take along what they will take along when they leave with the split. Goods that nobody has matched yet are left
    out: what stands for them carries the money then.
    """
    split_at, told = Order.objects.values_list("split_at", "units_to_cancel").get(pk=order_id)
    units = {int(position): count for position, count in (told or {}).items()}
    if split_at or not units:
        return
    lines = OrderLine.objects.filter(order=order_id, position__in=units).exclude(sku__code=UNKNOWN_GOODS)
    before: dict[tuple[int | None, str], Decimal] = {}
    charges = OrderCharge.objects.filter(order=order_id, cause=ChargeCause.CANCELLED, sub_order=None).order_by()
    for line_id, component, amount in charges.values_list("line_id", "component").annotate(amount=Sum("amount")):
        before[line_id, component] = amount
    rows: list[OrderCharge] = []
    for line in lines.order_by("position"):
        shares = Shares(*(to_fen(getattr(line, column)) for column in SHARES[:-1]))
        for component, amount in correcting.by_component(shares.take(units[line.position], line.quantity)):
            due = -yuan(amount) - before.get((line.pk, component), Decimal(0))
            if due:
                rows.append(
                    OrderCharge(
                        order_id=order_id,
                        line=line,
                        component=component,
                        cause=ChargeCause.CANCELLED,
                        amount=due,
                        reference=f"{line.position}×{units[line.position]}",
                        actor_kind=actor.kind,
                        actor=actor.name,
                    )
                )
    if not rows:
        return
    OrderCharge.objects.bulk_create(rows)
    taken: dict[str, Decimal] = {"": Decimal(0)}
    for row in rows:
        taken[""] -= row.amount
        taken[row.component] = taken.get(row.component, Decimal(0)) + row.amount
    may_keep_more = correcting.may_keep_more(order_id)
    was_given = OrderCharge.objects.filter(order=order_id, cause__in=GIVEN).exists()
    card, points = (taken.get(component, Decimal(0)) for component in (_C.GIFT_CARD, _C.POINTS))
    if was_given or may_keep_more:
        _settle([(order_id, was_given, may_keep_more, taken[""], card, points)], actor)
    Order.objects.filter(pk=order_id).update(owed_changed_since=Coalesce(F("owed_changed_since"), Now()))


def _settle(special: Iterable[tuple[int, bool, bool, Decimal, Decimal, Decimal]], actor: Actor) -> None:
    """After units were taken back: what they got beside their price is netted, what does not go back is charged."""
    rows = list(special)
    given = [order_id for order_id, was_given, *_others in rows if was_given]
    _net_lines(given, actor)
    taken = {
        order_id: correcting.tenders(cash, gift_card, points)
        for order_id, _was_given, may_keep_more, cash, gift_card, points in rows
        if may_keep_more
    }
    correcting.correct(taken, actor=actor)
    _net_orders(given, actor)


def take_back_units(
    order_id: int,
    units: Mapping[int, int],
    *,
    freight: FreightBack,
    gifts_kept: Mapping[int, int],
    reference: str,
    actor: Actor,
    bearer: Bearer = Bearer.MERCHANT,
) -> Kept:
    """Units of sub-order lines (by id) came back while others stay: they are owed no longer, but for what does not go
    back. `gifts_kept` are units of gifts, by order line, that should have come back with them; `bearer` says whether
    their merchant loses the sale or the platform pays for it. Returns what is kept.

    The order must be locked. Raises ValueError for units that a line does not have.
    """
    gone: dict[int, Shares] = {}
    rows: list[OrderCharge] = []
    for part in correcting.parts(order_id):
        count = units.get(part.id, 0)
        if not count:
            continue
        if not 0 < count <= part.units:
            raise ValueError(f"line {part.id} has not so many units")
        gone[part.id] = shares = part.shares.take(count, part.units)
        rows += [
            OrderCharge(
                order_id=order_id,
                sub_order_id=part.sub_order_id,
                line_id=part.order_line_id,
                component=component,
                cause=ChargeCause.RETURNED,
                amount=-yuan(amount),
                reference=reference,
                bearer=bearer,
                actor_kind=actor.kind,
                actor=actor.name,
            )
            for component, amount in correcting.by_component(shares)
            if amount
        ]
    if units.keys() - gone.keys():
        raise ValueError("a line is not of the order")
    OrderCharge.objects.bulk_create(rows)
    for key, count in sorted(units.items()):
        SubOrderLine.objects.filter(pk=key).update(returned_quantity=F("returned_quantity") + count)
    _net_lines([order_id], actor)
    kept_freight = sum(shares.freight for shares in gone.values()) if freight == FreightBack.NOTHING else 0
    taken = Tenders(
        sum(shares.payable for shares in gone.values()),
        sum(shares.gift_card for shares in gone.values()),
        sum(shares.points for shares in gone.values()),
    )
    values = OrderLine.objects.filter(order=order_id, pk__in=gifts_kept).values_list("pk", "stated_value")
    stated = {key: to_fen(value) for key, value in values}
    stated |= followed_gifts.stated_values(gifts_kept.keys() - stated.keys())
    missing = {key: gifts_kept[key] * value for key, value in stated.items()}
    kept = correcting.correct(
        {order_id: taken}, actor=actor, freight_kept={order_id: kept_freight}, gifts_kept={order_id: missing}
    )
    _net_orders([order_id], actor)
    return kept[order_id]


def _net_lines(order_ids: Sequence[int], actor: Actor) -> None:
    """What units got beside their price goes when they go, line by line."""
    if not order_ids:
        return
    values = {"ids": array(order_ids), "kind": actor.kind, "actor": actor.name}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH extra AS (
                SELECT c.order_id, c.line_id, -sum(c.amount) AS given FROM orders_ordercharge c
                WHERE c.order_id = ANY(%(ids)s::bigint[]) AND c.line_id IS NOT NULL
                  AND c.component = '{_C.EXTRA}' AND c.cause IN ({listed((*GIVEN, ChargeCause.NETTED))})
                GROUP BY c.order_id, c.line_id HAVING sum(c.amount) < 0
            ), kept AS (
                SELECT e.*, l.quantity, (
                    SELECT coalesce(sum(CASE WHEN EXISTS (
                            SELECT FROM orders_ordercharge g WHERE g.order_id = e.order_id AND g.sub_order_id = s.id
                              AND g.cause IN ({listed(OF_GONE_UNITS)}) AND g.reference = '')
                        THEN p.quantity ELSE p.returned_quantity END), 0) FROM orders_suborderline p
                    JOIN orders_suborder s ON s.id = p.sub_order_id
                    WHERE p.order_line_id = e.line_id AND s.order_id = e.order_id) + coalesce((
                    SELECT (o.units_to_cancel->>l.position::text)::int FROM orders_order o
                    WHERE o.id = e.order_id AND o.split_at IS NULL), 0) AS gone,
                    (SELECT coalesce(sum(-c.amount), 0) FROM orders_ordercharge c
                     WHERE c.order_id = e.order_id AND c.line_id = e.line_id AND c.component = '{_C.EXTRA}'
                       AND c.cause <> '{ChargeCause.NETTED}') AS total,
                    (SELECT o.split_at IS NULL AND o.state = '{OrderState.CANCELLED}' FROM orders_order o
                     WHERE o.id = e.order_id) AS is_all
                FROM extra e JOIN orders_orderline l ON l.id = e.line_id
            ), due AS (
                -- Of all that the line was given, the kept units keep their part.
                SELECT order_id, line_id, given - (CASE WHEN is_all THEN 0
                    ELSE total - floor(total * 100 * gone / quantity) / 100 END) AS amount
                FROM kept
            )
            INSERT INTO orders_ordercharge (order_id, line_id, component, cause, amount, actor_kind, actor)
            SELECT order_id, line_id, '{_C.EXTRA}', '{ChargeCause.NETTED}', amount, %(kind)s, %(actor)s
            FROM due WHERE amount > 0
            """,
            values,
        )


def _net_orders(order_ids: Sequence[int], actor: Actor) -> None:
    """No order owes less than nothing: what was given beside the price of goods that are gone is no debt."""
    if not order_ids:
        return
    values = {"ids": array(order_ids), "kind": actor.kind, "actor": actor.name}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO orders_ordercharge (order_id, component, cause, amount, actor_kind, actor)
            SELECT c.order_id, '{_C.EXTRA}', '{ChargeCause.NETTED}', -sum(c.amount), %(kind)s, %(actor)s
            FROM orders_ordercharge c WHERE c.order_id = ANY(%(ids)s::bigint[])
            GROUP BY c.order_id HAVING sum(c.amount) < 0
            """,
            values,
        )


def owed(order_id: int) -> Decimal:
    """What the buyer owes for the order in all, in yuan."""
    charges = OrderCharge.objects.filter(order_id=order_id)
    return charges.aggregate(owed=Coalesce(Sum("amount"), Decimal(0)))["owed"]


def check_line(amount: Decimal, left: Decimal) -> None:
    """Raises OmsError for more yuan than are left of a line's price."""
    if amount > left:
        detail = _("Only %(left)s yuan of the line's price are left to give back.")
        raise OmsError(detail % {"left": max(left, Decimal(0))}, attr="amount")


def left_of_line(order_id: int, line_id: int) -> Decimal:
    """What the kept units of the line still cost the buyer in money, less what was given back beside their price, in
    yuan: its price can be protected by no more (R10)."""
    shares = {line.key: line.shares for line in correcting.read([order_id])[order_id].books.lines}
    beside = OrderCharge.objects.filter(order_id=order_id, line_id=line_id, component=_C.EXTRA)
    given = beside.aggregate(amount=Coalesce(Sum("amount"), Decimal(0)))["amount"]
    return max(yuan(shares[line_id].payable) + given, Decimal(0))


@transaction.atomic
def give(
    order_id: int,
    amount: Decimal,
    cause: ChargeCause,
    *,
    reason: str,
    actor: Actor,
    bearer: Bearer = Bearer.PLATFORM,
    line_id: int | None = None,
    reference: str = "",
) -> OrderCharge:
    """The buyer owes so much (yuan) less, beside the price: goodwill, price protection or compensation, for the whole
    order or one of its lines; what was paid beyond it goes back.

    Raises OmsError for an empty reason, for no positive amount in whole fen, for more than is owed, and where a line's
    price is protected by more than is left of it.
    """
    if cause not in GIVEN:
        raise ValueError(f"{cause} gives nothing beside the price")
    if not reason.strip():
        raise OmsError(_("Give a reason."), attr="reason")
    if amount <= 0 or amount != round(amount, 2):
        raise OmsError(_("Give a positive amount with at most two places."), attr="amount")
    order = lock_order(order_id)
    left = owed(order_id)
    if amount > left:
        raise OmsError(_("Only %(left)s yuan are still owed for this order.") % {"left": left}, attr="amount")
    if cause == ChargeCause.PRICE_PROTECTION and line_id is not None:
        check_line(amount, left_of_line(order_id, line_id))
    charge = OrderCharge.objects.create(
        order=order,
        line_id=line_id,
        component=ChargeComponent.EXTRA,
        cause=cause,
        amount=-amount,
        reference=reference,
        reason=reason.strip()[:200],
        bearer=bearer,
        actor_kind=actor.kind,
        actor=actor.name,
    )
    Order.objects.filter(pk=order_id).update(owed_changed_since=Now())
    nudging.nudge("owing")
    return charge
