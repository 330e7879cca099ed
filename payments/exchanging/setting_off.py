"""What goods that come back pay of the new goods, written as charges of the original order.

The new order is a normal one: what the goods pay of it is a payment of the means `exchange`. Once their money is
granted, as much of it stays with the original order as that payment is worth by then; the ledger's account of exchanges
has what is still to come. Where less of the new order is owed after all, the rest goes back from the original order,
the way it came.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import F, Sum
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from oms.common.money import fen_text, to_fen, yuan
from oms.common.work import nudging
from orders.actors import Actor
from orders.changing import charging, correcting
from orders.changing.keeping import FreightBack, Kept, Tenders
from orders.models import Exchange, Order, OrderCharge
from orders.models.amounts import Bearer
from orders.models.charge import ChargeCause, ChargeComponent
from orders.returning import kinds
from orders.telling import timeline
from payments.ledger import posting
from payments.models import Means, Payment, Refund, RefundState

_C = ChargeComponent


@dataclass(frozen=True, slots=True)
class TakenBack:
    """Units that were taken back: what is kept of the order, their freight that does not go back, what they give by
    tender, and what of it pays for new goods (fen)."""

    kept: Kept
    freight_kept: int
    gives: Tenders
    used: Tenders

    @property
    def goes_back(self) -> Tenders:
        """What the buyer gets back."""
        return self.gives.less(self.used)


def of_return(return_id: int | None) -> Exchange | None:
    """The return's exchange, where its new order stands for the goods."""
    if return_id is None:
        return None
    rows = Exchange.objects.filter(return_request=return_id, begun_at__isnull=False, ended_at=None)
    return rows.select_related("new_order", "return_request").first()


def take_back(
    order_id: int,
    units: Mapping[int, int],
    *,
    return_id: int | None,
    freight: FreightBack,
    gifts_kept: Mapping[int, int],
    reference: str,
    actor: Actor,
    bearer: Bearer = Bearer.MERCHANT,
) -> TakenBack:
    """Units (by sub-order line) of a locked order came back, as `charging.take_back_units` does; those that were
    exchanged for others give no freight back, and count for promotions as long as the others are worth as much."""
    exchange = of_return(return_id)
    before = correcting.totals(order_id)
    if exchange is not None:
        freight = FreightBack.NOTHING
        exchange.kept = _stand_for(exchange, units)
        exchange.save(update_fields=["kept"])
    kept = charging.take_back_units(
        order_id, units, freight=freight, gifts_kept=gifts_kept, reference=reference, actor=actor, bearer=bearer
    )
    after = correcting.totals(order_id)
    gives = before.held.less(after.held)
    used = _take(used_of(exchange), gives) if exchange is not None else Tenders()
    return TakenBack(kept, after.freight_kept - before.freight_kept, gives, used)


def _stand_for(exchange: Exchange, units: Mapping[int, int]) -> dict[str, list[int]]:
    """What the new goods count for by the lines whose units they replace: no more units, and no more worth, than those
    had; less worth where the new goods cost less than they had."""
    parts = {part.id: part for part in correcting.parts(exchange.return_request.order_id)}
    taken = {key: parts[key].shares.take(count, parts[key].units) for key, count in units.items()}
    cost = sum(one.goods - one.promotion - one.coupon + one.adjustment for one in taken.values())
    new = min(to_fen(exchange.new_amount), cost)
    left = exchange.new_order.total_quantity if exchange.new_order else 0
    found: dict[str, list[int]] = {}
    for key, count in sorted(units.items()):
        stands = min(count, left)
        left -= stands
        entry = found.setdefault(str(parts[key].order_line_id), [0, 0])
        entry[0] += stands
        entry[1] += taken[key].goods * new // cost if cost else 0
    return found


def used_of(exchange: Exchange) -> int:
    """What of the new order is paid by the goods that come back, less what went back of it, in fen."""
    payments = Payment.objects.filter(order=exchange.new_order_id, means=Means.EXCHANGE)
    paid = payments.aggregate(paid=Coalesce(Sum("captured_amount"), Decimal(0)))["paid"]
    refunds = Refund.objects.filter(order=exchange.new_order_id, payment__means=Means.EXCHANGE)
    back = refunds.exclude(state=RefundState.FAILED).aggregate(back=Coalesce(Sum("amount"), Decimal(0)))["back"]
    return to_fen(paid - back)


def _take(amount: int, room: Tenders) -> Tenders:
    """The amount from cash first, then the card, then points (R6); not more than there is."""
    cash = min(amount, max(room.cash, 0))
    card = min(amount - cash, max(room.gift_card, 0))
    return Tenders(cash, card, min(amount - cash - card, max(room.points, 0)))


def settle(exchange: Exchange, taken: TakenBack, *, actor: Actor) -> None:
    """The money of the units is granted: from now on what they give is used for the new goods, as far as they cost
    it. The original order is locked."""
    gives = taken.gives
    exchange = Exchange.objects.select_related("new_order", "return_request").get(pk=exchange.pk)
    exchange.granted = {
        "cash": gives.cash,
        "gift_card": gives.gift_card,
        "points": gives.points,
        "kept": exchange.kept,
        "used": used_of(exchange),
    }
    exchange.settled_at = timezone.now()
    exchange.save(update_fields=["granted", "settled_at"])
    follow(exchange, actor=actor)


def follow(exchange: Exchange, *, actor: Actor) -> bool:
    """Let what the original order keeps for the new one be what that is paid by now; returns whether it changed. The
    original order is locked."""
    granted: Mapping[str, Any] | None = exchange.granted
    if granted is None or exchange.new_order is None:
        return False
    gives = Tenders(granted["cash"], granted["gift_card"], granted["points"])
    used = used_of(exchange)
    wanted = _take(used, gives)
    order_id, number = exchange.return_request.order_id, exchange.new_order.number
    now = set_off(order_id, number)
    change = wanted.less(now)
    if change == Tenders():
        return False
    rows = ((_C.EXTRA, change.total), (_C.GIFT_CARD, -change.gift_card), (_C.POINTS, -change.points))
    OrderCharge.objects.bulk_create(
        OrderCharge(
            order_id=order_id,
            component=component,
            cause=ChargeCause.EXCHANGED,
            amount=yuan(fen),
            reference=number,
            actor_kind=actor.kind,
            actor=actor.name,
        )
        for component, fen in rows
        if fen
    )
    if change.total < 0:
        # Goods that are not there any more count for no promotion.
        full = granted["used"] or 1
        exchange.kept = {
            line: [units * used // full, worth * used // full] for line, (units, worth) in granted["kept"].items()
        }
        exchange.save(update_fields=["kept"])
        correcting.correct({order_id: Tenders().less(change)}, actor=actor)
    timeline.record(
        order_id,
        kinds.EXCHANGE_SETTLED,
        actor,
        sub_order_id=exchange.return_request.sub_order_id,
        number=exchange.return_request.number,
        amount=fen_text(wanted.total),
        order=number,
    )
    Order.objects.filter(pk=order_id).update(owed_changed_since=Coalesce(F("owed_changed_since"), Now()))
    posting.post_missing([order_id])
    nudging.nudge("owing")
    return True


def set_off(order_id: int, new_number: str) -> Tenders:
    """What of the original order's money is used for the new one by its charges, by tender, in fen."""
    charges = OrderCharge.objects.filter(order=order_id, cause=ChargeCause.EXCHANGED, reference=new_number)
    sums = dict(charges.order_by().values_list("component").annotate(amount=Sum("amount")))
    total, card, points = (to_fen(sums.get(one, Decimal(0))) for one in (_C.EXTRA, _C.GIFT_CARD, _C.POINTS))
    return Tenders(total + card + points, -card, -points)
