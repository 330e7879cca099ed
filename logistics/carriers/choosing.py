"""Which carrier gets a parcel: the one that its order wishes for, else the one that is tried first.

A parcel is given to a carrier when it is written. Where no carrier can be asked then, the stage here tries again. After
a refusal the next one in the parcel's own row is asked: those wished for come first, then all by their priority.
"""

from django.db import connection

from logistics.carriers import wishing
from logistics.models import Shipment, ShipmentState
from oms.common.copying import array
from oms.common.work.claiming import Queue, Stage, in_one_transaction, put_off
from orders.models.terms import UnmetWish

# Carriers that waybills can be bought from, as SQL on the alias `c`, and the order in which they are tried.
CAN_BE_ASKED = "c.is_active AND c.connection_id IS NOT NULL"
FIRST = (
    f"SELECT c.id, c.connection_id FROM logistics_carrier c WHERE {CAN_BE_ASKED} ORDER BY c.priority, c.code LIMIT 1"
)
NOBODY = "no carrier is active"


def _is_wished(carrier: str) -> str:
    return f"({carrier}.code = t.carrier OR {carrier}.carrier_class = t.carrier_class)"


def _place(carrier: str) -> str:
    """Where a carrier stands in the row of a parcel."""
    return f"(NOT coalesce({_is_wished(carrier)}, false), {carrier}.priority, {carrier}.code)"


# The wishes (alias `t`) of the sub-order with the alias `s`, where its order has any.
WISHES = """
    orders_orderterms t ON t.order_id = s.order_id AND (t.carrier <> '' OR t.carrier_class <> '')
"""
# The carrier that is wished for, beside WISHES; none where none is, or where it cannot be asked.
WISHED = f"""
    LATERAL (
        SELECT c.id, c.connection_id FROM logistics_carrier c
        WHERE t.order_id IS NOT NULL AND {CAN_BE_ASKED} AND {_is_wished("c")}
        ORDER BY c.priority, c.code LIMIT 1
    )
"""
# The carrier that is asked after the one with the alias `tried`, beside WISHES.
NEXT = f"""
    LATERAL (
        SELECT c.id, c.connection_id, coalesce({_is_wished("c")}, true) AS is_wished FROM logistics_carrier c
        WHERE {CAN_BE_ASKED} AND {_place("c")} > {_place("tried")}
        ORDER BY {_place("c")} LIMIT 1
    )
"""

QUEUE = Queue(Shipment, f"q.state = '{ShipmentState.CREATED}' AND q.connection_id IS NULL AND q.carrier_id IS NULL")


def run(limit: int) -> int:
    """Give up to `limit` parcels that have no carrier to the one that is tried first; returns how many were claimed."""
    return in_one_transaction(QUEUE, limit, _choose)


def _choose(shipment_ids: list[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE logistics_shipment h SET carrier_id = coalesce(w.id, c.id),
                connection_id = coalesce(w.connection_id, c.connection_id), attempts = 0, last_error = ''
            FROM ({FIRST}) AS c, orders_suborder s LEFT JOIN {WISHES} LEFT JOIN {WISHED} AS w ON true
            WHERE h.id = ANY(%s::bigint[]) AND s.id = h.sub_order_id
            """,
            [array(shipment_ids)],
        )
        if not cursor.rowcount:
            put_off(QUEUE, dict.fromkeys(shipment_ids, NOBODY))
            return
    wishing.note_unmet(shipment_ids, UnmetWish.UNAVAILABLE)


STAGE = Stage("choose_carrier", run, wakes=("dispatch",), queue=QUEUE)
