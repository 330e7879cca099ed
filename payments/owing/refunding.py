"""Money that goes back by itself: what was captured beyond what is owed."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.db import connection
from django.db.models import Count, F, Sum
from django.utils import timezone

from oms.common import tickets
from oms.common.tickets import Trouble
from oms.common.work import nudging
from oms.merchants.models import Merchant
from orders import actors
from orders.models import ChargeCause, Order, OrderCharge, OrderState
from orders.models.charge import DEPOSITS, KEPT, OF_GONE_UNITS
from orders.telling import timeline
from payments import kinds, troubles
from payments.models import (
    Dispute,
    GrantKind,
    GrantState,
    Means,
    Payment,
    PaymentState,
    Refund,
    RefundGrant,
    RefundReason,
    RefundState,
)
from payments.owing import at_channel, owed


@dataclass(frozen=True, slots=True)
class Paid:
    """A captured payment and how much of it is neither back nor on its way. In yuan."""

    payment: Payment
    open: Decimal


@dataclass(frozen=True, slots=True)
class Share:
    """A part of what goes back: of which payment, how much (yuan), and why."""

    payment: Payment
    amount: Decimal
    reason: RefundReason


def share_out(amount: Decimal, causes: Mapping[RefundReason, Decimal], payments: Sequence[Paid]) -> list[Share]:
    """Of which payments `amount` goes back and why: for the first causes first, of the oldest payments first; what was
    paid too much goes back of the newest, which is the one that was paid once more.

    `causes` says how much goes back for each cause at most; what none of them explains was overpaid. No payment gives
    more than it has open.
    """
    explained = [*causes.items(), (RefundReason.OVERPAID, amount)]
    left = {paid.payment.pk: paid.open for paid in payments}
    shares = []
    for reason, most in explained:
        for paid in reversed(payments) if reason == RefundReason.OVERPAID else payments:
            taken = min(most, amount, left[paid.payment.pk])
            if taken > 0:
                shares.append(Share(paid.payment, taken, reason))
                most, amount = most - taken, amount - taken
                left[paid.payment.pk] -= taken
    return shares


def next_number(order: Order) -> str:
    """The number of the next refund of a locked order."""
    return f"{order.number}-R{Refund.objects.filter(order=order).count() + 1}"


def intend_refunds(order_ids: Iterable[int]) -> None:
    """Intend refunds of captured money beyond what is owed. The orders must be locked.

    Money that nobody can be asked to send back needs a person at once.
    """
    due = _due(order_ids)
    if not due:
        return
    orders = Order.objects.filter(pk__in=due).order_by("pk")
    orders = orders.annotate(refund_count=Count("refunds"), seller_kind=F("channel__merchant__kind"))
    causes, payments, grants = _causes(orders, due), _open_payments(due), _open_grants(due)
    shares_of = {order.pk: share_out(due[order.pk], causes[order.pk], payments.get(order.pk, ())) for order in orders}
    at_channels = {key for key, shares in shares_of.items() if any(map(_is_at_channel, shares))}
    listening = at_channel.listening(at_channels) if at_channels else frozenset[int]()
    refunds, asked, now = [], [], timezone.now()
    for order in orders:
        shares = shares_of[order.pk]
        for number, (share, grant) in enumerate(_granted(shares, grants.get(order.pk, ())), order.refund_count + 1):
            is_by_hand = share.payment.connection_id is None
            is_exchanged = share.payment.means == Means.EXCHANGE
            is_asked = order.pk in listening and _is_at_channel(share)
            # Nobody of finance looks at the money of sandboxes.
            is_small = share.amount <= settings.REFUNDS_SENT_BY_RULE_UP_TO or order.seller_kind == Merchant.Kind.SANDBOX
            waits = grant is not None and not is_by_hand and not is_small
            refunds.append(
                Refund(
                    number=f"{order.number}-R{number}",
                    order=order,
                    payment=share.payment,
                    connection_id=share.payment.connection_id,
                    amount=share.amount,
                    reason=share.reason,
                    grant=grant,
                    state=RefundState.GRANTED if waits else RefundState.INTENDED,
                    ready_at=None if waits or is_asked or is_exchanged else now,
                    due_at=now + timedelta(days=settings.REFUND_DAYS),
                    needs_person_since=now if is_by_hand and not is_asked and not is_exchanged else None,
                )
            )
            asked += refunds[-1:] if is_asked else []
    Refund.objects.bulk_create(refunds)
    _tell(refunds)
    if asked:
        at_channel.ask(asked)
    if any(refund.payment.means == Means.EXCHANGE for refund in refunds):
        nudging.nudge("exchanges")


def _is_at_channel(share: Share) -> bool:
    return share.payment.means == Means.EXTERNAL


_BY_GRANT = {
    RefundReason.RETURNED: GrantKind.RETURN,
    RefundReason.GOODWILL: GrantKind.GOODWILL,
    RefundReason.PRICE_PROTECTION: GrantKind.PRICE_PROTECTION,
    RefundReason.COMPENSATION: GrantKind.COMPENSATION,
}


@dataclass(slots=True)
class _Granted:
    """A grant and what of its cash is not on its way yet (yuan)."""

    grant: RefundGrant
    open: Decimal


def _open_grants(due: Iterable[int]) -> dict[int, list[_Granted]]:
    """The grants of each order that have cash left to send, oldest first."""
    found: dict[int, list[_Granted]] = {}
    sent = _reserved_by("grant_id", due)
    for grant in RefundGrant.objects.filter(order__in=due, state=GrantState.APPROVED).order_by("pk"):
        left = grant.cash_amount - sent.get(grant.pk, Decimal(0))
        if left > 0:
            found.setdefault(grant.order_id, []).append(_Granted(grant, left))
    return found


def _granted(shares: Iterable[Share], grants: Sequence[_Granted]) -> Iterator[tuple[Share, RefundGrant | None]]:
    """The shares, parted by the grants that they come of; what none explains goes back by rule."""
    for share in shares:
        left = share.amount
        for granted in grants:
            part = min(left, granted.open) if granted.grant.kind == _BY_GRANT.get(share.reason) else Decimal(0)
            if part > 0:
                yield replace(share, amount=part), granted.grant
                granted.open -= part
                left -= part
        if left > 0:
            yield replace(share, amount=left), None


def _due(order_ids: Iterable[int]) -> dict[int, Decimal]:
    """Which of the orders have captured money beyond what is owed, and how much."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT * FROM (SELECT o.id, {owed.TOO_MUCH} AS amount FROM orders_order o WHERE o.id = ANY(%s)) AS due
            WHERE amount > 0 ORDER BY id
            """,
            [list(order_ids)],
        )
        return dict(cursor.fetchall())


# Why money goes back by why less is owed; explained in this order. Nobody pays on delivery for what is cancelled, so
# there it explains no money.
_REASONS = {
    ChargeCause.RETURNED: RefundReason.RETURNED,
    ChargeCause.REFUSED: RefundReason.REJECTED,
    ChargeCause.CANCELLED: RefundReason.SUB_ORDER_CANCELLED,
    ChargeCause.GOODWILL: RefundReason.GOODWILL,
    ChargeCause.PRICE_PROTECTION: RefundReason.PRICE_PROTECTION,
    ChargeCause.COMPENSATION: RefundReason.COMPENSATION,
    ChargeCause.EDIT: RefundReason.EDITED,
}

# What of the money of units that are gone does not go back with them.
_NOT_BACK = (ChargeCause.NETTED, ChargeCause.SET_OFF, ChargeCause.EXCHANGED, *KEPT)


def _causes(orders: Iterable[Order], due: Mapping[int, Decimal]) -> dict[int, dict[RefundReason, Decimal]]:
    """What explains that money of the orders goes back, and how much each cause explains, less what went back for the
    same cause before. A cancelled order explains all, unless something of its deposit is kept: then what came too late
    goes back, not the deposit."""
    causes: dict[int, dict[RefundReason, Decimal]] = {order_id: {} for order_id in due}
    charges = OrderCharge.objects.filter(order__in=due, cause__in=(*_REASONS, *_NOT_BACK)).order_by()
    given = {
        (order_id, cause): -amount
        for order_id, cause, amount in charges.values_list("order_id", "cause").annotate(amount=Sum("amount"))
    }
    for order_id, of_order in causes.items():
        # What was given beside the price of units went back before they did; what is kept of them, or was set off
        # against what came, does not go back.
        netted = -sum((given.get((order_id, cause), Decimal(0)) for cause in _NOT_BACK), Decimal(0))
        for cause, reason in _REASONS.items():
            amount = max(given.get((order_id, cause), Decimal(0)), Decimal(0))
            less = min(netted, amount) if cause in OF_GONE_UNITS else Decimal(0)
            netted -= less
            if amount > less:
                of_order[reason] = amount - less
    for order_id, reason, amount in _refunded_before(due):
        if reason in causes[order_id]:
            causes[order_id][reason] = max(causes[order_id][reason] - amount, Decimal(0))
    cancelled = [order.pk for order in orders if order.state == OrderState.CANCELLED]
    kept = _keeping_deposits(cancelled)
    for order_id in cancelled:
        causes[order_id] = {} if order_id in kept else {RefundReason.CANCELLED: due[order_id]}
    return causes


def _keeping_deposits(due: Collection[int]) -> set[int]:
    if not due:
        return set()
    charges = OrderCharge.objects.filter(order__in=due, cause__in=DEPOSITS).order_by()
    return set(charges.values("order").annotate(kept=Sum("amount")).filter(kept__gt=0).values_list("order", flat=True))


def _refunded_before(due: Iterable[int]) -> list[tuple[int, RefundReason, Decimal]]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT r.order_id, r.reason, sum({owed.RESERVED}) FROM payments_refund r
            WHERE r.order_id = ANY(%s) GROUP BY r.order_id, r.reason
            """,
            [list(due)],
        )
        return [(order_id, RefundReason(reason), amount) for order_id, reason, amount in cursor.fetchall()]


def _open_payments(due: Iterable[int]) -> dict[int, list[Paid]]:
    """The captured payments of each order that have something left to give back, oldest first."""
    reserved = _reserved_by("payment_id", due)
    disputed = dict(
        Dispute.objects.filter(order__in=due, held_amount__gt=0)
        .order_by()
        .values_list("payment_id")
        .annotate(held=Sum("held_amount"))
    )
    payments: dict[int, list[Paid]] = {}
    for payment in Payment.objects.filter(order__in=due, state=PaymentState.CAPTURED).order_by("pk"):
        left = payment.captured_amount - reserved.get(payment.pk, Decimal(0)) - disputed.get(payment.pk, Decimal(0))
        if left > 0:
            payments.setdefault(payment.order_id, []).append(Paid(payment, left))
    return payments


def _reserved_by(column: str, due: Iterable[int]) -> dict[int, Decimal]:
    """What refunds of the orders take, by a column of theirs."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT r.{column}, sum({owed.RESERVED}) FROM payments_refund r
            WHERE r.order_id = ANY(%s) AND r.{column} IS NOT NULL GROUP BY r.{column}
            """,
            [list(due)],
        )
        return dict(cursor.fetchall())


def _tell(refunds: Sequence[Refund]) -> None:
    """Tell the timeline, and a person where nobody else can send the money back."""
    timeline.record_all(
        timeline.Entry(
            refund.order_id,
            kinds.REFUND_INTENDED,
            actors.job("owing"),
            {"number": refund.number, "amount": str(refund.amount), "reason": refund.reason},
        )
        for refund in refunds
    )
    by_hand = [refund for refund in refunds if refund.needs_person_since is not None]
    tickets.open_tickets(
        troubles.REFUND_BY_HAND,
        [
            Trouble(
                refund.pk,
                refund.payment.means,
                {"number": refund.number, "expected": str(refund.amount)},
                about_id=refund.order_id,
            )
            for refund in by_hand
        ],
        opened_by="owing",
    )
    waiting = [refund for refund in refunds if refund.state == RefundState.GRANTED]
    tickets.open_tickets(
        troubles.REFUND_TO_SEND,
        [
            Trouble(refund.pk, "", {"number": refund.number, "expected": str(refund.amount)}, about_id=refund.order_id)
            for refund in waiting
        ],
        opened_by="owing",
    )
