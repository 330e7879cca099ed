"""Orders that follow from another one, as its channel would send them: to its recipient, of goods that are chosen."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Count
from django.utils import timezone

from orders.actors import Actor
from orders.intake.bodies import BuyerBody, LineBody, OrderBody, PromotionBody, RecipientBody
from orders.intake.placing import Outcome, place_orders
from orders.models import Order, OrderLink, OrderTerms
from orders.models.order import PaymentMethod


@dataclass(frozen=True, slots=True)
class Following:
    """An order to be placed, prepaid and without freight, that follows from a locked order, whose channel is loaded
    with its merchant; what it follows by is kept as `link` says."""

    order: Order
    lines: Sequence[LineBody]
    link: Mapping[str, Any]
    promotions: Sequence[PromotionBody] = ()


def place(
    order: Order,
    lines: Sequence[LineBody],
    mark: str,
    *,
    actor: Actor,
    promotions: Sequence[PromotionBody] = (),
    **link: Any,
) -> Outcome:
    """Place one order that follows from another one; see Following and `place_all`."""
    (outcome,) = place_all([Following(order, lines, link, promotions)], mark, actor=actor)
    return outcome


def place_all(wishes: Sequence[Following], mark: str, *, actor: Actor) -> list[Outcome]:
    """Place these orders; an outcome for each, in order. `mark` tells the kinds of followers apart in their numbers.
    The statements grow with the merchants whose channels they are of, not with the orders."""
    originals = {wish.order.pk for wish in wishes}
    terms = {row.order_id: row for row in OrderTerms.objects.filter(order__in=originals)}
    links = OrderLink.objects.filter(original__in=originals).order_by().values_list("original")
    count = Counter(dict(links.annotate(Count("pk"))))
    of_merchant: dict[int, list[int]] = defaultdict(list)
    bodies = []
    for at, wish in enumerate(wishes):
        count[wish.order.pk] += 1
        bodies.append(_body(wish, f"{wish.order.number}-{mark}{count[wish.order.pk]}", terms.get(wish.order.pk)))
        of_merchant[wish.order.channel.merchant_id].append(at)
    outcomes: dict[int, Outcome] = {}
    for places in of_merchant.values():
        merchant = wishes[places[0]].order.channel.merchant
        placed = place_orders([bodies[at] for at in places], merchant, actor=actor, asks_a_person=True)
        outcomes.update(zip(places, placed, strict=True))
    made = [(at, getattr(outcomes[at], "id", None)) for at in range(len(wishes))]
    OrderLink.objects.bulk_create(
        OrderLink(order_id=key, original=wishes[at].order, created_by=actor.name, **wishes[at].link)
        for at, key in made
        if key is not None
    )
    return [outcomes[at] for at in range(len(wishes))]


def _body(wish: Following, number: str, terms: OrderTerms | None) -> OrderBody:
    order, lines, promotions = wish.order, wish.lines, wish.promotions
    goods = sum((line.quantity * line.unit_price - line.line_discount for line in lines), Decimal(0))
    return OrderBody(
        external_number=number,
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
