"""Parcels of returns: made of the waybills that somebody typed or a carrier gave; what their scans make of returns.

A return whose waybill waits to be followed (`ReturnRequest.waybill_told_at`) gets its parcel by a stage, as the app
that keeps returns knows no parcels.
"""

from collections.abc import Collection, Mapping, Sequence

from django.db import connection
from django.db.models import Prefetch, Q, QuerySet
from django.utils import timezone

from logistics import kinds as scan_kinds
from logistics.carriers import following, recognising, words
from logistics.models import GOING_BACK, Carrier, Direction, ReturnParcel, Shipment, ShipmentState, TrackingEvent
from logistics.returning import picking_up
from oms.common import tickets
from oms.common.copying import array
from oms.common.models import Topic
from oms.common.work import facts
from oms.common.work.claiming import Stage
from orders import isolating
from orders.actors import Actor
from orders.models import ActorKind, OrderEvent, ReturnRequest
from orders.returning import kinds, tracks, travelling, way_back
from orders.returning.trouble import RETURN_LOST
from orders.returning.way_back import News, Stands

CARRIER = Actor(ActorKind.CARRIER, "carrier")
# Where a return's parcel stands by the parcel's state; carriers report as signed what reached the warehouse.
_STANDS = {
    ShipmentState.SIGNED: Stands.ARRIVED,
    ShipmentState.LOST: Stands.LOST,
    ShipmentState.REJECTED: Stands.WENT_BACK,
    ShipmentState.RETURNING: Stands.WENT_BACK,
    ShipmentState.RETURNED: Stands.WENT_BACK,
}
_BEFORE = (ShipmentState.CREATED, ShipmentState.WAYBILL_ISSUED, ShipmentState.CANCELLED)


def run(limit: int) -> int:
    """Give parcels to up to `limit` returns whose waybill waits to be followed; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, order_id FROM orders_returnrequest WHERE waybill_told_at IS NOT NULL"
            " ORDER BY waybill_told_at, id LIMIT %s",
            [limit],
        )
        found = cursor.fetchall()
    return isolating.work_on(travelling.FOLLOWS, found, lambda keys, _orders: _give_parcels(keys))


def backlog() -> str:
    """Returns whose waybill waits."""
    return f"""
        SELECT r.waybill_told_at AS due, {isolating.needs_person("r.order_id")} AS needs_person
        FROM orders_returnrequest r WHERE r.waybill_told_at IS NOT NULL ORDER BY r.waybill_told_at
    """


def _give_parcels(return_ids: Collection[int]) -> int:
    """Follow the waybills of these returns, whose orders are locked. A number of statements that does not grow."""
    found = ReturnRequest.objects.filter(pk__in=return_ids, waybill_told_at__isnull=False).order_by("pk")
    rows = list(found.select_for_update(no_key=True, of=("self",)))
    known = _known(rows)
    _let_go(rows, keep={parcel.pk for parcel in known.values()})
    carriers = carriers_of({row.carrier_name for row in rows})
    counts = _counts(rows)
    new = [
        (
            row,
            Shipment(
                number=f"{row.number}-S{counts.get(row.pk, 0) + 1}",
                sub_order_id=row.sub_order_id,
                direction=Direction.RETURN,
                carrier=carriers[row.carrier_name],
                waybill_number=row.waybill_number,
                state=ShipmentState.WAYBILL_ISSUED,
                waybill_issued_at=timezone.now(),
                ready_at=None,
            ),
        )
        for row in rows
        if row.pk not in known
    ]
    Shipment.objects.bulk_create([shipment for _row, shipment in new], ignore_conflicts=True)
    made = dict(
        Shipment.objects.filter(number__in=[shipment.number for _row, shipment in new]).values_list("number", "pk")
    )
    ReturnParcel.objects.bulk_create(
        [
            ReturnParcel(shipment_id=made[shipment.number], return_request=row)
            for row, shipment in new
            if shipment.number in made
        ]
    )
    ReturnParcel.objects.filter(pk__in=[parcel.pk for parcel in known.values()]).update(is_current=True)
    ReturnRequest.objects.filter(pk__in=[row.pk for row in rows]).update(waybill_told_at=None)
    _tell_taken([row for row, shipment in new if shipment.number not in made])
    _name_carriers({parcel.pk: carriers[row.carrier_name].pk for row in rows if (parcel := known.get(row.pk))})
    begin(sorted([*made.values(), *(parcel.pk for parcel in known.values())]))
    follow([parcel.pk for parcel in known.values()])
    return len(rows)


def _name_carriers(carriers: Mapping[int, int]) -> None:
    """These parcels are of these carriers (by id), where no scan says that they are of another one and the waybill is
    that of no other parcel there."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE logistics_shipment h SET carrier_id = n.carrier_id
            FROM unnest(%s::bigint[], %s::bigint[]) AS n(id, carrier_id)
            WHERE h.id = n.id AND h.carrier_id <> n.carrier_id AND h.connection_id IS NULL
              AND h.state = '{ShipmentState.WAYBILL_ISSUED}'
              AND NOT EXISTS (SELECT FROM logistics_shipment o
                  WHERE o.waybill_number = h.waybill_number AND o.carrier_id = n.carrier_id)
            """,
            [array(carriers), array(carriers.values())],
        )


def begin(shipment_ids: Sequence[int]) -> None:
    """Follow these locked parcels; those whose carrier nobody knows are recognised."""
    following.begin(shipment_ids)
    recognising.wonder(shipment_ids)


def carriers_of(names: Collection[str]) -> dict[str, Carrier]:
    """The carrier that each name means, as a buyer writes it: a code, or a name or the beginning of one; one that means
    none of ours, or several, is the unnamed one, which is recognised by the waybill."""
    unnamed, _is_new = Carrier.objects.get_or_create(
        code=recognising.UNNAMED, defaults={"name": recognising.UNNAMED, "priority": 99, "is_active": False}
    )
    known = list(Carrier.objects.exclude(pk=unnamed.pk))
    found = {}
    for typed in names:
        name = typed.strip().casefold()
        fitting = [one for one in known if name and name in (one.code.casefold(), one.name.casefold())]
        if name and not fitting:
            fitting = [
                one for one in known if one.name.casefold().startswith(name) or name.startswith(one.name.casefold())
            ]
        found[typed] = fitting[0] if len(fitting) == 1 else unnamed
    return found


def _known(rows: Sequence[ReturnRequest]) -> dict[int, ReturnParcel]:
    """Parcels that the returns (by id) had before under the waybill that they have now."""
    wanted = {row.pk: row.waybill_number for row in rows}
    parcels = ReturnParcel.objects.filter(return_request__in=wanted).select_related("shipment").order_by("pk")
    return {
        parcel.return_request_id: parcel
        for parcel in parcels
        if parcel.shipment.waybill_number == wanted[parcel.return_request_id]
    }


def _let_go(rows: Sequence[ReturnRequest], *, keep: Collection[int]) -> None:
    """Parcels under former waybills are followed no more; of which no carrier said anything, the waybill is free."""
    old = ReturnParcel.objects.filter(return_request__in=rows, is_current=True).exclude(pk__in=keep)
    keys = list(old.order_by("pk").values_list("pk", flat=True))
    ReturnParcel.objects.filter(pk__in=keys).update(is_current=False)
    following.end(keys)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE logistics_shipment h SET state = '{ShipmentState.CANCELLED}', waybill_number = NULL
            WHERE h.id = ANY(%s::bigint[]) AND h.state = '{ShipmentState.WAYBILL_ISSUED}' AND h.connection_id IS NULL
              AND NOT EXISTS (SELECT FROM logistics_trackingevent e WHERE e.shipment_id = h.id)
            """,
            [array(keys)],
        )


def _counts(rows: Sequence[ReturnRequest]) -> dict[int, int]:
    """How many parcels the returns (by id) had."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT return_request_id, count(*) FROM logistics_returnparcel"
            " WHERE return_request_id = ANY(%s::bigint[]) GROUP BY 1",
            [array(row.pk for row in rows)],
        )
        return dict(cursor.fetchall())


def _tell_taken(rows: Sequence[ReturnRequest]) -> None:
    troubles = [
        tickets.Trouble(
            row.pk, "waybill_taken", {"number": row.number, "waybill": row.waybill_number}, about_id=row.order_id
        )
        for row in rows
    ]
    tickets.open_tickets(RETURN_LOST, troubles, opened_by=travelling.FOLLOWS)


def follow(shipment_ids: Collection[int]) -> None:
    """What the scans of locked parcels make of their returns; parcels of other directions are left alone."""
    parcels = list(ReturnParcel.objects.filter(pk__in=shipment_ids, is_current=True).select_related("shipment"))
    moved = [parcel.pk for parcel in parcels if parcel.shipment.state not in _BEFORE]
    if moved:
        picking_up.collected(moved)
    news = {
        parcel.return_request_id: News(
            parcel.shipment.waybill_number or "", _STANDS.get(ShipmentState(parcel.shipment.state), Stands.MOVING)
        )
        for parcel in parcels
        if parcel.shipment.state not in _BEFORE
    }
    if news:
        way_back.follow(news, actor=CARRIER)


def tell(scan_ids: Collection[int]) -> None:
    """Put scans of parcels of returns on their orders' timelines, as buyers may read them."""
    scans = TrackingEvent.objects.filter(
        pk__in=scan_ids, state__in=[*scan_kinds.SCANS], shipment__return_parcel__isnull=False
    )
    related = scans.select_related("shipment__carrier", "shipment__return_parcel__return_request").order_by("pk")
    OrderEvent.objects.bulk_create(
        [
            OrderEvent(
                order_id=scan.shipment.return_parcel.return_request.order_id,
                sub_order_id=scan.shipment.return_parcel.return_request.sub_order_id,
                kind=kinds.PARCEL_SCANNED.code,
                actor_kind=ActorKind.CARRIER,
                actor=scan.shipment.carrier.code if scan.shipment.carrier else CARRIER.name,
                data={
                    "number": scan.shipment.return_parcel.return_request.number,
                    "waybill": scan.shipment.waybill_number or "",
                    "state": scan.state,
                    "text": scan.text,
                    "location": scan.location,
                },
            )
            for scan in related
        ]
    )


def current_of(order_id: int) -> dict[int, tracks.Track]:
    """The parcel in which each return (by id) of the order comes back, as far as one is known. A fixed number of
    statements."""
    rows = _with_scans(ReturnParcel.objects.filter(return_request__order=order_id, is_current=True))
    known = words.tables().words if rows else {}
    return {row.return_request_id: _track(row, known) for row in rows}


def _with_scans(parcels: QuerySet[ReturnParcel]) -> list[ReturnParcel]:
    scans = TrackingEvent.objects.select_related("connection").order_by("-occurred_at", "-id")
    return list(parcels.select_related("shipment__carrier").prefetch_related(Prefetch("shipment__scans", scans)))


class Tracks:
    """See `orders.returning.tracks.Follows`."""

    def tracks(self, return_id: int) -> Sequence[tracks.Track]:
        """The parcels of the return with their scans."""
        rows = _with_scans(ReturnParcel.objects.filter(return_request=return_id))
        known = words.tables().words if rows else {}
        return [_track(row, known) for row in rows]

    def state_word(self, code: str) -> str:
        """How the state of a parcel is called."""
        return str(dict(ShipmentState.choices).get(code, code))

    def came_back(self, return_id: int) -> None:
        """Tell of the parcels that the goods went in that they are back, as their carrier would have: the sub-order
        follows them, and the books give its money back."""
        part = ReturnRequest.objects.values_list("sub_order_id", flat=True).get(pk=return_id)
        goods = Q(sub_order=part) | Q(lines__sub_order_line__sub_order=part)
        boxes = Shipment.objects.filter(goods, direction=Direction.OUT, state__in=GOING_BACK, waybill_number__gt="")
        for box in boxes.select_related("carrier", "warehouse_order").distinct().order_by("pk"):
            if box.carrier is None or not box.waybill_number:
                continue
            carrier, work = box.carrier, box.warehouse_order
            speaks = (box.connection_id, carrier.connection_id, carrier.tracking_connection_id)
            connection_id = next(filter(None, speaks), None) or (work.connection_id if work is not None else None)
            if connection_id is None:
                continue
            key, body = f"inspected:{return_id}:{box.pk}", {"carrier": carrier.code}
            told = facts.News(key, ShipmentState.RETURNED, box.waybill_number, timezone.now(), body)
            facts.receive(connection_id, Topic.CARRIER, [told])


def _track(row: ReturnParcel, known: Mapping[str, words.Words]) -> tracks.Track:
    parcel = row.shipment
    told = []
    for scan in parcel.scans.all():
        word = words.word_of(scan, known)
        said = str(word.shown if word is not None else scan.get_state_display())
        told.append(tracks.Scan(scan.occurred_at, said, scan.text, scan.location))
    name = parcel.carrier.name if parcel.carrier and parcel.carrier.code != recognising.UNNAMED else ""
    return tracks.Track(
        parcel.pk, parcel.waybill_number or "", name, str(parcel.get_state_display()), row.is_current, told
    )


STAGE = Stage(travelling.FOLLOWS, run, wakes=("subscribe",), backlog=backlog)
