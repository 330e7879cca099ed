"""What waits for the merchant, on the front page: counts, each with the way to the list of exactly what it counts."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from logistics.by_merchant import works
from oms.merchant_admin import merchant_of, site
from oms.portal import late
from orders.models import Order, OrderState, RejectedOrder, ReturnRequest, ReturnState, SubOrder, SubOrderState

MOST_COUNTED = 1000


def _row(label: str, rows: QuerySet[Any], page: str, query: str = "") -> dict[str, Any]:
    count = rows.order_by()[:MOST_COUNTED].count()
    shown = f"{count}+" if count == MOST_COUNTED else str(count)
    return {"label": label, "count": shown, "waits": count > 0, "link": reverse(f"merchant:{page}_changelist") + query}


def waits_of(request: HttpRequest) -> Mapping[str, Any]:
    """The counts for the front page. A statement each, none counts beyond `MOST_COUNTED`."""
    merchant = merchant_of(request)
    if merchant is None:
        return {}
    orders = Order.objects.visible_to(merchant)
    parts = SubOrder.objects.visible_to(merchant)
    returns = ReturnRequest.objects.visible_to(merchant).filter(sub_order__merchant=merchant)
    refused = RejectedOrder.objects.visible_to(merchant).filter(state=RejectedOrder.State.OPEN)
    short = parts.filter(state=SubOrderState.BACKORDERED)
    unpaid = orders.filter(state=OrderState.AWAITING_PAYMENT)
    return {
        "waits": [
            _row(_("Orders to ship"), works.to_ship(merchant), "logistics_warehouseorder"),
            _row(_("Requests to cancel"), works.to_answer(merchant), "logistics_warehouseorder", "?which=stop"),
            _row(_("Late, or may be"), late.late_of(parts), "orders_suborder", "?late=yes"),
            _row(_("Sub-orders waiting for stock"), short, "orders_suborder", "?state__exact=backordered"),
            _row(
                _("Returns to decide"),
                returns.filter(state=ReturnState.REQUESTED),
                *("orders_returnrequest", "?state__exact=requested"),
            ),
            _row(
                _("Returns to inspect"),
                returns.filter(state=ReturnState.RECEIVED),
                *("orders_returnrequest", "?state__exact=received"),
            ),
            _row(_("Refused rows"), refused, "orders_rejectedorder", "?state__exact=open"),
            _row(_("Orders waiting for payment"), unpaid, "orders_order", "?state__exact=awaiting_payment"),
        ]
    }


site.front_parts.append(waits_of)
