"""What keeps a merchant's stay in a warehouse of another from ending: sub-orders that are to be sent from there."""

from django.utils.translation import ngettext

from inventory import hosting
from inventory.models import WarehouseGuest
from orders.models import SubOrder
from orders.models.sub_order import HOLDING_STOCK


def _sub_orders(stay: WarehouseGuest) -> str:
    count = SubOrder.objects.filter(
        warehouse_id=stay.warehouse_id, merchant_id=stay.merchant_id, state__in=HOLDING_STOCK
    ).count()
    return ngettext("%(count)d sub-order", "%(count)d sub-orders", count) % {"count": count} if count else ""


hosting.open_work.append(_sub_orders)
