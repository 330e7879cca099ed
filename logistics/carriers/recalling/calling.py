"""The stage that asks carriers, and the one that calls a person where no news comes.

The same reference, the parcel's number, is asked again after an answer that was lost: carriers take it as asked before.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from logistics.carriers import adapters
from logistics.carriers.adapters import Answer, Booked, Redirection
from logistics.carriers.recalling import asking, following, trouble
from logistics.models import Recall, RecallKind, RecallState
from logistics.models.recall import OPEN_RECALL
from oms.common import tickets
from oms.common.models import Connection
from oms.common.states import listed
from oms.common.work.calling import Call, Outcomes, outside_stage
from oms.common.work.claiming import Queue, Stage
from oms.common.zones import CHINA

QUEUE = Queue(Recall, f"q.state = '{RecallState.ASKED}'")


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is asked of a carrier about one parcel."""

    reference: str
    parcel: Booked | Redirection


def _prepare(keys: Sequence[int]) -> Mapping[int, _Wish]:
    rows = Recall.objects.filter(pk__in=keys).select_related("shipment__carrier", "shipment__sub_order__order")
    return {row.pk: _Wish(row.shipment.number, _parcel(row)) for row in rows.order_by("id")}


def _parcel(recall: Recall) -> Booked | Redirection:
    shipment = recall.shipment
    carrier = shipment.carrier.code if shipment.carrier else ""
    tail = shipment.sub_order.order.recipient_phone[-4:]
    booked = Booked(shipment.number, carrier, shipment.waybill_number or "", tail)
    there = asking.destination_of(recall)
    if there is None:
        return booked
    return Redirection(
        *(booked.reference, booked.carrier, booked.waybill, booked.phone_tail),
        *(there.name, there.phone, there.province, there.city, there.district, there.address),
    )


def _ask(link: Connection, wishes: Sequence[_Wish]) -> Mapping[str, Answer]:
    back = [wish.parcel for wish in wishes if isinstance(wish.parcel, Booked)]
    elsewhere = [wish.parcel for wish in wishes if isinstance(wish.parcel, Redirection)]
    intercepts, redirects = adapters.intercepting(link), adapters.redirecting(link)
    answers: dict[str, Answer] = {}
    failure: Exception | None = None
    for parcels, ask in (
        (back, intercepts.intercept if intercepts else None),
        (elsewhere, redirects.redirect if redirects else None),
    ):
        try:
            answers |= _asked(link, parcels, ask)
        except Exception as error:
            failure = error
    if failure is not None and not answers:
        raise failure
    return answers


def _asked(
    link: Connection, parcels: Sequence[Any], ask: Callable[..., Mapping[str, Answer]] | None
) -> Mapping[str, Answer]:
    if not parcels:
        return {}
    if ask is None:  # its protocol was changed meanwhile
        return {parcel.reference: Answer(taken=False, reason=link.protocol) for parcel in parcels}
    return ask(link, parcels)


@transaction.atomic
def _finish(outcomes: Outcomes[Answer]) -> None:
    answers = {**outcomes.taken, **outcomes.refused}
    following.answered({key: (answer.taken, answer.reason) for key, answer in answers.items()}, by=STAGE.name)


STAGE = outside_stage("send_recall", Call(QUEUE, _prepare, _ask, _finish, too_late=_finish))
run = STAGE.run


# --- Where nobody knows what becomes of a parcel

# One that is brought elsewhere needs no news once its carrier said that it does it.
_OVERDUE = f"""
    FROM logistics_recall r WHERE r.state IN ({listed(OPEN_RECALL)}) AND r.late_at IS NULL AND r.due_at <= now()
      AND (r.state = '{RecallState.ASKED}' OR r.kind = '{RecallKind.RETURN}')
"""


@transaction.atomic
def chase(limit: int) -> int:
    """Call a person for up to `limit` parcels; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH found AS (
                UPDATE logistics_recall SET late_at = now() WHERE id IN (
                    SELECT r.id {_OVERDUE} ORDER BY r.due_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED)
                RETURNING id, shipment_id, asked_at
            )
            SELECT f.id, s.order_id, coalesce(h.waybill_number, h.number), coalesce(c.name, '–'), f.asked_at
            FROM found f JOIN logistics_shipment h ON h.id = f.shipment_id
            JOIN orders_suborder s ON s.id = h.sub_order_id LEFT JOIN logistics_carrier c ON c.id = h.carrier_id
            ORDER BY f.id
            """,
            [limit],
        )
        troubles = [
            tickets.Trouble(
                key,
                "",
                {"waybill": waybill, "carrier": carrier, "at": f"{asked_at.astimezone(CHINA):%Y-%m-%d %H:%M}"},
                about_id=order_id,
            )
            for key, order_id, waybill, carrier, asked_at in cursor.fetchall()
        ]
    tickets.open_tickets(trouble.LATE, troubles, opened_by=CHASE_STAGE.name)
    return len(troubles)


def backlog() -> str:
    """Recalls that nobody was called for yet."""
    return f"SELECT r.due_at AS due, false AS needs_person {_OVERDUE}"


CHASE_STAGE = Stage("chase_recalls", chase, backlog=backlog)
