"""The page of shortages by SKU: who waits for how much, and receiving, moving, buying or cancelling it."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from inventory.filters import found_skus
from inventory.models import Sku
from orders.admin import bulk
from orders.changing.bulk import short_action
from orders.models import Order, SubOrder
from orders.stock import lacking
from orders.stock.lacking import Lack

ON_A_PAGE = 50
MOST_SPARE = 3


def urls() -> list[URLPattern]:
    """The page, and cancelling what waits for a SKU."""
    view = admin.site.admin_view
    return [
        path("shortages/", view(shortages_view), name="orders_shortages"),
        path("shortages/<int:sku_id>/cancel/", view(require_POST(cancel_view)), name="orders_cancel_short"),
    ]


def shortages_view(request: HttpRequest) -> HttpResponse:
    """The SKUs that most orders wait for."""
    if not request.user.has_perm("orders.view_suborder"):
        raise PermissionDenied
    query = request.GET.get("q", "").strip()[:100]
    only = list(found_skus(Sku.objects.all(), query).values_list("pk", flat=True)[:1000]) if query else None
    pages = Paginator(range(lacking.count(only)), ON_A_PAGE)
    page = pages.get_page(request.GET.get("page"))
    rows = lacking.lacks(page.start_index() - 1 if pages.count else 0, ON_A_PAGE, sku_ids=only)
    context = {
        **admin.site.each_context(request),
        "opts": SubOrder._meta,
        "title": _("Shortages by SKU"),
        "query": query,
        "page": page,
        "rows": [{"lack": lack, "spare": lack.spare[:MOST_SPARE], "links": _links(request, lack)} for lack in rows],
        "may_cancel": request.user.has_perm("orders.cancel_order"),
    }
    return TemplateResponse(request, "admin/orders/shortages.html", context)


def _links(request: HttpRequest, lack: Lack) -> dict[str, str]:
    """Where the person may do something about it: the forms, filled in."""
    may = request.user.has_perm
    goods: dict[str, Any] = {"merchant": lack.sku.merchant_id, "rows": lack.rows}
    here = {"warehouse": lack.target.pk} if lack.target else {}
    links = {}
    if lack.bought and may("inventory.view_purchaseorder"):
        links["receive"] = reverse("admin:inventory_purchaseorder_change", args=[lack.bought.order_id])
    elif may("inventory.add_receipt"):
        links["receive"] = _filled("inventory_receipt", {**goods, **here})
    if lack.spare and may("inventory.add_transfer"):
        way = {"source": lack.spare[0][0].pk, **({"target": lack.target.pk} if lack.target else {})}
        moved = {**goods, "rows": f"{lack.sku.code} {min(lack.units, lack.spare[0][1])}"}
        links["move"] = _filled("inventory_transfer", {**moved, **way})
    if may("inventory.add_purchaseorder"):
        links["buy"] = _filled("inventory_purchaseorder", {**goods, **here})
    return links


def _filled(model: str, values: dict[str, Any]) -> str:
    return f"{reverse(f'admin:{model}_add')}?{urlencode(values)}"


def cancel_view(request: HttpRequest, sku_id: int) -> HttpResponse:
    """Look at what would be cancelled of the orders that wait for the SKU."""
    sku = get_object_or_404(Sku, pk=sku_id)
    return bulk.prepare(request, short_action(sku.pk).name, Order.objects.filter(pk__in=lacking.orders_of(sku)))
