"""Selling ahead (预售): units on order that a channel may sell before they are there.

    ahead = max(0, Σ units on order for, or on their way to, warehouses in use
                   − what orders wait for − what carts and quotes hold of it)

Only what comes on a day that is known, from today on and within a year, counts. What orders wait for is told by the app
above (`orders.stock.coming`), once a minute; the rest is read as it stands.
"""

from collections.abc import Collection, Iterable, Mapping

from django.db import connection

from inventory.models import IN_TRANSIT, PurchaseState
from inventory.promising.expecting import LONGEST_WAIT
from oms.common.copying import array
from oms.common.states import listed
from oms.common.transactions import require_transaction
from oms.common.zones import CHINA

_TODAY = f"(statement_timestamp() AT TIME ZONE '{CHINA.key}')::date"


def ahead_sql(sku: str) -> str:
    """SQL for the units of a SKU (an SQL expression of its id) that may be sold ahead, by all channels together."""
    return f"""greatest(0::bigint,
        coalesce((
            SELECT sum(bought.quantity - bought.received) FROM inventory_purchaseorderline bought
            JOIN inventory_purchaseorder buying ON buying.id = bought.order_id
            JOIN inventory_warehouse target ON target.id = buying.warehouse_id AND target.is_active
            WHERE bought.sku_id = {sku} AND bought.received < bought.quantity
                AND buying.state = '{PurchaseState.OPEN}'
                AND coalesce(bought.expected_on, buying.expected_on)
                    BETWEEN {_TODAY} AND {_TODAY} + {LONGEST_WAIT.days}
        ), 0)::bigint
        + coalesce((
            SELECT sum(moved.shipped - moved.received) FROM inventory_transferline moved
            JOIN inventory_transfer moving ON moving.id = moved.transfer_id
            JOIN inventory_warehouse target ON target.id = moving.target_id AND target.is_active
            WHERE moved.sku_id = {sku} AND moved.received < moved.shipped
                AND moving.state IN ({listed(IN_TRANSIT)})
                AND moving.expected_on BETWEEN {_TODAY} AND {_TODAY} + {LONGEST_WAIT.days}
        ), 0)::bigint
        - coalesce((SELECT coming.awaited FROM inventory_cominggoods coming WHERE coming.sku_id = {sku}), 0)
        - coalesce((SELECT sum(kept.ahead) FROM inventory_stockholdline kept
            WHERE kept.sku_id = {sku} AND kept.ahead > 0), 0)::bigint
    )"""


def units_ahead(sku_ids: Iterable[int]) -> dict[int, int]:
    """Units that may be sold ahead, by SKU (id). One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT k.id, {ahead_sql('k.id')} FROM unnest(%s::bigint[]) AS k(id)", [array(sorted(set(sku_ids)))]
        )
        return dict(cursor.fetchall())


def lock(sku_ids: Collection[int]) -> dict[int, int]:
    """Let nobody else set units of these SKUs (ids) aside ahead until the transaction ends; returns how many there are.

    Locked before stock, in the order of SKUs. Two statements.
    """
    require_transaction("preselling.lock")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO inventory_cominggoods (sku_id, awaited, units)"
            " SELECT id, 0, 0 FROM unnest(%s::bigint[]) AS s(id) ORDER BY id ON CONFLICT (sku_id) DO NOTHING",
            [array(sorted(sku_ids))],
        )
        cursor.execute(
            "SELECT sku_id FROM inventory_cominggoods WHERE sku_id = ANY(%s::bigint[]) ORDER BY sku_id"
            " FOR NO KEY UPDATE",
            [array(sorted(sku_ids))],
        )
    return units_ahead(sku_ids)


def note(awaited: Mapping[int, int]) -> int:
    """Keep how many units orders wait for, by SKU (id; the others: none), and when what may be sold ahead of each last
    changed; returns of how many SKUs it did. Two statements."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO inventory_cominggoods AS c (sku_id, awaited, units)
            SELECT coalesce(w.id, l.id), coalesce(w.units, 0), 0
            FROM unnest(%s::bigint[], %s::int[]) AS w(id, units)
            FULL JOIN (
                SELECT DISTINCT sku_id AS id FROM inventory_purchaseorderline WHERE received < quantity
                UNION SELECT sku_id FROM inventory_transferline WHERE received < shipped
                UNION SELECT sku_id FROM inventory_cominggoods
            ) AS l ON l.id = w.id
            ORDER BY 1
            ON CONFLICT (sku_id) DO UPDATE SET awaited = EXCLUDED.awaited WHERE c.awaited <> EXCLUDED.awaited
            """,
            [array(awaited), array(awaited.values())],
        )
        cursor.execute(
            f"""
            UPDATE inventory_cominggoods c SET units = now_.units, changed_at = clock_timestamp()
            FROM (SELECT sku_id, {ahead_sql("d.sku_id")} AS units FROM inventory_cominggoods d) AS now_
            WHERE now_.sku_id = c.sku_id AND now_.units <> c.units
            """
        )
        return cursor.rowcount


def give_up(hold_ids: Collection[int]) -> None:
    """What these set-asides still have ahead is nobody's any more."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE inventory_stockholdline SET ahead = 0 WHERE id IN ("
            " SELECT id FROM inventory_stockholdline WHERE hold_id = ANY(%s::bigint[]) AND ahead > 0"
            " ORDER BY id FOR NO KEY UPDATE)",
            [array(hold_ids)],
        )


def keep(units: Mapping[int, int]) -> None:
    """Lines (ids) keep at most so many units ahead."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE inventory_stockholdline l SET ahead = least(l.ahead, w.units)"
            " FROM unnest(%s::bigint[], %s::int[]) AS w(id, units) WHERE l.id = w.id AND l.ahead > w.units",
            [array(units), array(units.values())],
        )
