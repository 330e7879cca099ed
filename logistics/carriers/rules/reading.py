"""What the choice of carriers is made of, as the database has it: rules, carriers with their accounts, parcels."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Q

from inventory.promising import tables
from inventory.promising.freight import Measures
from inventory.promising.quoting import MM3_OF_A_CM3, MM_OF_A_CM
from logistics.carriers.rules.judging import Account, Asked, Goods, Judge, Rule
from logistics.carriers.rules.pricing import Way
from logistics.models import Carrier, CarrierAccount, CarrierDecision, CarrierRule, WaybillShare
from logistics.routing import areas
from oms.common.copying import array
from oms.common.money import to_fen
from orders.models import PaymentMethod


def judge(now: datetime, rules: Iterable[CarrierRule] | None = None) -> Judge:
    """The judge by the rules that count now, or by these. Four statements, and those of the freight tables where a rule
    looks at them."""
    return Judge([rule_of(row) for row in (active(now) if rules is None else rules)], carriers(), FreightTables(), now)


class FreightTables:
    """The freight tables, asked for their version once a batch, and only where they are needed."""

    def __init__(self) -> None:
        self._known: tables.Tables | None = None

    def __call__(self) -> tables.Tables:
        if self._known is None:
            self._known = tables.current()
        return self._known


def active(now: datetime) -> list[CarrierRule]:
    """The rules that count at a moment, in their order."""
    begun = Q(valid_from__isnull=True) | Q(valid_from__lte=now)
    lasts = Q(valid_until__isnull=True) | Q(valid_until__gt=now)
    return list(CarrierRule.objects.filter(begun, lasts, is_active=True).order_by("priority", "id"))


def rule_of(row: CarrierRule) -> Rule:
    """The rule as the judge knows it."""
    return Rule(
        id=row.pk,
        name=row.name,
        provinces=frozenset(row.provinces),
        regions=tuple(row.regions),
        min_weight_g=row.min_weight_g,
        max_weight_g=row.max_weight_g,
        storage_classes=frozenset(row.storage_classes),
        merchants=frozenset(row.merchants),
        channels=frozenset(row.channels),
        warehouses=frozenset(row.warehouses),
        payment_method=row.payment_method,
        carriers=tuple(row.carriers),
        excluded=frozenset(row.excluded),
        needs=frozenset(row.needs),
        most_fen=None if row.max_freight is None else to_fen(row.max_freight),
        sorts=tuple(row.sorts),
        wish=row.wish,
        on_nobody=row.on_nobody,
    )


def carriers() -> list[Asked]:
    """The carriers that waybills can be bought from. Three statements, and one where some are own couriers."""
    shares: dict[int, dict[tuple[str, int], int]] = defaultdict(dict)
    shared = set()
    for share in WaybillShare.objects.only("pk", "account_id", "merchant_id", "channel_id", "is_active"):
        shared.add(share.account_id)
        if share.is_active:
            user = ("channel", share.channel_id) if share.channel_id else ("merchant", share.merchant_id)
            shares[share.account_id][user] = share.pk
    accounts: dict[int, list[Account]] = defaultdict(list)
    named = set()
    for row in CarrierAccount.objects.order_by("position", "id"):
        named.add(row.carrier_id)
        if row.is_active:
            of_account = shares[row.pk] if row.pk in shared else None
            accounts[row.carrier_id].append(Account(row.connection_id, of_account))
    rows = Carrier.objects.filter(is_active=True).select_related("connection").order_by("priority", "code")
    found: list[Asked] = []
    own: set[int] = set()
    for one in rows:
        if one.pk not in named and one.connection_id is not None:
            accounts[one.pk].append(Account(one.connection_id))
        if accounts[one.pk]:
            found.append(Asked(one.pk, one.code, one.carrier_class, one.priority, tuple(accounts[one.pk])))
            if one.connection is not None and one.connection.protocol == "courier":
                own.update(account.connection_id for account in accounts[one.pk])
    if not own:
        return found
    served = areas.of_accounts(own)
    return [replace(one, area=_area(one, served)) if own.issuperset(_links(one)) else one for one in found]


def _links(carrier: Asked) -> set[int]:
    return {account.connection_id for account in carrier.accounts}


def _area(carrier: Asked, served: Mapping[int, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(code for link in sorted(_links(carrier)) for code in served.get(link, ()))


_OF_ONE = "s.payable_amount"
# What is merged is paid for together.
_OF_ALL = """coalesce((
    SELECT sum(p.payable_amount) FROM orders_suborder p WHERE p.id IN (
        SELECT l.sub_order_id FROM logistics_shipmentline x JOIN orders_suborderline l ON l.id = x.sub_order_line_id
        WHERE x.shipment_id = g.id)), s.payable_amount)"""


def _columns(cash: str) -> str:
    """SQL for what rules look at; `cash` is what is collected at the door (yuan) where it is paid there."""
    return f"""
    r.code, r.province, s.storage_class, i.id, i.code, m.id, m.code, h.id, f.code || '/' || h.code, s.payment_method,
    CASE WHEN s.payment_method = '{PaymentMethod.COD}' THEN ({cash} * 100)::bigint ELSE 0 END,
    coalesce(t.carrier, ''), coalesce(t.carrier_class, ''), p.promised_by
    """


_OF_ORDER = """
    JOIN orders_order o ON o.id = s.order_id
    JOIN inventory_region r ON r.code = o.region_id
    JOIN merchants_channel h ON h.id = o.channel_id JOIN merchants_merchant f ON f.id = h.merchant_id
    JOIN merchants_merchant m ON m.id = s.merchant_id
    LEFT JOIN orders_orderterms t ON t.order_id = o.id
    LEFT JOIN LATERAL (
        SELECT promised_by FROM orders_deliverypromise WHERE sub_order_id = s.id AND superseded_at IS NULL
        ORDER BY id DESC LIMIT 1) AS p ON true
"""


def _size(lines: str) -> str:
    """SQL for volume and longest side of the lines (alias `x`, of sub-order lines), NULL where one is not known."""
    return f"""
    LEFT JOIN LATERAL (
        SELECT ceil(sum(x.quantity * k.length_mm::numeric * k.width_mm * k.height_mm) / {MM3_OF_A_CM3})::bigint
                AS volume_cm3,
            ceil(max(greatest(k.length_mm, k.width_mm, k.height_mm)) / {MM_OF_A_CM}.0)::int AS longest_side_cm
        FROM {lines} JOIN orders_orderline ol ON ol.id = l.order_line_id JOIN inventory_sku k ON k.id = ol.sku_id
        HAVING bool_and(k.length_mm IS NOT NULL AND k.width_mm IS NOT NULL AND k.height_mm IS NOT NULL)
    ) AS size ON true
    """


_OF_PARCEL = _size(
    "logistics_shipmentline x JOIN orders_suborderline l ON l.id = x.sub_order_line_id AND x.shipment_id = g.id"
)
_OF_SUB_ORDER = _size("orders_suborderline x JOIN orders_suborderline l ON l.id = x.id AND x.sub_order_id = s.id")


def parcels(shipment_ids: Iterable[int]) -> list[Goods]:
    """Parcels as rules look at them, by their ids; the rest of a sub-order's cash is collected with its first. One
    statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT g.id, g.weight_g, size.volume_cm3, size.longest_side_cm, refused.codes, {_columns(_OF_ALL)}
            FROM logistics_shipment g JOIN orders_suborder s ON s.id = g.sub_order_id {_OF_ORDER}
            LEFT JOIN logistics_warehouseorder w ON w.id = g.warehouse_order_id
            LEFT JOIN inventory_warehouse i ON i.id = coalesce(w.warehouse_id, s.warehouse_id)
            LEFT JOIN LATERAL (
                SELECT array_agg(c.code) AS codes FROM logistics_carrierdecision d
                JOIN logistics_carrier c ON c.id = d.former_id
                WHERE d.shipment_id = g.id AND d.cause = '{CarrierDecision.Cause.REFUSED}') AS refused ON true
            {_OF_PARCEL}
            WHERE g.id = ANY(%s::bigint[]) ORDER BY g.id
            """,
            [array(shipment_ids)],
        )
        return [_goods(*row) for row in cursor.fetchall()]


def parts(sub_order_ids: Iterable[int]) -> list[Goods]:
    """Sub-orders as rules would look at them, each as one parcel; by their ids. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT s.id, s.weight_g, size.volume_cm3, size.longest_side_cm, NULL, {_columns(_OF_ONE)}
            FROM orders_suborder s {_OF_ORDER} LEFT JOIN inventory_warehouse i ON i.id = s.warehouse_id
            {_OF_SUB_ORDER}
            WHERE s.id = ANY(%s::bigint[]) ORDER BY s.id
            """,
            [array(sub_order_ids)],
        )
        return [_goods(*row) for row in cursor.fetchall()]


def _goods(
    key: int, weight_g: int, volume: int | None, side: int | None, refused: Sequence[str] | None, *rest: Any
) -> Goods:
    region, province, storage, warehouse_id, warehouse, merchant_id, merchant, channel_id, channel, method = rest[:10]
    cod_fen, wished, wished_class, promised_by = rest[10:]
    return Goods(
        key=key,
        way=Way(warehouse_id or 0, region, storage, Measures(weight_g, volume, side), cod_fen),
        province=province,
        merchant=merchant,
        channel=channel,
        warehouse=warehouse or "",
        payment_method=method,
        merchant_id=merchant_id,
        channel_id=channel_id,
        wished=wished,
        wished_class=wished_class,
        promised_by=promised_by,
        refused=frozenset(refused or ()),
    )
