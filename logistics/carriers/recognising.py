"""Waybills that came without the code of their carrier: accounts that recognise waybills say whose they are.

Where they name one carrier that we have, the parcel becomes its; else a person chooses.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from django.db import connection

from logistics.carriers import adapters, errands, following
from logistics.carriers.adapters import Booked, Candidate
from logistics.carriers.trouble import CARRIER_UNKNOWN, CARRIER_UNRECOGNISED
from logistics.models import Carrier, ErrandKind, WaybillErrand
from logistics.watching import planning
from oms.common import tickets
from oms.common.copying import array
from oms.common.models import Connection
from oms.common.work import nudging
from oms.common.work.calling import Outcomes, outside_stage
from oms.common.work.singly import one_by_one
from oms.merchants import sandboxes

# Stands for a carrier that nobody named.
UNNAMED = "OTHER"


@dataclass(frozen=True, slots=True)
class _Recognised:
    """Whose a waybill may be; refused where that is not one carrier."""

    taken: bool
    reason: str
    candidates: Sequence[Candidate] = field(default=())


def wonder(shipment_ids: Sequence[int]) -> None:
    """Ask whose the waybills of locked parcels are, where nobody named their carrier and an account can tell."""
    if not shipment_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO logistics_waybillerrand (shipment_id, kind, connection_id, carrier_id, waybill, reference)
            SELECT h.id, '{ErrandKind.RECOGNISE}', link.id, h.carrier_id, h.waybill_number, h.number
            FROM logistics_shipment h JOIN logistics_carrier c ON c.id = h.carrier_id AND c.code = %s
            CROSS JOIN LATERAL (
                SELECT id FROM common_connection WHERE protocol = ANY(%s) AND is_active ORDER BY id LIMIT 1) AS link
            JOIN orders_suborder s ON s.id = h.sub_order_id AND s.merchant_id NOT IN {sandboxes.IDS}
            WHERE h.id = ANY(%s::bigint[]) AND h.waybill_number IS NOT NULL ORDER BY h.id
            ON CONFLICT DO NOTHING
            """,
            [UNNAMED, list(adapters.protocols_of(adapters.Recognises)), array(shipment_ids)],
        )
        if cursor.rowcount:
            nudging.nudge(STAGE.name)


def _ask(link: Connection, parcels: Sequence[Booked]) -> Mapping[str, _Recognised]:
    adapter = adapters.recognising(link)
    if adapter is None:  # the connection speaks another protocol now
        return {}
    return one_by_one(parcels, partial(_recognise, adapter, link))


def _recognise(adapter: adapters.Recognises, link: Connection, parcel: Booked) -> _Recognised:
    found = adapter.recognise(link, parcel.waybill)
    names = ", ".join(f"{one.name or one.carrier} ({one.carrier})" for one in found)
    return _Recognised(len(found) == 1, names, found)


def _follow(outcomes: Outcomes[_Recognised]) -> None:
    told = {key: answer.candidates[0].carrier for key, answer in outcomes.taken.items()}
    ours = dict(Carrier.objects.filter(code__in=told.values()).values_list("code", "pk"))
    owners = {key: ours[code] for key, code in told.items() if code in ours}
    with connection.cursor() as cursor:
        # A waybill that another parcel of the carrier has is not given twice.
        cursor.execute(
            """
            UPDATE logistics_shipment h SET carrier_id = n.carrier_id
            FROM unnest(%s::bigint[], %s::bigint[]) AS n(id, carrier_id)
            JOIN logistics_waybillerrand e ON e.id = n.id
            WHERE h.id = e.shipment_id AND h.waybill_number = e.waybill AND h.carrier_id = e.carrier_id
              AND NOT EXISTS (SELECT FROM logistics_shipment other
                  WHERE other.waybill_number = e.waybill AND other.carrier_id = n.carrier_id)
            RETURNING n.id, h.id
            """,
            [array(owners), array(owners.values())],
        )
        named = dict(cursor.fetchall())
    parcels = sorted(named.values())
    following.begin(parcels)
    planning.plan_parcels(parcels)
    tickets.close_tickets([CARRIER_UNKNOWN, CARRIER_UNRECOGNISED], parcels)
    answers = outcomes.taken | outcomes.refused
    rows = WaybillErrand.objects.filter(pk__in=answers.keys() - named.keys()).values_list(
        "pk", "shipment_id", "waybill", "shipment__sub_order__order_id"
    )
    troubles = [
        tickets.Trouble(shipment, "", {"waybill": waybill, "carriers": answers[key].reason or "–"}, about_id=order_id)
        for key, shipment, waybill, order_id in rows
    ]
    tickets.open_tickets(CARRIER_UNRECOGNISED, troubles, opened_by=STAGE.name)


def _lock_parcels(errand_ids: Collection[int]) -> None:
    """Parcels come before what is asked of them."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id FROM logistics_shipment
            WHERE id IN (SELECT shipment_id FROM logistics_waybillerrand WHERE id = ANY(%s::bigint[]))
            ORDER BY id FOR NO KEY UPDATE
            """,
            [array(errand_ids)],
        )


STAGE = outside_stage(
    "recognise_waybill",
    errands.call(ErrandKind.RECOGNISE, _ask, _follow, lock_above=_lock_parcels),
    wakes=("subscribe",),
)
run = STAGE.run
