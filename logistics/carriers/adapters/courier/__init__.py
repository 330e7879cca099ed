"""Own couriers (protocol `courier`): waybills are issued here, and a parcel goes to the station of its area.

What is asked is answered at once, by where the parcel is: couriers tell by scans, like those of any carrier.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from inventory.models import Region, StorageClass
from logistics.carriers import contents
from logistics.carriers.adapters import Answer, Booked, CannotDecode, Parcel, Receiver, Redirection
from logistics.carriers.refusing import OwnRefusal
from logistics.models import CourierParcel, DoorReport, Outcome, Shipment, ShipmentState, Skill, Station, Stop
from logistics.routing import areas
from logistics.routing.telling import Told, tell
from oms.common.models import Connection

_MM3_OF_A_CM3 = 1000
_SKILLS = {
    StorageClass.CHILLED: Skill.COLD,
    StorageClass.FROZEN: Skill.COLD,
    StorageClass.BULKY: Skill.BULKY,
}
_ENDED = (ShipmentState.SIGNED, ShipmentState.RETURNED, ShipmentState.LOST, ShipmentState.CANCELLED)


class OwnCouriers:
    """See `logistics.carriers.adapters.CarrierSystem`."""

    @transaction.atomic
    def book(self, link: Connection, parcels: Sequence[Parcel]) -> Mapping[str, Answer]:
        """A parcel whose address is in the area of a station gets a waybill, the same again when asked again."""
        references = [parcel.reference for parcel in parcels]
        stations = list(Station.objects.filter(connection=link, is_active=True).order_by("code"))
        rows = _asked_for(references)
        goods = contents.of(references)
        new = []
        for reference, (shipment_id, region, storage_class) in rows.items():
            station = areas.station_for(region.pk, stations)
            if station is None or reference not in goods:
                continue
            inside = goods[reference]
            needs = {_SKILLS[StorageClass(storage_class)]} if storage_class in _SKILLS else set()
            if inside.cod_yuan:
                needs.add(Skill.COD)
            new.append(
                CourierParcel(
                    shipment_id=shipment_id,
                    station=station,
                    waybill=_waybill(shipment_id),
                    region=region,
                    longitude=region.longitude,
                    latitude=region.latitude,
                    weight_g=next(parcel.weight_g for parcel in parcels if parcel.reference == reference),
                    volume_cm3=-(-inside.volume_mm3 // _MM3_OF_A_CM3),
                    cod_amount=inside.cod_yuan,
                    skills=sorted(needs),
                )
            )
        CourierParcel.objects.bulk_create(new, ignore_conflicts=True)
        # One that another account of ours gave back is taken anew.
        known = CourierParcel.objects.filter(shipment__number__in=references, station__connection=link)
        known.filter(cancelled_at__isnull=False).update(cancelled_at=None)
        given = dict(known.values_list("shipment__number", "waybill"))
        return {
            reference: Answer(taken=True, waybill=given[reference])
            if reference in given
            else Answer(taken=False, reason=OwnRefusal.NO_STATION)
            for reference in references
        }

    @transaction.atomic
    def cancel(self, link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Answer]:
        """Cancelled unless a scan says that we have it."""
        held = _lock(parcels)
        free = [row.pk for row in held.values() if row.shipment.state in _NOT_OURS_YET]
        CourierParcel.objects.filter(pk__in=free, cancelled_at=None).update(cancelled_at=timezone.now())
        _drop(free)
        return {
            parcel.reference: Answer(parcel.reference not in held or held[parcel.reference].pk in free)
            for parcel in parcels
        }

    @transaction.atomic
    def intercept(self, link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Answer]:
        """What is not at its end yet comes back: it is in no tour any more; a courier who is out brings it back."""
        held = _lock(parcels)
        handed = _handed_over(held.values())
        caught = {ref: row for ref, row in held.items() if row.shipment.state not in _ENDED and row.pk not in handed}
        now = timezone.now()
        ids = [row.pk for row in caught.values()]
        CourierParcel.objects.filter(pk__in=ids, recalled_at=None).update(recalled_at=now)
        _drop(ids)
        tell([Told(link.pk, row.waybill, ShipmentState.INTERCEPTING, now) for row in caught.values()])
        return {parcel.reference: Answer(parcel.reference in caught) for parcel in parcels}

    @transaction.atomic
    def redirect(self, link: Connection, parcels: Sequence[Redirection]) -> Mapping[str, Answer]:
        """Brought elsewhere within the area of the same station, unless it is at its end, asked back or already out."""
        held = _lock(parcels)
        handed = _handed_over(held.values())
        stations = list(Station.objects.filter(connection=link, is_active=True))
        ids = [row.pk for row in held.values()]
        gone = Stop.objects.filter(parcel__in=ids, is_in_force=True, tour__gone_at__isnull=False)
        out = set(gone.values_list("parcel_id", flat=True))
        answers = {parcel.reference: Answer(taken=False) for parcel in parcels}
        for parcel in parcels:
            row = held.get(parcel.reference)
            names = (parcel.province, parcel.city, parcel.district)
            region = Region.objects.filter(**dict(zip(("province", "city", "district"), names, strict=True))).first()
            if row is None or row.recalled_at is not None or row.pk in handed or row.pk in out:
                continue
            if row.shipment.state in _ENDED:
                continue
            if region is None or areas.station_for(region.pk, stations) != row.station:
                continue
            row.region, row.is_exact = region, False
            row.longitude, row.latitude = region.longitude, region.latitude
            row.save(update_fields=["region", "is_exact", "longitude", "latitude"])
            _drop([row.pk])
            answers[parcel.reference] = Answer(taken=True)
        return answers

    def decode_receiver(self, link: Connection, token: str) -> Receiver:
        """No platform tells us who is hidden. Raises CannotDecode."""
        raise CannotDecode("Own couriers cannot ask the platform who the receiver is.")


_NOT_OURS_YET = (ShipmentState.CREATED, ShipmentState.WAYBILL_ISSUED, ShipmentState.CANCELLED)


def _waybill(shipment_id: int) -> str:
    """A number that no other parcel has, and that is typed from a phone: digits behind two letters, the last one a
    check digit."""
    digits = f"{shipment_id:010d}"
    check = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(reversed(digits), 1)) % 10
    return f"ZP{digits}{-check % 10}"


def _asked_for(references: Sequence[str]) -> dict[str, tuple[int, Region, str]]:
    """The id, region and storage class of parcels, by their numbers."""
    rows = Shipment.objects.filter(number__in=references).select_related("sub_order__order__region").order_by("id")
    return {
        row.number: (row.pk, row.sub_order.order.region, row.sub_order.storage_class)
        for row in rows
        if row.sub_order.order.region is not None
    }


def _lock(parcels: Sequence[Booked | Redirection]) -> dict[str, CourierParcel]:
    """Our rows of the parcels, locked, by reference."""
    rows = CourierParcel.objects.select_for_update(no_key=True, of=("self",)).select_related("shipment", "station")
    found = rows.filter(shipment__number__in=[parcel.reference for parcel in parcels]).order_by("pk")
    return {row.shipment.number: row for row in found}


def _handed_over(rows: Collection[CourierParcel] | Any) -> set[int]:
    """Parcels (ids) that a courier handed over, though their scan may not be worked off yet."""
    done = DoorReport.objects.filter(parcel__in=[row.pk for row in rows], outcome=Outcome.SIGNED)
    return set(done.values_list("parcel_id", flat=True))


def _drop(parcel_ids: Sequence[int]) -> None:
    """No courier sets out with these parcels any more; who is out with one is shown what became of it."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE logistics_stop s SET is_in_force = false FROM logistics_tour t
            WHERE s.tour_id = t.id AND s.is_in_force AND s.parcel_id = ANY(%s::bigint[]) AND t.gone_at IS NULL
            """,
            [list(parcel_ids)],
        )


CARRIER = OwnCouriers()
