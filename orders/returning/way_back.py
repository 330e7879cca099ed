"""What is known of the way back: where the parcel is, as its carrier says, and who bears what it cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common import tickets
from oms.common.errors import OmsError
from oms.common.work import nudging
from orders.actors import Actor
from orders.models import Order, OrderEvent, PaysWayBack, ReturnRequest, ReturnState
from orders.models.return_request import ENDED_WITHOUT, EXPECTED
from orders.returning import kinds, locking, travelling
from orders.returning.locking import lock_return
from orders.returning.trouble import RETURN_ARRIVED, RETURN_LOST

MOST_COST = Decimal(10_000)
_MAY_COME = (*EXPECTED, *ENDED_WITHOUT)


class Stands(StrEnum):
    """Where the parcel of a return is, as far as it matters here."""

    MOVING = "moving"
    ARRIVED = "arrived"
    LOST = "lost"
    WENT_BACK = "went_back"
    WAYBILL_TAKEN = "waybill_taken"


@dataclass(frozen=True, slots=True)
class News:
    """Where the parcel of a return is now, under the waybill that it is followed by."""

    waybill: str
    stands: Stands


def follow(news: Mapping[int, News], *, actor: Actor) -> None:
    """What is known of their parcels makes of returns (by id), whose orders are locked; of what is said of a waybill
    that is no longer theirs, nothing. A parcel that arrived is not received by that: people look for it. A fixed number
    of statements."""
    found = ReturnRequest.objects.filter(pk__in=news, state__in=_MAY_COME).order_by("pk")
    rows = [row for row in found.select_for_update(no_key=True) if row.waybill_number == news[row.pk].waybill]
    if not rows:
        return
    now = timezone.now()
    events, arrived, stopped = [], [], []
    for row in rows:
        stands = news[row.pk].stands
        if stands in (Stands.MOVING, Stands.ARRIVED) and row.state == ReturnState.AWAITING_GOODS:
            travelling.take_over(row)
            data = {"number": row.number, "carrier": row.carrier_name, "waybill": row.waybill_number}
            events.append(_event(row, kinds.ON_ITS_WAY.code, actor, data))
        trouble = tickets.Trouble(
            row.pk,
            "" if stands == Stands.ARRIVED else stands.value,
            {"number": row.number, "waybill": row.waybill_number},
            about_id=row.order_id,
        )
        if stands == Stands.ARRIVED and row.arrived_at is None:
            row.arrived_at = now
            events.append(_event(row, kinds.ARRIVED.code, actor, {"number": row.number, "waybill": row.waybill_number}))
            arrived.append(trouble)
        elif stands != Stands.ARRIVED:
            row.arrived_at = None
            if stands != Stands.MOVING:
                stopped.append(trouble)
        row.updated_at = now
    fields = ["state", "handed_over_at", "ready_at", "money_state", "arrived_at", "updated_at"]
    ReturnRequest.objects.bulk_update(rows, fields)
    OrderEvent.objects.bulk_create(events)
    tickets.close_tickets([RETURN_ARRIVED], [row.pk for row in rows if row.arrived_at is None])
    tickets.close_tickets([RETURN_LOST], sorted({row.pk for row in rows} - {one.subject_id for one in stopped}))
    tickets.open_tickets(RETURN_ARRIVED, arrived, opened_by=actor.name[:80])
    tickets.open_tickets(RETURN_LOST, stopped, opened_by=actor.name[:80])


def _event(row: ReturnRequest, kind: str, actor: Actor, data: Mapping[str, str]) -> OrderEvent:
    return OrderEvent(
        order_id=row.order_id,
        sub_order_id=row.sub_order_id,
        kind=kind,
        actor_kind=actor.kind,
        actor=actor.name,
        data=dict(data),
    )


@transaction.atomic
def bear(return_id: int, *, by: str, cost: Decimal, actor: Actor, version: int | None = None) -> ReturnRequest:
    """Who bears the way back (of `PaysWayBack`), and what our carrier takes for it (yuan; 0: nothing). What a
    marketplace merchant bears is taken off its settlement. Raises OmsError, ChangedMeanwhile."""
    row = lock_return(return_id, version=version)
    if by not in PaysWayBack.values:
        raise OmsError(_("Give one of: %(choices)s.") % {"choices": ", ".join(PaysWayBack.values)}, attr="bearer")
    if not 0 <= cost <= MOST_COST or cost != round(cost, 2):
        text = _("Give an amount from 0 to %(most)d yuan with at most two places.")
        raise OmsError(text % {"most": MOST_COST}, attr="cost")
    if not row.needs_goods:
        raise locking.NotNow(_("No goods come back with it."))
    row.way_back_by, row.way_back_cost = by, cost
    locking.save(row, kinds.WAY_BACK_COST, actor, bearer=by, cost=f"{cost:.2f}")
    Order.objects.filter(pk=row.order_id, owed_changed_since=None).update(owed_changed_since=timezone.now())
    nudging.nudge("owing")
    return row
