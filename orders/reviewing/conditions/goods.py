"""Conditions on what was ordered: SKUs, their units and classes, gifts."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy

from inventory.availability import available_sql
from inventory.models import UNKNOWN_GOODS, StorageClass
from orders.reviewing.conditions.base import Builder, Kind, Sql, fact
from orders.reviewing.params import Param

Values = Mapping[str, Any]

_LINES = "orders_orderline l JOIN inventory_sku k ON k.id = l.sku_id"


def _sku_units_over(b: Builder, values: Values) -> Sql:
    limit, alias = b.bind(values["units"], "int"), b.alias()
    named = f"AND k.code = ANY({b.bind(values['skus'], 'text[]')})" if values["skus"] else ""
    join = f"""
    LEFT JOIN LATERAL (
        SELECT k.code, sum(l.quantity) AS units FROM {_LINES}
        WHERE l.order_id = o.id AND o.total_quantity > {limit} AND k.code <> '{UNKNOWN_GOODS}' {named}
        GROUP BY k.id HAVING sum(l.quantity) > {limit} ORDER BY 2 DESC, 1 LIMIT 1
    ) AS {alias} ON true
    """
    found = fact(found=f"{alias}.code || ' × ' || {alias}.units", limit=f"{limit}::text")
    return Sql(f"{alias}.units IS NOT NULL", found, join)


def _has_sku(b: Builder, values: Values) -> Sql:
    alias = b.alias()
    join = f"""
    LEFT JOIN LATERAL (SELECT k.code FROM {_LINES}
        WHERE l.order_id = o.id AND k.code = ANY({b.bind(values["skus"], "text[]")}) ORDER BY l.position LIMIT 1
    ) AS {alias} ON true
    """
    return Sql(f"{alias}.code IS NOT NULL", fact(found=f"{alias}.code"), join)


def _has_class(b: Builder, values: Values) -> Sql:
    alias = b.alias()
    join = f"""
    LEFT JOIN LATERAL (SELECT true AS is_there FROM {_LINES}
        WHERE l.order_id = o.id AND k.storage_class = ANY({b.bind(values["classes"], "text[]")}) LIMIT 1
    ) AS {alias} ON true
    """
    return Sql(f"coalesce({alias}.is_there, false)", join=join)


def _gift_short(b: Builder, values: Values) -> Sql:
    alias = b.alias()
    join = f"""
    LEFT JOIN LATERAL (
        SELECT k.code FROM {_LINES}
        CROSS JOIN LATERAL (
            SELECT coalesce(sum({available_sql("s")}), 0) AS units FROM inventory_stock s
            JOIN inventory_warehouse w ON w.id = s.warehouse_id AND w.is_active WHERE s.sku_id = k.id) AS a
        WHERE l.order_id = o.id AND l.is_gift GROUP BY k.id, a.units HAVING sum(l.quantity) > a.units
        ORDER BY k.code LIMIT 1
    ) AS {alias} ON true
    """
    return Sql(f"{alias}.code IS NOT NULL", fact(found=f"{alias}.code"), join)


GOODS = (
    Kind(
        "sku_units_over",
        gettext_lazy("Too many units of a SKU"),
        _sku_units_over,
        (
            Param("units", "number", gettext_lazy("units at most"), default=100),
            Param("skus", "codes", gettext_lazy("SKU codes (empty: any)"), of="sku", is_optional=True),
        ),
        gettext_lazy("it has more than %(units)s units of a SKU"),
    ),
    Kind(
        "has_sku",
        gettext_lazy("Certain SKUs"),
        _has_sku,
        (Param("skus", "codes", gettext_lazy("SKU codes"), of="sku"),),
    ),
    Kind(
        "has_class",
        gettext_lazy("Storage class"),
        _has_class,
        (Param("classes", "choices", gettext_lazy("storage classes"), choices=StorageClass.choices),),
    ),
    Kind("gift_short", gettext_lazy("Gift out of stock"), _gift_short),
)
