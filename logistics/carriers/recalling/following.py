"""What becomes of recalls: a function of the carrier's answers and of where the parcels are, in whatever order these
come. A scan proves more than an answer."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from django.db import connection

from logistics.carriers.parcels import SUB_ORDERS_OF
from logistics.carriers.recalling import kinds, trouble
from logistics.models import GOING_BACK, RecallAnswer, RecallKind, RecallState, ShipmentState
from logistics.models.recall import OPEN_RECALL
from oms.common import tickets
from oms.common.copying import array, text_array
from oms.common.masking import mask_text
from oms.common.states import listed
from orders.models import ActorKind

_BACK = (*GOING_BACK, ShipmentState.RETURNED)
_ENDED = (RecallState.SUCCEEDED, RecallState.FAILED)


def state_of(kind: RecallKind, answer: RecallAnswer, parcel: ShipmentState, now: RecallState) -> RecallState:
    """The state of a recall that is in `now`. One that ended is not open again, but may have ended otherwise."""
    S, P = RecallState, ShipmentState
    if kind == RecallKind.RETURN:
        if parcel in _BACK:
            return S.SUCCEEDED
        if parcel in (P.SIGNED, P.LOST):
            return S.FAILED
        is_tried = answer == RecallAnswer.TAKEN or parcel == P.INTERCEPTING
    else:
        if parcel == P.SIGNED:
            return S.SUCCEEDED if answer == RecallAnswer.TAKEN else S.FAILED
        if parcel in (*_BACK, P.LOST):
            return S.FAILED
        is_tried = answer == RecallAnswer.TAKEN
    if now in _ENDED:
        return now
    if answer == RecallAnswer.REFUSED and not is_tried:
        return S.FAILED
    return S.ACCEPTED if is_tried else now


@dataclass(slots=True)
class _Recall:
    id: int
    shipment_id: int
    order_id: int
    kind: RecallKind
    state: RecallState
    answer: RecallAnswer
    text: str
    parcel: ShipmentState
    waybill: str
    carrier: str

    @property
    def why(self) -> str:
        """Why it failed."""
        if self.parcel == ShipmentState.SIGNED:
            return trouble.SIGNED
        if self.parcel == ShipmentState.LOST:
            return trouble.LOST
        return trouble.CAME_BACK if self.parcel in _BACK else trouble.REFUSED


def answered(answers: Mapping[int, tuple[bool, str]], *, by: str) -> None:
    """Keep what carriers answered of recalls (by id: whether they do it, and their text), and what it makes of them."""
    if answers:
        _lock(answers)
        _settle(list(answers), answers, by=by)


def follow(shipment_ids: Collection[int]) -> None:
    """What scans of locked parcels make of their newest recalls."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT DISTINCT ON (shipment_id) id FROM logistics_recall WHERE shipment_id = ANY(%s::bigint[])
            ORDER BY shipment_id, id DESC
            """,
            [array(shipment_ids)],
        )
        found = [key for (key,) in cursor.fetchall()]
    if found:
        _lock(found)
        _settle(found, {}, by="carrier_facts")


def _lock(recall_ids: Collection[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM logistics_recall WHERE id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE",
            [array(recall_ids)],
        )


def _settle(recall_ids: Sequence[int], answers: Mapping[int, tuple[bool, str]], *, by: str) -> None:
    """Bring locked recalls to where they are, tell it, and call people where one failed."""
    recalls, moved = _read(recall_ids), []
    for recall in recalls:
        if recall.id in answers:
            taken, text = answers[recall.id]
            recall.answer = RecallAnswer.TAKEN if taken else RecallAnswer.REFUSED
            recall.text = mask_text(text)[:300]
        state = state_of(recall.kind, recall.answer, recall.parcel, recall.state)
        if state != recall.state:
            recall.state = state
            moved.append(recall)
    _write([recall for recall in recalls if recall in moved or recall.id in answers])
    _tell(moved)
    _call_people(moved, by=by)


def _write(recalls: Sequence[_Recall]) -> None:
    if not recalls:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE logistics_recall r SET state = n.state, answer = n.answer, answer_text = n.text,
                answered_at = CASE WHEN n.answer <> '' THEN coalesce(r.answered_at, now()) END,
                ended_at = CASE WHEN n.state NOT IN ({listed(OPEN_RECALL)}) THEN coalesce(r.ended_at, now()) END,
                ready_at = NULL, lease_until = NULL, attempts = 0, last_error = '', needs_person_since = NULL
            FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[]) AS n(id, state, answer, text)
            WHERE r.id = n.id
            """,
            [
                array(recall.id for recall in recalls),
                text_array(recall.state for recall in recalls),
                text_array(recall.answer for recall in recalls),
                text_array(recall.text for recall in recalls),
            ],
        )


def _read(recall_ids: Sequence[int]) -> list[_Recall]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT r.id, r.shipment_id, s.order_id, r.kind, r.state, r.answer, r.answer_text, h.state,
                coalesce(h.waybill_number, h.number), coalesce(c.name, '–')
            FROM logistics_recall r JOIN logistics_shipment h ON h.id = r.shipment_id
            JOIN orders_suborder s ON s.id = h.sub_order_id LEFT JOIN logistics_carrier c ON c.id = h.carrier_id
            WHERE r.id = ANY(%s::bigint[]) ORDER BY r.id
            """,
            [array(recall_ids)],
        )
        return [
            _Recall(
                key,
                shipment,
                order,
                RecallKind(kind),
                RecallState(state),
                RecallAnswer(answer),
                text,
                ShipmentState(parcel),
                waybill,
                carrier,
            )
            for key, shipment, order, kind, state, answer, text, parcel, waybill, carrier in cursor.fetchall()
        ]


_TOLD = {
    RecallState.ACCEPTED: kinds.RECALL_ACCEPTED,
    RecallState.SUCCEEDED: kinds.RECALL_SUCCEEDED,
    RecallState.FAILED: kinds.RECALL_FAILED,
}


def _tell(recalls: Sequence[_Recall]) -> None:
    """Put it on the timelines of all orders that the parcels have goods of."""
    if not recalls:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, data)
            SELECT s.order_id, s.id, n.event, '{ActorKind.CARRIER}', coalesce(c.code, ''),
                jsonb_strip_nulls(jsonb_build_object('number', s.number, 'waybill', h.waybill_number, 'what', r.kind,
                    'why', nullif(n.why, ''), 'text', nullif(r.answer_text, '')))
            FROM unnest(%(recalls)s::bigint[], %(shipments)s::bigint[], %(events)s::text[], %(whys)s::text[])
                AS n(id, shipment_id, event, why)
            JOIN logistics_recall r ON r.id = n.id JOIN logistics_shipment h ON h.id = n.shipment_id
            LEFT JOIN logistics_carrier c ON c.id = h.carrier_id
            JOIN ({SUB_ORDERS_OF}) AS p ON p.shipment_id = h.id JOIN orders_suborder s ON s.id = p.sub_order_id
            ORDER BY n.id, s.id
            """,
            {
                "ids": array(recall.shipment_id for recall in recalls),
                "recalls": array(recall.id for recall in recalls),
                "shipments": array(recall.shipment_id for recall in recalls),
                "events": text_array(_TOLD[recall.state].code for recall in recalls),
                "whys": text_array(recall.why if recall.state == RecallState.FAILED else "" for recall in recalls),
            },
        )


def _call_people(moved: Sequence[_Recall], *, by: str) -> None:
    """A ticket on what failed; those on what succeeded after all, and on what nobody knew of, are done."""
    tickets.close_tickets([trouble.LATE], [recall.id for recall in moved if recall.state in _ENDED])
    tickets.close_tickets([trouble.FAILED], [recall.id for recall in moved if recall.state == RecallState.SUCCEEDED])
    troubles = [
        tickets.Trouble(
            recall.id,
            recall.why,
            {"carrier": recall.carrier, "waybill": recall.waybill, "text": recall.text or "–"},
            about_id=recall.order_id,
        )
        for recall in moved
        if recall.state == RecallState.FAILED
    ]
    tickets.open_tickets(trouble.FAILED, troubles, opened_by=by)
