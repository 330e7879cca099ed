"""Where an order is and why, in sentences put together from its data."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from oms.common.models import WorkItem
from orders.admin.expected_goods import remarks_on_goods
from orders.asked.panels import Remark
from orders.models import Hold, Order, OrderState, SubOrder, SubOrderState
from orders.models.sub_order import AT_WAREHOUSE
from orders.reviewing import words
from orders.telling.story import REASONS, shortage_text


def moment(value: Any) -> str:
    """A moment in local time as sentences write it."""
    return f"{timezone.localtime(value):%Y-%m-%d %H:%M:%S}"


def remarks_on(order: Order, holds: Iterable[Hold], sub_orders: Collection[SubOrder]) -> list[Remark]:
    """The sentences, in no order."""
    said = [*_of_trouble(order, order.number), *_of_holds(holds), *_of_state(order)]
    if order.state == OrderState.SPLIT:
        for sub_order in sub_orders:
            said += [*_of_trouble(sub_order, sub_order.number), *_of_sub_order(sub_order)]
        said += remarks_on_goods(sub_orders)
    return said


def in_order(remarks: Iterable[Remark]) -> list[Remark]:
    """The most urgent ones first."""
    urgency = {"danger": 0, "warning": 1}
    return sorted(remarks, key=lambda remark: urgency.get(remark.tone, 2))


def _of_trouble(row: WorkItem, number: str) -> Iterator[Remark]:
    """A row whose stage failed and will try again."""
    # What needs a person has a ticket, which stands above the remarks.
    if row.attempts and row.last_error and row.ready_at and not row.needs_person_since:
        yield Remark(
            ngettext(
                "%(number)s failed once: “%(error)s”. The next try is at %(at)s.",
                "%(number)s failed %(attempts)s times, last with “%(error)s”. The next try is at %(at)s.",
                row.attempts,
            )
            % {"number": number, "attempts": row.attempts, "error": row.last_error, "at": moment(row.ready_at)},
            "warning",
        )


def _of_holds(holds: Iterable[Hold]) -> Iterator[Remark]:
    for hold in holds:
        if hold.released_at:
            continue
        values = {"since": moment(hold.opened_at), "by": words.opener(hold), "reason": words.why(hold)}
        if hold.kind == Hold.Kind.CANCELLATION:
            text = _("Held since %(since)s until the warehouse has answered the cancellation. %(reason)s")
        elif hold.kind == Hold.Kind.RULE:
            text = _("Held by a rule since %(since)s. %(reason)s")
        else:
            text = _("Held by %(by)s since %(since)s. %(reason)s")
        yield Remark(text % values, "warning")


def _of_state(order: Order) -> Iterator[Remark]:
    is_waiting = order.ready_at is not None and order.ready_at > timezone.now() and not order.attempts
    match order.state:
        case OrderState.AWAITING_PAYMENT if order.pay_by and order.pay_by < timezone.now():
            yield Remark(
                _("The time to pay ended at %(at)s; unless the money came in time, the order is about to be cancelled.")
                % {"at": moment(order.pay_by)},
                "warning",
            )
        case OrderState.AWAITING_PAYMENT if order.pay_by:
            yield Remark(
                _("Waits for the payment of %(amount)s yuan until %(at)s; unpaid it is cancelled then.")
                % {"amount": f"{order.payable_amount - order.paid_amount:,.2f}", "at": moment(order.pay_by)}
            )
        case OrderState.AWAITING_PAYMENT:
            yield Remark(_("Waits for the payment."))
        case OrderState.IN_REVIEW if not order.open_holds and order.reviewed_at and is_waiting:
            yield Remark(
                _("Reviewed without objection; waits out the grace period until %(at)s, when it goes on by itself.")
                % {"at": moment(order.ready_at)}
            )
        case OrderState.IN_REVIEW if not order.open_holds and not order.needs_person_since:
            yield Remark(_("In review: the review rules look at it next."))
        case OrderState.READY_TO_SPLIT if not order.open_holds and not order.needs_person_since:
            yield Remark(_("Approved; it is about to be split into sub-orders."))
        case OrderState.COMPLETED:
            yield Remark(_("Completed at %(at)s.") % {"at": moment(order.completed_at)}, "success")
        case OrderState.CANCELLED:
            yield Remark(
                _("Cancelled at %(at)s: %(reason)s")
                % {"at": moment(order.cancelled_at), "reason": REASONS.word(order.cancel_reason)}
            )
        case OrderState.CLOSED:
            yield Remark(_("Closed: everything was refused or came back."))


def _of_sub_order(part: SubOrder) -> Iterator[Remark]:
    values = {
        "number": part.number,
        "warehouse": str(part.warehouse or "–"),
        "merchant": part.merchant.code,
        "storage_class": part.get_storage_class_display(),
    }
    if part.cancel_requested_at and part.state != SubOrderState.CANCELLED:
        yield Remark(
            _("Sub-order %(number)s: warehouse %(warehouse)s was asked at %(at)s to stop it and has not answered yet.")
            % {**values, "at": moment(part.cancel_requested_at)},
            "warning",
        )
    if part.needs_person_since:
        return
    match part.state:
        case SubOrderState.AWAITING_ALLOCATION:
            yield Remark(_("Sub-order %(number)s: a warehouse is being chosen.") % values)
        case SubOrderState.BACKORDERED if part.sourcing:
            yield Remark(
                _(
                    "Sub-order %(number)s is backordered: %(short)s. No warehouse of merchant %(merchant)s has enough;"
                    " it goes on by itself once stock comes in."
                )
                % {**values, "short": shortage_text(part.shortage)},
                "warning",
            )
        case SubOrderState.BACKORDERED:
            yield Remark(
                _(
                    "Sub-order %(number)s is backordered: %(short)s. No active warehouse of merchant %(merchant)s"
                    " stores this class (%(storage_class)s) and serves the recipient's province."
                )
                % {**values, "short": shortage_text(part.shortage)},
                "warning",
            )
        case SubOrderState.ALLOCATED if part.ship_not_before and part.ship_not_before > timezone.now():
            yield Remark(
                _(
                    "Sub-order %(number)s: presale, not shipped before %(at)s; its stock is reserved in warehouse"
                    " %(warehouse)s, and it is sent there then."
                )
                % {**values, "at": moment(part.ship_not_before)}
            )
        case SubOrderState.ALLOCATED:
            yield Remark(
                _("Sub-order %(number)s: stock is reserved in warehouse %(warehouse)s; it is sent there next.") % values
            )
        case SubOrderState.RELEASED:
            yield Remark(
                _("Sub-order %(number)s was sent to warehouse %(warehouse)s at %(at)s; its answer is awaited.")
                % {**values, "at": moment(part.released_at) if part.released_at else "–"}
            )
        case state if state in AT_WAREHOUSE:
            yield Remark(
                _("Sub-order %(number)s is in warehouse %(warehouse)s: %(state)s.")
                % {**values, "state": part.get_state_display()}
            )
        case SubOrderState.DELIVERED if part.delivered_at:
            yield Remark(
                _("Sub-order %(number)s was delivered at %(at)s.") % {**values, "at": moment(part.delivered_at)},
                "success",
            )
