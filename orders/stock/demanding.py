"""How the stock's ledger names what is of orders: the number of the sub-order, return or parcel, with its page."""

from collections.abc import Collection

from django.urls import reverse

from inventory import demands
from inventory.models import DemandKind
from oms.common.tickets import Shown
from orders.models import ReturnLine, StrayUnit, SubOrderLine


def _sub_orders(line_ids: Collection[int]) -> dict[int, Shown]:
    rows = SubOrderLine.objects.filter(pk__in=line_ids).values_list("pk", "sub_order__number", "sub_order__order_id")
    return {key: Shown(number, reverse("admin:orders_order_change", args=[order])) for key, number, order in rows}


def _returns(line_ids: Collection[int]) -> dict[int, Shown]:
    rows = ReturnLine.objects.filter(pk__in=line_ids)
    named = rows.values_list("pk", "return_request__number", "return_request_id")
    return {key: Shown(number, reverse("admin:orders_returnrequest_change", args=[row])) for key, number, row in named}


def _strays(unit_ids: Collection[int]) -> dict[int, Shown]:
    units = StrayUnit.objects.filter(pk__in=unit_ids).select_related("parcel")
    page = "admin:orders_strayparcel_change"
    return {one.pk: Shown(str(one.parcel), reverse(page, args=[one.parcel_id])) for one in units}


demands.register(DemandKind.SUB_ORDER_LINE, _sub_orders)
demands.register(DemandKind.RETURN_LINE, _returns)
demands.register(DemandKind.STRAY_UNIT, _strays)
