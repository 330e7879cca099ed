"""Rows of returns for tests that only need some to be there."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from logistics.models import Carrier, DoorPickUp
from oms.common.models import Connection
from orders.models import ReturnKind, ReturnLine, ReturnReason, ReturnRequest, SubOrder, SubOrderLine


def asked(part: SubOrder, **values: Any) -> ReturnRequest:
    """A return of the sub-order's first line, as it was just asked for; its units are counted."""
    reason, _is_new = ReturnReason.objects.get_or_create(
        code="no_reason", defaults={"fault": "buyer", "grant_reason": "no_reason"}
    )
    count = ReturnRequest.objects.filter(order=part.order_id).count() + 1
    told = {"kind": ReturnKind.RETURN_AND_REFUND, "warehouse_id": part.warehouse_id, **values}
    row = ReturnRequest.objects.create(
        number=f"{part.order.number}-T{count}",
        order=part.order,
        sub_order=part,
        reason=reason,
        fault=reason.fault,
        way_back_by=reason.fault,
        requested_by_kind="staff",
        requested_by="li",
        **told,
    )
    line = SubOrderLine.objects.filter(sub_order=part).earliest("pk")
    ReturnLine.objects.create(
        return_request=row, sub_order_line=line, announced_quantity=1, quantity=1, open_quantity=1
    )
    SubOrderLine.objects.filter(pk=line.pk).update(returning_quantity=1)
    return row


def pick_up(row: ReturnRequest, link: Connection) -> DoorPickUp:
    """A pick-up at the door for the return, as it is asked of the system behind `link`."""
    carrier, _is_new = Carrier.objects.get_or_create(code="PU", defaults={"name": "PU", "connection": link})
    now = timezone.now()
    return DoorPickUp.objects.create(
        number=f"{row.number}-U1",
        return_request=row,
        carrier=carrier,
        connection=link,
        since=now,
        until=now + timedelta(hours=5),
    )
