"""The goods' way back: handed over by the buyer, received by a warehouse."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from oms.common.work import clock
from orders.actors import Actor
from orders.models import PaysOn, ReturnKind, ReturnRequest, ReturnState
from orders.models.return_request import ENDED_WITHOUT, EXPECTED
from orders.returning import deciding, kinds, locking, paying
from orders.returning.locking import lock_return, require


@transaction.atomic
def hand_over(return_id: int, *, carrier: str, waybill: str, actor: Actor, version: int | None = None) -> ReturnRequest:
    """A carrier (as the buyer names it) has the goods under this waybill; a wrong number may be put right while they
    are on their way. Raises OmsError for no waybill, NotNow, ChangedMeanwhile."""
    row = lock_return(return_id, version=version)
    number = "".join(waybill.split()).upper()[:40]
    if not number.isalnum() or not number.isascii():
        raise OmsError(_("Give the waybill number: letters and digits."), attr="waybill")
    require(row, *EXPECTED)
    if row.kind == ReturnKind.REFUSED_AT_DOOR:
        raise locking.NotNow(_("It comes back with the parcel that was refused."))
    if row.state == ReturnState.AWAITING_GOODS:
        row.send_back()
        row.handed_over_at, row.ready_at = timezone.now(), None
        if row.pays_on == PaysOn.HANDED_OVER:
            paying.make_due(row)
    row.carrier_name, row.waybill_number = " ".join(carrier.split())[:40], number
    locking.save(row, kinds.ON_ITS_WAY, actor, waybill=number, carrier=row.carrier_name)
    return row


@transaction.atomic
def receive(
    return_id: int, *, actor: Actor, warehouse_id: int | None = None, version: int | None = None
) -> ReturnRequest:
    """The goods are there: at the warehouse that the return names, or another one (id). They may come though the return
    had ended; it then goes on. Raises NotNow, OmsError for a warehouse that keeps no such goods, NotSoMany where units
    of an ended return went back otherwise meanwhile, ChangedMeanwhile."""
    row = lock_return(return_id, version=version)
    require(row, *EXPECTED, *(ENDED_WITHOUT if row.needs_goods and row.kind != ReturnKind.REFUSED_AT_DOOR else ()))
    if warehouse_id is not None and warehouse_id != row.warehouse_id:
        deciding.send_to(row, warehouse_id)
    if row.warehouse_id is None:
        raise OmsError(_("Choose the warehouse to which the goods go."), attr="warehouse")
    if row.state in ENDED_WITHOUT:
        deciding.reopen(row)
    row.receive()
    row.received_at = timezone.now()
    row.ready_at = row.received_at + clock.scaled(timedelta(hours=row.inspect_hours))
    locking.save(row, kinds.RECEIVED, actor, warehouse=row.warehouse.code if row.warehouse else "")
    return row
