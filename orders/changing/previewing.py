"""What a cancellation would do, before anybody confirms it: it is really done, looked at, and taken back again, so that
it cannot differ from what is done then. As many statements for many lines as for few."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from inventory.models import Reservation
from orders.actors import Actor
from orders.changing import choosing, correcting
from orders.changing.cancellation import patience
from orders.changing.cancelling import cancel_sub_orders
from orders.changing.choosing import Selection
from orders.changing.keeping import Books, Line, Tenders, promotions_kept
from orders.changing.reasons import Why
from orders.changing.stamping import stamp_of
from orders.intake.promotion_rules import Rule
from orders.locking import lock_order, lock_sub_orders
from orders.models import ActorKind, Order, OrderLine, OrderPromotion, OrderState, SubOrder, SubOrderLine, SubOrderState
from orders.models.charge import ChargeComponent
from orders.models.sub_order import LEFT_WAREHOUSE

_TENDERS = (ChargeComponent.GIFT_CARD, ChargeComponent.POINTS)
_ACTOR = Actor(ActorKind.JOB, "preview")


@dataclass(frozen=True, slots=True)
class LineGone:
    """Units of a line that would go, of those that are left, with what the buyer pays for them by all tenders (fen)."""

    position: int
    sku: str
    name: str
    units: int
    left: int
    amount: int
    is_gift: bool


@dataclass(frozen=True, slots=True)
class PromotionLooked:
    """What the kept goods have of a promotion by their shares, and what it leaves them now, in fen; `rule` is what it
    asks for, where that is understood."""

    code: str
    name: str
    rule: Rule | None
    share: int
    now: int

    @property
    def is_lost(self) -> bool:
        """Whether the kept goods do not get it all any more."""
        return self.now < self.share


@dataclass(frozen=True, slots=True)
class Asked:
    """A sub-order that its warehouse would be asked to give up, and until when it may answer."""

    number: str
    warehouse: str
    state: str
    units: int
    deadline: datetime

    @property
    def state_label(self) -> str:
        """Where it is, in words."""
        return str(SubOrderState(self.state).label)

    @property
    def is_likely(self) -> bool:
        """Whether warehouses usually still give up what is in this state."""
        return self.state != SubOrderState.PICKING


@dataclass(frozen=True, slots=True)
class StockBack:
    """Units that would be given back at a warehouse."""

    warehouse: str
    sku: str
    units: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What a cancellation would do. Amounts in fen.

    `back` is by how much less would be owed at once, by tender; of its cash `refunded` was paid already and is sent
    back, the rest need not be paid any more. `back_if_given_up` is what goes back besides if the warehouses that are
    asked agree, `kept_back` what does not go back because kept goods lose a promotion. `parcels` are sub-orders fewer
    to be sent. `stamp` tells later whether the order is still what was looked at; `last_event` is the newest event of
    its timeline (id).
    """

    stamp: str
    version: int
    last_event: int
    is_whole: bool
    lines: tuple[LineGone, ...]
    back: Tenders
    refunded: int
    freight: int
    kept_back: int
    back_if_given_up: Tenders
    promotions: tuple[PromotionLooked, ...]
    stock: tuple[StockBack, ...]
    parcels: int
    asked: tuple[Asked, ...]

    @property
    def units(self) -> int:
        """Units that go at once."""
        return sum(line.units for line in self.lines)

    @property
    def not_to_be_paid(self) -> int:
        """Cash that was not paid yet and need not be any more, in fen."""
        return self.back.cash - self.refunded

    @property
    def gifts_that_stay(self) -> tuple[LineGone, ...]:
        """Gifts of the order that are not cancelled with the rest."""
        return tuple(line for line in self.lines if line.is_gift and line.units < line.left)


@dataclass(frozen=True, slots=True)
class Seen:
    """An order at one moment."""

    books: Books
    kept: int
    paid: int
    reserved: Counter[tuple[str, str]]
    to_send: int
    is_over: bool


@transaction.atomic
def preview(order_id: int, selection: Selection, *, version: int | None = None) -> Preview:
    """What cancelling it would do now; nothing is changed. Raises what `choosing.cancel` does."""
    order = lock_order(order_id, version=version)
    sub_orders = lock_sub_orders(order_id)
    stamp = stamp_of(order, sub_orders)
    last_event = order.events.order_by("-id").values_list("id", flat=True).first() or 0
    before = look(order_id)
    undone = transaction.savepoint()
    try:
        choosing.cancel(order_id, selection, reason=Why("preview"), actor=_ACTOR)
        after = look(order_id)
        already = {part.pk for part in sub_orders if part.cancel_requested_at is not None}
        asked = _asked(order_id, already)
        granted = look(order_id) if asked else after
    finally:
        transaction.savepoint_rollback(undone)
    held = before.books.held.less(after.books.held)
    refunded = max(before.paid - after.books.held.cash, 0) - max(before.paid - before.books.held.cash, 0)
    return Preview(
        stamp=stamp,
        version=order.version,
        last_event=last_event,
        is_whole=after.is_over and not asked,
        lines=_lines(order_id, before.books.lines, after.books.lines),
        back=held,
        refunded=min(refunded, max(held.cash, 0)),
        freight=_freight(before.books) - _freight(after.books),
        kept_back=after.kept - before.kept,
        back_if_given_up=after.books.held.less(granted.books.held),
        promotions=promotions_of(order_id, after.books),
        stock=tuple(
            StockBack(warehouse, sku, units)
            for (warehouse, sku), units in sorted((before.reserved - after.reserved).items())
        ),
        parcels=before.to_send - after.to_send,
        asked=asked,
    )


def look(order_id: int) -> Seen:
    """The order as it is now. Five statements."""
    found = correcting.read([order_id])[order_id]
    lines = SubOrderLine.objects.filter(sub_order__order_id=order_id).values("pk")
    reserved: Counter[tuple[str, str]] = Counter()
    rows = Reservation.objects.active_for(lines).order_by()
    for warehouse, sku, units in rows.values_list("stock__warehouse__code", "stock__sku__code", "quantity"):
        reserved[warehouse, sku] += units
    refunded, state = Order.objects.values_list("refunded_amount", "state").get(pk=order_id)
    parts = SubOrder.objects.filter(order=order_id).exclude(state__in=[*LEFT_WAREHOUSE, SubOrderState.CANCELLED])
    kept = sum(amount for row, amount in found.kept.items() if row.component not in _TENDERS)
    return Seen(
        found.books, kept, found.paid - round(refunded * 100), reserved, parts.count(), state == OrderState.CANCELLED
    )


def _asked(order_id: int, already: Collection[int]) -> tuple[Asked, ...]:
    """What warehouses were asked for just now; it is taken as given, to see what goes back then."""
    rows = SubOrder.objects.filter(order=order_id, cancel_requested_at__isnull=False).exclude(pk__in=already)
    parts = list(rows.select_related("warehouse").order_by("id"))
    cancel_sub_orders([part.pk for part in parts], actor=_ACTOR)
    deadline = timezone.now() + patience()
    return tuple(
        Asked(part.number, part.warehouse.code if part.warehouse else "", part.state, part.total_quantity, deadline)
        for part in parts
    )


def lines_in_short(order_id: int) -> dict[int, OrderLine]:
    """The order's lines by id, with no more than what a preview shows of them: an order may have hundreds."""
    few = ("position", "name", "caller_code", "is_gift", "sku__code")
    return {line.pk: line for line in OrderLine.objects.filter(order=order_id).select_related("sku").only(*few)}


def _lines(order_id: int, before: Collection[Line], after: Collection[Line]) -> tuple[LineGone, ...]:
    kept = {line.key: line for line in after}
    rows = lines_in_short(order_id)
    return tuple(
        LineGone(
            rows[line.key].position,
            rows[line.key].sku_code or rows[line.key].caller_code,
            rows[line.key].name,
            line.units - kept[line.key].units,
            line.units,
            _paid(line) - _paid(kept[line.key]),
            rows[line.key].is_gift,
        )
        for line in before
        if line.units
    )


def _paid(line: Line) -> int:
    """What the buyer pays for the units that are left, by all tenders."""
    return line.shares.payable + line.shares.gift_card + line.shares.points


def _freight(books: Books) -> int:
    return sum(line.shares.freight for line in books.lines)


def promotions_of(order_id: int, books: Books) -> tuple[PromotionLooked, ...]:
    """What the kept goods still get of each promotion; none where nothing is kept."""
    if not any(line.units for line in books.lines):
        return ()
    names = dict(OrderPromotion.objects.filter(order=order_id).values_list("code", "name"))
    rules = {promotion.code: promotion.rule for promotion in books.promotions}
    return tuple(
        PromotionLooked(one.code, names.get(one.code, ""), rules[one.code], one.share, one.now)
        for one in promotions_kept(books)
    )
