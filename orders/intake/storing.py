"""Writing a batch of checked orders: numbers, shares, rows."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec
from django.conf import settings

from inventory.models import StockHold
from oms.common.copying import Rows, next_ids, write_tables
from oms.common.money import fen_text
from oms.common.numbering import order_number
from orders import kinds
from orders.actors import Actor
from orders.intake import history
from orders.intake.addresses import address_key
from orders.intake.apportionment import Shares
from orders.intake.bodies import OrderBody
from orders.intake.checking import CheckedLine, CheckedOrder
from orders.intake.pricing import Collected
from orders.intake.sharing import SharedOrder, Sharing
from orders.models import Hold
from orders.models.order import OrderPaymentState, OrderState, PaymentMethod
from orders.reviewing import words

KIND_PREPAID, KIND_COD, KIND_VIRTUAL = 1, 2, 3


class StoredOrder(msgspec.Struct, frozen=True, gc=False):
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
    orders: Sequence[SharedOrder],
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
    shared: Sequence[SharedOrder],
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
    stored: list[StoredOrder] = []
    orders = [one.checked for one in shared]
    # Most orders have none of this: its columns are only written where one of the batch has some.
    has_prices = any(order.pricing.changes_price for order in orders)
    has_outside = any(order.deductions_are_outside for order in orders)
    has_collected = any(order.pricing.collected for order in orders)
    has_held = any(order.body.reservation for order in orders)
    names_lines = any(line.external_id or line.is_gift or line.caller_code for order in orders for line in order.lines)
    for order_id, one in zip(ids, shared, strict=False):
        order = one.checked
        body = order.body
        ended = history.ending(order) if is_history else None
        state, payment_state = (
            (ended.state.value, ended.payment_state.value) if ended is not None else _first_states(order)
        )
        collected = order.pricing.collected
        is_paid = collected is not None and collected.amount == order.payable_amount
        is_free = payment_state == OrderPaymentState.NOTHING_DUE and state != OrderState.AWAITING_PAYMENT
        paid_at = now if is_free else None
        result = StoredOrder(
            id=order_id,
            number=order_number(_kind(order), body.buyer.id, order_id),
            checked=order,
            shares=one.sharing.lines,
            state=state,
            payment_state=payment_state,
            created_at=now,
            pay_by=_pay_by(body, pay_by) if state == OrderState.AWAITING_PAYMENT and not is_paid else None,
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
                "open_holds": (order.question is not None) + (order.missing is not None),
                "line_count": len(order.lines),
                "total_quantity": sum([line.quantity for line in order.lines]),
                "ordered_at": body.ordered_at,
                "created_at": now,
                "pay_by": result.pay_by,
                "paid_at": result.paid_at,
                "apportionment_policy": settings.APPORTIONMENT_POLICY,
                **(_price_columns(order) if has_prices else {}),
                **({"deductions_are_outside": order.deductions_are_outside} if has_outside else {}),
                **(_collected_columns(collected) if has_collected else {}),
                **({"stock_hold_id": StockHold.id_of(body.reservation) or None} if has_held else {}),
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
                **(_price_shares(shares) if has_prices else {}),
                **(_named(line) if names_lines else {}),
            }
            for position, (line, shares) in enumerate(zip(order.lines, result.shares, strict=True), 1)
        ]
        event_rows.append(_event(result, kinds.RECEIVED, actor, state))
        for hold in holds_of(order) if order.is_held else ():
            event_rows.append(_event(result, opening(hold), actor, "") | {"data": words.data_of(hold)})
            hold_rows.append(
                {
                    "order_id": order_id,
                    "kind": str(hold.kind),
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
    sharings = [one.sharing for one in shared]
    has_promotions = any(order.pricing.promotions for order in orders)
    promotions = _promotion_rows(stored, sharings, line_rows) if has_promotions else []
    tables = [Rows("orders_order", order_rows), Rows("orders_orderline", line_rows), *promotions]
    # Written only where there are any: most orders have none.
    tables += [Rows("orders_orderterms", term_rows)] if term_rows else []
    tables += [Rows("orders_invoicerequest", invoice_rows)] if invoice_rows else []
    if hold_rows:
        tables.append(Rows("orders_hold", hold_rows))
        event_rows = [{**row, "data": row.get("data")} for row in event_rows]
    return stored, [*tables, Rows("orders_orderevent", event_rows)]


def _pay_by(body: OrderBody, usual: datetime) -> datetime:
    return body.instalments[0].due_at if body.instalments else usual


def holds_of(order: CheckedOrder) -> Iterator[Hold]:
    """What holds the order as soon as it is stored."""
    if order.question:
        yield Hold(kind=Hold.Kind.ADDRESS, details=order.question.details)
    if order.missing:
        yield Hold(kind=Hold.Kind.UNMATCHED, details=order.missing.details)


def opening(hold: Hold) -> kinds.EventKind:
    """The kind of event that tells that the hold was opened."""
    return kinds.UNMATCHED if hold.kind == Hold.Kind.UNMATCHED else kinds.HELD


def _named(line: CheckedLine) -> dict[str, object]:
    """What only few lines have, by column."""
    return {
        "external_id": line.external_id,
        "is_gift": line.is_gift,
        "stated_value": fen_text(line.stated_value),
        "caller_code": line.caller_code,
        "units_a_piece": line.units_a_piece,
        "part_of": line.part_of,
    }


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
    """Where an order starts: what need not be paid before delivery goes straight to review. What has no price yet waits
    for that first."""
    if order.missing and order.missing.is_unpriced:
        due = OrderPaymentState.UNPAID if order.payable_amount else OrderPaymentState.NOTHING_DUE
        return OrderState.AWAITING_PAYMENT.value, due.value
    if not order.payable_amount:
        return OrderState.IN_REVIEW.value, OrderPaymentState.NOTHING_DUE.value
    if order.body.payment_method == PaymentMethod.COD:
        return OrderState.IN_REVIEW.value, OrderPaymentState.ON_DELIVERY.value
    return OrderState.AWAITING_PAYMENT.value, OrderPaymentState.UNPAID.value


def _kind(order: CheckedOrder) -> int:
    if all(line.sku.is_virtual for line in order.lines):
        return KIND_VIRTUAL
    return KIND_COD if order.body.payment_method == PaymentMethod.COD else KIND_PREPAID


def _price_columns(order: CheckedOrder) -> dict[str, object]:
    """What an order has beyond others where something changed its price, by column."""
    pricing = order.pricing
    return {
        "promotion_amount": fen_text(pricing.promotion_amount),
        "adjustment_amount": fen_text(pricing.adjustment_amount),
        "adjustment_reason": pricing.adjustment_reason,
        "adjustment_bearer": pricing.adjustment_bearer,
        "merchant_borne_amount": fen_text(pricing.merchant_borne_amount),
    }


def _price_shares(shares: Shares) -> dict[str, object]:
    return {
        "promotion_share": fen_text(shares.promotion),
        "adjustment_share": fen_text(shares.adjustment),
        "merchant_borne_share": fen_text(shares.merchant_borne),
    }


def _collected_columns(collected: Collected | None) -> dict[str, object]:
    """What the channel took already, by column; `payments` books it."""
    return {
        "collected_at": collected.at if collected else None,
        "collected_amount": fen_text(collected.amount) if collected else None,
        "collected_transaction": collected.transaction if collected else "",
        "collected_provider": collected.provider if collected else "",
    }


def _promotion_rows(
    orders: Sequence[StoredOrder], sharings: Sequence[Sharing], line_rows: Sequence[dict[str, object]]
) -> list[Rows]:
    """The rows of the orders' promotions and of each line's share of them; the lines, in the same order, get ids."""
    for row, line_id in zip(line_rows, next_ids("orders_orderline", len(line_rows)), strict=True):
        row["id"] = line_id
    ids = iter(next_ids("orders_orderpromotion", sum(len(order.checked.pricing.promotions) for order in orders)))
    promotion_rows: list[dict[str, object]] = []
    share_rows: list[dict[str, object]] = []
    first_line = 0
    for order, sharing in zip(orders, sharings, strict=True):
        first_promotion = len(promotion_rows)
        promotion_rows += [
            {
                "id": next(ids),
                "order_id": order.id,
                "position": position,
                "code": promotion.body.id,
                "name": promotion.body.name,
                "rule": promotion.body.rule,
                "amount": fen_text(promotion.amount),
                "platform_amount": fen_text(promotion.platform_amount),
                "covered": [place + 1 for place in promotion.lines] if promotion.body.lines else [],
            }
            for position, promotion in enumerate(order.checked.pricing.promotions, 1)
        ]
        share_rows += [
            {
                "promotion_id": promotion_rows[first_promotion + share.promotion]["id"],
                "line_id": line_rows[first_line + share.line]["id"],
                "amount": fen_text(share.amount),
                "platform_amount": fen_text(share.platform_amount),
            }
            for share in sharing.promotions
        ]
        first_line += len(sharing.lines)
    return [
        Rows(table, rows)
        for table, rows in (("orders_orderpromotion", promotion_rows), ("orders_promotionshare", share_rows))
        if rows
    ]
