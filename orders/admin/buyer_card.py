"""Who is on the phone: what else the buyer ordered, refused and sent back, spent, and on which lists they stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from oms.common.desk.lists import united
from oms.common.messages.kinds import known as known_messages
from oms.common.models import BuyerMessage
from orders.changing.telling import phone_of
from orders.models import Order, ReturnRequest, ReviewListEntry, SubOrder, SubOrderState
from orders.models.order import OVER

# Of the buyer's other orders no more are looked at, by buyer and by phone each.
MOST_ORDERS = 200
MOST_OPEN, MOST_MESSAGES, MOST_ENTRIES = 5, 10, 5


@dataclass(frozen=True, slots=True)
class BuyerCard:
    """`count` are the other orders of the same buyer or phone (`is_more`: at least so many), `open_orders` the newest
    of those that are not over, of which there are `open_count`; `refused` and `returned` count orders, `spent` is what
    was paid and not refunded, in yuan, with this order. `entries` are of review lists, `messages` what was sent to the
    buyer of this order."""

    count: int
    is_more: bool
    open_orders: Sequence[Order]
    open_count: int
    refused: int
    returned: int
    spent: Decimal
    entries: Sequence[ReviewListEntry]
    messages: Sequence[BuyerMessage]


def of_order(order: Order) -> BuyerCard:
    """The card of the order's buyer. Four statements."""
    others = _others(order)
    open_orders = [one for one in others if one.state not in OVER]
    return BuyerCard(
        count=len(others),
        is_more=len(others) >= MOST_ORDERS,
        open_orders=open_orders[:MOST_OPEN],
        open_count=len(open_orders),
        refused=sum(one.is_refused for one in others),  # type: ignore[attr-defined]
        returned=sum(one.has_returns for one in others),  # type: ignore[attr-defined]
        spent=sum((one.paid_amount - one.refunded_amount for one in (order, *others)), Decimal(0)),
        entries=_entries(order),
        messages=_messages(order),
    )


def _messages(order: Order) -> list[BuyerMessage]:
    """What was sent to the buyer of the order, the newest first, each with its `title`."""
    rows = BuyerMessage.objects.filter(about_id=order.pk).defer("content", "address").order_by("-id")
    messages = list(rows[:MOST_MESSAGES])
    for message in messages:
        kind = known_messages().get(message.kind)
        message.title = kind.title if kind else message.kind  # type: ignore[attr-defined]
    return messages


def _others(order: Order) -> list[Order]:
    """The newest other orders of the same buyer in the channel, and of the same phone anywhere."""
    same_buyer = Order.objects.filter(buyer_reference=order.buyer_reference, channel=order.channel_id)
    found = [same_buyer.order_by("-ordered_at").values("pk")[:MOST_ORDERS]]
    if phone_of(order):
        # A number that the platform masked is that of many people.
        same_phone = Order.objects.filter(recipient_phone=order.recipient_phone)
        found.append(same_phone.order_by("-pk").values("pk")[:MOST_ORDERS])
    parts = SubOrder.objects.filter(order=OuterRef("pk"))
    refused = parts.filter(Q(state=SubOrderState.REJECTED) | Q(state=SubOrderState.RETURNED, delivered_at=None))
    rows = Order.objects.filter(pk__in=united(found) - {order.pk}).order_by("-ordered_at", "-pk")
    return list(
        rows.annotate(
            is_refused=Exists(refused), has_returns=Exists(ReturnRequest.objects.filter(order=OuterRef("pk")))
        ).only("number", "state", "ordered_at", "payable_amount", "paid_amount", "refunded_amount", "external_number")
    )


def _entries(order: Order) -> list[ReviewListEntry]:
    """The entries of review lists that name the buyer, the phone or the address."""
    phones = {phone for phone in (order.recipient_phone, order.buyer_phone) if phone}
    named = Q(phone__in=phones)
    if order.recipient_address:
        named |= Q(address_key=order.address_key)
    named |= Q(kind=ReviewListEntry.Kind.BUYER, text=order.buyer_reference)
    in_force = Q(expires_at=None) | Q(expires_at__gt=Now())
    rows = ReviewListEntry.objects.filter(named, in_force, is_active=True).select_related("review_list")
    return list(rows.order_by("-pk")[:MOST_ENTRIES])
