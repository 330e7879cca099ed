"""Deposits of orders whose balance nobody paid in time: kept, given back, or held until a person decides (定金).

What becomes of a part was fixed with the order. What is not given back is charged, so that it is owed and stays; a
person's decision adds the charges that follow from it.
"""

from collections.abc import Iterable
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext as _

from oms.common import tickets
from oms.common.errors import OmsError
from oms.common.models import TicketResult
from oms.common.tickets import Trouble
from oms.common.work import nudging
from orders.actors import Actor
from orders.locking import lock_order
from orders.models import ChargeCause, Order, OrderCharge
from orders.models.charge import ChargeComponent
from orders.models.terms import DepositTerms
from orders.telling import timeline
from payments import kinds, troubles
from payments.models import Instalment

_CHARGED_AS = {DepositTerms.ASK: ChargeCause.DEPOSIT_HELD, DepositTerms.FORFEIT: ChargeCause.FORFEITED}


def terms_of(channel: str) -> DepositTerms:
    """What becomes of deposits of a channel's orders (by its code) that say nothing themselves."""
    return DepositTerms(settings.DEPOSIT_TERMS.get(channel) or settings.DEPOSIT_TERMS.get("") or DepositTerms.ASK)


def keep(order_id: int, there: Decimal, *, actor: Actor) -> None:
    """Charge what is not given back of a locked order that was cancelled because a part was not paid in time; `there`
    (yuan) is what had come in by then, and was neither given back nor disputed: no more is kept."""
    before = Decimal(0)
    held = Decimal(0)
    for part in Instalment.objects.filter(order=order_id).order_by("position"):
        before += part.amount
        terms = DepositTerms(part.if_missed)
        if before > there or terms == DepositTerms.RETURN:
            continue
        _charge(order_id, [(_CHARGED_AS[terms], part.amount)], actor)
        if terms == DepositTerms.FORFEIT:
            timeline.record(order_id, kinds.DEPOSIT_FORFEITED, actor, amount=str(part.amount))
        else:
            held += part.amount
    if held:
        timeline.record(order_id, kinds.DEPOSIT_HELD, actor, amount=str(held))
        trouble = Trouble(order_id, "", {"amount": str(held)}, about_id=order_id)
        tickets.open_tickets(troubles.DEPOSIT_TO_DECIDE, [trouble], opened_by=actor.name)


@transaction.atomic
def decide(order_id: int, *, is_forfeited: bool, actor: Actor) -> Decimal:
    """A person decided that the held deposit of an order is forfeited, or given back; returns how much it is (yuan).
    Raises OmsError where none is held (any more)."""
    lock_order(order_id)
    held = held_of(order_id)
    if not held:
        raise OmsError(_("No deposit of this order waits for a decision."))
    _charge(order_id, [(ChargeCause.DEPOSIT_HELD, -held)], actor)
    if is_forfeited:
        _charge(order_id, [(ChargeCause.FORFEITED, held)], actor)
    event = kinds.DEPOSIT_FORFEITED if is_forfeited else kinds.DEPOSIT_RETURNED
    timeline.record(order_id, event, actor, amount=str(held))
    tickets.close_tickets([troubles.DEPOSIT_TO_DECIDE], [order_id], result=TicketResult.DONE, closed_by=actor.name)
    Order.objects.filter(pk=order_id).update(owed_changed_since=Coalesce("owed_changed_since", Now()))
    nudging.nudge("owing")
    return held


def held_of(order_id: int) -> Decimal:
    """How much of a deposit waits for a person's decision (yuan)."""
    charges = OrderCharge.objects.filter(order=order_id, cause=ChargeCause.DEPOSIT_HELD)
    return charges.aggregate(held=Coalesce(Sum("amount"), Decimal(0)))["held"]


def _charge(order_id: int, rows: Iterable[tuple[ChargeCause, Decimal]], actor: Actor) -> None:
    OrderCharge.objects.bulk_create(
        OrderCharge(
            order_id=order_id,
            component=ChargeComponent.EXTRA,
            cause=cause,
            amount=amount,
            actor_kind=actor.kind,
            actor=actor.name,
        )
        for cause, amount in rows
    )
