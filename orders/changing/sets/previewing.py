"""What a change set would do, before anybody confirms it: it is really done, looked at, and taken back again. As many
statements for many lines as for few."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from inventory import sharing
from inventory.promising import quoting
from inventory.promising.quoting import BasketLine, Quote
from oms.common.money import to_fen
from orders import kinds
from orders.actors import Actor
from orders.changing.keeping import Line
from orders.changing.previewing import PromotionLooked, StockBack, lines_in_short, look, promotions_of
from orders.changing.sets import drafting
from orders.changing.sets.actions import Action, Add
from orders.changing.sets.applying import apply, appointment_of
from orders.changing.sets.beyond import Shown
from orders.changing.stamping import stamp_of
from orders.fulfilling.waiting import units_waited_for
from orders.intake.terms import carriers_in_use
from orders.locking import lock_sub_orders
from orders.models import ActorKind, Order, OrderEvent, PaymentMethod
from orders.reviewing import holds
from orders.telling.timeline import changes_of

_ACTOR = Actor(ActorKind.JOB, "preview")
Window = tuple[datetime | None, datetime | None]


@dataclass(frozen=True, slots=True)
class LineChanged:
    """A line of which units or price change: units before and after, and what the buyer pays for them by all tenders
    (fen). `sellable` is how many units the channel may sell now of what is added (None: nothing is)."""

    position: int
    sku: str
    name: str
    units_before: int
    units_after: int
    amount_before: int
    amount_after: int
    is_gift: bool
    sellable: int | None

    @property
    def is_short(self) -> bool:
        """Whether there are fewer units than are added: what is missing waits for stock."""
        return self.sellable is not None and self.sellable < self.units_after - self.units_before


@dataclass(frozen=True, slots=True)
class SetPreview:
    """What a change would do. Amounts in fen. `to_pay` is asked for first, and nothing is done before it is paid;
    `back` goes back, or need not be paid any more. `recipient` are old and new values by name, `gaps` what would be
    missing of the address. `asks_door`: the difference is collected with the parcels. `appointment` is when the buyer
    wanted it (from, until) and when then, where that changes."""

    stamp: str
    version: int
    last_event: int
    lines: Sequence[LineChanged]
    owed_before: int
    owed_after: int
    to_pay: int
    asks_door: bool
    freight_before: int
    freight_after: int
    promotions: Sequence[PromotionLooked]
    stock: Sequence[StockBack]
    parcels: int
    recipient: dict[str, tuple[str, str]]
    gaps: Sequence[str]
    quote: Quote | None
    beyond: Sequence[Shown] = ()
    appointment: tuple[Window, Window] | None = None

    @property
    def back(self) -> int:
        """By how much less is owed."""
        return max(self.owed_before - self.owed_after, 0)


@transaction.atomic
def preview(
    order_id: int, wish: Sequence[drafting.Told], *, reason: str, may_price: bool = True, version: int | None = None
) -> SetPreview:
    """What the change would do now; nothing is changed. Raises what its confirmation does."""
    order = drafting.lock_all(order_id, wish, version=version)
    sub_orders = lock_sub_orders(order_id)
    stamp = stamp_of(order, sub_orders)
    last_event = order.events.order_by("-id").values_list("id", flat=True).first() or 0
    actions = drafting.checked(order, sub_orders, wish, may_price=may_price)
    before, freight_before, window = look(order_id), order.freight_amount, appointment_of(order_id)
    undone = transaction.savepoint()
    try:
        owed = apply(order, actions, reason=drafting.reason_of(reason), reference="preview", actor=_ACTOR)
        after, window_then = look(order_id), appointment_of(order_id)
        then = Order.objects.select_related("region").get(pk=order_id)
        told = OrderEvent.objects.filter(order=order_id, pk__gt=last_event, kind=kinds.RECIPIENT_CHANGED.code).first()
        recipient = changes_of(told) if told else {}
        lines = _lines(order, actions, before.books.lines, after.books.lines)
        promotions = promotions_of(order_id, after.books)
        gaps = holds.remedies(then) if recipient else []
        quote = _quote(then, actions)
    finally:
        transaction.savepoint_rollback(undone)
    is_cod = order.payment_method == PaymentMethod.COD
    return SetPreview(
        stamp=stamp,
        version=order.version,
        last_event=last_event,
        lines=lines,
        owed_before=to_fen(owed.before),
        owed_after=to_fen(owed.after),
        to_pay=0 if is_cod else max(to_fen(owed.more), 0),
        asks_door=is_cod,
        freight_before=to_fen(freight_before),
        freight_after=to_fen(then.freight_amount),
        promotions=[one for one in promotions if one.is_lost],
        stock=[
            StockBack(warehouse, sku, units)
            for (warehouse, sku), units in sorted((before.reserved - after.reserved).items())
        ],
        parcels=after.to_send - before.to_send,
        recipient=recipient,
        gaps=gaps,
        quote=quote,
        beyond=owed.beyond,
        appointment=(window, window_then) if window != window_then else None,
    )


def _lines(
    order: Order, actions: Sequence[Action], before: Collection[Line], after: Collection[Line]
) -> list[LineChanged]:
    added = {action.sku.pk for action in actions if isinstance(action, Add)}
    sellable = sharing.sellable_units({order.channel_id: sorted(added)}) if added else {}
    was = {line.key: line for line in before}
    rows = lines_in_short(order.pk)
    found = []
    for line in after:
        old, row = was.get(line.key), rows[line.key]
        units, amount = (old.units, _paid(old)) if old else (0, 0)
        if (units, amount) == (line.units, _paid(line)):
            continue
        found.append(
            LineChanged(
                row.position,
                row.sku_code or row.caller_code,
                row.name,
                units,
                line.units,
                amount,
                _paid(line),
                row.is_gift,
                None if old else sellable.get((order.channel_id, row.sku_id), 0),
            )
        )
    return found


def _paid(line: Line) -> int:
    return line.shares.payable + line.shares.gift_card + line.shares.points


def _quote(order: Order, actions: Sequence[Action]) -> Quote | None:
    """What could be promised now of what is added."""
    basket = [BasketLine(one.sku, one.units, one.price) for one in actions if isinstance(one, Add)]
    if not basket or order.region_id is None:
        return None
    return quoting.quote(
        basket,
        order.region_id,
        timezone.now(),
        channel_id=order.channel_id,
        is_cod=order.payment_method == PaymentMethod.COD,
        carriers=carriers_in_use(),
        waited_for=units_waited_for,
    )
