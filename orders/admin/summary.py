"""An order beside its tickets: where it is and why, what was written, and the holds that may be released at once."""

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

from django.template.loader import render_to_string

from oms.common import tickets
from orders.admin import goods, history
from orders.admin.order_page import load
from orders.admin.remarks import in_order, remarks_on
from orders.models import Order
from orders.reviewing import holds as holding
from orders.reviewing import words

MOST_LINES, MOST_NOTES = 8, 5


def _money(order_ids: Collection[int]) -> Mapping[int, Decimal]:
    return dict(Order.objects.filter(pk__in=order_ids).values_list("pk", "payable_amount"))


def _summary(request: Any, order_id: int) -> str:
    """The order for who may see it. As many statements for large orders as for small ones."""
    user = request.user
    order = load(order_id) if user.has_perm("orders.view_order") else None
    if order is None:
        return ""
    holds, parts, lines = list(order.holds.all()), list(order.sub_orders.all()), list(order.lines.all())
    shown = goods.of_order(order, lines, parts)["first"]
    context = {
        "order": order,
        "remarks": in_order(remarks_on(order, holds, parts)),
        "goods": shown[:MOST_LINES],
        "more_goods": max(len(lines) - MOST_LINES, 0),
        "notes": history.of_order(order, may_see_changes=False)["notes"][:MOST_NOTES],
        "open_holds": [words.worded(hold) for hold in holds if hold.released_at is None],
        "releasable": {
            hold.pk for hold in holds if hold.released_at is None and holding.may_release(hold, user.has_perm)
        },
    }
    return render_to_string("admin/orders/order/summary.html", context, request)


tickets.register_about(tickets.About(_money, _summary))
