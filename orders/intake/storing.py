"""Writing a batch of checked orders: numbers, shares, rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from oms.common.copying import Rows, write_tables
from oms.common.money import fen_text
from oms.common.numbering import order_number
from orders import kinds
from orders.actors import Actor
from orders.intake import history
from orders.intake.addresses import address_key
from orders.intake.apportionment import Shares, apportion
from orders.intake.checking import CheckedLine, CheckedOrder
from orders.models import Hold
from orders.models.order import OrderPaymentState, OrderState, PaymentMethod
from orders.reviewing import words

KIND_PREPAID, KIND_COD, KIND_VIRTUAL = 1, 2, 3


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An order as it is stored: what was checked, and what intake added."""

    id: int
    number: str
    checked: CheckedOrder
    shares: list[Shares]
    state: str
    payment_state: str
    created_at: datetime
    pay_by: datetime | None
    paid_at: datetime | None


def store(
    ids: Sequence[int],
    orders: Sequence[CheckedOrder],
    *,
    actor: Actor,
    now: datetime,
    pay_by: datetime,
    is_history: bool = False,
) -> list[StoredOrder]:
    """Write the orders as `lay_out` has them.

    Raises IntegrityError if another transaction stored one of the external numbers first.
    """
    stored, tables = lay_out(ids, orders, actor=actor, now=now, pay_by=pay_by, is_history=is_history)
    write_tables(*tables)
    return stored


def lay_out(
    ids: Sequence[int],
    orders: Sequence[CheckedOrder],
    *,
    actor: Actor,
    now: datetime,
    pay_by: datetime,
    is_history: bool = False,
) -> tuple[list[StoredOrder], list[Rows]]:
    """The orders under the next of `ids` each, in order, and the rows to write: orders, lines, first timeline events,
    and the holds of those about which a person must be asked. Orders of the past (`is_history`) are as they ended.
    """
    order_rows: list[dict[str, object]] = []
    line_rows: list[dict[str, object]] = []
    event_rows: list[dict[str, object]] = []
    hold_rows: list[dict[str, object]] = []
    term_rows: list[dict[str, object]] = []
    invoice_rows: list[dict[str, object]] = []
    names_lines = any(line.external_id or line.is_gift for order in orders for line in order.lines)
    stored = []
    for order_id, order in zip(ids, orders, strict=False):
        body = order.body
        ended = history.ending(order) if is_history else None
        state, payment_state = (
            (ended.state.value, ended.payment_state.value) if ended is not None else _first_states(order)
        )
        paid_at = now if payment_state == OrderPaymentState.NOTHING_DUE else None
        result = StoredOrder(
            id=order_id,
            number=order_number(_kind(order), body.buyer.id, order_id),
            checked=order,
            shares=shares_of(order),
            state=state,
            payment_state=payment_state,
            created_at=now,
            pay_by=pay_by if state == OrderState.AWAITING_PAYMENT else None,
            paid_at=ended.paid_at if ended else paid_at,
        )
        order_rows.append(
            {
                "id": order_id,
                "number": result.number,
                "channel_id": order.channel_id,
                "external_number": body.external_number,
                "state": state,
                "payment_state": payment_state,
                "payment_method": body.payment_method,
                "promise": body.promise,
                "buyer_reference": body.buyer.id,
                "buyer_name": body.buyer.name,
                "buyer_phone": body.buyer.phone,
                "recipient_name": body.recipient.name,
                "recipient_phone": body.recipient.phone,
                "region_id": body.recipient.region_code or None,
                "recipient_address": body.recipient.address,
                "address_key": address_key(body.recipient.region_code, body.recipient.address),
                "remark": body.remark,
                "goods_amount": fen_text(order.goods_amount),
                "freight_amount": fen_text(order.freight_amount),
                "order_amount": fen_text(order.goods_amount + order.freight_amount),
                "coupon_amount": fen_text(order.coupon_amount),
                "points_used": body.points.used,
                "points_amount": fen_text(order.points_amount),
                "gift_card_amount": fen_text(order.gift_card_amount),
                "payable_amount": fen_text(order.payable_amount),
                "open_holds": int(order.question is not None),
                "line_count": len(order.lines),
                "total_quantity": sum([line.quantity for line in order.lines]),
                "ordered_at": body.ordered_at,
                "created_at": now,
                "pay_by": result.pay_by,
                "paid_at": result.paid_at,
                **(ended.columns() if ended else {}),
            }
        )
        line_rows += [
            {
                "order_id": order_id,
                "position": position,
                "sku_id": line.sku.id,
                "name": line.name,
                "quantity": line.quantity,
                "unit_price": fen_text(line.unit_price),
                "line_discount": fen_text(line.line_discount),
                "goods_amount": fen_text(shares.goods),
                "freight_share": fen_text(shares.freight),
                "coupon_share": fen_text(shares.coupon),
                "points_share": fen_text(shares.points),
                "gift_card_share": fen_text(shares.gift_card),
                "payable_amount": fen_text(shares.payable),
                **(_named(line) if names_lines else {}),
            }
            for position, (line, shares) in enumerate(zip(order.lines, result.shares, strict=True), 1)
        ]
        event_rows.append(_event(result, kinds.RECEIVED, actor, state))
        if order.question:
            hold = Hold(kind=Hold.Kind.ADDRESS, details=order.question.details)
            event_rows.append(_event(result, kinds.HELD, actor, "") | {"data": words.data_of(hold)})
            hold_rows.append(
                {
                    "order_id": order_id,
                    "kind": Hold.Kind.ADDRESS.value,
                    "reason": hold.reason,
                    "details": hold.details,
                    "opened_at": now,
                    "opened_by": actor.name,
                }
            )
        if order.terms:
            term_rows.append({"order_id": order_id, **order.terms.columns()})
        if order.invoice:
            invoice_rows.append({"order_id": order_id, **order.invoice.columns()})
        if ended:
            event_rows.append(_event(result, kinds.IMPORTED, actor, ""))
        stored.append(result)
    tables = [Rows("orders_order", order_rows), Rows("orders_orderline", line_rows)]
    # Written only where there are any: most orders have none.
    tables += [Rows("orders_orderterms", term_rows)] if term_rows else []
    tables += [Rows("orders_invoicerequest", invoice_rows)] if invoice_rows else []
    if hold_rows:
        tables.append(Rows("orders_hold", hold_rows))
        event_rows = [{**row, "data": row.get("data")} for row in event_rows]
    return stored, [*tables, Rows("orders_orderevent", event_rows)]


def _named(line: CheckedLine) -> dict[str, object]:
    """What only few lines have, by column."""
    stated = fen_text(line.stated_value)
    return {"external_id": line.external_id, "is_gift": line.is_gift, "stated_value": stated}


def _event(order: StoredOrder, kind: kinds.EventKind, actor: Actor, to_state: str) -> dict[str, object]:
    return {
        "order_id": order.id,
        "kind": kind.code,
        "actor_kind": actor.kind,
        "actor": actor.name,
        "to_state": to_state,
        "created_at": order.created_at,
    }


def _first_states(order: CheckedOrder) -> tuple[str, str]:
    """Where an order starts: what need not be paid before delivery goes straight to review."""
    if not order.payable_amount:
        return OrderState.IN_REVIEW.value, OrderPaymentState.NOTHING_DUE.value
    if order.body.payment_method == PaymentMethod.COD:
        return OrderState.IN_REVIEW.value, OrderPaymentState.ON_DELIVERY.value
    return OrderState.AWAITING_PAYMENT.value, OrderPaymentState.UNPAID.value


def _kind(order: CheckedOrder) -> int:
    if all(line.sku.is_virtual for line in order.lines):
        return KIND_VIRTUAL
    return KIND_COD if order.body.payment_method == PaymentMethod.COD else KIND_PREPAID


def shares_of(order: CheckedOrder) -> list[Shares]:
    """Each line's share of every order-level amount (fen), in the order of the lines.

    Freight follows the goods' worth. A coupon takes off goods only; points and gift cards pay for freight as well.
    """
    goods = [line.goods_amount for line in order.lines]
    freight = apportion(order.freight_amount, goods)
    if not (order.coupon_amount or order.points_amount or order.gift_card_amount):
        return [Shares(worth, freight[i], 0, 0, 0) for i, worth in enumerate(goods)]
    coupon = apportion(order.coupon_amount, goods, goods)
    bears = [worth + freight[i] - coupon[i] for i, worth in enumerate(goods)]
    points = apportion(order.points_amount, goods, bears)
    bears = [left - points[i] for i, left in enumerate(bears)]
    gift_card = apportion(order.gift_card_amount, goods, bears)
    return [Shares(*row) for row in zip(goods, freight, coupon, points, gift_card, strict=True)]
