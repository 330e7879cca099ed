"""Returns on the order's page: those that there are, and the form that asks for one by ticked units."""

from collections.abc import Mapping
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from orders.asked import panels
from orders.asked.panels import Action, Panel
from orders.models import Order, ReturnRequest, SubOrder, SubOrderLine
from orders.models.sub_order import ARRIVED
from orders.returning import counting
from payments.returning.forms import RequestForm


def lines_of(order: Order) -> list[tuple[SubOrderLine, int, SubOrder]]:
    """The lines that arrived, each with how many of its units can still come back, and its sub-order."""
    return [
        (line, counting.left_of(line), part)
        for part in order.sub_orders.all()
        if part.state in ARRIVED and not part.is_virtual
        for line in part.lines.all()
    ]


def context(order: Order) -> Mapping[str, Any] | None:
    """The order's returns, and the lines of which units can still come back. None where there is neither."""
    lines = lines_of(order)
    rows = ReturnRequest.objects.filter(order=order).select_related("sub_order", "reason").order_by("pk")
    returns = list(rows)
    if not returns and not lines:
        return None
    form = RequestForm(initial={"version": order.version}, auto_id="return-%s") if lines else None
    action = Action("return", _("Return…"), "assignment_return", None, f"#{PANEL.anchor}", right="orders.work_return")
    page = reverse("admin:orders_returnrequest_exchange", args=[order.pk])
    exchange = Action("exchange", _("Exchange…"), "swap_horiz", None, page, right="orders.work_return")
    return {
        "order": order,
        "returns": returns,
        "lines": lines,
        "form": form,
        "actions": [action, exchange] if lines else [],
    }


PANEL = Panel(_("Returns"), "admin/payments/return/of_order.html", context, position=60)
panels.register(PANEL)
