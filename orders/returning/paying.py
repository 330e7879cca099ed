"""The money's track of a return, as far as it is known here: what is due, and that the return ends once it is decided.

Granting itself is above (`payments.returning.granting`), which tells here what became of it.
"""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common import tickets
from oms.common.errors import OmsError
from orders.actors import Actor
from orders.models import ActorKind, MoneyState, ReturnKind, ReturnRequest, ReturnState
from orders.models.return_request import MONEY_DONE
from orders.returning import counting, kinds, locking
from orders.returning.locking import lock_return, require
from orders.returning.trouble import ALL, REPAIR_TO_SEND, RETURN_DIFFERS

# The goods hold the return up no longer.
_GOODS_DONE = (ReturnState.APPROVED, ReturnState.INSPECTED)


def make_due(row: ReturnRequest) -> None:
    """The money of the locked return is to be granted from now on."""
    if row.money_state == MoneyState.NOT_DUE:
        row.money_state = MoneyState.TO_GRANT


@transaction.atomic
def pay_before(return_id: int, *, actor: Actor, version: int | None = None) -> ReturnRequest:
    """Grant the money before the goods were inspected: they are on their way, or lost. Raises NotNow,
    ChangedMeanwhile."""
    row = lock_return(return_id, version=version)
    require(row, ReturnState.IN_TRANSIT, ReturnState.RECEIVED)
    if row.money_state != MoneyState.NOT_DUE:
        raise locking.NotNow(_("Its money is due already, or there is none."))
    make_due(row)
    locking.save(row, kinds.MONEY_DUE, actor)
    return row


@transaction.atomic
def give_nothing(return_id: int, *, reason: str, actor: Actor, version: int | None = None) -> ReturnRequest:
    """No money goes back. Units that are here stay counted as returned; those that the buyer keeps can be asked for
    again. Raises OmsError for an empty reason, NotNow, ChangedMeanwhile."""
    row = lock_return(return_id, version=version)
    why = " ".join(reason.split())[:200]
    if not why:
        raise OmsError(_("Say why."), attr="reason")
    if row.money_state != MoneyState.TO_GRANT:
        raise locking.NotNow(_("No money is to be granted now."))
    row.money_state, row.end_reason = MoneyState.NOTHING, why
    if row.kind == ReturnKind.REFUND_ONLY:
        counting.let_go(row.pk)
    close_if_done(row)
    locking.save(row, kinds.NOT_PAID, actor, why=why)
    return row


@transaction.atomic
def close_without_goods(return_id: int, *, reason: str, actor: Actor, version: int | None = None) -> ReturnRequest:
    """The goods are lost on their way back, and what is to be given back is. Raises OmsError, NotNow,
    ChangedMeanwhile."""
    row = lock_return(return_id, version=version)
    why = " ".join(reason.split())[:200]
    if not why:
        raise OmsError(_("Say why."), attr="reason")
    require(row, ReturnState.IN_TRANSIT)
    if row.money_state not in MONEY_DONE:
        raise locking.NotNow(_("Grant its money first, or say that none goes back."))
    row.end_reason = why
    _close(row)
    locking.save(row, kinds.CLOSED, actor)
    return row


@transaction.atomic
def send_repaired(return_id: int, *, waybill: str, actor: Actor, version: int | None = None) -> ReturnRequest:
    """The repaired goods are on their way to the buyer under this waybill. Raises OmsError, NotNow,
    ChangedMeanwhile."""
    row = lock_return(return_id, version=version)
    number = locking.read_waybill(waybill)
    if row.kind != ReturnKind.REPAIR:
        raise locking.NotNow(_("This is no repair."))
    require(row, ReturnState.INSPECTED)
    row.repaired_waybill = number
    counting.let_go(row.pk)
    _close(row)
    tickets.close_tickets([REPAIR_TO_SEND], [row.pk], closed_by=actor.name if actor.kind == ActorKind.STAFF else "")
    locking.save(row, kinds.REPAIRED, actor, waybill=number)
    return row


def proposed(return_id: int) -> None:
    """A grant of its money waits for a second person. The order is locked."""
    row = lock_return(return_id)
    if row.money_state != MoneyState.TO_GRANT:
        raise locking.NotNow(_("No money is to be granted now."))
    row.money_state = MoneyState.PROPOSED
    _touch(row)


def free_again(return_id: int) -> None:
    """The grant that was proposed is declined. The order is locked."""
    row = lock_return(return_id)
    if row.money_state == MoneyState.PROPOSED:
        row.money_state = MoneyState.TO_GRANT
        _touch(row)


def granted(return_id: int, actor: Actor) -> None:
    """Its money is granted; the return ends where the goods are done with. The order is locked.

    Units of a refund without return are the buyer's as before, unless their whole price went back.
    """
    row = lock_return(return_id)
    if row.money_state not in (MoneyState.TO_GRANT, MoneyState.PROPOSED):
        raise locking.NotNow(_("No money is to be granted now."))
    row.money_state = MoneyState.GRANTED
    if row.kind == ReturnKind.REFUND_ONLY:
        counting.let_go(row.pk)
    if close_if_done(row):
        locking.save(row, kinds.CLOSED, actor)
    else:
        _touch(row)


def _touch(row: ReturnRequest) -> None:
    row.updated_at = timezone.now()
    row.save()
    locking.mark_exchange(row)


def close_if_done(row: ReturnRequest) -> bool:
    """Close the locked return where neither its goods nor its money have anything left to do; returns whether it did.
    To be saved by the caller."""
    if row.state not in _GOODS_DONE or row.money_state not in MONEY_DONE:
        return False
    # What is there of a repair is still to be sent.
    if row.kind == ReturnKind.REPAIR and row.lines.filter(open_quantity__gt=0).exists():
        return False
    _close(row)
    return True


def _close(row: ReturnRequest) -> None:
    row.close()
    row.ended_at, row.ready_at = timezone.now(), None
    # What differs is talked about even after the money is decided.
    tickets.close_tickets([kind for kind in ALL if kind is not RETURN_DIFFERS], [row.pk])
