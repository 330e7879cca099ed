"""Which parcels accounts are asked about: all whose carrier is followed over an account that can be asked or told to
tell. Begun with the waybill, put off by every scan, over when the parcel arrived, came back or will not leave."""

from collections.abc import Collection, Sequence

from django.conf import settings
from django.db import connection

from logistics.carriers import adapters
from logistics.carriers.trouble import WAYBILL_UNKNOWN
from logistics.models import ErrandKind, ShipmentState
from oms.common import tickets
from oms.common.copying import array
from oms.common.models import Connection
from oms.common.states import listed
from oms.common.work import nudging
from oms.merchants import sandboxes

# What is left to hear of a parcel that is in one of these is not worth a question.
ENDED = (ShipmentState.SIGNED, ShipmentState.RETURNED, ShipmentState.LOST, ShipmentState.CANCELLED)
# Those that pushes and polls tell of, as SQL on parcels `h`, their carriers `c` and the account `link`; no account
# knows parcels of sandboxes.
_FOLLOWED = f"""
    logistics_shipment h JOIN logistics_carrier c ON c.id = h.carrier_id
    JOIN common_connection link ON link.id = coalesce(c.tracking_connection_id, h.connection_id, c.connection_id)
    JOIN orders_suborder sold ON sold.id = h.sub_order_id AND sold.merchant_id NOT IN {sandboxes.IDS}
"""


def next_look(account: str) -> str:
    """The SQL expression for when a parcel is asked for next; `account` is the alias of the account's settings."""
    return f"now() + make_interval(secs => {account}.silent_minutes * 60.0 / {settings.TIME_SPEED})"


def begin(shipment_ids: Collection[int]) -> None:
    """Follow parcels that got a waybill, where their carrier's account can be asked; one that has another waybill now
    is followed anew. Costs one statement where none can."""
    if not shipment_ids:
        return
    asked, told = adapters.protocols_of(adapters.Queries), adapters.protocols_of(adapters.Subscribes)
    ids = array(shipment_ids)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT link.id FROM {_FOLLOWED} WHERE h.id = ANY(%s::bigint[]) AND link.protocol = ANY(%s)",
            [ids, sorted({*asked, *told})],
        )
        accounts = Connection.objects.in_bulk([key for (key,) in cursor.fetchall()])
        if not accounts:
            return
        own = [key for key, link in accounts.items() if adapters.tells_of_its_own(link)]
        cursor.execute(
            """
            INSERT INTO logistics_accountsettings (connection_id) SELECT unnest(%(accounts)s::bigint[])
            ON CONFLICT DO NOTHING
            """,
            {"accounts": array(accounts)},
        )
        cursor.execute(
            f"""
            WITH followed AS (
                SELECT h.id, h.number, h.carrier_id, h.waybill_number, link.id AS link_id, link.protocol,
                    -- Nobody says that an order is told of beyond its mother.
                    coalesce(h.connection_id = link.id AND link.id = ANY(%(own)s::bigint[])
                             AND h.mother_id IS NULL, false) AS is_told,
                    a.subscribes, {next_look("a")} AS ask_at
                FROM {_FOLLOWED} JOIN logistics_accountsettings a ON a.connection_id = link.id
                WHERE h.id = ANY(%(ids)s::bigint[]) AND h.waybill_number IS NOT NULL
                  AND h.state NOT IN ({listed(ENDED)})
            ), polled AS (
                INSERT INTO logistics_polling AS p (shipment_id, connection_id, ask_at, ready_at, subscribed_at)
                SELECT id, link_id, ask_at, ask_at, CASE WHEN is_told THEN now() END FROM followed
                ORDER BY id
                ON CONFLICT (shipment_id) DO UPDATE SET connection_id = excluded.connection_id,
                    ask_at = excluded.ask_at, ready_at = excluded.ready_at, subscribed_at = excluded.subscribed_at,
                    silent_since = now(), nothing_known = 0, is_over = false, attempts = 0, last_error = '',
                    lease_until = NULL, needs_person_since = NULL
            )
            INSERT INTO logistics_waybillerrand (shipment_id, kind, connection_id, carrier_id, waybill, reference)
            SELECT id, '{ErrandKind.SUBSCRIBE}', link_id, carrier_id, waybill_number, number FROM followed
            WHERE subscribes AND NOT is_told AND protocol = ANY(%(told)s) ORDER BY id
            ON CONFLICT DO NOTHING
            """,
            {"ids": ids, "own": array(own), "told": list(told)},
        )
    nudging.nudge("subscribe")


def begin_all_of(carrier_id: int) -> None:
    """Follow what is on its way with a carrier whose account changed."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT id FROM logistics_shipment WHERE carrier_id = %s AND waybill_number IS NOT NULL
              AND state NOT IN ({listed(ENDED)}) ORDER BY id
            """,
            [carrier_id],
        )
        begin([key for (key,) in cursor.fetchall()])


def heard(shipment_ids: Sequence[int]) -> None:
    """News of locked parcels came: they are asked for only after another silence, or not at all where they are at
    their end."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH former AS (
                SELECT p.id, p.shipment_id, p.nothing_known, h.state IN ({listed(ENDED)}) AS is_over,
                    {next_look("a")} AS ask_at
                FROM logistics_polling p JOIN logistics_shipment h ON h.id = p.shipment_id
                JOIN logistics_accountsettings a ON a.connection_id = p.connection_id
                WHERE p.shipment_id = ANY(%s::bigint[]) ORDER BY p.id FOR NO KEY UPDATE OF p
            )
            UPDATE logistics_polling p SET silent_since = now(), ask_at = f.ask_at, ready_at = f.ask_at,
                nothing_known = 0, is_over = f.is_over, attempts = 0, last_error = '', needs_person_since = NULL
            FROM former f WHERE p.id = f.id RETURNING p.shipment_id, f.nothing_known > 0
            """,
            [array(shipment_ids)],
        )
        tickets.close_tickets([WAYBILL_UNKNOWN], [key for key, was_unknown in cursor.fetchall() if was_unknown])


def end(shipment_ids: Sequence[int]) -> None:
    """Ask no more for locked parcels that will not leave."""
    if not shipment_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE logistics_polling SET is_over = true, needs_person_since = NULL"
            " WHERE shipment_id = ANY(%s::bigint[]) AND NOT is_over",
            [array(shipment_ids)],
        )
