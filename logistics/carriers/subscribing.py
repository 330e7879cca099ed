"""Asking accounts to tell of parcels whose waybill they did not sell: once each. The poller repairs what they
refuse."""

from collections.abc import Mapping, Sequence

from django.db import connection

from logistics.carriers import adapters, errands
from logistics.carriers.adapters import Answer, Booked
from logistics.models import ErrandKind
from oms.common.copying import array
from oms.common.models import Connection
from oms.common.work.calling import Outcomes, outside_stage


def _ask(link: Connection, parcels: Sequence[Booked]) -> Mapping[str, Answer]:
    adapter = adapters.subscribing(link)
    if adapter is None:  # the connection speaks another protocol now
        return {}
    return adapter.subscribe(link, parcels)


def _follow(outcomes: Outcomes[Answer]) -> None:
    if not outcomes.taken:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE logistics_polling p SET subscribed_at = now()
            FROM logistics_waybillerrand e JOIN logistics_shipment h ON h.id = e.shipment_id
            WHERE e.id = ANY(%s::bigint[]) AND p.shipment_id = e.shipment_id AND p.connection_id = e.connection_id
              AND h.waybill_number = e.waybill
            """,
            [array(outcomes.taken)],
        )


STAGE = outside_stage("subscribe", errands.call(ErrandKind.SUBSCRIBE, _ask, _follow))
run = STAGE.run
