"""Sending goods again: what the order's page shows of it, and the form by which it is done."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common.desk.acting import VersionForm
from orders.admin.actions import posted
from orders.admin.gifts import told_of
from orders.admin.merging import units_typed
from orders.admin.staff import staff_actor
from orders.asked import panels
from orders.changing import reissuing
from orders.models import GiftGrant, Order, OrderLink
from orders.models.order_link import BY_PEOPLE, CostBearer

RIGHT = "orders.reissue_order"
_REASONS = [(reason.value, reason.label) for reason in BY_PEOPLE]


class ReissueForm(VersionForm):
    """Asks why, and who bears it; the units of each line are read by their own names."""

    reason = forms.ChoiceField(label=gettext_lazy("Reason"), choices=_REASONS)
    bearer = forms.ChoiceField(label=gettext_lazy("Who bears the cost"), choices=CostBearer.choices)
    note = forms.CharField(label=gettext_lazy("Note"), max_length=200, required=False)


@posted(RIGHT, ReissueForm)
def reissue_view(request: HttpRequest, order_id: int, data: dict[str, Any]) -> str:
    """Send units again."""
    new = reissuing.reissue(
        order_id,
        units_typed(request.POST),
        data["reason"],
        data["bearer"],
        note=data["note"],
        actor=staff_actor(request),
        version=data["version"],
    )
    return _("Order %(number)s sends them again.") % {"number": new.number}


def _panel(order: Order) -> Mapping[str, Any] | None:
    """What follows from the order, what it follows from, what of it may be sent again, and its gifts that were to
    follow. Four statements."""
    if order.is_historical:
        return None
    links = OrderLink.objects.select_related("order", "original")
    both_ways = list(links.filter(Q(pk=order.pk) | Q(original=order.pk)).order_by("pk"))
    own = next((link for link in both_ways if link.pk == order.pk), None)
    followers = [link for link in both_ways if link.original_id == order.pk]
    left = reissuing.units_left(order.pk)
    rows = [{"line": line, "left": left[line.position]} for line in order.lines.all() if line.position in left]
    promised = GiftGrant.objects.filter(order=order.pk, after_days__isnull=False)
    gifts = list(promised.select_related("rule__gift", "line__sku", "line__order").order_by("pk"))
    if own is None and not followers and not rows and not gifts:
        return None
    return {
        "order": order,
        "own": own,
        "followers": followers,
        "rows": rows,
        "gifts": [{"grant": grant, "outcome": told_of(grant)} for grant in gifts],
        "reasons": _REASONS,
        "bearers": CostBearer.choices,
        "actions": [panels.Action("reissue", _("Send again"), "replay", None, f"#{PANEL.anchor}", right=RIGHT)]
        if rows
        else [],
    }


PANEL = panels.Panel(gettext_lazy("Re-issue"), "admin/orders/order/reissue_panel.html", _panel, position=60)
panels.register(PANEL)
