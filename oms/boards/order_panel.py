"""What an order leaves, on its page, for who may see it."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from oms.boards import pages, profit
from orders.asked import panels
from orders.models import Order


def _profit(order: Order) -> Mapping[str, Any] | None:
    found = profit.of_order(order.pk)
    return None if found is None else pages.shown(found)


panels.register(
    panels.Panel(_("Profit"), "admin/boards/order_panel.html", _profit, position=45, right=pages.PROFIT_RIGHT)
)
