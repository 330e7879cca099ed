"""Whole names, phones and addresses on the merchants' pages: masked until somebody asks, and it is noted who did."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from logistics.by_merchant import showing, works
from oms.merchant_admin import actor_of, merchant_of, site
from orders.models import Order


def show_of_order(request: HttpRequest, order_id: int, _data: dict[str, Any]) -> HttpResponse:
    """The page with the recipient of an order that the merchant's channels sent."""
    merchant = merchant_of(request)
    order = Order.objects.visible_to(merchant).filter(pk=order_id).first() if merchant else None
    return _shown(request, order, reverse("merchant:orders_order_change", args=[order_id]))


def show_of_work(request: HttpRequest, work_id: int, _data: dict[str, Any]) -> HttpResponse:
    """The page with the recipient of what one of the merchant's warehouses sends."""
    merchant = merchant_of(request)
    work = works.of(merchant).select_related("sub_order__order").filter(pk=work_id).first() if merchant else None
    page = reverse("merchant:logistics_warehouseorder_change", args=[work_id])
    return _shown(request, work.sub_order.order if work else None, page)


def _shown(request: HttpRequest, order: Order | None, back: str) -> HttpResponse:
    if order is None:
        raise Http404
    shown = showing.recipient_of(order, actor=actor_of(request))
    rows = [(_("Recipient"), shown.name), (_("Phone"), shown.phone), (_("Address"), shown.address)]
    context = {**site.each_context(request), "title": order.number, "rows": rows, "back": back}
    response = TemplateResponse(request, "portal/recipient.html", context)
    response["Cache-Control"] = "no-store"
    return response
