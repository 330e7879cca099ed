"""The one place that says which orders and sub-orders a merchant's call reaches."""

from django.db.models import QuerySet

from oms.merchants.views import MerchantView
from orders.actors import Actor
from orders.models import ActorKind, Order, SubOrder


class OrderScopedView(MerchantView):
    """A view on orders or sub-orders of the calling merchant."""

    @property
    def actor(self) -> Actor:
        """The merchant's credential, as the timeline names it."""
        return Actor(ActorKind.MERCHANT, f"{self.merchant.code} {self.caller.credential.name}"[:80])

    def orders(self) -> QuerySet[Order]:
        """The orders that the merchant sees."""
        if getattr(self, "swagger_fake_view", False):
            return Order.objects.none()
        return Order.objects.visible_to(self.merchant)

    def sub_orders(self) -> QuerySet[SubOrder]:
        """The sub-orders that the merchant fulfils."""
        if getattr(self, "swagger_fake_view", False):
            return SubOrder.objects.none()
        return SubOrder.objects.visible_to(self.merchant)
