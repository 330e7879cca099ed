"""What of the stock each channel may sell: one formula, in Python and in SQL.

    sellable = max(0, min(cap, floor((Σ over warehouses of what can be promised + units ahead × presale / 100)
                                     × share / 100) − kept back))

Units ahead are those on order that nobody waits for (`inventory.preselling`). It says what a channel may show and set
aside. An order that came is filled from all of the stock: the buyer has it in writing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Q

from inventory import preselling
from inventory.availability import available_sql
from inventory.models import ChannelShare
from oms.common.copying import array


@dataclass(frozen=True, slots=True)
class Share:
    """How much of what can be promised a channel may sell: per cent, units of that which it does not see, and a cap
    (None: none); and how much of what is on order counts as if it were there (per cent)."""

    percent: int = 100
    kept_back: int = 0
    cap: int | None = None
    presale_percent: int = 0


ALL = Share()


def sellable(units: int, share: Share, ahead: int = 0) -> int:
    """Units that a channel may sell of `units` that can be promised in all and of those `ahead`; `sellable_sql` says
    the same."""
    counted = 100 * max(0, units) + share.presale_percent * ahead
    seen = counted * share.percent // 10_000 - share.kept_back
    return max(0, seen if share.cap is None else min(seen, share.cap))


def sellable_sql(units: str, share: str, ahead: str = "0") -> str:
    """SQL for the units that a channel may sell of the SQL expressions `units` and `ahead`, by the row of
    `inventory_channelshare` that the statement calls `share`, which may be missing; the twin of `sellable`."""
    # What is ahead takes work to find out: it is asked for only where it counts.
    presold = f"CASE WHEN {share}.presale_percent > 0 THEN {share}.presale_percent * {ahead} ELSE 0 END"
    counted = f"(100 * greatest({units}, 0)::bigint + {presold})"
    seen = f"({counted} * coalesce({share}.percent, 100) / 10000 - coalesce({share}.kept_back, 0))"
    return f"greatest(least({seen}, {share}.cap), 0)"


def sellable_units_sql(channel: str, sku: str) -> str:
    """SQL for the units that a channel may sell of a SKU now (SQL expressions of their ids), by the SKU's own share,
    else by that of all."""
    return f"""(
        SELECT {sellable_sql("promisable.units", "share", preselling.ahead_sql(sku))} FROM (
            SELECT coalesce(sum({available_sql("s")}), 0)::bigint AS units
            FROM inventory_stock s JOIN inventory_warehouse h ON h.id = s.warehouse_id AND h.is_active
            WHERE s.sku_id = {sku}
        ) AS promisable
        LEFT JOIN LATERAL (
            SELECT * FROM inventory_channelshare c
            WHERE c.channel_id = {channel} AND (c.sku_id = {sku} OR c.sku_id IS NULL)
            ORDER BY c.sku_id NULLS LAST LIMIT 1
        ) AS share ON true
    )"""


def shares(channel_id: int, sku_ids: Iterable[int]) -> dict[int, Share]:
    """The channel's shares of those of the SKUs of which it may not sell everything. One statement."""
    wanted = set(sku_ids)
    said: dict[int | None, Share] = {}
    rows = ChannelShare.objects.filter(Q(sku__in=wanted) | Q(sku=None), channel_id=channel_id)
    names = ("sku_id", "percent", "kept_back", "cap", "presale_percent")
    for sku_id, percent, kept_back, cap, presale in rows.values_list(*names):
        said[sku_id] = Share(percent, kept_back, cap, presale)
    of_all = said.get(None, ALL)
    found = {sku_id: said.get(sku_id, of_all) for sku_id in wanted}
    return {sku_id: share for sku_id, share in found.items() if share != ALL}


@dataclass(frozen=True, slots=True)
class NewShare:
    """A share of a channel, of one SKU or (`sku_id` None) of all that have none of their own."""

    channel_id: int
    sku_id: int | None
    share: Share


@transaction.atomic
def set_shares(new: Sequence[NewShare], *, actor: str) -> None:
    """Say how much the channels may sell from now on; the last word counts where a place is named twice. One statement.

    Shares are never deleted: what sells everything again is a share of `ALL`.
    """
    last = {(one.channel_id, one.sku_id): one for one in new}
    ordered = sorted(last.values(), key=lambda one: (one.channel_id, one.sku_id or 0))
    if not ordered:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO inventory_channelshare AS c
                (channel_id, sku_id, percent, kept_back, cap, presale_percent, changed_at, changed_by)
            SELECT channel_id, sku_id, percent, kept_back, cap, presale_percent, clock_timestamp(), %s
            FROM unnest(%s::bigint[], %s::bigint[], %s::int[], %s::int[], %s::int[], %s::int[])
                AS n(channel_id, sku_id, percent, kept_back, cap, presale_percent)
            ON CONFLICT (channel_id, sku_id) DO UPDATE SET percent = EXCLUDED.percent, kept_back = EXCLUDED.kept_back,
                cap = EXCLUDED.cap, presale_percent = EXCLUDED.presale_percent, changed_at = clock_timestamp(),
                changed_by = EXCLUDED.changed_by
            """,
            [
                actor,
                array(one.channel_id for one in ordered),
                array(one.sku_id for one in ordered),
                array(one.share.percent for one in ordered),
                array(one.share.kept_back for one in ordered),
                array(one.share.cap for one in ordered),
                array(one.share.presale_percent for one in ordered),
            ],
        )


def sellable_units(pairs: Mapping[int, Iterable[int]]) -> dict[tuple[int, int], int]:
    """Units that channels may sell of SKUs (ids, by channel), by (channel, SKU). One statement."""
    flat = sorted({(channel, sku) for channel, skus in pairs.items() for sku in skus})
    if not flat:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT w.channel_id, w.sku_id, {sellable_units_sql("w.channel_id", "w.sku_id")}
            FROM unnest(%s::bigint[], %s::bigint[]) AS w(channel_id, sku_id)
            """,
            [array(channel for channel, _sku in flat), array(sku for _channel, sku in flat)],
        )
        return {(channel, sku): units for channel, sku, units in cursor.fetchall()}


@dataclass(frozen=True, slots=True)
class SkuStock:
    """Units of a SKU in all warehouses; `available` is what can be promised at those in use, `ahead` what may be sold
    ahead. `changed_at`: when any of it, or what channels may sell of it, last changed."""

    sku_id: int
    code: str
    on_hand: int
    reserved: int
    frozen: int
    safety_stock: int
    available: int
    ahead: int
    changed_at: datetime


def changed(merchant_id: int, after: tuple[datetime, int], until: datetime, limit: int) -> list[SkuStock]:
    """Up to `limit` of the merchant's SKUs that have stock, or were on order, and changed after the place (time and id
    of a SKU) and before `until`, in the order of their changes. One statement, over all stock of the merchant."""
    at, sku_id = after
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH said AS (
                SELECT c.sku_id, max(c.changed_at) AS changed_at FROM inventory_channelshare c
                JOIN merchants_channel h ON h.id = c.channel_id WHERE h.merchant_id = %(merchant)s GROUP BY c.sku_id
            )
            SELECT found.* FROM (
                SELECT k.id, k.code, coalesce(sum(s.on_hand), 0)::bigint, coalesce(sum(s.reserved), 0)::bigint,
                    coalesce(sum(s.frozen), 0)::bigint, coalesce(sum(s.safety_stock), 0)::bigint,
                    coalesce(sum({available_sql("s")}) FILTER (WHERE w.is_active), 0)::bigint,
                    coalesce(max(coming.units), 0)::bigint,
                    greatest(max(s.changed_at), max(coming.changed_at), max(own.changed_at),
                        (SELECT changed_at FROM said WHERE sku_id IS NULL)) AS changed_at
                FROM inventory_sku k
                LEFT JOIN (inventory_stock s JOIN inventory_warehouse w ON w.id = s.warehouse_id) ON s.sku_id = k.id
                LEFT JOIN inventory_cominggoods coming ON coming.sku_id = k.id
                LEFT JOIN said own ON own.sku_id = k.id
                WHERE k.merchant_id = %(merchant)s AND (s.id IS NOT NULL OR coming.sku_id IS NOT NULL) GROUP BY k.id
            ) AS found
            WHERE (changed_at, id) > (%(at)s, %(id)s) AND changed_at < %(until)s ORDER BY changed_at, id LIMIT %(limit)s
            """,
            {"merchant": merchant_id, "at": at, "id": sku_id, "until": until, "limit": limit},
        )
        return [SkuStock(*row) for row in cursor.fetchall()]
