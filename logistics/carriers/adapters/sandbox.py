"""Pretended carriers. They answer after plausible delays, by the same facts as a real system's pushes.

A carrier collects, carries and delivers; one parcel in fifty is missed at the first try, one in two hundred is refused
and comes back.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from hashlib import blake2b
from zlib import crc32

from logistics.by_merchant import speaker as merchants
from logistics.carriers.adapters import Answer, Booked, Parcel, Receiver, Redirection
from logistics.models import Carrier, Shipment, ShipmentState
from logistics.warehouses.adapters import floor
from oms.common.models import Connection, Topic
from oms.common.work import facts, sandbox

HOUR = 3600.0
PROTOCOL, SYSTEM = "sandbox", "carrier"
COLLECTS_AFTER = 3 * HOUR
# Protocols of warehouses in which people pack, of which nothing leaves by itself.
_BY_PEOPLE = (floor.PROTOCOL, merchants.PROTOCOL)

_S = ShipmentState
_ARRIVES: list[tuple[str, str, float]] = [
    (_S.COLLECTED, "已揽收", 8 * HOUR),
    (_S.IN_TRANSIT, "已到达转运中心", 14 * HOUR),
    (_S.IN_TRANSIT, "已到达派件网点", 6 * HOUR),
    (_S.OUT_FOR_DELIVERY, "派件中", 3 * HOUR),
]
_SIGNED = [(_S.SIGNED, "已签收", 0.0)]
_MISSED = [(_S.FAILED_DELIVERY, "无人签收,改日再派", 18 * HOUR), (_S.OUT_FOR_DELIVERY, "派件中", 3 * HOUR), *_SIGNED]
_REFUSED = [
    (_S.REJECTED, "收件人拒收", 4 * HOUR),
    (_S.RETURNING, "退回途中", 24 * HOUR),
    (_S.RETURNED, "已退回仓库", 0.0),
]

_STOPPED = [
    (_S.INTERCEPTING, "应寄件人要求，快件已拦截", 4 * HOUR),
    (_S.RETURNING, "退回途中", 24 * HOUR),
    (_S.RETURNED, "已退回仓库", 0.0),
]
_TURNED_AT = "turned_at"


class SandboxCarrier:
    """See `logistics.carriers.adapters.CarrierSystem`."""

    def book(self, link: Connection, parcels: Sequence[Parcel]) -> Mapping[str, Answer]:
        """Every parcel gets a waybill, the same again when asked again."""
        waybills = {parcel.reference: waybill_of(parcel) for parcel in parcels}
        waiting = _in_hand(waybills)
        sandbox.put(
            SYSTEM,
            [
                (
                    parcel.reference,
                    {"carrier": parcel.carrier, "waybill": waybills[parcel.reference], "city": parcel.city},
                    None if parcel.reference in waiting else sandbox.delay(COLLECTS_AFTER),
                )
                for parcel in parcels
            ],
            connection_id=link.pk,
        )
        return {reference: Answer(taken=True, waybill=waybill) for reference, waybill in waybills.items()}

    def intercept(self, link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Answer]:
        """A parcel that no courier has yet is stopped and comes back."""
        caught = sandbox.turn(
            SYSTEM, [parcel.reference for parcel in parcels], before_step=len(_ARRIVES), name=_TURNED_AT
        )
        return _answers(parcels, caught)

    def redirect(self, link: Connection, parcels: Sequence[Redirection]) -> Mapping[str, Answer]:
        """A parcel that no courier has yet goes where it is wanted."""
        caught = sandbox.turn(
            SYSTEM, [parcel.reference for parcel in parcels], before_step=len(_ARRIVES), name="redirected"
        )
        return _answers(parcels, caught)

    def urge(self, link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Answer]:
        """It promises to look into it, which changes nothing."""
        return {parcel.reference: Answer(taken=True, reason="已登记催件") for parcel in parcels}

    def decode_receiver(self, link: Connection, token: str) -> Receiver:
        """Somebody with a phone; always the same one behind a token."""
        digest = int.from_bytes(blake2b(token.encode(), digest_size=8).digest(), "big")
        return Receiver(f"收件人{digest % 1000:03d}", f"138{digest % 10**8:08d}")


def waybill_of(parcel: Parcel) -> str:
    """A number of the form that the carrier's waybills have: its code and 13 digits."""
    digest = blake2b(parcel.reference.encode(), digest_size=8).digest()
    return f"{parcel.carrier}{int.from_bytes(digest, 'big') % 10**13:013d}"


def _in_hand(references: Collection[str]) -> set[str]:
    """Those of the parcels that people have in hand, here on a floor or at a merchant's: no courier takes them before
    they say that they left."""
    rows = Shipment.objects.filter(number__in=references, warehouse_order__connection__protocol__in=_BY_PEOPLE)
    return set(rows.filter(warehouse_order__shipped_at=None).values_list("number", flat=True))


def handed_over(work_ids: Collection[int]) -> None:
    """Let pretended couriers take the parcels of these warehouse orders, which were handed to them."""
    references = Shipment.objects.filter(warehouse_order__in=work_ids).values_list("number", flat=True)
    sandbox.go_on(SYSTEM, list(references), sandbox.delay(COLLECTS_AFTER), note={}, before_step=1)


def carry(carriers: Iterable[Carrier], waybills: Mapping[str, Sequence[str]]) -> None:
    """Let pretended carriers come for parcels whose waybills (by carrier code) were brought by who packed them."""
    for carrier in carriers:
        jobs = [
            (waybill, {"carrier": carrier.code, "waybill": waybill, "city": ""}, sandbox.delay(COLLECTS_AFTER))
            for waybill in waybills[carrier.code]
        ]
        sandbox.put(SYSTEM, jobs, connection_id=carrier.connection_id)


def report(jobs: list[sandbox.Due]) -> None:
    """Say where the parcels are, as the carriers' pushes would."""
    news: dict[int, list[facts.News]] = {}
    for job in jobs:
        story = _story(job.reference, job.data.get(_TURNED_AT))
        state, text, after = story[job.step]
        body = {"carrier": job.data["carrier"], "text": text, "location": job.data["city"] if job.step >= 2 else ""}
        told = facts.News(f"{job.data['waybill']}-{job.step}", state, job.data["waybill"], job.due_at, body)
        news.setdefault(job.connection_id or 0, []).append(told)
        job.next_due = job.due_at + sandbox.delay(after) if job.step + 1 < len(story) else None
    for connection_id, of_one in news.items():
        facts.receive(connection_id, Topic.CARRIER, of_one)


def _answers(parcels: Sequence[Booked | Redirection], caught: Collection[str]) -> Mapping[str, Answer]:
    return {
        parcel.reference: Answer(
            parcel.reference in caught, "" if parcel.reference in caught else "快件已在派送，无法处理"
        )
        for parcel in parcels
    }


def _story(reference: str, turned_at: int | None = None) -> list[tuple[str, str, float]]:
    """What happens to a parcel; decided by its number, so that every step tells of the same story, and by the step at
    which it was turned back."""
    if turned_at is not None:
        return [*_ARRIVES[:turned_at], *_STOPPED]
    lot = crc32(reference[::-1].encode()) % 200
    return [*_ARRIVES, *(_REFUSED if lot == 0 else _MISSED if lot < 4 else _SIGNED)]


CARRIER = SandboxCarrier()
