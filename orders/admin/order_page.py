"""What the order's page shows. The number of statements does not depend on how much an order has of anything."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Prefetch
from django.utils.translation import gettext as _

from orders.admin import buyer_card, goods, history, offered, talking, tickets
from orders.admin.privacy import people_of
from orders.admin.remarks import in_order, remarks_on
from orders.admin.terms import terms_of
from orders.admin.undoing import shown as undoable
from orders.asked.panels import registry
from orders.changing import charging, undoing, units
from orders.fulfilling import decisions
from orders.models import (
    Hold,
    MatchWait,
    Order,
    OrderLine,
    OrderPromotion,
    PromotionShare,
    SubOrder,
    SubOrderLine,
)
from orders.reviewing import holds as holding
from orders.reviewing import words
from orders.telling.story import REASONS, shortage_text


def load(order_id: int) -> Order | None:
    """The order with all its parts that this app knows."""
    lines = SubOrderLine.objects.select_related("order_line__sku").order_by("order_line__position", "id")
    sub_orders = SubOrder.objects.select_related("merchant", "warehouse", "parent").order_by("id")
    orders = (
        Order.objects.annotate(undoable=undoing.of_order())
        .select_related(*("channel__merchant", "region", "assigned_to", "terms__warehouse", "invoice_request"))
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
    reasons, former = decisions.of(sub_orders), decisions.former(sub_orders)
    lines = list(order.lines.all())
    actions = offered.own_actions(order, sub_orders) + _from(panels, "actions")
    remarks = in_order(remarks_on(order, holds, sub_orders) + _from(panels, "remarks"))
    people = people_of(order, user)
    return {
        "order": order,
        "headline": remarks[0] if remarks else None,
        "remarks": remarks,
        "facts": _from(panels, "head"),
        "goods": goods.of_order(order, lines, sub_orders),
        "buyer": buyer_card.of_order(order),
        "open_holds": [words.worded(hold) for hold in open_holds],
        "undoable": undoable(order, user),
        "releasable": {hold.pk for hold in open_holds if holding.may_release(hold, user.has_perm)},  # type: ignore[union-attr]
        "hold_limits": _hold_limits(sub_orders) if open_holds else [],
        "address_gaps": holding.remedies(order),
        "match_waits": _match_waits(order, open_holds),
        "released_holds": [words.worded(hold) for hold in holds if hold.released_at is not None],
        "money": money_table(order, lines),
        "sub_orders": [_describe(part, reasons[part.pk], former.get(part.pk, ())) for part in sub_orders],
        "terms": terms_of(order),
        "panels": panels,
        "actions": offered.grouped(actions, user),
        "people": people,
        "forms": talking.shown_forms(),
        **history.of_order(order, may_see_changes=people.is_open),
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
            shown.append({"title": panel.title, "template": panel.template, "anchor": panel.anchor, "context": context})
    return shown


def _from(panels: Iterable[Mapping[str, Any]], name: str) -> list[Any]:
    """What the panels give to the top of the page under this name."""
    return [one for panel in panels for one in panel["context"].get(name, ())]


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


def _describe(part: SubOrder, decision: decisions.Decision, former: Sequence[decisions.Former]) -> dict[str, Any]:
    return {
        "row": part,
        "lines": list(part.lines.all()),
        "shortage": shortage_text(part.shortage),
        "candidates": decision.candidates,
        "sentences": decision.sentences,
        "former": former,
    }
