"""Carrying out the actions of a change set: what the confirmation does, and what the preview does and takes back.

Goods are added first, so that an order all of whose goods are changed is not cancelled; then units go, by the code of
every cancellation; then prices change. Where what went and what came is set off against each other, only the
difference is to be paid: a pair of charges that come to nothing says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import F, Sum
from django.db.models.functions import Coalesce, Now

from orders.actors import Actor
from orders.changing import charging, merging, readdressing
from orders.changing.readdressing import Recipient
from orders.changing.reasons import Why
from orders.changing.sets import adding, beyond, pricing
from orders.changing.sets.actions import Action, Add, Adjust, Appointment, Freight, Merge, Remove, Split
from orders.changing.sets.beyond import Shown, Wish
from orders.changing.units import cancel_units
from orders.fulfilling import dividing
from orders.locking import lock_sub_orders, mark_changed
from orders.models import Order, OrderCharge, OrderTerms, PaymentMethod, PromiseToMake, SubOrder, SubOrderState
from orders.models.charge import OF_CHANGES, ChargeCause, ChargeComponent
from orders.reviewing import deciding


@dataclass(frozen=True, slots=True)
class Owed:
    """What is owed for the order before and after a change, in yuan; and what the actions of apps above came to."""

    before: Decimal
    after: Decimal
    beyond: Sequence[Shown] = ()

    @property
    def more(self) -> Decimal:
        """By how much more is owed; below 0: so much goes back."""
        return self.after - self.before


def apply(order: Order, actions: Sequence[Action], *, reason: str, reference: str, actor: Actor) -> Owed:
    """Carry out the actions on an order that is locked with its sub-orders. As many statements for many lines as for
    few.

    Raises what the single changes do: CannotCancel, CannotReaddress, OmsError, WrongFields.
    """
    before = charging.owed(order.pk)
    for action in actions:
        if isinstance(action, Recipient):
            readdressing.change_recipient(order.pk, action, actor=actor)
    order = Order.objects.get(pk=order.pk)
    added = [action for action in actions if isinstance(action, Add)]
    adding.add(order, added, reference=reference, actor=actor)
    gone = {action.position: action.units for action in actions if isinstance(action, Remove)}
    if gone:
        cancel_units(order.pk, gone, reason=Why(reason), actor=actor)
        lock_sub_orders(order.pk)
    priced = [action for action in actions if isinstance(action, Adjust | Freight)]
    pricing.reprice(Order.objects.get(pk=order.pk), priced, reason=reason, reference=reference, actor=actor)
    for action in actions:
        if isinstance(action, Appointment):
            _appoint(order.pk, action)
        elif isinstance(action, Split):
            dividing.divide(action.sub_order_id, action.units, actor=actor)
    for action in actions:
        if isinstance(action, Merge):
            merging.merge(action.sub_order_ids, actor=actor)
    shown = [beyond.carry_out(order, action, actor=actor) for action in actions if isinstance(action, Wish)]
    owed = Owed(before, charging.owed(order.pk), shown)
    if order.payment_method != PaymentMethod.COD:
        _set_off(order.pk, owed, reference, actor)
    if added and order.reviewed_at is not None:
        deciding.look_again(order.pk)
    Order.objects.filter(pk=order.pk).update(owed_changed_since=Coalesce(F("owed_changed_since"), Now()))
    return owed


def _set_off(order_id: int, owed: Owed, reference: str, actor: Actor) -> None:
    """What the order was billed more than the buyer has to pay more was set off against what went."""
    charges = OrderCharge.objects.filter(order=order_id, reference=reference)
    charges = charges.filter(cause__in=OF_CHANGES)
    billed = charges.aggregate(amount=Coalesce(Sum("amount"), Decimal(0)))["amount"]
    amount = billed - max(owed.more, Decimal(0))
    if amount <= 0:
        return
    OrderCharge.objects.bulk_create(
        OrderCharge(
            order_id=order_id,
            component=ChargeComponent.EXTRA,
            cause=cause,
            amount=signed,
            reference=reference,
            actor_kind=actor.kind,
            actor=actor.name,
        )
        for cause, signed in ((ChargeCause.EDIT, -amount), (ChargeCause.SET_OFF, amount))
    )


def appointment_of(order_id: int) -> tuple[datetime | None, datetime | None]:
    """From when and until when the buyer wants the order."""
    rows = OrderTerms.objects.filter(order=order_id).values_list("delivery_from", "delivery_until")
    return rows.first() or (None, None)


def _appoint(order_id: int, wanted: Appointment) -> None:
    """Keep when it is to be delivered; what has a warehouse already is promised anew."""
    OrderTerms.objects.update_or_create(
        order_id=order_id, defaults={"delivery_from": wanted.begins, "delivery_until": wanted.ends}
    )
    # What is beside the order is a part of it: who read it before must read it again.
    mark_changed(order_id)
    parts = SubOrder.objects.filter(order=order_id, state=SubOrderState.ALLOCATED, warehouse__isnull=False)
    PromiseToMake.objects.bulk_create(
        [
            PromiseToMake(sub_order_id=key, order_id=order_id, expected_warehouse_id=warehouse)
            for key, warehouse in parts.order_by("pk").values_list("pk", "warehouse_id")
        ],
        ignore_conflicts=True,
    )
