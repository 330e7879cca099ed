"""What never reached the buyer comes back by itself: a return for each sub-order that was refused or came back.

The books take its money back once the carrier says that it is there; what is left to do is to receive and inspect it.
"""

from collections import defaultdict
from collections.abc import Collection

from django.db.models import Count, Sum
from django.utils import timezone

from orders.actors import Actor
from orders.models import (
    MoneyState,
    OrderEvent,
    PaysOn,
    ReturnKind,
    ReturnLine,
    ReturnReason,
    ReturnRequest,
    ReturnState,
    SubOrder,
    SubOrderLine,
    SubOrderState,
)
from orders.models.return_request import EXPECTED, OPEN_RETURNS
from orders.models.return_rule import REFUSED_AT_DOOR, Fault
from orders.returning import counting, kinds
from orders.telling import timeline
from orders.telling.timeline import Entry


def open_for(sub_order_ids: Collection[int], actor: Actor) -> None:
    """Expect the goods of these sub-orders back, whose orders are locked: what was never delivered, or came back whole
    after all. Those of which that is known already are left alone. A number of statements that does not grow."""
    refused = ReturnRequest.objects.filter(sub_order__in=sub_order_ids, kind=ReturnKind.REFUSED_AT_DOOR)
    known = refused.exclude(state=ReturnState.CANCELLED).order_by().values_list("sub_order_id", flat=True)
    parts = list(SubOrder.objects.filter(pk__in=set(sub_order_ids) - set(known)).select_related("order").order_by("pk"))
    if not parts:
        return
    _settle_open(parts)
    # Units that an open return had announced come with that.
    taken = _announced([part.pk for part in parts])
    lines: dict[int, list[tuple[SubOrderLine, int]]] = defaultdict(list)
    for line in SubOrderLine.objects.filter(sub_order__in=parts).order_by("pk"):
        units = line.quantity - line.returned_quantity - taken.get(line.pk, 0)
        if units > 0:
            lines[line.sub_order_id].append((line, units))
    parts = [part for part in parts if part.pk in lines]
    reason, _is_new = ReturnReason.objects.get_or_create(
        code=REFUSED_AT_DOOR, defaults={"fault": Fault.BUYER, "grant_reason": "no_reason"}
    )
    numbers = _counts({part.order_id for part in parts})
    rows = []
    for part in parts:
        numbers[part.order_id] = numbers.get(part.order_id, 0) + 1
        rows.append(
            ReturnRequest(
                number=f"{part.order.number}-T{numbers[part.order_id]}",
                order_id=part.order_id,
                sub_order=part,
                kind=ReturnKind.REFUSED_AT_DOOR,
                state=ReturnState.IN_TRANSIT,
                money_state=MoneyState.NOTHING,
                reason=reason,
                fault=reason.fault,
                way_back_by=reason.fault,
                pays_on=PaysOn.INSPECTION,
                warehouse_id=part.warehouse_id,
                requested_by_kind=actor.kind,
                requested_by=actor.name[:80],
                ready_at=None,
            )
        )
    ReturnRequest.objects.bulk_create(rows)
    ReturnLine.objects.bulk_create(
        [
            ReturnLine(return_request=row, sub_order_line=line, announced_quantity=units, quantity=units)
            for row in rows
            for line, units in lines[row.sub_order_id]
        ]
    )
    OrderEvent.objects.bulk_create(
        [
            OrderEvent(
                order_id=row.order_id,
                sub_order_id=row.sub_order_id,
                kind=kinds.EXPECTED.code,
                actor_kind=actor.kind,
                actor=actor.name,
                data={"number": row.number, "sub_order": row.sub_order.number},
            )
            for row in rows
        ]
    )


def _counts(order_ids: Collection[int]) -> dict[int, int]:
    found = ReturnRequest.objects.filter(order__in=order_ids).order_by().values_list("order_id")
    return dict(found.annotate(count=Count("pk")))


def _announced(part_ids: Collection[int]) -> dict[int, int]:
    lines = ReturnLine.objects.filter(
        return_request__sub_order__in=part_ids, return_request__state__in=OPEN_RETURNS
    ).exclude(return_request__kind=ReturnKind.REFUSED_AT_DOOR)
    return dict(lines.order_by().values_list("sub_order_line_id").annotate(units=Sum("quantity")))


def _settle_open(parts: Collection[SubOrder]) -> None:
    """Of sub-orders that came back whole the books take the money back: returns that were asked for before get none by
    grants, and those whose goods were not on their way yet are part of what comes now. What waits for a second person
    is left to that person."""
    back = [part.pk for part in parts if part.state == SubOrderState.RETURNED]
    counting.let_all_go(list(ReturnRequest.objects.filter(sub_order__in=back).values_list("pk", flat=True)))
    found = ReturnRequest.objects.filter(sub_order__in=back, state__in=OPEN_RETURNS)
    found = found.filter(money_state__in=[MoneyState.NOT_DUE, MoneyState.TO_GRANT, MoneyState.NOTHING])
    rows = list(found.exclude(kind=ReturnKind.REFUSED_AT_DOOR).select_for_update(no_key=True, of=("self",)))
    now = timezone.now()
    waiting = (ReturnState.REQUESTED, ReturnState.APPROVED, ReturnState.AWAITING_GOODS)
    done = (ReturnState.INSPECTED,)
    for states, change in (
        (waiting, {"state": ReturnState.CANCELLED, "ended_at": now}),
        (done, {"state": ReturnState.CLOSED, "ended_at": now}),
        ((ReturnState.IN_TRANSIT, ReturnState.RECEIVED), {}),
    ):
        keys = [row.pk for row in rows if row.state in states]
        ReturnRequest.objects.filter(pk__in=keys).update(
            money_state=MoneyState.NOTHING, updated_at=now, **({"ready_at": None, **change} if change else {})
        )


def close_delivered(sub_order_ids: Collection[int], actor: Actor) -> None:
    """These sub-orders reached the buyer after all: what was refused comes back no longer."""
    found = ReturnRequest.objects.filter(
        sub_order__in=sub_order_ids, kind=ReturnKind.REFUSED_AT_DOOR, state__in=EXPECTED
    )
    rows = list(found.select_for_update(no_key=True, of=("self",)).order_by("pk"))
    now = timezone.now()
    ReturnRequest.objects.filter(pk__in=[row.pk for row in rows]).update(
        state=ReturnState.CANCELLED, ended_at=now, updated_at=now
    )
    timeline.record_all(Entry(row.order_id, kinds.NOT_EXPECTED, actor, {"number": row.number}) for row in rows)
