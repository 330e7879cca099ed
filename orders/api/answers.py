"""The API's answer to an order that was only just stored, made without reading it back."""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any

from django.utils import timezone
from rest_framework.request import Request

from inventory.models import UNKNOWN_GOODS
from oms.common.money import fen_text
from orders import kinds
from orders.actors import Actor
from orders.api.serializers.orders import order_url
from orders.api.serializers.terms import stored_invoice, stored_terms
from orders.intake.pricing import Collected
from orders.intake.storing import StoredOrder, holds_of, opening
from orders.models import FulfilmentState
from orders.reviewing import words
from orders.telling.story import REASONS


def represent_stored(order: StoredOrder, actor: Actor, request: Request) -> dict[str, Any]:
    """What `OrderSerializer` shows of an order that was only just stored, without reading it back."""
    checked, body, pricing = order.checked, order.checked.body, order.checked.pricing
    recipient, region = body.recipient, checked.region
    zone = timezone.get_current_timezone()
    at = _moment(order.created_at, zone)
    holds = list(holds_of(checked)) if checked.is_held else []
    return {
        "number": order.number,
        "url": order_url(order.number, request),
        "version": 1,
        "source": checked.source,
        "external_number": body.external_number,
        "state": order.state,
        "payment_state": order.payment_state,
        "fulfilment_state": FulfilmentState.UNFULFILLED.value,
        "held": checked.is_held,
        "payment_method": body.payment_method,
        "promise": body.promise,
        "buyer": {"id": body.buyer.id, "name": body.buyer.name, "phone": body.buyer.phone},
        "recipient": {
            "name": recipient.name,
            "phone": recipient.phone,
            "region_code": recipient.region_code or None,
            "province": region.province or None,
            "city": region.city or None,
            "district": region.district or None,
            "address": recipient.address,
        },
        "remark": body.remark,
        **stored_terms(checked, order.created_at, zone),
        "goods_amount": fen_text(checked.goods_amount),
        "freight_amount": fen_text(checked.freight_amount),
        "order_amount": fen_text(checked.goods_amount + checked.freight_amount),
        "promotion_amount": fen_text(pricing.promotion_amount),
        "coupon_amount": fen_text(checked.coupon_amount),
        "adjustment_amount": fen_text(pricing.adjustment_amount),
        "adjustment_reason": REASONS.word(pricing.adjustment_reason),
        "adjustment_bearer": pricing.adjustment_bearer,
        "points_used": body.points.used,
        "points_amount": fen_text(checked.points_amount),
        "gift_card_amount": fen_text(checked.gift_card_amount),
        "merchant_borne_amount": fen_text(pricing.merchant_borne_amount),
        "payable_amount": fen_text(checked.payable_amount),
        "paid_amount": "0.00",
        "refunded_amount": "0.00",
        "currency": "CNY",
        "collected": _collected(pricing.collected, zone),
        "line_count": len(checked.lines),
        "total_quantity": sum([line.quantity for line in checked.lines]),
        "units_to_cancel": None,
        "wanted_at": None,
        "is_historical": False,
        "ordered_at": _moment(body.ordered_at, zone),
        "created_at": at,
        "pay_by": _moment(order.pay_by, zone),
        "paid_at": _moment(order.paid_at, zone),
        "completed_at": None,
        "cancelled_at": None,
        "cancel_requested_at": None,
        "cancel_reason": "",
        "lines": [
            {
                "position": position,
                "id": line.external_id,
                "sku": "" if line.sku.code == UNKNOWN_GOODS else line.sku.code,
                "caller_code": line.caller_code,
                "merchant": line.sku.merchant,
                "name": line.name,
                "quantity": line.quantity,
                "is_gift": line.is_gift,
                "stated_value": fen_text(line.stated_value),
                "unit_price": fen_text(line.unit_price),
                "line_discount": fen_text(line.line_discount),
                "goods_amount": fen_text(shares.goods),
                "freight_share": fen_text(shares.freight),
                "promotion_share": fen_text(shares.promotion),
                "coupon_share": fen_text(shares.coupon),
                "adjustment_share": fen_text(shares.adjustment),
                "points_share": fen_text(shares.points),
                "gift_card_share": fen_text(shares.gift_card),
                "merchant_borne_share": fen_text(shares.merchant_borne),
                "payable_amount": fen_text(shares.payable),
            }
            for position, (line, shares) in enumerate(zip(checked.lines, order.shares, strict=True), 1)
        ],
        "invoice": stored_invoice(checked),
        "sub_orders": [],
        "holds": [{"kind": str(hold.kind), "opened_at": at, "released_at": None} for hold in holds],
        "timeline": [
            _event(at, kinds.RECEIVED, actor, order.state),
            *(_event(at, opening(hold), actor, "", words.data_of(hold)) for hold in holds),
        ],
        "cancellation": None,
    }


def _event(
    at: str | None, kind: kinds.EventKind, actor: Actor, to_state: str, data: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "at": at,
        "kind": kind.code,
        "sub_order": None,
        "actor": actor.kind.value,
        "from_state": "",
        "to_state": to_state,
        "data": {name: value for name, value in (data or {}).items() if name in (kind.public or ())},
    }


def _collected(collected: Collected | None, zone: tzinfo) -> dict[str, Any] | None:
    if collected is None:
        return None
    return {
        "paid_at": _moment(collected.at, zone),
        "amount": fen_text(collected.amount),
        "transaction": collected.transaction,
        "provider": collected.provider,
    }


def _moment(moment: datetime | None, zone: tzinfo) -> str | None:
    """The moment as the serializers' own fields write it."""
    return None if moment is None else moment.astimezone(zone).isoformat()
