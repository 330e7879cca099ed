"""Orders that follow from another one, as its channel would send them: to its recipient, of goods that are chosen."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.utils import timezone

from orders.actors import Actor
from orders.intake.bodies import BuyerBody, LineBody, OrderBody, PromotionBody, RecipientBody
from orders.intake.placing import Outcome, place_orders
from orders.models import Order, OrderLink, OrderTerms
from orders.models.order import PaymentMethod


def place(
    order: Order,
    lines: Sequence[LineBody],
    mark: str,
    *,
    actor: Actor,
    promotions: Sequence[PromotionBody] = (),
    **link: Any,
) -> Outcome:
    """Place a prepaid order of these lines, without freight, that follows from a locked order, whose channel is loaded
    with its merchant; what it follows by is kept as `link` says. `mark` tells the kinds of followers apart in their
    numbers."""
    terms = OrderTerms.objects.filter(order=order).first()
    goods = sum((line.quantity * line.unit_price - line.line_discount for line in lines), Decimal(0))
    count = OrderLink.objects.filter(original=order).count()
    body = OrderBody(
        external_number=f"{order.number}-{mark}{count + 1}",
        ordered_at=timezone.now(),
        buyer=BuyerBody(order.buyer_reference, order.buyer_name, order.buyer_phone),
        recipient=RecipientBody(
            order.recipient_name, order.recipient_phone, order.recipient_address, order.region_id or ""
        ),
        lines=list(lines),
        payable_amount=goods - sum((one.amount for one in promotions), Decimal(0)),
        promotions=list(promotions),
        payment_method=PaymentMethod.PREPAID,
        source=order.channel.code,
        receiver_token=terms.receiver_token if terms else "",
    )
    (outcome,) = place_orders([body], order.channel.merchant, actor=actor, asks_a_person=True)
    made = getattr(outcome, "id", None)
    if made is not None:
        OrderLink.objects.create(order_id=made, original=order, created_by=actor.name, **link)
    return outcome
