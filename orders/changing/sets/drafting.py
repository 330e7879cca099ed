"""Change sets from their draft to their end.

What makes a prepaid order dearer is not carried out before its balance is paid: the change waits, whole, and holds the
order meanwhile; `payments.taking.differences` asks for the balance and says when it is there. Then the same code does
it that the preview tried. Where the order cannot be changed so any more, the money goes back and a person is called.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common import tickets
from oms.common.errors import ChangedMeanwhile, OmsError
from oms.common.models import Team
from oms.common.money import to_fen
from oms.common.tickets import TicketKind, Trouble, register_kind
from oms.common.work import clock, nudging
from orders import kinds
from orders.actors import Actor
from orders.changing import correcting, units
from orders.changing import kinds as change_kinds
from orders.changing.readdressing import Recipient
from orders.changing.sets import actions as reading
from orders.changing.sets import applying
from orders.changing.sets.actions import BEYOND, Action, Add, Adjust, Appointment, Freight
from orders.changing.sets.beyond import Wish
from orders.changing.stamping import check_stamp
from orders.locking import lock_order, lock_orders_of, lock_sub_orders
from orders.models import (
    OPEN_SETS,
    WAITING_SETS,
    ChangeSet,
    ChangeSetState,
    Hold,
    Order,
    OrderLine,
    OrderLink,
    OrderState,
    PaymentMethod,
    SubOrder,
)
from orders.models.order import OVER
from orders.models.order_link import LinkKind
from orders.reviewing import words
from orders.reviewing.holds import close_hold, open_hold
from orders.telling import timeline

Told = Mapping[str, Any]
STAGE_NAME = "end_changes"
_EARLY = (Recipient, Appointment, Wish)

NOT_CARRIED_OUT = register_kind(
    TicketKind(
        "change_not_carried_out",
        gettext_lazy("A paid change could not be carried out"),
        tickets.ABOUT,
        team=Team.SERVICE,
        due_within=timedelta(hours=4),
        reasons={
            "": gettext_lazy("Change %(number)s was paid (¥%(amount)s), but the order cannot be changed so any more."),
        },
        remedies=gettext_lazy(
            "The balance goes back by itself. Tell the buyer, or offer a new change or another order, then close the"
            " ticket."
        ),
        can_retry=False,
    )
)


class CannotChange(OmsError):
    """The order cannot be changed so, or not now."""

    code = "cannot_change"


def obstacle(order: Order) -> str | None:
    """Why nothing of the order can be changed, or None."""
    if order.is_historical:
        return _("The order was imported as it ended elsewhere.")
    if order.state in OVER:
        return _("The order is over: %(state)s.") % {"state": order.get_state_display()}
    if order.cancel_requested_at:
        return _("The cancellation is under way; the warehouse has not answered yet.")
    if order.holds.filter(kind=Hold.Kind.UNMATCHED, released_at=None).exists():
        return _("Match the codes of the goods to SKUs first.")
    return None


def is_later(order: Order) -> bool:
    """Whether the order is completed, and its buyer may want an invoice or other goods all the same."""
    return order.state == OrderState.COMPLETED and not order.is_historical


def reason_of(reason: str) -> str:
    """The reason, bounded. Raises OmsError where there is none."""
    text = reason.strip()[:200]
    if not text:
        raise OmsError(_("Say why the order is changed."), attr="reason")
    return text


def checked(order: Order, sub_orders: Sequence[SubOrder], wish: Sequence[Told], *, may_price: bool) -> list[Action]:
    """What is wished for, read and checked against the locked order. Raises CannotChange and WrongFields."""
    blocked = obstacle(order)
    if blocked and not (is_later(order) and wish and all(one.get("do") in BEYOND for one in wish)):
        raise CannotChange(blocked)
    rows = list(OrderLine.objects.filter(order=order).only("position", "quantity"))
    parts = list(SubOrder.objects.filter(pk__in=[part.pk for part in sub_orders]).prefetch_related("lines"))
    gone = units.gone(order, rows, parts)
    actions = reading.read(order, wish, {line.position: line.quantity - gone[line.position] for line in rows})
    if order.state == OrderState.AWAITING_PAYMENT and not all(isinstance(one, _EARLY) for one in actions):
        raise CannotChange(
            _("The buyer was asked for the whole amount. Cancel the whole order, or wait until it is paid.")
        )
    if not may_price and any(
        isinstance(one, Adjust | Freight) or (isinstance(one, Add) and one.price_is_typed) for one in actions
    ):
        raise CannotChange(_("Prices, adjustments and freight are for those who have that right."), attr="actions")
    _check_follower(order, actions)
    removed = sum(one.units for one in actions if isinstance(one, reading.Remove))
    left = sum(line.quantity - gone[line.position] for line in rows)
    if removed and removed == left and not any(isinstance(one, Add) for one in actions):
        raise CannotChange(_("Nothing would be left of the order: cancel it instead."), attr="actions")
    return actions


def _check_follower(order: Order, actions: Sequence[Action]) -> None:
    """What is sent again is for nothing, and no more than left a warehouse."""
    if not any(isinstance(one, Add | Adjust | Freight) for one in actions):
        return
    if OrderLink.objects.filter(order=order, kind=LinkKind.REISSUE).exists():
        raise CannotChange(
            _("What is sent again costs nothing, and nothing can be added: place another order for the goods."),
            attr="actions",
        )


def lock_all(order_id: int, wish: Sequence[Told], *, version: int | None) -> Order:
    """The locked order; orders whose sub-orders are to go with its own are locked with it, the first first. Raises
    ChangedMeanwhile."""
    if any(one.get("do") == "merge" for one in wish):
        own = Order.objects.select_related("channel").get(pk=order_id)
        lock_orders_of(reading.others_of(own, wish) | SubOrder.objects.filter(order=order_id))
    return lock_order(order_id, version=version)


def open_set(order_id: int) -> ChangeSet | None:
    """The order's change that is drafted or waits for its payment."""
    return ChangeSet.objects.filter(order=order_id, state__in=OPEN_SETS).first()


@transaction.atomic
def save(
    order_id: int,
    wish: Sequence[Told],
    *,
    reason: str,
    actor: Actor,
    set_version: int | None = None,
    may_price: bool = True,
) -> ChangeSet:
    """Keep a draft: the order's open one, or a new one. Raises ChangedMeanwhile where the open draft is not the one of
    `set_version` (None: there was none), CannotChange, WrongFields."""
    text = reason_of(reason)
    order = lock_order(order_id)
    sub_orders = lock_sub_orders(order_id)
    draft = open_set(order_id)
    _check_draft(draft, set_version)
    checked(order, sub_orders, wish, may_price=may_price)
    if draft is None:
        count = ChangeSet.objects.filter(order=order).count()
        draft = ChangeSet(order=order, number=f"{order.number}-C{count + 1}")
    draft.wish = [dict(one) for one in wish]
    draft.reason, draft.actor_kind, draft.actor = text, actor.kind, actor.name
    draft.save(update_fields=None if draft.pk is None else ["actions", "sealed", "reason", "actor_kind", "actor"])
    return ChangeSet.objects.get(pk=draft.pk)


def _check_draft(draft: ChangeSet | None, set_version: int | None) -> None:
    if draft is not None and draft.state in WAITING_SETS:
        text = _("Change %(number)s waits for its payment: discard it first, or wait until it is paid.")
        if draft.state == ChangeSetState.AWAITING_WAREHOUSE:
            text = _("Change %(number)s waits for the warehouse: discard it first, or wait for the answer.")
        raise CannotChange(text % {"number": draft.number})
    if (draft.version if draft else None) != set_version:
        who = draft.actor if draft else ""
        text = _("Somebody else is changing the order (%(who)s). Look at what they want and repeat what you wanted.")
        if draft is None:
            text = _("The draft was confirmed or discarded meanwhile. Look at the order again.")
        raise ChangedMeanwhile(text % {"who": who})


@transaction.atomic
def change(
    order_id: int,
    wish: Sequence[Told],
    *,
    reason: str,
    actor: Actor,
    version: int | None = None,
    stamp: str | None = None,
    set_version: int | None = None,
    may_price: bool = True,
) -> ChangeSet:
    """Confirm a change: carry it out at once, or ask for its balance first. `stamp` is that of the preview that was
    looked at, `set_version` that of the draft.

    Raises CannotChange, ChangedMeanwhile, WrongFields, and what the single changes raise.
    """
    order = lock_all(order_id, wish, version=version)
    sub_orders = lock_sub_orders(order_id)
    check_stamp(order, sub_orders, stamp)
    row = save(order_id, wish, reason=reason, actor=actor, set_version=set_version, may_price=may_price)
    actions = checked(order, sub_orders, wish, may_price=may_price)
    asks_first = order.payment_method != PaymentMethod.COD
    tried = transaction.savepoint()
    told = _carry_out(order, row, actions, actor)
    if told.more > 0 and asks_first:
        transaction.savepoint_rollback(tried)
        if any(isinstance(one, reading.Merge) for one in actions):
            # The others would not wait, and are not locked once it is paid.
            raise CannotChange(_("It has to be paid first: merge the parcels apart from it."), attr="actions")
        _ask_for_balance(order, row, told.more, actor)
    else:
        transaction.savepoint_commit(tried)
    return ChangeSet.objects.get(pk=row.pk)


def _carry_out(order: Order, row: ChangeSet, actions: Sequence[Action], actor: Actor) -> applying.Owed:
    """Do it and tell it, as one event with what was and is."""
    known = set(SubOrder.objects.filter(order=order).values_list("pk", flat=True))
    lines_before = _kept_units(order.pk)
    freight, window = order.freight_amount, applying.appointment_of(order.pk)
    owed = applying.apply(order, actions, reason=row.reason, reference=row.number, actor=actor)
    row = ChangeSet.objects.get(pk=row.pk)
    row.carry_out()
    row.ended_at = timezone.now()
    row.outcome = {"before": to_fen(owed.before), "after": to_fen(owed.after)}
    row.save(update_fields=["state", "ended_at", "outcome"])
    after = _kept_units(order.pk)
    new = SubOrder.objects.filter(order=order, parent=None).exclude(pk__in=known).order_by("pk")
    now = Order.objects.only("freight_amount").get(pk=order.pk)
    window_now = applying.appointment_of(order.pk)
    timeline.record(
        order.pk,
        change_kinds.CHANGED,
        actor,
        number=row.number,
        reason=row.reason,
        units=[
            [sku, lines_before.get(key, (sku, 0))[1], count]
            for key, (sku, count) in after.items()
            if lines_before.get(key, (sku, 0))[1] != count
        ],
        before=str(owed.before),
        after=str(owed.after),
        freight=[str(freight), str(now.freight_amount)] if freight != now.freight_amount else [],
        appointment=[at and at.isoformat() for at in (*window, *window_now)] if window != window_now else [],
        parts=list(new.values_list("number", flat=True)),
        what=sorted({one.name if isinstance(one, Wish) else _NAMES[type(one)] for one in actions}),
    )
    nudging.nudge("owing", "review", "split", "allocate", "promise")
    return owed


def _kept_units(order_id: int) -> dict[int, tuple[str, int]]:
    """By line (id) its code and the units that are not gone."""
    kept = {line.key: line.units for line in correcting.read([order_id])[order_id].books.lines}
    rows = OrderLine.objects.filter(order=order_id).select_related("sku").order_by("position")
    return {row.pk: (row.sku_code or row.caller_code, kept[row.pk]) for row in rows}


_NAMES: Mapping[type, str] = {
    Add: "add",
    reading.Remove: "remove",
    Adjust: "adjust",
    Freight: "freight",
    Recipient: "recipient",
    Appointment: "appointment",
    reading.Split: "split",
    reading.Merge: "merge",
}


def _ask_for_balance(order: Order, row: ChangeSet, more: Decimal, actor: Actor) -> None:
    row = ChangeSet.objects.get(pk=row.pk)
    row.wait_for_balance()
    row.balance_amount = more
    row.pay_by = timezone.now() + clock.scaled(timedelta(seconds=settings.BALANCE_DEADLINE_SECONDS))
    row.save(update_fields=["state", "balance_amount", "pay_by"])
    hold = open_hold(order.pk, Hold.Kind.CHANGE, reason=row.number, by=actor)
    timeline.record(order.pk, kinds.HELD, actor, **words.data_of(hold))
    timeline.record(
        order.pk,
        change_kinds.CHANGE_WAITS,
        actor,
        number=row.number,
        amount=str(more),
        pay_by=row.pay_by.isoformat(timespec="seconds"),
    )
    nudging.nudge("request_balance")


def wait_for_warehouse(order: Order, wish: Told, *, reason: str, due: datetime, actor: Actor) -> ChangeSet:
    """Keep a new recipient of a locked order, of which warehouses that are asked for it have something; it holds the
    order until they answered, which should be by `due`. Raises as `save` does."""
    row = save(order.pk, [wish], reason=reason, actor=actor)
    row.wait_for_warehouse()
    row.pay_by = due
    row.save(update_fields=["state", "pay_by"])
    hold = open_hold(order.pk, Hold.Kind.CHANGE, reason=row.number, by=actor)
    timeline.record(order.pk, kinds.HELD, actor, **words.data_of(hold))
    return row


@transaction.atomic
def carry_out_given(set_id: int, *, actor: Actor) -> bool:
    """The warehouses answered; the order of the change is locked. Carries it out, and returns whether it did: where
    one of them did not give its part up, it fails."""
    row = ChangeSet.objects.select_for_update(no_key=True).select_related("order").get(pk=set_id)
    return row.state == ChangeSetState.AWAITING_WAREHOUSE and _finish(row, Decimal(0), actor)


@transaction.atomic
def discard(order_id: int, *, actor: Actor, set_version: int | None = None) -> None:
    """Give up the order's open change; a balance that is paid all the same goes back. Raises ChangedMeanwhile, and
    CannotChange where there is none."""
    order = lock_order(order_id)
    row = open_set(order_id)
    if row is None:
        raise CannotChange(_("There is no open change of the order."))
    if set_version is not None and row.version != set_version:
        raise ChangedMeanwhile(_("The change was changed meanwhile. Look at it again and repeat what you wanted."))
    was_asked = row.state in WAITING_SETS
    row.discard()
    _end(order, row, actor, is_told=was_asked)


@transaction.atomic
def expire(set_ids: Iterable[int], *, actor: Actor) -> int:
    """End those of the changes, whose orders are locked, that wait for a payment still: too late, or the order is
    over. Returns how many."""
    rows = ChangeSet.objects.filter(pk__in=list(set_ids), state=ChangeSetState.AWAITING_BALANCE).order_by("pk")
    found = list(rows.select_related("order").select_for_update(no_key=True, of=("self",)))
    for row in found:
        row.expire()
        _end(row.order, row, actor, is_told=True)
    return len(found)


def _end(order: Order, row: ChangeSet, actor: Actor, *, is_told: bool) -> None:
    row.ended_at = timezone.now()
    row.save(update_fields=["state", "ended_at"])
    if is_told:
        _let_go(order.pk, actor)
        timeline.record(order.pk, change_kinds.CHANGE_ENDED, actor, number=row.number, state=str(row.state))
        # What the buyer was asked for is not wanted any more.
        Order.objects.filter(pk=order.pk).update(owed_changed_since=timezone.now())
        nudging.nudge("owing", "review", "split", "allocate", "release")


def _let_go(order_id: int, actor: Actor) -> None:
    for hold in Hold.objects.filter(order=order_id, kind=Hold.Kind.CHANGE, released_at=None):
        close_hold(hold, note=words.CHANGE_ENDED, actor=actor)


@transaction.atomic
def carry_out_paid(set_id: int, paid: Decimal, *, actor: Actor) -> bool:
    """The balance of a change was paid (yuan); its order is locked. Carries it out, and returns whether it did: where
    the order cannot be changed so any more, or that would cost more now, the change fails, and a person is called."""
    row = ChangeSet.objects.select_for_update(no_key=True).select_related("order").get(pk=set_id)
    if row.state != ChangeSetState.AWAITING_BALANCE or row.balance_amount is None or paid < row.balance_amount:
        return False
    if _finish(row, paid, actor):
        return True
    values = {"number": row.number, "amount": str(paid)}
    tickets.open_tickets(NOT_CARRIED_OUT, [Trouble(row.order_id, "", values, row.order_id)], opened_by=actor.name)
    return False


def _finish(row: ChangeSet, paid: Decimal, actor: Actor) -> bool:
    """Carry out a change that waited, or let it fail; its order is locked."""
    order = Order.objects.get(pk=row.order_id)
    _let_go(order.pk, actor)
    tried = transaction.savepoint()
    try:
        sub_orders = lock_sub_orders(order.pk)
        actions = checked(order, sub_orders, row.wish, may_price=True)
        owed = _carry_out(Order.objects.get(pk=order.pk), row, actions, actor)
        if owed.more > paid:
            raise CannotChange(_("It costs more now than was paid."))
    except OmsError as refusal:
        transaction.savepoint_rollback(tried)
        row.fail()
        row.outcome = {"refusal": refusal.code}
        row.save(update_fields=["outcome"])
        _end(order, row, actor, is_told=True)
        return False
    transaction.savepoint_commit(tried)
    return True
