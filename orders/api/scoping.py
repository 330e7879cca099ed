"""The one place that says what a merchant's call reaches of orders, stock and refused rows.

Everything goes through `visible_to` of its model, and what is not visible is not found."""

from django.db.models import QuerySet
from rest_framework.generics import get_object_or_404
from rest_framework.response import Response

from inventory.models import ChannelShare, Stock, StockHold
from oms.common.door.api import etag, represent
from oms.merchants.calls.views import MerchantView
from orders.actors import Actor
from orders.api.serializers.orders import OrderSerializer
from orders.models import ActorKind, DeliveryPromise, Order, RejectedOrder, SkuMatch, SubOrder
from orders.models.sku_match import SkuMatchQuerySet


class OrderScopedView(MerchantView):
    """A view on orders or sub-orders of the calling merchant."""

    @property
    def actor(self) -> Actor:
        """The merchant's credential, as the timeline names it."""
        return Actor(ActorKind.MERCHANT, f"{self.merchant.code} {self.caller.credential.name}"[:80])

    def orders(self) -> QuerySet[Order]:
        """The orders that the merchant sees."""
        return self.reach(Order)

    def order_id(self, number: str) -> int:
        """The id of the merchant's order of that number. Raises Http404."""
        return get_object_or_404(self.orders().only("pk"), number=number).pk

    def order_response(self, order_id: int, status: int = 200) -> Response:
        """The whole order as it is now, with its version in the ETag."""
        order = OrderSerializer.prepare(self.orders()).get(pk=order_id)
        return Response(represent(OrderSerializer, order, self.request), status, headers=etag(order.version))

    def stock(self) -> QuerySet[Stock]:
        """The stock of the merchant's SKUs."""
        return self.reach(Stock)

    def stock_holds(self) -> QuerySet[StockHold]:
        """What the merchant's channels set aside."""
        if getattr(self, "swagger_fake_view", False):
            return StockHold.objects.none()
        return StockHold.objects.visible_to(self.merchant)

    def channel_shares(self) -> QuerySet[ChannelShare]:
        """The shares of the merchant's channels."""
        if getattr(self, "swagger_fake_view", False):
            return ChannelShare.objects.none()
        return ChannelShare.objects.visible_to(self.merchant)

    def sku_matches(self) -> SkuMatchQuerySet:
        """The codes of the merchant's channels."""
        if getattr(self, "swagger_fake_view", False):
            return SkuMatch.objects.none()
        return SkuMatch.objects.visible_to(self.merchant)

    def delivery_promises(self) -> QuerySet[DeliveryPromise]:
        """What is promised of the sub-orders that the merchant fulfils."""
        if getattr(self, "swagger_fake_view", False):
            return DeliveryPromise.objects.none()
        return DeliveryPromise.objects.filter(sub_order__in=SubOrder.objects.visible_to(self.merchant))

    def rejected_orders(self) -> QuerySet[RejectedOrder]:
        """The merchant's refused rows."""
        if getattr(self, "swagger_fake_view", False):
            return RejectedOrder.objects.none()
        return RejectedOrder.objects.visible_to(self.merchant)

    def sub_orders(self) -> QuerySet[SubOrder]:
        """The sub-orders that the merchant fulfils."""
        return self.reach(SubOrder)
