"""What parcels keep of the people of orders that were over long ago is taken away with the rest of it."""

from collections.abc import Sequence

from logistics.models import Recall, ShipmentLabel
from oms.common import secrecy
from orders.asked import forgetting


def _empty(order_ids: Sequence[int]) -> None:
    Recall.objects.filter(shipment__sub_order__order__in=order_ids, recipient__isnull=False).update(
        recipient=secrecy.seal("{}")
    )
    labels = ShipmentLabel.objects.filter(shipment__sub_order__order__in=order_ids, template__isnull=False)
    labels.update(template=None)


def register() -> None:
    """Let the app be asked."""
    forgetting.register(_empty)
