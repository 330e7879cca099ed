"""What may be done next to an order: now, by asking somebody else, or why not."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from orders.admin.remarks import moment
from orders.asked.panels import Action
from orders.changing import askers, cancelling, readdressing
from orders.changing.askers import Asked
from orders.changing.cancellation import patience
from orders.changing.sets import drafting
from orders.models import Order, OrderState, SubOrder, SubOrderState
from orders.models.sub_order import BEFORE_RELEASE, IN_WAREHOUSE
from orders.reviewing import holds as holding


def grouped(actions: Iterable[Action], user: Any) -> dict[str, list[Action]]:
    """The actions as the page shows them: `now`, `asked` of somebody else, and `impossible` with the reason. What the
    person may not do at all is impossible with that as the reason."""
    groups: dict[str, list[Action]] = {"now": [], "asked": [], "impossible": []}
    for action in actions:
        if action.right and not user.has_perm(action.right):
            no_right = _("You do not have the right to do this.")
            action = Action(action.name, action.title, action.icon, no_right)
        groups["impossible" if action.obstacle else "asked" if action.asked else "now"].append(action)
    return groups


def own_actions(order: Order, sub_orders: Sequence[SubOrder]) -> list[Action]:
    """What this app itself offers."""
    cancel = reverse("admin:orders_order_cancel", args=[order.pk])
    recipient = reverse("admin:orders_order_recipient", args=[order.pk])
    changes = reverse("admin:orders_order_changes", args=[order.pk])
    blocked = readdressing.obstacle(order, list(sub_orders))
    asked = askers.who(order, sub_orders) if blocked else []
    return [
        Action("hold", _("Hold"), "front_hand", holding.hold_obstacle(order, sub_orders), right="orders.hold_order"),
        Action(
            "cancel",
            _("Cancel"),
            "block",
            _cancel_obstacle(order, sub_orders),
            cancel,
            _asked_to_stop(sub_orders, timezone.now()),
            "orders.cancel_order",
        ),
        Action(
            "recipient",
            _("Change the recipient"),
            "edit_location_alt",
            None if asked else blocked,
            recipient,
            _asked_for_address(asked),
            "orders.readdress_order",
        ),
        Action(
            "changes",
            _("Change goods and amounts"),
            "edit_document",
            None if drafting.is_later(order) else drafting.obstacle(order),
            changes,
            right="orders.confirm_changeset",
        ),
        Action("note", _("Add a note"), "edit_note", right="orders.note_order"),
        Action("contact", _("Keep a contact"), "call", right="orders.note_order"),
        Action("message", _("Write to the buyer"), "outgoing_mail", right="orders.message_buyer"),
        Action("marks", _("Memo, flag and metadata"), "flag", right="orders.mark_order"),
    ]


def _asked_for_address(asked: Sequence[Asked]) -> str:
    """Who is asked for a new address, and by when they answer, where that is known."""
    names = _(", ").join(dict.fromkeys(one.name for one in asked))
    until = [one.until for one in asked if one.until]
    if not names:
        return ""
    if not until:
        return _("of %(names)s") % {"names": names}
    return _("of %(warehouse)s, which answers by %(at)s") % {"warehouse": names, "at": moment(max(until))[:16]}


def _cancel_obstacle(order: Order, sub_orders: Sequence[SubOrder]) -> str | None:
    """Why nothing of the order can be cancelled, or None."""
    blocked = cancelling.obstacle(order, sub_orders)
    can_stop_some = order.state == OrderState.SPLIT and any(
        cancelling.part_obstacle(part) is None for part in sub_orders if part.state != SubOrderState.CANCELLED
    )
    return None if can_stop_some and not order.cancel_requested_at else blocked


def _asked_to_stop(sub_orders: Sequence[SubOrder], now: datetime) -> str:
    """Which warehouses a cancellation asks, where all that can still be cancelled is in their hands."""
    if any(part.state in BEFORE_RELEASE for part in sub_orders):
        return ""
    asked = [part for part in sub_orders if part.state in IN_WAREHOUSE]
    if not asked:
        return ""
    names = _(", ").join(dict.fromkeys(str(part.warehouse) for part in asked))
    return _("of %(warehouse)s, which answers by %(at)s") % {"warehouse": names, "at": moment(now + patience())[:16]}
