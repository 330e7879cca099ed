"""Goods on order that backordered sub-orders wait for, in sentences."""

from collections.abc import Collection, Iterator
from datetime import date

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from inventory import purchasing, transferring
from inventory.models import PurchaseOrderLine, TransferLine
from oms.common.zones import CHINA
from orders.asked.panels import Remark
from orders.models import GoodsPromise, SubOrder, SubOrderState

# Of a SKU that is on order many times the first ones say enough.
_MOST_OF_A_SKU = 3


def remarks_on_goods(sub_orders: Collection[SubOrder]) -> Iterator[Remark]:
    """What those that wait are told, and for each SKU that some of them lack what is on order of it, the earliest
    first; in three statements."""
    lacking = {
        (part.merchant_id, code)
        for part in sub_orders
        if part.state == SubOrderState.BACKORDERED
        for code in part.shortage or ()
    }
    if not lacking:
        return
    yield from _promises([part for part in sub_orders if part.state == SubOrderState.BACKORDERED])
    wanted = Q()
    for merchant_id, code in lacking:
        wanted |= Q(sku__merchant_id=merchant_id, sku__code=code)
    for moved in transferring.lines_in_transit().filter(wanted).select_related("sku", "transfer__target"):
        yield _remark_on_transfer(moved)
    by_sku: dict[str, list[PurchaseOrderLine]] = {}
    for line in purchasing.open_lines().filter(wanted).select_related("sku", "order__warehouse"):
        by_sku.setdefault(line.sku.code, []).append(line)
    today = timezone.now().astimezone(CHINA).date()
    for code, of_sku in by_sku.items():
        of_sku.sort(key=lambda line: (line.due_on or date.max, line.pk))
        for line in of_sku[:_MOST_OF_A_SKU]:
            yield _remark(code, line, line.due_on, today)


def _promises(sub_orders: Collection[SubOrder]) -> Iterator[Remark]:
    numbers = {part.pk: part.number for part in sub_orders}
    for one in GoodsPromise.objects.filter(sub_order__in=numbers, ended_at__isnull=True).order_by("sub_order"):
        values = {"number": numbers[one.sub_order_id], "day": f"{one.expected_on}", "version": one.number}
        if one.deliver_by is None:
            yield Remark(_("The goods for %(number)s are promised for %(day)s (promise %(version)d).") % values)
        else:
            by = f"{timezone.localtime(one.deliver_by):%Y-%m-%d %H:%M}"
            text = _("The goods for %(number)s are promised for %(day)s, to the buyer by %(by)s (promise %(version)d).")
            yield Remark(text % {**values, "by": by})


def _remark_on_transfer(line: TransferLine) -> Remark:
    values = {
        "units": line.shipped - line.received,
        "sku": line.sku.code,
        "transfer": line.transfer.reference,
        "warehouse": str(line.transfer.target),
        "day": line.transfer.expected_on.isoformat() if line.transfer.expected_on else "",
    }
    if line.transfer.expected_on is None:
        text = _("On its way: %(units)s of %(sku)s to warehouse %(warehouse)s, nobody knows by when (%(transfer)s).")
        return Remark(text % values)
    return Remark(_("On its way: %(units)s of %(sku)s to warehouse %(warehouse)s by %(day)s (%(transfer)s).") % values)


def _remark(code: str, line: PurchaseOrderLine, day: date | None, today: date) -> Remark:
    values = {
        "units": line.quantity - line.received,
        "sku": code,
        "order": line.order.number,
        "warehouse": str(line.order.warehouse),
        "day": day.isoformat() if day else "",
    }
    if day is None:
        text = _("On order: %(units)s of %(sku)s for warehouse %(warehouse)s, nobody knows when (%(order)s).")
        return Remark(text % values)
    if day < today:
        text = _("Late: %(units)s of %(sku)s should have come to warehouse %(warehouse)s on %(day)s (%(order)s).")
        return Remark(text % values, "warning")
    text = _("On order: %(units)s of %(sku)s come to warehouse %(warehouse)s on %(day)s (%(order)s).")
    return Remark(text % values)
