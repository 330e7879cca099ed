"""Pretended warehouses. They answer after plausible delays, by the same facts as a real system's callbacks.

A warehouse accepts, picks and packs, and ships once the parcel has a waybill: one that we bought, or its own.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

from logistics.carriers.adapters import sandbox as carriers
from logistics.models import Carrier
from logistics.warehouses import comparing
from logistics.warehouses.adapters import Answer, Request
from logistics.warehouses.notices import Notice
from oms.common.models import Connection, Topic
from oms.common.work import facts, sandbox

HOUR = 3600.0
PROTOCOL, SYSTEM = "sandbox", "warehouse"

# What a warehouse says, step by step, and how many seconds before the next; None: it waits for the waybill.
STEPS: list[tuple[Notice, float | None]] = [
    (Notice.ACCEPTED, 0.5 * HOUR),
    (Notice.PICKING, 1 * HOUR),
    (Notice.PACKED, None),
    (Notice.SHIPPED, None),
]
# What was packed cannot be stopped any more.
PACKED_STEP = 1 + [notice for notice, _after in STEPS].index(Notice.PACKED)
ACCEPTS_AFTER, SHIPS_AFTER = 0.2 * HOUR, 1 * HOUR
# The carrier of warehouses that bring their own waybills.
OWN_CARRIER = "SF"


class SandboxWarehouse:
    """See `logistics.warehouses.adapters.WarehouseSystem`."""

    def release(self, link: Connection, requests: Sequence[Request]) -> Mapping[str, Answer]:
        """Every order is taken."""
        sandbox.put(
            SYSTEM,
            [(request.reference, _known(request, link), sandbox.delay(ACCEPTS_AFTER)) for request in requests],
            connection_id=link.pk,
        )
        return {request.reference: Answer(taken=True) for request in requests}

    def cancel(self, link: Connection, references: Sequence[str]) -> Mapping[str, Answer]:
        """Stopped unless it is packed already."""
        packed = sandbox.stop(SYSTEM, references, before_step=PACKED_STEP)
        return {ref: Answer(taken=ref not in packed, reason="packed already") for ref in references}

    def stock(self, link: Connection, warehouse: str) -> Mapping[str, Any]:
        """What the books say: it keeps none of its own."""
        return comparing.pretended(link, warehouse)


def _known(request: Request, link: Connection) -> dict[str, object]:
    """What the warehouse keeps of a request."""
    if request.brings_waybill:
        return {"own": True, "carrier": link.options.get("carrier", OWN_CARRIER)}
    return {"waybill": True} if request.waybill else {}


def waybill_came(references: Sequence[str]) -> None:
    """The parcels of these orders have a waybill: once they are packed, they leave."""
    if not references:
        return
    sandbox.go_on(SYSTEM, references, sandbox.delay(SHIPS_AFTER), note={"waybill": True}, before_step=len(STEPS))


def report(jobs: list[sandbox.Due]) -> None:
    """Say what the warehouses did, as their callbacks would."""
    news: dict[int, list[facts.News]] = {}
    carried: dict[str, list[str]] = {}
    for job in jobs:
        notice, after = STEPS[job.step]
        body = {}
        if notice == Notice.PACKED and job.data:
            after = SHIPS_AFTER
        if notice == Notice.PACKED and job.data.get("own"):
            carrier = job.data.get("carrier", OWN_CARRIER)
            body = {"carrier": carrier, "waybill": _own_waybill(carrier, job.reference)}
            carried.setdefault(carrier, []).append(body["waybill"])
        told = facts.News(f"sandbox-{job.reference}-{notice}", notice, job.reference, job.due_at, body)
        news.setdefault(job.connection_id or 0, []).append(told)
        job.next_due = None if after is None else job.due_at + sandbox.delay(after)
    for connection_id, of_one in news.items():
        facts.receive(connection_id, Topic.WAREHOUSE, of_one)
    if carried:
        # Their carriers come for parcels with the warehouse's own waybills, too; those are named by carrier.
        carriers.carry(Carrier.objects.filter(code__in=carried, connection__isnull=False), carried)


def _own_waybill(carrier: str, reference: str) -> str:
    digest = blake2b(reference.encode(), digest_size=8).digest()
    return f"{carrier}9{int.from_bytes(digest, 'big') % 10**12:012d}"


WAREHOUSE = SandboxWarehouse()
