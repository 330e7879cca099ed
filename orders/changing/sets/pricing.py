"""Adjustments of price and freight of a placed order: shared among the units that no warehouse has yet, as an order's
amounts are when it comes in, so that they go back with the units."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db import connection
from django.utils.translation import gettext as _

from oms.common.copying import records
from oms.common.errors import OmsError
from oms.common.money import fen_text, yuan
from oms.common.states import listed
from orders.actors import Actor
from orders.changing.sets.actions import Adjust, Freight
from orders.intake.apportionment import apportion
from orders.models import Order, OrderCharge
from orders.models.amounts import ApportionmentPolicy, Bearer
from orders.models.charge import ChargeCause, ChargeComponent
from orders.models.shares import shares_in_fen
from orders.models.sub_order import BEFORE_RELEASE

_CHANGED = ("freight_share", "adjustment_share", "merchant_borne_share", "payable_amount")


@dataclass(slots=True)
class _Place:
    """Units of an order line that can still be priced anew: in a sub-order, or before the split the whole line. What
    they carry is in fen, `freight` and `adjustment` are what is to be added."""

    id: int
    sub_order_id: int | None
    line_id: int
    position: int
    goods: int
    bears: int  # what goods may still be lowered by
    freight_share: int
    payable: int
    freight: int = 0
    adjustment: int = 0
    borne: int = 0
    causes: dict[tuple[ChargeCause, ChargeComponent], int] = field(default_factory=dict)

    def add(self, amount: int, component: ChargeComponent, bearer: Bearer | None) -> None:
        """Take on a share of a change."""
        cause = ChargeCause.FEE if amount > 0 and component == ChargeComponent.ADJUSTMENT else ChargeCause.EDIT
        self.causes[cause, component] = self.causes.get((cause, component), 0) + amount
        if component == ChargeComponent.FREIGHT:
            self.freight += amount
        else:
            self.adjustment += amount
            if bearer == Bearer.MERCHANT:
                self.borne -= amount

    def room(self, component: ChargeComponent) -> int:
        """By how much it can become cheaper."""
        payable = self.payable + self.freight + self.adjustment
        if component == ChargeComponent.FREIGHT:
            return max(0, min(self.freight_share + self.freight, payable))
        return max(0, min(self.bears + self.adjustment, payable))

    def columns(self) -> dict[str, int]:
        """What is added to each column, in fen."""
        total = self.freight + self.adjustment
        return dict(zip(_CHANGED, (self.freight, self.adjustment, self.borne, total), strict=True))


def reprice(order: Order, changes: Sequence[Adjust | Freight], *, reason: str, reference: str, actor: Actor) -> None:
    """Change prices and freight of a locked order, whose sub-orders are locked, and charge the difference: what makes
    it dearer than its goods as a fee. As many statements for many changes as for one.

    Raises OmsError where no unit can be priced anew, or the units cannot bear it.
    """
    if not changes:
        return
    places = _places(order)
    for change in changes:
        _share(change, places)
    bearer = _bearer(order, changes)
    touched = [place for place in places if place.freight or place.adjustment]
    _write("orders_suborderline", [(one.id, one.columns()) for one in touched if one.sub_order_id is not None])
    _write("orders_suborder", [(one.sub_order_id, one.columns()) for one in touched if one.sub_order_id is not None])
    _write("orders_orderline", [(one.line_id, one.columns()) for one in touched])
    _write_order(order, touched, bearer, reason)
    OrderCharge.objects.bulk_create(
        OrderCharge(
            order=order,
            line_id=line_id,
            component=component,
            cause=cause,
            amount=yuan(amount),
            reference=reference,
            reason=reason,
            bearer=bearer if component == ChargeComponent.ADJUSTMENT else "",
            actor_kind=actor.kind,
            actor=actor.name,
        )
        for (line_id, cause, component), amount in _charged(touched).items()
        if amount
    )


def _places(order: Order) -> list[_Place]:
    floor = "coalesce((k.floor_price * 100)::bigint, 0)"
    if order.split_at is not None:
        of_rows = f"""
            SELECT p.id, s.id, l.id, l.position, p.quantity * {floor}, {shares_in_fen("p")}
            FROM orders_suborder s JOIN orders_suborderline p ON p.sub_order_id = s.id
            JOIN orders_orderline l ON l.id = p.order_line_id JOIN inventory_sku k ON k.id = l.sku_id
            WHERE s.order_id = %s AND s.state IN ({listed(BEFORE_RELEASE)}) AND s.cancel_requested_at IS NULL
              AND NOT l.is_gift ORDER BY l.position, s.id
        """
    else:
        # What is to be cancelled leaves with the split, by the shares that the line has now.
        of_rows = f"""
            SELECT l.id, NULL::bigint, l.id, l.position, l.quantity * {floor}, {shares_in_fen("l")}
            FROM orders_orderline l JOIN orders_order o ON o.id = l.order_id JOIN inventory_sku k ON k.id = l.sku_id
            WHERE l.order_id = %s AND NOT l.is_gift
              AND NOT coalesce(o.units_to_cancel ? l.position::text, false) ORDER BY l.position
        """
    with connection.cursor() as cursor:
        cursor.execute(of_rows, [order.pk])
        found = []
        for key, part, line_id, position, floor_fen, *fen in cursor.fetchall():
            goods, freight, promotion, coupon, adjustment, points, card, _borne = fen
            bears = goods - promotion - coupon + min(adjustment, 0) - floor_fen
            payable = goods + freight - promotion - coupon + adjustment - points - card
            found.append(_Place(key, part, line_id, position, goods, bears, freight, payable))
        return found


def _share(change: Adjust | Freight, places: Sequence[_Place]) -> None:
    """Share one change among the places."""
    is_freight = isinstance(change, Freight)
    component = ChargeComponent.FREIGHT if is_freight else ChargeComponent.ADJUSTMENT
    position = None if isinstance(change, Freight) else change.position
    bearer = None if isinstance(change, Freight) else change.bearer
    own = [place for place in places if position is None or place.position == position]
    if not own:
        if position is None:
            raise OmsError(_("No unit can be priced anew: warehouses have them, they are gone, or go with the split."))
        detail = _(
            "Line %(position)d cannot be priced anew: its units are with a warehouse or gone, or some of them are"
            " cancelled when the order is split."
        )
        raise OmsError(detail % {"position": position}, attr="actions")
    room = [place.room(component) for place in own]
    if -change.amount > sum(room):
        detail = _("It can become cheaper by at most ¥%(most)s: no line costs less than nothing or its floor price.")
        raise OmsError(detail % {"most": fen_text(sum(room))}, attr="actions")
    weights = [place.goods for place in own]
    limits = room if change.amount < 0 else None
    shares = apportion(abs(change.amount), weights, limits, policy=ApportionmentPolicy.FEN)
    for place, share in zip(own, shares, strict=True):
        if share:
            place.add(share if change.amount > 0 else -share, component, bearer)


def _bearer(order: Order, changes: Iterable[Adjust | Freight]) -> str:
    """Who bears the order's adjustment then: all of it is borne by one."""
    bearers = {str(change.bearer) for change in changes if isinstance(change, Adjust)}
    known = bearers | ({order.adjustment_bearer} - {""})
    if len(known) > 1:
        detail = _(
            "The adjustment of one order is borne by one only: %(bearer)s. Give what another one bears as a refund of"
            " goodwill, which names its own bearer."
        )
        label = Bearer(order.adjustment_bearer).label if order.adjustment_bearer else Bearer.MERCHANT.label
        raise OmsError(detail % {"bearer": label}, attr="actions")
    return known.pop() if known else ""


def _write(table: str, rows: Iterable[tuple[int | None, dict[str, int]]]) -> None:
    """Add to the columns of the rows (by id, in fen). One statement."""
    sums: dict[int | None, dict[str, int]] = {}
    for key, columns in rows:
        of_row = sums.setdefault(key, dict.fromkeys(_CHANGED, 0))
        for name, amount in columns.items():
            of_row[name] += amount
    if not sums:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE {table} t SET {", ".join(f"{name} = t.{name} + d.{name}" for name in _CHANGED)}
            FROM json_populate_recordset(NULL::{table}, %s::json) AS d WHERE t.id = d.id
            """,
            [
                records(
                    {"id": key, **{name: fen_text(fen) for name, fen in of_row.items()}} for key, of_row in sums.items()
                )
            ],
        )


def _write_order(order: Order, touched: Sequence[_Place], bearer: str, reason: str) -> None:
    freight, adjustment, borne = (
        sum(getattr(place, name) for place in touched) for name in ("freight", "adjustment", "borne")
    )
    now = Order.objects.only("adjustment_amount", "adjustment_reason").get(pk=order.pk)
    total = now.adjustment_amount + yuan(adjustment)
    why = "; ".join(filter(None, dict.fromkeys((now.adjustment_reason, reason if adjustment else ""))))[:200]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE orders_order SET freight_amount = freight_amount + %(freight)s,
                order_amount = order_amount + %(freight)s, adjustment_amount = adjustment_amount + %(adjustment)s,
                merchant_borne_amount = merchant_borne_amount + %(borne)s,
                payable_amount = payable_amount + %(freight)s + %(adjustment)s,
                adjustment_bearer = %(bearer)s, adjustment_reason = %(reason)s
            WHERE id = %(order)s
            """,
            {
                "order": order.pk,
                "freight": yuan(freight),
                "adjustment": yuan(adjustment),
                "borne": yuan(borne),
                "bearer": bearer if total else "",
                "reason": why if total else "",
            },
        )


def _charged(touched: Iterable[_Place]) -> dict[tuple[int, ChargeCause, ChargeComponent], int]:
    rows: dict[tuple[int, ChargeCause, ChargeComponent], int] = {}
    for place in touched:
        for (cause, component), amount in place.causes.items():
            key = (place.line_id, cause, component)
            rows[key] = rows.get(key, 0) + amount
    return rows
