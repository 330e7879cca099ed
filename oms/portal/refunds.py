"""What goes back to the merchant's buyers: asked for with a preview, decided by staff, followed until it arrived."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from oms.common.desk.lists import MomentDayFilter
from oms.common.desk.sums import Summed
from oms.merchant_admin import OwnPages, actor_of, merchant_of, site
from oms.merchants.models import Merchant
from orders.models import Order
from payments.granting import pages
from payments.models import Refund, RefundGrant

SEE_MONEY, MONEY = "portal.see_money", "portal.money"


class OwnGrantForm(pages.GrantForm):
    """The same; who bears it staff decide."""

    bearer = None  # type: ignore[assignment]


class _OfOrder:
    @display(description=gettext_lazy("order"))
    def order_link(self, row: Any) -> SafeString:
        """The way to its order."""
        page = reverse("merchant:orders_order_change", args=[row.order_id])
        return format_html('<a class="oms-no" href="{}">{}</a>', page, row.order.number)


class OwnGrants(_OfOrder, Summed, OwnPages):
    """What was asked for, granted or declined for orders of the merchant's channels."""

    sees = SEE_MONEY
    search_fields = ("number", "order__number")
    search_help_text = gettext_lazy("Number of the grant or of the order")
    list_display = ("number", "order_link", "state_label", "kind", "reason", "amount", "proposed_at", "decided_at")
    list_select_related = ("order", "reason")
    list_filter = (
        *(("state", ChoicesDropdownFilter), ("kind", ChoicesDropdownFilter), ("proposed_at", MomentDayFilter)),
    )
    summed = ("amount", "granted_amount")
    fields = readonly_fields = (
        *("number", "order_link", "state_label", "kind", "reason", "note", "bearer", "line", "amount", "cash_amount"),
        *("gift_card_amount", "points_amount", "granted_amount", "proposed_at", "decided_at", "decline_reason"),
    )

    def own(self, merchant: Merchant) -> QuerySet[RefundGrant]:
        """As the API."""
        return RefundGrant.objects.visible_to(merchant)

    def get_urls(self) -> list[URLPattern]:
        """With the page that asks for one."""
        ask = path("of/<int:order_id>/", self.admin_site.admin_view(ask_view), name="payments_refundgrant_ask")
        return [ask, *super().get_urls()]


def ask_view(request: HttpRequest, order_id: int) -> HttpResponse:
    """Ask for a refund or compensation for an order: what it would give, then the confirmation of just that."""
    merchant = merchant_of(request)
    if merchant is None or not request.user.has_perm(MONEY):
        raise PermissionDenied
    order = Order.objects.visible_to(merchant).filter(pk=order_id).first()
    if order is None:
        raise Http404
    return pages.asking_page(request, order, OwnGrantForm, site=site, actor=actor_of(request), user=None)


class OwnRefunds(_OfOrder, Summed, OwnPages):
    """Money on its way back to buyers of the merchant's channels."""

    sees = SEE_MONEY
    search_fields = ("number", "order__number")
    search_help_text = gettext_lazy("Refund or order number")
    list_display = (
        *("number", "order_link", "state_label", "amount", "refunded_amount", "reason", "created_at", "succeeded_at"),
    )
    list_select_related = ("order",)
    list_filter = (("state", ChoicesDropdownFilter), ("reason", ChoicesDropdownFilter))
    summed = ("amount", "refunded_amount")
    fields = readonly_fields = (
        *("number", "order_link", "state_label", "amount", "refunded_amount", "reason", "created_at", "due_at"),
        "succeeded_at",
    )

    def own(self, merchant: Merchant) -> QuerySet[Refund]:
        """As the API."""
        return Refund.objects.visible_to(merchant)


site.register(RefundGrant, OwnGrants)
site.register(Refund, OwnRefunds)
