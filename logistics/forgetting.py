"""What parcels keep of the people of orders that were over long ago is taken away with the rest of it."""

from collections.abc import Sequence

from logistics.carriers.recalling import asking
from logistics.models import ShipmentLabel
from orders.asked import forgetting


def _empty(order_ids: Sequence[int]) -> None:
    asking.forget(order_ids)
    labels = ShipmentLabel.objects.filter(shipment__sub_order__order__in=order_ids, template__isnull=False)
    labels.update(template=None)


def register() -> None:
    """Let the app be asked."""
    forgetting.register(_empty)
