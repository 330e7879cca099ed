"""Bank transfers: entered by one person with the bank's number and a scan, approved by another, then money."""

import base64
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common import tickets
from oms.common.errors import OmsError
from oms.common.models import TicketResult
from oms.common.secrecy import seal, unseal
from oms.common.tickets import Trouble
from oms.common.work import nudging
from oms.common.zones import CHINA
from orders.actors import Actor
from orders.kinds import EventKind
from orders.locking import lock_order
from orders.models import OrderState
from orders.telling import timeline
from payments import kinds, troubles
from payments.models import BankTransfer, Payment
from payments.taking import recording

# Who buys often may have paid in advance.
PAID_BEFORE = timedelta(days=366)
MOST_SCAN_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Scan:
    """A file that shows the transfer, and its media type."""

    content: bytes
    media_type: str


@transaction.atomic
def enter(
    order_id: int,
    *,
    amount: Decimal,
    serial: str,
    paid_on: date,
    scan: Scan | None = None,
    note: str = "",
    actor: Actor,
) -> BankTransfer:
    """Enter a transfer of so many yuan for an order; somebody else must approve it.

    Raises OmsError for an order that waits for no payment, a day to come or long ago, and a bank's number that was
    entered before.
    """
    order = lock_order(order_id)
    if order.state != OrderState.AWAITING_PAYMENT:
        raise OmsError(_("This order is not waiting for a payment."))
    if paid_on > timezone.now().astimezone(CHINA).date():
        raise OmsError(_("The day of the transfer is still to come."), attr="paid_on")
    if paid_on < order.ordered_at.astimezone(CHINA).date() - PAID_BEFORE:
        raise OmsError(_("The transfer is more than a year older than the order."), attr="paid_on")
    transfer = BankTransfer(
        order=order,
        amount=amount,
        serial=serial.strip(),
        paid_on=paid_on,
        note=note.strip(),
        scan=seal(base64.b64encode(scan.content).decode()) if scan else None,
        scan_type=scan.media_type if scan else "",
        entered_by=actor.name,
    )
    try:
        with transaction.atomic():
            transfer.save()
    except IntegrityError as error:
        if "bank_transfer_counts_once" in str(error):
            raise OmsError(_("A transfer with this number was entered before."), attr="serial") from error
        raise
    _tell(transfer, kinds.TRANSFER_ENTERED, actor)
    values = {"number": order.number, "amount": str(amount), "serial": transfer.serial, "by": actor.name}
    tickets.open_tickets(
        troubles.TRANSFER_TO_APPROVE, [Trouble(transfer.pk, values=values, about_id=order_id)], opened_by=actor.name
    )
    return transfer


@transaction.atomic
def approve(transfer_id: int, *, actor: Actor) -> Payment:
    """Book the transfer as money; the order goes on where that is all of it. Whoever else was asking the buyer stops.

    Raises OmsError for who entered it, for one that is decided already, and for an order that waits no more.
    """
    transfer = _locked(transfer_id, actor)
    if transfer.order.state != OrderState.AWAITING_PAYMENT:
        raise OmsError(_("This order is not waiting for a payment."))
    # The hour is not known, but it is not to come.
    at = min(datetime.combine(transfer.paid_on, time(12), CHINA), timezone.now())
    payment = recording.record_transfer(transfer.order, amount=transfer.amount, at=at, serial=transfer.serial)
    transfer.approve(by=actor.name, at=timezone.now(), payment=payment)
    _finish(transfer, actor)
    _tell(transfer, kinds.TRANSFER_APPROVED, actor)
    nudging.nudge("review", "owing", "close_payments")
    return payment


@transaction.atomic
def refuse(transfer_id: int, *, actor: Actor) -> None:
    """The money is not there, or not for this order. Raises OmsError for who entered it, and once it is decided."""
    transfer = _locked(transfer_id, actor)
    transfer.refuse(by=actor.name, at=timezone.now())
    _finish(transfer, actor)
    _tell(transfer, kinds.TRANSFER_REFUSED, actor)


def scan_of(transfer: BankTransfer) -> Scan | None:
    """The file that was entered with it."""
    if transfer.scan is None:
        return None
    return Scan(base64.b64decode(unseal(transfer.scan)), transfer.scan_type)


def _locked(transfer_id: int, actor: Actor) -> BankTransfer:
    order = lock_order(BankTransfer.objects.values_list("order_id", flat=True).get(pk=transfer_id))
    transfer = BankTransfer.objects.select_for_update(no_key=True, of=("self",)).get(pk=transfer_id)
    transfer.order = order
    if transfer.decided_at:
        raise OmsError(_("This transfer is decided already."))
    if transfer.entered_by == actor.name:
        raise OmsError(_("Somebody else than who entered it must decide."))
    return transfer


def _tell(transfer: BankTransfer, kind: EventKind, actor: Actor) -> None:
    timeline.record(transfer.order_id, kind, actor, amount=str(transfer.amount), serial=transfer.serial)


def _finish(transfer: BankTransfer, actor: Actor) -> None:
    transfer.save(update_fields=["state", "decided_by", "decided_at", "payment"])
    done = TicketResult.DONE
    tickets.close_tickets([troubles.TRANSFER_TO_APPROVE], [transfer.pk], result=done, closed_by=actor.name)
