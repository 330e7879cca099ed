"""What the order's page shows. The number of statements does not depend on how much an order has of anything."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Prefetch
from django.urls import reverse
from django.utils.translation import gettext as _

from orders import actors, kinds
from orders.admin import tickets
from orders.admin.remarks import remarks_on
from orders.admin.terms import terms_of
from orders.admin.undoing import shown as undoable
from orders.changing import askers, cancelling, charging, readdressing, undoing, units
from orders.changing.sets import drafting
from orders.fulfilling import decisions
from orders.models import (
    Hold,
    MatchWait,
    Order,
    OrderEvent,
    OrderLine,
    OrderPromotion,
    OrderState,
    PromotionShare,
    SubOrder,
    SubOrderLine,
    SubOrderState,
)
from orders.panels import Remark, registry
from orders.reviewing import holds as holding
from orders.reviewing import words
from orders.story import CHANGED_WORDS, REASONS, shortage_text, word
from orders.timeline import changes_of

# An order's story is short; what a broken integration repeats endlessly must not make the page endless.
MOST_EVENTS = 500


@dataclass(frozen=True, slots=True)
class Action:
    """Something that staff may do next; `obstacle` says why not, where it is not possible now. One with an `address`
    has a page of its own, others ask on the order's page."""

    name: str
    title: str
    icon: str
    obstacle: str | None = None
    address: str = ""


def load(order_id: int) -> Order | None:
    """The order with all its parts that this app knows."""
    lines = SubOrderLine.objects.select_related("order_line__sku").order_by("order_line__position", "id")
    sub_orders = SubOrder.objects.select_related("merchant", "warehouse", "parent").order_by("id")
    orders = (
        Order.objects.annotate(undoable=undoing.of_order())
        .select_related(*("channel__merchant", "region", "assigned_to", "terms", "invoice_request"))
        .prefetch_related(
            Prefetch("lines", OrderLine.objects.select_related("sku__merchant").order_by("position")),
            Prefetch("sub_orders", sub_orders.prefetch_related(Prefetch("lines", lines))),
            Prefetch("holds", Hold.objects.order_by("id")),
        )
    )
    return orders.filter(pk=order_id).first()


def page_context(order: Order, user: AbstractBaseUser | AnonymousUser) -> dict[str, Any]:
    """All that the page's template needs."""
    holds = list(order.holds.all())
    sub_orders = list(order.sub_orders.all())
    open_holds = [hold for hold in holds if hold.released_at is None]
    panels = _panels(order, user)
    reasons = decisions.of(sub_orders)
    remarks = remarks_on(order, holds, sub_orders)
    remarks += [remark for panel in panels for remark in panel["context"].get("remarks", ())]
    return {
        "order": order,
        "remarks": remarks,
        "open_holds": [words.worded(hold) for hold in open_holds],
        "undoable": undoable(order, user),
        "releasable": {hold.pk for hold in open_holds if holding.may_release(hold, user.has_perm)},  # type: ignore[union-attr]
        "hold_limits": _hold_limits(sub_orders) if open_holds else [],
        "address_gaps": holding.remedies(order),
        "match_waits": _match_waits(order, open_holds),
        "released_holds": [words.worded(hold) for hold in holds if hold.released_at is not None],
        "money": money_table(order, list(order.lines.all())),
        "sub_orders": [_describe(part, reasons[part.pk]) for part in sub_orders],
        "terms": terms_of(order),
        "panels": panels,
        "actions": _actions(order, sub_orders, user),
        "timeline": _timeline(order, may_see_changes=user.has_perm("orders.view_personal_data")),  # type: ignore[union-attr]
        "may_hold": user.has_perm("orders.hold_order"),  # type: ignore[union-attr]
        **tickets.page_context(order, user),
    }


def _match_waits(order: Order, open_holds: Iterable[Hold]) -> list[MatchWait]:
    """The codes that the order waits for; one statement, and only where it does."""
    if not any(hold.kind == Hold.Kind.UNMATCHED for hold in open_holds):
        return []
    return list(order.match_waits.select_related("match").order_by("id"))


def _hold_limits(sub_orders: Sequence[SubOrder]) -> list[str]:
    """What an open hold does not stop, as sentences."""
    reach = holding.reach(sub_orders)
    limits = []
    if reach.slowed:
        text = _("A warehouse goes on with %(numbers)s; the parcel gets no waybill meanwhile.")
        limits.append(text % {"numbers": _(", ").join(part.number for part in reach.slowed)})
    if reach.beyond:
        text = _("The hold does not stop %(numbers)s.")
        limits.append(text % {"numbers": _(", ").join(part.number for part in reach.beyond)})
    return limits


def _panels(order: Order, user: AbstractBaseUser | AnonymousUser) -> list[dict[str, Any]]:
    shown = []
    for panel in registry.panels:
        if panel.right and not user.has_perm(panel.right):  # type: ignore[union-attr]
            continue
        context = panel.context(order)
        if context is not None:
            shown.append({"title": panel.title, "template": panel.template, "context": context})
    return shown


@dataclass(frozen=True, slots=True)
class MoneyTable:
    """Each line's part of every amount, and their sums. `adds_up` tells whether the sums are the order's amounts.
    `owed` is what is owed for the order by now, `has_gone` whether any units are gone (`units_left` of the lines says
    how many are not)."""

    rows: Sequence[OrderLine]
    quantity: int
    discount: Decimal
    goods: Decimal
    freight: Decimal
    promotion: Decimal
    coupon: Decimal
    adjustment: Decimal
    points: Decimal
    gift_card: Decimal
    payable: Decimal
    adds_up: bool
    promotions: Sequence[OrderPromotion]
    merchant_borne: Decimal
    adjustment_reason: str
    owed: Decimal
    has_gone: bool


def money_table(order: Order, lines: Sequence[OrderLine]) -> MoneyTable:
    """Where every fen of the order's amounts comes from."""
    sums = {
        "goods": _sum(line.goods_amount for line in lines),
        "freight": _sum(line.freight_share for line in lines),
        "promotion": _sum(line.promotion_share for line in lines),
        "adjustment": _sum(line.adjustment_share for line in lines),
        "coupon": _sum(line.coupon_share for line in lines),
        "points": _sum(line.points_share for line in lines),
        "gift_card": _sum(line.gift_card_share for line in lines),
        "payable": _sum(line.payable_amount for line in lines),
    }
    wanted = {
        "goods": order.goods_amount,
        "freight": order.freight_amount,
        "promotion": order.promotion_amount,
        "adjustment": order.adjustment_amount,
        "coupon": order.coupon_amount,
        "points": order.points_amount,
        "gift_card": order.gift_card_amount,
        "payable": order.payable_amount,
    }
    gone = units.gone(order, lines, order.sub_orders.all())
    for line in lines:
        line.units_left = line.quantity - gone[line.position]  # type: ignore[attr-defined]
    return MoneyTable(
        rows=lines,
        owed=charging.owed(order.pk),
        has_gone=any(gone.values()),
        quantity=sum(line.quantity for line in lines),
        discount=_sum(line.line_discount for line in lines),
        adds_up=sums == wanted,
        promotions=_promotions(order) if order.promotion_amount else (),
        merchant_borne=_sum(line.merchant_borne_share for line in lines),
        adjustment_reason=REASONS.word(order.adjustment_reason),
        **sums,
    )


def _promotions(order: Order) -> list[OrderPromotion]:
    shares = PromotionShare.objects.select_related("line__sku").order_by("line__position")
    return list(order.promotions.prefetch_related(Prefetch("shares", shares)))


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))


def _describe(part: SubOrder, decision: decisions.Decision) -> dict[str, Any]:
    return {
        "row": part,
        "lines": list(part.lines.all()),
        "shortage": shortage_text(part.shortage),
        "candidates": decision.candidates,
        "sentences": decision.sentences,
    }


def _actions(order: Order, sub_orders: Sequence[SubOrder], user: AbstractBaseUser | AnonymousUser) -> list[Action]:
    """What may be done next. What the person may not do at all is named with that as the obstacle."""
    no_right = _("You do not have the right to do this.")
    may_hold, may_cancel, may_readdress, may_mark, may_note = (
        user.has_perm(f"orders.{right}_order")  # type: ignore[union-attr]
        for right in ("hold", "cancel", "readdress", "mark", "note")
    )
    return [
        Action("hold", _("Hold"), "front_hand", holding.hold_obstacle(order, sub_orders) if may_hold else no_right),
        Action(
            "cancel",
            _("Cancel"),
            "block",
            _cancel_obstacle(order, sub_orders) if may_cancel else no_right,
            reverse("admin:orders_order_cancel", args=[order.pk]),
        ),
        Action(
            "recipient",
            _("Change the recipient"),
            "edit_location_alt",
            _address_obstacle(order, list(sub_orders)) if may_readdress else no_right,
            reverse("admin:orders_order_recipient", args=[order.pk]),
        ),
        Action(
            "changes",
            _("Change goods and amounts"),
            "edit_document",
            drafting.obstacle(order) if user.has_perm("orders.confirm_changeset") else no_right,  # type: ignore[union-attr]
            reverse("admin:orders_order_changes", args=[order.pk]),
        ),
        Action("marks", _("Memo, flag and metadata"), "flag", None if may_mark else no_right),
        Action("note", _("Add a note"), "edit_note", None if may_note else no_right),
    ]


def _address_obstacle(order: Order, sub_orders: Sequence[SubOrder]) -> str | None:
    """Why nobody can be asked for a new address, or None."""
    blocked = readdressing.obstacle(order, list(sub_orders))
    return None if blocked and askers.who(order, sub_orders) else blocked


def _cancel_obstacle(order: Order, sub_orders: Sequence[SubOrder]) -> str | None:
    """Why nothing of the order can be cancelled, or None."""
    blocked = cancelling.obstacle(order, sub_orders)
    can_stop_some = order.state == OrderState.SPLIT and any(
        cancelling.part_obstacle(part) is None for part in sub_orders if part.state != SubOrderState.CANCELLED
    )
    return None if can_stop_some and not order.cancel_requested_at else blocked


@dataclass(frozen=True, slots=True)
class TimelineLine:
    """An event on the page: what it says and looks like, whether the buyer sees it, and old and new values of what it
    changed (name, old, new) for those who may see them."""

    text: str
    icon: str
    tone: str
    for_buyer: bool
    changes: Sequence[tuple[str, str, str]]


def _timeline(order: Order, *, may_see_changes: bool) -> dict[str, Any]:
    """The events, oldest first; what one actor did in one second stands together.

    On its own page the order's number is left out of the numbers of its parts.
    """
    events = list(OrderEvent.objects.filter(order_id=order.pk).order_by("-id")[: MOST_EVENTS + 1])
    is_cut = len(events) > MOST_EVENTS
    groups: list[dict[str, Any]] = []
    for event in reversed(events[:MOST_EVENTS]):
        key = (event.actor_kind, event.actor, event.created_at.replace(microsecond=0))
        if not groups or groups[-1]["key"] != key:
            groups.append(
                {"key": key, "first": event, "actor": actors.named(event.actor_kind, event.actor), "lines": []}
            )
        groups[-1]["lines"].append(_line(event, order, may_see_changes=may_see_changes))
    return {"is_cut": is_cut, "most": MOST_EVENTS, "groups": groups}


def _line(event: OrderEvent, order: Order, *, may_see_changes: bool) -> TimelineLine:
    kind = kinds.known().get(event.kind)
    text = kinds.tell(event).replace(f"{order.number}-", "…-")
    changes = changes_of(event) if may_see_changes else {}
    return TimelineLine(
        text,
        kind.icon if kind else "help",
        kind.tone if kind else "muted",
        kind.for_buyer if kind else False,
        [(word(CHANGED_WORDS, name), old or "–", new or "–") for name, (old, new) in changes.items()],
    )


__all__ = ["Action", "MoneyTable", "Remark", "load", "money_table", "page_context"]
