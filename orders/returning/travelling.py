"""The goods' way back: handed over by the buyer, received by a warehouse."""

from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common import tickets
from oms.common.errors import OmsError
from oms.common.work import clock, nudging
from orders.actors import Actor
from orders.asked import parcels
from orders.models import PaysOn, ReturnKind, ReturnRequest, ReturnState
from orders.models.return_request import ENDED_WITHOUT, EXPECTED
from orders.returning import deciding, kinds, locking, paying
from orders.returning.locking import lock_return, require
from orders.returning.trouble import RETURN_ARRIVED, RETURN_LOST

# The stage above that follows parcels on their way back.
FOLLOWS = "return_parcels"


class WaybillTaken(OmsError):
    """The waybill is that of another parcel."""

    code = "waybill_taken"


@transaction.atomic
def hand_over(return_id: int, *, carrier: str, waybill: str, actor: Actor, version: int | None = None) -> ReturnRequest:
    """A carrier (as the buyer names it) has the goods under this waybill; a wrong number may be put right while they
    are on their way. Told again, nothing changes. Raises OmsError for no waybill, WaybillTaken for one that is another
    parcel's, NotNow, ChangedMeanwhile."""
    row = lock_return(return_id, version=version)
    number, name = locking.read_waybill(waybill), " ".join(carrier.split())[:40]
    require(row, *EXPECTED)
    if row.kind == ReturnKind.REFUSED_AT_DOOR:
        raise locking.NotNow(_("It comes back with the parcel that was refused."))
    if row.state == ReturnState.IN_TRANSIT and (row.carrier_name, row.waybill_number) == (name, number):
        return row
    require_free(row, number)
    if row.state == ReturnState.AWAITING_GOODS:
        take_over(row)
    if (row.carrier_name, row.waybill_number) != (name, number):
        row.arrived_at, row.waybill_told_at = None, timezone.now()
        tickets.close_tickets([RETURN_ARRIVED, RETURN_LOST], [row.pk])
        nudging.nudge(FOLLOWS)
    row.carrier_name, row.waybill_number = name, number
    try:
        with transaction.atomic():
            locking.save(row, kinds.ON_ITS_WAY, actor, waybill=number, carrier=row.carrier_name)
    except IntegrityError as error:  # another return was told of it at the same time
        if "return_waybill_is_of_one" not in str(error):
            raise
        raise _taken(number) from error
    return row


def take_over(row: ReturnRequest) -> None:
    """A carrier has the goods of the locked return that waited for them. To be saved by the caller."""
    row.send_back()
    row.handed_over_at, row.ready_at = timezone.now(), None
    if row.pays_on == PaysOn.HANDED_OVER:
        paying.make_due(row)


def require_free(row: ReturnRequest, number: str) -> None:
    """Raises WaybillTaken where the waybill is that of another return that goes on, or of a parcel that went to a
    buyer."""
    others = ReturnRequest.objects.filter(waybill_number=number).exclude(pk=row.pk).exclude(state__in=ENDED_WITHOUT)
    if others.exists():
        raise _taken(number)
    if parcels.find(waybills=[number]):
        text = _("%(waybill)s is the waybill of the parcel that went to the buyer. Give that of the way back.")
        raise WaybillTaken(text % {"waybill": number}, attr="waybill")


def _taken(number: str) -> WaybillTaken:
    text = _("%(waybill)s is the waybill of another return already. Look at the number again.")
    return WaybillTaken(text % {"waybill": number}, attr="waybill")


@transaction.atomic
def receive(
    return_id: int, *, actor: Actor, warehouse_id: int | None = None, version: int | None = None
) -> ReturnRequest:
    """The goods are there: at the warehouse that the return names, or another one (id). They may come though the return
    had ended; it then goes on. Raises NotNow, OmsError for a warehouse that keeps no such goods, NotSoMany where units
    of an ended return went back otherwise meanwhile, ChangedMeanwhile."""
    row = lock_return(return_id, version=version)
    require(row, *EXPECTED, *(ENDED_WITHOUT if row.needs_goods and row.kind != ReturnKind.REFUSED_AT_DOOR else ()))
    there = warehouse_id if warehouse_id is not None else row.warehouse_id
    if there is None:
        raise OmsError(_("Choose the warehouse to which the goods go."), attr="warehouse")
    # Also where it was said before: it may keep no goods of their merchant any more.
    deciding.send_to(row, there)
    if row.state in ENDED_WITHOUT:
        deciding.reopen(row)
    row.receive()
    tickets.close_tickets([RETURN_ARRIVED, RETURN_LOST], [row.pk])
    row.received_at = timezone.now()
    row.ready_at = row.received_at + clock.scaled(timedelta(hours=row.inspect_hours))
    locking.save(row, kinds.RECEIVED, actor, warehouse=row.warehouse.code if row.warehouse else "")
    return row
