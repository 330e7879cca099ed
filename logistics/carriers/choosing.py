"""Which carrier gets a parcel: today the one that is tried first.

A parcel is given to a carrier when it is written. Where no carrier can be asked then, the stage here tries again.
"""

from django.db import connection

from logistics.models import Carrier, Shipment, ShipmentState
from oms.common.copying import array
from oms.common.work.claiming import Queue, Stage, in_one_transaction, put_off

# Carriers that waybills can be bought from, as SQL on the alias `c`, and the order in which they are tried.
CAN_BE_ASKED = "c.is_active AND c.connection_id IS NOT NULL"
FIRST = (
    f"SELECT c.id, c.connection_id FROM logistics_carrier c WHERE {CAN_BE_ASKED} ORDER BY c.priority, c.code LIMIT 1"
)
NOBODY = "no carrier is active"

QUEUE = Queue(Shipment, f"q.state = '{ShipmentState.CREATED}' AND q.connection_id IS NULL AND q.carrier_id IS NULL")


def run(limit: int) -> int:
    """Give up to `limit` parcels that have no carrier to the one that is tried first; returns how many were claimed."""
    return in_one_transaction(QUEUE, limit, _choose)


def _choose(shipment_ids: list[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE logistics_shipment h SET carrier_id = c.id, connection_id = c.connection_id, attempts = 0,
                last_error = ''
            FROM ({FIRST}) AS c WHERE h.id = ANY(%s::bigint[])
            """,
            [array(shipment_ids)],
        )
        if not cursor.rowcount:
            put_off(QUEUE, dict.fromkeys(shipment_ids, NOBODY))


def following() -> dict[int, tuple[int, int]]:
    """Which carrier is tried after each (by id), with its connection."""
    rows = Carrier.objects.filter(is_active=True, connection__isnull=False).order_by("priority", "code")
    carriers = list(rows.values_list("id", "connection_id"))
    every = list(Carrier.objects.order_by("priority", "code").values_list("id", flat=True))
    can_be_asked = dict(carriers)
    nexts: dict[int, tuple[int, int]] = {}
    coming: tuple[int, int] | None = None
    for key in reversed(every):
        if coming is not None:
            nexts[key] = coming
        if key in can_be_asked:
            connection_id = can_be_asked[key]
            assert connection_id is not None  # noqa: S101 - filtered above
            coming = (key, connection_id)
    return nexts


STAGE = Stage("choose_carrier", run, wakes=("dispatch",), queue=QUEUE)
