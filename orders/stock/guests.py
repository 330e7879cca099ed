"""What keeps a merchant's stay in a warehouse of another from ending: sub-orders that are to be sent from there, and
returns and parcels that nobody knows whose goods are to go into stock there."""

from django.utils.translation import ngettext

from inventory import hosting
from inventory.models import WarehouseGuest
from orders.models import ReturnRequest, ReturnState, StrayState, StrayUnit, SubOrder
from orders.models.return_request import EXPECTED
from orders.models.sub_order import HOLDING_STOCK


def _sub_orders(stay: WarehouseGuest) -> str:
    count = SubOrder.objects.filter(
        warehouse_id=stay.warehouse_id, merchant_id=stay.merchant_id, state__in=HOLDING_STOCK
    ).count()
    return ngettext("%(count)d sub-order", "%(count)d sub-orders", count) % {"count": count} if count else ""


def _returns(stay: WarehouseGuest) -> str:
    to_come = (ReturnState.REQUESTED, *EXPECTED, ReturnState.RECEIVED)
    count = ReturnRequest.objects.filter(
        warehouse_id=stay.warehouse_id, sub_order__merchant_id=stay.merchant_id, state__in=to_come
    ).count()
    return ngettext("%(count)d return", "%(count)d returns", count) % {"count": count} if count else ""


def _strays(stay: WarehouseGuest) -> str:
    units = StrayUnit.objects.filter(
        parcel__warehouse_id=stay.warehouse_id, parcel__state=StrayState.UNKNOWN, sku__merchant_id=stay.merchant_id
    )
    count = units.values("parcel").distinct().count()
    text = ngettext("%(count)d parcel that nobody knows", "%(count)d parcels that nobody knows", count)
    return text % {"count": count} if count else ""


hosting.open_work += (_sub_orders, _returns, _strays)
