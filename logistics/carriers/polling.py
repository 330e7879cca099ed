"""The poller: parcels that nothing was heard of for long are asked for, the longest silent first.

What is answered becomes facts under the keys that pushes have, so that what was heard before changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import connection

from logistics.carriers import adapters, asked, budget, following
from logistics.carriers.adapters import Booked
from logistics.carriers.trouble import WAYBILL_UNKNOWN
from logistics.models import Direction, Polling
from oms.common import tickets
from oms.common.copying import array
from oms.common.models import Connection, Topic
from oms.common.work import facts
from oms.common.work.calling import Call, Outcomes, outside_stage
from oms.common.work.claiming import Queue
from oms.common.work.facts import News

# Who was silent for so long is not asked for any more: carriers forget waybills.
GIVEN_UP_AFTER_DAYS = 60
# A silence is a deadline, no wait that a drain may skip: it would ask for ever.
QUEUE = Queue(
    Polling,
    "NOT q.is_over AND q.ask_at <= now()",
    unless="NOT EXISTS (SELECT FROM logistics_accountsettings a WHERE a.connection_id = q.connection_id AND a.polls)",
    order="q.silent_since, q.id",
)


@dataclass(frozen=True, slots=True)
class _Told:
    """What an account told of a parcel."""

    connection_id: int
    news: Sequence[News]
    taken: bool = True
    reason: str = ""


def _ask(link: Connection, parcels: Sequence[Booked]) -> Mapping[str, _Told]:
    adapter = adapters.querying(link)
    if adapter is None:  # the connection speaks another protocol now
        return {}
    return {reference: _Told(link.pk, news) for reference, news in adapter.query(link, parcels).items()}


def _receive(outcomes: Outcomes[_Told]) -> None:
    news: dict[int, dict[str, News]] = {}
    for told in outcomes.taken.values():
        news.setdefault(told.connection_id, {}).update({one.key: one for one in told.news})
    for connection_id, of_one in news.items():
        facts.receive(connection_id, Topic.CARRIER, list(of_one.values()))


def _finish(outcomes: Outcomes[_Told]) -> None:
    _receive(outcomes)
    if not outcomes.taken:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE logistics_polling p SET asked = p.asked + 1, asked_at = now(), lease_until = NULL, attempts = 0,
                last_error = '', ask_at = {following.next_look("a")}, ready_at = {following.next_look("a")},
                -- Of what is known, its scans take the count back.
                nothing_known = CASE WHEN n.is_known OR h.left_at IS NULL AND h.direction <> '{Direction.RETURN}'
                                     THEN p.nothing_known
                                     ELSE least(p.nothing_known + 1, 10000) END,
                is_over = p.silent_since < now() - interval '{GIVEN_UP_AFTER_DAYS} days'
            FROM unnest(%s::bigint[], %s::boolean[]) AS n(id, is_known), logistics_accountsettings a,
                logistics_shipment h JOIN logistics_carrier c ON c.id = h.carrier_id
                JOIN orders_suborder s ON s.id = h.sub_order_id
            WHERE p.id = n.id AND a.connection_id = p.connection_id AND h.id = p.shipment_id
            RETURNING h.id, s.order_id, h.number, h.waybill_number, c.name, p.nothing_known,
                p.nothing_known >= a.tries_of_unknown
            """,
            [array(outcomes.taken), [bool(told.news) for told in outcomes.taken.values()]],
        )
        rows = cursor.fetchall()
    troubles = [
        tickets.Trouble(
            key, "", {"number": number, "waybill": waybill, "carrier": carrier, "tries": tries}, about_id=order_id
        )
        for key, order_id, number, waybill, carrier, tries, is_unknown in rows
        if is_unknown
    ]
    tickets.open_tickets(WAYBILL_UNKNOWN, troubles, opened_by=STAGE.name)


def _prepare(keys: Sequence[int]) -> Mapping[int, Booked]:
    parcels = dict(Polling.objects.filter(pk__in=keys).values_list("shipment_id", "pk"))
    return {parcels[shipment]: parcel for shipment, parcel in asked.booked(parcels).items()}


STAGE = outside_stage(
    "poll",
    Call(QUEUE, _prepare, _ask, _finish, too_late=_receive, allowance=budget.POLLING),
    wakes=("carrier_facts",),
)
run = STAGE.run
