"""Beginning an exchange: the order of the new goods is placed, and what the goods that come back are worth pays for it.

What it costs beyond that the buyer is asked for like any other money, as the second part of the new order's payment;
what they are worth beyond it is granted with the return. The preview is the confirmation in a savepoint.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from inventory import sharing
from oms.common.errors import ChangedMeanwhile
from oms.common.money import fen_text, yuan
from oms.common.work import clock
from oms.merchants.models import ExchangeLeaves
from orders.actors import Actor
from orders.kinds import HELD
from orders.models import ActorKind, Exchange, Hold, MoneyState, Order, ReturnKind, ReturnRequest, ReturnState
from orders.models.terms import DepositTerms
from orders.returning import deciding, exchanging, kinds, locking, requesting
from orders.returning.exchanging import CannotExchange, NewLine
from orders.returning.locking import lines_of, lock_return
from orders.reviewing import words
from orders.reviewing.holds import open_hold
from orders.telling import timeline
from payments.granting import previewing
from payments.models import Instalment
from payments.owing import derived
from payments.returning import granting
from payments.taking import recording

_ACTOR = Actor(ActorKind.JOB, "preview")
# In these the goods may still come, or are there.
BEGINS_IN = (ReturnState.AWAITING_GOODS, ReturnState.IN_TRANSIT, ReturnState.RECEIVED, ReturnState.INSPECTED)


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line of the new order (fen); `sellable` is how many units the channel may sell now."""

    sku: str
    name: str
    units: int
    unit_price: int
    discount: int
    amount: int
    is_old: bool
    sellable: int

    @property
    def is_short(self) -> bool:
        """Whether some of it waits for stock."""
        return self.sellable < self.units


@dataclass(frozen=True, slots=True)
class ExchangePreview:
    """What an exchange comes to, in fen: `gives` is what the goods that come back are worth by R1–R13, `costs` what the
    new ones cost, of which they pay `credit`; the buyer is asked for `to_pay`, or gets `back` once it is granted.
    `calculation` says line by line what the goods give, as it is stored."""

    lines: Sequence[ShownLine]
    calculation: dict[str, Any]
    gives: int
    costs: int
    credit: int
    leaves: str

    @property
    def to_pay(self) -> int:
        """What the buyer is asked for."""
        return self.costs - self.credit

    @property
    def back(self) -> int:
        """What the buyer gets back beside the new goods."""
        return self.gives - self.credit


@dataclass(frozen=True, slots=True)
class Agreed:
    """What somebody was shown and confirms, in fen."""

    to_pay: int
    back: int


@transaction.atomic
def preview(order_id: int, wanted: requesting.Wanted) -> ExchangePreview:
    """What asking for this exchange and approving it comes to now; nothing is changed. Raises as `exchange` does."""
    undone = transaction.savepoint()
    try:
        row = requesting.request(order_id, wanted, actor=_ACTOR)
        return _preview_of(row)
    finally:
        transaction.savepoint_rollback(undone)


@transaction.atomic
def preview_of(return_id: int) -> ExchangePreview:
    """What approving the exchange that was asked for, or beginning it, would come to now; nothing is changed. Raises
    what `approve` does."""
    undone = transaction.savepoint()
    try:
        return _preview_of(lock_return(return_id))
    finally:
        transaction.savepoint_rollback(undone)


def _preview_of(row: ReturnRequest) -> ExchangePreview:
    if row.state == ReturnState.REQUESTED:
        deciding.approve(row.pk, actor=_ACTOR)
    return begin(row.pk, actor=_ACTOR)


@transaction.atomic
def exchange(
    order_id: int, wanted: requesting.Wanted, *, actor: Actor, version: int | None = None, agreed: Agreed | None = None
) -> Exchange:
    """Ask for an exchange and begin it at once. Raises what asking for a return and approving it does, CannotExchange
    for new goods that cannot be sent, and ChangedMeanwhile where it comes out otherwise than was `agreed`."""
    if wanted.kind != ReturnKind.EXCHANGE:
        raise CannotExchange(_("Goods are exchanged by a return of that kind."), attr="kind")
    row = requesting.request(order_id, wanted, actor=actor, version=version)
    return approve(row.pk, actor=actor, agreed=agreed)


@transaction.atomic
def approve(
    return_id: int,
    *,
    actor: Actor,
    warehouse_id: int | None = None,
    version: int | None = None,
    agreed: Agreed | None = None,
) -> Exchange:
    """Approve the exchange that was asked for, and begin it. Raises what `deciding.approve` does, CannotExchange, and
    ChangedMeanwhile."""
    row = lock_return(return_id, version=version)
    if row.state in (ReturnState.REQUESTED, ReturnState.DECLINED):
        deciding.approve(return_id, actor=actor, warehouse_id=warehouse_id)
    shown = begin(return_id, actor=actor)
    if agreed is not None and agreed != Agreed(shown.to_pay, shown.back):
        raise ChangedMeanwhile(_("It comes out otherwise by now. Look at it again and repeat what you wanted."))
    return Exchange.objects.get(pk=return_id)


@transaction.atomic
def begin(return_id: int, *, actor: Actor) -> ExchangePreview:
    """Place the order of the new goods for an approved exchange. Raises CannotExchange, NotNow, and OmsError where the
    goods that come back are worth nothing that is left."""
    row = lock_return(return_id)
    locking.require(row, *BEGINS_IN)
    found = Exchange.objects.select_for_update(no_key=True).filter(pk=return_id).first()
    if found is None or row.kind != ReturnKind.EXCHANGE:
        raise CannotExchange(_("This return is no exchange."))
    if found.begun_at is not None or found.ended_at is not None:
        raise CannotExchange(_("The exchange has begun already, or was given up."))
    if row.money_state in (MoneyState.PROPOSED, MoneyState.GRANTED):
        raise CannotExchange(_("Its money was granted, or is about to be: nothing is left to exchange."))
    order = Order.objects.select_related("channel__merchant").get(pk=row.order_id)
    lines = exchanging.priced(order, found, lines_of(row))
    shown = _lines(order, lines)
    placed = exchanging.place(row, order, lines, actor=actor)
    costs = sum(line.amount for line in lines)
    found.new_order_id, found.begun_at, found.new_amount = placed.id, timezone.now(), yuan(costs)
    found.save(update_fields=["new_order", "begun_at", "new_amount"])
    wanted, reason = granting.wanted_of(row), granting.reason_of(row)
    calculation, _chosen = previewing.work_out(row.order_id, wanted, reason)
    credit = min(calculation.amount, costs)
    found.credit = yuan(credit)
    found.due_since = None
    found.save(update_fields=["credit", "due_since"])
    _open(found, row, actor)
    _pay(found, costs - credit, actor)
    units: dict[str, int] = {}
    for line in lines:
        units[line.sku.code] = units.get(line.sku.code, 0) + line.units
    told = {"credit": fen_text(credit), "to_pay": fen_text(costs - credit), "leaves": found.leaves, "units": units}
    locking.save(row, kinds.EXCHANGE_BEGUN, actor, order=placed.number, **told)
    timeline.record(placed.id, kinds.EXCHANGES, actor, number=row.number, order=order.number)
    return ExchangePreview(shown, calculation.as_json(), calculation.amount, costs, credit, found.leaves)


def _lines(order: Order, lines: Sequence[NewLine]) -> list[ShownLine]:
    sellable = sharing.sellable_units({order.channel_id: sorted({line.sku.pk for line in lines})})
    return [
        ShownLine(
            *(line.sku.code, line.name, line.units, line.unit_price, line.discount, line.amount, line.is_old),
            sellable.get((order.channel_id, line.sku.pk), 0),
        )
        for line in lines
    ]


def _open(found: Exchange, row: ReturnRequest, actor: Actor) -> None:
    """Hold the new order until the goods are there, where it waits for them."""
    assert found.new_order_id is not None  # noqa: S101 - it was begun
    if found.leaves == ExchangeLeaves.AT_ONCE:
        return
    hold = open_hold(found.new_order_id, Hold.Kind.EXCHANGE, reason=row.number, by=actor)
    timeline.record(found.new_order_id, HELD, actor, **words.data_of(hold))


def _pay(found: Exchange, rest: int, actor: Actor) -> None:
    """Pay the new order by what the goods are worth; the rest (fen) is asked for as its second part."""
    assert found.new_order_id is not None  # noqa: S101 - it was begun
    order = Order.objects.get(pk=found.new_order_id)
    if not found.credit:
        return
    if rest:
        due = timezone.now() + clock.scaled(timedelta(seconds=settings.BALANCE_DEADLINE_SECONDS))
        Instalment.objects.bulk_create(
            Instalment(order=order, position=place, amount=amount, due_at=until, if_missed=DepositTerms.RETURN)
            for place, (amount, until) in enumerate(((found.credit, due - timedelta(seconds=1)), (yuan(rest), due)), 1)
        )
    recording.record_exchange(order, amount=found.credit)
    derived.refresh([order.pk])
