"""What becomes of the balances that orders are paid with, and of the points that they earn.

What the charges say that a card or points still pay is what is held, or spent; all beyond it goes back to the account
that it came from. What a completed order earns follows from the money that is kept of it (rule R9). Both are worked out
anew each time, so that no writer of charges moves a balance itself.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Coalesce, Greatest, Now
from django.utils import timezone

from oms.common.money import fen_text
from orders import actors
from orders.models import Order, OrderState
from orders.models.charge import ChargeComponent, OrderCharge
from orders.telling import timeline
from payments import kinds
from payments.balances import moving
from payments.balances.moving import Move
from payments.ledger import posting
from payments.models import BalanceAccount, BalanceKind, BalanceMovement, MovementKind, OrderTender

_K = MovementKind
_COMPONENTS = {BalanceKind.GIFT_CARD: ChargeComponent.GIFT_CARD, BalanceKind.POINTS: ChargeComponent.POINTS}
_EVENTS = {
    _K.CAPTURED: kinds.TENDER_SPENT,
    _K.RELEASED: kinds.TENDER_RELEASED,
    _K.GIVEN_BACK: kinds.TENDER_GIVEN_BACK,
    _K.EARNED: kinds.POINTS_EARNED,
    _K.TAKEN_BACK: kinds.POINTS_TAKEN_BACK,
}
ACTOR = actors.job("owing")


@dataclass(slots=True)
class _Moved:
    """What an order did with an account by now (fen): holds, spent less what went back, earned less what was taken
    back, paid or not; and in how many movements."""

    held: int = 0
    spent: int = 0
    earned: int = 0
    count: int = 0


@dataclass(slots=True)
class _Tendered:
    """An order's tenders of ours, oldest first, and what is kept of its money by component (fen)."""

    order: Order
    tenders: list[OrderTender] = field(default_factory=list)
    charged: Mapping[str, int] = field(default_factory=dict)
    moved: Mapping[int, _Moved] = field(default_factory=dict)


def told(account: BalanceAccount, fen: int) -> dict[str, Any]:
    """What the timeline tells of so many fen of the account."""
    return {"tender": account.kind, "number": account.shown, "amount": fen_text(fen)}


def follow(order_ids: Collection[int]) -> None:
    """Spend what the orders hold once nothing else is to be paid before, release or give back what they do not need,
    and let completed ones earn their points. The orders must be locked. One statement where none has tenders."""
    found = _read(order_ids)
    if not found:
        return
    ids = {tender.account_id for of_order in found for tender in of_order.tenders}
    accounts = {account.pk: account for account in BalanceAccount.objects.filter(pk__in=ids).locked()}
    left = {key: account.available for key, account in accounts.items()}
    moves: list[Move] = []
    for of_order in found:
        moves += _moves(of_order, accounts)
        moves += _points(of_order, accounts, left)
    if not moves:
        return
    movements = moving.move(moves, actor=ACTOR)
    _keep_valid(movements)
    timeline.record_all(_event(movement, accounts[movement.account_id]) for movement in movements)
    posting.post_missing({of_order.order.pk for of_order in found})


def _read(order_ids: Collection[int]) -> list[_Tendered]:
    by_order: dict[int, _Tendered] = {}
    rows = OrderTender.objects.filter(order__in=list(order_ids)).select_related("order")
    for tender in rows.only("order__state", "account_id", "fen", "earns_per_yuan").order_by("order_id", "pk"):
        by_order.setdefault(tender.order_id, _Tendered(tender.order)).tenders.append(tender)
    if not by_order:
        return []
    charged: dict[int, dict[str, int]] = defaultdict(dict)
    sums = OrderCharge.objects.filter(order__in=list(by_order)).order_by().values_list("order_id", "component")
    for order_id, component, amount in sums.annotate(amount=Sum("amount")):
        charged[order_id][component] = int(amount * 100)
    moved: dict[int, dict[int, _Moved]] = defaultdict(dict)
    for order_id, account_id, *values in _movements(by_order):
        moved[order_id][account_id] = _Moved(*values)
    for order_id, of_order in by_order.items():
        of_order.charged, of_order.moved = charged[order_id], moved[order_id]
    return list(by_order.values())


def _movements(order_ids: Iterable[int]) -> Iterable[tuple[int, ...]]:
    rows = BalanceMovement.objects.filter(order__in=list(order_ids)).order_by().values_list("order_id", "account_id")
    spent = Sum(-F("held_change"), filter=Q(kind=_K.CAPTURED), default=0)
    back = Sum("available_change", filter=Q(kind=_K.GIVEN_BACK), default=0)
    earned = Sum(F("available_change") - F("short_change"), filter=Q(kind__in=(_K.EARNED, _K.TAKEN_BACK)), default=0)
    return rows.annotate(held=Sum("held_change"), spent=spent - back, earned=earned, count=Count("pk"))


def _moves(of_order: _Tendered, accounts: Mapping[int, BalanceAccount]) -> Iterable[Move]:
    """What happens to what the order holds or spent: the newest tender gets back first, none more than it gave."""
    order = of_order.order
    for kind, component in _COMPONENTS.items():
        own = [accounts[tender.account_id] for tender in of_order.tenders if tender.fen]
        known = [(account, of_order.moved.get(account.pk, _Moved())) for account in own if account.kind == kind]
        if not known:
            continue
        too_much = sum(moved.held + moved.spent for _account, moved in known) + of_order.charged.get(component, 0)
        for account, moved in reversed(known):
            key = f"{order.pk}:{account.pk}:{moved.count + 1}"
            back = min(max(too_much, 0), moved.held + moved.spent)
            too_much -= back
            if order.state in (OrderState.AWAITING_PAYMENT, OrderState.CANCELLED):
                released = min(back, moved.held)
                if released:
                    yield Move(account, _K.RELEASED, released, f"released:{key}", order.pk)
                back -= released
            elif moved.held:
                yield Move(account, _K.CAPTURED, moved.held, f"captured:{key}", order.pk)
            if back:
                yield Move(account, _K.GIVEN_BACK, back, f"given_back:{key}", order.pk)


def _points(of_order: _Tendered, accounts: Mapping[int, BalanceAccount], left: dict[int, int]) -> Iterable[Move]:
    """The points that the order earns or loses. Those that were spent already stay to be taken back from the next."""
    order = of_order.order
    for tender in of_order.tenders:
        account = accounts[tender.account_id]
        moved = of_order.moved.get(account.pk, _Moved())
        if not tender.earns_per_yuan or not (order.state == OrderState.COMPLETED or moved.earned):
            continue
        change = earned(of_order.charged, tender.earns_per_yuan) - moved.earned
        key = f"{order.pk}:{account.pk}:{moved.count + 1}"
        if change > 0:
            yield Move(account, _K.EARNED, change, f"earned:{key}", order.pk)
            paid = min(change, account.short)
            if paid:
                yield Move(account, _K.TAKEN_BACK, paid, f"paid_back:{key}", order.pk, short=-paid)
            account.short -= paid
            left[account.pk] += change - paid
        elif change < 0:
            there = min(-change, left[account.pk])
            left[account.pk] -= there
            account.short += -change - there
            yield Move(account, _K.TAKEN_BACK, there, f"taken_back:{key}", order.pk, short=-change - there)


def earned(charged: Mapping[str, int], per_yuan: int) -> int:
    """The points for an order of which so much is kept, by component (fen): whole ones, for money and gift cards."""
    money = sum(charged.values()) - charged.get(ChargeComponent.GIFT_CARD, 0)
    return max(money, 0) * per_yuan // 100


def _keep_valid(movements: Sequence[BalanceMovement]) -> None:
    """What went back can be spent for a while, and points that came in keep all of their account."""
    now = timezone.now()
    back = [row.account_id for row in movements if row.kind == _K.GIVEN_BACK]
    freed = [row.account_id for row in movements if row.kind == _K.RELEASED]
    came = [row.account_id for row in movements if row.kind == _K.EARNED]
    until = now + timedelta(days=settings.GIVEN_BACK_DAYS)
    BalanceAccount.objects.filter(pk__in=back, expires_at__lt=until).update(expires_at=until)
    BalanceAccount.objects.filter(pk__in=freed, expires_at__lt=now).update(expires_at=until)
    if settings.POINTS_DAYS and came:
        kept = now + timedelta(days=settings.POINTS_DAYS)
        BalanceAccount.objects.filter(pk__in=came).update(expires_at=Greatest(Coalesce("expires_at", Now()), kept))


def _event(movement: BalanceMovement, account: BalanceAccount) -> timeline.Entry:
    kind = _EVENTS[_K(movement.kind)]
    assert movement.order_id is not None  # noqa: S101 - a constraint
    if kind in (kinds.POINTS_EARNED, kinds.POINTS_TAKEN_BACK):
        points = abs(movement.available_change)
        data = {"points": points, "number": account.shown}
        if kind is kinds.POINTS_TAKEN_BACK:
            data["short"] = max(movement.short_change, 0)
    else:
        data = told(account, abs(movement.available_change or movement.held_change))
    return timeline.Entry(movement.order_id, kind, ACTOR, data)
