"""The page on which a merchant exchanges goods of an order that its channels sold: the staff's page, within its rights.

Who fulfils the goods decides on their return: where that is the merchant, the exchange begins at once; else it is asked
for, and begins once it is approved.
"""

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext as _

from oms.merchant_admin import actor_of, merchant_of, site
from orders.admin.order_page import load
from orders.models import Order, SubOrderLine
from orders.returning import requesting
from orders.returning.requesting import Wanted
from payments.exchanging import beginning
from payments.exchanging.beginning import Agreed
from payments.exchanging.pages import ExchangePage

ORDERS = "portal.orders"


class OwnExchangePage(ExchangePage):
    """For orders of the merchant's channels."""

    order_page = "merchant:orders_order_change"
    return_page = "merchant:orders_returnrequest_change"

    def may(self, request: HttpRequest) -> bool:
        """By role."""
        return merchant_of(request) is not None and request.user.has_perm(ORDERS)

    def order(self, request: HttpRequest, order_id: int) -> Order | None:
        """As the API."""
        merchant = merchant_of(request)
        is_own = merchant is not None and Order.objects.visible_to(merchant).filter(pk=order_id).exists()
        return load(order_id) if is_own else None

    def confirm(self, request: HttpRequest, order_id: int, wanted: Wanted, version: int, agreed: Agreed) -> int:
        """Begin it where the merchant decides on it, or ask for it."""
        actor = actor_of(request)
        foreign = SubOrderLine.objects.filter(pk__in=wanted.units).exclude(sub_order__merchant=merchant_of(request))
        if foreign.exists():
            row = requesting.request(order_id, wanted, actor=actor, version=version)
            messages.success(request, _("Asked for: %(numbers)s.") % {"numbers": row.number})
            return row.pk
        begun = beginning.exchange(order_id, wanted, actor=actor, version=version, agreed=agreed)
        self.tell_begun(request, begun)
        return begun.pk


PAGE = OwnExchangePage(site)
