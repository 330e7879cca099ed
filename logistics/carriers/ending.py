"""What becomes of sub-orders by what happened to their parcels."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from django.db import connection
from django.db.models import Exists, OuterRef

from logistics import kinds
from logistics.buyer import signed
from logistics.carriers.trouble import PARCEL_BACK, PARCEL_LOST, PARCELS_DIFFER
from logistics.models import GOING_BACK, Direction, ShipmentState
from oms.common import tickets
from oms.common.copying import array
from oms.common.work import nudging
from orders.actors import Actor
from orders.changing import charging
from orders.fulfilling.trouble import RECEIPT_DENIED
from orders.models import ActorKind, ChargeCause, OrderEvent, PaymentMethod, SubOrder, SubOrderState
from orders.models.sub_order import ARRIVED
from orders.returning import refusing
from orders.telling import timeline

S = SubOrderState
_ACTOR = Actor(ActorKind.CARRIER, "carrier")
_NOT_THERE = (*GOING_BACK, ShipmentState.RETURNED, ShipmentState.LOST)


@dataclass(frozen=True, slots=True)
class _Box:
    id: int
    state: ShipmentState
    waybill: str
    carrier: str


@dataclass(slots=True)
class _Part:
    """A sub-order and its parcels."""

    id: int
    order_id: int
    number: str
    state: SubOrderState
    boxes: list[_Box] = field(default_factory=list)

    def all_are(self, *states: ShipmentState) -> bool:
        """Whether all its parcels are in one of the states."""
        return all(box.state in states for box in self.boxes)

    @property
    def reached(self) -> SubOrderState | None:
        """Where its parcels bring it, if they bring it on."""
        if self.all_are(ShipmentState.SIGNED) and self.state in (S.SHIPPED, S.REJECTED):
            return S.DELIVERED
        # Even after completion: the books then take back what the merchant is owed.
        if self.all_are(ShipmentState.RETURNED) and self.state in (S.SHIPPED, S.REJECTED, *ARRIVED):
            return S.RETURNED
        if self.all_are(*GOING_BACK, ShipmentState.RETURNED) and self.state == S.SHIPPED:
            return S.REJECTED
        return None


def settle(sub_order_ids: Sequence[int], *, found_again: Sequence[int] = ()) -> None:
    """Bring locked sub-orders to where their parcels are, and tell people where that is no good end. `found_again` are
    parcels (ids) that were lost until now."""
    parts = _read(sub_order_ids)
    reached: dict[SubOrderState, list[int]] = {}
    for part in parts:
        state = part.reached
        if state is not None:
            reached.setdefault(state, []).append(part.id)
    _finish(reached.get(S.DELIVERED, ()), S.DELIVERED, "delivered_at = now(), needs_person_since = NULL")
    _finish(reached.get(S.REJECTED, ()), S.REJECTED, "ready_at = NULL")
    _finish(reached.get(S.RETURNED, ()), S.RETURNED, "needs_person_since = NULL")
    tickets.close_tickets([RECEIPT_DENIED], reached.get(S.RETURNED, ()))
    signed.ask_for_review(reached.get(S.DELIVERED, ()))
    refusing.close_delivered(reached.get(S.DELIVERED, ()), _ACTOR)
    refusing.open_for([*reached.get(S.REJECTED, ()), *reached.get(S.RETURNED, ())], _ACTOR)
    _take_back(reached.get(S.RETURNED, ()))
    _tell_people(parts)
    tickets.close_tickets([PARCEL_LOST], found_again)


def _read(sub_order_ids: Collection[int]) -> list[_Part]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            -- Found for all at once: looked for a sub-order, PostgreSQL may read all parcels for each where it knows
            -- little of them.
            WITH box AS MATERIALIZED (
                SELECT l.sub_order_id, x.shipment_id FROM orders_suborderline l
                JOIN logistics_shipmentline x ON x.sub_order_line_id = l.id
                WHERE l.sub_order_id = ANY(%(ids)s::bigint[])
                UNION
                SELECT e.sub_order_id, e.id FROM logistics_shipment e WHERE e.sub_order_id = ANY(%(ids)s::bigint[])
                  AND NOT EXISTS (SELECT FROM logistics_shipmentline x WHERE x.shipment_id = e.id)
            )
            SELECT s.id, s.order_id, s.number, s.state, h.id, h.state, coalesce(h.waybill_number, ''), c.name
            FROM box JOIN orders_suborder s ON s.id = box.sub_order_id
            JOIN logistics_shipment h ON h.id = box.shipment_id
            LEFT JOIN logistics_warehouseorder w ON w.id = h.warehouse_order_id
            LEFT JOIN logistics_carrier c ON c.id = h.carrier_id
            WHERE h.direction = '{Direction.OUT}' AND h.state <> '{ShipmentState.CANCELLED}'
              AND coalesce(w.is_current, true)
            ORDER BY s.id, h.id
            """,
            {"ids": array(sub_order_ids)},
        )
        parts: dict[int, _Part] = {}
        for key, order_id, number, state, *box in cursor.fetchall():
            part = parts.setdefault(key, _Part(key, order_id, number, SubOrderState(state)))
            shipment, box_state, waybill, carrier = box
            part.boxes.append(_Box(shipment, ShipmentState(box_state), waybill, carrier or "–"))
    return list(parts.values())


_TOLD = {
    SubOrderState.DELIVERED: kinds.DELIVERED,
    SubOrderState.REJECTED: kinds.SUB_ORDER_REJECTED,
    SubOrderState.RETURNED: kinds.SUB_ORDER_RETURNED,
}


def _finish(sub_order_ids: Sequence[int], state: SubOrderState, change: str) -> None:
    if not sub_order_ids:
        return
    ids = array(sub_order_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE orders_suborder SET state = %s, {change} WHERE id = ANY(%s::bigint[])", [state.value, ids]
        )
        # Cash on delivery was collected, or goods came back: the books are to be looked at.
        cursor.execute(
            f"""
            UPDATE orders_order SET owed_changed_since = coalesce(owed_changed_since, now()) WHERE id IN (
                SELECT order_id FROM orders_suborder WHERE id = ANY(%s::bigint[])
                AND (payment_method = '{PaymentMethod.COD}' OR state = '{SubOrderState.RETURNED}'))
            """,
            [ids],
        )
    timeline.record_of_sub_orders(sub_order_ids, _TOLD[state], _ACTOR)
    nudging.nudge("owing")


def _take_back(sub_order_ids: Sequence[int]) -> None:
    """What came back is owed no longer. Refused is what went back from the door, though a scan that says so may have
    come together with the parcel's return."""
    came_back = SubOrder.objects.filter(pk__in=sub_order_ids, delivered_at=None).order_by()
    was_refused = Exists(
        OrderEvent.objects.filter(sub_order_id=OuterRef("pk"), kind=kinds.SCANS[ShipmentState.REJECTED].code)
    )
    refused = set(came_back.filter(was_refused).values_list("pk", flat=True)) if sub_order_ids else set()
    charging.take_back(sorted(refused), ChargeCause.REFUSED, actor=_ACTOR)
    charging.take_back(sorted({*sub_order_ids} - refused), ChargeCause.RETURNED, actor=_ACTOR)


def _tell_people(parts: Sequence[_Part]) -> None:
    """Tickets on parcels that are lost or came back too late, and on sub-orders that arrived in part."""
    lost: list[tickets.Trouble] = []
    back: list[tickets.Trouble] = []
    differing: list[tickets.Trouble] = []
    for part in parts:
        for box in part.boxes:
            values = {"waybill": box.waybill, "carrier": box.carrier, "number": part.number}
            trouble = tickets.Trouble(box.id, "", values, about_id=part.order_id)
            if box.state == ShipmentState.LOST:
                lost.append(trouble)
            if box.state == ShipmentState.RETURNED and part.state == S.COMPLETED:
                back.append(trouble)
        missing = [box.waybill for box in part.boxes if box.state in _NOT_THERE]
        if missing and part.all_are(ShipmentState.SIGNED, *_NOT_THERE) and len(missing) < len(part.boxes):
            values = {"number": part.number, "waybills": ", ".join(missing)}
            differing.append(tickets.Trouble(part.id, "", values, about_id=part.order_id))
    tickets.open_tickets(PARCEL_LOST, lost, opened_by="carrier_facts")
    tickets.open_tickets(PARCEL_BACK, back, opened_by="carrier_facts")
    tickets.open_tickets(PARCELS_DIFFER, differing, opened_by="carrier_facts")
