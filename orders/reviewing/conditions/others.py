"""Conditions that look at other rows: the buyer's other orders, those to the address, lists, the area."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy

from inventory.models import RemoteArea
from orders.models import OrderState, PaymentMethod, SubOrderState
from orders.reviewing.conditions.base import COUNTS, MOST_NAMED, SINCE, Builder, Kind, Sql, fact
from orders.reviewing.params import Param

Values = Mapping[str, Any]

# Beyond so many orders none is counted further: a flood of one buyer would cost its square.
MOST_COUNTED = 1000

_OF_BUYER = "p.buyer_reference = o.buyer_reference AND p.channel_id = o.channel_id"
_TO_ADDRESS = "p.address_key = o.address_key AND p.recipient_address <> ''"


def _orders_over(same: str) -> Any:
    # It counts the orders up to and including this one, so those within the limit pass and the next one is found.
    def sql(b: Builder, values: Values) -> Sql:
        limit, alias = b.bind(values["orders"], "int"), b.alias()
        minutes = b.bind(values["minutes"], "int")
        among = f"""
            FROM orders_order p WHERE {same} AND p.state <> '{OrderState.CANCELLED}'
            AND p.ordered_at > o.ordered_at - make_interval(mins => {minutes}) AND p.ordered_at <= o.ordered_at
        """
        join = f"""
        CROSS JOIN LATERAL (SELECT count(*) FROM (
            SELECT {among} LIMIT greatest({limit} + 1, {MOST_COUNTED})) AS counted) AS {alias}
        """
        named = f"""
            (SELECT jsonb_agg(jsonb_build_array(n.id, n.number)) FROM (
                SELECT p.id, p.number {among} ORDER BY p.ordered_at DESC, p.id DESC LIMIT {MOST_NAMED}) AS n)
        """
        found = fact(found=f"{alias}.count::text", limit=f"{limit}::text", minutes=minutes, orders=named)
        return Sql(f"{alias}.count > {limit}", found, join)

    return sql


def _refused_before(b: Builder, values: Values) -> Sql:
    least, alias = b.bind(values["refusals"], "int"), b.alias()
    among = f"""
        FROM orders_order p JOIN orders_suborder s ON s.order_id = p.id
        WHERE {_OF_BUYER} AND p.id <> o.id
          AND (s.state = '{SubOrderState.REJECTED}' OR s.state = '{SubOrderState.RETURNED}' AND s.delivered_at IS NULL)
          AND s.shipped_at > {b.moment} - make_interval(days => {b.bind(values["days"], "int")})
    """
    join = f"CROSS JOIN LATERAL (SELECT count(DISTINCT p.id) {among}) AS {alias}"
    named = f"""
        (SELECT jsonb_agg(jsonb_build_array(n.id, n.number)) FROM (
            SELECT DISTINCT p.id, p.number {among} ORDER BY p.id DESC LIMIT {MOST_NAMED}) AS n)
    """
    return Sql(
        f"{alias}.count >= {least}",
        fact(found=f"{alias}.count::text", limit=f"({least} - 1)::text", orders=named),
        join,
    )


def _sibling(b: Builder, condition: str, more: str = "") -> Sql:
    alias = b.alias()
    join = f"""
    LEFT JOIN LATERAL (
        SELECT p.id, p.number FROM orders_order p {more} WHERE p.id <> o.id AND {condition} ORDER BY p.id LIMIT 1
    ) AS {alias} ON true
    """
    found = fact(found=f"{alias}.number", orders=f"jsonb_build_array(jsonb_build_array({alias}.id, {alias}.number))")
    return Sql(f"{alias}.id IS NOT NULL", found, join)


def _unpaid_sibling(b: Builder, values: Values) -> Sql:
    window = f"make_interval(mins => {b.bind(values['minutes'], 'int')})"
    is_unpaid = (
        f"(p.paid_at IS NULL OR p.paid_at > {b.moment}) AND p.payment_method = '{PaymentMethod.PREPAID}'"
        f" AND p.created_at <= {b.moment}"
        if b.is_rehearsal
        else f"p.state = '{OrderState.AWAITING_PAYMENT}'"
    )
    # It waits for the sibling no longer than that either.
    patience = f"{SINCE.format('o')} > {b.moment} - {b.minutes(values['minutes'])}"
    return _sibling(
        b,
        f"{_OF_BUYER} AND {is_unpaid} AND {patience}"
        f" AND p.ordered_at BETWEEN o.ordered_at - {window} AND o.ordered_at + {window}",
    )


def classes_of(order: str) -> str:
    """SQL for the storage classes of an order's goods, in their order."""
    return (
        "(SELECT array_agg(DISTINCT k.storage_class ORDER BY k.storage_class) FROM orders_orderline l"
        f" JOIN inventory_sku k ON k.id = l.sku_id WHERE l.order_id = {order}.id)"
    )


# Whether orders `p` and `o` could leave in one parcel, by the columns that orders have, and by their goods.
SAME_PARCEL = """
    p.buyer_reference = o.buyer_reference AND pc.merchant_id = (
        SELECT oc.merchant_id FROM merchants_channel oc WHERE oc.id = o.channel_id)
    AND p.recipient_name = o.recipient_name AND p.recipient_phone = o.recipient_phone
    AND p.region_id = o.region_id AND p.address_key = o.address_key AND p.payment_method = o.payment_method
    AND left(p.number, 1) <> '3' AND left(o.number, 1) <> '3'
"""
SAME_CLASSES = f"{classes_of('p')} = {classes_of('o')}"


def _mergeable_sibling(b: Builder, values: Values) -> Sql:
    since, delay = SINCE.format("p"), b.delay("pc")
    in_time = f"{since} + {delay} > {b.moment}"
    is_there = (
        f"{since} <= {b.moment}" if b.is_rehearsal else f"p.state = '{OrderState.IN_REVIEW}' AND p.reviewed_at IS NULL"
    )
    patience = f"{SINCE.format('o')} > {b.moment} - {b.minutes(values['minutes'])}"
    return _sibling(
        b,
        # Goods are read last, of the few that everything else fits.
        f"{SAME_PARCEL} AND {is_there} AND {in_time} AND {patience}"
        f" AND CASE WHEN {in_time} THEN {SAME_CLASSES} ELSE false END",
        "JOIN merchants_channel pc ON pc.id = p.channel_id",
    )


def _on_list(b: Builder, values: Values) -> Sql:
    alias = b.alias()
    join = f"""
    LEFT JOIN LATERAL (
        -- What is kept is shown to everybody who sees the order: who it is about stays on the list.
        SELECT CASE WHEN e.phone <> '' THEN '****' || right(e.phone, 4)
                    WHEN e.address <> '' THEN left(e.address, 3) || '…' ELSE e.text END AS value, e.reason
        FROM orders_reviewlistentry e
        WHERE e.review_list_id = (SELECT b.id FROM orders_reviewlist b WHERE b.code = {b.bind(values["list"], "text")})
          AND {COUNTS}
          AND (e.phone IN (o.recipient_phone, o.buyer_phone) AND e.phone <> ''
               OR e.address_key = o.address_key OR e.kind = 'buyer' AND e.text = o.buyer_reference)
        LIMIT 1
    ) AS {alias} ON true
    """
    return Sql(f"{alias}.value IS NOT NULL", fact(found=f"btrim({alias}.value || ' ' || {alias}.reason)"), join)


def _unreachable(b: Builder, values: Values) -> Sql:
    # The longest area that fits decides, as where freight is worked out.
    alias = b.alias()
    join = f"""
    LEFT JOIN LATERAL (
        SELECT a.area, a.kind FROM inventory_remotearea a WHERE starts_with(o.region_id, a.area)
        ORDER BY length(a.area) DESC LIMIT 1
    ) AS {alias} ON true
    LEFT JOIN LATERAL (SELECT s.area FROM inventory_suspension s
        WHERE s.area <> '' AND s.carrier = '' AND s.warehouse_id IS NULL AND s.extra_days IS NULL
          AND starts_with(o.region_id, s.area)
          AND ({b.moment} AT TIME ZONE 'Asia/Shanghai')::date BETWEEN s.starts_on AND s.ends_on
        LIMIT 1
    ) AS {alias}_s ON true
    """
    test = f"(coalesce({alias}.kind = '{RemoteArea.Kind.NO_SERVICE}', false) OR {alias}_s.area IS NOT NULL)"
    return Sql(test, fact(found=f"coalesce({alias}_s.area, {alias}.area)"), join)


_MINUTES = Param(
    "minutes", "number", gettext_lazy("within minutes"), default=60, least=1, most=7 * 1440, unit=gettext_lazy("min")
)
_ORDERS = Param("orders", "number", gettext_lazy("orders at most"), default=5, most=10_000)

OTHERS = (
    Kind(
        "address_orders",
        gettext_lazy("Too many orders to an address"),
        _orders_over(_TO_ADDRESS),
        (_ORDERS, _MINUTES),
        gettext_lazy("more than %(orders)s orders to the address within %(minutes)s"),
    ),
    Kind(
        "buyer_orders",
        gettext_lazy("Too many orders of a buyer"),
        _orders_over(_OF_BUYER),
        (_ORDERS, _MINUTES),
        gettext_lazy("more than %(orders)s orders of the buyer within %(minutes)s"),
    ),
    Kind(
        "refused_before",
        gettext_lazy("The buyer refused parcels before"),
        _refused_before,
        (
            Param("refusals", "number", gettext_lazy("refusals at least"), default=2, least=1, most=100),
            Param("days", "number", gettext_lazy("within days"), default=90, least=1, most=3650),
        ),
        gettext_lazy("the buyer refused %(refusals)s or more within %(days)s days"),
    ),
    Kind(
        "unpaid_sibling",
        gettext_lazy("Another order of the buyer is not paid yet"),
        _unpaid_sibling,
        (Param("minutes", "number", gettext_lazy("within minutes"), default=30, least=1, most=1440),),
        gettext_lazy("another order of the buyer within %(minutes)s minutes is not paid yet"),
    ),
    Kind(
        "mergeable_sibling",
        gettext_lazy("An order that could leave in the same parcel is about to be reviewed"),
        _mergeable_sibling,
        (Param("minutes", "number", gettext_lazy("at most for minutes"), default=60, least=1, most=1440),),
        gettext_lazy(
            "an order that could leave in the same parcel is still within its delay (at most %(minutes)s min)"
        ),
    ),
    Kind(
        "on_list",
        gettext_lazy("Buyer, phone or address on a list"),
        _on_list,
        (Param("list", "list", gettext_lazy("list"), of="people"),),
    ),
    Kind("unreachable", gettext_lazy("No carrier reaches the area"), _unreachable),
)
