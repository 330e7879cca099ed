"""Pretended warehouses and carriers. They answer after plausible delays, in the words of a real system's callbacks.

A warehouse accepts, picks and packs, and ships once the parcel has a waybill. A carrier collects, carries and
delivers; one parcel in fifty is missed at the first try, one in two hundred is refused and comes back.
"""

from collections.abc import Sequence
from hashlib import blake2b
from zlib import crc32

from logistics.adapters import Answer, Parcel, Work
from logistics.carriers import tracking
from logistics.models import ShipmentState, WarehouseEvent
from logistics.warehouses import events
from oms.common.work import sandbox

HOUR = 3600.0

# What a warehouse says, step by step, and how many seconds before the next; None: it waits for the waybill.
WAREHOUSE_STEPS: list[tuple[str, float | None]] = [
    (WarehouseEvent.Kind.ACCEPTED, 0.5 * HOUR),
    (WarehouseEvent.Kind.PICKING, 1 * HOUR),
    (WarehouseEvent.Kind.PACKED, None),
    (WarehouseEvent.Kind.SHIPPED, None),
]
ACCEPTS_AFTER, SHIPS_AFTER, COLLECTS_AFTER = 0.2 * HOUR, 1 * HOUR, 3 * HOUR

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


class SandboxWarehouse:
    """See `logistics.adapters.WarehouseSystem`."""

    def release(self, works: Sequence[Work]) -> dict[str, Answer]:
        """Every sub-order is taken."""
        sandbox.put("warehouse", [(work.reference, {}, sandbox.delay(ACCEPTS_AFTER)) for work in works])
        return {work.reference: Answer(taken=True) for work in works}

    def cancel(self, references: Sequence[str]) -> dict[str, Answer]:
        """Stopped unless it is packed already."""
        packed = sandbox.stop("warehouse", references, before_step=3)
        return {ref: Answer(taken=ref not in packed, reason="packed already") for ref in references}


class SandboxCarrier:
    """See `logistics.adapters.CarrierSystem`."""

    def book(self, parcels: Sequence[Parcel]) -> dict[str, Answer]:
        """Every parcel gets a waybill, the same again when asked again; the warehouse may then ship it."""
        waybills = {parcel.reference: _waybill(parcel) for parcel in parcels}
        sandbox.put(
            "carrier",
            [
                (
                    parcel.reference,
                    {"carrier": parcel.carrier, "waybill": waybills[parcel.reference], "city": parcel.city},
                    sandbox.delay(COLLECTS_AFTER),
                )
                for parcel in parcels
            ],
        )
        sandbox.schedule("warehouse", [parcel.sub_order for parcel in parcels], sandbox.delay(SHIPS_AFTER))
        return {reference: Answer(taken=True, waybill=waybill) for reference, waybill in waybills.items()}


def _waybill(parcel: Parcel) -> str:
    """A number of the form that the carrier's waybills have: its code and 13 digits."""
    digest = blake2b(parcel.reference.encode(), digest_size=8).digest()
    return f"{parcel.carrier}{int.from_bytes(digest, 'big') % 10**13:013d}"


def report_from_warehouses(jobs: list[sandbox.Due]) -> None:
    """Say what the warehouses did, as their callbacks would."""
    notices = []
    for job in jobs:
        kind, after = WAREHOUSE_STEPS[job.step]
        notices.append(events.Notice(f"sandbox-{job.reference}-{kind}", job.reference, kind, job.due_at))
        job.next_due = None if after is None else job.due_at + sandbox.delay(after)
    events.receive(notices)


def report_from_carriers(jobs: list[sandbox.Due]) -> None:
    """Say where the parcels are, as the carriers' pushes would."""
    scans = []
    for job in jobs:
        story = _story(job.reference)
        state, text, after = story[job.step]
        scans.append(
            tracking.Scan(
                key=f"{job.step}",
                carrier=job.data["carrier"],
                waybill=job.data["waybill"],
                state=state,
                text=text,
                location=job.data["city"] if job.step >= 2 else "",
                occurred_at=job.due_at,
            )
        )
        job.next_due = job.due_at + sandbox.delay(after) if job.step + 1 < len(story) else None
    tracking.receive(scans)


def _story(reference: str) -> list[tuple[str, str, float]]:
    """What happens to a parcel; decided by its number, so that every step tells of the same story."""
    lot = crc32(reference[::-1].encode()) % 200
    return [*_ARRIVES, *(_REFUSED if lot == 0 else _MISSED if lot < 4 else _SIGNED)]


WAREHOUSE = SandboxWarehouse()
CARRIER = SandboxCarrier()
