"""Deciding on a return, ending it without goods, and letting the platform decide in the merchant's place."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from inventory import hosting
from inventory.models import Warehouse
from oms.common import tickets
from oms.common.errors import OmsError
from oms.common.work import clock
from orders.actors import Actor
from orders.models import ActorKind, MoneyState, ReturnKind, ReturnRequest, ReturnState, SubOrder
from orders.models.return_request import ENDED_WITHOUT, EXPECTED
from orders.models.sub_order import LEFT_WAREHOUSE
from orders.returning import counting, kinds, locking
from orders.returning.locking import lines_of, lock_return, require
from orders.returning.trouble import ALL, RETURN_TO_DECIDE


@transaction.atomic
def approve(
    return_id: int, *, actor: Actor, warehouse_id: int | None = None, version: int | None = None
) -> ReturnRequest:
    """The buyer may send the goods back (to another warehouse than the return names, if one is given), or keeps them
    and gets money. The platform may approve what was declined, too.

    Raises NotNow where it is decided already, OmsError for a warehouse that does not keep such goods, NotSoMany where
    units of a declined return went back otherwise, ChangedMeanwhile.
    """
    row = lock_return(return_id, version=version)
    was_declined = row.state == ReturnState.DECLINED
    require(row, ReturnState.REQUESTED, *([ReturnState.DECLINED] if _is_platform(actor) else []))
    _check_may(row, actor)
    if was_declined:
        reopen(row)
    if row.kind == ReturnKind.REFUND_ONLY:
        row.approve()
        row.money_state = MoneyState.TO_GRANT
        row.ready_at = None
    else:
        if warehouse_id is not None:
            send_to(row, warehouse_id)
        if row.warehouse_id is None:
            raise OmsError(_("Choose the warehouse to which the goods go."), attr="warehouse")
        row.await_goods()
        row.ready_at = timezone.now() + clock.scaled(timedelta(days=row.ship_days))
    _decided(row, actor)
    locking.save(row, kinds.APPROVED, actor, warehouse=row.warehouse.code if row.warehouse else "")
    return row


@transaction.atomic
def decline(return_id: int, *, reason: str, actor: Actor, version: int | None = None) -> ReturnRequest:
    """The request has no ground. Raises OmsError for an empty reason, NotNow, ChangedMeanwhile."""
    row = lock_return(return_id, version=version)
    why = given(reason)
    require(row, ReturnState.REQUESTED)
    _check_may(row, actor)
    row.decline()
    _decided(row, actor)
    _end(row, why)
    locking.save(row, kinds.DECLINED, actor, why=why)
    return row


@transaction.atomic
def cancel(return_id: int, *, reason: str, actor: Actor, version: int | None = None) -> ReturnRequest:
    """The buyer keeps the goods. Raises OmsError for an empty reason, NotNow once the goods are there, the carrier has
    them (for buyers), or money was granted for them, and ChangedMeanwhile."""
    row = lock_return(return_id, version=version)
    why = given(reason)
    states = [ReturnState.REQUESTED, ReturnState.APPROVED, ReturnState.AWAITING_GOODS]
    require(row, *states, *(() if actor.kind == ActorKind.BUYER else EXPECTED))
    if row.money_state in (MoneyState.PROPOSED, MoneyState.GRANTED):
        raise locking.NotNow(_("Its money was asked for already. Decline the grant first."))
    if actor.kind == ActorKind.BUYER and _new_goods_left(row):
        raise locking.NotNow(_("The new goods have left already: send the others back."))
    if row.kind == ReturnKind.REFUSED_AT_DOOR:
        raise locking.NotNow(_("What was refused at the door comes back whatever anybody wants."))
    row.cancel()
    _end(row, why)
    locking.save(row, kinds.CANCELLED, actor, why=why)
    return row


def _new_goods_left(row: ReturnRequest) -> bool:
    """Whether goods that were sent in exchange are with a warehouse no longer."""
    parts = SubOrder.objects.filter(order__exchange__return_request=row.pk, state__in=LEFT_WAREHOUSE)
    return row.kind == ReturnKind.EXCHANGE and parts.exists()


@transaction.atomic
def expire(return_id: int, *, actor: Actor) -> None:
    """It was never handed over: it is closed. Raises NotNow."""
    row = lock_return(return_id)
    require(row, ReturnState.AWAITING_GOODS)
    row.expire()
    _end(row, "")
    locking.save(row, kinds.EXPIRED, actor)


@transaction.atomic
def escalate(return_id: int, *, reason: str, actor: Actor, version: int | None = None) -> ReturnRequest:
    """The buyer does not agree with the merchant: the platform looks at it, and the merchant decides no longer. Raises
    OmsError for an empty reason, NotNow where nothing is declined or to be decided or the platform looks at it already,
    ChangedMeanwhile."""
    row = lock_return(return_id, version=version)
    why = given(reason)
    require(row, ReturnState.REQUESTED, ReturnState.DECLINED)
    if row.is_escalated:
        raise locking.NotNow(_("The platform decides on this return."))
    row.is_escalated = True
    locking.save(row, kinds.ESCALATED, actor, why=why)
    trouble = tickets.Trouble(row.pk, "escalated", {"number": row.number, "why": why}, about_id=row.order_id)
    tickets.open_tickets(RETURN_TO_DECIDE, [trouble], opened_by=actor.name[:80])
    return row


@transaction.atomic
def send_elsewhere(return_id: int, warehouse_id: int, *, actor: Actor, version: int | None = None) -> ReturnRequest:
    """The goods go to another warehouse than was said. Raises OmsError, NotNow, ChangedMeanwhile."""
    row = lock_return(return_id, version=version)
    require(row, ReturnState.REQUESTED, *EXPECTED)
    send_to(row, warehouse_id)
    locking.save(row, kinds.REDIRECTED, actor, warehouse=row.warehouse.code if row.warehouse else "")
    return row


def send_to(row: ReturnRequest, warehouse_id: int) -> None:
    """The goods of the locked return go to this warehouse. Raises OmsError where it does not keep such goods."""
    house = Warehouse.objects.filter(pk=warehouse_id).first()
    if house is None:
        raise OmsError(_("There is no such warehouse."), attr="warehouse")
    host = hosting.host(house)
    for line in lines_of(row):
        sku = line.sub_order_line.order_line.sku
        if house.kind == Warehouse.Kind.VIRTUAL or not host.may_keep(sku.merchant_id, sku.storage_class):
            text = _("%(warehouse)s keeps no goods of the merchant of %(sku)s.")
            raise OmsError(text % {"warehouse": house.name, "sku": sku.code}, attr="warehouse")
    row.warehouse = house


def _is_platform(actor: Actor) -> bool:
    return actor.kind == ActorKind.STAFF


def _check_may(row: ReturnRequest, actor: Actor) -> None:
    if row.is_escalated and actor.kind == ActorKind.MERCHANT:
        raise locking.NotNow(_("The platform decides on this return."))


def reopen(row: ReturnRequest) -> None:
    """A return that ended holds its units again. Raises NotSoMany; its waybill, where another return has it now, is no
    longer its own."""
    lines = lines_of(row)
    if row.waybill_number and ReturnRequest.objects.filter(waybill_number=row.waybill_number).exclude(
        Q(pk=row.pk) | Q(state__in=ENDED_WITHOUT)
    ):
        row.carrier_name = row.waybill_number = ""
        row.waybill_told_at = None
    if row.kind != ReturnKind.REFUSED_AT_DOOR:
        counting.take(lines)
    if row.kind in (ReturnKind.RETURN_AND_REFUND, ReturnKind.REFUND_ONLY, ReturnKind.EXCHANGE):
        row.money_state = MoneyState.NOT_DUE
    row.ended_at, row.end_reason = None, ""


def _decided(row: ReturnRequest, actor: Actor) -> None:
    row.decided_by, row.decided_at = actor.name[:80], timezone.now()
    by = actor.name if actor.kind == ActorKind.STAFF else ""
    tickets.close_tickets([RETURN_TO_DECIDE], [row.pk], closed_by=by)


def _end(row: ReturnRequest, why: str) -> None:
    counting.let_go(row.pk)
    row.ended_at, row.end_reason, row.ready_at = timezone.now(), why, None
    row.money_state = MoneyState.NOTHING
    tickets.close_tickets(ALL, [row.pk])


def given(reason: str) -> str:
    """The reason that somebody gave. Raises OmsError for none."""
    text = " ".join(reason.split())[:200]
    if not text:
        raise OmsError(_("Say why."), attr="reason")
    return text
